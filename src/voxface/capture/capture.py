"""Video in, captured face and sound out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from voxface.audio.container import Tally, audio_blocks
from voxface.audio.frame_rate import frame_interval
from voxface.audio.mix import ChannelMixer, Mend
from voxface.audio.resample import Resampler
from voxface.audio.video import VideoInfo, probe_video, video_frames
from voxface.capture.face_model import FaceModel
from voxface.capture.options import CaptureOptions
from voxface.capture.store import Capture, session_id
from voxface.capture.tracker import Face, Tracker
from voxface.capture.trackers import open_tracker
from voxface.errors import InputWarning
from voxface.face.axes import sign_continuous
from voxface.face.rig import ARKIT
from voxface.face.track import FaceTrack
from voxface.files import sha256_hex
from voxface.stream import Array, Chain, run

__all__ = ["CaptureOptions", "OnProgress", "assemble", "capture_video"]

OnProgress = Callable[[int, int], None]
"""Called with (frames done, frames expected)."""


def capture_video(
    path: str | Path,
    *,
    face_model: FaceModel,
    options: CaptureOptions = CaptureOptions(),
    progress: OnProgress | None = None,
) -> Capture:
    """Capture the face and the sound of one video (SPEC A1). A plain function of its arguments: a pool can call it.

    Frames without a face stay in the sequence with seen False. Mended input is warned of: a video cut short
    (W-TRUNCATED), packets that cannot be decoded (W-DAMAGED), frames whose time does not rise (W-NOT-RISING), several
    faces (W-SEVERAL-FACES), no sound (W-NO-AUDIO), no face anywhere (W-NO-FACE).

    Args:
        path: the video. face_model: the landmarker (face_model.find_face_model).
        options: every choice that changes the values.
        progress: called after each frame that was looked at.
    Raises: InputError, VideoFormatError: the video cannot be read. AudioFormatError: its sample rate is not taken.
        MissingDependencyError, FaceModelError: the tracker cannot be had. UsageError: there is no such tracker.
    """
    info = probe_video(path)
    digest = sha256_hex(path)
    interval, tally = frame_interval(info.rate, options.fps_limit), Tally()
    with open_tracker(options.tracker)(face_model) as looker:
        track = _track(path, info, options.fps_limit, looker, tally, progress)
        description = dict(looker.description) | _counts(tally, looker.most_faces)
    samples = _samples(path, info.audio_rate_hz)
    _warn(info, tally, track, len(samples), description["most_faces"])
    return Capture(
        name=Path(path).stem,
        session_id=session_id(digest),
        sha256=digest,
        track=track,
        original_fps=info.rate.fps,
        target_fps=float(options.fps_limit),
        frame_interval=interval,
        samples=samples,
        tracker=description,
    )


def _track(
    path: str | Path, info: VideoInfo, fps_limit: float, tracker: Tracker, tally: Tally, progress: OnProgress | None
) -> FaceTrack:
    times, index, faces = [], [], []
    expected = -(-info.frames // frame_interval(info.rate, fps_limit))
    for frame in video_frames(path, info, fps_limit, tally):
        times.append(frame.time_s)
        index.append(frame.number)
        faces.append(tracker.look(frame.time_s, frame.rgb))
        if progress:
            progress(len(times), max(expected, len(times)))
    return assemble(np.array(times, np.float64), np.array(index, np.int64), faces, tracker.observed)


def assemble(times_s: Array, index: Array, faces: list[Face | None], observed: Array) -> FaceTrack:
    """A track from what was seen in each frame; where nothing was, zeros and the identity rotation."""
    n = len(times_s)
    seen = np.array([face is not None for face in faces], bool)
    found = [face for face in faces if face is not None]
    weights, head = np.zeros((n, len(ARKIT)), np.float32), np.tile(np.eye(7, dtype=np.float32)[3], (n, 1))
    gap, width = np.zeros(n, np.float32), np.zeros(n, np.float32)
    if found:
        weights[seen] = np.stack([face.weights for face in found])
        head[seen, :3] = np.stack([face.position for face in found])
        head[seen, 3:] = sign_continuous(np.stack([face.rotation for face in found]))
        gap[seen] = [face.lip_gap for face in found]
        width[seen] = [face.mouth_width for face in found]
    return FaceTrack(times_s, weights, head, seen, gap, width, index, np.array(observed, bool))


def _samples(path: str | Path, rate_hz: int | None) -> Array:
    """(n,) finite float32 mono at 16 kHz; mixed and mended as audio files are."""
    if rate_hz is None:
        return np.zeros(0, np.float32)
    name = str(path)
    chain = Chain((Mend(name), ChannelMixer(rate_hz, name), Resampler(rate_hz)))
    parts = list(run(chain, audio_blocks(path)))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _counts(tally: Tally, most_faces: int) -> dict[str, Any]:
    return {
        "most_faces": most_faces,
        "frames_decoded": tally.decoded,
        "frames_not_rising": tally.not_rising,
        "frames_without_time": tally.without_time,
        "packets_broken": tally.broken_packets,
    }


def _warn(info: VideoInfo, tally: Tally, track: FaceTrack, samples: int, most_faces: int) -> None:
    name = info.source
    if info.missing_s:
        text = f"{name} is cut short: the last {info.missing_s:.1f} s of video are missing."
        warnings.warn(InputWarning("W-TRUNCATED", text), stacklevel=3)
    if tally.ended_early or tally.broken_packets:
        text = f"{name} is damaged: {tally.decoded} of {info.frames} frames could be decoded."
        warnings.warn(InputWarning("W-DAMAGED", text), stacklevel=3)
    if tally.not_rising:
        text = f"{name}: {tally.not_rising} frames left out, their times do not rise."
        warnings.warn(InputWarning("W-NOT-RISING", text), stacklevel=3)
    if most_faces > 1:
        text = f"{name} shows up to {most_faces} faces; the largest is followed."
        warnings.warn(InputWarning("W-SEVERAL-FACES", text), stacklevel=3)
    if not samples:
        text = f"{name} has no sound; times count from its first frame."
        warnings.warn(InputWarning("W-NO-AUDIO", text), stacklevel=3)
    if not track.seen.any():
        warnings.warn(InputWarning("W-NO-FACE", f"no face was found in {name}."), stacklevel=3)
