"""What is behind the lips: teeth, gums, tongue."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import grid, step
from voxface.head.piece import Piece
from voxface.head.sculpt import MOUTH_Y

ARCH = {"upper": (0.0236, 0.0560, 0.0330), "lower": (0.0220, 0.0550, 0.0310)}


def teeth(name: str) -> Piece:
    """A row of teeth with its gum; columns along the arch, rows over gum, front, edge and back."""
    width, back, deep = ARCH[name]
    columns = 43
    phi = np.radians(np.linspace(-82, 82, columns))
    along = np.linspace(-7, 7, columns)  # one unit per tooth, a gap at every whole number
    gap = np.exp(-(((along - np.round(along)) / 0.16) ** 2))
    side = np.abs(along) / 7
    up = 1.0 if name == "upper" else -1.0
    edge = MOUTH_Y - 0.0018
    long = (0.0088 - 0.0022 * side) if name == "upper" else (0.0068 - 0.0012 * side)
    rows = [
        (1.35, -0.0014, 1), (1.18, 0.0002, 1), (1.02, 0.0006, 1), (0.97, 0.0, 0), (0.75, 0.0003, 0), (0.35, 0.0002, 0),
        (0.05, -0.0004, 0), (0.0, -0.0011, 0), (0.08, -0.0022, 0), (0.9, -0.0040, 0), (1.2, -0.0050, 1),
    ]  # fmt: skip
    points, colours = [], []
    for share, out, gum in rows:
        scallop = 0.16 * gap if 0.9 < share < 1.1 else 0.08 * gap * (share < 0.2)
        y = edge + up * (long * (share + (scallop if share < 0.2 else -scallop)) + 0.0012 * side**2)
        r = out - 0.0006 * gap * (1 - gum)
        points.append(np.column_stack([(width + r) * np.sin(phi), y, back + (deep + r) * np.cos(phi)]))
        tooth = np.array([0.80, 0.755, 0.66]) * (1 - 0.35 * gap)[:, None]
        tooth = tooth * (1 - 0.75 * step(0.25, 0.95, side))[:, None]
        colours.append(
            np.tile([0.50, 0.16, 0.14], (columns, 1)) * (1 - 0.8 * step(0.2, 0.9, side))[:, None] if gum else tooth
        )
    triangles = grid(len(rows), columns)
    opposite = np.arange(len(rows) * columns).reshape(len(rows), columns)[:, ::-1].ravel()
    return Piece(
        np.concatenate(points), np.concatenate(colours), triangles[:, ::-1] if name == "upper" else triangles, opposite
    )


def tongue() -> Piece:
    """Rings round the tongue from its tip to its root."""
    columns, rows = 18, 12
    s = np.linspace(0, 1, rows) ** 1.7
    t = 2 * np.pi * np.arange(columns) / columns
    size = np.sqrt(np.clip(1 - (1 - np.minimum(s / 0.45, 1)) ** 2, 0, 1))
    width, thick = 0.0165 * size * (1 + 0.05 * s), 0.0055 * size * (0.75 + 0.6 * s)
    z = 0.0800 - 0.040 * s
    y = MOUTH_Y - 0.0112 + 0.003 * s + 0.002 * np.sin(np.pi * s)
    x = width[:, None] * np.cos(t)
    top = thick[:, None] * np.sin(t)
    groove = 0.0016 * np.exp(-((x / 0.0035) ** 2)) * np.maximum(np.sin(t), 0) * size[:, None]
    points = np.stack([x, y[:, None] + top - groove, z[:, None] + 0 * t], -1)
    colours = np.array([0.47, 0.145, 0.14]) * (1 - 0.92 * step(0.05, 0.85, s))[:, None, None] * np.ones((1, columns, 1))
    opposite = (columns // 2 - np.arange(columns)) % columns
    opposite = (np.arange(rows)[:, None] * columns + opposite).ravel()
    return Piece(points.reshape(-1, 3), colours.reshape(-1, 3), grid(rows, columns, closed=True)[:, ::-1], opposite)
