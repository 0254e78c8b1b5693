"""What the aligner hears: cepstra of a recording every 5 ms, and how they move."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from voxface.audio.mel import LogMel
from voxface.stream import Array
from voxface.timebase import SAMPLE_RATE_HZ

HOP = 80  # samples
STEP_S = HOP / SAMPLE_RATE_HZ
"""Seconds between steps, the aligner's rows: half a row of the rest of the house, so that short phones have room."""

CEPSTRA = 13
WIDTH = 3 * CEPSTRA

_DEPTH_DB = 70.0  # below the loudest band of the recording nothing counts
_REACH = 4  # steps on each side over which slopes are taken: 20 ms


def cepstra(samples: Array) -> Array:
    """(n,) at 16 kHz -> (1 + n // 80, 39) float32: 13 cepstra, their slopes, and the slopes of these.

    The logarithmic mel bands are decorrelated by a cosine transform (S. B. Davis, P. Mermelstein, IEEE Trans. ASSP 28
    (1980)); slopes are least-squares lines over 45 ms (S. Furui, IEEE Trans. ASSP 34 (1986)).
    """
    mel = LogMel(hop=HOP)
    state, head = mel.step(mel.start(), np.asarray(samples, np.float32))
    bands = np.concatenate([head, mel.finish(state)])
    values = np.maximum(bands, bands.max() - _DEPTH_DB) @ _cosines(bands.shape[1]).T
    slopes = _slopes(values)
    return np.concatenate([values, slopes, _slopes(slopes)], axis=1).astype(np.float32)


@lru_cache
def _cosines(bands: int) -> Array:
    """(CEPSTRA, bands): the first rows of an orthonormal cosine transform."""
    angles = np.pi * np.arange(CEPSTRA)[:, None] * (np.arange(bands) + 0.5) / bands
    rows: Array = np.sqrt(2 / bands) * np.cos(angles)
    return rows


def _slopes(values: Array) -> Array:
    padded = np.pad(values, ((_REACH, _REACH), (0, 0)), "edge")
    steps = np.arange(-_REACH, _REACH + 1)
    shifted = np.stack([padded[_REACH + k : _REACH + k + len(values)] for k in steps])
    slopes: Array = np.tensordot(steps / (steps @ steps), shifted, axes=1)
    return slopes
