"""The left eyeball, with a cornea that stands out a little."""

from __future__ import annotations

import numpy as np

from voxface.head.colours import eye_paint
from voxface.head.geometry import grid, step
from voxface.head.piece import Piece
from voxface.head.sculpt import EYE, EYE_RADIUS
from voxface.stream import Array

CORNEA = 0.0005  # metres: how far it stands out
COLUMNS = 30
RINGS = np.array([0.06, 0.118, 0.145, 0.165, 0.20, 0.28, 0.36, 0.410, 0.440, 0.470, 0.54, 0.66, 0.85, 1.1, 1.4, 1.8])
"""Angles of the rings of vertices from the eye's axis, radians; close together where pupil and iris end."""


def eyeball() -> Piece:
    """A vertex in front, and rings about the axis that looks ahead."""
    angle, turn = np.meshgrid(RINGS, 2 * np.pi * np.arange(COLUMNS) / COLUMNS, indexing="ij")
    points, colours = _ball(angle, turn), eye_paint(angle, turn)
    middle, colour = _ball(np.zeros(1), np.zeros(1)), eye_paint(np.zeros(1), np.zeros(1))
    first = 1 + np.arange(COLUMNS)
    fan = np.stack([np.zeros(COLUMNS, int), first, np.roll(first, -1)], 1)
    triangles = np.concatenate([fan, 1 + grid(len(RINGS), COLUMNS, closed=True)[:, ::-1]])
    return Piece(
        np.concatenate([middle, points.reshape(-1, 3)]), np.concatenate([colour, colours.reshape(-1, 3)]), triangles
    )


def _ball(angle: Array, turn: Array) -> Array:
    radius = EYE_RADIUS + CORNEA * step(0.46, 0.20, angle)
    ahead = np.stack([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], -1)
    found: Array = EYE + radius[..., None] * ahead
    return found
