"""The left brow: a tapered strip over the bone, thin at its edges, where skin shines through."""

from __future__ import annotations

import numpy as np

from voxface.head import sculpt
from voxface.head.colours import SKIN, blend
from voxface.head.geometry import grid, step
from voxface.head.piece import Piece
from voxface.stream import Array

BROWN = np.array([0.060, 0.024, 0.009])
COLUMNS = 16
ACROSS = np.array([-1.0, -0.6, 0.0, 0.6, 1.0])  # rows, from the lower edge to the upper
LIFT = np.array([0.0, 0.0010, 0.0019, 0.0024, 0.0])  # metres: rising rows look down, so that no light shines on them
SKIN_GAP = 0.0001  # metres between skin and edges
THIN = np.array([0.30, 0.03, 0.0, 0.03, 0.30])  # how much skin is seen through each row
INNER, LENGTH = 0.0125, 0.0380  # metres from the middle of the face; along it
HALF_THICK = 0.0043
BEHIND = 0.030  # metres: depth of the point that rays to the skin come from


def brow() -> Piece:
    """Rows from the lower edge to the upper, columns from the inner end to the outer."""
    along = np.linspace(0, 1, COLUMNS)
    thick = (
        HALF_THICK * np.sqrt(step(-0.03, 0.18, along)) * (1 - 0.55 * step(0.35, 1.0, along)) * step(1.12, 0.78, along)
    )
    x = INNER + LENGTH * along + 0.0016 * ACROSS[:, None] * (0.35 - along)
    y = _arch(along) + thick * ACROSS[:, None]
    skin = _on_skin(x.ravel(), y.ravel())
    lift = SKIN_GAP + (LIFT[:, None] * (thick / HALF_THICK) ** 2).ravel()
    points = skin + sculpt.gradient(skin) * lift[:, None]
    return Piece(points, _paint(along), grid(len(ACROSS), COLUMNS))


def _arch(along: Array) -> Array:
    """Height of the middle of the brow, metres."""
    found: Array = 0.0594 + 0.0052 * np.sin(np.pi * np.clip(along / 1.12, 0, 1)) ** 1.2 - 0.0012 * step(0.7, 1, along)
    return found


def _on_skin(x: Array, y: Array) -> Array:
    origin = np.column_stack([0.75 * x, y, np.full(len(x), BEHIND)])
    aim = np.column_stack([0.25 * x, 0 * y, np.full(len(x), 0.045)])
    aim /= np.linalg.norm(aim, axis=1, keepdims=True)
    return sculpt.cast(origin, aim, 0.09)


def _paint(along: Array) -> Array:
    """Softly begun at the inner end, soft along both edges, with a few streaks of hair."""
    streaks = 1 + 0.16 * np.sin(2.6 * np.arange(COLUMNS) + 1.9 * ACROSS[:, None])
    ends = 0.55 * step(0.16, 0.0, along) + 0.35 * step(0.90, 1.0, along)
    thin = 1 - (1 - THIN[:, None]) * (1 - ends)
    colours = BROWN * streaks[..., None]
    return blend(colours.reshape(-1, 3), SKIN * [0.62, 0.52, 0.48], thin.ravel())
