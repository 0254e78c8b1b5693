"""Level control: speech of any loudness comes to the level the model was trained at (SPEC A2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

_VOICED = 0.5
"""Voice activity from which a row counts as speech."""


class LevelState(NamedTuple):
    """The peak in dB, and whether somebody has spoken yet."""

    peak_db: float
    heard: bool


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """A causal look-back peak follower over the level of speech.

    The peak jumps up at once and falls slowly, while somebody speaks; a pause keeps the gain of the speech before it.
    Before the first speech the gain is 0 dB (less for louder sound), so that a noisy room is not taken for a quiet
    voice; the first voiced row sets the peak, also downwards. Gain is one number per row and is added to the mel
    energies in dB: the same as scaling the samples of the row's window, without any edge between windows. A spoken
    phrase is thus brought to the same level whatever the gain of the microphone, from its first voiced row on.

    target_db: the level to which peaks are brought, dB re full scale (RMS of a row)
    fall_db_s: how fast the peak is forgotten, dB per second of speech
    floor_db:  peaks below this are not amplified further
    free_db:   peaks within this distance of the target are left as they are; others are brought to the edge. Within
               it a net that has learned from varied gains needs no help, and a gain that moves with the first words
               blurs what loudness says (docs/model.md)
    """

    target_db: float = -20.0
    fall_db_s: float = 2.0
    floor_db: float = -60.0
    free_db: float = 0.0

    def start(self) -> LevelState:
        """Nobody has spoken yet; the gain is 0 dB."""
        return LevelState(self.target_db, False)

    def step(self, state: LevelState, level_db: Array, activity: Array) -> tuple[LevelState, Array]:
        """(rows,) level in dB and voice activity -> (new state, (rows,) float32 gain in dB)."""
        if not len(level_db):
            return state, np.zeros(0, np.float32)
        voiced = activity >= _VOICED
        first = 0 if state.heard else int(np.argmax(voiced)) if voiced.any() else len(level_db)
        peak = self._speaking(state.peak_db if state.heard else -np.inf, level_db[first:], voiced[first:])
        if first:
            before = np.maximum(np.maximum.accumulate(level_db[:first]), state.peak_db)
            peak = np.concatenate([before, peak])
        away = self.target_db - peak
        gain = away - np.clip(away, -self.free_db, self.free_db)
        return LevelState(float(peak[-1]), first < len(level_db)), gain.astype(np.float32)

    def _speaking(self, peak_db: float, level_db: Array, voiced: Array) -> Array:
        """(rows,) the peak once somebody has spoken: the loudest yet, less what has been forgotten since."""
        fall = np.cumsum(voiced) * (self.fall_db_s / ROW_RATE_HZ)
        peak = np.maximum(np.maximum.accumulate(level_db + fall), peak_db) - fall
        result: Array = np.maximum(peak, self.floor_db)
        return result
