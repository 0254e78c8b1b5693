"""The left ear: rings from the hollow out over the rolled rim, and behind it back to the skull."""

from __future__ import annotations

import numpy as np

from voxface.head import sculpt
from voxface.head.colours import BLUSH, SKIN, blend
from voxface.head.geometry import grid, step
from voxface.head.piece import Piece
from voxface.stream import Array

MIDDLE = np.array([0.0250, -0.0125])  # y, z of the ear's middle, metres
HALF_TALL, HALF_WIDE = 0.0285, 0.0165
LEAN = np.radians(12)  # its top is further back than its lobe
STANDS_OFF = 0.0105  # metres: the rim behind, away from the skull
HOLLOW = np.array([0.0030, -0.0035])  # forwards and up from the middle: where the rings begin
HOLLOW_SHARE = 0.45  # of the outline
TRAGUS = 0.0036  # metres
COLUMNS = 26

RINGS = np.array([
    (0.16, -0.0062, 0.0000), (0.36, -0.0040, 0.0006), (0.48, 0.0006, 0.0014),
    (0.58, 0.0016, 0.0017), (0.74, -0.0028, 0.0014), (0.88, -0.0002, 0.0012), (0.96, 0.0028, 0.0006),
    (1.00, 0.0010, -0.0006), (0.97, -0.0018, -0.0020),
])  # fmt: skip
"""Share of the outline, and the height above the ear's plane, metres, where the rim is rolled and where it is plain as
at the lobe."""


def ear() -> Piece:
    """Columns go from the front over the top to the back and under the lobe."""
    turn = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    outline = _outline(turn)
    rolled = step(-0.75, 0.15, -np.cos(turn - 0.25)) * step(-0.93, -0.55, np.sin(turn))
    rings = np.stack([*(_ring(turn, outline, rolled, *row) for row in RINGS), _root(outline)])
    paint = np.concatenate([_paint(turn, share) for share in (*RINGS[:, 0], 0.6)])
    middle = rings[0].mean(0, keepdims=True)
    around = 1 + np.arange(COLUMNS)
    fan = np.column_stack([np.zeros(COLUMNS, int), np.roll(around, -1), around])
    triangles = np.concatenate([fan, 1 + grid(len(rings), COLUMNS, closed=True)])
    return Piece(np.concatenate([middle, rings.reshape(-1, 3)]), np.concatenate([paint[:1], paint]), triangles)


def _outline(turn: Array) -> Array:
    """(columns, 2): forwards and up from the middle: full above, narrow at the lobe."""
    up = np.sin(turn)
    wide = HALF_WIDE * np.where(up > 0, 1 + 0.05 * up, 1 - 0.30 * step(0.0, -0.8, up))
    rounded = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** np.where(up < 0, 0.8, 1.0)
    forwards = rounded * wide - 0.0012 * np.minimum(up, 0)
    return np.stack([forwards, HALF_TALL * up], 1)


def _ring(turn: Array, outline: Array, rolled: Array, share: float, high: float, plain: float) -> Array:
    flat = HOLLOW + (outline - HOLLOW) * share
    if share < HOLLOW_SHARE:  # the hollow opens to the ear's canal, whatever the rim above it does
        rolled = np.ones_like(rolled)
    height = plain + (high - plain) * rolled
    front = step(0.15, 1.0, np.cos(turn))
    height = height * (1 - 0.75 * front * _between(0.5, 0.9, share)) - 0.0012 * front * _between(0.9, 1.0, share)
    height = height + TRAGUS * _before_canal(turn, share)
    return _on_skull(flat) + _away(flat, height + STANDS_OFF * _lift(flat))


def _before_canal(turn: Array, share: float) -> Array:
    """1 on the tragus, the small lid before the ear's canal, 0 away from it."""
    off = (turn + np.pi) % (2 * np.pi) - np.pi + 0.32  # radians below the front
    return np.exp(-((off / 0.42) ** 2) - ((share - 0.62) / 0.22) ** 2)


def _lift(flat: Array) -> Array:
    """0 where the ear grows out of the cheek, 1 at the rim behind."""
    return step(1.05, -1.0, flat[:, 0] / HALF_WIDE) * (1 - 0.25 * step(0, -1, flat[:, 1] / HALF_TALL))


def _root(outline: Array) -> Array:
    """The last ring, behind the ear, is sunk into the skull."""
    flat = outline * [0.62, 0.72] + [0.0020, 0.0]
    return _on_skull(flat) + _away(flat, np.full(len(flat), -0.0020))


def _on_skull(flat: Array) -> Array:
    """Places of the ear's plane, forwards and up, on the skin: (n, 3)."""
    forwards = np.cos(LEAN) * flat[:, 0] - np.sin(LEAN) * flat[:, 1]
    up = np.sin(LEAN) * flat[:, 0] + np.cos(LEAN) * flat[:, 1]
    origin = np.column_stack([np.zeros(len(flat)), MIDDLE[0] + up, MIDDLE[1] + forwards])
    aim = np.tile([1.0, 0.0, 0.0], (len(flat), 1))
    return sculpt.cast(origin, aim, 0.12)


def _between(low: float, high: float, value: float) -> float:
    return float(step(low, high, np.array(value)))


def _away(flat: Array, height: Array) -> Array:
    """Out of the skull, turned a little to the front."""
    found: Array = height[:, None] * np.array([0.96, 0.0, 0.22])
    return found


def _paint(turn: Array, share: float) -> Array:
    """Rosy at rim and lobe, where light comes through; deep red in the hollow."""
    skin = np.tile(SKIN, (len(turn), 1))
    thin = _between(0.75, 1.0, share) * (1 - 0.8 * step(0.2, 0.9, np.cos(turn)))
    skin = blend(skin, BLUSH, 0.15 + 0.50 * thin)
    return blend(skin, np.array([0.42, 0.17, 0.12]), np.full(len(turn), 0.45 * (share < HOLLOW_SHARE)))
