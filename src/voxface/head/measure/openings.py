"""The two openings of a face, measured as they are seen: the lips' gap and what the lids leave of the eyeballs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.errors import HeadError
from voxface.head.head import PARTS, Head
from voxface.head.measure.shape import Shape, look, shape
from voxface.stream import Array

STEP = 0.0001  # metres between rays at the lips
EYE_STEP, MOUTH_STEP = 0.0003, 0.0007


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Where things are in a head, found by rays and by its parts. Metres.

    eyes:   (2, 3) centres of the eyeballs, the subject's right one first
    radius: of an eyeball
    mouth:  (3,) where the lips meet, in the middle
    corner: half the width of the open mouth
    chin:   height of the lowest point of the face's front
    top:    height of the highest point
    """

    eyes: Array
    radius: float
    mouth: Array
    corner: float
    chin: float
    top: float

    @property
    def height(self) -> float:
        """From chin to top."""
        return self.top - self.chin


def landmarks(head: Head) -> Landmarks:
    """Raises: HeadError: nothing opens under jawOpen, or there are no two eyes."""
    if missing := set(PARTS[:3]) - {part.name for part in head.parts}:
        raise HeadError(f"the head has no part {', '.join(sorted(missing))}.")
    rest, open_ = shape(head, {}), shape(head, {"jawOpen": 1})
    balls = rest.part("eyes")
    sides = [balls[balls[:, 0] < 0], balls[balls[:, 0] > 0]]
    if not all(map(len, sides)):
        raise HeadError("the head has no eyes on both sides.", hint="Part `eyes` must hold two eyeballs.")
    eyes = np.array([(side.min(0) + side.max(0)) / 2 for side in sides])
    radius = float((sides[0].max(0) - sides[0].min(0))[:2].max() / 2)
    inside = rest.part("mouth")
    middle = (inside.min(0) + inside.max(0)) / 2
    seen = look(open_, middle, (0.04, 0.05), 0.0005)
    rows, columns = np.nonzero(seen.owner == open_.of("mouth"))
    if not len(rows):
        raise HeadError("nothing of the mouth is seen with jawOpen at 1.", hint="jawOpen must part the lips.")
    centre = seen.owner.shape[1] // 2
    line = rows[np.abs(columns - centre) < 4].max() if (np.abs(columns - centre) < 4).any() else rows.max()
    corner = float(np.abs((columns - centre) * seen.step).max())
    skin = rest.part("skin")
    front = skin[(np.abs(skin[:, 0]) < 0.01) & (skin[:, 1] < seen.y(line)) & (skin[:, 1] > seen.y(line) - 0.07)]
    lips = float(skin[(np.abs(skin[:, 1] - seen.y(line)) < 0.01) & (np.abs(skin[:, 0]) < 0.01), 2].max())
    chin = float(front[front[:, 2] > lips - 0.03, 1].min())
    return Landmarks(eyes, radius, np.array([0, seen.y(line), lips]), corner, chin, float(rest.points[:, 1].max()))


def lip_gap(shape: Shape, at: Landmarks) -> float:
    """Height of the opening between the lips around the middle line, metres, seen from the front: the longest stretch
    without skin that has skin above and below it."""
    picture = look(shape, at.mouth - (0, 0.015, 0), (0.002, 0.05), STEP)
    return max(_longest(column) for column in (picture.owner != shape.of("skin")).T) * STEP


def _longest(column: Array) -> int:
    """The longest run of true values that ends before both ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[column[0]], column]).astype(np.int8)))
    edges = edges[1:] if column[0] else edges
    return int((edges[1::2] - edges[: len(edges) // 2 * 2 : 2]).max(initial=0))


@dataclass(frozen=True, slots=True)
class EyeSeen:
    """What is seen of both eyeballs together.

    area:   square metres of eyeball
    broken: square metres of eyeball in pieces of their own: an eyeball that comes through a lid
    """

    area: float
    broken: float


def eyes_seen(shape: Shape, at: Landmarks, yaw_deg: float = 0) -> EyeSeen:
    """Both eyes from one direction."""
    area = broken = 0
    for eye in at.eyes:
        half = at.radius * 1.3
        seen = look(shape, eye, (half, half), EYE_STEP, yaw_deg).owner == shape.of("eyes")
        area += int(seen.sum())
        broken += sum(int(column.sum()) - _longest(column) for column in seen.T)
    return EyeSeen(area * EYE_STEP**2, broken * EYE_STEP**2)


def mouth_seen(shape: Shape, at: Landmarks, yaw_deg: float, pitch_deg: float = 0) -> float:
    """Square metres of teeth, tongue and mouth seen from a direction: none while the lips are shut."""
    centre = at.mouth - (0, 0, 0.03)
    picture = look(shape, centre, (0.07, 0.06), MOUTH_STEP, yaw_deg, pitch_deg)
    return float((picture.owner == shape.of("mouth")).sum() * MOUTH_STEP**2)
