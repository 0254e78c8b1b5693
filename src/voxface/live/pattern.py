"""A test pattern: movements that anybody recognises, to see whether a receiver gets them the right way round."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from voxface.face.axes import quaternion_from_euler
from voxface.face.rig import ARKIT
from voxface.live.frame import LiveFrame
from voxface.timebase import exact_rate, frame_time_s

PERIOD_S = 5.0
TOLD = (
    "the mouth opens wide and closes, once per second",
    "after 1 s the left eye blinks: the avatar's own left, on the right of the screen when it looks at you",
    "after 2 s its right eye blinks",
    "after 3 s the head turns to its own left and comes back",
)
"""What the pattern shows, for people."""

_TURN = math.radians(25)


def pattern(fps: float, seconds: float = PERIOD_S) -> Iterator[LiveFrame]:
    """The frames of the pattern, again after 5 s."""
    for seq in range(math.ceil(seconds * exact_rate(fps))):
        time_s = frame_time_s(seq, fps)
        at = time_s % PERIOD_S
        weights = np.zeros(len(ARKIT), np.float32)
        weights[ARKIT.index("jawOpen")] = 0.7 * _bump(at % 1.0, 0.0, 1.0)
        weights[ARKIT.index("eyeBlinkLeft")] = _bump(at, 1.0, 0.4)
        weights[ARKIT.index("eyeBlinkRight")] = _bump(at, 2.0, 0.4)
        head = np.zeros(7, np.float32)
        head[3:] = quaternion_from_euler(np.array([_TURN * _bump(at, 3.0, 1.6), 0.0, 0.0]))
        yield LiveFrame(seq, time_s, weights, head)


def _bump(time_s: float, start_s: float, length_s: float) -> float:
    """0, smoothly up to 1 in the middle, and back to 0."""
    phase = min(max((time_s - start_s) / length_s, 0.0), 1.0)
    return 0.5 - 0.5 * math.cos(2 * math.pi * phase)
