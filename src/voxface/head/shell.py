"""The skin as a mesh: rings round mouth and eye, a graded net over the rest, one half mirrored into the other.

The half is x >= 0, the subject's left. Rings have a fixed number of columns; everything else finds its own place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import grid, smooth
from voxface.head.lids import eye_rings
from voxface.head.lips import BORDER, mouth_rings
from voxface.head.net import scatter
from voxface.stream import Array

CROWN = 0.130  # metres: what is higher keeps its place, under the hair
RELAXINGS = 30


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
    """The skin at rest; the same numbers every time."""
    eye, mouth = eye_rings(), mouth_rings()
    fixed = np.concatenate([eye.reshape(-1, 3), mouth.reshape(-1, 3)])
    eye_id = np.arange(eye[..., 0].size).reshape(eye.shape[:2])
    mouth_id = eye_id.size + np.arange(mouth[..., 0].size).reshape(mouth.shape[:2])
    net = scatter(eye[-1], mouth[-1])
    place = np.concatenate([eye_id[-1], mouth_id[-1], len(fixed) + np.arange(len(net.points))])
    rings = [_quads(eye_id, True)[:, ::-1], _quads(mouth_id, False), _cap(mouth_id[0])]
    triangles = np.concatenate([*rings, place[net.triangles], len(fixed) + net.crown])
    points = relax(np.concatenate([fixed, net.points]), triangles, len(fixed), eye_id, mouth_id)
    return _mirrored(points, triangles, eye_id, mouth_id)


def _quads(ids: Array, closed: bool) -> Array:
    return ids.ravel()[grid(ids.shape[0], ids.shape[1], closed=closed)]


def _cap(ring: Array) -> Array:
    """A fan from the corner that closes the half of the bag at its back."""
    corner = len(ring) // 2
    fan = [[ring[corner], ring[i + 1], ring[i]] for i in range(len(ring) - 1) if i not in (corner - 1, corner)]
    return np.array([*fan, [ring[corner], ring[0], ring[-1]]])


def relax(points: Array, triangles: Array, fixed: int, eye: Array, mouth: Array) -> Array:
    """Let vertices slide on the skin to the middle of their neighbours; the `fixed` first ones, the rings, stay where
    they are, but for their outer rings. So do the crown and the foot of the neck."""
    free = np.ones(len(points), bool)
    free[:fixed] = False
    free[eye[7:]] = True
    free[eye[6:, 15:26]] = True  # beside the nose the rings crowd
    free[mouth[BORDER + 3 :]] = True
    middle = free & (np.abs(points[:, 0]) < 1e-9)
    free &= (points[:, 1] < CROWN) & (points[:, 1] > points[:, 1].min() + 0.004)
    for _ in range(RELAXINGS):
        target = points.copy()
        target[free] = (0.5 * points + 0.5 * smooth(points, triangles))[free]
        target[middle, 0] = 0
        target[free] = sculpt.settle(target[free], 1)
        target[middle, 0] = 0
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
