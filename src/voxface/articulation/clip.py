"""Phones become a face clip, without any sound: what `voxface animate --phones` gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from voxface.articulation.channels import OBSERVED
from voxface.articulation.curves import curves
from voxface.articulation.phones import Phone
from voxface.articulation.table import Table
from voxface.errors import UsageError
from voxface.face.clip import FaceClip
from voxface.face.interpolate import interpolate_values
from voxface.face.rig import ARKIT
from voxface.timebase import ROW_RATE_HZ, exact_rate

_BLOCK = 8192  # frames worked on at a time: a clip of hours takes little memory beside itself


def phone_clip(
    phones: Sequence[Phone], fps: float, duration_s: float | None = None, table: Table | None = None
) -> FaceClip:
    """The face of an utterance, frame k at k / fps seconds, k / fps < duration_s; linear between the curves' rows.

    Args:
        phones: in the order of time, second 0 is the start of the clip.
        duration_s: None is the end of the last phone.
        table: None is the one that comes with voxface.
    Returns: a clip of the 52 ARKit channels, of which ARTICULATED are observed.
    Raises: UsageError: no finite duration from 0 on, or a frame rate that is none.
    """
    if duration_s is None:
        duration_s = max((phone.end_s for phone in phones), default=0.0)
    if not (np.isfinite(duration_s) and duration_s >= 0):
        raise UsageError(f"a clip must last 0 seconds or more; got {duration_s}.")
    rate = exact_rate(fps)
    frames = math.ceil(Fraction(duration_s).limit_denominator(1_000_000) * rate)
    times = np.arange(frames) / float(rate)
    rows = 2 + int(duration_s * ROW_RATE_HZ)
    row_times, face = np.arange(rows) / ROW_RATE_HZ, curves(phones, rows, table)
    values = np.empty((frames, len(ARKIT)), np.float32)
    for at in range(0, frames, _BLOCK):
        values[at : at + _BLOCK] = interpolate_values(row_times, face, times[at : at + _BLOCK])
    return FaceClip(values, ARKIT, fps, observed=OBSERVED)
