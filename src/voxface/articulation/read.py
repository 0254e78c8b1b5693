"""Phones from files that others made: Praat TextGrid, .lab (HTK, festival, seconds), Rhubarb's mouth shapes."""

from __future__ import annotations

import stat
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from voxface.articulation.lab import SHAPES, is_rhubarb, lab_labels, rhubarb_labels
from voxface.articulation.labels import Label, in_order, refuse
from voxface.articulation.names import SCHEMES, stress_of
from voxface.articulation.phones import VOWELS, Phone, canonical_phone
from voxface.articulation.textgrid import is_textgrid, refuse_praat, textgrid_labels
from voxface.errors import InputError, InputWarning, LimitError, some_of

NEUTRAL = "ax"
"""What a label of no known phone is taken for: the mouth a little open, ready to follow its neighbours."""

_UNMARKED = 2  # secondary: between what stress may be and no stress

MOST_BYTES = 1 << 26
"""Label files above 64 MiB are refused: six hours of phones take a tenth of that."""


def read_phones(path: str | Path) -> tuple[Phone, ...]:
    """The phones of a file, silences included, in the order of time. The form is told by the content, not the suffix.

    Labels may be ARPAbet, names of festival, IPA, SAMPA or mrpa: the way of writing that knows most labels of the file
    counts. Labels that it does not know are counted, named in an InputWarning (W-PHONES), and taken for schwa. In a
    file that marks no stress at all, every vowel but schwa has the middle one.

    Raises:
        InputError: the file cannot be read.
        ClipError: it is no label file, has no phones, or times that are reversed or overlap; the line is named.
        LimitError: it is larger than MOST_BYTES or longer than labels.LONGEST_S.
    """
    text = _text(path)
    if is_rhubarb(text):
        return _phones(in_order(rhubarb_labels(text, path), path), path, SHAPES.get)
    labels = textgrid_labels(text, path) if is_textgrid(text) else lab_labels(text, path)
    return _phones(in_order(labels, path), path, _meaning(labels))


def _meaning(labels: Sequence[Label]) -> Callable[[str], str | None]:
    """What a label means, in the way of writing that knows most of these."""
    names = Counter(label.name for label in labels)
    scheme = max(SCHEMES, key=lambda scheme: sum(n for name, n in names.items() if canonical_phone(name, scheme)))
    return lambda name: canonical_phone(name, scheme)


def _phones(labels: Sequence[Label], path: str | Path, meaning: Callable[[str], str | None]) -> tuple[Phone, ...]:
    """Labels under our names.

    Raises: ClipError: there are none, or none is known.
    """
    names = Counter(label.name for label in labels)
    if not names:
        refuse(path, "has no phones.")
    known = {name: meaning(name) for name in names}
    if not any(known.values()):
        some = ", ".join(repr(name) for name in list(names)[:5])
        refuse(path, f"has labels, but none is a phone: {some}.", "Phones are ARPAbet, IPA, SAMPA or mrpa; not words.")
    _warn({name: names[name] for name, phone in known.items() if phone is None}, path)
    marked = any(stress_of(name) for name in names)
    phones = []
    for label in labels:
        symbol = known[label.name] or NEUTRAL
        stress = stress_of(label.name) if marked else _UNMARKED
        phones.append(
            Phone(symbol, label.start_s, label.end_s, stress if symbol in VOWELS and symbol != NEUTRAL else 0)
        )
    return tuple(phones)


def _warn(unknown: dict[str, int], path: str | Path) -> None:
    if unknown:
        named = some_of([f"{name!r} ({count}x)" for name, count in unknown.items()], 8)
        message = f"{path}: {sum(unknown.values())} labels are no known phone, taken for schwa: {named}."
        warnings.warn(InputWarning("W-PHONES", message), stacklevel=4)


def _text(path: str | Path) -> str:
    """The text of a small file: UTF-8 or UTF-16, with or without byte order mark."""
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is not a file.", source=str(path))
        if status.st_size > MOST_BYTES:
            raise LimitError(f"{path} is larger than {MOST_BYTES >> 20} MiB.", source=str(path))
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {why}.", hint="Check the name.", source=str(path)) from error
    if data.startswith(b"ooBinaryFile"):
        refuse_praat(path)
    try:
        return data.decode(_encoding(data))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        refuse(path, f"line {line} is not {error.encoding} text: {error.reason}.", "Save the file as UTF-8.")


def _encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in data[:2]:
        return "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    return "utf-8-sig"
