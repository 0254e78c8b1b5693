"""Phones: the smallest sounds of speech, under the names of CMUdict (ARPAbet, lower case), and when they were spoken."""

from __future__ import annotations

import math
from dataclasses import dataclass

from voxface.errors import ClipError

SILENCE = "sil"

PHONES: tuple[str, ...] = (
    SILENCE, "aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g", "hh", "ih", "iy",
    "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z", "zh",
    "ax", "ue", "oe", "kh", "ix", "rr",
)  # fmt: skip
"""Silence, the 39 phones of CMUdict, schwa, and some that English lacks: ü, ö, German ch, Russian ы, a tapped r."""


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone, spoken from start_s to end_s. stress: 0 none, 1 primary, 2 secondary.

    Raises: ClipError: an unknown symbol, or times that do not rise.
    """

    symbol: str
    start_s: float
    end_s: float
    stress: int = 0

    def __post_init__(self) -> None:
        if self.symbol not in PHONES:
            raise ClipError(f"unknown phone {self.symbol!r}; the phones are: {', '.join(PHONES)}.")
        if not (math.isfinite(self.start_s) and self.start_s < self.end_s < math.inf):
            raise ClipError(f"phone {self.symbol!r} must end after it starts; got {self.start_s} to {self.end_s} s.")
