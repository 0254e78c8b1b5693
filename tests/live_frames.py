"""Frames for the tests of live outputs."""

from __future__ import annotations

import math

import numpy as np

from voxface.face.axes import quaternion_from_euler
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.live.frame import LiveFrame
from voxface.timebase import frame_time_s


def frame(
    seq: int = 0,
    *,
    fps: float = 60.0,
    turned: tuple[float, float, float] | None = None,
    emotion: str | None = None,
    **weights: float,
) -> LiveFrame:
    """A frame with some channels by name; turned: yaw, pitch, roll in degrees; emotion: the one that is 1."""
    values = np.zeros(len(ARKIT), np.float32)
    for name, value in weights.items():
        values[ARKIT.index(name)] = value
    head = None
    if turned is not None:
        angles = np.radians(np.array(turned))
        head = np.array([0.01, 0.02, 0.03, *quaternion_from_euler(angles)], np.float32)
    feeling = None if emotion is None else np.array([name == emotion for name in EMOTIONS], np.float32)
    return LiveFrame(seq, frame_time_s(seq, fps), values, head, feeling)


def random_frame(seed: int = 7) -> LiveFrame:
    """A frame in which every channel has a value of its own, and mouthClose stays below jawOpen."""
    weights = np.random.default_rng(seed).permutation(np.linspace(0.02, 0.98, len(ARKIT))).astype(np.float32)
    weights[ARKIT.index("jawOpen")] = 1.0
    turned = [math.radians(angle) for angle in (20.0, -10.0, 5.0)]
    head = np.array([0.1, -0.2, 0.3, *quaternion_from_euler(np.array(turned))], np.float32)
    return LiveFrame(12, 0.2, weights, head)
