"""Clips as a windowed net learns from them: made once, kept in files of 128, taken up where making was stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxface.stream import Array
from voxface.tensors import open_tensors, save_tensors

CLIPS = 128
"""Clips in one file."""

_NEEDED_BY, _EXTRA = "clips to train on", "train"


@dataclass(frozen=True, slots=True, eq=False)
class ClipTable:
    """Clips behind one another.

    columns: (frames, width) float16 of each kind: rows of features, weights of faces, ...
    starts:  (clips + 1,) where each begins; the last entry is the end
    """

    columns: tuple[Array, ...]
    starts: Array

    def crops(self, frames: int, count: int, random: np.random.Generator) -> tuple[Array, ...]:
        """Crops, none over the edge of a clip: (count, frames, width) float32 of each column.

        Every place is as likely as any other; clips must be at least as long.
        """
        room = np.diff(self.starts) - frames + 1
        clips = random.choice(len(room), count, p=room / room.sum())
        first = self.starts[clips] + (random.random(count) * room[clips]).astype(int)
        places = first[:, None] + np.arange(frames)
        return tuple(column[places].astype(np.float32) for column in self.columns)


def clip_table(make: Callable[[int], Sequence[Array]], files: int, folder: Path) -> ClipTable:
    """The first `files` * 128 clips; those that do not lie in the folder yet are made.

    make: clip number -> one (frames, width) array for each column
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for number in range(files):
        path = folder / f"{number:04d}.safetensors"
        if not path.exists():
            _write(path, [make(number * CLIPS + place) for place in range(CLIPS)])
        parts.append(_read(path))
    columns = tuple(np.concatenate(column) for column in zip(*(part[:-1] for part in parts), strict=True))
    lengths = np.concatenate([part[-1] for part in parts])
    return ClipTable(columns, np.concatenate([[0], np.cumsum(lengths)]))


def _write(path: Path, clips: Sequence[Sequence[Array]]) -> None:
    columns = {f"column{i}": np.concatenate(c).astype(np.float16) for i, c in enumerate(zip(*clips, strict=True))}
    lengths = np.array([len(clip[0]) for clip in clips])
    save_tensors(path, columns | {"lengths": lengths}, {"columns": len(columns)}, _NEEDED_BY, _EXTRA)


def _read(path: Path) -> list[Array]:
    with open_tensors(path, _NEEDED_BY, _EXTRA) as (header, read):
        return [*(read(f"column{i}") for i in range(header["columns"])), read("lengths")]
