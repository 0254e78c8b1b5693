"""How much each window of a clip resembles itself a little later: pitch and its harmonics, for System B's wide rows.

The correlation of a window with itself is the inverse transform of its power spectrum (Wiener, Khinchin).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from voxface.audio.columns import blocks
from voxface.audio.mel import sliding_windows
from voxface.stream import Array, Whole
from voxface.timebase import COLUMN_HOP, COLUMN_WINDOW, column_count

LAGS = 187  # numbers per column: 2.1 ms, one period of 470 Hz
_FFT = 1600  # less than window + lags: of the lags that are used, the wrapped ones weigh 5e-7 under the Hann window
_QUIET = 1e-7  # an outermost column whose numbers are all smaller is silence
_ROUNDING = 1e-12  # of the power of a constant: what is left of it when its mean is taken away


def autocorrelations(samples: Whole, gain: float, first_lag: int = 1) -> Array:
    """(columns, 187) float32 in [-1, 1]: lags first_lag ... first_lag + 186 over lag 0, which is 0 only in silence.

    samples: (n,) float32 at 88.2 kHz; multiplied by `gain`, mirrored at both ends
    A silent first or last column is a copy of its neighbour.
    """
    lags = np.empty((column_count(len(samples)), first_lag + LAGS), np.float32)
    for columns, piece in blocks(samples, gain, "reflect"):
        lags[columns] = _lags(piece, columns.stop - columns.start, first_lag + LAGS)
    out = lags[:, first_lag:]
    for end, neighbour in ((0, 1), (-1, -2)):
        if np.abs(out[end]).max() < _QUIET:
            out[end] = out[neighbour]
    return out


def _lags(heard: Array, columns: int, count: int) -> Array:
    """(columns, count) float32: lags 0 ... count - 1 of the windows that begin at samples 0, 735, ... of `heard`."""
    windows = sliding_windows(heard, columns, COLUMN_WINDOW, COLUMN_HOP)
    means = windows.mean(axis=1, keepdims=True)
    centred = np.zeros((columns, _FFT), np.float32)
    np.subtract(windows, means, out=centred[:, :COLUMN_WINDOW])
    centred[:, :COLUMN_WINDOW] *= _symmetric_hann(COLUMN_WINDOW)
    spectrum = np.fft.rfft(centred)
    parts = spectrum.view(np.float32)
    np.square(parts, out=parts)
    power = parts[:, ::2] + parts[:, 1::2]
    lags = _from_power(power, count)
    energy = lags[:, :1]
    constant = energy <= _ROUNDING * COLUMN_WINDOW * means**2
    lags *= np.where(constant, 0, 1 / np.where(constant, 1, energy))
    return lags


def _from_power(power: Array, count: int) -> Array:
    """(columns, bins) power -> (columns, count) lags, as two products.

    Bins k and half - k have the same cosine at even lags and the opposite one at odd lags, so their sum and their
    difference are enough, and each product has half the size.
    """
    half = _FFT // 4
    low, high = power[:, : half + 1], power[:, : half - 1 : -1]
    even, odd = _lag_cosines(count)
    lags = np.empty((len(power), count), np.float32)
    lags[:, ::2] = (low + high) @ even
    lags[:, 1::2] = (low - high) @ odd
    return lags


@lru_cache
def _lag_cosines(count: int) -> tuple[Array, Array]:
    """((bins / 2, even lags), (bins / 2, odd lags)) float32: the inverse of a real FFT, folded, times its length.

    Inner bins of a real signal stand for two; the middle one is met twice when folding, so it counts once.
    """
    half = _FFT // 4
    weight = np.full(half + 1, 2.0)
    weight[0] = weight[half] = 1
    both = weight[:, None] * np.cos(2 * np.pi / _FFT * np.arange(half + 1)[:, None] * np.arange(count))
    both = (both / _FFT).astype(np.float32)
    even, odd = np.ascontiguousarray(both[:, ::2]), np.ascontiguousarray(both[:, 1::2])
    even.flags.writeable = odd.flags.writeable = False
    return even, odd


@lru_cache
def _symmetric_hann(length: int) -> Array:
    """(length,) float32 Hann window that is 0 at both ends."""
    window = np.hanning(length).astype(np.float32)
    window.flags.writeable = False
    return window
