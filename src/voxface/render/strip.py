"""Faces at moments of a clip, for strips and sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from voxface.face.clip import FaceClip
from voxface.head.head import Head
from voxface.head.shipped import load_head
from voxface.render.panels import Strip
from voxface.render.pictures import faces, painter, sheet
from voxface.render.scene import view_named
from voxface.stream import Array

Phones = Sequence[tuple[float, float, str]]
"""(start_s, end_s, label) each; a silence has no label."""

_BETWEEN = 3  # pixels between rows
_FACE_M, _FACE_AT = 0.275, (0.0, 0.012, 0.0)  # from crown to chin: small pictures have no room for shoulders

PAPER = "#e9edf2"
"""Behind faces that stand on a page."""


def faces_at(
    clip: FaceClip,
    times_s: Sequence[float],
    size: tuple[int, int],
    camera: str = "front",
    head: Head | None = None,
    paper: str = PAPER,
) -> list[Array]:
    """Pictures of a face at moments of a clip: (height, width, 3) uint8 each.

    Args:
        size: (width, height) in pixels.
        head: None: the one that comes with voxface.
        paper: colour behind it, #rrggbb.
    """
    head = head or load_head()
    view = view_named(camera, "studio", size, paper)
    if view.camera.height_m > _FACE_M:
        view = replace(view, camera=replace(view.camera, height_m=_FACE_M, at=_FACE_AT))
    drawn = painter(head, view)
    return [drawn.paint(*one) for one in faces(head, clip, np.array(times_s, np.float64))]


def face_strip(
    clips: Sequence[FaceClip],
    times_s: Sequence[float],
    size: tuple[int, int],
    phones: Phones = (),
    cameras: Sequence[str] = ("front",),
    head: Head | None = None,
) -> Strip:
    """A strip of a plot: at each moment the clips one above the other, each as all cameras see it; where phones are
    known, it says which one is spoken."""
    spoken = tuple(
        next((label for start, end, label in phones if start <= time_s < end), "") for time_s in times_s
    ) if phones else ()  # fmt: skip
    rows = [faces_at(clip, times_s, size, camera, head) for clip in clips for camera in cameras]
    stacked = [sheet(column, 1, _BETWEEN) for column in zip(*rows, strict=True)]
    return Strip(tuple(times_s), tuple(stacked), spoken)


def moments(count: int, span_s: tuple[float, float], phones: Phones = ()) -> tuple[float, ...]:
    """When to look at a face: the middles of `count` equal parts, or the centres of the phones next to them."""
    even = span_s[0] + (np.arange(count) + 0.5) / count * (span_s[1] - span_s[0])
    centres = np.array([(start + end) / 2 for start, end, label in phones if label])
    centres = centres[(centres >= span_s[0]) & (centres < span_s[1])]
    if len(centres) <= count:
        return tuple(float(time) for time in (centres if len(centres) else even))
    nearest = np.abs(centres[:, None] - even).argmin(axis=0)
    for place in range(1, count):  # no phone twice: the next one, then back from the end
        nearest[place] = max(nearest[place], nearest[place - 1] + 1)
    for place in range(count - 1, -1, -1):
        nearest[place] = min(nearest[place], len(centres) - count + place)
    return tuple(float(time) for time in centres[nearest])
