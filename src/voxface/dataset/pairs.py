"""A clip file beside a sound file: capture JSON, Live Link Face CSV, or any other clip we read, as a capture."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from voxface.audio.decode import read_audio
from voxface.audio.resample import to_16k
from voxface.audio.video import probe_video
from voxface.capture.store import Capture, session_id
from voxface.dataset.takes import plain_stem, said_rate
from voxface.errors import ClipError, DatasetError, VideoFormatError
from voxface.export.capture_json import load_capture_json
from voxface.export.formats import read
from voxface.export.livelink_read import read_livelink_csv
from voxface.face.axes import still_head
from voxface.face.clip import FaceClip
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.face.track import FaceTrack
from voxface.files import sha256_hex

CLIPS = (".json", ".csv")
SOUNDS = (
    ".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".opus", ".mka", ".mov", ".mp4", ".m4v", ".webm", ".mkv", ".avi",
)  # fmt: skip
"""Where the sound of a clip may be; from .m4a on it takes PyAV."""
VIDEOS = (".mov", ".mp4", ".m4v", ".webm", ".mkv", ".avi")


def sound_beside(path: Path) -> Path | None:
    """The sound or video file that stands beside a clip file under the same stem, or None."""
    stems = dict.fromkeys((_stem(path), plain_stem(_stem(path))))
    names = [stem + ending for stem in stems for suffix in SOUNDS for ending in (suffix, suffix.upper())]
    return next((sound for name in names if (sound := path.with_name(name)).is_file()), None)


def _stem(path: Path) -> str:
    return path.name.removesuffix(path.suffix).removesuffix(".capture")


def load_pair(path: Path) -> Capture:
    """A clip file and the sound beside it. JSON clips count from the first sample; a CSV begins with the first sample
    too, or where its sound is that of a video, with the first picture.

    Such files hold no lip gap: the rig's own, before calibration, stands in; the mouth width is 0.

    Raises: InputError, ClipError: the clip cannot be read. DatasetError: no sound is beside it. The errors of
    audio.decode.read_audio: the sound cannot be read.
    """
    sound = sound_beside(path)
    if sound is None:
        raise DatasetError(
            f"no sound stands beside {path}.",
            hint=f"Put {plain_stem(_stem(path))}.wav there (or {', '.join(SOUNDS[1:])}).",
            source=str(path),
        )
    session, track, fps = _track(path, sound)
    gap = rig_gap(track.weights, ARKIT)
    digest = sha256_hex(path)
    samples = to_16k(*read_audio(sound))
    return Capture(
        name=plain_stem(_stem(path)),
        session_id=session if re.fullmatch("session_[0-9a-f]{10}_extract", session) else session_id(digest),
        sha256=digest,
        track=replace(track, lip_gap=np.where(track.seen, gap, np.float32(0))),
        original_fps=fps,
        target_fps=fps,
        frame_interval=1,
        samples=samples,
        tracker={"name": "clip", "suffix": path.suffix.lower()},
    )


def _first_picture_s(sound: Path) -> float:
    """When the first picture of a video is shown, in seconds from its first sample; 0 for sound without pictures."""
    try:
        video = probe_video(sound) if sound.suffix.lower() in VIDEOS else None
    except VideoFormatError:
        return 0.0  # sound alone in a container of videos
    if video is None or not len(video.stamps):
        return 0.0
    return float(video.stamps[0] * video.tick_s - video.zero_s)


def _track(path: Path, sound: Path) -> tuple[str, FaceTrack, float]:
    """Session, track and frame rate of a clip file; a capture JSON keeps its own times."""
    if path.suffix.lower() == ".csv":
        clip = read_livelink_csv(path, likely_fps=said_rate(path.parent))
        return "", track_of(replace(clip, start_s=_first_picture_s(sound))), clip.fps
    try:
        capture = load_capture_json(path)
    except ClipError:  # another kind of clip, or damaged: `read` tells
        clip = read(path)
        return "", track_of(clip), clip.fps
    return capture.session_id, capture.track, capture.original_fps / capture.frame_interval


def track_of(clip: FaceClip) -> FaceTrack:
    """A clip as the track of a tracker that saw every frame where the clip has one."""
    rig = clip.to_rig(ARKIT)
    still = still_head(len(clip))
    none = np.zeros(len(clip), np.float32)
    return FaceTrack(
        times_s=clip.times_s,
        weights=rig.weights,
        head=still if clip.head is None else clip.head,
        seen=clip.seen,
        lip_gap=none,
        mouth_width=none,
        index=np.arange(len(clip)),
        observed=rig.observed,
    )
