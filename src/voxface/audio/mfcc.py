"""The features of System B: MFCC and their slopes, 60 rows a second from sound at 88.2 kHz (SPEC B).

Columns come 120 a second; the numbers of a column are normalised over the whole clip, and two neighbours make one row.
The constants are those that a family of public models was trained with (librosa's defaults among them), so that a row
here is a row there; the tests hold both together to 1e-3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from voxface.audio.autocorrelation import autocorrelations
from voxface.audio.columns import (
    blocks,
    check_long_enough,
    crossing_rates,
    loud_gain,
    paired,
    peak_gain,
    smoothed,
)
from voxface.audio.mel import LogMel
from voxface.errors import UsageError
from voxface.stream import Array, Whole
from voxface.timebase import COLUMN_HOP, COLUMN_SAMPLE_RATE_HZ, COLUMN_WINDOW, PAIR_RATE_HZ, column_count

if TYPE_CHECKING:
    from voxface.audio.features import FeatureSpec

BANDS = 128
POWER_FLOOR = 1e-10
RANGE_DB = 80.0  # below the loudest band of the clip nothing is told apart
_STD_FLOOR = 1e-10
_SLOPE = np.arange(-4, 5) / 60  # least-squares line through 9 columns: k / sum(k^2)
_BEND = (np.arange(-4, 5) ** 2 - 20 / 3) / 154  # twice the square term of a parabola: 2 (k^2 - mean) / 308


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What stands in a row: MFCC, their slopes, their bends, and what is added.

    cepstra: MFCC that are computed · drop_c0: the first of them, the loudness, is left out
    beside:  (samples, gain) -> more columns, which are not normalised; or None
    gain:    how loud the clip is made: samples -> factor
    """

    cepstra: int
    drop_c0: bool = False
    beside: Callable[[Whole, float], Array] | None = None
    gain: Callable[[Whole], float] = peak_gain


@dataclass(frozen=True, slots=True)
class MfccRows:
    """Rows of a whole clip; cannot stream, because its mean and deviation are those of the whole clip.

    n samples at 88.2 kHz give ceil((1 + n // 735) / 2) rows; row i is centred on sample 1470 i + 367.
    78: 26 MFCC, their slopes, their bends (SPEC B) · 79: and the zero-crossing rate, with another rule of loudness
    69: 23 MFCC, their slopes, their bends · 256: and 187 autocorrelations
    """

    streamable: ClassVar[bool] = False
    sample_rate_hz: ClassVar[int] = COLUMN_SAMPLE_RATE_HZ
    rate_hz: ClassVar[int] = PAIR_RATE_HZ
    plans: ClassVar[Mapping[int, RowPlan]] = {
        78: RowPlan(26),
        79: RowPlan(26, beside=crossing_rates, gain=loud_gain),
        69: RowPlan(23),
        256: RowPlan(23, beside=autocorrelations),
    }
    widths: ClassVar[tuple[int, ...]] = tuple(plans)

    spec: FeatureSpec

    def start(self) -> None:
        """Refuses. Raises: UsageError: always."""
        raise UsageError(
            f"the feature {self.spec.kind!r} cannot stream: it is normalised over the whole recording.",
            hint="Give the whole recording at once, or take the feature 'mfcc-running'.",
        )

    def step(self, state: None, samples: Array) -> tuple[None, Array]:
        """Refuses, as start does."""
        raise AssertionError("start() gives no state")

    def finish(self, state: None) -> Array:
        """Refuses, as start does."""
        raise AssertionError("start() gives no state")

    def whole(self, samples: Whole, *, normalise: bool = True) -> Array:
        """(n,) float32 samples at 88.2 kHz -> (frames, rows of the spec) float32.

        normalise: bring the clip to its loudness first (the original does so, but not with headerless bytes)
        Raises: AudioTooShortError: fewer than 9 whole windows (83 ms).
        """
        check_long_enough(len(samples))
        samples = samples.astype(np.float32, copy=False) if isinstance(samples, np.ndarray) else samples
        plan = self.plans[self.spec.rows]
        gain = plan.gain(samples) if normalise else 1.0
        columns = normalised(cepstra(samples, gain, plan.cepstra))
        parts = [paired(with_slopes(columns[:, 1:] if plan.drop_c0 else columns))]
        if plan.beside:
            parts.append(paired(plan.beside(samples, gain)))
        rows = np.concatenate(parts, axis=1)
        return smoothed(rows) if self.spec.smooth else rows


@dataclass(frozen=True, slots=True)
class MfccRowsWithoutC0(MfccRows):
    """Rows of the builds of January 2025, which leave out the loudness: MFCC 1 ... 23, their slopes, their bends."""

    plans: ClassVar[Mapping[int, RowPlan]] = {69: RowPlan(24, drop_c0=True)}
    widths: ClassVar[tuple[int, ...]] = (69,)


@dataclass(frozen=True, slots=True)
class MfccRowsFromLag0(MfccRows):
    """Rows of the builds of 8 to 10 February 2025, whose 187 autocorrelations begin at lag 0 (always 1)."""

    plans: ClassVar[Mapping[int, RowPlan]] = {256: RowPlan(23, beside=partial(autocorrelations, first_lag=0))}
    widths: ClassVar[tuple[int, ...]] = (256,)


def cepstra(samples: Whole, gain: float, count: int) -> Array:
    """The first `count` MFCC: (columns, count) float32 of (n,) samples, as if these were multiplied by `gain`."""
    mel = mel_columns()
    power = np.empty((column_count(len(samples)), BANDS), np.float32)
    for columns, piece in blocks(samples, gain, "constant"):
        power[columns] = mel.power(piece, columns.stop - columns.start)
    level = level_db(power)
    np.maximum(level, level.max() - RANGE_DB, out=level)
    return level @ cosines(BANDS, count)


@lru_cache
def mel_columns() -> LogMel:
    """The mel filters of a column: 128 bands up to 44.1 kHz, of which the lowest fall between the FFT's bins."""
    return LogMel(COLUMN_SAMPLE_RATE_HZ, COLUMN_WINDOW, COLUMN_HOP, COLUMN_WINDOW, BANDS, gaps=True)


def level_db(power: Array) -> Array:
    """10 log10 of mel power, in place, no lower than -100 dB."""
    np.maximum(power, POWER_FLOOR, out=power)
    np.log10(power, out=power)
    power *= 10
    return power


@lru_cache
def cosines(bands: int, count: int) -> Array:
    """(bands, count) float32: the first `count` rows of the orthonormal DCT-II, transposed."""
    number, band = np.arange(count), np.arange(bands)
    basis = np.cos(np.pi * number * (band[:, None] + 0.5) / bands) * np.sqrt(2 / bands)
    basis[:, 0] /= np.sqrt(2)
    result: Array = basis.astype(np.float32)
    result.flags.writeable = False
    return result


def normalised(columns: Array) -> Array:
    """Each number over the whole clip: minus its mean, divided by its (population) deviation; float32.

    The first column is taken away before the sums, so that a number that never changes is exactly 0.
    """
    moved = columns - columns[:1]
    moved -= moved.mean(axis=0, dtype=np.float64).astype(np.float32)
    result: Array = (moved / (moved.std(axis=0, dtype=np.float64) + _STD_FLOOR)).astype(np.float32)
    return result


def slopes(columns: Array) -> Array:
    """(columns, w) -> (columns - 8, 3 w): the inner numbers, their slopes and their bends over 9 columns.

    Savitzky & Golay 1964: derivatives of the line and of the parabola that fit 9 columns best.
    """
    count, width = len(columns) - 8, columns.shape[1]
    out = np.empty((max(count, 0), 3 * width), np.float32)
    if count > 0:
        out[:, :width] = columns[4:-4]
        for at, taps in ((width, _SLOPE), (2 * width, _BEND)):
            out[:, at : at + width] = sum(np.float32(tap) * columns[k : k + count] for k, tap in enumerate(taps))
    return out


def with_slopes(columns: Array) -> Array:
    """(columns, w) -> (columns, 3 w), at least 9 columns.

    At the ends the fit of the first and of the last 9 holds; since such a derivative is constant, it is repeated.
    """
    width = columns.shape[1]
    out = np.empty((len(columns), 3 * width), np.float32)
    out[4:-4] = slopes(columns)
    out[:4], out[-4:] = out[4], out[-5]
    out[:, :width] = columns
    return out
