"""MediaPipe's Face Landmarker as a tracker: the only importer of mediapipe.

MediaPipe smooths and follows over time (VIDEO mode), and smooths only when it is asked for one face. So it is asked
for one, and a detector looks for others once a second of video: if a larger face is there than the one that is
followed, the smaller ones are painted over until the largest is followed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from voxface.capture.face_model import SHA256, FaceModel, cached_path
from voxface.capture.quiet import quiet_stderr
from voxface.capture.tracker import LARGER, LOOK_EVERY_S, Face
from voxface.errors import FaceModelError, MissingDependencyError
from voxface.face.axes import quaternion_from_matrix
from voxface.face.gap import VIDEO_POINTS, video_gap
from voxface.face.rig import ARKIT
from voxface.face.track import OBSERVED_BY_MEDIAPIPE
from voxface.stream import Array

NAME = "mediapipe-face-landmarker"
APT_LINE = "sudo apt-get install -y libegl1 libgles2 libgl1 libglib2.0-0"
NOTICE = (
    "note: MediaPipe, which finds the face, may send usage metrics to Google; voxface sends nothing. "
    "See README, section Privacy. (Said once.)"
)
_CM = 0.01  # metres
_POINTS = (*VIDEO_POINTS, 234, 454)  # landmarks that are looked at: those of the lip gap, and the sides of the face
_BLACK = 128  # pixels, the size that the detector looks at
_TALKATIVE = 5  # pictures during which the native threads still write their warnings


class Box(NamedTuple):
    """A rectangle in pixels: left, top, width, height."""

    left: float
    top: float
    width: float
    height: float

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.left + self.width and self.top <= y <= self.top + self.height

    def pixels(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """The rectangle with a margin of a quarter, inside a picture of that shape: rows, columns."""
        margin_x, margin_y = self.width / 4, self.height / 4
        top, bottom = max(0, int(self.top - margin_y)), min(shape[0], int(self.top + self.height + margin_y))
        left, right = max(0, int(self.left - margin_x)), min(shape[1], int(self.left + self.width + margin_x))
        return slice(top, bottom), slice(left, right)


class MediapipeTracker:
    """Follows the largest face of one video; see voxface.capture.tracker.Tracker.

    Raises: MissingDependencyError: mediapipe or a system library is missing. FaceModelError: the file is refused.
    """

    observed = OBSERVED_BY_MEDIAPIPE

    def __init__(self, model: FaceModel) -> None:
        self.description: Mapping[str, Any] = {
            "name": NAME, "version": _version(), "mode": "video", "model_sha256": SHA256,
        }  # fmt: skip
        self.most_faces = 0
        self._columns: list[tuple[int, int]] = []  # (category, channel)
        self._pictures, self._last_ms, self._first_s, self._next_scout_s = 0, -1, 0.0, -np.inf
        self._centre: tuple[float, float] | None = None
        self._largest: Box | None = None  # to be followed, while others are hidden
        self._others: list[Box] = []
        with quiet_stderr():
            self._mp = load_mediapipe()
            self._landmarker = open_landmarker(self._mp, model)
            self._scout = open_scout(self._mp, model)

    def __enter__(self) -> MediapipeTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with quiet_stderr():
            self._landmarker.close()
            self._scout.close()

    def cut(self) -> None:
        """The next picture belongs to another shot: forget what was followed.

        A black picture makes MediaPipe lose its face and start its smoothing anew, as a fresh landmarker would; it
        costs one detection instead of loading the nets.
        """
        if self._pictures:
            self._last_ms += 1
            black = np.zeros((_BLACK, _BLACK, 3), np.uint8)
            with quiet_stderr():
                self._landmarker.detect_for_video(self._image(black), self._last_ms)
        self._next_scout_s, self._centre, self._largest, self._others = -np.inf, None, None, []

    def look(self, time_s: float, rgb: Array) -> Face | None:
        """The face in a (height, width, 3) uint8 RGB picture; None where there is none. Times must rise."""
        if self._pictures == 0:
            self._first_s = time_s
        self._pictures += 1
        if self._pictures > _TALKATIVE:
            return self._look(time_s, rgb)
        with quiet_stderr():
            return self._look(time_s, rgb)

    def _look(self, time_s: float, rgb: Array) -> Face | None:
        if time_s >= self._next_scout_s:
            self._scout_faces(rgb)
            self._next_scout_s = time_s + LOOK_EVERY_S
        shown = self._hide_others(rgb) if self._largest else rgb
        self._last_ms = max(self._last_ms + 1, round(1000 * (time_s - self._first_s)))
        result = self._landmarker.detect_for_video(self._image(shown), self._last_ms)
        if not result.face_landmarks:
            self._centre = None
            return None
        return self._face(result, rgb.shape)

    def _image(self, rgb: Array) -> Any:
        return self._mp.Image(image_format=self._mp.ImageFormat.SRGB, data=rgb)

    def _scout_faces(self, rgb: Array) -> None:
        """Count the faces; decide whether another one than the followed must be looked at."""
        found = [d.bounding_box for d in self._scout.detect(self._image(rgb)).detections]
        boxes = sorted((Box(b.origin_x, b.origin_y, b.width, b.height) for b in found), key=lambda box: -box.width)
        self.most_faces = max(self.most_faces, len(boxes))
        self._largest, self._others = None, []
        if len(boxes) > 1:
            followed = next((b for b in boxes if self._centre and b.holds(*self._centre)), None)
            if followed is None or boxes[0].width > LARGER * followed.width:
                self._largest, self._others = boxes[0], boxes[1:]

    def _hide_others(self, rgb: Array) -> Array:
        shown = rgb.copy()
        for box in self._others:
            shown[box.pixels(rgb.shape)] = 0
        if self._largest:
            keep = self._largest.pixels(rgb.shape)
            shown[keep] = rgb[keep]
        return shown

    def _face(self, result: Any, shape: tuple[int, ...]) -> Face:
        landmarks = result.face_landmarks[0]
        points = np.zeros((len(landmarks), 2))
        for i in _POINTS:  # a few of 478: making numbers of all would cost as much as decoding the picture
            points[i] = landmarks[i].x * shape[1], landmarks[i].y * shape[0]
        x, y = points[list(VIDEO_POINTS)].mean(axis=0)
        self._centre = (float(x), float(y))
        if self._largest and self._largest.holds(*self._centre):
            self._largest = None  # it is followed now; nothing needs to be hidden
        weights = np.zeros(len(ARKIT), np.float32)
        categories = result.face_blendshapes[0]
        for category, channel in self._columns or self._find_columns(categories):
            weights[channel] = categories[category].score
        matrix = np.asarray(result.facial_transformation_matrixes[0], np.float64)
        gap, width = video_gap(points)
        rotation = quaternion_from_matrix(matrix[:3, :3])
        return Face(weights, matrix[:3, 3] * _CM, rotation, gap, width, _box(points[list(_POINTS)]))

    def _find_columns(self, categories: Any) -> list[tuple[int, int]]:
        """Channels are matched by name; `_neutral` is dropped."""
        place = {name: i for i, name in enumerate(ARKIT)}
        self._columns = [(i, place[c.category_name]) for i, c in enumerate(categories) if c.category_name in place]
        if len(self._columns) != int(self.observed.sum()):
            raise FaceModelError(f"the face landmarker gives {len(self._columns)} channels; 51 are needed.")
        return self._columns


def _box(points: Array) -> tuple[float, float, float, float]:
    """Left, top, width, height of (n, 2) points."""
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right - left, bottom - top


def usage_notice() -> str | None:
    """The line about MediaPipe's usage metrics, the first time it is asked for on this account; then None."""
    mark = cached_path().with_name("mediapipe-notice-said")
    if mark.exists():
        return None
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError:
        return NOTICE  # a cache that cannot be written: say it again next time
    return NOTICE


def _version() -> str:
    try:
        return version("mediapipe")
    except ModuleNotFoundError:
        return "unknown"


def load_mediapipe() -> Any:
    """The package, imported now. Raises: MissingDependencyError: it or a system library is not installed."""
    try:
        import mediapipe
        from mediapipe.tasks.python import vision  # noqa: F401 - loads what Image needs
    except ModuleNotFoundError as error:
        text = f"--tracker mediapipe needs MediaPipe, which is not installed ({error})."
        raise MissingDependencyError(text, hint="pip install 'voxface[capture,mediapipe]'") from error
    except (ImportError, OSError) as error:
        raise _system_library(error) from error
    return mediapipe


def _system_library(error: Exception) -> MissingDependencyError:
    text = f"MediaPipe cannot be loaded, a system library is missing ({error})."
    return MissingDependencyError(text, hint=f"On Debian and Ubuntu: {APT_LINE}")


@contextmanager
def _refusals(model: FaceModel) -> Iterator[None]:
    """What MediaPipe throws when it opens a model, as our errors."""
    try:
        yield
    except OSError as error:
        raise _system_library(error) from error
    except (RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        text = f"MediaPipe refuses the face landmarker {model.path}: {error}."
        raise FaceModelError(text, source=str(model.path)) from error


def open_landmarker(mediapipe: Any, model: FaceModel) -> Any:
    """MediaPipe's FaceLandmarker in VIDEO mode for one face, with weights and pose. Raises: FaceModelError."""
    vision = mediapipe.tasks.vision
    with _refusals(model):
        return vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=mediapipe.tasks.BaseOptions(model_asset_buffer=model.content),
                running_mode=vision.RunningMode.VIDEO,
                num_faces=1,
                output_face_blendshapes=True,
                output_facial_transformation_matrixes=True,
            )
        )


def open_scout(mediapipe: Any, model: FaceModel) -> Any:
    """The face detector that lies in the landmarker's file, on its own. Raises: FaceModelError."""
    vision = mediapipe.tasks.vision
    with _refusals(model):
        detector = zipfile.ZipFile(io.BytesIO(model.content)).read("face_detector.tflite")
        base = mediapipe.tasks.BaseOptions(model_asset_buffer=detector)
        return vision.FaceDetector.create_from_options(vision.FaceDetectorOptions(base_options=base))
