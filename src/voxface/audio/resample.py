"""Sample-rate conversion with explicit state and a small, exact delay.

A low-pass filter is evaluated at the times of the output samples (polyphase; Crochiere & Rabiner, "Multirate Digital
Signal Processing", 1983). When the two rates share a short period, one period of it is a matrix, so a recording is a
matrix product; for odd rates the filter is read from a fine table. Own code because a library's stream holds its sound
back for 20 to 40 ms at common rates and hides its state (docs/dependencies.md has the measurement).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from voxface.errors import AudioFormatError
from voxface.stream import Array, run_whole
from voxface.timebase import SAMPLE_RATE_HZ

LOWEST_HZ, HIGHEST_HZ = 4_000, 384_000
_HALF_S = 0.005  # half the length of the filter, its delay, where one of the rates is 16 kHz or lower
_KAISER_BETA = 7.857  # 80 dB of stop band
_TRANSITION_HZ = 501.0  # of that window at that length: (80 - 8) / (2.285 * 2 pi * 0.01 s)
_LARGEST_PERIOD = 1024  # samples; longer periods go through the table
_TABLE_PHASES = 512
_BLOCK_S = 0.256  # of output at a time


class ResampleState(NamedTuple):
    """Samples that later outputs still need; number of the first of them; number of the next output."""

    heard: Array
    first: int
    next: int


def check_rate(rate_hz: int) -> None:
    """Raises: AudioFormatError: no whole number, or one that no recording has."""
    if not isinstance(rate_hz, int | np.integer) or not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
        raise AudioFormatError(
            f"a sample rate of {rate_hz} Hz; voxface takes whole numbers from {LOWEST_HZ} to {HIGHEST_HZ} Hz.",
            hint="Check the rate that the file or the --raw option states.",
        )


@dataclass(frozen=True, slots=True)
class Resampler:
    """(n,) samples at rate_in -> (m,) samples at rate_out, m = ceil(n * rate_out / rate_in) after finish.

    Output k stands at second k / rate_out of the same clock: nothing is shifted; an output is given once the 5 ms of
    sound behind it are there. Content above half the lower rate is removed (80 dB); 250 Hz below it the gain is -6 dB.
    Where both rates are above 16 kHz the filter is as many times shorter and its edge wider: its work stays the same.
    """

    rate_in: int
    rate_out: int = SAMPLE_RATE_HZ

    def __post_init__(self) -> None:
        for rate in (self.rate_in, self.rate_out):
            check_rate(rate)

    @property
    def latency_ms(self) -> float:
        """Sound behind an output that must have been heard; 0 where no conversion is needed."""
        return 0.0 if self.rate_in == self.rate_out else 1000 * (self._half + 1) / self.rate_in

    @property
    def _half(self) -> int:
        """Input samples on each side of an output."""
        return _half_length(self.rate_in, self.rate_out)

    @property
    def _ratio(self) -> tuple[int, int]:
        """(inputs, outputs) of one period of the two rates."""
        common = gcd(self.rate_in, self.rate_out)
        return self.rate_in // common, self.rate_out // common

    def count(self, samples: int) -> int:
        """Outputs of so many samples."""
        inputs, outputs = self._ratio
        return -(-samples * outputs // inputs)

    def reach(self, start: int, stop: int) -> tuple[int, int]:
        """Which samples outputs start ... stop - 1 are made of: from the first number up to before the second."""
        if self.rate_in == self.rate_out:
            return start, stop
        inputs, outputs = self._ratio
        return start // outputs * inputs - self._half, (stop - 1) * inputs // outputs + self._half + 2

    def part(self, heard: Array, first: int, start: int, stop: int) -> Array:
        """Outputs start ... stop - 1, of the samples within their `reach`, which begins with number `first`."""
        if self.rate_in == self.rate_out:
            return heard
        return self._emit(ResampleState(heard, first, start), heard, stop)[1]

    def start(self) -> ResampleState:
        """Before the first sample there was silence."""
        return ResampleState(np.zeros(self._half, np.float32), -self._half, 0)

    def step(self, state: ResampleState, samples: Array) -> tuple[ResampleState, Array]:
        """Take (n,) samples, any n; give (new state, the outputs that are ready)."""
        samples = np.asarray(samples, np.float32)
        if self.rate_in == self.rate_out:
            return state, samples
        heard = np.concatenate([state.heard, samples])
        inputs, outputs = self._ratio
        known = state.first + len(heard) - self._half - 1  # outputs at input positions below this are ready
        ready = max(state.next, -(-max(known, 0) * outputs // inputs))
        return self._emit(state, heard, ready)

    def finish(self, state: ResampleState) -> Array:
        """The last outputs: silence follows the sound."""
        if self.rate_in == self.rate_out:
            return np.zeros(0, np.float32)
        total = self.count(state.first + len(state.heard))
        heard = np.concatenate([state.heard, np.zeros(2 * self._half + 2, np.float32)])
        return self._emit(state, heard, max(state.next, total))[1]

    def _emit(self, state: ResampleState, heard: Array, end: int) -> tuple[ResampleState, Array]:
        """Outputs state.next ... end - 1, and the state after them."""
        inputs, outputs = self._ratio
        whole = max(inputs, outputs) <= _LARGEST_PERIOD
        parts = []
        most = int(_BLOCK_S * self.rate_out)
        block = max(most // outputs, 1) * outputs if whole else most // 4
        for at in range(state.next, end, block):
            stop = min(at + block, end)
            parts.append((self._by_periods if whole else self._by_table)(heard, state.first, at, stop))
        out = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        needed = end * inputs // outputs - self._half
        if whole:  # a later block may begin inside this period
            needed = end // outputs * inputs - self._half
        drop = max(0, min(needed - state.first, len(heard)))
        return ResampleState(heard[drop:].copy(), state.first + drop, end), out

    def _by_periods(self, heard: Array, first: int, start: int, stop: int) -> Array:
        """Outputs start ... stop - 1 as (periods, inputs) @ (inputs, outputs of a period)."""
        inputs, outputs = self._ratio
        matrix, repeat = _period_matrix(self.rate_in, self.rate_out)
        period, last = start // outputs, -(-stop // outputs)
        step = inputs * repeat
        count = -(-(last - period) // repeat)
        begin = period * inputs - self._half - first
        span = heard[begin : begin + (count - 1) * step + matrix.shape[0]]
        missing = (count - 1) * step + matrix.shape[0] - len(span)
        if missing > 0:  # outputs of the last period that are not asked for yet
            span = np.concatenate([span, np.zeros(missing, np.float32)])
        windows = sliding_window_view(span, matrix.shape[0])[::step]
        out = (np.ascontiguousarray(windows) @ matrix).ravel()
        return out[start - period * outputs : stop - period * outputs]

    def _by_table(self, heard: Array, first: int, start: int, stop: int) -> Array:
        """Outputs start ... stop - 1, each with a filter interpolated between two phases of a table."""
        inputs, outputs = self._ratio
        numbers = np.arange(start, stop, dtype=np.int64) * inputs
        position, rest = numbers // outputs, numbers % outputs
        table = _phase_table(self.rate_in, self.rate_out)
        phase = rest * (_TABLE_PHASES / outputs)
        low = phase.astype(np.int64)
        share = (phase - low).astype(np.float32)[:, None]
        taps = table[low] * (1 - share) + table[low + 1] * share
        windows = sliding_window_view(heard, table.shape[1])[position - self._half - first]
        result: Array = np.einsum("ij,ij->i", windows, taps)
        return result


def _shortened(rate_in: int, rate_out: int) -> float:
    """How many times shorter than _HALF_S the filter is: only what both rates can hold needs a sharp edge."""
    return max(1.0, min(rate_in, rate_out) / SAMPLE_RATE_HZ)


def _half_length(rate_in: int, rate_out: int) -> int:
    """Input samples on each side of an output."""
    return round(_HALF_S * rate_in / _shortened(rate_in, rate_out))


def _filter(rate_in: int, rate_out: int, distance: Array) -> Array:
    """The low-pass filter at `distance` input samples from its centre: a sinc under a Kaiser window, gain 1 at 0 Hz."""
    edge_hz = _TRANSITION_HZ * _shortened(rate_in, rate_out)
    cutoff = (min(rate_in, rate_out) / 2 - edge_hz / 2) / rate_in  # cycles per input sample
    half = _half_length(rate_in, rate_out) + 1
    inside = np.clip(1 - (distance / half) ** 2, 0, None)
    window = np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA)
    taps: Array = np.where(inside > 0, 2 * cutoff * np.sinc(2 * cutoff * distance) * window, 0)
    return taps


@lru_cache(maxsize=16)
def _period_matrix(rate_in: int, rate_out: int) -> tuple[Array, int]:
    """((inputs, outputs) matrix, periods in it): short periods are repeated, so that the product is worthwhile."""
    common = gcd(rate_in, rate_out)
    inputs, outputs = rate_in // common, rate_out // common
    repeat = max(1, 64 // outputs)
    half = _half_length(rate_in, rate_out)
    at = np.arange(outputs * repeat) * inputs / outputs  # positions of the outputs, in inputs
    rows = np.arange(inputs * (repeat - 1) + inputs * (outputs - 1) // outputs + 2 * half + 2) - half
    matrix = _filter(rate_in, rate_out, rows[:, None] - at[None, :])
    matrix /= matrix.sum(axis=0)
    return matrix.astype(np.float32), repeat


@lru_cache(maxsize=16)
def _phase_table(rate_in: int, rate_out: int) -> Array:
    """(phases + 1, taps) float32: the filter for outputs that stand 0 ... 1 input samples behind an input."""
    half = _half_length(rate_in, rate_out)
    taps = np.arange(2 * half + 2) - half
    phases = np.arange(_TABLE_PHASES + 1) / _TABLE_PHASES
    table = _filter(rate_in, rate_out, taps[None, :] - phases[:, None])
    normal: Array = (table / table.sum(axis=1, keepdims=True)).astype(np.float32)
    return normal


def to_16k(samples: Array, rate_hz: int) -> Array:
    """(n,) samples at any rate from 4 to 384 kHz -> (m,) float32 samples at 16 kHz, on the same clock."""
    return run_whole(Resampler(rate_hz), samples)
