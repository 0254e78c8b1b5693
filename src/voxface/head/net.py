"""The free vertices of the skin: spread over a chart of longitude and height, as dense as each place needs, and joined.

Of one half, x >= 0, without the rings round eye and mouth, whose rims it meets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import delaunay, inside, step
from voxface.head.sculpt import MOUTH_Y
from voxface.stream import Array

CENTRE = np.array([0, 0.030, 0.0])
LOOSE = 0.86  # of `spacing` is how near vertices may be
LOWEST, FOOT, TOP = -0.95, -2.40, 1.40  # heights: below LOWEST the rays' origin goes down the neck
WINDOWS = (
    # how many places are tried, between which longitudes, between which heights
    (500, 0.02, 0.20, -0.45, -0.29),  # the underside of the nose, which rays only graze
    (2500, 0.0, 0.9, -1.5, -0.7),  # the edge of the chin, which is seen against the neck
    (12000, 0.0, np.pi, FOOT, TOP),
)


def ray(longitude: Array, height: Array) -> tuple[Array, Array]:
    """Origin and unit direction of the ray of a place in the chart."""
    under = np.maximum(LOWEST - height, 0)
    elevation = np.where(height < LOWEST, LOWEST + 0.75 * step(0.7, 1.6, under), height)
    elevation = np.where(elevation < 0, elevation * _tilt(longitude), elevation)
    origin = CENTRE + np.stack([0 * under, -0.122 * under, -0.020 * under], 1)
    flat = np.cos(elevation)
    return origin, np.stack([flat * np.sin(longitude), np.sin(elevation), flat * np.cos(longitude)], 1)


def _tilt(longitude: Array) -> Array:
    """Rays below the middle look down steeply under the chin, hardly at the nape."""
    return 0.35 + 0.65 * (1 + np.cos(longitude)) / 2


def chart(points: Array) -> Array:
    """(longitude, height) of points above LOWEST; heights stretched so that angles are kept (Mercator)."""
    d = points - CENTRE
    longitude, height = np.arctan2(d[:, 0], d[:, 2]), np.arctan2(d[:, 1], np.hypot(d[:, 0], d[:, 2]))
    height = np.where(height < 0, height / _tilt(longitude), height)
    return np.stack([longitude, _mercator(height)], 1)


def _mercator(height: Array) -> Array:
    return np.where(height < LOWEST, np.tan(LOWEST) + 2.2 * (height - LOWEST), np.tan(np.maximum(height, LOWEST)))


def spacing(points: Array) -> Array:
    """How far apart vertices should be, metres: fine at nose, eyes and mouth, coarse at the back."""
    x, y, z = points.T
    x = np.abs(x)
    nose = np.sqrt((x / 1.2) ** 2 + ((y + 0.002) / 1.5) ** 2 + (z - 0.104) ** 2)
    nose = np.minimum(nose, np.sqrt(x**2 + ((y - 0.015) / 2.5) ** 2 + (z - 0.1) ** 2) + 0.004)
    size = 0.0017 + 0.20 * np.maximum(nose - 0.007, 0)
    eye = np.sqrt((points[:, 0] - 0.032) ** 2 + (y - 0.035) ** 2)
    size = np.minimum(size, 0.0045 + 0.16 * np.maximum(eye - 0.025, 0) + (z < 0.02))
    lips = np.sqrt((x / 1.4) ** 2 + (y - MOUTH_Y) ** 2)
    size = np.minimum(size, 0.0042 + 0.16 * np.maximum(lips - 0.022, 0) + (z < 0.03))
    jaw = (z > -0.020) & (x > 0.025) & (y < 0.04) & (y > -0.09)
    chin = np.sqrt(x**2 + ((y + 0.072) / 1.2) ** 2 + ((z - 0.085) / 2) ** 2)
    size = np.minimum(size, 0.0034 + 0.2 * np.maximum(chin - 0.022, 0))
    fold = np.hypot(x - 0.030, (y + 0.018) / 1.4)  # beside nose and mouth, where a smile folds
    size = np.minimum(size, 0.0046 + 0.2 * np.maximum(fold - 0.012, 0) + (z < 0.03))
    under_hair = (y > 0.070) & (z < 0.060) | (y > 0.045) & (z < -0.030)
    collar = (y < -0.095) & (y > -0.135)
    places = [jaw, under_hair, collar, z > 0.0]
    found: Array = np.clip(size, 0.0016, np.select(places, [0.0060, 0.0190, 0.0095, 0.0085], 0.0140))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Net:
    """points:    (vertices, 3) of the free vertices, metres
    triangles: (triangles, 3) over the eye's rim, the mouth's rim and the free vertices, in this order
    crown:     (triangles, 3) over the free vertices: what closes the top
    """

    points: Array
    triangles: Array
    crown: Array


def scatter(eye_rim: Array, mouth_rim: Array) -> Net:
    """Free vertices about `spacing` apart, and what joins them. Rims: (columns, 3) of the half's outermost rings."""
    edge = np.concatenate([_edge_row(TOP, 9), _edge_row(FOOT, 18), *_middle_lines(mouth_rim)])
    edge_points = sculpt.cast(*ray(edge[:, 0], edge[:, 1]))
    points, flat = _candidates(chart(eye_rim), chart(mouth_rim))
    chosen = _apart(np.concatenate([eye_rim, mouth_rim, edge_points]), points)
    edge_flat = np.stack([edge[:, 0], _mercator(edge[:, 1])], 1)
    free, free_flat = np.concatenate([edge_points, points[chosen]]), np.concatenate([edge_flat, flat[chosen]])
    return Net(free, _joined(chart(eye_rim), chart(mouth_rim), free_flat), _crown(free_flat))


def _candidates(eye: Array, mouth: Array) -> tuple[Array, Array]:
    """Places on the skin and in the chart where vertices may be. eye, mouth: rims in the chart."""
    tries = [_tries(*window) for window in WINDOWS]
    longitude, height = (np.concatenate(values) for values in zip(*tries, strict=True))
    points, flat = sculpt.cast(*ray(longitude, height)), np.stack([longitude, _mercator(height)], 1)
    bad = inside(flat, eye) | inside(flat, mouth)
    bad |= _spoils(flat, np.roll(eye, 1, 0), eye) | _spoils(flat, mouth[1:], mouth[:-1])
    return points[~bad], flat[~bad]


def _tries(count: int, first: float, last: float, low: float, high: float) -> tuple[Array, Array]:
    """Longitudes and heights, spread evenly over a window."""
    return first + (last - first) * _halton(count, 2), low + (high - low) * _halton(count, 3)


def _apart(taken: Array, points: Array) -> Array:
    """Which points to take, one after the other, so that none is too near to one before it or to `taken`."""
    size = LOOSE * spacing(points)
    kept = np.concatenate([taken, points])  # the first `count` rows count
    count, chosen = len(taken), []
    for row, point in enumerate(points):
        if ((kept[:count] - point) ** 2).sum(1).min() > size[row] ** 2:
            kept[count] = point
            count += 1
            chosen.append(row)
    return np.array(chosen)


def _joined(eye: Array, mouth: Array, free: Array) -> Array:
    """Triangles between rims and free vertices, all in the chart; none over the eye or the mouth."""
    flat = np.concatenate([eye, mouth, free])
    flat[[len(eye), len(eye) + len(mouth) - 1], 0] = 0  # the mouth's rim begins and ends in the middle
    triangles = delaunay(flat)
    middle = flat[triangles].mean(1)
    a, b, c = (flat[triangles[:, i]] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    found: Array = triangles[~inside(middle, eye) & ~inside(middle, mouth) & (np.abs(area) > 1e-6)]
    return found


def _crown(flat: Array) -> Array:
    """A fan over the topmost row, to its member in the middle of the front."""
    row = np.flatnonzero(flat[:, 1] > flat[:, 1].max() - 1e-9)
    row = row[np.argsort(flat[row, 0])]
    return np.array([[row[0], row[i], row[i + 1]] for i in range(1, len(row) - 1)])


def _spoils(flat: Array, start: Array, end: Array) -> Array:
    """Which (n, 2) places would keep an edge out of the triangulation: those within the circle over it."""
    middle, radius = (start + end) / 2, np.linalg.norm(end - start, axis=1) / 2
    found: Array = (np.linalg.norm(flat[:, None] - middle, axis=2) < 1.05 * radius).any(1)
    return found


def _halton(count: int, base: int) -> Array:
    """Van der Corput's sequence: evenly spread numbers in (0, 1) without chance."""
    value, scale, rest = np.zeros(count), 1.0, np.arange(1, count + 1)
    while rest.any():
        scale /= base
        value += scale * (rest % base)
        rest //= base
    return value


def _edge_row(height: float, count: int) -> Array:
    return np.stack([np.linspace(0, np.pi, count), np.full(count, height)], 1)


def _middle_lines(mouth_rim: Array) -> list[Array]:
    """Places along the middle of front and back, as far apart as `spacing` wants, without the mouth."""
    lines = []
    heights = np.linspace(FOOT, TOP, 3000)
    top, bottom = np.arctan(chart(mouth_rim[[0, -1]])[:, 1])
    for longitude in (0.0, np.pi):
        points = sculpt.cast(*ray(np.full(len(heights), longitude), heights))
        points[:, 0] = 0
        length = np.linalg.norm(np.diff(points, axis=0), axis=1) / spacing(points)[1:]
        parts = [(FOOT, bottom), (top, TOP)] if longitude == 0 else [(FOOT, TOP)]
        for low, high in parts:
            run = np.cumsum(np.where((heights[1:] > low) & (heights[1:] < high), length, 0))
            count = max(round(float(run[-1])), 1)
            at = np.interp(np.arange(1, count) * run[-1] / count, run, heights[1:])
            lines.append(np.stack([np.full(len(at), longitude), at], 1))
    return lines
