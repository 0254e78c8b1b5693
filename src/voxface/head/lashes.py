"""Lashes of the left upper lid: a dark wedge along its edge that tapers to both corners."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import grid
from voxface.head.piece import Piece
from voxface.head.sculpt import EYE
from voxface.stream import Array

BLACK = np.array([0.018, 0.010, 0.007])
LONGEST = 0.0027  # metres
WING = np.array([0.0011, 0.0005, -0.0006])  # metres that they reach over the outer corner
TAPER = 0.00008  # metres: half the thickness of that end


def lashes(rim: Array, inner: Array) -> tuple[Piece, Array]:
    """The wedge over the lid's outer and inner edge, `rim` and `inner` (n, 3), outer corner first.

    Also which of the n places of the edge each vertex rides, (4 n,).
    """
    count = len(rim)
    along = np.linspace(0, 1, count)
    away = (rim - EYE) / np.linalg.norm(rim - EYE, axis=1, keepdims=True)
    up = np.array([0.25, 0.8, 0.0]) * (1 - 0.5 * along)[:, None]
    body = np.sin(np.pi * along)[:, None]
    base = rim + away * (0.0003 + 0.0006 * body) + up * 0.0008 * body
    tip = rim + away * 0.0005 + _length(along)[:, None] * (away + up * 0.6)
    under = inner + away * 0.0004
    tip[0] += WING
    base[0], under[0] = tip[0] + TAPER * up[0], tip[0] - TAPER * up[0]
    points = np.concatenate([base, tip, tip, under])
    sheet = grid(2, count)  # two sheets with an edge between them, which has no normal
    triangles = np.concatenate([sheet, sheet + 2 * count])
    return Piece(points, np.tile(BLACK, (len(points), 1)), triangles), np.tile(np.arange(count), 4)


def _length(along: Array) -> Array:
    """Metres: longest in the outer half, short but there towards the inner corner."""
    arch = np.sin(np.pi * np.clip(along * 0.85 + 0.12, 0, 1)) ** 0.7
    found: Array = LONGEST * np.maximum(arch * (1 - 0.40 * along), 0.22 * (1 - along**6))
    return found
