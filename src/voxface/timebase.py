"""The only arithmetic between samples, rows, frames and seconds.

A sample is audio at 16 kHz, a row is one vector of features every 10 ms, a frame is one face. All times are seconds
on the audio clock: second 0 is the first sample. Counts are integers and rates are exact fractions, so that a week of
time stamps does not drift.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from voxface.errors import UsageError

SAMPLE_RATE_HZ = 16_000
ROW_HOP = 160  # samples between rows
ROW_WINDOW = 400  # samples a row sees, centred on it
ROW_RATE_HZ = 100
HALF_WINDOW_MS = 1000 * (ROW_WINDOW // 2) / SAMPLE_RATE_HZ  # 12.5
HOP_MS = 1000 * ROW_HOP / SAMPLE_RATE_HZ  # 10.0

# System B (SPEC B): columns of features at 88.2 kHz, 120 a second; two neighbours make one row, 60 a second.
COLUMN_SAMPLE_RATE_HZ = 88_200
COLUMN_HOP = 735  # samples between columns
COLUMN_WINDOW = 1470  # samples a column sees, centred on it
PAIR_RATE_HZ = 60


def row_count(samples: int) -> int:
    """Rows of a recording of `samples` samples at 16 kHz: row i is centred on sample 160 i."""
    return 1 + samples // ROW_HOP


def column_count(samples: int) -> int:
    """Columns of a recording of `samples` samples at 88.2 kHz: column i is centred on sample 735 i."""
    return 1 + samples // COLUMN_HOP


def row_time_s(row: int) -> float:
    """When row `row` is, in seconds."""
    return row / ROW_RATE_HZ


@lru_cache(maxsize=256)
def exact_rate(fps: float) -> Fraction:
    """A frame rate as the fraction that was meant: 29.97 is 2997/100, not the nearest binary float.

    Raises: UsageError: not a finite number in [0.01, 1000].
    """
    if not 0.01 <= fps <= 1000:
        raise UsageError(f"a frame rate must be 0.01 to 1000 frames per second; got {fps}.")
    return Fraction(fps).limit_denominator(10_000)


def likely_rate(measured: float) -> float:
    """The frame rate that was meant by a measured one: the nearest whole rate, or that times 1000/1001 (29.97), if it
    lies within 0.02 %; else the measured one to 3 decimals.

    Raises: UsageError: not a finite number in [0.01, 1000].
    """
    exact_rate(measured)
    for whole in (round(measured), round(measured * 1.001)):
        for rate in (float(whole), whole * 1000 / 1001):
            if abs(measured - rate) <= 2e-4 * rate:
                return rate
    return max(round(measured, 3), 0.01)


def frame_count(samples: int, rate_hz: int, fps: float) -> int:
    """Frames k with k / fps < duration, for `samples` samples at `rate_hz`."""
    frames = samples * exact_rate(fps) / rate_hz
    return -(-frames.numerator // frames.denominator)


def frame_time_s(frame: int, fps: float) -> float:
    """When frame `frame` is, in seconds; exact to the last bit for any frame number."""
    rate = exact_rate(fps)
    return frame * rate.denominator / rate.numerator


def frames_before_row(rows: int, fps: float) -> int:
    """Frames k whose time lies at or before the last of `rows` rows, so that both rows around them are known."""
    if rows == 0:
        return 0
    rate = exact_rate(fps)
    return 1 + (rows - 1) * rate.numerator // (ROW_RATE_HZ * rate.denominator)


def clock_text(seconds: float) -> str:
    """Seconds for people: `3.2 s`, `4 min 05 s`, `2 h 03 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min {int(seconds % 60):02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
