"""Lip gap: how far the lips are apart (SPEC C5). Metric, loss and synchronisation all use this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from voxface.face.rig import columns
from voxface.stream import Array

RIG_GAP: Mapping[str, float] = {
    "jawOpen": 1.0,
    "mouthClose": -1.0,
    "mouthLowerDownLeft": 0.125,
    "mouthLowerDownRight": 0.125,
    "mouthUpperUpLeft": 0.125,
    "mouthUpperUpRight": 0.125,
}
"""Weight of each channel in the lip gap of a rig."""

CLOSED_BELOW = 0.06
"""A rig gap below this counts as closed lips (SPEC C5)."""

# MediaPipe landmark indices: inner lips, mouth corners, forehead and chin.
_UPPER, _LOWER, _RIGHT, _LEFT, _FOREHEAD, _CHIN = VIDEO_POINTS = 13, 14, 78, 308, 10, 152
"""The landmarks that video_gap looks at; the others may be anything."""


def gap_vector(channels: Sequence[str]) -> Array:
    """(channels,) float32: weights @ gap_vector(channels) is the lip gap.

    Raises: RigMismatchError: a channel of the formula is missing.
    """
    vector = np.zeros(len(channels), np.float32)
    vector[columns(channels, list(RIG_GAP), "the lip gap")] = list(RIG_GAP.values())
    return vector


def rig_gap(weights: Array, channels: Sequence[str]) -> Array:
    """Lip gap of a rig: (frames, channels) weights -> (frames,) float32, 0 closed, about 1 wide open."""
    return (weights @ gap_vector(channels)).astype(np.float32)


def video_gap(points: Array) -> tuple[float, float]:
    """Lip gap and mouth width of one face, in units of its height from forehead to chin.

    Args:
        points: (468 or more, 2) landmark positions in pixels.
    """
    height = float(np.linalg.norm(points[_FOREHEAD] - points[_CHIN]))
    if height == 0:
        return 0.0, 0.0
    gap = float(np.linalg.norm(points[_UPPER] - points[_LOWER])) / height
    width = float(np.linalg.norm(points[_RIGHT] - points[_LEFT])) / height
    return gap, width


def map_to_rig(gap: Array, target: Array) -> tuple[float, float]:
    """Scale and offset that bring a measured gap onto the rig's: their 5th and 95th percentiles become equal.

    Returns (scale, offset); a gap that never moves gives (0, median of the target).
    """
    low, high = np.percentile(gap, [5, 95])
    to_low, to_high = np.percentile(target, [5, 95])
    if high - low < 1e-6:
        return 0.0, float(np.median(target))
    scale = float((to_high - to_low) / (high - low))
    return scale, float(to_low - scale * low)
