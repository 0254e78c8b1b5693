"""How loud each row is beside the loudest of its recording: tells speech and quiet apart (SPEC C5)."""

from __future__ import annotations

import numpy as np

from voxface.stream import Array
from voxface.timebase import ROW_HOP, row_count

SPEECH_DB = 25.0
"""Rows less than this below the loudest are speech."""

QUIET_DB = 30.0
"""Rows more than this below the loudest are quiet."""

_HALF = 400  # samples: half of 50 ms
_FLOOR = 1e-12  # mean square; -120 dB, below the step of 16-bit samples


def relative_level_db(samples: Array) -> Array:
    """RMS of the 50 ms around each row, in dB re the recording's loudest row.

    Args:
        samples: (n,) at 16 kHz. Beyond the ends there is silence.
    Returns: (1 + n // 160,) float32, at most 0; digital silence throughout gives -inf everywhere, so that no row of it
    counts as speech.
    """
    centres = np.arange(row_count(len(samples))) * ROW_HOP
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    first, last = np.clip(centres - _HALF, 0, None), np.clip(centres + _HALF, None, len(samples))
    power = np.maximum(energy[last] - energy[first], 0) / (2 * _HALF)
    loudest = power.max()
    if loudest <= _FLOOR:
        return np.full(len(power), -np.inf, np.float32)
    level: Array = (10 * np.log10(np.maximum(power, _FLOOR) / loudest)).astype(np.float32)
    return level
