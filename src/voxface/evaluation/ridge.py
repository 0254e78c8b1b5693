"""The baseline that a net has to beat: ridge regression from log-mel with context to the face, in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from voxface.audio.features import MEL_BANDS, FeatureSpec
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError
from voxface.evaluation.metrics import Mean, clip_r
from voxface.evaluation.predictor import Prediction, as_prediction, face_rows
from voxface.stream import Array, run_whole

PEAK_PERCENT = 95.0
_BLOCK_ROWS = 6000  # rows whose inputs are in memory at a time: 6000 x 1521 float32 are 36 MB
_EVERY = 2  # rows of the fit: faces come at 25 or 30 frames a second, so every second row says nearly all of it


@dataclass(frozen=True, slots=True)
class RidgeConfig:
    """What the ridge sees.

    name:      in the report
    context:   rows before and after that it sees; 45 are 450 ms
    step:      rows between the taps of that context; each tap is the mean of the `step` rows around it
    bands:     into how many the 80 mel bands are averaged; divides 80
    floor_db:  None: the bands as they are. A number: each band in dB below its own peak (its 95th percentile over the
               clip), no further down than this below the clip's peak: gain, microphone and room noise matter less
    penalties: ridge penalties to choose from, per fitted row
    """

    name: str = "ridge on log-mel"
    context: int = 45
    step: int = 5
    bands: int = MEL_BANDS
    floor_db: float | None = None
    penalties: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)

    @property
    def inputs(self) -> int:
        """Numbers the ridge sees, a constant 1 among them."""
        return self.bands * (2 * (self.context // self.step) + 1) + 1


RIDGE = RidgeConfig()
"""The strongest ridge we found on the speaker it is fitted on: every band, 910 ms, fixed dB."""

STRANGERS_RIDGE = RidgeConfig("ridge for strangers", context=20, step=4, bands=20, floor_db=80.0, penalties=(3e-2,))
"""The strongest ridge we found on people it never heard (data/grid_dev, from one training speaker): few, level-free
bands. It was chosen on those very people, which flatters it."""


@dataclass(frozen=True, slots=True, eq=False)
class MelRidge:
    """A fitted ridge. matrix: (config.inputs, 53) float32, to the 52 weights and the lip gap; penalty: as chosen."""

    config: RidgeConfig
    matrix: Array
    penalty: float

    @property
    def name(self) -> str:
        """As the report calls it."""
        return self.config.name

    def predict(self, samples: Array) -> Prediction:
        """(n,) samples at 16 kHz -> 1 + n // 160 rows."""
        return as_prediction(mel_context(samples, self.config) @ self.matrix)


def fit_ridge(train: Sequence[Recording], validate: Sequence[Recording], config: RidgeConfig | None = None) -> MelRidge:
    """Fit on the training recordings; the penalty is the one with the highest lip-gap r on the validation recordings.

    Raises: DatasetError: there is no valid row to fit, or none to choose the penalty by.
    """
    config = config or RidgeConfig()
    design, cross, rows = normal_equations(train, config)
    if not rows:
        raise DatasetError("the ridge needs training recordings with a face in them; there is no valid row.")
    best: tuple[float, MelRidge] | None = None
    for penalty in config.penalties:
        ridge = MelRidge(config, solve(design, cross, penalty * rows), penalty)
        r = Mean.of([_gap_r(ridge, recording) for recording in validate]).value
        if r is not None and (best is None or r > best[0]):
            best = r, ridge
    if best is None:
        raise DatasetError(
            "the ridge needs validation recordings in which a mouth moves, to choose its penalty by; there is none.",
            hint="Build the dataset with a validate split.",
        )
    return best[1]


def _gap_r(ridge: MelRidge, recording: Recording) -> float | None:
    predicted = ridge.predict(recording.samples).gap
    return clip_r(predicted[recording.valid], recording.gap[recording.valid])


def normal_equations(recordings: Sequence[Recording], config: RidgeConfig) -> tuple[Array, Array, int]:
    """X'X (inputs, inputs), X'Y (inputs, 53), both float64, and the number of rows in them."""
    design, cross, rows = np.zeros((config.inputs, config.inputs)), np.zeros((config.inputs, 53)), 0
    for inputs, faces in _blocks(recordings, config):
        design += inputs.T @ inputs
        cross += inputs.T @ faces
        rows += len(inputs)
    return design, cross, rows


def _blocks(recordings: Sequence[Recording], config: RidgeConfig) -> Iterator[tuple[Array, Array]]:
    """Inputs and faces of the valid rows, a few recordings at a time, so that memory stays small."""
    inputs: list[Array] = []
    faces: list[Array] = []
    for recording in recordings:
        keep = np.flatnonzero(recording.valid)[::_EVERY]
        inputs.append(mel_context(recording.samples, config)[keep])
        faces.append(face_rows(recording)[keep])
        if sum(map(len, inputs)) >= _BLOCK_ROWS:
            yield np.concatenate(inputs), np.concatenate(faces)
            inputs, faces = [], []
    if inputs:
        yield np.concatenate(inputs), np.concatenate(faces)


def solve(design: Array, cross: Array, penalty: float) -> Array:
    """(inputs, outputs) float32 that minimise |X w - y|^2 + penalty |w|^2; the last input, a 1, is not penalised."""
    penalised = design + np.diag(np.append(np.full(len(design) - 1, penalty), 0.0))
    return np.linalg.solve(penalised, cross).astype(np.float32)


def mel_context(samples: Array, config: RidgeConfig) -> Array:
    """(rows, config.inputs) float32: taps of log-mel around each row, about 0 and of size 1, and a constant 1.

    Before the first and after the last row the clip's ends are held.
    """
    mel = _moving_mean(_bands(samples, config), config.step)
    rows, reach = len(mel), config.context // config.step * config.step
    held = np.pad(mel, ((reach, reach), (0, 0)), mode="edge")
    taps = [held[at : at + rows] for at in range(0, 2 * reach + 1, config.step)]
    return np.concatenate([*taps, np.ones((rows, 1), np.float32)], axis=1).astype(np.float32, copy=False)


def _bands(samples: Array, config: RidgeConfig) -> Array:
    """(rows, config.bands) float32, about -1...1: log-mel as the config wants it."""
    mel = run_whole(FeatureSpec().extractor(), samples)
    centre: Array | float = -35.0
    if config.floor_db is not None:
        mel = np.maximum(mel, np.percentile(mel.max(axis=1), PEAK_PERCENT) - config.floor_db)
        centre = np.percentile(mel, PEAK_PERCENT, axis=0) - 22.5
    scaled = ((mel - centre) / 45.0).astype(np.float32)
    bands: Array = scaled.reshape(len(mel), config.bands, -1).mean(axis=2)
    return bands


def _moving_mean(rows: Array, width: int) -> Array:
    """The mean of `width` rows around each row; the ends are held."""
    if width == 1:
        return rows
    held = np.pad(rows, ((width // 2, (width - 1) // 2), (0, 0)), mode="edge")
    total: Array = sum((held[at : at + len(rows)] for at in range(width)), np.zeros_like(rows))
    return total / np.float32(width)
