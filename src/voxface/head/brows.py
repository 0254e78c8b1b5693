"""The left brow."""

from __future__ import annotations

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import grid, step
from voxface.head.piece import Piece


def brow() -> Piece:
    rows, columns = 5, 16
    u = np.linspace(0, 1, columns)
    x = 0.0125 + 0.0375 * u
    middle = 0.0596 + 0.0052 * np.sin(np.pi * np.clip(u / 1.12, 0, 1)) ** 1.2 - 0.0012 * step(0.7, 1, u)
    thick = 0.0041 * np.sqrt(step(-0.02, 0.16, u)) * (1 - 0.52 * step(0.4, 1.0, u)) * np.sqrt(step(1.03, 0.86, u))
    v = np.array([-1, -0.6, 0.0, 0.6, 1])
    xs = x + 0.0012 * v[:, None] * (0.3 - u)
    ys = middle + thick * v[:, None]
    flat = np.stack([xs, ys], -1).reshape(-1, 2)
    origin = np.column_stack([flat[:, 0] * 0.75, flat[:, 1], np.full(len(flat), 0.03)])
    aim = np.column_stack([flat, np.full(len(flat), 0.075)]) - origin
    aim /= np.linalg.norm(aim, axis=1, keepdims=True)
    skin = sculpt.cast(origin, aim, 0.09)
    lift = (np.array([-0.0007, 0.0008, 0.0014, 0.0008, -0.0007])[:, None] * (0.6 + 0.4 * np.sin(np.pi * u))).ravel()
    colours = (
        np.tile([0.085, 0.042, 0.020], (len(flat), 1))
        * (0.85 + 0.3 * np.repeat([0, 0.3, 0.6, 0.8, 0.5], columns))[:, None]
    )
    return Piece(skin + sculpt.gradient(skin) * lift[:, None], colours, grid(rows, columns))
