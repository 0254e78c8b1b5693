"""The features of System B: MFCC and their slopes, 60 rows a second from sound at 88.2 kHz (SPEC B).

Columns come 120 a second; the numbers of a column are normalised over the whole clip, and two neighbours make one row.
The constants are those that a family of public models was trained with (librosa's defaults among them), so that a row
here is a row there; the tests hold both together to 1e-3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from voxface.audio.mel import LogMel
from voxface.errors import AudioTooShortError, UsageError
from voxface.stream import Array
from voxface.timebase import COLUMN_HOP, COLUMN_SAMPLE_RATE_HZ, COLUMN_WINDOW, PAIR_RATE_HZ, column_count

if TYPE_CHECKING:
    from voxface.audio.features import FeatureSpec

LEAST_WINDOWS = 9  # whole windows in a clip: the width of the slope filter
BANDS = 128
POWER_FLOOR = 1e-10
RANGE_DB = 80.0  # below the loudest band of the clip nothing is told apart
_STD_FLOOR = 1e-10
_BLOCK = 1024  # columns worked on at a time: the memory for a long sound stays that of its result
_SLOPE = np.arange(-4, 5) / 60  # least-squares line through 9 columns: k / sum(k^2)
_BEND = (np.arange(-4, 5) ** 2 - 20 / 3) / 154  # twice the square term of a parabola: 2 (k^2 - mean) / 308


@dataclass(frozen=True, slots=True)
class MfccRows:
    """Rows of a whole clip; cannot stream, because its mean and deviation are those of the whole clip.

    n samples at 88.2 kHz give ceil((1 + n // 735) / 2) rows; row i is centred on sample 1470 i + 367.
    rows of the spec: 78 = 26 MFCC, their slopes, their bends
    """

    streamable: ClassVar[bool] = False
    sample_rate_hz: ClassVar[int] = COLUMN_SAMPLE_RATE_HZ
    rate_hz: ClassVar[int] = PAIR_RATE_HZ
    widths: ClassVar[tuple[int, ...]] = (78,)

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

    def whole(self, samples: Array, *, scaled: bool = True) -> Array:
        """(n,) float32 samples at 88.2 kHz -> (frames, rows of the spec) float32.

        scaled: as if the loudest sample were 1 (the original does so, but not with headerless bytes)
        Raises: AudioTooShortError: fewer than 9 whole windows (83 ms).
        """
        check_long_enough(len(samples))
        samples = np.ascontiguousarray(samples, np.float32)
        gain = peak_gain(samples) if scaled else 1.0
        columns = with_slopes(normalised(cepstra(samples, gain, self.spec.rows // 3)))
        return paired(columns)


def check_long_enough(samples: int) -> None:
    """Raises: AudioTooShortError: fewer than 9 whole windows, too few for the slopes."""
    least = COLUMN_WINDOW + (LEAST_WINDOWS - 1) * COLUMN_HOP
    if samples < least:
        has, needs = (1000 * count / COLUMN_SAMPLE_RATE_HZ for count in (samples, least))
        raise AudioTooShortError(
            f"the sound lasts {has:.1f} ms ({samples} samples at 88.2 kHz); these features need {needs:.1f} ms.",
            hint="Give a longer recording.",
        )


def peak_gain(samples: Array) -> float:
    """What the samples are multiplied with so that the loudest is 1; 1 for silence."""
    peak = max(float(samples.max()), -float(samples.min()))
    return 1 / peak if peak > 0 else 1.0


def blocks(samples: Array, mode: str) -> Iterator[tuple[slice, Array]]:
    """A clip in overlapping pieces: (columns, the samples that their windows cover, padded at both ends of the clip).

    Pieces are of about the same size, so that none is too short to be mirrored.
    """
    columns, half = column_count(len(samples)), COLUMN_WINDOW // 2
    edges = np.linspace(0, columns, -(-columns // _BLOCK) + 1).astype(int).tolist()
    for first, last in pairwise(edges):
        low, high = first * COLUMN_HOP - half, (last - 1) * COLUMN_HOP + half
        piece = samples[max(low, 0) : high]
        missing = (max(-low, 0), max(high - len(samples), 0))
        yield slice(first, last), np.pad(piece, missing, mode=mode) if any(missing) else piece  # type: ignore[call-overload]


def cepstra(samples: Array, gain: float, count: int) -> Array:
    """The first `count` MFCC: (columns, count) float32 of (n,) samples, as if these were multiplied by `gain`."""
    mel = mel_columns()
    power = np.empty((column_count(len(samples)), BANDS), np.float32)
    for columns, piece in blocks(samples, "constant"):
        power[columns] = mel.power(piece, columns.stop - columns.start)
    power *= np.float32(gain) ** 2
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
    np.log(power, out=power)
    power *= 10 / np.log(10)
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


def with_slopes(columns: Array) -> Array:
    """(columns, w) -> (columns, 3 w): the numbers, their slopes and their bends over 9 columns.

    Savitzky & Golay 1964: derivatives of the line and of the parabola that fit 9 columns best. At the ends the fit of
    the first and the last 9 columns holds, and since such a derivative is constant, it is simply repeated.
    """
    width = columns.shape[1]
    out = np.empty((len(columns), 3 * width), np.float32)
    out[:, :width] = columns
    for part, taps in ((out[:, width : 2 * width], _SLOPE), (out[:, 2 * width :], _BEND)):
        inner = sum(np.float32(tap) * columns[k : len(columns) - 8 + k] for k, tap in enumerate(taps))
        part[4:-4] = inner
        part[:4], part[-4:] = part[4], part[-5]
    return out


def paired(columns: Array) -> Array:
    """The means of neighbours, (columns, w) -> (ceil(columns / 2), w) float32; an odd last column stays alone."""
    out = columns[::2].copy()
    pairs = len(columns) // 2
    out[:pairs] += columns[1::2]
    out[:pairs] *= 0.5
    return out
