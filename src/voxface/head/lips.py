"""Rings of vertices round the left half of the mouth: the bag inside, the red of the lips, the skin beside it."""

from __future__ import annotations

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import step
from voxface.head.sculpt import MOUTH_Y
from voxface.stream import Array

MOUTH_COLUMNS = 23  # of one half: 0 in the middle of the upper lip, then the corner, last the middle of the lower lip
CORNER_COLUMN = MOUTH_COLUMNS // 2
MOUTH_RINGS = 14
BAG = 4  # rings before the line where the lips touch, which is ring BAG
BORDER = 8  # the ring at the border of the red
HALF_WIDTH = 0.0250  # metres, of the mouth at rest
UPPER_RED, LOWER_RED = 0.0072, 0.0092  # metres: heights of the lips
UPPER_FULL, LOWER_FULL = 0.0034, 0.0044  # metres: how far they stand out
CORNERS_UP = 0.0033  # metres: a friendly face at rest
OVERLAP = 0.0000, -0.0014  # metres: how far up the wet inner sides of upper and lower lip go behind their contact
CONTACT = 4e-6  # metres: from either lip to the line where they touch, so that they are no single sheet

RED_RINGS = ((-0.07, 0.13, 0.28), (0.36, 0.38, 0.92), (0.72, 0.72, 0.85), (1.00, 1.00, 0.30))
"""From the line between the lips to the border of the red: share of its height above and below, share of its fullness.
The upper lip hangs over the lower one a little, so that lips that are just apart still look closed."""
SKIN_RINGS = ((0.0020, 0.06), (0.0050, 0.0), (0.0090, 0.0), (0.0140, 0.0), (0.0200, 0.0))
"""Beside the red: metres from its border, share of its fullness."""


def slit(x: Array) -> Array:
    """Height of the line between closed lips at x >= 0, metres: a soft bow, corners slightly up."""
    q = x / HALF_WIDTH
    bow = 0.0006 * np.exp(-(((q - 0.5) / 0.25) ** 2)) - 0.0010 * np.exp(-((q / 0.22) ** 2))
    return MOUTH_Y + CORNERS_UP * step(0.45, 1.0, q) * q + bow


def mouth_rings() -> Array:
    """(MOUTH_RINGS, MOUTH_COLUMNS, 3): the bag from its back to the lips' line, the red, and the skin round it."""
    column = np.arange(MOUTH_COLUMNS)
    turn = np.pi * column / (MOUTH_COLUMNS - 1)  # 0 up, pi / 2 at the corner, pi down
    upper = column <= CORNER_COLUMN
    x = HALF_WIDTH * np.sin(turn) ** 0.92
    q = x / HALF_WIDTH
    line = np.stack([x, slit(x) + np.sign(CORNER_COLUMN - column) * CONTACT], 1)
    out = np.stack([np.sin(turn) * q**2.5, np.cos(turn)], 1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    fade = np.sqrt(np.clip(1 - q**2.2, 0, 1))
    red, thin = _red(upper, q, fade), 0.25 + 0.75 * fade
    full = np.where(upper, UPPER_FULL, LOWER_FULL) * thin
    touch = _lip(line, -0.0021 * thin)
    reds = [_lip(line + out * (red * np.where(upper, *share))[:, None], bulge * full) for *share, bulge in RED_RINGS]
    sideways = np.abs(np.sin(turn))
    spread = np.where(upper, 0.62, 0.95) * (1 - sideways) + 0.95 * sideways  # there is less room under the nose
    skin = [_lip(line + out * (red + away * spread)[:, None], bulge * full) for away, bulge in SKIN_RINGS]
    return np.stack([*_bag(touch, upper, q), touch, *reds, *skin])


def _red(upper: Array, q: Array, fade: Array) -> Array:
    """Height of the red of each column, metres; the upper lip has Cupid's bow."""
    bow = 1 - 0.16 * np.exp(-((q / 0.13) ** 2)) + 0.10 * np.exp(-(((q - 0.26) / 0.16) ** 2))
    found: Array = np.where(upper, UPPER_RED * bow * (1 - 0.25 * q), LOWER_RED * (1 - 0.1 * q**2)) * fade + 0.0007
    return found


def _lip(xy: Array, bulge: Array) -> Array:
    """Points in front of the muzzle at (x, y), raised by `bulge` metres along its soft normal."""
    origin = np.column_stack([0.72 * xy[:, 0], xy[:, 1], np.full(len(xy), 0.055)])
    aim = np.column_stack([xy[:, 0], xy[:, 1], np.full(len(xy), 0.088)]) - origin
    aim /= np.linalg.norm(aim, axis=1, keepdims=True)
    skin = sculpt.cast(origin, aim, 0.07)
    found: Array = skin + aim * bulge[:, None]
    return found


BACK = (
    # of the bag: how far to the front, half its width, how high and how deep beside MOUTH_Y, metres
    (0.0300, 0.0090, 0.0060, 0.0060),
    (0.0560, 0.0225, 0.0140, 0.0130),
)


def _bag(lips: Array, upper: Array, q: Array) -> list[Array]:
    """The inside of the mouth, from its back to just behind the lips: two ovals, a pocket before the teeth, the wet
    inner side of the lips. lips: (columns, 3) where they touch."""
    turn = np.pi * np.arange(MOUTH_COLUMNS) / (MOUTH_COLUMNS - 1)
    rings = []
    for ahead, wide, high, deep in BACK:
        height = MOUTH_Y + np.where(upper, high, deep) * np.cos(turn)
        rings.append(np.column_stack([wide * np.sin(turn), height, np.full(MOUTH_COLUMNS, ahead)]))
    side, fade = np.where(upper, 1.0, -0.72), np.sqrt(np.clip(1 - q**4, 0, 1))
    pocket = lips * [0.98, 0, 1] + np.stack([0 * q, MOUTH_Y + 0.0125 * side * (fade + 0.15), 0 * q - 0.0055], 1)
    inner = lips * [0.99, 1, 1] + np.stack([0 * q, np.where(upper, *OVERLAP) * fade, 0 * q - 0.0040], 1)
    return [*rings, pocket, inner]
