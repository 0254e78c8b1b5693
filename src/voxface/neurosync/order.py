"""The two orders of the 61 channels. They differ in four places, and mixing them up mirrors jaw and mouth."""

from __future__ import annotations

from typing import Literal, cast, get_args

import numpy as np

from voxface.errors import UsageError
from voxface.face.rig import EMOTIONS, LIVELINK_61
from voxface.stream import Array

Order = Literal["csv", "udp"]

_MIRRORED = {"jawLeft": "jawRight", "jawRight": "jawLeft", "mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}

CSV_68: tuple[str, ...] = LIVELINK_61 + EMOTIONS
"""The order of Live Link Face's CSV, in which the family's models are trained and its HTTP interface answers."""

UDP_68: tuple[str, ...] = tuple(_MIRRORED.get(name, name) for name in CSV_68)
"""The order of Live Link's network packets and of Unreal's enumeration: left before right in jaw and mouth."""


def order_named(name: str) -> Order:
    """Raises: UsageError: no such order."""
    if name not in get_args(Order):
        raise UsageError(f"the order is {' or '.join(get_args(Order))}; got {name!r}.")
    return cast(Order, name)


def in_order(frames: Array, order: Order) -> Array:
    """(frames, 68) values in CSV order -> in this order, by name. Raises: UsageError: no such order."""
    if order_named(order) == "csv":
        return frames
    place = [CSV_68.index(name) for name in UDP_68]
    return np.ascontiguousarray(frames[:, place])
