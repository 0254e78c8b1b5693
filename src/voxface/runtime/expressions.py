"""How an emotion shows on the face: weights of ARKit channels that are added to speech and give way to it.

Which muscles make which emotion, with sources, and all weights: expressions.toml, which an animator can edit.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from voxface.errors import InputError, UsageError
from voxface.face.gap import CLOSED_BELOW, RIG_GAP
from voxface.face.rig import ARKIT, EMOTIONS, canonical_name
from voxface.stream import Array

STRONGEST = 2.0
FELT = tuple(name for name in EMOTIONS if name != "Neutral")
"""The emotions that have an expression."""

_SIDES = ("Left", "Right")


@dataclass(frozen=True, slots=True)
class Expressions:
    """What each emotion adds to a face.

    table: emotion -> channel -> weight in [0, 1] where the emotion is 1
    """

    table: Mapping[str, Mapping[str, float]]

    def __post_init__(self) -> None:
        for emotion, weights in self.table.items():
            _check_emotion(emotion)
            for channel, weight in weights.items():
                _check_weight(emotion, channel, weight)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Expressions:
        """The shipped expressions, and over them the entries of a TOML file.

        Raises: InputError: the file cannot be read. UsageError: it is not TOML, or has other names or values.
        """
        table = {emotion: dict(weights) for emotion, weights in _shipped().items()}
        for emotion, weights in (_read(Path(path)) if path is not None else {}).items():
            table[emotion] |= weights
        return cls(table)

    def channels_of(self) -> tuple[str, ...]:
        """The channels that some emotion moves, in canonical order."""
        moved = {channel for weights in self.table.values() for channel, weight in weights.items() if weight}
        return tuple(name for name in ARKIT if name in moved)

    def apply(self, weights: Array, channels: Sequence[str], emotion: Array, strength: float = 1.0) -> Array:
        """Faces with their expressions: see `over`, which looks the names up only once."""
        return self.over(channels, strength)(weights, emotion)

    def over(self, channels: Sequence[str], strength: float = 1.0) -> Callable[[Array, Array], Array]:
        """The expressions on frames with these columns: ((n, channels) weights, (n, 7) emotion) -> (n, channels).

        Every frame for itself. Weights and emotions in [0, 1] give weights in [0, 1]; a frame whose emotions are 0,
        but for Neutral, comes back bit for bit, and so does every column that is no channel of ARKit. The lip gap
        (face.gap) of a frame with closed lips does not rise.

        Args:
            strength: factor on all expressions, 0 to STRONGEST.
        Raises: UsageError: another strength.
        """
        if not 0 <= strength <= STRONGEST:
            raise UsageError(f"the strength of expressions is a factor from 0 to {STRONGEST:g}; got {strength}.")
        names = list(channels)
        full = np.zeros((len(EMOTIONS), len(names)), np.float32)
        for emotion, added in self.table.items():
            for channel in set(added) & set(names):
                full[EMOTIONS.index(emotion), names.index(channel)] = strength * added[channel]
        both = [side for side in _SIDES if f"mouthSmile{side}" in names and f"mouthFrown{side}" in names]
        smiles, frowns = ([names.index(name + side) for side in both] for name in ("mouthSmile", "mouthFrown"))
        sums, gate_of = _sums(names), [_GATES.index(_GATE_OF.get(name, "always")) for name in names]

        def express(weights: Array, emotion: Array) -> Array:
            felt = np.minimum(emotion @ full, 1)
            ahead = felt[:, smiles] - felt[:, frowns]  # the stronger shows, by what it is ahead
            felt[:, smiles], felt[:, frowns] = np.maximum(ahead, 0), np.maximum(-ahead, 0)
            felt *= _gates(weights @ sums).take(gate_of, axis=1)
            shown = np.clip(weights + felt * (1 - weights), 0, 1)
            return np.where(felt > 0, shown, weights).astype(weights.dtype)

        return express


# -- what gives way to what -------------------------------------------------------------------------------------------

_OPENING = (CLOSED_BELOW + 0.02, 0.25)  # lip gap at which the lips begin to be open, and are open
_ROUNDING = (0.05, 0.65)  # mouthPucker + mouthFunnel, in the same way

_SEEN: dict[str, Mapping[str, float]] = {"gap": RIG_GAP, "rounding": {"mouthPucker": 1.0, "mouthFunnel": 1.0}} | {
    name: {name: 1.0} for side in _SIDES for name in (f"eyeBlink{side}", f"mouthSmile{side}", f"mouthFrown{side}")
}
"""What is looked at in a face of speech: sums of channels."""

_OPENS = tuple(name for name, weight in RIG_GAP.items() if weight > 0)
_PRESSES = ("mouthPress", "mouthRoll", "mouthShrug", "mouthPucker", "mouthFunnel")
_GATE_OF: dict[str, str] = (
    dict.fromkeys(_OPENS, "open")
    | {name: "closed" for name in ARKIT if name.startswith(_PRESSES)}
    | {name: "spread" for name in ARKIT if name.startswith(("mouthStretch", "mouthDimple"))}
    | {f"{name}{side}": f"lids{side}" for name in ("eyeWide", "eyeSquint") for side in _SIDES}
    | {f"{name}{side}": f"{name}{side}" for name in ("mouthSmile", "mouthFrown") for side in _SIDES}
)
"""Which gate lets how much of a channel through; all of those that are not named."""

_GATES = tuple(dict.fromkeys(["always", *_GATE_OF.values()]))


def _sums(names: Sequence[str]) -> Array:
    """(channels, len(_SEEN)) float32: weights @ this is what _SEEN names; what a face lacks is 0."""
    rows = [[one.get(name, 0.0) for one in _SEEN.values()] for name in names]
    return np.array(rows, np.float32).reshape(len(names), len(_SEEN))


def _gates(sums: Array) -> Array:
    """(n, len(_SEEN)) -> (n, len(_GATES)) in [0, 1]: how much of an expression each gate lets through."""
    seen = dict(zip(_SEEN, sums.T, strict=True))
    opened, spread = _ramp(seen["gap"], *_OPENING), 1 - _ramp(seen["rounding"], *_ROUNDING)
    gates = {"always": np.ones_like(opened), "open": opened, "closed": 1 - opened, "spread": spread}
    for side in _SIDES:
        blink, smile, frown = (
            1 - np.clip(seen[f"{name}{side}"], 0, 1) for name in ("eyeBlink", "mouthSmile", "mouthFrown")
        )
        gates |= {f"lids{side}": blink, f"mouthSmile{side}": spread * frown, f"mouthFrown{side}": spread * smile}
    return np.stack([gates[name] for name in _GATES], axis=1)


def _ramp(values: Array, low: float, high: float) -> Array:
    """0 up to low, 1 from high, smooth between (cubic)."""
    share = np.clip((values - low) / (high - low), 0, 1)
    risen: Array = share * share * (3 - 2 * share)
    return risen


# -- the file ---------------------------------------------------------------------------------------------------------


def shipped_text() -> str:
    """The shipped TOML, to print for those who want to edit it."""
    return files("voxface.runtime").joinpath("expressions.toml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _shipped() -> dict[str, dict[str, float]]:
    return _table(tomllib.loads(shipped_text()))


def _read(path: Path) -> dict[str, dict[str, float]]:
    try:
        return _table(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", source=str(path)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}.", source=str(path)) from error
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint, source=str(path)) from error


def _table(tree: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The tables of a file, every name canonical and with its side."""
    table = {}
    for emotion, entries in tree.items():
        _check_emotion(emotion)
        if not isinstance(entries, dict):
            raise UsageError(f"{emotion} must be a table; got {entries!r}.", hint=f"Write [{emotion}] above it.")
        table[emotion] = _entries(emotion, entries)
    return table


def _entries(emotion: str, entries: Mapping[str, Any]) -> dict[str, float]:
    """One table; a name with its side beats the one for both."""
    both: dict[str, Any] = {}
    one: dict[str, Any] = {}
    for name, weight in entries.items():
        pair = [canonical_name(name + side) for side in _SIDES]
        if pair[0] in ARKIT and name.lower() not in ("mouth", "jaw"):
            both |= dict.fromkeys(pair, weight)
        else:
            one[canonical_name(name)] = weight
    for channel, weight in (both | one).items():
        _check_weight(emotion, channel, weight)
    return {channel: float(weight) for channel, weight in (both | one).items()}


def _check_emotion(emotion: str) -> None:
    if emotion not in FELT:
        why = "Neutral moves nothing, so it has no table." if emotion == "Neutral" else f"{emotion!r} is no emotion."
        raise UsageError(why, hint=f"The emotions: {', '.join(FELT)}.")


def _check_weight(emotion: str, channel: str, weight: Any) -> None:
    if channel not in ARKIT:
        near = get_close_matches(channel, ARKIT, 3)
        hint = f"Near it: {', '.join(near)}." if near else "The names: voxface.ARKIT."
        raise UsageError(f"[{emotion}] {channel!r} is no ARKit channel.", hint=hint)
    if channel == "mouthClose":
        raise UsageError(f"[{emotion}] mouthClose is speech's alone: it would close the lips over vowels.")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise UsageError(f"[{emotion}] {channel} must be a number from 0 to 1; got {weight!r}.")
