"""Runs of `voxface capture` on made videos, for the tests: start them, end them, look at what they left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests import capture_program
from tests.videos import grey, make_video, tone
from voxface.capture.face_model import ENVIRONMENT
from voxface.capture.journal import FILE

ROOT = Path(__file__).parents[1]


class Folder:
    """Videos in `videos`, captures in `out`, both below one folder of the test's own."""

    def __init__(self, place: Path) -> None:
        self.place, self.videos, self.out = place, place / "videos", place / "out"
        self.videos.mkdir()
        (place / "model.task").write_bytes(capture_program.MODEL)

    def add(self, name: str, *happens: int, frames: int = 4) -> Path:
        """A video that shows faces, which differ from video to video, and then what happens."""
        first = sum(map(ord, name)) % 16
        pictures = [grey(number) for number in (*((first + k) % 20 for k in range(frames)), *happens)]
        times = np.arange(len(pictures)) / 25
        return make_video(self.videos / f"{name}.mp4", times, pictures=pictures, sound=tone(0.2), sound_codec="aac")

    def command(self, *flags: str | Path, before: Sequence[str] = ()) -> list[str]:
        """The program on all videos, or on one if the flags begin with it."""
        program = [*before, sys.executable, "-m", "tests.capture_program", "capture"]
        fixed = ("-o", self.out, "--tracker", "obedient")
        videos = () if flags and isinstance(flags[0], Path) else (self.videos,)
        return [*program, *map(str, (*videos, *fixed, *flags))]

    def start(self, *flags: str | Path, before: Sequence[str] = (), **env: str) -> subprocess.Popen[str]:
        """A run in a group of its own, as a shell would start it."""
        places = {"XDG_CACHE_HOME": str(self.place), ENVIRONMENT: str(self.place / "model.task")}
        settings = {**os.environ, "PYTHONPATH": str(ROOT), **places, **env}
        return subprocess.Popen(
            self.command(*flags, before=before), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.place, env=settings, start_new_session=True,
        )  # fmt: skip

    def run(self, *flags: str | Path, before: Sequence[str] = (), **env: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*flags, before=before, **env)
        out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def files(self) -> dict[str, bytes]:
        """The captures and their JSON files, by name."""
        inside = self.out.iterdir() if self.out.exists() else ()
        return {path.name: path.read_bytes() for path in inside if path.name != FILE}

    def captured(self) -> set[str]:
        return {name.split(".")[0] for name in self.files() if name.endswith(".safetensors")}

    def journal(self) -> list[dict[str, Any]]:
        """The lines about videos."""
        lines = [json.loads(line) for line in (self.out / FILE).read_text().splitlines()]
        return [line for line in lines if "source" in line]


def members(group: int) -> list[int]:
    """Processes of a process group that live; the dead that nobody has asked for do not count. Linux only."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it ended while we looked
            continue
        if int(process_group) == group and state not in "ZX":
            found.append(int(stat.parent.name))
    return found
