"""Label files with one line per phone: HTK, festival (xlabel), plain seconds, and Rhubarb's mouth shapes.

Sources: S. Young et al., "The HTK Book", chapter 6 (times in units of 100 ns); the manual of ESPS xlabel (a header that
ends with a line `#`, then the end of each label, a colour and its name), which festival and its voices use; the manual
of Rhubarb Lip Sync (time, tab, mouth shape; the last line is the end of the recording).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from voxface.articulation.labels import Label, number, refuse

SHAPES = {"A": "m", "B": "s", "C": "eh", "D": "aa", "E": "ao", "F": "uw", "G": "f", "H": "l", "X": "sil"}
"""Rhubarb's mouth shapes as phones: A closed lips, B nearly closed teeth, C open, D wide open, E slightly rounded,
F puckered, G lower lip at the teeth, H a long l, X rest."""

_HTK_UNIT_S = 1e-7
_SECONDS_END = 10_000  # whole numbers above this are units of 100 ns: nobody labels three hours in whole seconds

_Line = tuple[int, list[str]]


def is_rhubarb(text: str) -> bool:
    """Whether every line is two words, and some second one is a mouth shape."""
    rows = [words for _, words in _lines(text)]
    return all(len(words) == 2 for words in rows) and any(words[1] in SHAPES for words in rows)


def rhubarb_labels(text: str, path: str | Path) -> list[Label]:
    """Every shape lasts until the next one; the last only says when the recording ends."""
    rows = [(number(words[0], path, line), words[1], line) for line, words in _lines(text)]
    if len(rows) < 2:
        refuse(path, "has one mouth shape and no end.", "The last line says when the recording ends.")
    return [Label(start, rows[i + 1][0], shape, line) for i, (start, shape, line) in enumerate(rows[:-1])]


def lab_labels(text: str, path: str | Path) -> list[Label]:
    """The labels of a .lab file in any of its forms.

    Raises: ClipError: a line is no label, with its number.
    """
    lines = list(_lines(text))
    header = next((i for i, (_, words) in enumerate(lines) if words == ["#"]), None)
    if header is not None:
        return list(_xlabel(lines[header + 1 :], path))
    for line, words in lines:
        if len(words) < 3:
            refuse(path, f"line {line}: expected 'start end name'; got {' '.join(words)[:60]!r}.")
    rows = [(number(words[0], path, line), number(words[1], path, line), words[2], line) for line, words in lines]
    whole = all(word.isdecimal() for _, words in lines for word in words[:2])
    unit = _HTK_UNIT_S if whole and max((end for _, end, _, _ in rows), default=0) >= _SECONDS_END else 1.0
    return [Label(start * unit, end * unit, _centre(name), line) for start, end, name, line in rows]


def _xlabel(lines: Sequence[_Line], path: str | Path) -> Iterator[Label]:
    start = 0.0
    for line, words in lines:
        end = number(words[0], path, line)
        name = words[2].rstrip(";") if len(words) > 2 else ""
        yield Label(start, end, name, line)
        start = end


def _centre(name: str) -> str:
    """The phone itself in a label with context: "b" in "a-b+c", and in HTS's "x^a-b+c=d@..."."""
    found = re.search(r"-([^-+\s]+)\+", name)
    return found.group(1) if found else name


def _lines(text: str) -> Iterator[_Line]:
    """The words of every line that has some, with the line's number."""
    for line, content in enumerate(text.splitlines(), 1):
        words = content.split()
        if words:
            yield line, words
