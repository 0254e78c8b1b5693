"""Faces in a picture: the boxes that MediaPipe's short-range detector sees."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from voxface.capture.light.cut import made_small
from voxface.capture.light.nets import Net
from voxface.capture.light.region import ROOM, Region, eye_angle
from voxface.stream import Array

SIZE = 128  # pixels of a side of what the network sees
_SURE = 0.5  # a box counts from this probability
_SAME = 0.5  # boxes that overlap more (intersection over union) are one face
_CELLS = ((16, 2), (8, 6))  # grids laid over the picture: cells of a side, boxes of each cell


class Seen(NamedTuple):
    """A face that was detected, in pixels. eyes: (2, 2), left in the picture first."""

    left: float
    top: float
    width: float
    height: float
    eyes: Array

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.left + self.width and self.top <= y <= self.top + self.height

    def region(self) -> Region:
        """Where its landmarks are to be looked for."""
        x, y = self.left + self.width / 2, self.top + self.height / 2
        return Region(x, y, ROOM * self.width, ROOM * self.height, eye_angle(*self.eyes))


def find_faces(net: Net, rgb: Array) -> list[Seen]:
    """The faces in a (height, width, 3) uint8 picture, the widest first."""
    boxes, scores = net(made_small(rgb, SIZE))
    probability = 1 / (1 + np.exp(-np.clip(scores[0, :, 0], -80, 80)))
    sure = probability >= _SURE
    faces = _merged(_decoded(boxes[0, sure], _anchors()[sure]), probability[sure])
    height, width = rgb.shape[:2]
    side = max(height, width)
    edge = np.array([(side - width) / 2, (side - height) / 2])
    found = []
    for corners in faces:
        (left, top), (right, bottom), *eyes = corners * side - edge
        found.append(Seen(float(left), float(top), float(right - left), float(bottom - top), np.array(eyes)))
    return sorted(found, key=lambda face: -face.width)


@lru_cache  # shared, so nothing may write into it
def _anchors() -> Array:
    """(896, 2) x, y in [0, 1]: the centre that each box of the network is told from."""
    centres = []
    for cells, boxes in _CELLS:
        y, x = np.divmod(np.arange(cells * cells), cells)
        centres.append(np.repeat((np.stack([x, y], axis=1) + 0.5) / cells, boxes, axis=0))
    anchors = np.concatenate(centres).astype(np.float32)
    anchors.flags.writeable = False
    return anchors


def _decoded(boxes: Array, anchors: Array) -> Array:
    """(n, 16) of the network -> (n, 4, 2) in [0, 1]: left top, right bottom, one eye, the other."""
    values = boxes.reshape(-1, 8, 2)[:, :4] / np.float32(SIZE)  # centre, size, eyes; other points are not needed
    centre, half = anchors + values[:, 0], values[:, 1] / 2
    return np.stack([centre - half, centre + half, anchors + values[:, 2], anchors + values[:, 3]], axis=1)


def _merged(boxes: Array, scores: Array) -> list[Array]:
    """One (4, 2) per face: boxes that overlap the surest one are averaged with it, weighted by their scores."""
    order = np.argsort(-scores, kind="stable")
    faces = []
    while len(order):
        same = _overlap(boxes[order], boxes[order[0]]) > _SAME
        same[0] = True
        faces.append(np.average(boxes[order[same]], axis=0, weights=scores[order[same]]))
        order = order[~same]
    return faces


def _overlap(boxes: Array, box: Array) -> Array:
    """(n,) intersection over union of (n, 4, 2) boxes with one (4, 2) box."""
    inside = np.clip(np.minimum(boxes[:, 1], box[1]) - np.maximum(boxes[:, 0], box[0]), 0, None).prod(axis=1)
    areas, area = (boxes[:, 1] - boxes[:, 0]).prod(axis=1), (box[1] - box[0]).prod()
    union: Array = np.maximum(areas + area - inside, 1e-9)
    result: Array = inside / union
    return result
