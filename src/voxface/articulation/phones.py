"""Phones: the smallest sounds of speech, under the names of CMUdict (ARPAbet, lower case), and when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxface.articulation.names import SCHEMES, spoken_name
from voxface.errors import ClipError
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

SILENCE = "sil"

PHONES: tuple[str, ...] = (
    SILENCE, "aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g", "hh", "ih", "iy",
    "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z", "zh",
    "ax", "ue", "oe", "kh", "ix", "rr",
)  # fmt: skip
"""Silence, the 39 phones of CMUdict, schwa, and some that English lacks: ü, ö, German ch, Russian ы, a tapped r."""

CLOSURES = ("p", "b", "m")
"""The lips meet."""

LABIODENTALS = ("f", "v")
"""The lower lip meets the upper teeth."""

VOWELS = (
    "aa", "ae", "ah", "ao", "aw", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw", "ax", "ue", "oe", "ix",
)  # fmt: skip

OPEN_CONSONANTS = ("k", "t", "s", "d", "sh")
"""Consonants at which the lips are surely apart."""


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


def canonical_phone(name: str, scheme: str | None = None) -> str | None:
    """The phone of PHONES that a label means; None where it is unknown.

    Args:
        name: with or without stress digits and marks, length and other diacritics.
        scheme: one of names.SCHEMES: how the label is written; None tries all, ARPAbet first. It matters for labels
            such as "y", an English glide in ARPAbet and ü in IPA.
    """
    for known in [scheme] if scheme else SCHEMES:
        found = spoken_name(name, known)
        if found is not None:
            return found
    return None


def phone_rows(phones: Sequence[Phone], rows: int) -> Array:
    """(rows,) int64: the place in PHONES of what is spoken at row centre i / 100 s; silence where nothing is. Of phones
    that overlap, the later one."""
    spoken = np.zeros(rows, np.int64)
    for phone in phones:
        first, last = (max(math.ceil(time * ROW_RATE_HZ - 1e-6), 0) for time in (phone.start_s, phone.end_s))
        spoken[first:last] = PHONES.index(phone.symbol)
    return spoken
