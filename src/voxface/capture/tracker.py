"""What a face tracker is: pictures in order go in, one face each comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from voxface.capture.face_model import FaceModel
from voxface.stream import Array

LOOK_EVERY_S = 1.0
"""How often a tracker looks whether there is another face than the one that it follows."""

LARGER = 1.3
"""It follows another one that is so many times as wide; below that it stays, so that equals do not alternate."""


class Face(NamedTuple):
    """One face in one picture.

    weights: (52,) float32 in canonical order. position: (3,) metres. rotation: (4,) unit quaternion, w first.
    lip_gap, mouth_width: in units of face height (face.gap.video_gap).
    box: left, top, width, height of the landmarks in pixels; None: not known.
    """

    weights: Array
    position: Array
    rotation: Array
    lip_gap: float
    mouth_width: float
    box: tuple[float, float, float, float] | None = None


class Tracker(Protocol):
    """Follows one face through the pictures of one video."""

    @property
    def observed(self) -> Array:
        """(52,) bool: the channels that it can measure."""

    @property
    def description(self) -> Mapping[str, Any]:
        """Names, versions and settings, kept with the values."""

    @property
    def most_faces(self) -> int:
        """The largest number of faces seen in one picture so far."""

    def look(self, time_s: float, rgb: Array) -> Face | None:
        """The face in a (height, width, 3) uint8 RGB picture; None where there is none. Times must rise."""

    def cut(self) -> None:
        """The next picture belongs to another shot: forget what was followed."""

    def __enter__(self) -> Tracker: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


OpenTracker = Callable[[FaceModel], Tracker]
"""Makes a fresh tracker for one video."""
