"""Moments at which the lips must be closed, or must not: from exact phone times, or from the word times of GRID.

Of a phone, its centre is the moment. Of a word only the first phone is used, at the word's start: where inside a word
its other phones lie is not known from word times. That leaves out closures inside and at the end of words (the letter m
is "em": it begins with a vowel).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxface.articulation.phones import CLOSURES, OPEN_CONSONANTS, SILENCE, VOWELS, Phone
from voxface.articulation.words import read_words

OPEN: tuple[str, ...] = (*VOWELS, *OPEN_CONSONANTS)
"""Phones at which closed lips are a fault (SPEC C5)."""

CLEAR_S = 0.05
"""An open phone whose centre is this near to a p b m is not judged: the lips may rightly be on their way there or back.
Without this, the very curves of natural sentences close their lips within 20 ms of the centres of 6.5 % of the vowels
and k t s d sh; with it, nowhere (60 recordings of synthetic speech, 6375 phones, of which 10 % are left out)."""

FIRST_PHONE: Mapping[str, str] = {
    "bin": "b", "lay": "l", "place": "p", "set": "s",
    "blue": "b", "green": "g", "red": "r", "white": "w",
    "at": "ae", "by": "b", "in": "ih", "with": "w",
    "a": "ey", "b": "b", "c": "s", "d": "d", "e": "iy", "f": "eh", "g": "jh", "h": "ey", "i": "ay", "j": "jh",
    "k": "k", "l": "eh", "m": "eh", "n": "eh", "o": "ow", "p": "p", "q": "k", "r": "aa", "s": "eh", "t": "t",
    "u": "y", "v": "v", "x": "eh", "y": "w", "z": "z",
    "zero": "z", "one": "w", "two": "t", "three": "th", "four": "f", "five": "f", "six": "s", "seven": "s",
    "eight": "ey", "nine": "n",
    "again": "ah", "now": "n", "please": "p", "soon": "s",
}  # fmt: skip
"""First phone (ARPAbet) of every word of GRID: command, colour, preposition, letter (w has three syllables and is not
used), digit, adverb."""

PAUSES = frozenset({SILENCE, "sp"})
_LIPS_CLOSED_BEFORE = PAUSES | {"m"}
"""After these the lips may rightly still be closed: such a word tells nothing about false closures."""


@dataclass(frozen=True, slots=True)
class Events:
    """Moments of one clip, in seconds: `closed` at a p, b or m, `open` where the lips must be apart."""

    closed: tuple[float, ...] = ()
    open: tuple[float, ...] = ()


def phone_events(phones: Sequence[Phone]) -> Events:
    """The centres of p b m, and those of vowels and k t s d sh that are more than 50 ms away from any p b m."""
    closures = [one for one in phones if one.symbol in CLOSURES]
    return Events(
        closed=tuple(centre_s(one) for one in closures),
        open=tuple(centre_s(one) for one in phones if one.symbol in OPEN and _is_clear(centre_s(one), closures)),
    )


def centre_s(phone: Phone) -> float:
    return (phone.start_s + phone.end_s) / 2


def _is_clear(time_s: float, closures: Sequence[Phone]) -> bool:
    return all(max(one.start_s - time_s, time_s - one.end_s) > CLEAR_S for one in closures)


def word_events(words: Sequence[tuple[float, str]]) -> Events:
    """Events of one clip from its (start_s, word) pairs in order of time; words that GRID lacks give none."""
    closed, apart = [], []
    before = "sil"
    for start_s, word in words:
        phone = FIRST_PHONE.get(word)
        if phone in CLOSURES:
            closed.append(start_s)
        elif phone in OPEN and before not in _LIPS_CLOSED_BEFORE:
            apart.append(start_s)
        before = word
    return Events(tuple(closed), tuple(apart))


def read_events(path: str | Path) -> dict[str, Events]:
    """Events by clip name, from a table of word times (articulation.words). Raises: InputError: as read_words."""
    return {
        clip: word_events([(word.start_s, word.text) for word in words]) for clip, words in read_words(path).items()
    }
