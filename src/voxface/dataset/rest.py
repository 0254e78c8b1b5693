"""A speaker's resting face, and how the lip gap seen on video maps to the lip gap of the calibrated rig."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxface.dataset.loudness import QUIET_DB, relative_level_db
from voxface.dataset.recording import calibrated
from voxface.face.compare import pearson
from voxface.face.gap import map_to_rig, rig_gap
from voxface.face.rig import ARKIT
from voxface.stream import Array

CLOSED_PERCENTILE = 25.0
"""Only rows whose lip gap is below this percentile of the speaker's show rest: people hold the mouth open before they
speak. Measured on nine short clips: r of the two gaps rises by up to 0.10 (0.85 -> 0.94, 0.81 -> 0.87), never falls."""

LEAST_RESTING_ROWS = 20
"""This much quiet with the lips closed (0.2 s) is needed to take the rest from it."""

LOW_PERCENTILE = 10.0
"""Without such rows, the rest of a channel is this percentile of all that was seen."""

_MOST_ROWS = 400_000  # of one speaker (67 min); more are thinned out evenly, percentiles do not need them all


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What is known of a speaker's face.

    rest:       (52,) float32 weights of the resting face
    method:     "quiet" (median over resting rows) or "percentile" (too few of them)
    resting_rows: quiet valid rows (more than 30 dB below their recording's loudest) with the lips closed
    rows:       valid rows in all
    gap_scale, gap_offset: bring the measured lip gap onto the calibrated rig's: 5th and 95th percentile become equal
    gap_r:      Pearson r of the two gaps over the same rows; 0 where one of them never moves
    """

    rest: Array
    method: str
    resting_rows: int
    rows: int
    gap_scale: float
    gap_offset: float
    gap_r: float

    def to_json(self) -> dict[str, Any]:
        """As it stands in the manifest. A float32 survives as the shortest decimal that gives it back."""
        rest = {name: float(str(value)) for name, value in zip(ARKIT, self.rest, strict=True)}
        numbers = {"gap_scale": self.gap_scale, "gap_offset": self.gap_offset, "gap_r": self.gap_r}
        counts = {"method": self.method, "resting_rows": self.resting_rows, "rows": self.rows}
        return {**counts, **numbers, "rest": rest}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Calibration:
        """Read what to_json wrote. Raises: KeyError, TypeError, ValueError: it is not that."""
        rest = np.array([float(value["rest"][name]) for name in ARKIT], np.float32)
        numbers = [float(value[name]) for name in ("gap_scale", "gap_offset", "gap_r")]
        return cls(rest, str(value["method"]), int(value["resting_rows"]), int(value["rows"]), *numbers)


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerRows:
    """The valid rows of one recording: weights (rows, 52), gap (rows,), quiet (rows,) bool."""

    weights: Array
    gap: Array
    quiet: Array


def speaker_rows(weights: Array, gap: Array, valid: Array, samples: Array) -> SpeakerRows:
    """Pick the valid rows of a recording and find the quiet ones: more than 30 dB below its loudest."""
    quiet = relative_level_db(samples) < -QUIET_DB
    return SpeakerRows(weights[valid], gap[valid], quiet[valid])


def calibrate(parts: Sequence[SpeakerRows]) -> Calibration:
    """The calibration of the speaker whose recordings these are.

    Without a single valid row the rest is 0 and the gap maps to 0.
    """
    count = sum(len(part.gap) for part in parts)
    if not count:
        return Calibration(np.zeros(len(ARKIT), np.float32), "percentile", 0, 0, 0.0, 0.0, 0.0)
    step = -(-count // _MOST_ROWS)
    weights = np.concatenate([part.weights[::step] for part in parts])
    gap = np.concatenate([part.gap[::step] for part in parts])
    quiet = np.concatenate([part.quiet[::step] for part in parts])
    resting = quiet & (gap <= np.percentile(gap, CLOSED_PERCENTILE))
    known = int(resting.sum()) * step
    enough = known >= LEAST_RESTING_ROWS
    rest = np.median(weights[resting], axis=0) if enough else np.percentile(weights, LOW_PERCENTILE, axis=0)
    rest = rest.astype(np.float32)
    rig = rig_gap(calibrated(weights, rest), ARKIT)
    scale, offset = map_to_rig(gap, rig)
    return Calibration(rest, "quiet" if enough else "percentile", known, count, scale, offset, pearson(gap, rig))
