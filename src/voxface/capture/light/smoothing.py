"""Landmarks smoothed over time as MediaPipe's VIDEO mode does it for one face: a one-euro filter per coordinate.

Source: Casiez, Roussel, Vogel, "1 € Filter" (2012): a low-pass filter whose cut-off rises with speed. Speed is measured
in face sizes per second. The constants are those of MediaPipe's face landmarker graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxface.capture.light.region import bounds
from voxface.stream import Array

_SLOWEST_HZ = 0.05  # cut-off of a point that rests
_PER_SPEED = 80.0  # Hz of cut-off per face size and second
_SPEED_HZ = 1.0  # cut-off of the speed itself
_SMALLEST = 1e-6  # pixels; a smaller face is not smoothed


@dataclass(frozen=True, slots=True)
class Smoothed:
    """time_s; raw, smooth: the landmarks of that time, (3, n) pixels; speed: (3, n) smoothed face sizes per second."""

    time_s: float
    raw: Array
    smooth: Array
    speed: Array


def smooth(before: Smoothed | None, time_s: float, points: Array) -> Smoothed:
    """The next landmarks, smoothed; `before` is None where a face is new.

    Args:
        time_s: later than before.time_s.
        points: (3, n) float32 pixels.
    """
    if before is None:
        return Smoothed(time_s, points, points, np.zeros_like(points))
    left, top, right, bottom = bounds(points)
    size = (right - left + bottom - top) / 2
    if size < _SMALLEST:
        return Smoothed(time_s, points, points, before.speed)
    step_s = time_s - before.time_s
    speed = (points - before.raw) * np.float32(1 / (size * step_s))
    speed = before.speed + np.float32(_share(_SPEED_HZ, step_s)) * (speed - before.speed)
    cutoff = np.float32(2 * math.pi * step_s) * (_SLOWEST_HZ + _PER_SPEED * np.abs(speed))
    return Smoothed(time_s, points, before.smooth + cutoff / (1 + cutoff) * (points - before.smooth), speed)


def _share(cutoff_hz: float, step_s: float) -> float:
    """How much of a new value an exponential filter with that cut-off takes."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * step_s))
