"""Clips and tracks that several tests write and read."""

from __future__ import annotations

import io

import numpy as np

from voxface.export.formats import write
from voxface.face.axes import quaternion_from_euler
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT
from voxface.face.track import OBSERVED_BY_MEDIAPIPE, FaceTrack

SESSION = "session_5f0c1a9e77_extract"


def make(frames: int, fps: float = 60.0, *, head: bool = True, emotion: bool = False, start_s: float = 0.0) -> FaceClip:
    """A clip that every format can hold: lips never closer than the jaw allows, since CSV clamps them."""
    rng = np.random.default_rng(frames)
    weights = rng.random((frames, 52)).astype(np.float32)
    weights[:, ARKIT.index("mouthClose")] *= weights[:, ARKIT.index("jawOpen")]
    pose = np.concatenate(
        [rng.normal(size=(frames, 3)), quaternion_from_euler(rng.uniform(-0.6, 0.6, (frames, 3)))], axis=1
    )
    return FaceClip(
        weights, ARKIT, fps, start_s, pose if head else None, rng.random((frames, 7)) if emotion else None
    )  # fmt: skip


def as_bytes(clip: FaceClip, name: str) -> bytes:
    file = io.BytesIO()
    write(clip, file, format=name)
    return file.getvalue()


def track(frames: int = 7, step_s: float = 1 / 30) -> FaceTrack:
    rng = np.random.default_rng(frames)
    seen = np.arange(frames) != 2
    head = np.concatenate(
        [rng.normal(size=(frames, 3)), quaternion_from_euler(rng.uniform(-0.5, 0.5, (frames, 3)))], axis=1
    )
    weights = rng.random((frames, 52)).astype(np.float32) * OBSERVED_BY_MEDIAPIPE
    return FaceTrack(
        np.arange(frames) * step_s, np.where(seen[:, None], weights, 0).astype(np.float32),
        np.where(seen[:, None], head, [0, 0, 0, 1, 0, 0, 0]).astype(np.float32), seen,
        np.zeros(frames, np.float32), np.zeros(frames, np.float32), np.arange(frames) * 2, OBSERVED_BY_MEDIAPIPE,
    )  # fmt: skip
