"""An emotion that somebody wants, fixed or by time: `happy=0.6`, or a track from a CSV, JSON or TOML file."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from voxface.errors import InputError, UsageError
from voxface.face.rig import EMOTIONS
from voxface.stream import Array

BLEND_S = 0.5
"""A track that begins later than the sound comes in over so long."""

TRACKS = (".csv", ".json", ".toml")
_NEUTRAL = EMOTIONS.index("Neutral")
_SPELLING = {name.lower(): name for name in EMOTIONS}
_TIMES = ("at", "time_s")


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Emotions at key times.

    times_s: (keys,) rising, on the audio clock; linear between them, and the last is held
    values:  (keys, 7) in [0, 1], in the order of face.rig.EMOTIONS
    share:   (keys,) in [0, 1]: 1 what is wanted here counts; 0 what is heard does. Before the first key it is 0, but
             for BLEND_S in which it comes up
    """

    times_s: Array
    values: Array
    share: Array

    def at(self, times_s: Array) -> tuple[Array, Array]:
        """(n,) seconds -> (n, 7) float32 values, (n, 1) float32 share."""
        values = np.stack([np.interp(times_s, self.times_s, column) for column in self.values.T], axis=1)
        times = np.concatenate([[self.times_s[0] - BLEND_S], self.times_s])
        share = np.interp(times_s, times, np.concatenate([[0.0], self.share]))
        return values.astype(np.float32), share[:, None].astype(np.float32)


def wanted(emotion: str | Path | Mapping[str, float]) -> Wanted:
    """What `--emotion` says: "happy=0.6,sad=0.2", {"happy": 0.6}, or the name of a track (`load_track`).

    Raises: UsageError: an unknown emotion, a number outside 0 to 1. InputError: the track cannot be read.
    """
    if isinstance(emotion, Mapping):
        return _keys([{"at": 0.0, **emotion}], _GIVEN)
    text = str(emotion)
    if isinstance(emotion, Path) or Path(text).suffix.lower() in TRACKS:
        return load_track(Path(text))
    if "=" not in text:
        raise UsageError(f"emotion {text!r} is neither NAME=NUMBER nor a .csv, .json or .toml track.", hint=_LIKE)
    return fixed(text)


def fixed(text: str) -> Wanted:
    """What "happy=0.6,sad=0.2" says; no file is opened.

    Raises: UsageError: an unknown emotion, a number outside 0 to 1.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and number.strip() for name, _, number in pairs):
        raise UsageError(f"emotion {text!r} is not NAME=NUMBER.", hint=_LIKE)
    names = [name.strip().lower() for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise UsageError(f"emotion {text!r} names an emotion twice.")
    return _keys([{"at": 0.0, **{name.strip(): number for name, _, number in pairs}}], _GIVEN)


def load_track(path: Path) -> Wanted:
    """A track: a CSV with the columns time_s and emotions; a JSON list of {"at": seconds, "happy": 0.6, ...}; a TOML
    with [[emotion]] tables of the same. A key without emotions gives the face back to what is heard.

    Raises: InputError: the file cannot be read. UsageError: it is no track, names an unknown emotion, has a number
        outside 0 to 1, or its times do not rise.
    """
    if path.suffix.lower() not in TRACKS:
        raise UsageError(f"{path} is no emotion track: it is not .csv, .json or .toml.", source=str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the emotion track {path}: {why}.", source=str(path)) from error
    try:
        keys = _READERS[path.suffix.lower()](text)
    except (ValueError, TypeError, KeyError, csv.Error, RecursionError) as error:
        raise UsageError(f"{path} is no emotion track: {error}.", hint=_LOOKS_LIKE, source=str(path)) from error
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys) or not keys:
        raise UsageError(f"{path} is no emotion track: it has no list of keys.", hint=_LOOKS_LIKE, source=str(path))
    return _keys(keys, str(path))


_GIVEN = "the emotion"
_LIKE = "Write it like happy=0.6,sad=0.2."
_LOOKS_LIKE = 'CSV: time_s,happy,sad; JSON: [{"at": 0.5, "happy": 0.6}]; TOML: [[emotion]] at = 0.5, happy = 0.6.'


def _csv(text: str) -> list[dict[str, Any]]:
    rows = list(csv.DictReader(text.splitlines()))
    if any(None in row for row in rows):
        raise ValueError("a row has more cells than there are columns")
    return [{name: cell for name, cell in row.items() if cell and cell.strip()} for row in rows]


def _toml(text: str) -> Any:
    tables = tomllib.loads(text)
    if set(tables) != {"emotion"}:
        raise ValueError(f"it has {', '.join(map(repr, tables)) or 'nothing'}, not [[emotion]]")
    return tables["emotion"]


_READERS: dict[str, Callable[[str], Any]] = {".csv": _csv, ".json": json.loads, ".toml": _toml}


def _keys(keys: Iterable[Mapping[str, Any]], where: str) -> Wanted:
    """Key by key, checked. A key without emotions repeats its neighbour's, with a share of 0."""
    times: list[float] = []
    values: list[Array | None] = []
    share: list[float] = []
    for number, key in enumerate(keys, 1):
        here = f"{where}, key {number}" if where != _GIVEN else where
        rest = dict(key)
        time = [rest.pop(name) for name in _TIMES if name in rest]
        if len(time) != 1:
            raise UsageError(f"{here} has no time.", hint=_LOOKS_LIKE, source=where)
        times.append(_number(time[0], f"{here}: its time", 0, 1e6))
        values.append(_values(rest, here) if rest else (values[-1] if values else None))
        share.append(float(bool(rest)))
        if len(times) > 1 and not times[-1] > times[-2]:
            raise UsageError(
                f"{here}: its time {times[-1]:g} s is not after {times[-2]:g} s.", hint="Sort the track by time.",
                source=where,
            )  # fmt: skip
    first = next((value for value in values if value is not None), np.eye(len(EMOTIONS))[_NEUTRAL])
    table = np.array([first if value is None else value for value in values])
    return Wanted(np.array(times), table, np.array(share))


def _values(key: Mapping[str, Any], here: str) -> Array:
    """(7,); Neutral is what is left of 1, where it is not named."""
    values = np.zeros(len(EMOTIONS))
    for name, number in key.items():
        place = EMOTIONS.index(_spelled(name, here))
        values[place] = _number(number, f"{here}: {name}", 0, 1)
    if "neutral" not in {str(name).strip().lower() for name in key}:
        values[_NEUTRAL] = max(0.0, 1 - values.sum())
    return values


def _spelled(name: Any, here: str) -> str:
    key = str(name).strip().lower()
    if key not in _SPELLING:
        near = get_close_matches(key, _SPELLING, 1)
        hint = f"Did you mean {near[0]}?" if near else ""
        raise UsageError(f"{here}: {name!r} is no emotion; there are {', '.join(EMOTIONS)}.", hint=hint)
    return _SPELLING[key]


def _number(value: Any, what: str, low: float, high: float) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high:
        raise UsageError(f"{what} must be a number from {low:g} to {high:g}; got {value!r}.")
    return number
