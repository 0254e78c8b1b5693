"""Capture JSON (SPEC C2): a face as the tracker saw it, one object per video frame that was looked at.

Every frame has the same structure. Where no face was found `has_face` is false and the values are placeholders: zero
weights, zero position, rotation w = 1. The same track gives the same bytes. Numbers have up to 6 decimals.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from voxface.errors import ClipError
from voxface.export.numbers import number_rows
from voxface.export.reading import channel_names, field, kind, number, read_json, refuse, table
from voxface.face.clip import FaceClip
from voxface.face.interpolate import unit_head
from voxface.face.rig import ARKIT, canonical_name
from voxface.face.track import OBSERVED_BY_MEDIAPIPE, FaceTrack
from voxface.files import atomic_write
from voxface.stream import Array
from voxface.timebase import likely_rate

PLACES = 6
_BLOCK = 1024  # frames written at a time
_NOTHING = np.array([0, 0, 0, 1, 0, 0, 0], np.float32)
_POSITION, _ROTATION = ("x", "y", "z"), ("w", "x", "y", "z")


@dataclass(frozen=True, slots=True, eq=False)
class CaptureJson:
    """What a capture JSON holds.

    track:          lip_gap and mouth_width are 0: the file does not have them
    session_id:     `session_<first 10 hex digits of the video's sha256>_extract`
    target_fps:     the limit that capture was asked to keep
    original_fps:   frames per second of the video
    frame_interval: every so many frames of the video were looked at
    """

    track: FaceTrack
    session_id: str
    target_fps: float
    original_fps: float
    frame_interval: int


def write_capture_json(
    path: str | Path,
    track: FaceTrack,
    session_id: str,
    target_fps: float,
    original_fps: float,
    frame_interval: int,
) -> None:
    """Write a track as capture JSON, atomically.

    Raises: ClipError: values that are not finite. OutputError, LimitError: the place cannot be written.
    """
    for name in ("weights", "head", "times_s"):
        if not np.isfinite(getattr(track, name)).all():
            raise ClipError(f"{name} of the track must be finite; some values are NaN or infinite.")
    about = {
        "sessionId": session_id,
        "targetFPS": int(target_fps) if float(target_fps).is_integer() else float(target_fps),
        "originalFPS": float(original_fps),
        "frameInterval": int(frame_interval),
    }
    with atomic_write(path) as file:
        about_text = json.dumps(about, allow_nan=False)
        file.write(f'{{"sessionInfo": {about_text}, "frameCount": {len(track)},\n "frames": ['.encode())
        template = _template(session_id)
        for at in range(0, len(track), _BLOCK):
            rows = _rows(track, slice(at, at + _BLOCK))
            file.write((",\n" if at else "\n").encode() + b",\n".join(template % row for row in rows))
        file.write(b"]}\n")


def _template(session_id: str) -> bytes:
    """One frame with a gap for every value."""
    session = json.dumps(session_id).replace("%", "%%")
    weights = ", ".join(f'"{name}": %b' for name in ARKIT)
    position = ", ".join(f'"{axis}": %b' for axis in _POSITION)
    rotation = ", ".join(f'"{axis}": %b' for axis in _ROTATION)
    return (
        f'{{"frame_index": %d, "timestamp": %b, "sessionId": {session}, "blendshapes": {{{weights}}}, '
        f'"headPosition": {{{position}}}, "headRotation": {{{rotation}}}, "has_face": %b}}'
    ).encode()


def _rows(track: FaceTrack, part: slice) -> Iterator[tuple[Any, ...]]:
    """The values of each frame in the order of the template."""
    seen = track.seen[part, None]
    weights = np.where(seen, np.clip(track.weights[part], 0, 1), 0)
    values = np.concatenate([track.times_s[part, None], weights, np.where(seen, track.head[part], _NOTHING)], axis=1)
    for index, row, face in zip(track.index[part], number_rows(values, PLACES), track.seen[part], strict=True):
        yield (int(index), *row.split(b","), b"true" if face else b"false")


def read_capture_json(path: str | Path) -> FaceTrack:
    """The track of a capture JSON file; `load_capture_json` gives the session too.

    Raises: InputError: the file cannot be opened. LimitError: larger than 512 MiB. ClipError: anything else is wrong.
    """
    return load_capture_json(path).track


def load_capture_json(path: str | Path) -> CaptureJson:
    """Read a capture JSON file.

    Channels are mapped by name; `_neutral` and names that are no ARKit channel are dropped, channels that the file
    lacks are unobserved, and so is tongueOut, which MediaPipe does not measure.
    Raises: as `read_capture_json`.
    """
    found = read_json(path)
    about = field(found, "sessionInfo", dict, path)
    frames = field(found, "frames", list, path)
    count = field(found, "frameCount", int, path) if "frameCount" in found else len(frames)
    if count != len(frames):
        refuse(path, f"frameCount is {count}, but there are {len(frames)} frames.", "The file may be cut off.")
    target, original = (number(about, name, path) for name in ("targetFPS", "originalFPS"))
    interval = field(about, "frameInterval", int, path)
    if not 1 <= interval < 2**31 or target <= 0 or original <= 0:
        refuse(path, "targetFPS, originalFPS and frameInterval must be above 0.")
    return CaptureJson(_track(frames, path), field(about, "sessionId", str, path), target, original, interval)


def _track(frames: list[Any], path: str | Path) -> FaceTrack:
    for at, frame in enumerate(frames):
        if not isinstance(frame, dict):
            refuse(path, f"frame {at} must be an object; got {kind(frame)}.")
    seen = np.array([frame.get("has_face", True) is not False for frame in frames], bool)
    weights, observed = _weights(frames, path)
    position = _columns(frames, "headPosition", _POSITION, path)
    rotation = _columns(frames, "headRotation", _ROTATION, path)
    index = [field(frame, "frame_index", int, path, f"frame {at}: ") for at, frame in enumerate(frames)]
    if any(not 0 <= one < 2**62 for one in index):
        refuse(path, "frame_index must not be negative.")
    head = unit_head(np.concatenate([position, rotation], axis=1))
    try:
        return FaceTrack(
            times_s=np.array([number(f, "timestamp", path, f"frame {at}: ") for at, f in enumerate(frames)], float),
            weights=np.where(seen[:, None], weights, np.float32(0)),
            head=np.where(seen[:, None], head, _NOTHING),
            seen=seen,
            lip_gap=np.zeros(len(frames), np.float32),
            mouth_width=np.zeros(len(frames), np.float32),
            index=np.array(index, np.int64),
            observed=observed,
        )
    except ClipError as error:
        refuse(path, error.message)


def _weights(frames: list[dict[str, Any]], path: str | Path) -> tuple[Array, Array]:
    """(frames, 52) weights in canonical order, and which channels the file has."""
    if not frames:
        return np.zeros((0, len(ARKIT)), np.float32), OBSERVED_BY_MEDIAPIPE
    names = channel_names(list(field(frames[0], "blendshapes", dict, path, "frame 0: ")), path)
    spelling = {canonical_name(name): name for name in names}
    known = [name for name in ARKIT if name in spelling]
    if not known:
        refuse(path, "no channel of 'blendshapes' is an ARKit blendshape.")
    weights = np.zeros((len(frames), len(ARKIT)), np.float32)
    places = [ARKIT.index(name) for name in known]
    weights[:, places] = _columns(frames, "blendshapes", tuple(spelling[name] for name in known), path)
    return weights, OBSERVED_BY_MEDIAPIPE & np.isin(ARKIT, known)


def _columns(frames: list[dict[str, Any]], part: str, names: tuple[str, ...], path: str | Path) -> Array:
    """(frames, names) float32: some values of one part of every frame."""
    pick, rows = itemgetter(*names), []
    for at, frame in enumerate(frames):
        values = field(frame, part, dict, path, f"frame {at}: ")
        try:
            rows.append(list(pick(values)) if len(names) > 1 else [pick(values)])
        except KeyError as error:
            refuse(path, f"frame {at}: {part!r} lacks {error}.")
    return table(rows, len(names), f"{part!r}", path)


def read_capture_clip(path: str | Path) -> FaceClip:
    """A capture JSON file as a clip on an even grid from second 0, at the mean rate of its frames.

    Raises: as `read_capture_json`; ClipError also where its times would need far more frames than it has.
    """
    capture = load_capture_json(path)
    track = capture.track
    if len(track) < 2:
        fps = min(max(capture.target_fps, 1.0), 1000.0)
    else:
        fps = (len(track) - 1) / float(track.times_s[-1] - track.times_s[0])
    if not 0.01 <= fps <= 1000:
        refuse(path, f"its times make {fps:.3g} frames per second; a clip has 0.01 to 1000.")
    if len(track) and abs(track.times_s).max() * fps > 4 * len(track) + 100_000:
        refuse(path, f"its {len(track)} frames reach from {track.times_s[0]:.0f} s to {track.times_s[-1]:.0f} s.")
    return track.to_clip(likely_rate(fps))
