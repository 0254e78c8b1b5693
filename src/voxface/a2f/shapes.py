"""Audio2Face's names of the 52 shapes, in its order, and what a caller may do to their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from voxface.errors import UsageError
from voxface.face.rig import ARKIT, LIVELINK_UDP
from voxface.stream import Array

_OURS = tuple(name for name in LIVELINK_UDP if name in ARKIT)
NAMES = tuple(name[0].upper() + name[1:] for name in _OURS)
"""The 52 shapes as Audio2Face spells and orders them, which is Unreal's order (formats.md §14)."""

_COLUMNS = [ARKIT.index(name) for name in _OURS]
_MOST = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class Shaping:
    """multiplier * weight + offset for every shape, then clamped to [0, 1] if that is asked for.

    multiplier, offset: (52,) float32 in the order of NAMES
    """

    multiplier: Array
    offset: Array
    clamped: bool

    @classmethod
    def of(cls, multipliers: Mapping[str, float], offsets: Mapping[str, float], clamped: bool) -> Shaping:
        """Raises: UsageError: a name that is no shape, or a number that is none or beyond 1000."""
        return cls(_numbers(multipliers, 1.0), _numbers(offsets, 0.0), clamped)

    def __call__(self, weights: Array) -> Array:
        """(n, 52) over face.rig.ARKIT -> (n, 52) in the order of NAMES."""
        shaped = weights[:, _COLUMNS] * self.multiplier + self.offset
        return shaped.clip(0, 1) if self.clamped else shaped


def _numbers(by_name: Mapping[str, float], usual: float) -> Array:
    """Shapes of the tongue, of which Audio2Face has 16 more, are passed over: our faces have TongueOut alone."""
    numbers = np.full(len(NAMES), usual, np.float32)
    for name, number in by_name.items():
        if name not in NAMES and not name.startswith("Tongue"):
            raise UsageError(f"there is no blend shape {name[:40]!r}.", hint=f"There are: {', '.join(NAMES)}.")
        if not abs(number) <= _MOST:
            raise UsageError(f"{name[:40]}: a multiplier or offset is a number within ±{_MOST:g}; got {number}.")
        if name in NAMES:
            numbers[NAMES.index(name)] = number
    return numbers
