"""Whether sound and lips belong together, judged from a few seconds of one recording.

dataset.sync learns each speaker's lips anew, and needs 20 s of face for it. Here one small table, fitted once, tells
how far anybody's mouth is probably open from how the sound is spread over ten bands. It is a hint for people who look
at a report; nothing is moved by it.

Measured (benchmarks/quick_sync.py, joined clips of the fitted man that were not fitted on, 400 pieces each): of 6 s in
sync 0.2 % get a hint, of 9 s none; a face 120 ms late is found to within a frame in 98 % and 99.5 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.dataset.align import valid_rows
from voxface.dataset.sync import LEAST_GAIN, LEAST_R, SyncRows, correlations
from voxface.face.track import FaceTrack
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

LEAST_SECONDS = 5.0
"""Seconds of face without which nothing is said: the rhythm of a sentence has peaks of its own."""

LAGS_MS = np.arange(-400, 401, 20)
"""How much later the lips are looked at than the sound."""

_BANDS = 10  # of 8 mel bands each
_TAPS = (-5, 0, 5)  # rows of sound around a row
_OPENING = np.array(
    [
        [-1.2, 1.4, 1.9, 1.2, -1.2, -0.4, 2.9, 1.9, 1.5, -1.8],
        [0.1, 1.5, 1.7, 0.7, -1.0, 0.2, 3.5, 2.4, 1.7, -2.5],
        [-1.4, -0.4, -0.2, 0.4, 0.5, -0.3, 1.3, 1.7, 2.7, -0.1],
    ]
)  # (taps, bands) weights per dB, fitted on one man (GRID s1): benchmarks/quick_sync.py
_LOUD_PERCENTILE = 95.0  # a band is measured against its own loud moments: recording level and microphone fall out
_MOST_ROWS = 30_000  # of a recording; more are thinned out evenly


@dataclass(frozen=True, slots=True)
class QuickSync:
    """r: Pearson r of the lip gap and the opening that the sound tells, for each of LAGS_MS."""

    r: tuple[float, ...]

    @property
    def zero_r(self) -> float:
        """r as the recording is."""
        return self.r[len(self.r) // 2]

    @property
    def best_r(self) -> float:
        """The highest r."""
        return max(self.r)

    @property
    def best_ms(self) -> float:
        """The lag of the highest r; of equals that nearest to 0."""
        return float(LAGS_MS[np.lexsort((np.abs(LAGS_MS), -np.array(self.r)))[0]])

    @property
    def hint_ms(self) -> float | None:
        """How much later the face probably is than the sound; None: no lag is clearly better than none."""
        sure = self.best_r >= LEAST_R and self.best_r >= self.zero_r + LEAST_GAIN
        return self.best_ms if sure else None


def lip_rows(track: FaceTrack, rows: int) -> tuple[Array, Array]:
    """(rows,) lip gap and (rows,) validity, as align gives them; an hour of weights beside them would take 0.3 GB."""
    times, gap = track.times_s[track.seen], track.lip_gap[track.seen]
    known = np.interp(np.arange(rows) / ROW_RATE_HZ, times, gap) if len(times) else np.zeros(rows)
    return known, valid_rows(track.times_s, track.seen, rows, track.shot)


def quick_sync(rows: SyncRows) -> QuickSync | None:
    """Compare sound and lips of one recording; None with less than five seconds of face around which all is known."""
    lags = LAGS_MS * ROW_RATE_HZ // 1000
    reach = int(lags.max())
    middle = np.arange(reach, len(rows.gap) - reach)
    if not len(middle):
        return None
    known: Array = np.lib.stride_tricks.sliding_window_view(rows.valid, 2 * reach + 1).min(axis=1)
    middle = middle[known[middle - reach]]
    if rows.valid.sum() < LEAST_SECONDS * ROW_RATE_HZ or len(middle) < LEAST_SECONDS * ROW_RATE_HZ / 2:
        return None
    middle = middle[:: max(1, len(middle) // _MOST_ROWS)]
    sound, lips = opening(rows.mel)[middle], rows.gap[middle[:, None] + lags]
    return QuickSync(tuple(round(float(r), 3) for r in correlations(sound[:, None], lips)))


def bands(mel: Array) -> Array:
    """(rows, 80) dB -> (rows, 30): ten bands at three rows around each, in dB re the loud moments of their band."""
    wide = mel.reshape(len(mel), _BANDS, -1).mean(axis=2)
    wide = wide - np.percentile(wide, _LOUD_PERCENTILE, axis=0)
    return np.concatenate([_moved(wide, tap) for tap in _TAPS], axis=1)


def opening(mel: Array) -> Array:
    """(rows, 80) dB -> (rows,): how far the mouth is probably open, in no particular unit."""
    result: Array = bands(mel) @ _OPENING.reshape(-1)
    return result


def _moved(values: Array, tap: int) -> Array:
    """Row i holds what was row i + tap; beyond the ends the last row is repeated."""
    return values[np.clip(np.arange(len(values)) + tap, 0, len(values) - 1)]
