"""A few small pictures of the face, taken while a video is captured, by which a person can judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from voxface.audio.container import jpeg
from voxface.capture.tracker import Face
from voxface.stream import Array

Picture = tuple[float, bytes]
"""When it shows the face, in seconds on the audio clock, and a JPEG file."""

MOST_PICTURES = 6
HEIGHT = 160  # pixels
MOST_BYTES = 6000  # of one picture
_ROOM = 1.6  # heights of the face in one height of the picture
_SHAPE = 0.8  # width by height
_EVERY_S = 0.5  # nearer ones show the same
_COARSER = (4, 9, 16, 31)  # tried in this order until the picture is small enough


@dataclass(slots=True)
class Album:
    """Takes pictures at even distances without knowing how long the video will be.

    When it is full, every second picture is dropped and the distance doubles. So a video of any length costs a few
    dozen small pictures.
    """

    pictures: list[Picture] = field(default_factory=list)
    every_s: float = _EVERY_S
    next_s: float = -np.inf

    def offer(self, time_s: float, rgb: Array, face: Face | None) -> None:
        """Look at a (height, width, 3) uint8 picture, and keep it if its time has come and it shows a face."""
        if face is None or time_s < self.next_s:
            return
        self.pictures.append((time_s, _small(around(rgb, face.box))))
        self.next_s = time_s + self.every_s
        if len(self.pictures) == 2 * MOST_PICTURES:
            self.pictures = self.pictures[::2]
            self.every_s *= 2
            self.next_s = self.pictures[-1][0] + self.every_s


def choose(pictures: Sequence[Picture], most: int = MOST_PICTURES) -> tuple[Picture, ...]:
    """Those nearest to `most` times at even distances from the first to the last, each once, in order."""
    if len(pictures) <= most:
        return tuple(pictures)
    times = np.array([time_s for time_s, _ in pictures])
    wanted = np.linspace(times[0], times[-1], most)
    return tuple(pictures[at] for at in sorted({int(np.abs(times - time_s).argmin()) for time_s in wanted}))


def around(rgb: Array, box: tuple[float, float, float, float] | None) -> Array:
    """The part of a picture around a face, with room; all of it where the box is not known or lies outside."""
    if box is None:
        return rgb
    left, top, width, height = box
    tall = _ROOM * max(height, width / _SHAPE)
    rows = _inside(top + height / 2, tall, rgb.shape[0])
    columns = _inside(left + width / 2, _SHAPE * tall, rgb.shape[1])
    part: Array = rgb[rows, columns]
    return part if min(part.shape[:2]) > 1 else rgb


def _inside(middle: float, length: float, of: int) -> slice:
    """A stretch of that length about the middle, moved to lie inside 0 ... of, or all of it."""
    first = round(min(max(middle - length / 2, 0), max(of - length, 0)))
    return slice(first, min(of, round(first + length)))


def _small(rgb: Array) -> bytes:
    for coarse in _COARSER:
        body = jpeg(rgb, HEIGHT, coarse)
        if len(body) <= MOST_BYTES:
            break
    return body
