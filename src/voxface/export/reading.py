"""What every reader of clips shares: bounded bytes, strict JSON, tables of numbers. All raise VoxfaceErrors only."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from voxface.errors import ClipError, InputError, LimitError
from voxface.stream import Array

MAX_JSON_BYTES = 1 << 29
"""A JSON document is read whole and takes some ten times its size in memory, so larger ones are refused."""

MAX_LINE_BYTES = 1 << 20
"""No line of a clip in lines is near this long."""


def open_clip(path: str | Path) -> IO[bytes]:
    """Open a clip for reading.

    Raises: InputError: missing, no permission, or no ordinary file (a folder, a device, a pipe nobody writes).
    """
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise InputError(f"{path} is not a file.", source=str(path))
        return open(path, "rb")
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {why}.", hint="Check the name.", source=str(path)) from error


def refuse(path: str | Path, what: str, hint: str = "") -> NoReturn:
    """Raise ClipError about a file, with its name."""
    raise ClipError(f"{path}: {what}", hint=hint, source=str(path))


def lines(file: IO[bytes], path: str | Path) -> Iterator[str]:
    """The lines of a UTF-8 file with their line ends; a byte order mark is dropped.

    Raises: ClipError: a line is longer than MAX_LINE_BYTES or is not UTF-8, with its number.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            refuse(path, f"line {number} is longer than {MAX_LINE_BYTES} bytes.")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            refuse(path, f"line {number} is not UTF-8 text: {error.reason}.", "Save the file as UTF-8.")


def read_json(path: str | Path) -> dict[str, Any]:
    """A file that holds one JSON object.

    Raises: LimitError: larger than MAX_JSON_BYTES. ClipError: see `parse_json`.
    """
    with open_clip(path) as file:
        data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise LimitError(
            f"{path} is larger than {MAX_JSON_BYTES >> 20} MiB.",
            hint="Long clips read well from .jsonl, .npz or .csv.",
            source=str(path),
        )
    try:
        return parse_json(data.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        refuse(path, f"not UTF-8 text: {error.reason} at byte {error.start}.", "Save the file as UTF-8.")


def parse_json(text: str, path: str | Path, where: str = "") -> dict[str, Any]:
    """One strict JSON object.

    Args:
        where: said in errors before the reason, such as "line 7: ".
    Raises: ClipError: no JSON, no object, NaN or Infinity, a key twice, nested too deeply.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_key_twice)
    except RecursionError:
        refuse(path, f"{where}the JSON is nested too deeply.")
    except ValueError as error:  # JSONDecodeError is one; so is a number of thousands of digits
        refuse(path, f"{where}not valid JSON: {error}.")
    if not isinstance(value, dict):
        refuse(path, f"{where}expected a JSON object; got {kind(value)}.")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)[:80]!r} stands twice in one object")
    return found


_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return "null" if value is None else _KINDS.get(type(value), type(value).__name__)


def field(found: dict[str, Any], name: str, types: type | tuple[type, ...], path: str | Path, where: str = "") -> Any:
    """A value of an object, of the type that was needed.

    Raises: ClipError: it is missing or of another type. A bool is no number.
    """
    if name not in found:
        refuse(path, f"{where}{name!r} is missing.")
    value, wanted = found[name], types if isinstance(types, tuple) else (types,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        needed = " or ".join(dict.fromkeys(_KINDS[one] for one in wanted))
        refuse(path, f"{where}{name!r} must be {needed}; got {kind(value)}.")
    return value


def number(found: dict[str, Any], name: str, path: str | Path, where: str = "") -> float:
    """A finite number of an object. Raises: ClipError: missing, no number, or too large."""
    try:
        value = float(field(found, name, (int, float), path, where))
    except OverflowError:
        refuse(path, f"{where}{name!r} is too large.")
    if not np.isfinite(value):
        refuse(path, f"{where}{name!r} is too large.")
    return value


def table(values: Any, columns: int, what: str, path: str | Path) -> Array:
    """(rows, columns) float32 from nested lists.

    Raises: ClipError: rows of other lengths, values that are no numbers, too large or not finite.
    """
    if not isinstance(values, list) or not set(map(type, values)) <= {list}:
        got = "rows that are no lists" if isinstance(values, list) else kind(values)
        refuse(path, f"{what} must be a list of rows of {columns} numbers; got {got}.")
    if not set(map(type, chain.from_iterable(values))) <= {int, float}:
        refuse(path, f"{what} must be rows of {columns} numbers; some values are no numbers.")
    if not set(map(len, values)) <= {columns}:
        refuse(path, f"{what} must be rows of {columns} numbers; some rows are longer or shorter.")
    try:
        return finite(np.array(values, np.float64).reshape(len(values), columns), what, path)
    except OverflowError:
        refuse(path, f"{what} must be finite numbers; some are too large.")


def finite(array: Array, what: str, path: str | Path) -> Array:
    """The numbers as float32. Raises: ClipError: NaN, infinite or too large."""
    with np.errstate(over="ignore"):
        single: Array = array.astype(np.float32)
    if not np.isfinite(single).all():
        refuse(path, f"{what} must be finite numbers; some are NaN, infinite or too large.")
    return single


def channel_names(values: Any, path: str | Path) -> tuple[str, ...]:
    """Names of channels. Raises: ClipError: no list of different texts."""
    if not isinstance(values, list) or not all(isinstance(name, str) for name in values):
        refuse(path, "'names' must be a list of texts.")
    if len(set(values)) != len(values):
        refuse(path, "a channel stands twice in 'names'.")
    return tuple(values)
