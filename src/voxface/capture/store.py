"""The working form of a capture: one safetensors file, no pickle (SPEC C3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from voxface.errors import ClipError, InputError
from voxface.face.track import FaceTrack
from voxface.stream import Array
from voxface.tensors import open_tensors, save_tensors

SUFFIX = ".capture.safetensors"
_KIND, _VERSION = "voxface-capture", 2
_DTYPES = {
    "times_s": np.float64, "weights": np.float32, "head": np.float32, "seen": np.bool_, "lip_gap": np.float32,
    "mouth_width": np.float32, "index": np.int64, "observed": np.bool_, "shot": np.int32, "audio": np.int16,
    "pictures": np.uint8,
}  # fmt: skip
_SINCE_2 = ("shot", "pictures")  # a capture of version 1 has one shot and no pictures
_NOTHING = np.zeros(0, np.uint8)
_TRACK = tuple(part.name for part in fields(FaceTrack))
_HINT = "Capture the video again: voxface capture VIDEO --force."


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """The face and the sound of one video.

    name:           stem of the video's file name
    session_id:     session_<first 10 hex digits of sha256>_extract (SPEC C2)
    sha256:         of the video file, 64 hex digits
    track:          the face; times on the clock of `samples`
    original_fps:   mean frame rate of the video
    target_fps:     the limit that was asked for
    frame_interval: every how manieth frame was looked at
    samples:        (n,) float32 mono 16 kHz, full scale is 1; empty without a sound track
    tracker:        names, versions and settings that made the values
    pictures:       a few (time in s, JPEG file) of the face, in order of time (capture.pictures)
    """

    name: str
    session_id: str
    sha256: str
    track: FaceTrack
    original_fps: float
    target_fps: float
    frame_interval: int
    samples: Array
    tracker: Mapping[str, Any]
    pictures: tuple[tuple[float, bytes], ...] = ()

    def __post_init__(self) -> None:
        if self.samples.ndim != 1:
            raise ClipError(f"samples must be (n,); got {self.samples.shape}.")
        if self.frame_interval < 1 or self.original_fps <= 0 or self.target_fps <= 0:
            raise ClipError("a capture's frame interval and rates must be above 0.")

    @property
    def seen_share(self) -> float:
        """Share of the frames in which a face was seen; 0 without frames."""
        return float(self.track.seen.mean()) if len(self.track) else 0.0


def session_id(sha256: str) -> str:
    """The name of a capture session: the same video always gives the same."""
    return f"session_{sha256[:10]}_extract"


def save_capture(path: str | Path, capture: Capture) -> None:
    """Write the working form at once or not at all; the same capture gives the same bytes.

    Sound is kept as 16-bit integers, scaled down where it exceeds full scale.

    Raises: OutputError, LimitError: the place cannot be written. MissingDependencyError: no safetensors.
    """
    tensors: dict[str, Array] = {
        name: np.ascontiguousarray(getattr(capture.track, name), _DTYPES[name]) for name in _TRACK
    }
    scale = float(max(1.0, np.abs(capture.samples).max(initial=0.0)))  # lossy codecs decode to more than 1
    tensors["audio"] = np.round(capture.samples * (32767 / scale)).astype(np.int16)
    tensors["pictures"] = np.frombuffer(b"".join(body for _, body in capture.pictures), np.uint8)
    header = {
        "kind": _KIND, "version": _VERSION, "name": capture.name, "sha256": capture.sha256,
        "original_fps": capture.original_fps, "target_fps": capture.target_fps,
        "frame_interval": capture.frame_interval, "audio_scale": scale, "tracker": dict(capture.tracker),
        "pictures": [[float(time_s), len(body)] for time_s, body in capture.pictures],
    }  # fmt: skip
    save_tensors(path, tensors, header, needed_by="captures", extra="capture")


def load_capture(path: str | Path) -> Capture:
    """Read the working form.

    Raises: InputError: the file cannot be read. ClipError: it is no capture, damaged, or of a newer version.
    """
    header, tensors = _read(path, [*_TRACK, "audio", "pictures"])
    wrong = [name for name, tensor in tensors.items() if tensor.dtype != _DTYPES[name]]
    if wrong:
        raise ClipError(f"{path} is damaged: {', '.join(wrong)} of the wrong kind.", hint=_HINT, source=str(path))
    try:
        return Capture(
            name=str(header["name"]),
            session_id=session_id(str(header["sha256"])),
            sha256=str(header["sha256"]),
            track=FaceTrack(**{name: tensors[name] for name in _TRACK if name in tensors}),
            original_fps=float(header["original_fps"]),
            target_fps=float(header["target_fps"]),
            frame_interval=int(header["frame_interval"]),
            samples=tensors["audio"] * np.float32(float(header["audio_scale"]) / 32767),
            tracker=dict(header["tracker"]),
            pictures=tuple(_pictures(header.get("pictures", ()), tensors.get("pictures", _NOTHING))),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ClipError(f"the header of {path} is damaged: {error!r}.", hint=_HINT, source=str(path)) from error


def _pictures(listed: Iterable[tuple[float, int]], body: Array) -> Iterator[tuple[float, bytes]]:
    """The pictures, which lie one after the other in one array of bytes, given their times and sizes."""
    end = 0
    for time_s, size in listed:
        first, end = end, end + int(size)
        if not first < end <= len(body):
            raise ValueError("the pictures do not fill their array")
        yield float(time_s), body[first:end].tobytes()


def read_header(path: str | Path) -> dict[str, Any]:
    """The header of a working form alone. Raises: as load_capture."""
    return _read(path, [])[0]


def _read(path: str | Path, names: list[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    source = str(path)
    try:
        with open_tensors(source, needed_by="captures", extra="capture") as (header, tensor):
            first = isinstance(header, dict) and header.get("version") == 1
            tensors = {name: tensor(name) for name in names if not first or name not in _SINCE_2}
    except (ValueError, RecursionError) as error:
        raise ClipError(f"{source} is not a capture: {error}.", hint=_HINT, source=source) from error
    if not isinstance(header, dict) or header.get("kind") != _KIND:
        raise ClipError(f"{source} is a safetensors file, but not a capture.", hint=_HINT, source=source)
    if header.get("version") not in (1, _VERSION):
        text = f"{source} is a capture of version {header.get('version')}; this voxface reads up to {_VERSION}."
        raise ClipError(text, hint="Update voxface.", source=source)
    return header, tensors


def list_captures(places: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files of captures, sorted: those named, and those directly in the folders named.

    Raises: InputError: a place does not exist, or a folder holds none.
    """
    found: list[Path] = []
    for place in [places] if isinstance(places, str | Path) else places:
        path = Path(place)
        inside = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not inside or not path.exists():
            hint = "Make some: voxface capture VIDEO... -o FOLDER."
            raise InputError(f"there is no capture (*{SUFFIX}) in {path}.", hint=hint, source=str(path))
        found += inside
    return found
