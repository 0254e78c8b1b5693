"""Recordings behind one another with what teachers say of their faces, in files that are mapped and not read.

Teachers are asked once; whoever learns from the same speech again, cut and disturbed in another way, finds what they
said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxface.dataset.recording import Recording
from voxface.files import atomic_write
from voxface.stream import Array
from voxface.training.rest import NOBODY as NOBODY_SPEAKS

NOBODY, CAPTURED, SYNTHETIC = range(3)
"""Who speaks in a recording: nobody, a human being, a machine."""

_FILES = ("samples", "weights", "emotion", "kinds", "starts")


@dataclass(frozen=True, slots=True, eq=False)
class SpeechTable:
    """Sound and faces of many recordings.

    samples: (n,) int16 at 16 kHz, one recording behind the other
    weights: (rows, 52) float16 in canonical order, 100 rows a second
    emotion: (rows, 7) float16, 0...1, summing to 1
    kinds:   (recordings,) int8: NOBODY, CAPTURED or SYNTHETIC
    starts:  (recordings + 1, 2) where each begins among the samples and among the rows; the last entry is the end
    """

    samples: Array
    weights: Array
    emotion: Array
    kinds: Array
    starts: Array

    def __len__(self) -> int:
        return len(self.starts) - 1

    def sound(self, number: int) -> Array:
        """(n,) float32 samples of a recording, in [-1, 1]."""
        first, last = self.starts[number : number + 2, 0]
        return np.asarray(self.samples[first:last], np.float32) / np.float32(32_768)

    def rows(self, number: int) -> slice:
        """Where the rows of a recording are."""
        return slice(*self.starts[number : number + 2, 1].tolist())


def speech_table(recordings: Iterable[Recording], feeling: Callable[[Array], Array], folder: Path) -> SpeechTable:
    """The table in `folder`; where there is none yet it is made, each recording asked for once and forgotten.

    feeling: (n,) samples at 16 kHz -> (1 + n // 160, 7) emotions.
    """
    if not (folder / f"{_FILES[-1]}.npy").exists():
        _write(recordings, feeling, folder)
    return SpeechTable(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _FILES))


def _write(recordings: Iterable[Recording], feeling: Callable[[Array], Array], folder: Path) -> None:
    """The files of a table; the one that says that all are there comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[Array]] = {name: [] for name in _FILES}
    start = np.zeros((1, 2), np.int64)
    for recording in recordings:
        columns["samples"].append(np.round(np.clip(recording.samples, -1, 1) * 32_767).astype(np.int16))
        columns["weights"].append(recording.weights.astype(np.float16))
        columns["emotion"].append(feeling(recording.samples).astype(np.float16))
        columns["kinds"].append(np.array([_kind(recording)], np.int8))
        columns["starts"].append(start)
        start = start + np.array([len(recording.samples), recording.rows])
    columns["starts"].append(start)
    for name, parts in columns.items():
        with atomic_write(folder / f"{name}.npy") as file:
            np.save(file, np.concatenate(parts))


def _kind(recording: Recording) -> int:
    if recording.speaker == NOBODY_SPEAKS:
        return NOBODY
    return SYNTHETIC if recording.synthetic else CAPTURED
