"""Log-mel energies: one row of 80 bands in dB every 10 ms (SPEC A2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from voxface.stream import Array
from voxface.timebase import ROW_HOP, ROW_WINDOW, SAMPLE_RATE_HZ

FLOOR_DB = -80.0
FLOOR = 1e-8  # the same as power
_TINY = 1e-30  # power that no sound has; keeps the logarithm finite
_BLOCK = 240  # rows at a time: their spectra stay in the second-level cache (RESEARCH B1)
_SLAB = 16  # bands multiplied together: neighbours share bins, so five small products do less work than a large one


@dataclass(frozen=True, slots=True)
class LogMel:
    """Mel energies in dB, one row per 10 ms; row i is centred on sample i * hop.

    State: the samples that later rows still need, beginning where the next row begins. It is a plain array, so a
    server can hold one per speaker, a test can fork it, and it pickles.
    """

    sample_rate: int = SAMPLE_RATE_HZ  # Hz
    window: int = ROW_WINDOW  # samples, Hann
    hop: int = ROW_HOP  # samples
    fft: int = 512  # the window is filled up with zeros to this length
    bands: int = 80
    gaps: bool = False  # bands narrower than an FFT bin may be empty: their power is 0

    def start(self) -> Array:
        """State before the first sample: half a window of silence, so that row 0 is centred on it."""
        return np.zeros(self.window // 2, np.float32)

    def step(self, state: Array, samples: Array) -> tuple[Array, Array]:
        """Take (n,) new samples, any n; give (new state, (rows, bands) float32 dB in [-80, ...))."""
        heard = np.concatenate([state, samples]) if len(state) else samples
        rows = self.ready(len(heard))
        return heard[rows * self.hop :].copy(), decibels(self.power(heard, rows))

    def finish(self, state: Array) -> Array:
        """The last rows, which had waited for sound that never came."""
        return self.step(state, np.zeros(self.window // 2, np.float32))[1]

    def ready(self, heard: int) -> int:
        """Rows whose window lies within `heard` samples."""
        return max(0, 1 + (heard - self.window) // self.hop)

    def power(self, heard: Array, rows: int) -> Array:
        """(rows, bands) float32 mel power of the rows that begin at samples 0, hop, 2 hop, ... of `heard`."""
        _steady_heap()
        heard = np.ascontiguousarray(heard, np.float32)
        mel = np.empty((rows, self.bands), np.float32)
        padded = np.zeros((min(_BLOCK, rows), self.fft), np.float32)  # rfft would copy each row to fill it up
        spectrum = np.empty((min(_BLOCK, rows), self.fft // 2 + 1), np.complex64)
        for at in range(0, rows, _BLOCK):
            count = min(_BLOCK, rows - at)
            windows = sliding_windows(heard[at * self.hop :], count, self.window, self.hop)
            np.multiply(windows, hann(self.window), out=padded[:count, : self.window])
            np.fft.rfft(padded[:count], out=spectrum[:count])  # type: ignore[arg-type]  # numpy's stub says complex128
            squares = spectrum[:count].view(np.float32)
            np.square(squares, out=squares)
            slab = _SLAB if count > 8 else self.bands
            for bands, span, weights in _slabs(self.sample_rate, self.fft, self.bands, slab, self.gaps):
                mel[at : at + count, bands] = squares[:, span] @ weights
        return mel


def sliding_windows(heard: Array, rows: int, window: int, hop: int) -> Array:
    """(rows, window) view of (n,) contiguous samples: row i begins at sample i * hop. Not to be written to."""
    size = heard.itemsize
    return np.ndarray((rows, window), heard.dtype, heard, strides=(hop * size, size))


@lru_cache
def _steady_heap() -> None:
    """Keep the C library from returning the FFT's working memory to the system after every row.

    glibc does that until one large block (below 32 MB) has been freed; it then keeps as much. Without it, rfft takes
    3.7 instead of 1.0 us a row in a fresh process (measured with numpy 2.4, glibc 2.36). The block is never touched.
    """
    np.empty(30_000_000, np.uint8)


def decibels(power: Array, gain_db: Array | None = None) -> Array:
    """10 log10 of (rows, bands) power plus (rows,) gain, in place, no lower than -80 dB.

    The reference is fixed: a stream has no maximum.
    """
    np.maximum(power, FLOOR if gain_db is None else _TINY, out=power)
    np.log10(power, out=power)
    power *= 10
    if gain_db is not None:
        power += gain_db[:, None]
        np.maximum(power, FLOOR_DB, out=power)
    return power


@lru_cache
def hann(length: int) -> Array:
    """(length,) float32 periodic Hann window: 0.5 - 0.5 cos(2 pi n / length)."""
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)
    window.flags.writeable = False
    return window


def mel_from_hz(hz: Array) -> Array:
    """Slaney's mel scale: linear below 1 kHz (200/3 Hz per mel), logarithmic above (27 steps to 6.4 kHz).

    Source: M. Slaney, "Auditory Toolbox", Interval Research 1998-010.
    """
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def hz_from_mel(mel: Array) -> Array:
    """The inverse of mel_from_hz."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((np.maximum(mel, 15) - 15) / 27))


@lru_cache
def mel_weights(sample_rate: int, fft: int, bands: int, gaps: bool = False) -> Array:
    """Triangular filters that gather FFT bins into mel bands.

    Args:
        sample_rate: Hz.
        fft: FFT length in samples; gives fft // 2 + 1 bins.
        bands: number of filters, spread evenly in mel from 0 Hz to sample_rate / 2.
        gaps: bands narrower than one bin may be empty.
    Returns: (bands, bins) float32, read-only; each triangle has the same area (Slaney), so wide bands weigh less.
    Raises: ValueError: a band is narrower than one bin and would always be zero, and `gaps` does not allow it.
    Source: mel scale linear below 1 kHz, logarithmic above: Slaney, "Auditory Toolbox" (1998).
    """
    bins = np.arange(fft // 2 + 1) * sample_rate / fft  # Hz
    top = mel_from_hz(np.array(sample_rate / 2))
    edges = hz_from_mel(np.linspace(0, top, bands + 2))
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - lower) / (centre - lower)
    falling = (upper - bins) / (upper - centre)
    weights = np.maximum(0, np.minimum(rising, falling)) * 2 / (upper - lower)
    if not gaps and not (weights.max(axis=1) > 0).all():
        raise ValueError(
            f"{bands} mel bands are too many for an FFT of {fft} samples at {sample_rate} Hz: some are empty"
        )
    filters: Array = weights.astype(np.float32)
    filters.flags.writeable = False
    return filters


@lru_cache
def _slabs(sample_rate: int, fft: int, bands: int, size: int, gaps: bool) -> tuple[tuple[slice, slice, Array], ...]:
    """The filters in groups of `size` neighbours: (bands, columns, (columns, size) weights).

    The columns are squares of real and imaginary parts in turn, so each weight stands twice and the product also adds
    the two.
    """
    weights = mel_weights(sample_rate, fft, bands, gaps)
    slabs = []
    for first in range(0, bands, size):
        group = weights[first : first + size]
        used = np.flatnonzero(group.any(axis=0))
        low, high = int(used[0]), int(used[-1]) + 1
        both = np.ascontiguousarray(np.repeat(group[:, low:high], 2, axis=1).T)
        slabs.append((slice(first, first + len(group)), slice(2 * low, 2 * high), both))
    return tuple(slabs)
