"""What other programs want to know of a face, as sums of its channels: tables instead of code."""

from __future__ import annotations

from collections.abc import Mapping

from voxface.face.rig import ARKIT
from voxface.stream import Array

Sums = Mapping[str, Mapping[str, float]]
"""name: {channel: factor}; the factor of "1" is added as it is."""


def by_name(weights: Array) -> dict[str, float]:
    """(52,) weights by name; a name without its side, such as mouthSmile, is the mean of Left and Right; "1" is 1."""
    known: dict[str, float] = dict(zip(ARKIT, weights.tolist(), strict=True))
    for name in ARKIT:
        if name.endswith("Left") and f"{name[:-4]}Right" in known:
            known[name[:-4]] = (known[name] + known[f"{name[:-4]}Right"]) / 2
    return known | {"1": 1.0}


def sums(table: Sums, values: Mapping[str, float], least: float = 0.0, most: float = 1.0) -> dict[str, float]:
    """Each sum of the table, within `least` to `most`."""

    def total(parts: Mapping[str, float]) -> float:
        return min(max(sum(factor * values[name] for name, factor in parts.items()), least), most)

    return {name: total(parts) for name, parts in table.items()}
