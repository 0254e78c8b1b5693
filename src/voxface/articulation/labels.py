"""A stretch of time with a name, as label files have it, and the checks that all label files share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn

from voxface.errors import ClipError, LimitError

LONGEST_S = 6 * 3600.0
"""Label files beyond this are refused; what they need in memory grows with their time."""

_OVERLAP_S = 1e-3  # neighbours of aligners that round their times overlap by less


class Label(NamedTuple):
    """Seconds on the audio clock, the name as it stands in the file, and its line there, counted from 1."""

    start_s: float
    end_s: float
    name: str
    line: int


def refuse(path: str | Path, what: str, hint: str = "") -> NoReturn:
    """Raise ClipError about a file, with its name."""
    raise ClipError(f"{path}: {what}", hint=hint, source=str(path))


def in_order(labels: Iterable[Label], path: str | Path) -> list[Label]:
    """The labels that last, none before the end of the one ahead of it.

    Raises: ClipError: times that are reversed or overlap, or are no times, with the line. LimitError: beyond LONGEST_S.
    """
    kept: list[Label] = []
    for label in labels:
        if not (math.isfinite(label.start_s) and math.isfinite(label.end_s)):
            refuse(path, f"line {label.line}: times must be finite numbers.")
        if label.end_s < label.start_s:
            refuse(path, f"line {label.line}: {label.name!r} ends at {label.end_s:g} s, before it starts.")
        if kept and label.start_s < kept[-1].end_s - _OVERLAP_S:
            refuse(
                path,
                f"line {label.line}: {label.name!r} starts at {label.start_s:g} s, "
                f"before the end of {kept[-1].name!r} at {kept[-1].end_s:g} s.",
            )
        if max(-label.start_s, label.end_s) > LONGEST_S:
            raise LimitError(f"{path}: line {label.line} is beyond {LONGEST_S / 3600:g} hours.", source=str(path))
        if label.end_s > label.start_s:
            kept.append(label)
    return kept


def number(word: str, path: str | Path, line: int) -> float:
    """A word of a label file as a number. Raises: ClipError: it is none, with the line."""
    try:
        return float(word)
    except ValueError:
        refuse(path, f"line {line}: expected a time; got {word[:40]!r}.")
