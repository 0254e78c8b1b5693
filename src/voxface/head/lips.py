"""Rings of vertices round the left half of the mouth: the bag inside, the red of the lips, the skin beside it."""

from __future__ import annotations

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import step
from voxface.head.sculpt import MOUTH_Y
from voxface.stream import Array

MOUTH_COLUMNS = 23  # of one half: 0 in the middle of the upper lip, 11 the corner, 22 in the middle of the lower lip
MOUTH_RINGS = 14
BAG = 4  # mouth rings before the line where the lips touch (ring BAG)
BORDER = 8  # the ring at the border of the red
HALF_WIDTH = 0.0250
CONTACT = 4e-6  # metres: from either lip to the line where they touch, so that they are no single sheet


def slit(x: Array) -> Array:
    """Height of the line between closed lips at x >= 0: a soft bow, corners slightly up."""
    q = x / HALF_WIDTH
    return (
        MOUTH_Y
        + 0.0033 * step(0.45, 1.0, q) * q
        - 0.0010 * np.exp(-((q / 0.22) ** 2))
        + 0.0006 * np.exp(-(((q - 0.5) / 0.25) ** 2))
    )


def mouth_rings() -> Array:
    """(MOUTH_RINGS, MOUTH_COLUMNS, 3): the bag from its back to the lips' line, the red, and the skin round it."""
    j = np.arange(MOUTH_COLUMNS)
    a = np.pi * j / (MOUTH_COLUMNS - 1)  # 0 up, pi / 2 at the corner, pi down
    upper = j <= 11
    x = HALF_WIDTH * np.sin(a) ** 0.92
    q = x / HALF_WIDTH
    line = np.stack([x, slit(x) + np.sign(11 - j) * CONTACT], 1)
    out = np.stack([np.sin(a) * q**2.5, np.cos(a)], 1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    fade = np.sqrt(np.clip(1 - q**2.2, 0, 1))
    bow = 1 - 0.16 * np.exp(-((q / 0.13) ** 2)) + 0.10 * np.exp(-(((q - 0.26) / 0.16) ** 2))
    red = np.where(upper, 0.0072 * bow, 0.0092 * (1 - 0.1 * q**2)) * fade * np.where(upper, 1 - 0.25 * q, 1) + 0.0007
    full = (0.25 + 0.75 * fade) * np.where(upper, 0.0034, 0.0044)
    rings = []
    for share, bulge in ((0.0, -0.55), (0.10, 0.28), (0.38, 0.92), (0.72, 0.85), (1.0, 0.30)):
        rings.append(
            _lip(line + out * (red * share)[:, None], bulge * full if share else -0.0021 * (0.25 + 0.75 * fade))
        )
    for distance, bulge in ((0.0020, 0.06), (0.0050, 0.0), (0.0090, 0.0), (0.0140, 0.0), (0.0200, 0.0)):
        spread = np.where(upper, 0.62, 0.95) * (1 - np.abs(np.sin(a))) + 0.95 * np.abs(np.sin(a))
        rings.append(_lip(line + out * (red + distance * spread)[:, None], bulge * full))
    return np.concatenate([_bag(rings[0], upper, q), np.stack(rings)])


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


def _bag(lips: Array, upper: Array, q: Array) -> Array:
    """The inside of the mouth, from its back to just behind the lips: two ovals, a pocket before the teeth, the wet
    inner side of the lips. lips: (columns, 3) where they touch."""
    turn = np.pi * np.arange(MOUTH_COLUMNS) / (MOUTH_COLUMNS - 1)
    rings = []
    for ahead, wide, high, deep in BACK:
        height = MOUTH_Y + np.where(upper, high, deep) * np.cos(turn)
        rings.append(np.column_stack([wide * np.sin(turn), height, np.full(MOUTH_COLUMNS, ahead)]))
    side, fade = np.where(upper, 1.0, -0.72), np.sqrt(np.clip(1 - q**4, 0, 1))
    pocket = lips * [0.98, 0, 1] + np.stack([0 * q, MOUTH_Y + 0.0125 * side * (fade + 0.15), 0 * q - 0.0055], 1)
    inner = lips * [0.99, 1, 1] + np.stack([0 * q, 0.0016 * side * fade, 0 * q - 0.0040], 1)
    return np.stack([*rings, pocket, inner])
