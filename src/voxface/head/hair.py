"""Short hair: locks that turn outwards from a whorl, as one closed shell over the skull."""

from __future__ import annotations

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import grid, step
from voxface.head.piece import Piece
from voxface.stream import Array

MIDDLE = np.array([0.0, 0.045, -0.004])
WHORL = np.array([0.10, 0.80, -0.60])
ROWS, COLUMNS, LOCKS = 17, 84, 13


def hairline(directions: Array, points: Array) -> Array:
    """How far above the hairline a place on the skin is, metres."""
    longitude = np.abs(np.arctan2(points[:, 0], points[:, 2]))
    line = np.interp(
        longitude,
        [0.0, 0.35, 0.62, 0.85, 1.05, 1.25, 1.45, 1.75, 1.95, 2.2, 2.6, 3.15],
        [0.103, 0.102, 0.097, 0.082, 0.050, 0.022, 0.046, 0.052, 0.010, -0.018, -0.036, -0.042],
    )
    return points[:, 1] - line


def hair() -> Piece:
    axis = WHORL / np.linalg.norm(WHORL)
    side = np.cross(axis, [0, 0, 1])
    side /= np.linalg.norm(side)
    front = np.cross(side, axis)
    beta = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    around = np.cos(beta)[:, None] * front + np.sin(beta)[:, None] * side
    ends = _ends(axis, around)
    twist = 0.9
    rows = []
    for share in 1 - (1 - np.linspace(0, 1, ROWS)) ** 1.7 * 0.97:
        angle = ends * share
        d = np.cos(angle)[:, None] * axis + np.sin(angle)[:, None] * around
        skin = sculpt.cast(np.tile(MIDDLE, (COLUMNS, 1)), d, 0.2)
        lock = _lock(beta + twist * share**1.5)
        forward = np.maximum(d @ np.array([-0.12, 0.55, 0.82]), 0)
        thick = 0.0075 + 0.0080 * step(0.2, 1.0, d[:, 1]) + 0.0120 * forward**6
        part = np.exp(-(((skin[:, 0] - 0.026 - 0.1 * (0.1 - skin[:, 2])) / 0.006) ** 2)) * step(0.0, 0.03, skin[:, 2])
        thick = thick * (1 - 0.45 * part) + 0.0050 * (lock - 0.5) * step(0.1, 0.5, share)
        rows.append((skin + d * (thick * np.sqrt(1 - share**8) - 0.0008)[:, None], lock - 0.5 * part, share))
    d = np.cos(ends * 1.01)[:, None] * axis + np.sin(ends * 1.01)[:, None] * around
    under = [sculpt.cast(np.tile(MIDDLE, (COLUMNS, 1)), d, 0.2) - d * 0.004]
    points = np.concatenate([r[0] for r in rows] + under)
    shade = np.concatenate([0.62 + 0.55 * r[1] for r in rows] + [np.full(COLUMNS, 0.4)])
    colours = np.array([0.120, 0.056, 0.026]) * shade[:, None]
    triangles = grid(ROWS + 1, COLUMNS, closed=True)[:, ::-1]
    fan = np.array([[0, i, i + 1] for i in range(1, COLUMNS - 1)])
    return Piece(points, colours, np.concatenate([triangles, fan]))


def _lock(phase: Array) -> Array:
    """0 between locks, 1 on their backs; two sizes of locks."""
    big = np.abs(np.sin(LOCKS * phase / 2 + 0.6 * np.sin(2 * phase)))
    small = np.abs(np.sin(LOCKS * phase * 1.5 + 1.0))
    found: Array = 0.75 * big**0.8 + 0.25 * small
    return found


def _ends(axis: Array, around: Array) -> Array:
    """Angle from the whorl at which each column of hair meets the hairline; locks reach over it."""
    angles = np.linspace(0.5, 2.7, 45)
    a = angles[:, None, None]
    d = (np.cos(a) * axis + np.sin(a) * around).reshape(-1, 3)
    above = hairline(d, sculpt.cast(np.tile(MIDDLE, (len(d), 1)), d, 0.2)).reshape(len(angles), -1)
    first = np.argmax(above < 0, axis=0)
    column = np.arange(len(around))
    high, low = above[first - 1, column], above[first, column]
    ends = angles[first - 1] + (angles[1] - angles[0]) * high / (high - low)
    beta = 2 * np.pi * np.arange(len(around)) / len(around)
    smooth = (np.roll(ends, 1) + 2 * ends + np.roll(ends, -1)) / 4
    found: Array = smooth + 0.06 * (_lock(beta + 0.9) - 0.5)
    return found
