"""Which frames of a video are kept under a limit of frames per second (SPEC A1)."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np

from voxface.errors import UsageError
from voxface.stream import Array

_REGULAR = 0.2  # share by which a step may differ from the usual one and still count as even
_EVEN_SHARE = 0.95  # share of even steps that makes a constant rate; the others are dropped frames
_LIMIT_TOLERANCE = 0.01
_TIME_TOLERANCE_S = 0.001  # containers round times to a millisecond


@dataclass(frozen=True, slots=True)
class FrameRate:
    """fps: mean frames per second. constant: the steps between frames are even."""

    fps: float
    constant: bool


def measure_rate(times_s: Array, stated_fps: float) -> FrameRate:
    """The rate of frames at sorted times; what the container states is taken where the frames agree with it.

    Args:
        times_s: (frames,) seconds. stated_fps: frames per second in the header; 0 if it states none.
    """
    steps = np.diff(times_s)
    steps = steps[steps > 0]
    if not len(steps):
        return FrameRate(stated_fps if stated_fps > 0 else 25.0, True)
    usual = float(np.median(steps))
    even = np.abs(steps - usual) <= max(_REGULAR * usual, _TIME_TOLERANCE_S)
    if even.mean() < _EVEN_SHARE:
        return FrameRate(float(len(steps) / steps.sum()), False)
    fps = 1.0 / float(steps[even].mean())
    agrees = stated_fps > 0 and abs(stated_fps / fps - 1) < _LIMIT_TOLERANCE
    return FrameRate(stated_fps if agrees else fps, True)


def check_limit(fps_limit: float) -> float:
    """The limit as it came. Raises: UsageError: it is not a number above 0."""
    if not 0 < fps_limit < float("inf"):
        raise UsageError(f"the limit of frames per second must be above 0; got {fps_limit}.")
    return fps_limit


def frame_interval(rate: FrameRate, fps_limit: float) -> int:
    """Every how manieth frame is kept: the smallest interval >= 1 whose rate is <= the limit with 1 % tolerance.

    60 fps under 30 gives 2, 59.94 gives 2, 50 gives 2, 24 gives 1. A variable rate gives 1: there time decides.

    Raises: UsageError: the limit is not above 0.
    """
    check_limit(fps_limit)
    if not rate.constant:
        return 1
    interval = max(1, floor(rate.fps / (fps_limit * (1 + _LIMIT_TOLERANCE))))
    while rate.fps / interval > fps_limit * (1 + _LIMIT_TOLERANCE):
        interval += 1
    return interval


def kept_frames(times_s: Array, rate: FrameRate, fps_limit: float) -> Array:
    """Numbers of the frames that a FramePicker keeps of frames at (frames,) rising times, all of them decoded."""
    if rate.constant:
        return np.arange(0, len(times_s), frame_interval(rate, fps_limit))
    multiple = np.floor((times_s + _TIME_TOLERANCE_S) * check_limit(fps_limit))
    return np.flatnonzero(np.diff(multiple, prepend=-np.inf) > 0)


class FramePicker:
    """Says of each frame in turn whether it is kept."""

    def __init__(self, rate: FrameRate, fps_limit: float) -> None:
        self.interval = frame_interval(rate, fps_limit)
        self.fps_limit = None if rate.constant else fps_limit

    def keeps(self, index: int, time_s: float, before_s: float) -> bool:
        """Is frame `index` at time_s kept, when the frame before it was at before_s (-inf for the first)?

        Constant rate: every interval-th. Variable: the first frame at or after each multiple of 1 / limit seconds.
        """
        if self.fps_limit is None:
            return index % self.interval == 0
        if before_s == -np.inf:
            return True
        return self._multiple(time_s) > self._multiple(before_s)

    def _multiple(self, time_s: float) -> int:
        return floor((time_s + _TIME_TOLERANCE_S) * (self.fps_limit or 1.0))
