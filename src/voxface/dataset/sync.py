"""How much later the face is than the sound: the lag at which the sound tells most about the lip gap (SPEC A3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

LEAST_SECONDS = 20.0
"""Seconds of face that an estimate needs."""

LEAST_R = 0.35
"""The sound must tell at least this much about the lip gap (r, cross-validated) for its lag to count."""

LEAST_GAIN = 0.05
"""The best lag must be this much better than none."""

WORST_MS = 200.0
"""A recording that is further off is not used."""

_FRAMES = 15  # lags to each side, in video frames
_TAPS = (-5, -3, -1, 1, 3, 5)  # rows of sound around a row, +-50 ms; windows of 25 ms overlap from one to the next
_STRIDE = 2  # rows; the face comes at 25 to 60 frames a second
_FOLDS = 5
_RIDGE = 0.1  # weight of the penalty, in units of the variance of a feature


@dataclass(frozen=True, slots=True, eq=False)
class SyncRows:
    """Sound and lips of one recording: mel (rows, 80) dB, gap (rows,), valid (rows,) bool."""

    mel: Array
    gap: Array
    valid: Array


@dataclass(frozen=True, slots=True)
class Offset:
    """What is known of the offset of some recordings that were made alike.

    verdict:    "known", or why not: "too short", "sound tells too little", "no lag is better"
    offset_ms:  how much later the face is than the sound (negative: the mouth leads); None: unknown
    best_ms:    the lag of the highest r, also where it does not count
    best_r, zero_r: cross-validated r at that lag and at lag 0
    seconds:    of face that it rests on
    recordings: how many were pooled
    """

    verdict: str
    offset_ms: float | None
    best_ms: float | None
    best_r: float | None
    zero_r: float | None
    seconds: float
    recordings: int

    def to_json(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        return asdict(self)


def estimate_offset(parts: Sequence[SyncRows], frame_ms: float) -> Offset:
    """The offset that recordings of one speaker and one camera share.

    For each lag of -15 ... +15 video frames: 5-fold cross-validated Pearson r of the lip gap, that much later, from a
    ridge on the log-mel of +-50 ms. All lags are judged on the same rows. The best lag counts if its r is at least
    0.35, and 0.05 better than at lag 0.

    Args:
        parts: at least 20 s of face together.
        frame_ms: milliseconds between video frames.
    """
    seconds = float(sum(part.valid.sum() for part in parts)) / ROW_RATE_HZ
    lags = np.arange(-_FRAMES, _FRAMES + 1) * frame_ms
    cut = [_examples(part, lags * ROW_RATE_HZ / 1000) for part in parts]
    sound, lips = (np.concatenate(list(side)) for side in zip(*cut, strict=True)) if cut else (np.zeros((0, 0)),) * 2
    if seconds < LEAST_SECONDS or len(sound) < 10 * _FOLDS:
        return Offset("too short", None, None, None, None, seconds, len(parts))
    r = _cross_validated(sound, lips)
    best = int(np.lexsort((np.abs(lags), -r))[0])
    best_r, zero_r, best_ms = float(r[best]), float(r[_FRAMES]), float(lags[best])
    if best_r < LEAST_R:
        verdict = "sound tells too little"
    elif best_r < zero_r + LEAST_GAIN:
        verdict = "no lag is better"
    else:
        verdict = "known"
    return Offset(verdict, best_ms if verdict == "known" else None, best_ms, best_r, zero_r, seconds, len(parts))


def _examples(part: SyncRows, lags: Array) -> tuple[Array, Array]:
    """Sound (n, features) and lip gap at every lag (n, lags), at rows around which the face is known at all lags.

    Args:
        lags: in rows, not whole ones.
    """
    reach = int(np.ceil(np.abs(lags).max())) + 1
    rows = np.arange(reach, len(part.gap) - reach, _STRIDE)
    if not len(rows):
        return np.zeros((0, len(_TAPS) * part.mel.shape[1] // 2), np.float32), np.zeros((0, len(lags)))
    known: Array = np.lib.stride_tricks.sliding_window_view(part.valid, 2 * reach + 1).min(axis=1)
    rows = rows[known[rows - reach]]
    bands = part.mel.reshape(len(part.mel), -1, 2).mean(axis=2)  # neighbours in pairs: 40
    sound = np.concatenate([bands[rows + tap] for tap in _TAPS], axis=1)
    lips = np.interp(rows[:, None] + lags[None, :], np.arange(len(part.gap)), part.gap)
    return sound, lips


def _cross_validated(sound: Array, lips: Array) -> Array:
    """(lags,) mean r over folds; a fold is a stretch of time, so that neighbours are not on both sides."""
    ends = np.linspace(0, len(sound), _FOLDS + 1).astype(int)
    scores = []
    for first, last in pairwise(ends):
        learn = np.ones(len(sound), bool)
        learn[first:last] = False
        mean, spread = sound[learn].mean(axis=0), sound[learn].std(axis=0) + 1e-6
        x = ((sound[learn] - mean) / spread).astype(np.float64)
        y = lips[learn] - lips[learn].mean(axis=0)
        weights = np.linalg.solve(x.T @ x / len(x) + _RIDGE * np.eye(x.shape[1]), x.T @ y / len(x))
        scores.append(correlations((sound[first:last] - mean) / spread @ weights, lips[first:last]))
    result: Array = np.mean(scores, axis=0)
    return result


def correlations(a: Array, b: Array) -> Array:
    """Pearson r of each column of two (n, lags) arrays, or of one (n, 1) with each; 0 where one of them never moves."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    size = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    result: Array = np.where(size > 1e-12, (a * b).sum(axis=0) / np.maximum(size, 1e-12), 0)
    return result
