"""The articulation table as a TOML file: read with errors that name the key, written for people."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from voxface.articulation.phones import PHONES
from voxface.articulation.table import Gesture, Group, Pauses, Sound, Table, Timing
from voxface.errors import InputError, UsageError
from voxface.files import atomic_write

_TABLES = ("timing", "pauses", "dominance", "gestures", "phones")


def read_table(path: str | Path | None) -> Table:
    """See table.load_table."""
    return _shipped() if path is None else _load(Path(path))


@lru_cache(maxsize=1)
def _shipped() -> Table:
    return _build(tomllib.loads(_shipped_text()))


def _shipped_text() -> str:
    return files("voxface.articulation").joinpath("table.toml").read_text(encoding="utf-8")


def _load(path: Path) -> Table:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", source=str(path)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}.", source=str(path)) from error
    try:
        return _build(tree)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint, source=str(path)) from error


def _build(tree: Mapping[str, Any]) -> Table:
    for key in tree:
        if key not in _TABLES:
            raise UsageError(f"{key} is no table of articulation.", hint=f"The tables: {', '.join(_TABLES)}.")
    parts = {name: _tables(tree.get(name, {}), name) for name in ("dominance", "gestures", "phones")}
    return Table(
        groups=tuple(Group(name, **_keys(Group, body, f"dominance.{name}")) for name, body in parts["dominance"]),
        sounds={symbol: _sound(symbol, body) for symbol, body in parts["phones"]},
        gestures=tuple(Gesture(name, **_keys(Gesture, body, f"gestures.{name}")) for name, body in parts["gestures"]),
        pauses=Pauses(**_keys(Pauses, _table(tree.get("pauses", {}), "pauses"), "pauses")),
        timing=Timing(**_keys(Timing, _table(tree.get("timing", {}), "timing"), "timing")),
    )


def _table(body: Any, key: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise UsageError(f"{key} must be a table; got {body!r}.")
    return body


def _tables(body: Any, key: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, _table(inner, f"{key}.{name}")) for name, inner in _table(body, key).items()]


def _keys(kind: type, body: Mapping[str, Any], here: str) -> dict[str, Any]:
    """The keys of one table as arguments of its class; all but those with a default must be there."""
    known = {field.name: field for field in fields(kind) if field.name != "name"}
    for key in body:
        if key not in known:
            raise UsageError(f"{here}.{key} is no key.", hint=f"The keys: {', '.join(known)}.")
    for key in {"channels", "rise", "fall", "hold", "attack", "release"} & set(known) - set(body):
        raise UsageError(f"{here}.{key} is missing.")
    return {key: _value(key, value, f"{here}.{key}") for key, value in body.items()}


def _value(key: str, value: Any, here: str) -> Any:
    if key == "channels":
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise UsageError(f"{here} must be a list of channel names; got {value!r}.")
        return tuple(value)
    if key == "stress":
        return tuple(_number(factor, here) for factor in _list(value, here))
    if key in ("hold", "takes", "adds", "strength") and isinstance(value, dict):
        return {name: _number(inner, f"{here}.{name}") for name, inner in value.items()}
    return _number(value, here)


def _sound(symbol: str, body: Mapping[str, Any]) -> Sound:
    here = f"phones.{symbol}"
    like = body.get("like")
    if like is not None and not isinstance(like, str):
        raise UsageError(f"{here}.like must be the name of a phone; got {like!r}.")
    targets = {
        key: tuple(_number(part, f"{here}.{key}") for part in (value if isinstance(value, list) else [value]))
        for key, value in body.items()
        if key not in ("like", "strength")
    }
    strength = _table(body.get("strength", {}), f"{here}.strength")
    return Sound(symbol, like, targets, {key: _number(v, f"{here}.strength.{key}") for key, v in strength.items()})


def _list(value: Any, here: str) -> list[Any]:
    if not isinstance(value, list):
        raise UsageError(f"{here} must be a list; got {value!r}.")
    return value


def _number(value: Any, here: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{here} must be a number; got {value!r}.")
    return float(value)


def write_table(table: Table, path: str | Path) -> None:
    """See table.save_table. The explanation at the head is that of the shipped table."""
    head = []
    for line in _shipped_text().splitlines():
        if not line.startswith("#"):
            break
        head.append(line)
    with atomic_write(path, "w") as file:
        file.write("\n".join([*head, "", *_lines(table)]) + "\n")


def _lines(table: Table) -> Iterator[str]:
    yield from _section("timing", table.timing)
    yield from _section("pauses", table.pauses)
    for group in table.groups:
        yield from _section(f"dominance.{group.name}", group)
    for gesture in table.gestures:
        yield from _section(f"gestures.{gesture.name}", gesture)
    for symbol in PHONES:
        if symbol in table.sounds:
            yield from _sound_lines(table.sounds[symbol])


def _section(name: str, value: Any) -> Iterator[str]:
    yield f"[{name}]"
    for field in fields(value):
        if field.name != "name":
            yield f"{field.name} = {_text(getattr(value, field.name))}"
    yield ""


def _sound_lines(sound: Sound) -> Iterator[str]:
    yield f"[phones.{sound.symbol}]"
    if sound.like:
        yield f'like = "{sound.like}"'
    if sound.strength:
        yield f"strength = {_text(sound.strength)}"
    for channel, values in sound.targets.items():
        if any(round(value, 4) for value in values) or len(values) == sound.parts == 2:
            yield f"{channel} = {_text(values if len(values) > 1 else values[0])}"
    yield ""


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_text(inner)}" for key, inner in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_text(inner) for inner in value) + "]"
    if isinstance(value, str):
        return f'"{value}"'
    return f"{round(float(value), 4):g}" if abs(value) < 1e5 else repr(float(value))
