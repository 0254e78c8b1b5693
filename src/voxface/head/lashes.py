"""Lashes of the left upper lid."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import grid
from voxface.head.piece import Piece
from voxface.head.sculpt import EYE
from voxface.stream import Array


def lashes(rim: Array, inner: Array) -> tuple[Piece, Array]:
    """A thin dark wedge over the upper lid's edge: `rim` and `inner` (n, 3) are its outer and inner line, outer corner
    first. Also gives which of the n each vertex rides."""
    n = len(rim)
    s = np.linspace(0, 1, n)
    away = rim - EYE
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    length = 0.0023 * np.sin(np.pi * np.clip(s * 0.85 + 0.12, 0, 1)) ** 0.7 * (1 - 0.65 * s) + 0.0001
    up = np.array([0.25, 0.8, 0.0]) * (1 - 0.5 * s)[:, None]
    tip = rim + length[:, None] * (away * 1.0 + up * 0.8) + away * 0.0006
    body = np.sin(np.pi * np.clip(s, 0.02, 0.98))[:, None]
    points = np.concatenate([rim + away * 0.0009 + up * 0.0007 * body, tip, inner + away * 0.0004])
    colours = np.tile([0.018, 0.010, 0.007], (3 * n, 1))
    return Piece(points, colours, grid(3, n)), np.tile(np.arange(n), 3)
