"""Write docs/cli.md: the help of every verb, as the program prints it.

python tools/write_cli_docs.py docs/cli.md
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from voxface.cli.main import add_verbs, app


def verbs(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The program itself, then every verb that does something, in the order of the program's help."""
    inside = getattr(command, "commands", {})
    if not (inside and name):
        yield name
    for key, one in inside.items():
        yield from verbs(one, (*name, key))


def help_text(verb: tuple[str, ...]) -> str:
    """What `voxface VERB --help` prints on a terminal of 100 columns."""
    command = [sys.executable, "-m", "voxface.cli.main", *verb, "--help"]
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    text = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def main() -> None:
    """Write the page named on the command line."""
    add_verbs()
    parts = [
        "# The program, verb by verb",
        "",
        "Made by `make docs`; flag > environment > `voxface.toml` > default.",
        "",
    ]
    for verb in verbs(typer.main.get_command(app)):
        parts += [f"## `{' '.join(['voxface', *verb])}`", "", "```", help_text(verb), "```", ""]
    Path(sys.argv[1]).write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
