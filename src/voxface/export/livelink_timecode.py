"""Timecodes of Live Link Face: `HH:MM:SS:FF.mmm` (formats.md §3).

FF counts frames at the timecode rate, `.mmm` is thousandths of a frame. A file does not say its rates; they are
inferred from where FF wraps and from the steps between rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from voxface.stream import Array
from voxface.timebase import exact_rate, likely_rate

DAY_S = 24 * 3600
_PATTERN = re.compile(r"\s*(\d{1,2}):(\d{1,2}):(\d{1,2})[:;](\d{1,3})(?:\.(\d{1,6}))?\s*")
_COMMON_RATES = (24, 25, 30, 48, 50, 60, 90, 100, 120, 240, 1000)


def timecode_rate(fps: float) -> int:
    """Frames per timecode second: fps rounded to a whole number, at least 1, so 30 for 29.97 and 60 for 59.94.

    Non-drop: timecode counts frames, so at 29.97 it runs 0.1 % slower than the clock, as is usual.
    """
    return max(1, round(fps))


def first_position(start_s: float, fps: float) -> int:
    """Where a clip begins, in thousandths of a frame from timecode zero."""
    return round(start_s * float(exact_rate(fps)) * 1000)


def timecode(position: int, rate: int) -> str:
    """The timecode of a position in thousandths of a frame; wraps at 24 hours, in both directions.

    >>> timecode(61_500, 60)
    '00:00:01:01.500'
    """
    frames, thousandths = divmod(position, 1000)
    seconds, frame = divmod(frames, rate)
    seconds %= DAY_S
    hour, minute = seconds // 3600, seconds // 60 % 60
    return f"{hour:02d}:{minute:02d}:{seconds % 60:02d}:{frame:02d}.{thousandths:03d}"


def parse_timecode(text: str) -> tuple[int, float] | None:
    """(whole seconds, frames with their fraction), or None where the text is no timecode."""
    found = _PATTERN.fullmatch(text)
    if not found:
        return None
    hours, minutes, seconds, frame = (int(found[i]) for i in range(1, 5))
    return hours * 3600 + minutes * 60 + seconds, frame + float(f"0.{found[5] or 0}")


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """How the rows of a file follow each other.

    positions: (rows,) float64: timecode frames since the first row
    step:      timecode frames from row to row of an unbroken take
    fps:       rows per second of an unbroken take
    even:      the rows are an unbroken take: row k is frame k
    sure:      the rate could be read off; False: the file is too short to tell, fps is a guess
    """

    positions: Array
    step: float
    fps: float
    even: bool
    sure: bool


def find_steps(seconds: Array, frames: Array) -> Steps:
    """Infer the rates of a file from its timecodes.

    Args:
        seconds: (rows,) int64 whole seconds, already unwrapped at midnight.
        frames: (rows,) float64 frame numbers with fraction.
    """
    rate, sure = _rate(seconds, frames)
    positions = (seconds - seconds[:1]) * rate + frames - frames[:1]
    moves = np.diff(positions)
    forward = moves[moves > 0.01]
    if not len(forward):
        return Steps(positions, 1.0, float(rate), len(positions) < 2, False)
    whole = np.diff(positions + frames[:1] - frames % 1)  # counts frames only
    if whole[0] >= 1 and (whole == whole[0]).all():
        return Steps(positions, float(whole[0]), rate / float(whole[0]), True, sure)
    step = float(np.median(forward))
    even = bool((np.abs(moves - step) < 0.25 * step).all())
    step = float(moves.mean()) if even else max(1.0, round(step))
    fps = rate / step
    return Steps(positions, step, likely_rate(fps) if 0.01 <= fps <= 1000 else fps, even, sure)


def _rate(seconds: Array, frames: Array) -> tuple[int, bool]:
    """Timecode frames per second, and whether FF was seen to wrap. The step is the same before and across a wrap."""
    highest = int(frames.max(initial=0)) + 1
    inside = np.diff(frames)[np.diff(seconds) == 0]
    wraps = np.flatnonzero(np.diff(seconds) == 1)
    forward = inside[inside > 0.01]
    if len(wraps) and len(forward):
        at_wrap = frames[wraps] + np.median(forward) - frames[wraps + 1]
        return max(round(float(np.median(at_wrap))), highest), True
    return next((rate for rate in _COMMON_RATES if rate >= highest), highest), False
