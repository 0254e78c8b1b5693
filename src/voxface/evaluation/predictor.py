"""Whatever turns sound into a face, as the evaluation sees it: the bundle as shipped, and the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voxface.dataset.recording import Recording
from voxface.errors import ClipError
from voxface.face.rig import ARKIT
from voxface.stream import Array


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A predicted face at 100 rows a second.

    weights: (rows, 52) float32 in canonical order (face.rig.ARKIT)
    gap:     (rows,) float32 lip gap in the rig's units (face.gap.rig_gap)
    """

    weights: Array
    gap: Array

    def __post_init__(self) -> None:
        rows = len(self.gap)
        if self.weights.shape != (rows, len(ARKIT)) or self.gap.shape != (rows,):
            raise ClipError(
                f"a prediction must be (rows, {len(ARKIT)}) weights and (rows,) gap; "
                f"got {self.weights.shape} and {self.gap.shape}."
            )

    def __len__(self) -> int:
        return len(self.gap)


class Predictor(Protocol):
    """Sound in, face out."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    def predict(self, samples: Array) -> Prediction:
        """(n,) float32 samples at 16 kHz -> 1 + n // 160 rows."""


def face_rows(recording: Recording) -> Array:
    """(rows, 53) float32, what baselines are fitted to: the 52 calibrated weights, then the lip gap in rig units."""
    return np.concatenate([recording.calibrated(), recording.rig_gap_target()[:, None]], axis=1)


def as_prediction(face: Array) -> Prediction:
    """(rows, 53): weights come into [0, 1]; the gap stays as it is, so that clipping cannot bend its r."""
    return Prediction(np.clip(face[:, :-1], 0, 1).astype(np.float32), face[:, -1].astype(np.float32))
