"""The left ear."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import grid, step
from voxface.head.piece import Piece


def ear() -> Piece:
    """Rings from the hollow outwards over the rim to the back; columns from the front over the top."""
    columns = 30
    t = 2 * np.pi * np.arange(columns) / columns  # 0 = front, pi / 2 = top, pi = back
    squarer = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** np.where(np.sin(t) < 0, 0.72, 1)
    outline = np.stack([-0.0170 * squarer * (1 + 0.10 * np.sin(t)), 0.0325 * np.sin(t)], 1)
    outline[:, 0] *= np.where(np.sin(t) < 0, 1 - 0.30 * np.sin(t) ** 2, 1)  # lobe
    outline[:, 0] -= 0.0025 * np.minimum(np.sin(t), 0)
    back = step(-0.55, 0.25, -np.cos(t) + 0.75 * np.maximum(np.sin(t), 0))
    lobe = step(-0.45, -0.85, np.sin(t))
    rim = back * (1 - lobe)
    hollow = np.array([0.0035, -0.004])
    profile = [
        (0.0, -0.0055), (0.16, -0.0055), (0.30, -0.0045), (0.42, -0.0015), (0.54, 0.0022), (0.66, 0.0022),
        (0.77, 0.0002),
        (0.86, 0.0004), (0.93, 0.0032), (0.985, 0.0040), (1.0, 0.0022), (0.985, -0.0005), (0.92, -0.0022),
        (0.78, -0.0050),
        (0.6, -0.012),
    ]  # fmt: skip
    soft = [
        (0.0, -0.0055), (0.16, -0.0050), (0.30, -0.0030), (0.42, 0.0), (0.54, 0.0016), (0.66, 0.0018), (0.77, 0.0018),
        (0.86, 0.0018), (0.93, 0.0017), (0.985, 0.0010), (1.0, -0.0002), (0.985, -0.0016), (0.92, -0.0030),
        (0.78, -0.0055),
        (0.6, -0.012),
    ]  # fmt: skip
    rings = []
    for (share, high), (_, gentle) in zip(profile, soft, strict=True):
        plane = hollow + (outline - hollow) * share
        height = gentle + (high - gentle) * rim
        rings.append(np.column_stack([plane, height]))
    local = np.stack(rings)  # backwards, up, out
    u, v, h = local[..., 0], local[..., 1], local[..., 2]
    flare = np.radians(22)
    x = 0.0725 + (u + 0.016) * np.sin(flare) + h * np.cos(flare) + 0.05 * v
    z = -0.010 - u * np.cos(flare) + h * np.sin(flare) - 0.22 * v
    points = np.stack([x, 0.0205 + v, z], -1)
    colours = np.tile([0.70, 0.40, 0.31], (points[..., 0].size, 1))
    return Piece(points.reshape(-1, 3), colours, grid(points.shape[0], points.shape[1], closed=True))
