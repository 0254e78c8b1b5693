"""A capture to look at: its face as a clip, its sound as a file in memory."""

from __future__ import annotations

from pathlib import Path

from voxface.audio.flac import flac
from voxface.capture.store import SUFFIX, load_capture
from voxface.face.clip import FaceClip
from voxface.timebase import SAMPLE_RATE_HZ, likely_rate


def is_capture(path: str | Path) -> bool:
    """Whether a name is that of a working form."""
    return Path(path).name.endswith(SUFFIX)


def capture_clip(path: str | Path) -> tuple[FaceClip, bytes | None]:
    """The face at the mean rate at which it was captured, from second 0, and the sound as FLAC (None: there is none).

    Raises: as `load_capture`.
    """
    capture = load_capture(path)
    clip = capture.track.to_clip(likely_rate(capture.original_fps / capture.frame_interval))
    return clip, flac(capture.samples, SAMPLE_RATE_HZ) if len(capture.samples) else None
