"""Sound as FLAC in memory: half the size of plain samples, exact, and every browser plays it."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from voxface.stream import Array


def flac(samples: Array, rate_hz: int) -> bytes:
    """(n,) float32 samples as a FLAC file of 16 bits; what is beyond full scale is clipped. The same samples give the
    same bytes."""
    file = io.BytesIO()
    whole = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
    soundfile.write(file, whole, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()
