"""The skin as a mesh: rings round mouth and eye, a graded net over the rest, one half mirrored into the other.

The half is x >= 0, the subject's left. Rings have a fixed number of columns; everything else finds its own place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import delaunay, grid, inside, smooth, step
from voxface.head.sculpt import EYE, EYE_RADIUS, LID_RADIUS, MOUTH_Y
from voxface.stream import Array

EYE_COLUMNS = 40
EYE_RINGS = 11  # from inside the lid (0, 1), its edge (2, 3), to the bone
MOUTH_COLUMNS = 23  # of one half: 0 in the middle of the upper lip, 11 the corner, 22 in the middle of the lower lip
MOUTH_RINGS = 14
BAG = 4  # mouth rings before the line where the lips touch (ring BAG)
BORDER = 8  # the ring at the border of the red


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
    cap = np.array([[mouth_id[0, 11], mouth_id[0, i + 1], mouth_id[0, i]] for i in (*range(10), *range(11, 22))])
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
LOWEST, FOOT, TOP = -0.95, -2.55, 1.40  # heights: below LOWEST the rays' origin goes down the neck


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
    free[eye[5:, 15:26]] = True  # beside the nose the rings crowd
    free[mouth[BORDER + 3 :]] = True
    front = free & (np.abs(points[:, 0]) < 1e-9)
    still = free & (points[:, 1] < points[free, 1].min() + 0.004)
    foot = points[:, 1] < -0.165
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


# -- rings round the eye ----------------------------------------------------------------------------------------------

TURN = 0.10  # the eye opening looks this much outwards, radians


def lid_line(s: Array, upper: Array) -> Array:
    """Elevation, radians, of the lid's edge at s in [-1, 1] (inner to outer corner) seen from the eyeball's centre."""
    s = np.clip(s, -1, 1)
    tilt = 0.035 * s
    top = 0.395 * (1 - np.abs(s + 0.06 * (1 - s * s)) ** 2.3) ** 0.85
    low = -0.415 * (1 - np.abs(s - 0.10 * (1 - s * s)) ** 2.2) ** 0.90
    found: Array = np.where(upper, top, low) + tilt - 0.02
    return found


OPENING = 0.86  # azimuth of the corners, radians


def eye_rings() -> Array:
    """(EYE_RINGS, EYE_COLUMNS, 3) of the left eye; column 0 is the outer corner, then over the upper lid."""
    t = 2 * np.pi * np.arange(EYE_COLUMNS) / EYE_COLUMNS
    s = np.cos(t) * (1 + 0.10 * np.sin(t) ** 2)
    s = np.clip(s, -1, 1)
    edge = np.stack([TURN + OPENING * s, lid_line(s, np.sin(t) >= 0)], 1)
    outwards = np.stack([np.cos(t) * 0.85, np.sin(t)], 1)
    rings = [
        _on_ball(edge + 0.22 * outwards, EYE_RADIUS + 0.0004),
        _on_ball(edge + 0.06 * outwards, EYE_RADIUS + 0.0002),
        _on_ball(edge - 0.004 * outwards, EYE_RADIUS + 0.0003),
        _on_ball(edge, LID_RADIUS - 0.0002),
    ]
    grow = [0.045, 0.11, 0.19, 0.28, 0.38, 0.49, 0.60]
    for g in grow:
        side = np.where(np.cos(t) >= 0, 1.0, 1 + 0.40 * np.cos(t))
        far = edge + g * np.stack([np.cos(t) * side, np.sin(t) * 1.05], 1)
        rings.append(_beside(far, g))
    inwards = EYE - rings[6]
    fold = np.clip(np.sin(t), 0, 1) ** 0.6 * (np.abs(s) < 0.97)
    rings[6] = rings[6] + inwards / np.linalg.norm(inwards, axis=1, keepdims=True) * (0.0011 * fold)[:, None]
    return np.stack(rings)


def _direction(angles: Array) -> Array:
    azimuth, elevation = angles.T
    flat = np.cos(elevation)
    return np.stack([flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)], 1)


def _on_ball(angles: Array, radius: float) -> Array:
    return EYE + radius * _direction(angles)


def _beside(angles: Array, grow: float) -> Array:
    """On the skin, near the eyeball's direction `angles`, but not across the ridge of the nose."""
    near = EYE + (LID_RADIUS + 0.010 * grow) * _direction(np.clip(angles, -1.45, 1.45))
    near[:, 0] = 0.0070 + 0.003 * np.logaddexp(0, (near[:, 0] - 0.0070) / 0.003)
    return sculpt.settle(near, 8)


# -- rings round the mouth --------------------------------------------------------------------------------------------

HALF_WIDTH = 0.0250


def slit(x: Array) -> Array:
    """Height of the line between closed lips at x >= 0: a soft bow, corners slightly up."""
    q = x / HALF_WIDTH
    return (
        MOUTH_Y
        + 0.0033 * step(0.45, 1.0, q) * q
        - 0.0010 * np.exp(-((q / 0.22) ** 2))
        + 0.0006 * np.exp(-(((q - 0.5) / 0.25) ** 2))
    )


def mouth_rings() -> Array:
    """(MOUTH_RINGS, MOUTH_COLUMNS, 3): the bag from its back to the lips' line, the red, and the skin round it."""
    j = np.arange(MOUTH_COLUMNS)
    a = np.pi * j / (MOUTH_COLUMNS - 1)  # 0 up, pi / 2 at the corner, pi down
    upper = j <= 11
    x = HALF_WIDTH * np.sin(a) ** 0.92
    q = x / HALF_WIDTH
    line = np.stack([x, slit(x)], 1)
    out = np.stack([np.sin(a) * q**2.5, np.cos(a)], 1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    fade = np.sqrt(np.clip(1 - q**2.2, 0, 1))
    bow = 1 - 0.16 * np.exp(-((q / 0.13) ** 2)) + 0.10 * np.exp(-(((q - 0.26) / 0.16) ** 2))
    red = np.where(upper, 0.0072 * bow, 0.0092 * (1 - 0.1 * q**2)) * fade * np.where(upper, 1 - 0.25 * q, 1) + 0.0007
    full = (0.25 + 0.75 * fade) * np.where(upper, 0.0034, 0.0044)
    rings = []
    for share, bulge in ((0.0, -0.55), (0.10, 0.28), (0.38, 0.92), (0.72, 0.85), (1.0, 0.30)):
        rings.append(
            _lip(line + out * (red * share)[:, None], bulge * full if share else -0.0021 * (0.25 + 0.75 * fade))
        )
    for distance, bulge in ((0.0020, 0.06), (0.0050, 0.0), (0.0090, 0.0), (0.0140, 0.0), (0.0200, 0.0)):
        spread = np.where(upper, 0.62, 0.95) * (1 - np.abs(np.sin(a))) + 0.95 * np.abs(np.sin(a))
        rings.append(_lip(line + out * (red + distance * spread)[:, None], bulge * full))
    return np.concatenate([_bag(rings[0], upper, q), np.stack(rings)])


def _lip(xy: Array, bulge: Array) -> Array:
    """Points in front of the muzzle at (x, y), raised by `bulge` metres along its soft normal."""
    origin = np.column_stack([0.72 * xy[:, 0], xy[:, 1], np.full(len(xy), 0.055)])
    aim = np.column_stack([xy[:, 0], xy[:, 1], np.full(len(xy), 0.088)]) - origin
    aim /= np.linalg.norm(aim, axis=1, keepdims=True)
    skin = sculpt.cast(origin, aim, 0.07)
    found: Array = skin + aim * bulge[:, None]
    return found


def _bag(lips: Array, upper: Array, q: Array) -> Array:
    """The inside of the mouth, from its back to just behind the lips."""
    side = np.where(upper, 1.0, -1.0)
    fade = np.sqrt(np.clip(1 - q**4, 0, 1))
    middle = lips.copy()
    middle[:, 1] = MOUTH_Y
    rings = []
    for back, height, width in (
        (0.056, 0.004, 0.35),
        (0.040, 0.014, 0.85),
        (0.013, 0.0145, 0.98),
        (0.004, 0.0016, 0.99),
    ):
        ring = lips - np.column_stack([0 * q, 0 * q, back + np.where(upper | (back < 0.01), 0, 0.003)])
        ring[:, 1] = (lips[:, 1] if back < 0.01 else MOUTH_Y) + side * height * np.where(upper, 1.0, 0.72) * (
            fade + (0.15 if back > 0.01 else 0)
        )
        ring[:, 0] *= width
        rings.append(ring)
    return np.stack(rings)
