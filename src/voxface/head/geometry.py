"""Small tools of the sculptor: steps, meshes, normals, triangulation. Points are (n, 3) float64 metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxface.stream import Array

Vector = Sequence[float] | Array
"""Three numbers: a place, sizes along the axes, or a colour."""


def step(low: float | Array, high: float | Array, value: Array | float) -> Array:
    """Smooth step: 0 at `low`, 1 at `high` (which may be the smaller one), flat at both ends."""
    t = np.clip((np.asarray(value, float) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bump(points: Array, centre: Vector, size: Vector) -> Array:
    """Gaussian hill, 1 at the centre, exactly 0 beyond 2.6 sizes."""
    q = (((points - np.asarray(centre)) / np.asarray(size)) ** 2).sum(-1)
    return np.where(q < 6.8, (np.exp(-q / 2) - np.exp(-3.4)) / (1 - np.exp(-3.4)), 0.0).clip(0)


def normals(points: Array, triangles: Array) -> Array:
    """Unit normals (n, 3) of vertices: those of the triangles round each, weighted by area."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    total = np.stack(
        [sum(np.bincount(triangles[:, i], face[:, k], len(points)) for i in range(3)) for k in range(3)], axis=1
    )
    found: Array = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return found


def grid(rows: int, columns: int, closed: bool = False, turned: Array | None = None) -> Array:
    """Triangles of a sheet of rows x columns points.

    closed: the last column is joined to the first.
    turned: (quads of a row,) bool: these columns have the other diagonal, so that a sheet can be its own mirror image.
    """
    width = columns if closed else columns - 1
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(width), indexing="ij")
    a, b = i * columns + j, i * columns + (j + 1) % columns
    c, d = a + columns, b + columns
    plain = np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)], axis=2)
    other = np.concatenate([np.stack([a, d, c], -1), np.stack([a, b, d], -1)], axis=2)
    chosen = np.zeros(width, bool) if turned is None else turned
    found: Array = np.where(chosen[:, None], other, plain).reshape(-1, 3)
    return found


def smooth(values: Array, triangles: Array, rounds: int = 1) -> Array:
    """Average of values (n, k) with their neighbours'."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    degree = np.bincount(edges.ravel(), minlength=len(values))[:, None]
    for _ in range(rounds):
        total = np.zeros_like(values)
        np.add.at(total, edges[:, 0], values[edges[:, 1]])
        np.add.at(total, edges[:, 1], values[edges[:, 0]])
        values = np.where(degree > 0, total / np.maximum(degree, 1), values)
    return values


def inside(points: Array, polygon: Array) -> Array:
    """Which (n, 2) points lie inside a closed polygon (m, 2), by counting crossings."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    crossing = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    found: Array = (np.count_nonzero(crossing & (x < at), axis=1) % 2).astype(bool)
    return found


def delaunay(points: Array) -> Array:
    """Triangles of (n, 2) points, counter-clockwise, by Bowyer's and Watson's incremental insertion."""
    low, span = points.min(0), np.ptp(points, axis=0).max()
    q = (points - low) / span
    n = len(q)
    wiggle = np.stack([np.sin(np.arange(n) * 12.9898) * 43758.5453, np.sin(np.arange(n) * 78.233) * 12578.1459], 1)
    q = np.concatenate([q + 1e-7 * (wiggle % 1.0 - 0.5), [[-40, -40], [41, -40], [0.5, 60]]])
    triangles = np.array([[n, n + 1, n + 2]])
    circles = _circles(q, triangles)
    for k in range(n):
        bad = ((circles[:, :2] - q[k]) ** 2).sum(1) < circles[:, 2]
        edges = np.concatenate([triangles[bad][:, p] for p in ((0, 1), (1, 2), (2, 0))])
        key, back = edges[:, 0] * (n + 3) + edges[:, 1], edges[:, 1] * (n + 3) + edges[:, 0]
        rim = edges[~np.isin(key, back)]
        new = np.column_stack([rim, np.full(len(rim), k)])
        triangles = np.concatenate([triangles[~bad], new])
        circles = np.concatenate([circles[~bad], _circles(q, new)])
    return triangles[(triangles < n).all(1)]


def _circles(q: Array, triangles: Array) -> Array:
    a, b, c = (q[triangles[:, i]] for i in range(3))
    b, c = b - a, c - a
    d = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    bb, cc = (b**2).sum(1), (c**2).sum(1)
    x, y = (c[:, 1] * bb - b[:, 1] * cc) / d, (b[:, 0] * cc - c[:, 0] * bb) / d
    return np.column_stack([a[:, 0] + x, a[:, 1] + y, x**2 + y**2])
