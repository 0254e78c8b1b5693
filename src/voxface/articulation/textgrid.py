"""Praat TextGrid, long and short form: the same values in the same order, with and without names before them.

Source: the manual of Praat, "TextGrid file formats": only free-standing numbers, texts in quotes (a quote inside is
doubled) and flags in angle brackets count; everything else, and what follows `!`, is for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from voxface.articulation.labels import Label, refuse

_TOKEN = re.compile(r'"((?:[^"]|"")*+)"|<[^>\s]*>|(![^\n]*)|(\S+)')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_PHONES = ("phone", "phones", "phoneme", "phonemes", "phn", "mau", "segment", "segments", "phonetic", "phonetics")


class _Token(NamedTuple):
    value: str
    text: bool  # it stood in quotes
    line: int


class _Tier(NamedTuple):
    name: str
    labels: list[Label]


def is_textgrid(text: str) -> bool:
    """Whether a file begins as one, or as something else of Praat's."""
    return any(mark in text[:200] for mark in ("ooTextFile", "Praat chronological"))


def textgrid_labels(text: str, path: str | Path) -> list[Label]:
    """The intervals of the tier that holds phones: the one that is named so, else the only one there is.

    Raises: ClipError: not a TextGrid in text form, or no such tier; the tiers are named.
    """
    tiers = [tier for tier in _tiers(_Reader(text, path)) if tier is not None]
    for fits in (_named_exactly, _named_at_the_end, lambda name: True):
        found = [tier for tier in tiers if fits(tier.name)]
        if len(found) == 1:
            return found[0].labels
        if found:
            names = ", ".join(repr(tier.name) for tier in found)
            refuse(path, f"has {len(found)} tiers that may hold phones: {names}.", "Name one of them 'phones'.")
    refuse(path, "has no interval tier.", "Phones must be intervals, not points.")


def _named_exactly(name: str) -> bool:
    return name.strip().lower() in _PHONES


def _named_at_the_end(name: str) -> bool:
    """ "speaker 1 - phones", as the Montreal Forced Aligner writes for several speakers."""
    return re.split(r"[\W_]+", name.strip().lower())[-1] in _PHONES


def _tiers(reader: _Reader) -> Iterator[_Tier | None]:
    """The tiers in turn; None for a tier of points."""
    if reader.text() != "ooTextFile" or not reader.text().startswith("TextGrid"):
        refuse_praat(reader.path)
    reader.number(), reader.number()
    for _ in range(reader.count()):
        kind, name = reader.text(), reader.text()
        if kind not in ("IntervalTier", "TextTier"):
            refuse(reader.path, f"line {reader.line}: expected IntervalTier or TextTier; got {kind[:40]!r}.")
        reader.number(), reader.number()
        size = reader.count()
        if kind == "IntervalTier":
            yield _Tier(name, [reader.interval() for _ in range(size)])
        else:
            for _ in range(size):
                reader.number(), reader.text()
            yield None


def refuse_praat(path: str | Path) -> NoReturn:
    """Praat saves many things, in many forms. Raises: ClipError."""
    refuse(path, "is a Praat file, but no TextGrid in text form.", "In Praat: Save as text file...")


class _Reader:
    """The free-standing values of a Praat file, one after the other. Each method raises ClipError with the line where
    another kind of value stands, or none."""

    def __init__(self, text: str, path: str | Path) -> None:
        self.path, self.line = path, 1
        self._tokens = _tokens(text)

    def text(self) -> str:
        return self._next("a text in quotes", text=True).value

    def number(self) -> float:
        return float(self._next("a number", text=False).value)

    def count(self) -> int:
        value = self.number()
        if not 0 <= value <= 1e7 or value != int(value):
            refuse(self.path, f"line {self.line}: expected a count; got {value:g}.")
        return int(value)

    def interval(self) -> Label:
        start, end = self.number(), self.number()
        line = self.line
        return Label(start, end, self.text(), line)

    def _next(self, wanted: str, text: bool) -> _Token:
        token = next(self._tokens, None)
        if token is None:
            refuse(self.path, f"ends after line {self.line}, where {wanted} should follow.", "Is the file complete?")
        self.line = token.line
        if token.text != text:
            refuse(self.path, f"line {token.line}: expected {wanted}; got {token.value[:40]!r}.")
        return token


def _tokens(text: str) -> Iterator[_Token]:
    line, at = 1, 0
    for found in _TOKEN.finditer(text):
        line += text.count("\n", at, found.start())
        at = found.start()
        quoted, word = found.group(1), found.group(3)
        if quoted is not None:
            yield _Token(quoted.replace('""', '"'), True, line)
        elif word is not None and _NUMBER.fullmatch(word):
            yield _Token(word, False, line)
