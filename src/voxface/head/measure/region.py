"""Where each target may move a face: boxes around eyes, brows, nose, cheeks, mouth and jaw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.head.head import Head
from voxface.head.measure.openings import Landmarks
from voxface.stream import Array

STILL = 0.0001  # metres: less is no movement


@dataclass(frozen=True, slots=True)
class Box:
    """A region in units of the face: x in half distances of the eyes (positive: the subject's left), y from 0 at the
    lips to 1 at the eyes, z in metres from the lips."""

    x: tuple[float, float]
    y: tuple[float, float]
    z: tuple[float, float] = (-0.09, 0.05)


_BOXES = {
    "brow": Box((-2.6, 2.6), (0.85, 2.3)),
    "eyeLook": Box((-2.2, 2.2), (0.5, 1.6)),
    "eye": Box((-2.2, 2.2), (0.35, 1.7)),
    "cheekSquint": Box((-2.6, 2.6), (0.1, 1.35)),
    "cheekPuff": Box((-2.8, 2.8), (-0.9, 0.95)),
    "jaw": Box((-3.0, 3.0), (-2.0, 0.9), (-0.14, 0.05)),
    "mouthClose": Box((-2.2, 2.2), (-1.2, 0.6)),
    "mouth": Box((-2.6, 2.6), (-1.6, 1.0)),
    "nose": Box((-1.5, 1.5), (-0.1, 1.5)),
    "tongue": Box((-1.5, 1.5), (-1.3, 0.5), (-0.09, 0.09)),
    "viseme": Box((-3.0, 3.0), (-2.0, 1.0), (-0.14, 0.09)),
}
"""By the longest beginning of a target's name."""

_ACROSS = {"mouth": 0.6, "nose": 0.4, "cheek": 0.3, "brow": 0.35, "eye": 0.0}
"""How far over the middle a target of one side may reach, in half distances of the eyes: lips are one piece."""


def box_of(target: str) -> Box | None:
    """None: no region is known for such a name."""
    return _BOXES.get(max((start for start in _BOXES if target.startswith(start)), key=len, default=""))


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """How far a target moves something at most (metres): anywhere, outside its region, and where that is."""

    most: float
    outside: float
    where: Array


def reach(head: Head, at: Landmarks) -> dict[str, Reach]:
    """For every target of a known name."""
    points = np.concatenate([part.positions for part in head.parts]).astype(np.float64)
    found = {}
    for row, name in enumerate(head.targets):
        box = box_of(name)
        if box is None:
            continue
        lengths = np.concatenate([np.linalg.norm(part.moves[row], axis=1) for part in head.parts])
        outside = np.where(_inside(points, at, name, box), 0, lengths)
        found[name] = Reach(float(lengths.max()), float(outside.max()), points[outside.argmax()])
    return found


def _inside(points: Array, at: Landmarks, target: str, box: Box) -> Array:
    """Which points lie in a target's region, (points,) bool."""
    eye = at.eyes[1]
    x = points[:, 0] / eye[0]
    y = (points[:, 1] - at.mouth[1]) / (eye[1] - at.mouth[1])
    z = points[:, 2] - at.mouth[2]
    low, high = box.x
    across = next((width for start, width in _ACROSS.items() if target.startswith(start)), 9.0)
    if target.endswith("Left") and not target.startswith(("jaw", "mouthLeft")):
        low = max(low, -across)
    if target.endswith("Right") and not target.startswith(("jaw", "mouthRight")):
        high = min(high, across)
    sides = ((x, (low, high)), (y, box.y), (z, box.z))
    found: Array = np.all([(least <= axis) & (axis <= most) for axis, (least, most) in sides], 0)
    return found
