"""A mouth over time in letters, for a terminal: how loud the sound is and how far the lips are apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxface.face.gap import CLOSED_BELOW
from voxface.stream import Array

COLUMNS_PER_SECOND = 16
MOUTHS = "-=oO@"
"""Closed, then four steps up to the widest opening of the clip."""

_BARS, _PLAIN_BARS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
_QUIETEST_DB = -40.0
_WIDTH = 72


def mouth_picture(samples: Array, rate_hz: int, gap: Array, fps: float, encoding: str = "utf-8") -> str:
    """Lines of text: seconds, loudness and mouth, sixteen columns a second, broken to fit 80 letters.

    Args:
        samples: (n,) sound; rate_hz: of it.
        gap: (frames,) lip gap; fps: of it, the first frame at second 0.
        encoding: of the terminal; one that lacks block letters gets ASCII.
    """
    columns = max(1, -(-len(samples) * COLUMNS_PER_SECOND // rate_hz))
    sound = _loudness(_means(np.square(samples, dtype=np.float64), rate_hz, columns), _bars(encoding))
    mouth = _mouths(_means(gap, fps, columns))
    ruler = _ruler(columns)
    lines = []
    for at in range(0, columns, _WIDTH):
        end = at + _WIDTH
        lines += [f"second {ruler[at:end]}".rstrip(), f"sound  {sound[at:end]}".rstrip(), f"mouth  {mouth[at:end]}", ""]
    widest = float(gap.max(initial=0.0))
    return "\n".join([*lines, f"       {MOUTHS[0]} closed   {' '.join(MOUTHS[1:])} open (widest here: {widest:.2f})"])


def _means(values: Array, rate: float, columns: int) -> Array:
    """(columns,) mean of the values in each column of time; a column without any repeats the one before."""
    at = (np.arange(len(values)) * COLUMNS_PER_SECOND / rate).astype(int)
    count = np.bincount(at, minlength=columns)[:columns]
    total = np.bincount(at, values, minlength=columns)[:columns]
    means: Array = total / np.maximum(count, 1)
    for column in np.flatnonzero(count == 0):
        means[column] = means[column - 1] if column else 0.0
    return means


def _loudness(power: Array, bars: str) -> str:
    """One bar per column, from 40 dB below the loudest column up to it."""
    level = 10 * np.log10(np.maximum(power, 1e-12) / max(float(power.max(initial=0)), 1e-12))
    steps = np.clip((level / -_QUIETEST_DB + 1) * len(bars), 0, len(bars) - 1).astype(int)
    return _letters(steps, bars)


def _mouths(gap: Array) -> str:
    """One letter per column; open mouths are divided evenly up to the widest."""
    widest = max(float(gap.max(initial=0.0)), CLOSED_BELOW + 1e-6)
    share = (gap - CLOSED_BELOW) / (widest - CLOSED_BELOW)
    steps = np.where(gap < CLOSED_BELOW, 0, 1 + np.clip(share * (len(MOUTHS) - 1), 0, len(MOUTHS) - 2))
    return _letters(steps.astype(int), MOUTHS)


def _letters(steps: Array, letters: Sequence[str]) -> str:
    return "".join(letters[step] for step in steps)


def _ruler(columns: int) -> str:
    """The number of each second above its first column, a dot at each half."""
    marks = [" "] * (columns + 8)
    for column in range(0, columns, COLUMNS_PER_SECOND // 2):
        second, half = divmod(column, COLUMNS_PER_SECOND)
        text = "." if half else str(second)
        marks[column : column + len(text)] = text
    return "".join(marks[:columns])


def _bars(encoding: str) -> str:
    try:
        _BARS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _PLAIN_BARS
    return _BARS
