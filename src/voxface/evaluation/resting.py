"""Does the mouth rest where nobody speaks, and does the gain of the microphone leave it alone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxface.evaluation.predictor import Predictor
from voxface.evaluation.scores import rounded
from voxface.evaluation.sounds import ROOM, SOUNDS
from voxface.face.rig import ARKIT, MOUTH
from voxface.stream import Array

MOST_OPENING = 0.02
"""The mark: mean of max(lip gap, 0) in silence and room noise."""

MOST_CHANGE = 0.03
"""The mark: mean change of any mouth channel by a gain of -30...0 dB."""

SEED = 1
GAINS_DB = (-30.0, -20.0, -10.0)
_MOUTH = [ARKIT.index(name) for name in MOUTH]
_JAW = ARKIT.index("jawOpen")


@dataclass(frozen=True, slots=True)
class Opening:
    """What the mouth does over a sound in which nobody speaks.

    mean: of max(lip gap, 0)
    jaw:  the largest jawOpen
    """

    mean: float
    jaw: float


@dataclass(frozen=True, slots=True)
class Resting:
    """One predictor over all sounds in which nobody speaks, by the names of sounds.SOUNDS."""

    predictor: str
    openings: Mapping[str, Opening]

    @property
    def worst_room(self) -> float:
        """The largest mean opening in silence and room noise; the mark is 0.02."""
        return max(self.openings[name].mean for name in ROOM)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers by name."""
        sounds = {name: {"opening": rounded(o.mean), "jaw_max": rounded(o.jaw)} for name, o in self.openings.items()}
        return {"predictor": self.predictor, "worst_room": rounded(self.worst_room), "sounds": sounds}


def resting(predictors: Sequence[Predictor]) -> tuple[Resting, ...]:
    """Run predictors over every sound of SOUNDS, each from its start."""
    sounds = {name: sound(SEED) for name, sound in SOUNDS.items()}
    return tuple(
        Resting(one.name, {name: opening_over(one, sound) for name, sound in sounds.items()}) for one in predictors
    )


def opening_over(predictor: Predictor, samples: Array) -> Opening:
    """What the mouth does over (n,) samples at 16 kHz."""
    face = predictor.predict(samples)
    return Opening(float(np.maximum(face.gap, 0).mean()), float(face.weights[:, _JAW].max()))


def gain_changes(predictor: Predictor, samples: Array, gains_db: Sequence[float] = GAINS_DB) -> dict[float, float]:
    """How much a gain changes the face: by gain, the mean |change| of the mouth channel that changes most.

    Args:
        samples: (n,) at 16 kHz; they are brought to a peak of 0 dB before the gain.
    """
    full = samples / max(float(np.abs(samples).max(initial=0)), 1e-9)
    plain = predictor.predict(full.astype(np.float32)).weights[:, _MOUTH]
    changes = {}
    for gain_db in gains_db:
        scaled = predictor.predict((full * 10 ** (gain_db / 20)).astype(np.float32)).weights[:, _MOUTH]
        changes[gain_db] = float(np.abs(scaled - plain).mean(axis=0).max())
    return changes
