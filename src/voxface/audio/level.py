"""Level control: speech of any loudness comes to the level the model was trained at (SPEC A2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """A causal look-back peak follower over the level of the rows.

    The peak jumps up at once and falls slowly, so a pause keeps the gain of the speech before it. Gain is one number
    per row and is added to the mel energies in dB: the same as scaling the samples of the row's window, without any
    edge between windows. A spoken phrase is thus brought to the same level whatever the gain of the microphone, from
    its first loud row on.

    target_db: the level to which peaks are brought, dB re full scale (RMS of a row)
    fall_db_s: how fast the peak is forgotten, dB per second
    floor_db:  peaks below this are not amplified further: the noise of a silent room stays small
    """

    target_db: float = -20.0
    fall_db_s: float = 2.0
    floor_db: float = -50.0

    def start(self) -> float:
        """State: the peak in dB; nothing was heard yet."""
        return self.floor_db

    def step(self, peak_db: float, level_db: Array) -> tuple[float, Array]:
        """(rows,) level in dB -> (new peak, (rows,) float32 gain in dB)."""
        if not len(level_db):
            return peak_db, np.zeros(0, np.float32)
        fall = self.fall_db_s / ROW_RATE_HZ * np.arange(1, len(level_db) + 1)
        peak = np.maximum(np.maximum.accumulate(level_db + fall), peak_db) - fall
        peak = np.maximum(peak, self.floor_db)
        return float(peak[-1]), (self.target_db - peak).astype(np.float32)
