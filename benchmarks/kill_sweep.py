"""`voxface capture` killed at many instants; each time a rerun must give the bytes of an undisturbed run.

    python benchmarks/kill_sweep.py [VIDEO...] [--kills 60] [--seed 1] [--face-model FILE] [--work FOLDER]

Two thirds of the kills are kill -9 of the program at random instants of its run, every third of these again during the
rerun. The others are put by strace on system calls: each process dies at its write, fsync or rename of a random number.
Prints what was killed, rerun and compared; exit code 1 if a byte differs, or a temporary file or a process stays.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from voxface.capture.journal import FILE

DATA = Path(__file__).parents[2] / "shared" / "data"
CALLS = {"write": 40, "fsync": 6, "rename": 6}
"""System calls to die in, and the highest number of one: about as many as a process of such a run makes."""


class Sweep:
    """One output folder, used anew for each kill."""

    def __init__(self, command: Sequence[str], out: Path) -> None:
        self._command, self.out, self.count = [*command, "-o", str(out)], out, Counter[str]()

    def start(self, before: Sequence[str] = (), *flags: str) -> subprocess.Popen[bytes]:
        command, nothing = [*before, *self._command, *flags], subprocess.DEVNULL
        return subprocess.Popen(command, stdout=nothing, stderr=nothing, start_new_session=True)

    def files(self) -> dict[str, bytes]:
        inside = self.out.iterdir() if self.out.exists() else ()
        return {path.name: path.read_bytes() for path in inside if path.name != FILE}

    def undisturbed(self) -> tuple[dict[str, bytes], float]:
        """Its files, and how long it took."""
        began = time.monotonic()
        if self.start().wait():
            sys.exit("the undisturbed run failed; run voxface capture on these videos to see why")
        return self.files(), time.monotonic() - began

    def kill(self, after_s: float) -> None:
        """kill -9 after a while; counts whether it came in time, and processes that do not go."""
        run = self.start()
        time.sleep(after_s)
        self.count["killed in time"] += run.poll() is None
        run.kill()
        run.wait()
        self._wait_for_the_last(run.pid)

    def kill_inside(self, call: str, number: int) -> None:
        """Let strace kill each process at a system call."""
        strace = ("strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={call}:signal=SIGKILL:when={number}")
        run = self.start(strace)
        self.count["killed in a call"] += run.wait() != 0
        self._wait_for_the_last(run.pid)

    def _wait_for_the_last(self, group: int) -> None:
        end = time.monotonic() + 10
        while _alive(group) and time.monotonic() < end:
            time.sleep(0.01)
        self.count["processes left"] += _alive(group)

    def rerun(self, expected: dict[str, bytes]) -> None:
        """Run again, and compare everything."""
        self.count["reruns"] += 1
        self.count["reruns failed"] += self.start((), "--retry-failed").wait() != 0
        found = self.files()
        self.count["temporary files left"] += sum(name.endswith((".part", ".piece")) for name in found)
        self.count["files compared"] += len(expected)
        self.count["files missing or more"] += len(set(found) ^ set(expected))
        for name in set(found) & set(expected):
            longer = max(len(found[name]), len(expected[name]))
            same = (
                sum(a == b for a, b in zip(found[name], expected[name], strict=False)) if found != expected else longer
            )
            self.count["bytes compared"] += longer
            self.count["bytes that differ"] += longer - same
            if same < longer:
                print(f"\n{name}: {longer - same} of {longer} bytes differ", flush=True)


def _alive(group: int) -> int:
    """Living processes of a process group (Linux)."""
    count = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it ended while we looked
            continue
        count += int(process_group) == group and state not in "ZX"
    return count


def sweep(command: Sequence[str], work: Path, kills: int, seed: int) -> Counter[str]:
    chance = random.Random(seed)
    one = Sweep(command, work / "out")
    expected, length_s = one.undisturbed()
    print(f"undisturbed: {len(expected)} files in {length_s:.1f} s", flush=True)
    for number in range(kills):
        shutil.rmtree(one.out)
        if number % 3 == 2 and shutil.which("strace"):
            call = chance.choice(list(CALLS))
            one.kill_inside(call, chance.randint(1, CALLS[call]))
        else:
            one.kill(chance.uniform(0, length_s))
            if number % 3 == 1:
                one.kill(chance.uniform(0, length_s))
        one.rerun(expected)
        print(f"\r{number + 1}/{kills}", end="", flush=True)
    print()
    return one.count


def main() -> None:
    parser = argparse.ArgumentParser(description="voxface capture killed at many instants")
    parser.add_argument("videos", nargs="*", type=Path, default=[DATA / "grid_dev"])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--face-model", type=Path, default=DATA / "face_landmarker.task")
    parser.add_argument("--work", type=Path, help="an empty folder; default: a temporary one")
    chosen = parser.parse_args()
    program = (sys.executable, "-m", "voxface.cli.main", "capture", *map(str, chosen.videos), "--json-pair")
    command = (*program, "--jobs", "2", "--face-model", str(chosen.face_model))
    with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
        count = sweep(command, Path(folder), chosen.kills, chosen.seed)
    for name, value in count.items():
        print(f"{name:24} {value}")
    faults = ("bytes that differ", "files missing or more", "temporary files left", "processes left", "reruns failed")
    sys.exit(any(count[name] for name in faults))


if __name__ == "__main__":
    main()
