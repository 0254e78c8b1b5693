"""Faces and recordings made for the tests of datasets."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from voxface.capture.store import Capture, save_capture, session_id
from voxface.dataset.recording import Recording
from voxface.face.rig import ARKIT
from voxface.face.track import OBSERVED_BY_MEDIAPIPE, FaceTrack

JAW = ARKIT.index("jawOpen")


def make_track(times: Any, jaw: Any = 0.0, seen: Any = True) -> FaceTrack:
    """A face that opens its jaw by `jaw` at `times`, a metre away; the lip gap follows at a tenth."""
    times = np.asarray(times, np.float64)
    n = len(times)
    weights = np.full((n, len(ARKIT)), 0.1, np.float32)
    weights[:, JAW] = jaw
    head = np.tile(np.array([0.02, 0, -1, 1, 0, 0, 0], np.float32), (n, 1))
    return FaceTrack(
        times_s=times, weights=weights, head=head, seen=np.broadcast_to(np.asarray(seen, bool), (n,)).copy(),
        lip_gap=(0.1 * weights[:, JAW]).astype(np.float32), mouth_width=np.full(n, 0.3, np.float32),
        index=np.arange(n), observed=OBSERVED_BY_MEDIAPIPE,
    )  # fmt: skip


def make_capture(name: str = "clip", seconds: float = 2.0, seed: int = 1, **changes: Any) -> Capture:
    """Noise in bursts, and a jaw that opens with it (0.05 at rest), 25 frames a second."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16_000)) / 16_000
    loud = np.clip(np.sin(2 * np.pi * 1.5 * t + seed), 0, None) + 1e-4
    times = np.arange(int(seconds * 25)) / 25
    jaw = 0.05 + 0.5 * np.clip(np.sin(2 * np.pi * 1.5 * times + seed), 0, None)
    digest = hashlib.sha256(f"{name}{seed}".encode()).hexdigest()
    capture = Capture(
        name=name, session_id=session_id(digest), sha256=digest, track=make_track(times, jaw), original_fps=25.0,
        target_fps=30.0, frame_interval=1, samples=(0.3 * loud * rng.standard_normal(len(t))).clip(-1, 1).astype("f4"),
        tracker={"name": "made"},
    )  # fmt: skip
    return replace(capture, **changes)


def put(folder: Path, *captures: Capture) -> Path:
    """Write captures into a folder under their names."""
    for capture in captures:
        save_capture(folder / f"{capture.name}.capture.safetensors", capture)
    return folder


def make_recording(rows: int = 100, valid: Any = True, **changes: Any) -> Recording:
    """A recording of `rows` rows whose jaw tells the number of the row."""
    weights = np.zeros((rows, len(ARKIT)), np.float32)
    weights[:, JAW] = np.arange(rows) / 1000
    values: dict[str, Any] = {
        "name": "r", "speaker": "s", "split": "train", "samples": np.zeros((rows - 1) * 160, np.float32),
        "weights": weights, "head": np.tile(np.array([0, 0, 0, 1, 0, 0, 0], np.float32), (rows, 1)),
        "gap": np.zeros(rows, np.float32), "width": np.zeros(rows, np.float32),
        "valid": np.broadcast_to(np.asarray(valid, bool), (rows,)), "rest": np.zeros(len(ARKIT), np.float32),
        "gap_scale": 1.0, "gap_offset": 0.0, "observed": OBSERVED_BY_MEDIAPIPE,
    }  # fmt: skip
    return Recording(**values | changes)
