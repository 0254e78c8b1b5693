"""Soft shadows: how much of the sky each vertex sees, by many small depth pictures."""

from __future__ import annotations

import numpy as np

from voxface.stream import Array


def openness(points: Array, normals: Array, triangles: Array, views: int = 96, pixel: float = 0.0020) -> Array:
    """Share in [0, 1] of a sphere of light, weighted by the cosine, that reaches each vertex (n,)."""
    samples = _samples(points, triangles)
    seen, total = np.zeros(len(points)), np.zeros(len(points))
    for d in _sphere(views):
        x = np.cross([0.31, 0.95, 0.11], d)
        x /= np.linalg.norm(x)
        y = np.cross(d, x)
        weight = np.maximum(normals @ d, 0) * (0.75 + 0.25 * d[1])
        size = int(0.5 / pixel)
        flat = np.floor(samples @ np.stack([x, y], 1) / pixel).astype(int) + size // 2
        depth = np.full(size * size, -1.0)
        place, height = flat[:, 0] * size + flat[:, 1], samples @ d
        np.maximum.at(depth, place, height)
        lifted = points + normals * 0.0016
        at = np.floor(lifted @ np.stack([x, y], 1) / pixel).astype(int) + size // 2
        clear = depth[at[:, 0] * size + at[:, 1]] < lifted @ d + 0.0022
        seen += weight * clear
        total += weight
    return seen / np.maximum(total, 1e-9)


def _samples(points: Array, triangles: Array, gap: float = 0.0018) -> Array:
    """Points spread over all triangles about `gap` apart."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    longest = np.maximum.reduce(
        [np.linalg.norm(b - a, axis=1), np.linalg.norm(c - a, axis=1), np.linalg.norm(c - b, axis=1)]
    )
    steps = np.clip(np.ceil(longest / gap).astype(int), 1, 14)
    parts = []
    for n in np.unique(steps):
        i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        u, v = i[i + j <= n] / n, j[i + j <= n] / n
        m = steps == n
        parts.append((a[m, None] + (b - a)[m, None] * u[:, None] + (c - a)[m, None] * v[:, None]).reshape(-1, 3))
    return np.concatenate(parts)


def _sphere(count: int) -> Array:
    """Directions spread evenly (Fibonacci)."""
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(turn), z, r * np.sin(turn)], 1)
