"""Sliding windows over a recording (SPEC A3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from voxface.dataset.recording import Recording
from voxface.errors import DatasetError, UsageError
from voxface.stream import Array

WINDOW_ROWS = 24
"""240 ms."""

OVERLAP_ROWS = 12

LEAST_VALID = 0.5
"""A window is kept with a face in at least this share of its rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The windows of a recording that hold enough of a face.

    audio_sequences:  (N, rows, 80 | 83) float32 features
    target_sequences: (N, rows, 59) float32, in the order of dataset.recording.CHANNELS
    mask:             (N, rows) bool; False: no face was seen, the target is a placeholder
    starts:           (N,) int64: the first row of each window
    """

    audio_sequences: Array
    target_sequences: Array
    mask: Array
    starts: Array

    def __len__(self) -> int:
        return len(self.mask)


def check_window(rows: int, overlap: int) -> None:
    """Raises: UsageError: a window that is empty or does not move on."""
    if rows < 1 or not 0 <= overlap < rows:
        raise UsageError(
            f"a window has at least 1 row and overlaps the next by fewer rows than it has; "
            f"got window {rows}, overlap {overlap}.",
            hint="The default is window 24, overlap 12.",
        )


def window_count(recording_rows: int, rows: int = WINDOW_ROWS, overlap: int = OVERLAP_ROWS) -> int:
    """Windows that fit: (recording_rows - rows) // (rows - overlap) + 1; the incomplete last one is dropped."""
    return 0 if recording_rows < rows else (recording_rows - rows) // (rows - overlap) + 1


def window_starts(valid: Array, rows: int = WINDOW_ROWS, overlap: int = OVERLAP_ROWS) -> Array:
    """(N,) int64: the first rows of the windows with a face in at least half of their rows."""
    starts = np.arange(window_count(len(valid), rows, overlap)) * (rows - overlap)
    seen = np.concatenate([[0], np.cumsum(valid)])
    kept: Array = starts[seen[starts + rows] - seen[starts] >= LEAST_VALID * rows]
    return kept


def windows(
    recording: Recording,
    feature_rows: Array,
    rows: int = WINDOW_ROWS,
    overlap: int = OVERLAP_ROWS,
    *,
    calibrate: bool = False,
) -> Windows:
    """Cut a recording and its features into windows that start at rows 0, rows - overlap, 2 (rows - overlap), ...

    Args:
        feature_rows: (r, 80 | 83) features of recording.samples.
        rows, overlap: of 10 ms; a net that sees 63 rows is badly trained on 24.
        calibrate: targets with the speaker's rest at 0, instead of weights as measured.
    Raises: UsageError: overlap is not below rows. DatasetError: features of another length.
    """
    check_window(rows, overlap)
    if len(feature_rows) != recording.rows:
        raise DatasetError(
            f"recording {recording.name!r} has {recording.rows} rows, its features have {len(feature_rows)}.",
            hint="Compute them from recording.samples at 16 kHz.",
        )
    starts = window_starts(recording.valid, rows, overlap)
    return Windows(
        audio_sequences=_cut(feature_rows, starts, rows),
        target_sequences=_cut(recording.targets(calibrate), starts, rows),
        mask=_cut(recording.valid, starts, rows),
        starts=starts,
    )


def _cut(values: Array, starts: Array, rows: int) -> Array:
    if not len(starts):
        return np.zeros((0, rows, *values.shape[1:]), values.dtype)
    views = sliding_window_view(values, rows, axis=0)[starts]  # (N, ..., rows)
    return np.ascontiguousarray(np.moveaxis(views, -1, 1))
