"""A small rig: hinge of the jaw, lids on the eyeball, soft fields of brows, cheeks, nose and lips.

Every function gives displacements (n, 3) in metres of points (n, 3) at rest, for a control at 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voxface.head.geometry import bump, step
from voxface.head.lids import EYE_COLUMNS, direction, lid_columns, lid_line
from voxface.head.lips import BAG, BORDER, CORNER_COLUMN, HALF_WIDTH, MOUTH_COLUMNS, MOUTH_RINGS, slit
from voxface.head.sculpt import EYE
from voxface.head.shell import Shell
from voxface.stream import Array

HINGE = np.array([0.0, 0.004, 0.010])  # metres: where the jaw turns
JAW = np.radians(20.0)  # how far
GLIDE = 0.0090  # metres: an open jaw has slid forwards
CORNER = np.array([0.0255, -0.0345, 0.0840])  # metres: the left corner of the mouth
CORNER_DROP = 0.40  # how far the corners of the mouth go with the jaw
NARROWER = 0.0048  # metres: how far they come towards the middle
ARCHED = 0.95, 0.46  # of the upper and the lower lip of an open mouth: 0.5 is an ellipse, 1 a parabola
SOFTEST = 0.027  # metres: half of the zone between what turns with the jaw and what does not
UPPER_SHARE = 0.25  # of the way the upper lip comes down to close a mouth whose jaw is open
LID_SHARE = (1.0, 1.0, 1.0, 1.0, 0.95, 0.84, 0.64, 0.40, 0.18, 0.05, 0.0)
"""How far each ring round the eye goes with the lid's edge."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where vertices are on the face, besides their position.

    points:     (vertices, 3) metres
    lid_column: (vertices,) column of the eye's rings or -1
    lid_share:  (vertices,) how far it goes with the lid, 0 to 1
    lip_ring:   (vertices,) of the mouth's rings or -1
    lip_column: (vertices,) of the mouth's rings or -1
    jaw:        (vertices,) how far it turns with the jaw, 0 to 1
    """

    points: Array
    lid_column: Array
    lid_share: Array
    lip_ring: Array
    lip_column: Array
    jaw: Array


Field = Callable[[Places], Array]
"""What a target does to places: displacements (n, 3), metres."""


def skin_places(shell: Shell) -> Places:
    """Of the left half's rings and all free vertices; the right half is mirrored from the left later."""
    n = len(shell.points)
    lid_column, lid_share = np.full(n, -1), np.zeros(n)
    for ring, share in enumerate(LID_SHARE):
        lid_column[shell.eye[ring]], lid_share[shell.eye[ring]] = np.arange(EYE_COLUMNS), share
    lip_ring, lip_column = np.full(n, -1), np.full(n, -1)
    for ids in (shell.mouth, shell.mirror[shell.mouth]):
        lip_ring[ids] = np.arange(MOUTH_RINGS)[:, None]
        lip_column[ids] = np.arange(MOUTH_COLUMNS)
    return Places(shell.points, lid_column, lid_share, lip_ring, lip_column, _jaw(shell.points, lip_ring, lip_column))


def loose_places(points: Array, jaw: float | Array = 0.0) -> Places:
    """Of a piece that is not skin: it hangs on the jaw by `jaw`, 0 to 1."""
    count = len(points)
    none = np.full(count, -1)
    return Places(points, none, np.zeros(count), none, none, np.broadcast_to(np.asarray(jaw, float), (count,)))


def _jaw(p: Array, ring: Array, column: Array) -> Array:
    """How far skin turns with the jaw: below a line from ear to mouth, by columns on the lips themselves."""
    line = np.interp(p[:, 2], [-0.01, 0.015, 0.083, 0.1], [0.005, -0.004, CORNER[1], CORNER[1]])
    beyond = np.hypot(np.maximum(np.abs(p[:, 0]) - HALF_WIDTH, 0), np.maximum(0.085 - p[:, 2], 0))
    soft = np.minimum(0.011 + 0.45 * beyond, SOFTEST)
    field = step(1, -1, (p[:, 1] - line) / soft)
    field = field * step(-0.012, 0.040, p[:, 2] + 0.25 * (p[:, 1] + 0.05)) * step(-0.135, -0.088, p[:, 1])
    inner = 1 - np.minimum(np.abs(p[:, 0]) / HALF_WIDTH, 1) ** 2
    upper, lower = CORNER_DROP * (1 - inner ** ARCHED[0]), CORNER_DROP + (1 - CORNER_DROP) * inner ** ARCHED[1]
    lips = np.where(column <= CORNER_COLUMN, upper, lower)
    skin = np.where(ring < 0, 1.0, step(BORDER + 1, MOUTH_RINGS - 0.5, ring))
    found: Array = lips + (field - lips) * skin
    return found


# -- jaw --------------------------------------------------------------------------------------------------------------


def turned(points: Array, angle: Array) -> Array:
    """Displacement by turning about the hinge, opening the mouth."""
    d = points - HINGE
    c, s = np.cos(angle), np.sin(angle)
    glide = GLIDE * angle / JAW
    return np.stack(
        [0 * s * d[:, 0], c * d[:, 1] - s * d[:, 2] - d[:, 1], s * d[:, 1] + c * d[:, 2] - d[:, 2] + glide], 1
    )


def jaw_turn(at: Places) -> Array:
    """What is fixed to the jaw turns with it."""
    return turned(at.points, JAW * at.jaw)


def jaw_open(at: Places) -> Array:
    """The jaw turns, and the corners of the mouth come towards the middle."""
    folded = np.column_stack([np.abs(at.points[:, 0]), at.points[:, 1:]])
    inwards = bump(folded, CORNER, (0.016, 0.020, 0.030)) * np.sign(at.points[:, 0])
    return jaw_turn(at) - vector(inwards, NARROWER, 0, 0)


def mouth_close(at: Places) -> Array:
    """The lips meet again although the jaw is open: each part of them goes to a common height."""
    line = at.points[(at.lip_ring == BAG) & (at.lip_column <= CORNER_COLUMN) & (at.points[:, 0] >= 0)]
    line = line[np.argsort(line[:, 0])]
    x = np.minimum(np.abs(at.points[:, 0]), line[-1, 0])
    contact = np.column_stack([x, np.interp(x, line[:, 0], line[:, 1]), np.interp(x, line[:, 0], line[:, 2])])
    far = 0.048 - 0.013 * upness(at)
    near = (1 - step(0.006, far, lip_distance(at.points))) * step(0.015, 0.072, at.points[:, 2])
    inside = np.interp(at.lip_ring, [-1, 0, 1, 2, 3, BAG], [1, 0, 0, 0.6, 0.97, 1])
    near = np.where((at.lip_ring >= 0) & (at.lip_ring <= BAG), inside, near)
    meet = turned(contact, np.full(len(x), JAW)) * [0, UPPER_SHARE, 0.5 * UPPER_SHARE]
    found: Array = near[:, None] * (meet - turned(contact, JAW * at.jaw))
    return found


def lip_distance(points: Array) -> Array:
    """Distance in the face's plane from the line between the lips, metres."""
    x = np.abs(points[:, 0])
    found: Array = np.hypot(np.maximum(x - HALF_WIDTH, 0), points[:, 1] - slit(np.minimum(x, HALF_WIDTH)))
    return found


def front(points: Array) -> Array:
    """1 on the front of the face, 0 from the cheeks backwards."""
    return step(0.045, 0.075, points[:, 2])


# -- lids -------------------------------------------------------------------------------------------------------------


def lids(
    at: Places, upper: float, lower: float, sideways: float = 0.0, close: float = 0.0, swell: float = 0.0
) -> Array:
    """Lids of the left eye turn about the eyeball.

    upper, lower: radians up. sideways: both, radians outwards. close: how far they close, 0 to 1.
    swell: metres by which the upper lid comes forward, so that it lies over the lower one.
    """
    turn, s = lid_columns(at.lid_column)
    is_upper, is_lower = np.sin(turn) > 1e-6, np.sin(turn) < -1e-6
    top, low = lid_line(s, True), lid_line(s, False)
    meet = low + 0.12 * (top - low) - 0.012
    middle = np.sqrt(np.clip(1 - np.abs(s) ** 3, 0, 1))  # the corners of the eye stay
    lift = is_upper * (close * (meet - top) + upper * middle) + is_lower * (close * (meet - low) + lower * middle)
    away = at.points - EYE
    radius = np.linalg.norm(away, axis=1)
    elevation = np.arcsin(away[:, 1] / radius) + at.lid_share * lift
    azimuth = np.arctan2(away[:, 0], away[:, 2]) + at.lid_share * sideways * middle
    radius = radius + swell * at.lid_share * middle * is_upper
    new = EYE + radius[:, None] * direction(azimuth, elevation)
    return np.where((at.lid_column >= 0)[:, None], new - at.points, 0.0)


def rolled(points: Array, down: float, out: float) -> Array:
    """Displacement of the left eyeball turned down and outwards (radians)."""
    d = points - EYE
    c, s = np.cos(down), np.sin(down)
    y, z = c * d[:, 1] - s * d[:, 2], s * d[:, 1] + c * d[:, 2]
    c, s = np.cos(out), np.sin(out)
    found: Array = np.stack([c * d[:, 0] + s * z, y, -s * d[:, 0] + c * z], 1) - d
    return found


# -- lips -------------------------------------------------------------------------------------------------------------


def upness(at: Places) -> Array:
    """1 on the upper lip and above, 0 on the lower and below, between at the corners."""
    field = step(-0.006, 0.006, at.points[:, 1] - slit(np.minimum(np.abs(at.points[:, 0]), HALF_WIDTH)))
    return np.where(at.lip_ring >= 0, 1 - step(8.5, 13.5, at.lip_column), field)


def near_lips(at: Places, full: float, none: float) -> Array:
    """1 within `full` metres of the line between the lips, 0 beyond `none`; fading into the mouth."""
    near = (1 - step(full, none, lip_distance(at.points))) * front(at.points)
    inside = np.interp(at.lip_ring, [0, 1, 2, 3, BAG], [0, 0.05, 0.7, 0.93, 1])
    return np.where((at.lip_ring >= 0) & (at.lip_ring <= BAG), inside, near)


def left(points: Array) -> Array:
    """1 on the left half, 0 on the right one; both sides of a face add up to 1 everywhere."""
    return step(-0.011, 0.011, points[:, 0])


def towards_line(at: Places) -> Array:
    """Way in the face's plane from a place on the red to the line between the lips, (n, 3); 0 elsewhere."""
    x = np.abs(at.points[:, 0])
    dy = slit(np.minimum(x, HALF_WIDTH)) - at.points[:, 1]
    share = np.interp(at.lip_ring, [BAG, BAG + 1, BORDER, BORDER + 2, MOUTH_RINGS - 1], [0, 1, 1, 0.55, 0])
    share = np.where(at.lip_ring < BAG, 0, share)
    return np.stack([0 * x, dy * share, 0 * x], 1)


def vector(amount: Array, x: float, y: float, z: float) -> Array:
    """(n, 3): the vector (x, y, z), metres, by an amount (n,)."""
    found: Array = np.asarray(amount)[:, None] * np.array([x, y, z])
    return found
