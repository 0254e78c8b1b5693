"""System B's 78 numbers as a stream: normalised over what has been heard so far instead of over the whole clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from voxface.audio.columns import paired
from voxface.audio.mfcc import BANDS, RANGE_DB, cosines, level_db, mel_columns, slopes
from voxface.stream import Array, Whole, run_whole
from voxface.timebase import COLUMN_HOP, COLUMN_SAMPLE_RATE_HZ, COLUMN_WINDOW, PAIR_RATE_HZ

if TYPE_CHECKING:
    from voxface.audio.features import FeatureSpec

CEPSTRA = 26
HELD_COLUMNS = 4  # a slope looks at this many columns on each side
RUNNING_LOOK_AHEAD_MS = 1000 * 5.5 * COLUMN_HOP / COLUMN_SAMPLE_RATE_HZ
"""Sound after a row's centre that it waits for: half a pair, four columns, half a window; 45.8 ms."""

# Mean and deviation of each MFCC over the 11 recordings of speech in shared/data/speech, the mean of the recordings
# (benchmarks/neurosync.py --only running prints them). They count as half a second that was heard before the first.
_PRIOR_COLUMNS = 60
_PRIOR_MEAN = np.array((
    -461.1, 154.6, 8.0, -1.8, 29.0, 8.6, -5.8, 1.2, -4.0, -6.3, -0.7, -4.9, -5.7,
    0.2, -3.8, -6.9, -1.6, -2.4, -4.7, -0.6, -2.4, -6.0, -1.4, -0.8, -4.9, -1.8,
))  # fmt: skip
_PRIOR_STD = np.array((
    93.5, 74.4, 43.3, 27.7, 29.5, 18.8, 17.9, 17.0, 12.0, 12.6, 12.9, 10.8, 10.8,
    10.0, 8.6, 9.3, 9.0, 8.3, 8.1, 7.4, 7.5, 7.8, 6.8, 6.4, 6.9, 6.1,
))  # fmt: skip


class Moments(NamedTuple):
    """Of the columns so far: how many, and the sums of their numbers about `origin` and of the squares; float64."""

    origin: Array
    columns: int
    sum: Array
    squares: Array


def average_speech(mean: Array = _PRIOR_MEAN, deviation: Array = _PRIOR_STD) -> Moments:
    """Before the first column: as if half a second of speech with this mean and deviation had been heard."""
    return Moments(mean, _PRIOR_COLUMNS, np.zeros(CEPSTRA), _PRIOR_COLUMNS * deviation**2)


class RunningState(NamedTuple):
    """Samples that later columns need; the loudest band so far in dB; moments; the last 8 normalised columns; the
    column that waits for its neighbour (0 or 1 of them)."""

    heard: Array
    loudest_db: float
    moments: Moments
    recent: Array
    single: Array


@dataclass(frozen=True, slots=True)
class RunningMfccRows:
    """Rows of a stream: n samples at 88.2 kHz give ceil((1 + n // 735) / 2) rows after finish, as MfccRows does.

    Three things differ from MfccRows, since a stream does not know its end: mean and deviation are those of the sound
    so far (which half a second of average speech precedes), the range of 80 dB lies below the loudest band so far, and
    the sound keeps its loudness. At the ends a slope sees the outermost column repeated. On shared/data/speech, with a
    prior from the other recordings, a normalised MFCC differs from that of the whole clip by 0.36 (RMS; it has a
    deviation of 1) in the first half second, 0.30 in the second, 0.22 in the second second, 0.07 after five.
    """

    streamable: ClassVar[bool] = True
    sample_rate_hz: ClassVar[int] = COLUMN_SAMPLE_RATE_HZ
    rate_hz: ClassVar[int] = PAIR_RATE_HZ
    widths: ClassVar[tuple[int, ...]] = (3 * CEPSTRA,)

    spec: FeatureSpec

    def start(self) -> RunningState:
        """Before the first sample: half a window of silence, and average speech for the moments."""
        none = np.zeros((0, CEPSTRA), np.float32)
        return RunningState(np.zeros(COLUMN_WINDOW // 2, np.float32), -np.inf, average_speech(), none, _no_columns())

    def step(self, state: RunningState, samples: Array) -> tuple[RunningState, Array]:
        """Take (n,) float32 samples at 88.2 kHz, any n; give (new state, (rows, 78) float32)."""
        heard = np.concatenate([state.heard, samples])
        count = mel_columns().ready(len(heard))
        if not count:
            return state._replace(heard=heard), _no_columns()
        level = level_db(mel_columns().power(heard, count))
        loudest = np.maximum(np.maximum.accumulate(level.max(axis=1)), state.loudest_db)
        moments, columns = normalised(
            state.moments, np.maximum(level, loudest[:, None] - RANGE_DB) @ cosines(BANDS, CEPSTRA)
        )
        before = state.recent if len(state.recent) else np.repeat(columns[:1], HELD_COLUMNS, axis=0)
        state = RunningState(heard[count * COLUMN_HOP :].copy(), float(loudest[-1]), moments, before, state.single)
        return _give(state, columns)

    def finish(self, state: RunningState) -> Array:
        """The last rows: silence for the half window that never came, the last column in place of later ones."""
        state, rows = self.step(state, np.zeros(COLUMN_WINDOW // 2, np.float32))
        state, more = _give(state, np.repeat(state.recent[-1:], HELD_COLUMNS, axis=0))
        return np.concatenate([rows, more, state.single])

    def whole(self, samples: Whole, *, normalise: bool = True) -> Array:
        """The rows of a recording, as the stream gives them; `normalise` changes nothing."""
        return run_whole(self, samples)


def _no_columns() -> Array:
    return np.zeros((0, 3 * CEPSTRA), np.float32)


def normalised(moments: Moments, cepstra: Array) -> tuple[Moments, Array]:
    """(columns, 26) MFCC -> (moments after them, (columns, 26) float32), each column by the moments up to itself."""
    moved = cepstra - moments.origin
    count = moments.columns + np.arange(1, len(moved) + 1)[:, None]
    sums = moments.sum + np.cumsum(moved, axis=0)
    squares = moments.squares + np.cumsum(moved**2, axis=0)
    mean = sums / count
    columns = (moved - mean) / np.sqrt(squares / count - mean**2)
    return Moments(moments.origin, int(count[-1, 0]), sums[-1], squares[-1]), columns.astype(np.float32)


def _give(state: RunningState, columns: Array) -> tuple[RunningState, Array]:
    """Normalised columns -> (state, the rows whose slopes are known and whose pair is whole)."""
    known = np.concatenate([state.recent, columns])
    ready = np.concatenate([state.single, slopes(known)])
    pairs = len(ready) // 2 * 2
    return state._replace(recent=known[-2 * HELD_COLUMNS :], single=ready[pairs:]), paired(ready[:pairs])
