"""The skin as a mesh: rings round mouth and eye, a graded net over the rest, one half mirrored into the other.

The half is x >= 0, the subject's left. Rings have a fixed number of columns; everything else finds its own place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import delaunay, grid, inside, smooth, step
from voxface.head.lids import EYE_COLUMNS, eye_rings
from voxface.head.lips import BORDER, MOUTH_COLUMNS, mouth_rings
from voxface.head.sculpt import MOUTH_Y
from voxface.stream import Array


@dataclass(frozen=True, slots=True, eq=False)
class Shell:
    """The skin of both halves.

    points:    (vertices, 3) metres
    triangles: (triangles, 3) counter-clockwise seen from outside
    mirror:    (vertices,) the vertex opposite each
    eye:       (rings, columns) vertices round the left eye, from inside the lid outwards
    mouth:     (rings, columns) vertices round the left half of the mouth, from the bag's back outwards
    """

    points: Array
    triangles: Array
    mirror: Array
    eye: Array
    mouth: Array


def build_shell() -> Shell:
    eye, mouth = eye_rings(), mouth_rings()
    fixed = np.concatenate([eye.reshape(-1, 3), mouth.reshape(-1, 3)])
    eye_id = np.arange(eye[..., 0].size).reshape(eye.shape[:2])
    mouth_id = eye_id.size + np.arange(mouth[..., 0].size).reshape(mouth.shape[:2])
    free, chart_free = scatter(eye[-1], mouth[-1])
    rims = np.concatenate([eye_id[-1], mouth_id[-1]])
    net = np.concatenate([rims, len(fixed) + np.arange(len(free))])
    flat = np.concatenate([chart(fixed[rims]), chart_free])
    flat[[EYE_COLUMNS, EYE_COLUMNS + MOUTH_COLUMNS - 1], 0] = 0
    triangles = delaunay(flat)
    middle = flat[triangles].mean(1)
    hole = inside(middle, flat[:EYE_COLUMNS]) | inside(middle, flat[EYE_COLUMNS : len(rims)])
    a, b, c = (flat[triangles[:, i]] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    triangles = net[triangles[~hole & (np.abs(area) > 1e-6)]]
    rings = np.concatenate([_quads(eye_id, True)[:, ::-1], _quads(mouth_id, False)])
    points = np.concatenate([fixed, free])
    cap = np.array([[mouth_id[0, 11], mouth_id[0, i + 1], mouth_id[0, i]] for i in (*range(10), *range(12, 22))])
    cap = np.concatenate([cap, [[mouth_id[0, 11], mouth_id[0, 0], mouth_id[0, 22]]]])
    rings = np.concatenate([rings, cap])
    triangles = np.concatenate([rings, triangles, _crown(points, len(fixed), chart_free)])
    points = relax(points, triangles, len(fixed), eye_id, mouth_id)
    return _mirrored(points, triangles, eye_id, mouth_id)


def _quads(ids: Array, closed: bool) -> Array:
    return ids.ravel()[grid(ids.shape[0], ids.shape[1], closed=closed)]


def _crown(points: Array, first: int, flat: Array) -> Array:
    """A fan over the topmost row, to its member in the middle of the front."""
    row = np.flatnonzero(flat[:, 1] > flat[:, 1].max() - 1e-9)
    row = first + row[np.argsort(flat[row, 0])]
    return np.array([[row[0], row[i], row[i + 1]] for i in range(1, len(row) - 1)])


# -- the chart: longitude and a height, in which the net is triangulated ----------------------------------------------

CENTRE = np.array([0, 0.030, 0.0])
LOWEST, FOOT, TOP = -0.95, -2.40, 1.40  # heights: below LOWEST the rays' origin goes down the neck


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
    return np.where(
        height < LOWEST, np.sinh(0) + np.tan(LOWEST) + 2.2 * (height - LOWEST), np.tan(np.maximum(height, LOWEST))
    )


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
    jaw = (z > -0.025) & (x > 0.025) & (y < 0.01) & (y > -0.09)
    chin = np.sqrt(x**2 + ((y + 0.072) / 1.2) ** 2 + ((z - 0.085) / 2) ** 2)
    size = np.minimum(size, 0.0050 + 0.2 * np.maximum(chin - 0.018, 0))
    found: Array = np.clip(size, 0.0016, np.where(jaw, 0.0068, np.where(z > 0.0, 0.0085, 0.0140)))
    return found


def scatter(eye_rim: Array, mouth_rim: Array) -> tuple[Array, Array]:
    """Places of the free vertices of the half, as points and in the (stretched) chart: edges first, then the inside."""
    places = [_edge_row(TOP, 9), _edge_row(FOOT, 18), *_middle_lines(mouth_rim)]
    edge = np.concatenate(places)
    index = np.arange(1, 12000)
    longitude, height = np.pi * _halton(index, 2), FOOT + (TOP - FOOT) * _halton(index, 3)
    points = sculpt.cast(*ray(longitude, height))
    size = spacing(points)
    flat = np.stack([longitude, _mercator(height)], 1)
    keep = ~inside(flat, chart(eye_rim)) & ~inside(flat, chart(mouth_rim))
    keep &= ~_spoils(flat, np.roll(chart(eye_rim), 1, 0), chart(eye_rim)) & ~_spoils(
        flat, chart(mouth_rim)[1:], chart(mouth_rim)[:-1]
    )
    edge_points = sculpt.cast(*ray(edge[:, 0], edge[:, 1]))
    taken = np.concatenate([eye_rim, mouth_rim, edge_points])
    chosen = []
    buffer = np.empty((len(taken) + 4000, 3))
    buffer[: len(taken)] = taken
    count = len(taken)
    for i in np.flatnonzero(keep):
        if ((buffer[:count] - points[i]) ** 2).sum(1).min() > (0.86 * size[i]) ** 2:
            buffer[count] = points[i]
            count += 1
            chosen.append(i)
    edge_flat = np.stack([edge[:, 0], _mercator(edge[:, 1])], 1)
    return np.concatenate([edge_points, points[chosen]]), np.concatenate([edge_flat, flat[chosen]])


def _spoils(flat: Array, start: Array, end: Array) -> Array:
    """Which (n, 2) places would keep an edge out of the triangulation: those within the circle over it."""
    middle, radius = (start + end) / 2, np.linalg.norm(end - start, axis=1) / 2
    found: Array = (np.linalg.norm(flat[:, None] - middle, axis=2) < 1.05 * radius).any(1)
    return found


def _halton(index: Array, base: int) -> Array:
    """Van der Corput's sequence: evenly spread numbers in (0, 1) without chance."""
    value, scale, rest = np.zeros(len(index)), 1.0, index.copy()
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
    heights = np.linspace(FOOT, TOP, 6000)
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


def relax(points: Array, triangles: Array, fixed: int, eye: Array, mouth: Array) -> Array:
    """Let free vertices slide on the skin to the middle of their neighbours; rims of rings stay."""
    free = np.ones(len(points), bool)
    free[:fixed] = False
    free[eye[7:]] = True
    free[eye[6:, 15:26]] = True  # beside the nose the rings crowd
    free[mouth[BORDER + 3 :]] = True
    front = free & (np.abs(points[:, 0]) < 1e-9)
    still = free & (points[:, 1] < points[free, 1].min() + 0.004)
    foot = points[:, 1] < -0.145
    free &= ~(foot & still)
    crown = points[:, 1] > 0.13
    for _ in range(30):
        near = smooth(points, triangles)
        target = np.where((free & ~crown)[:, None], 0.5 * points + 0.5 * near, points)
        target[front, 0] = 0
        moving = free & ~crown
        target[moving] = sculpt.settle(target[moving], 1)
        target[front, 0] = 0
        points = target
    return points


def _mirrored(points: Array, triangles: Array, eye: Array, mouth: Array) -> Shell:
    """Both halves as one mesh; vertices in the middle are shared."""
    middle = np.abs(points[:, 0]) < 1e-7
    points = np.where(middle[:, None] & (np.arange(3) == 0), 0.0, points)
    other = np.where(middle, np.arange(len(points)), 0)
    other[~middle] = len(points) + np.arange((~middle).sum())
    whole = np.concatenate([points, points[~middle] * [-1, 1, 1]])
    mirror = np.empty(len(whole), int)
    mirror[: len(points)] = other
    mirror[len(points) :] = np.flatnonzero(~middle)
    return Shell(whole, np.concatenate([triangles, other[triangles[:, ::-1]]]), mirror, eye, mouth)
