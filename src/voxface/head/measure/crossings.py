"""Where a surface goes through a surface: exact tests between triangles, found by a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.head.measure.shape import Shape, bounds
from voxface.stream import Array

CELL = 0.004  # metres: a little more than the edge of a triangle


@dataclass(frozen=True, slots=True, eq=False)
class Crossings:
    """Pairs of triangles that cross.

    pairs: (pairs, 2) triangles of the shape
    depth: (pairs,) metres: how far, at least, one of the two stands out behind the other
    """

    pairs: Array
    depth: Array

    def deeper(self, than: float) -> Crossings:
        kept = self.depth > than
        return Crossings(self.pairs[kept], self.depth[kept])


def crossings(
    shape: Shape, first: str, second: str, welded: Array | None = None, moved: Array | None = None
) -> Crossings:
    """Crossing pairs between two parts, or of one with itself. Triangles that share a corner do not count.

    Args:
        welded: see `weld`, of the head at rest; else points in one place of this shape are one.
        moved: (triangles,) bool: only pairs with one of these at least; None: all.
    """
    one, two = (shape.owner == shape.of(name) for name in (first, second))
    corners = shape.points[shape.triangles]
    moved = np.ones(len(corners), bool) if moved is None else moved
    pairs = _near(corners, np.flatnonzero(one & moved), np.flatnonzero(two))
    if first != second:
        more = _near(corners, np.flatnonzero(one & ~moved), np.flatnonzero(two & moved))
        pairs = np.concatenate([pairs, more])
    names = (weld(shape.points) if welded is None else welded)[shape.triangles]
    shared = (names[pairs[:, 0]][:, :, None] == names[pairs[:, 1]][:, None, :]).any((1, 2))
    pairs = pairs[~shared]
    beyond = np.minimum(*(_beyond(corners, pairs[:, order]) for order in ([0, 1], [1, 0])))
    pairs, beyond = pairs[beyond > 0], beyond[beyond > 0]  # each crosses the plane of the other
    hit = _pierced(corners[pairs[:, 0]], corners[pairs[:, 1]]) | _pierced(corners[pairs[:, 1]], corners[pairs[:, 0]])
    return Crossings(pairs[hit], beyond[hit])


def weld(points: Array) -> Array:
    """A number for every point, the same for points in one place (1 µm), (vertices,)."""
    return np.unique(np.round(points * 1e6).astype(np.int64), axis=0, return_inverse=True)[1].reshape(-1)


def pieces(triangles: Array) -> Array:
    """A number for every triangle, the same for all that hang together by shared points, (triangles,)."""
    label = np.arange(triangles.max(initial=0) + 1)
    while True:
        least = label[triangles].min(1)
        before = label.copy()
        np.minimum.at(label, triangles, least[:, None])
        label = label[label]
        if (label == before).all():
            found: Array = label[triangles[:, 0]]
            return found


def _near(corners: Array, one: Array, two: Array) -> Array:
    """Pairs of triangles, (pairs, 2), whose boxes overlap; found by the cells that they touch."""
    low, high = bounds(corners)
    cells_one, number_one = _cells(low[one], high[one])
    cells_two, number_two = _cells(low[two], high[two])
    order = np.argsort(cells_two, kind="stable")
    begin = np.searchsorted(cells_two[order], cells_one, "left")
    count = np.searchsorted(cells_two[order], cells_one, "right") - begin
    left = np.repeat(np.arange(len(cells_one)), count)
    rank = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    a, b = one[number_one[left]], two[number_two[order[begin[left] + rank]]]
    a, b = np.minimum(a, b), np.maximum(a, b)
    keys = np.unique(a[a != b] * len(corners) + b[a != b])
    a, b = keys // len(corners), keys % len(corners)
    over = np.ones(len(a), bool)
    for axis in range(3):
        over &= (low[a, axis] <= high[b, axis]) & (low[b, axis] <= high[a, axis])
    return np.stack([a[over], b[over]], 1)


def _cells(low: Array, high: Array) -> tuple[Array, Array]:
    """Every (cell, box) of boxes that touch cells; a cell is one number."""
    first, last = np.floor(low / CELL).astype(np.int64) + 512, np.floor(high / CELL).astype(np.int64) + 512
    spans = last - first + 1
    sizes = spans.prod(1)
    number = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    x = first[number, 0] + rank % spans[number, 0]
    y = first[number, 1] + rank // spans[number, 0] % spans[number, 1]
    z = first[number, 2] + rank // (spans[number, 0] * spans[number, 1])
    return (x * 1024 + y) * 1024 + z, number


def _beyond(corners: Array, pairs: Array) -> Array:
    """How far the second triangle reaches through the plane of the first: the shorter of its two sides, metres."""
    a = corners[pairs[:, 0]]
    normal = np.cross(a[:, 1] - a[:, 0], a[:, 2] - a[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
    heights = ((corners[pairs[:, 1]] - a[:, :1]) * normal[:, None]).sum(2)
    found: Array = np.minimum(heights.max(1), -heights.min(1))
    return found


def _pierced(one: Array, two: Array) -> Array:
    """Does an edge of the first go through the second? (pairs,) bool. Möller and Trumbore (1997)."""
    edge_a, edge_b = two[:, 1] - two[:, 0], two[:, 2] - two[:, 0]
    hit = np.zeros(len(one), bool)
    for corner in range(3):
        start, way = one[:, corner], one[:, (corner + 1) % 3] - one[:, corner]
        across = np.cross(way, edge_b)
        scale = (edge_a * across).sum(1)
        flat = np.abs(scale) < 1e-15  # the edge runs along the triangle's plane, or the triangle has no area
        scale[flat] = 1
        off = start - two[:, 0]
        turned = np.cross(off, edge_a)
        u, v, t = ((left * right).sum(1) / scale for left, right in ((off, across), (way, turned), (edge_b, turned)))
        hit |= ~flat & (u >= 0) & (v >= 0) & (u + v <= 1) & (t >= 0) & (t <= 1)
    return hit
