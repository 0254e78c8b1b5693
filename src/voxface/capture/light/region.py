"""A turned rectangle around a face, and the picture inside it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from voxface.stream import Array

ROOM = 1.5  # a region is this much larger than the face, so that the face is still inside in the next picture
_RIGHT_EYE, _LEFT_EYE = 33, 263  # outer corners of the subject's eyes, from left to right in the picture


class Region(NamedTuple):
    """x, y: centre in pixels. width, height: in pixels. angle: radians, clockwise as one looks at the picture."""

    x: float
    y: float
    width: float
    height: float
    angle: float

    def matrix(self, size: int) -> tuple[float, float, float, float, float, float]:
        """(a, b, c, d, e, f): pixel (u, v) of a square picture of that size lies at (a u + b v + c, d u + e v + f)."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        a, b = cos * self.width / size, -sin * self.height / size
        d, e = sin * self.width / size, cos * self.height / size
        return a, b, self.x - (a + b) * size / 2, d, e, self.y - (d + e) * size / 2

    def place(self, points: Array, size: int, shape: tuple[int, ...]) -> Array:
        """(n, 3) points in a square picture of that size -> (3, n) in the whole picture, which has that shape.

        Depth grows as x does where the picture is square or the region upright. In other pictures MediaPipe measures
        the region's upper side in shares of the picture, width and height alike, and scales the depth by that; the
        pose depends on it, so it is done here as well.
        """
        a, b, c, d, e, f = self.matrix(size)
        deep = math.hypot(a, d * shape[1] / shape[0])
        turn = np.array([[a, b, 0], [d, e, 0], [0, 0, deep]], np.float32)
        return turn @ points.T + np.array([[c], [f], [0]], np.float32)


def region_of_face(points: Array) -> Region:
    """Where the face with these (3, 478) landmarks will be in the next picture: a square with room, eyes level."""
    left, top, right, bottom = bounds(points)
    side = ROOM * max(right - left, bottom - top)
    return Region(
        (left + right) / 2, (top + bottom) / 2, side, side, eye_angle(points[:, _RIGHT_EYE], points[:, _LEFT_EYE])
    )


def bounds(points: Array) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of (3, n) points in a picture."""
    left, top, _ = points.min(axis=1).tolist()
    right, bottom, _ = points.max(axis=1).tolist()
    return left, top, right, bottom


def eye_angle(first: Array, second: Array) -> float:
    """Radians by which the line from one eye to the other, in order from left to right, falls in the picture."""
    return math.atan2(float(second[1] - first[1]), float(second[0] - first[0]))
