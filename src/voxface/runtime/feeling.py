"""Which emotion a face shows, and how strongly: what is heard, what somebody wants, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from voxface.errors import UsageError
from voxface.face.rig import EMOTIONS
from voxface.runtime.emotion_input import Wanted
from voxface.runtime.expressions import STRONGEST, Expressions
from voxface.runtime.polish import Polish
from voxface.stream import Array

_NEUTRAL = EMOTIONS.index("Neutral")


@dataclass(frozen=True, slots=True, eq=False)
class Feeling:
    """How a session comes to its emotion, and shows it.

    heard:       what the sound says counts, where nothing is wanted
    wanted:      see emotion_input.wanted; None: nothing
    mix:         of what is wanted leaves unsaid (its Neutral), so much is what is heard: 0 the wanted alone, 1 both
    strength:    factor on all expressions, 0 (no expression, but the emotion still goes into the clip) to STRONGEST
    expressions: a TOML over the shipped table (runtime/expressions.toml); None: as shipped
    """

    heard: bool = True
    wanted: Wanted | None = None
    mix: float = 0.0
    strength: float = 1.0
    expressions: str | Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.mix <= 1:
            raise UsageError(f"emotion-mix is a share from 0 to 1; got {self.mix}.")
        if not 0 <= self.strength <= STRONGEST:
            raise UsageError(f"emotion-strength is a factor from 0 to {STRONGEST:g}; got {self.strength}.")

    def over(self, channels: Sequence[str], polish: Polish | None = None) -> Show:
        """Ready for faces with these columns; where only the mouth moves, it has no expression.

        Raises: InputError, UsageError: the table of expressions.
        """
        return Show(replace(self, strength=0) if polish and polish.mouth_only else self, tuple(channels))


class Show:
    """A Feeling on faces whose channels are known; it has no memory.

    Args:
        feeling: what is shown.
        channels: of the face; those that expressions move beside them are appended.
    """

    def __init__(self, feeling: Feeling, channels: tuple[str, ...]) -> None:
        table = Expressions.load(feeling.expressions)
        self.feeling = feeling
        self.channels = channels + tuple(name for name in table.channels_of() if name not in channels)
        self.express: Callable[[Array, Array], Array] = table.over(self.channels, feeling.strength)

    def __call__(self, weights: Array, heard: Array | None, times_s: Array) -> tuple[Array, Array]:
        """Give faces their expression.

        Args:
            weights: (n, self.channels), before gains.
            heard: (n, 7) as `runtime.emotion.settled`, or None: nothing is.
            times_s: (n,) of the faces, on the audio clock.
        Returns: (n, self.channels) weights, (n, 7) float32 emotion.
        """
        emotion = self.emotion(heard, times_s)
        return self.express(weights, emotion), emotion

    def emotion(self, heard: Array | None, times_s: Array) -> Array:
        """(n, 7) float32: what is heard and what is wanted as one."""
        if heard is None or not self.feeling.heard:
            heard = np.zeros((len(times_s), len(EMOTIONS)), np.float32)
            heard[:, _NEUTRAL] = 1
        if self.feeling.wanted is None:
            return heard
        values, share = self.feeling.wanted.at(times_s)
        unsaid = self.feeling.mix * values[:, _NEUTRAL : _NEUTRAL + 1]
        values = values + unsaid * heard
        values[:, _NEUTRAL] -= unsaid[:, 0]
        mixed: Array = np.clip(share * values + (1 - share) * heard, 0, 1)
        return mixed
