"""`voxface serve` with limits of a test's choosing, as a process of its own.

    python -m tests.server_program '{"idle_s": 0.3, "bundles": ["live"]}'

The first line of its output is its address; its log goes to standard error.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from voxface.cli.output import one_line
from voxface.server.app import build_app
from voxface.server.hall import Hall
from voxface.server.listen import address_of, open_socket, run
from voxface.server.settings import Settings


class NoTalker:
    """In place of NeuroSync's model, which these tests do not ask."""

    def audio_to_blendshapes(self, body: bytes, kind: str, check: object) -> bytes:
        raise AssertionError("nobody asks for this")


def main(limits: dict[str, Any]) -> None:
    limits = {name: tuple(value) if isinstance(value, list) else value for name, value in limits.items()}
    settings = Settings(port=0, **limits)
    hall = Hall(settings, lambda line: print(one_line(line), file=sys.stderr, flush=True))
    wire = open_socket(settings.host, 0)
    print(address_of(wire), flush=True)
    run(build_app(hall, NoTalker()), wire, hall)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
