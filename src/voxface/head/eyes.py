"""The left eyeball, with iris and pupil as paint."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import grid, step
from voxface.head.piece import Piece
from voxface.head.sculpt import EYE, EYE_RADIUS
from voxface.stream import Array

IRIS = 0.440  # radians from the eye's axis to the limbus


def eyeball() -> Piece:
    angles = np.array(
        [0.0, 0.06, 0.118, 0.145, 0.165, 0.20, 0.28, 0.36, 0.410, 0.440, 0.470, 0.54, 0.66, 0.85, 1.1, 1.4, 1.8]
    )
    columns = 30
    a, t = np.meshgrid(angles, 2 * np.pi * np.arange(columns) / columns, indexing="ij")
    radius = EYE_RADIUS + 0.0005 * step(0.46, 0.20, a)
    points = EYE + radius[..., None] * np.stack([np.sin(a) * np.cos(t), np.sin(a) * np.sin(t), np.cos(a)], -1)
    colours = _eye_colours(a, t)
    return Piece(points.reshape(-1, 3), colours.reshape(-1, 3), grid(a.shape[0], a.shape[1], closed=True)[:, ::-1])


def _eye_colours(a: Array, t: Array) -> Array:
    pupil, sclera = np.array([0.004, 0.003, 0.003]), np.array([0.70, 0.675, 0.655])
    inner, outer, limbus = (
        np.array([0.185, 0.088, 0.026]),
        np.array([0.060, 0.029, 0.013]),
        np.array([0.014, 0.009, 0.007]),
    )
    streak = 1 + 0.22 * np.sin(11 * t + 1.0) * np.sin(5 * t) + 0.12 * np.sin(18 * t)
    low = 1 + 0.55 * np.clip(-np.sin(t), -0.6, 1)  # light falls through the cornea onto the lower half
    iris = (inner + (outer - inner) * step(0.18, 0.38, a)[..., None]) * (streak * low)[..., None]
    iris = iris + (limbus - iris) * step(0.35, 0.43, a)[..., None]
    colour = np.where((a < 0.15)[..., None], pupil, iris)
    white = sclera * (1 - 0.25 * step(0.6, 1.2, a))[..., None] * [1, 1, 1] + (
        step(0.7, 1.1, a)[..., None] * [0.0, -0.10, -0.10]
    )
    found: Array = np.clip(colour + (white - colour) * step(0.437, 0.475, a)[..., None], 0, 1)
    return found
