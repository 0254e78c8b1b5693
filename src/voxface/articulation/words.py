"""Word times of recordings: a table of clip, start_s, end_s, word, as data/grid_words.tsv is."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from voxface.errors import ClipError, InputError

_COLUMNS = ("clip", "start_s", "end_s", "word")


@dataclass(frozen=True, slots=True)
class Word:
    """One word, or a pause ("sil", "sp"), said from start_s to end_s; in small letters.

    Raises: ClipError: times that do not rise.
    """

    text: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and self.start_s < self.end_s < math.inf):
            raise ClipError(f"word {self.text!r} must end after it starts; got {self.start_s} to {self.end_s} s.")


def read_words(path: str | Path) -> dict[str, tuple[Word, ...]]:
    """The words of every recording by its name, in the order of time; words that last no time are left out.

    Args:
        path: tab-separated text; the first line names the columns clip, start_s, end_s, word.
    Raises: InputError: it cannot be read, lacks a column, or a line of it is no word with times; the line is named.
    """
    found: dict[str, list[Word]] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise _unreadable(path, f"it has no column {missing[0]!r}")
            for row in table:
                start_s, end_s = float(row["start_s"]), float(row["end_s"])
                if start_s != end_s:
                    found.setdefault(row["clip"], []).append(Word(row["word"].strip().lower(), start_s, end_s))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, str(error)) from error
    except (TypeError, ValueError, AttributeError, ClipError) as error:
        raise _unreadable(path, f"line {table.line_num}: {error}") from error
    return {clip: tuple(sorted(words, key=lambda word: word.start_s)) for clip, words in found.items()}


def _unreadable(path: str | Path, why: str) -> InputError:
    hint = f"Give tab-separated text whose first line names the columns {', '.join(_COLUMNS)}."
    return InputError(f"cannot read the word times in {path}: {why}.", hint=hint, source=str(path))
