"""What a model must beat: no model at all, loudness, and a straight line from log-mel to face.

All are fitted on the same training recordings as the model, and answer through the same interface. The lip gap is
fitted to the measured gap on the rig's scale; judged by r, its scale and offset do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxface.dataset.loudness import relative_level_db
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError
from voxface.evaluation.predictor import Prediction, as_prediction, face_rows
from voxface.evaluation.ridge import RIDGE, STRANGERS_RIDGE, MelRidge, fit_ridge
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.timebase import row_count

QUIETEST_DB = -60.0  # loudness below this, re the clip's loudest row, counts as this


@dataclass(frozen=True, slots=True, eq=False)
class MeanFace:
    """The mean face of the training recordings, standing still. face: (53,) float32, 52 weights and the lip gap."""

    face: Array
    name: str = "mean face"

    def predict(self, samples: Array) -> Prediction:
        """(n,) samples at 16 kHz -> 1 + n // 160 rows, all the same."""
        return as_prediction(np.tile(self.face, (row_count(len(samples)), 1)))


@dataclass(frozen=True, slots=True, eq=False)
class LogEnergy:
    """Every channel a straight line over loudness: slope * dB + offset.

    The loudness of a row is the RMS of the 50 ms around it in dB re the clip's loudest row, no lower than -60.
    slope, offset: (53,) float32
    """

    slope: Array
    offset: Array
    name: str = "log energy"

    def predict(self, samples: Array) -> Prediction:
        """(n,) samples at 16 kHz -> 1 + n // 160 rows."""
        return as_prediction(loudness_db(samples)[:, None] * self.slope + self.offset)


Baseline = MeanFace | LogEnergy | MelRidge


def fit_baselines(train: Sequence[Recording], validate: Sequence[Recording]) -> tuple[Baseline, ...]:
    """All baselines, always the same ones, in the order of the report.

    Raises: DatasetError: the training recordings hold no valid row, or nothing validates the ridge.
    """
    ridges = [fit_ridge(train, validate, config) for config in (RIDGE, STRANGERS_RIDGE)]
    return fit_mean_face(train), fit_log_energy(train), *ridges


def fit_mean_face(train: Sequence[Recording]) -> MeanFace:
    """The mean over all valid rows of the training recordings."""
    total, rows = np.zeros(len(ARKIT) + 1), 0
    for recording in train:
        face = face_rows(recording)[recording.valid]
        total += face.sum(axis=0, dtype=np.float64)
        rows += len(face)
    _need_rows(rows)
    return MeanFace((total / rows).astype(np.float32))


def fit_log_energy(train: Sequence[Recording]) -> LogEnergy:
    """Least squares of every channel over loudness, on all valid rows of the training recordings."""
    design, cross = np.zeros((2, 2)), np.zeros((2, len(ARKIT) + 1))
    for recording in train:
        level = loudness_db(recording.samples)[recording.valid].astype(np.float64)
        inputs = np.stack([level, np.ones_like(level)], axis=1)
        design += inputs.T @ inputs
        cross += inputs.T @ face_rows(recording)[recording.valid]
    _need_rows(int(design[1, 1]))
    slope, offset = np.linalg.lstsq(design, cross, rcond=None)[0].astype(np.float32)
    return LogEnergy(slope, offset)


def loudness_db(samples: Array) -> Array:
    """(rows,) float32: see LogEnergy."""
    return np.maximum(relative_level_db(samples), np.float32(QUIETEST_DB))


def _need_rows(rows: int) -> None:
    if not rows:
        raise DatasetError(
            "the baselines need training recordings with a face in them; there is no valid row.",
            hint="Check the train split: voxface dataset prints a report.",
        )
