"""Capture on two Ray nodes of this machine, one of which is killed while it works, against a serial run.

    python -m benchmarks.ray_nodes [VIDEO or FOLDER...] [--face-model FILE] [--after 2] [--fps-limit 30]

The node dies (SIGKILL to its raylet and its worker) when so many captures are there and it has a video at hand. Counts
come from the journal and from the files. Exit code 1 if a video is lost, stands in the journal twice, or differs.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.two_nodes import kill_at_work, two_nodes, until

from voxface.capture.journal import FILE
from voxface.capture.store import SUFFIX

DATA = Path(__file__).parents[2] / "shared" / "data"


def capture(options: argparse.Namespace, output: Path, *more: str) -> list[str]:
    """The command of one run."""
    flags = ["--fps-limit", str(options.fps_limit), *options.tracker]
    flags += ["--face-model", str(options.face_model)] if options.face_model else []
    return ["voxface", "capture", *map(str, options.videos), "-o", str(output), *flags, *more]


def start(command: list[str]) -> subprocess.Popen[str]:
    print("$", shlex.join(command), flush=True)
    program = [sys.executable, "-m", "voxface.cli.main", *command[1:]]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def captures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(f"*{SUFFIX}")}


def on_two_nodes(options: argparse.Namespace, output: Path) -> tuple[str, float]:
    """What the run said, and the seconds it took from its start."""
    with two_nodes() as cluster:
        begun = time.monotonic()
        run = start(capture(options, output, "--runner", "ray", "--address", cluster.address))
        until(lambda: len(captures(output)) >= options.after or run.poll() is not None)
        kill_at_work(cluster)
        print(
            f"killed one of the two nodes at {time.monotonic() - begun:.1f} s, {len(captures(output))} captures there"
        )
        said, errors = run.communicate()
        return said + errors, time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--face-model", type=Path, default=DATA / "face_landmarker.task")
    parser.add_argument("--after", type=int, default=2)
    parser.add_argument("--fps-limit", type=float, default=30.0)
    parser.add_argument("--tracker", type=lambda name: ("--tracker", name), default=())
    options = parser.parse_args()
    options.videos = options.videos or [DATA / "wild_dev", DATA / "grid_dev"]
    with tempfile.TemporaryDirectory() as place:
        serial, ray = Path(place) / "serial", Path(place) / "ray"
        begun = time.monotonic()
        alone = start(capture(options, serial, "--jobs", "1"))
        alone.communicate()
        alone_s = time.monotonic() - begun
        said, ray_s = on_two_nodes(options, ray)
        lines = [json.loads(line) for line in (ray / FILE).read_text().splitlines()]
        noted = Counter(line["source"] for line in lines if "source" in line)
        tries = sum(line["tries"] for line in lines if "source" in line)
        expected, made = captures(serial), captures(ray)
    print(said, end="")
    lost = expected.keys() - made.keys()
    twice = [source for source, count in noted.items() if count > 1]
    differing = [name for name in made if made[name] != expected.get(name)]
    print(f"\nvideos {len(expected)}, tasks started {tries}, of them again {tries - len(noted)}")
    print(f"lost {len(lost)}, in the journal twice {len(twice)}, differing from the serial run {len(differing)}")
    print(f"serial {alone_s:.1f} s, two nodes of which one died {ray_s:.1f} s")
    return 1 if not expected or lost or twice or differing or len(noted) != len(expected) else 0


if __name__ == "__main__":
    sys.exit(main())
