"""What an animator may turn after the model: gain and offset per channel, intensity, mouth only."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from voxface.errors import InputError, UsageError
from voxface.face.rig import ARKIT, HEAD, MOUTH, canonical_name
from voxface.stream import Array


@dataclass(frozen=True, slots=True)
class Polish:
    """weight * gain * intensity + offset per channel, clipped to [0, 1]; it has no memory.

    gain, offset: by channel name; 1 and 0 where a channel is not named
    intensity:    factor on all weights
    mouth_only:   everything but jaw, mouth, cheekPuff and tongue rests; the head looks ahead
    """

    gain: Mapping[str, float] = field(default_factory=dict)
    offset: Mapping[str, float] = field(default_factory=dict)
    intensity: float = 1.0
    mouth_only: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.intensity <= 10:
            raise UsageError(f"intensity is a factor from 0 to 10; got {self.intensity}.")
        for name in [*self.gain, *self.offset]:
            if name not in ARKIT:
                raise UsageError(f"{name!r} is no ARKit channel.", hint="The names: voxface.ARKIT.")

    def over(self, channels: Sequence[str]) -> Callable[[Array], Array]:
        """The polish of frames with these columns: (frames, channels) -> the same, weights within [0, 1].

        Names are looked up here, once; what comes back only calculates.
        """
        gain, offset, low, high = self.table(channels)
        return lambda frames: np.minimum(np.maximum(frames * gain + offset, low), high)

    def table(self, channels: Sequence[str]) -> Array:
        """(4, channels) float32: gain, offset, the lowest and the highest value."""
        weights = np.array([name in ARKIT for name in channels])
        gain = np.array([self.gain.get(name, 1.0) * self.intensity for name in channels], np.float32)
        offset = np.array([self.offset.get(name, 0.0) for name in channels], np.float32)
        gain[~weights], low = 1, np.where(weights, 0, -np.inf).astype(np.float32)
        high = np.where(weights, 1, np.inf).astype(np.float32)
        if self.mouth_only:
            still = np.array([name not in MOUTH for name in channels])
            gain[still], offset[still] = 0, 0
            offset[[name == HEAD[3] for name in channels]] = 1
        return np.stack([gain, offset, low, high])


def load_polish(path: str | Path) -> Polish:
    """Read gains and offsets from a TOML file with the tables [gain] and [offset]: channel = number.

    Raises: InputError: the file cannot be read. UsageError: it is not TOML, or has other tables, names or values.
    """
    tables = load_tables(path)
    return Polish(_numbers(tables.get("gain", {}), path), _numbers(tables.get("offset", {}), path))


def load_tables(path: str | Path) -> dict[str, Any]:
    """The tables [gain], [offset] and [idle] of a TOML file, as far as it has them.

    Raises: InputError: the file cannot be read. UsageError: it is not TOML, or has other tables.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", source=str(path)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}.", source=str(path)) from error
    unknown = sorted(set(tables) - {"gain", "offset", "idle"})
    if unknown:
        known = "[gain], [offset] and [idle]"
        raise UsageError(f"{path} has {unknown[0]!r}; it may have the tables {known}.", source=str(path))
    return tables


def _numbers(table: Any, path: str | Path) -> dict[str, float]:
    values = {}
    for name, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, bool) or not isinstance(value, int | float) or not -10 <= value <= 10:
            raise UsageError(f"{path}: {name} must be a number from -10 to 10; got {value!r}.", source=str(path))
        values[canonical_name(name)] = float(value)
    return values
