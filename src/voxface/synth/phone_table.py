"""Phone times of many recordings in one file of tab-separated text."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from voxface.articulation.phones import Phone
from voxface.errors import ClipError, InputError
from voxface.files import atomic_write

_COLUMNS = ("recording", "start_s", "end_s", "phone", "stress")


def write_phone_table(phones: Mapping[str, Sequence[Phone]], path: str | Path) -> None:
    """Write phones by name of recording, sorted, times to a millisecond; the same phones give the same bytes.

    Raises: OutputError: the place cannot be written.
    """
    with atomic_write(path, "w") as file:
        file.write("\t".join(_COLUMNS) + "\n")
        for name in sorted(phones):
            for one in phones[name]:
                file.write(f"{name}\t{one.start_s:.3f}\t{one.end_s:.3f}\t{one.symbol}\t{one.stress}\n")


def read_phone_table(path: str | Path) -> dict[str, tuple[Phone, ...]]:
    """The phones of every recording by its name, in the order of time; silences among them.

    Args:
        path: what write_phone_table wrote. The column stress may be missing: then nothing is stressed.
    Raises: InputError: it cannot be read, lacks a column, or a line of it is no phone; the line is named.
    """
    found: dict[str, list[Phone]] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = [name for name in _COLUMNS[:4] if name not in (table.fieldnames or ())]
            if missing:
                raise _unreadable(path, f"it has no column {missing[0]!r}")
            for row in table:
                stress = int(row.get("stress") or 0)
                phone = Phone(row["phone"], float(row["start_s"]), float(row["end_s"]), stress)
                found.setdefault(row["recording"], []).append(phone)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, str(error)) from error
    except (TypeError, ValueError, ClipError) as error:
        raise _unreadable(path, f"line {table.line_num}: {error}") from error
    return {name: tuple(sorted(phones, key=lambda one: one.start_s)) for name, phones in found.items()}


def _unreadable(path: str | Path, why: str) -> InputError:
    hint = "Make one first: voxface articulation align DATASET --words TSV -o phones.tsv."
    return InputError(f"cannot read the phones in {path}: {why}.", hint=hint, source=str(path))
