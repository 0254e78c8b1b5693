"""One recording of a dataset: its sound, and the face at every row of the sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.articulation.phones import Phone
from voxface.errors import DatasetError
from voxface.face.rig import ARKIT, HEAD
from voxface.stream import Array
from voxface.timebase import SAMPLE_RATE_HZ, row_count

SPLITS: tuple[str, ...] = ("train", "validate", "test")
CHANNELS: tuple[str, ...] = (*ARKIT, *HEAD)
"""The 59 values of a row, in this order."""

LEAST_RANGE = 0.1
"""The calibrated range of a channel is at least this wide: one that rests near 1 must not be blown up into noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Sound and face on one clock. Row i is at i / 100 s; n samples have r = 1 + n // 160 rows.

    name:       of the source video, unique in the dataset
    speaker:    who speaks
    split:      train, validate or test
    samples:    (n,) float32 mono at 16 kHz
    weights:    (r, 52) float32 in [0, 1], canonical order
    head:       (r, 7) float32: position in metres relative to the recording's median, unit quaternion w, x, y, z
    gap:        (r,) float32 measured lip gap, in units of face height (face.gap.video_gap)
    width:      (r,) float32 mouth width, same unit; 0 throughout where the source has none
    valid:      (r,) bool; False: no face was seen around this row and its values are placeholders
    rest:       (52,) float32 weights of the speaker's resting face
    gap_scale:  scale * gap + offset is on the scale of the calibrated rig's lip gap, over the speaker
    gap_offset: see gap_scale
    observed:   (52,) bool; False: the tracker cannot measure the channel
    synthetic:  the speech is a machine's, and the weights are curves of its phones (articulation.curves)
    phones:     what is spoken when, in order of time; empty: not known
    """

    name: str
    speaker: str
    split: str
    samples: Array
    weights: Array
    head: Array
    gap: Array
    width: Array
    valid: Array
    rest: Array
    gap_scale: float
    gap_offset: float
    observed: Array
    synthetic: bool = False
    phones: tuple[Phone, ...] = ()

    def __post_init__(self) -> None:
        rows, rig = row_count(len(self.samples)), len(ARKIT)
        shapes = {
            "samples": (len(self.samples),), "weights": (rows, rig), "head": (rows, len(HEAD)), "gap": (rows,),
            "width": (rows,), "valid": (rows,), "rest": (rig,), "observed": (rig,),
        }  # fmt: skip
        for name, shape in shapes.items():
            kind = bool if name in ("valid", "observed") else np.float32
            array: Array = np.asarray(getattr(self, name), kind).view()
            if array.shape != shape:
                raise DatasetError(f"recording {self.name!r}: {name} must be {shape}; got {array.shape}.")
            if kind is np.float32 and not np.isfinite(array).all():
                raise DatasetError(f"recording {self.name!r}: {name} must be finite; some values are NaN or infinite.")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if self.split not in SPLITS:
            raise DatasetError(f"recording {self.name!r} is in split {self.split!r}; splits are {', '.join(SPLITS)}.")

    @property
    def rows(self) -> int:
        """Rows of the recording, valid or not."""
        return len(self.weights)

    @property
    def duration_s(self) -> float:
        """Seconds of sound."""
        return len(self.samples) / SAMPLE_RATE_HZ

    def calibrated(self) -> Array:
        """(r, 52) float32 weights with the speaker's resting face at 0 and the full pose at 1."""
        return calibrated(self.weights, self.rest)

    def rig_gap_target(self) -> Array:
        """(r,) float32: the measured lip gap on the scale of the calibrated rig's (SPEC C5)."""
        return (self.gap_scale * self.gap + self.gap_offset).astype(np.float32)

    def targets(self, calibrate: bool = False) -> Array:
        """(r, 59) float32: weights as measured, or calibrated, and head, in the order of CHANNELS."""
        return np.concatenate([self.calibrated() if calibrate else self.weights, self.head], axis=1)


def calibrated(weights: Array, rest: Array) -> Array:
    """(r, 52) measured weights -> (r, 52) float32 in [0, 1]: (weights - rest) / (1 - rest), clipped.

    A tracker gives every person offsets of their own (RESEARCH A4); the rest of a rig is 0.
    """
    span = np.maximum(1 - rest, LEAST_RANGE)
    result: Array = np.clip((weights - rest) / span, 0, 1).astype(np.float32)
    return result
