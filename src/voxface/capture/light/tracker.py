"""The light tracker: follows one face with MediaPipe's three networks, without MediaPipe.

A picture goes three ways: the detector looks for faces once a second of video, and whenever none is followed; the
landmark network looks at the region where the face must be and says where it will be next; the blendshape network
and the pose read the smoothed landmarks. Values equal those of MediaPipe's VIDEO mode for one face (docs/capture.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np

from voxface.capture.face_model import SHA256, FaceModel
from voxface.capture.light.cut import cut_out
from voxface.capture.light.detector import Seen, find_faces
from voxface.capture.light.nets import litert_version, open_nets
from voxface.capture.light.points import BLENDSHAPE_POINTS
from voxface.capture.light.pose import head_pose, read_canonical_face
from voxface.capture.light.region import Region, bounds, region_of_face
from voxface.capture.light.smoothing import Smoothed, smooth
from voxface.capture.tracker import LARGER, LOOK_EVERY_S, Face
from voxface.errors import FaceModelError
from voxface.face.gap import video_gap
from voxface.face.rig import ARKIT
from voxface.face.track import OBSERVED_BY_MEDIAPIPE
from voxface.stream import Array

NAME = "light"
_SIZE = 256  # pixels of a side of what the landmark network sees
_PRESENT = 0.0  # logit: a face is there from a probability of one half
_LARGEST = 4  # times the longer side of the picture; a region beyond that holds no face and would cost gigabytes
_CM = 0.01  # metres
_SUBSET = np.array(BLENDSHAPE_POINTS)


class LightTracker:
    """Follows the largest face of one video; see voxface.capture.tracker.Tracker.

    Raises: MissingDependencyError: LiteRT is missing. FaceModelError: the file is refused.
    """

    observed = OBSERVED_BY_MEDIAPIPE

    def __init__(self, model: FaceModel) -> None:
        self.description: Mapping[str, Any] = {
            "name": NAME, "version": litert_version(), "mode": "video", "model_sha256": SHA256,
        }  # fmt: skip
        self.most_faces = 0
        self._nets = open_nets(model)
        try:
            self._canonical = read_canonical_face(self._nets.geometry)
        except ValueError as error:
            raise FaceModelError(f"{model.path} holds {error}.", source=str(model.path)) from error
        self._next_look_s = -np.inf
        self.cut()

    def __enter__(self) -> LightTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: the networks go with the tracker."""

    def cut(self) -> None:
        """The next picture belongs to another shot: forget what was followed."""
        self._region: Region | None = None
        self._smoothed: Smoothed | None = None
        self._next_look_s = -np.inf

    def look(self, time_s: float, rgb: Array) -> Face | None:
        """The face in a (height, width, 3) uint8 RGB picture; None where there is none. Times must rise."""
        if self._region is None or time_s >= self._next_look_s:
            self._find(time_s, rgb)
        if self._region is None:
            return None
        landmarks = self._landmarks(rgb, self._region)
        if landmarks is None:
            self._region = self._smoothed = None
            return None
        self._region = region_of_face(landmarks)
        self._smoothed = smooth(self._smoothed, time_s, landmarks)
        return self._face(self._smoothed.smooth, rgb.shape)

    def _find(self, time_s: float, rgb: Array) -> None:
        """Count the faces, and begin to follow the largest where none or a clearly smaller one is followed."""
        faces = find_faces(self._nets.detector, rgb)
        self._next_look_s = time_s + LOOK_EVERY_S
        self.most_faces = max(self.most_faces, len(faces))
        if faces and self._must_change(faces):
            self._region, self._smoothed = faces[0].region(), None

    def _must_change(self, faces: list[Seen]) -> bool:
        if self._region is None:
            return True
        followed = next((face for face in faces if face.holds(self._region.x, self._region.y)), None)
        if followed is None:
            return len(faces) > 1
        return faces[0].width > LARGER * followed.width

    def _landmarks(self, rgb: Array, region: Region) -> Array | None:
        """(3, 478) float32 pixels in the picture; None where the region holds no face."""
        if max(region.width, region.height) > _LARGEST * max(rgb.shape):
            return None
        points, presence = self._nets.landmarks(cut_out(rgb, region, _SIZE), 1 / 255)
        if presence.item() <= _PRESENT:
            return None
        return region.place(points.reshape(-1, 3), _SIZE, rgb.shape)

    def _face(self, landmarks: Array, shape: tuple[int, ...]) -> Face:
        (scores,) = self._nets.blendshapes(landmarks[:2, _SUBSET].T[None])
        weights = np.zeros(len(ARKIT), np.float32)
        weights[:-1] = scores[1:]  # `_neutral` comes first, the others in ARKit's order; tongueOut is not measured
        position, rotation = head_pose(self._canonical, landmarks, shape)
        gap, width = video_gap(landmarks[:2].T)
        left, top, right, bottom = bounds(landmarks)
        return Face(weights, position * _CM, rotation, gap, width, (left, top, right - left, bottom - top))
