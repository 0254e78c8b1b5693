"""Recordings behind one another with what teachers say of their faces, in files that are mapped and not read.

Teachers are asked once; whoever learns from the same speech again, cut and disturbed in another way, finds what they
said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxface.dataset.recording import Recording
from voxface.stream import Array
from voxface.training.rest import NOBODY as NOBODY_SPEAKS

NOBODY, CAPTURED, SYNTHETIC = range(3)
"""Who speaks in a recording: nobody, a human being, a machine."""

_FILES = ("samples", "weights", "kinds", "starts")


@dataclass(frozen=True, slots=True, eq=False)
class SpeechTable:
    """Sound and faces of many recordings.

    samples: (n,) int16 at 16 kHz, one recording behind the other
    weights: (rows, 52) float16 in canonical order, 100 rows a second
    kinds:   (recordings,) int8: NOBODY, CAPTURED or SYNTHETIC
    starts:  (recordings + 1, 2) where each begins among the samples and among the rows; the last entry is the end
    """

    samples: Array
    weights: Array
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


def speech_table(recordings: Iterable[Recording], folder: Path) -> SpeechTable:
    """The table in `folder`; where there is none yet it is made, each recording asked for once and forgotten."""
    if not (folder / "starts.npy").exists():  # it is written last
        _write(recordings, folder)
    return SpeechTable(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _FILES))


def _write(recordings: Iterable[Recording], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    samples, weights, kinds, starts = [], [], [], [(0, 0)]
    for recording in recordings:
        samples.append(np.round(np.clip(recording.samples, -1, 1) * 32_767).astype(np.int16))
        weights.append(recording.weights.astype(np.float16))
        kinds.append(_kind(recording))
        starts.append((starts[-1][0] + len(samples[-1]), starts[-1][1] + len(weights[-1])))
    for name, parts in zip(_FILES, (samples, weights, [np.array(kinds)], [np.array(starts)]), strict=True):
        np.save(folder / f"{name}.npy", np.concatenate(parts))


def _kind(recording: Recording) -> int:
    if recording.speaker == NOBODY_SPEAKS:
        return NOBODY
    return SYNTHETIC if recording.synthetic else CAPTURED
