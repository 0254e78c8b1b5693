"""From a clip to columns and from columns to rows: what all features of System B share (SPEC B).

A column is a window of 1470 samples at 88.2 kHz, 120 a second, centred on its time; two neighbours make a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np

from voxface.errors import AudioTooShortError
from voxface.stream import Array, Whole
from voxface.timebase import COLUMN_HOP, COLUMN_SAMPLE_RATE_HZ, COLUMN_WINDOW, column_count

LEAST_WINDOWS = 9  # whole windows in a clip: the width of the slope filter
BLOCK = 120  # columns worked on at a time: they stay in the second-level cache, and memory is that of the result
_PIECE = 1 << 20  # samples looked at together for the loudness of a clip
_SILENT = 1e-30  # a peak below it is rounding, and its inverse no float32
_MOST_RANKED = 1_000_000  # samples whose order is asked for; of a longer clip, that many or up to twice as many
_MOST_PEAK = 1e6
_SIGNLESS = 1e-10  # samples this close to 0 count as positive


def check_long_enough(samples: int) -> None:
    """Raises: AudioTooShortError: fewer than 9 whole windows, too few for the slopes."""
    least = COLUMN_WINDOW + (LEAST_WINDOWS - 1) * COLUMN_HOP
    if samples < least:
        has, needs = (f"{1000 * count / COLUMN_SAMPLE_RATE_HZ:.1f} ms ({count} samples" for count in (samples, least))
        raise AudioTooShortError(
            f"the sound lasts {has} at 88.2 kHz); these features need {needs}).",
            hint="Give a longer recording.",
        )


def blocks(samples: Whole, gain: float, mode: Literal["constant", "reflect", "edge"]) -> Iterator[tuple[slice, Array]]:
    """A clip in overlapping pieces: (columns, the samples that their windows cover, times `gain`).

    mode: what stands before and behind the clip, as numpy.pad names it. Pieces are of about the same size, so that
    none is too short to be mirrored.
    """
    columns, half = column_count(len(samples)), COLUMN_WINDOW // 2
    edges = np.linspace(0, columns, -(-columns // BLOCK) + 1).astype(int).tolist()
    for first, last in pairwise(edges):
        low, high = first * COLUMN_HOP - half, (last - 1) * COLUMN_HOP + half
        piece = samples[max(low, 0) : high] * np.float32(gain)
        missing = (max(-low, 0), max(high - len(samples), 0))
        yield slice(first, last), np.pad(piece, missing, mode=mode) if any(missing) else piece


def peak_gain(samples: Whole) -> float:
    """What (n,) samples are multiplied with so that the loudest is 1; 1 for silence."""
    peak = max(max(float(piece.max()), -float(piece.min())) for _, piece in _pieces(samples))
    return 1 / peak if peak > _SILENT else 1.0


def loud_gain(samples: Whole) -> float:
    """What (n,) samples are multiplied with so that 95 % of them are below -3 dB; 1 where 95 % are silence.

    No peak goes above 1e6, so that powers stay numbers when little but the silence of a clip is counted.
    """
    every = max(1, len(samples) // _MOST_RANKED)
    some = np.concatenate([piece[-at % every :: every] for at, piece in _pieces(samples)])
    loud = float(np.quantile(np.abs(some), 0.95))
    return min(10 ** (-3 / 20) / loud, _MOST_PEAK * peak_gain(samples)) if loud > _SILENT else 1.0


def _pieces(samples: Whole) -> Iterator[tuple[int, Array]]:
    """The number of the first sample of each piece, and the piece."""
    for at in range(0, len(samples), _PIECE):
        yield at, samples[at : at + _PIECE]


def crossing_rates(samples: Whole, gain: float) -> Array:
    """(columns, 1) float32: sign changes within each window over its length, 0...1.

    Outside the clip its first and last samples go on. An outermost column without any becomes the mean of the next two.
    """
    rates = np.empty((column_count(len(samples)), 1), np.float32)
    for columns, piece in blocks(samples, gain, "edge"):
        negative = piece < -_SIGNLESS
        changes = np.zeros(len(piece), np.int32)
        changes[1:] = negative[1:] != negative[:-1]
        hops = changes.reshape(-1, COLUMN_HOP).sum(axis=1)
        into = changes[: -COLUMN_WINDOW + 1 : COLUMN_HOP]  # the change into a window's first sample is not its own
        rates[columns, 0] = (hops[:-1] + hops[1:] - into) / np.float32(COLUMN_WINDOW)
    for end, next_two in ((0, slice(1, 3)), (-1, slice(-3, -1))):
        if rates[end] == 0:
            rates[end] = rates[next_two].mean()
    return rates


def paired(columns: Array) -> Array:
    """The means of neighbours, (columns, w) -> (ceil(columns / 2), w) float32; an odd last column stays alone."""
    out = columns[::2].copy()
    pairs = len(columns) // 2
    out[:pairs] += columns[1::2]
    out[:pairs] *= 0.5
    return out


def smoothed(rows: Array) -> Array:
    """Each of (n, w) rows becomes the mean of itself and its neighbours: three, at the ends two."""
    total, count = rows.copy(), np.full((len(rows), 1), 3, np.float32)
    total[1:] += rows[:-1]
    total[:-1] += rows[1:]
    count[0] -= 1
    count[-1] -= 1
    total /= count
    return total
