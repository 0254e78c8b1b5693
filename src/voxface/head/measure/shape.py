"""A posed head as one set of triangles, and what is seen of it from a direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from voxface.head.head import Head, posed
from voxface.stream import Array

Pose = Mapping[str, float]
NOTHING = -1
DEEP = 0.07  # metres: what lies so far behind the middle of a window does not matter, such as the back of the head


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """All parts of a head in one pose.

    points:    (vertices, 3) float64, metres
    normals:   (vertices, 3) float64, unit length
    triangles: (triangles, 3) into points
    owner:     (triangles,) which of `names` a triangle belongs to
    names:     of the parts
    """

    points: Array
    normals: Array
    triangles: Array
    owner: Array
    names: tuple[str, ...]

    def of(self, name: str) -> int:
        return self.names.index(name)

    def part(self, name: str) -> Array:
        """The points of one part's triangles."""
        found: Array = self.points[np.unique(self.triangles[self.owner == self.of(name)])]
        return found


def shape(head: Head, pose: Pose) -> Shape:
    """A head in a pose; the head is not turned."""
    weights = head.weights(tuple(pose), np.array(list(pose.values()), np.float32))
    points, normals, triangles, owner, count = [], [], [], [], 0
    for number, part in enumerate(head.parts):
        at, normal = posed(part, weights)
        points.append(at.astype(np.float64))
        normals.append(normal.astype(np.float64))
        triangles.append(part.triangles.astype(np.int64) + count)
        owner.append(np.full(len(part.triangles), number))
        count += len(at)
    names = tuple(part.name for part in head.parts)
    joined = [np.concatenate(arrays) for arrays in (points, normals, triangles, owner)]
    return Shape(joined[0], joined[1], joined[2], joined[3], names)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What parallel rays meet first, on a grid of `step` metres around `centre`; row 0 is the lowest, column 0 the
    leftmost for the one who looks (the subject's right).

    owner: (rows, columns) number of the part, or NOTHING
    depth: (rows, columns) metres from the centre towards the one who looks; -inf where nothing is met
    behind: (rows, columns) bool: a triangle's back is met, which programs that draw one side leave out
    """

    owner: Array
    depth: Array
    behind: Array
    step: float
    centre: Array

    def y(self, row: float) -> float:
        """Height of a row, for a view from straight ahead."""
        return float(self.centre[1] + (row + 0.5 - len(self.owner) / 2) * self.step)

    def x(self, column: float) -> float:
        return float(self.centre[0] + (column + 0.5 - self.owner.shape[1] / 2) * self.step)


def look(
    shape: Shape, centre: Array, half: tuple[float, float], step: float, yaw_deg: float = 0, pitch_deg: float = 0
) -> Picture:
    """What is seen in a window around a point.

    Args:
        half:      half the window's width and height, metres
        step:      between rays, metres
        yaw_deg:   where one looks from; positive: the subject's left
        pitch_deg: positive: above
    """
    columns, rows = (max(1, round(2 * length / step)) for length in half)
    corners = (_turned(shape.points - centre, yaw_deg, pitch_deg) / step)[shape.triangles]  # in pixels
    corners[..., 0] += columns / 2 - 0.5
    corners[..., 1] += rows / 2 - 0.5
    least, most = bounds(corners)
    low = np.maximum(np.ceil(least[:, :2]), 0).astype(int)
    high = np.minimum(np.floor(most[:, :2]), (columns - 1, rows - 1)).astype(int)
    edge, other = (corners[:, 1:, :2] - corners[:, :1, :2]).transpose(1, 0, 2)
    area = edge[:, 0] * other[:, 1] - edge[:, 1] * other[:, 0]
    kept = (high >= low).all(1) & (most[:, 2] > -DEEP / step) & (np.abs(area) > 1e-9)
    corners, low, spans, owner, area = corners[kept], low[kept], (high - low + 1)[kept], shape.owner[kept], area[kept]
    number, pixel, depth = _hits(corners, low, spans, columns)
    best = np.full(rows * columns, -np.inf)
    np.maximum.at(best, pixel, depth)
    met, behind, first = np.full(rows * columns, NOTHING), np.zeros(rows * columns, bool), depth == best[pixel]
    met[pixel[first]], behind[pixel[first]] = owner[number[first]], area[number[first]] < 0
    size = rows, columns
    return Picture(met.reshape(size), best.reshape(size) * step, behind.reshape(size), step, centre)


def bounds(corners: Array) -> tuple[Array, Array]:
    """The boxes of triangles (triangles, 3, 3): (triangles, 3) least and most."""
    a, b, c = corners.transpose(1, 0, 2)  # many times faster than min(1) and max(1)
    return np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)


def _turned(points: Array, yaw_deg: float, pitch_deg: float) -> Array:
    yaw, pitch = np.radians((yaw_deg, pitch_deg))
    x, z = (
        points[:, 0] * np.cos(yaw) - points[:, 2] * np.sin(yaw),
        points[:, 0] * np.sin(yaw) + points[:, 2] * np.cos(yaw),
    )
    y = points[:, 1]
    return np.stack([x, y * np.cos(pitch) - z * np.sin(pitch), y * np.sin(pitch) + z * np.cos(pitch)], 1)


def _hits(corners: Array, low: Array, spans: Array, columns: int) -> tuple[Array, Array, Array]:
    """Every (triangle, pixel, depth) where a ray meets a triangle: all pixels of all boxes, then those inside."""
    sizes = spans.prod(1)
    number = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    x = low[number, 0] + rank % spans[number, 0]
    y = low[number, 1] + rank // spans[number, 0]
    a, e, f = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    slopes = np.stack([f[:, 1], -f[:, 0], -e[:, 1], e[:, 0]]) / (e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0])
    right, up = x - a[number, 0], y - a[number, 1]
    ur, uu, vr, vu = slopes[:, number]
    u, v = ur * right + uu * up, vr * right + vu * up
    inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
    number, u, v = number[inside], u[inside], v[inside]
    return number, (y * columns + x)[inside], a[number, 2] + u * e[number, 2] + v * f[number, 2]
