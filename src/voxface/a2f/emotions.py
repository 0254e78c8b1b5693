"""Audio2Face's ten emotions and our seven: what a caller wants to be shown, and what is shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from voxface.errors import LimitError, UsageError
from voxface.face.rig import EMOTIONS
from voxface.runtime.emotion_input import BLEND_S, Wanted
from voxface.runtime.feeling import Feeling
from voxface.stream import Array

OURS: Mapping[str, str] = {
    "amazement": "Surprised", "anger": "Angry", "disgust": "Disgusted", "fear": "Fearful", "grief": "Sad",
    "joy": "Happy", "sadness": "Sad",
}  # fmt: skip
UNSHOWN = ("cheekiness", "outofbreath", "pain")
"""Theirs that we have no expression for: taken, and not shown."""

THEIRS: Mapping[str, str] = {ours: theirs for theirs, ours in OURS.items()}
"""Sad is sadness; Neutral is none of theirs."""

_MOST_KEYS = 10_000
_NEUTRAL = EMOTIONS.index("Neutral")


class Track:
    """The emotions that a caller has sent so far. Each is held until the next one, which comes in over BLEND_S.

    Args:
        share: of what was sent, from 0 to 1; the rest is what is heard.
        strength: of all expressions, from 0 to 1.
        counts: whether what is sent counts at all.
    Raises: UsageError: a number outside its range.
    """

    def __init__(self, share: float = 1.0, strength: float = 1.0, counts: bool = True) -> None:
        for what, number in (("preferred_emotion_strength", share), ("emotion_strength", strength)):
            if not 0 <= number <= 1:
                raise UsageError(f"{what} must be from 0 to 1; got {number}.")
        self._share, self._strength, self._counts = share, strength, counts
        self._keys: dict[float, Array] = {}

    def add(self, time_s: float, emotion: Mapping[str, float]) -> None:
        """Raises: UsageError: no time, an unknown emotion, a number outside 0 to 1. LimitError: too many."""
        if not (time_s >= 0 and math.isfinite(time_s)):
            raise UsageError(f"the time code of an emotion is in seconds from 0 on; got {time_s}.")
        self._keys[time_s] = _values(emotion)
        if len(self._keys) > _MOST_KEYS:
            raise LimitError(f"more than {_MOST_KEYS:,} emotions were sent for one sound.")

    def feeling(self) -> Feeling:
        """How a session shows them; without any it shows what is heard."""
        if not (self._keys and self._counts):
            return Feeling(strength=self._strength)
        times, values = _held(sorted(self._keys.items()))
        return Feeling(strength=self._strength, wanted=Wanted(times, values, np.full(len(times), self._share)))


def _held(keys: Iterable[tuple[float, Array]]) -> tuple[Array, Array]:
    """Keys as corners of a line: (corners,) seconds, rising, and (corners, 7) values."""
    times: list[float] = []
    values: list[Array] = []
    for time_s, value in keys:
        if times:
            now = np.array([np.interp(time_s, times, column) for column in np.transpose(values)])
            while times and times[-1] >= time_s:  # the one before had not come in yet
                del times[-1], values[-1]
            times.append(time_s)
            values.append(now)
        times.append(time_s + BLEND_S if times else time_s)
        values.append(value)
    return np.array(times), np.array(values)


def _values(emotion: Mapping[str, float]) -> Array:
    """(7,) as runtime.emotion_input has them; Neutral is what is left of 1."""
    values = np.zeros(len(EMOTIONS))
    for name, number in emotion.items():
        if name not in OURS and name not in UNSHOWN:
            known = ", ".join(sorted([*OURS, *UNSHOWN]))
            raise UsageError(f"{name[:40]!r} is no emotion of Audio2Face.", hint=f"There are: {known}.")
        if not 0 <= number <= 1:
            raise UsageError(f"{name} must be from 0 to 1; got {number}.")
        if name in OURS:
            at = EMOTIONS.index(OURS[name])
            values[at] = max(values[at], number)
    values[_NEUTRAL] = max(0.0, 1 - values.sum())
    return values
