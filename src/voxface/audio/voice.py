"""Loudness, zero crossings and voice activity of the same 400 samples that a mel row sees (SPEC A2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voxface.stream import Array
from voxface.timebase import ROW_HOP, ROW_RATE_HZ, ROW_WINDOW

RMS_FLOOR_DB = -80.0
_PART = 80  # samples; a window is 5 parts, a hop 2, so sums over parts serve overlapping windows


def window_level_db(heard: Array, rows: int) -> Array:
    """Loudness of the windows that begin at samples 0, 160, 320, ... of `heard`.

    Returns: (rows,) float32 dB re full scale, no lower than -80: 20 log10 of the RMS of the 400 samples, unwindowed.
    """
    parts = _used(heard, rows).reshape(-1, _PART)
    mean_square = _over_window(np.einsum("ij,ij->i", parts, parts), rows) / np.float32(ROW_WINDOW)
    result: Array = np.float32(10) * np.log10(np.maximum(mean_square, np.float32(10 ** (RMS_FLOOR_DB / 10))))
    return result


def window_crossings(heard: Array, rows: int) -> Array:
    """Zero-crossing rate of the same windows: (rows,) float32 sign changes among the 400 samples / 400."""
    used = _used(heard, rows)
    negative = np.signbit(used)
    changes = np.empty(len(used), np.int8)
    changes[:1] = 0
    np.not_equal(negative[1:], negative[:-1], out=changes[1:].view(bool))
    crossings = changes.reshape(-1, _PART).sum(axis=1, dtype=np.int32)
    first = changes[: rows * ROW_HOP : ROW_HOP]  # the change into a window's first sample is not among its own
    result: Array = ((_over_window(crossings, rows) - first) / np.float32(ROW_WINDOW)).astype(np.float32)
    return result


def _used(heard: Array, rows: int) -> Array:
    """What the windows of `rows` rows cover."""
    return np.ascontiguousarray(heard[: (rows - 1) * ROW_HOP + ROW_WINDOW] if rows else heard[:0], np.float32)


def _over_window(parts: Array, rows: int) -> Array:
    """Sums over the five parts of each window; windows start every second part."""
    if rows == 1:
        whole: Array = parts[:5].sum(keepdims=True)
        return whole
    end = 2 * rows
    return (
        parts[0:end:2]
        + parts[1 : end + 1 : 2]
        + parts[2 : end + 2 : 2]
        + parts[3 : end + 3 : 2]
        + parts[4 : end + 4 : 2]
    )


class VoiceState(NamedTuple):
    """Floor of the background in dB (infinite before any sound), the value held, and for how many more rows."""

    floor_db: float
    held: float
    rows_left: int


class VoiceActivity:
    """How surely somebody speaks, from level over a running floor.

    The floor is the running minimum of the level: it begins at the first row with sound in it, falls at once and rises
    3 dB/s; digital silence says nothing about a room and does not move it. Activity grows from 0 at 6 dB above the
    floor to 1 at 18 dB, and the last value >= 0.5 is held for 100 ms. Causal.

    Measured on 50 GRID clips with word times (benchmarks/voice.py): a floor that begins at -60 dB and rises 1 dB/s, as
    SPEC A2 first had it, calls 94 % of the rows between phrases speech in that room, this one 46 %.
    """

    RISE_DB = 3.0 / ROW_RATE_HZ  # per row
    HOLD_ROWS = 10

    def start(self) -> VoiceState:
        """Nothing is known of the background."""
        return VoiceState(float("inf"), 0.0, 0)

    def step(self, state: VoiceState, level: Array) -> tuple[VoiceState, Array]:
        """(rows,) level in dB -> (new state, (rows,) float32 activity in [0, 1])."""
        n = len(level)
        if not n:
            return state, np.zeros(0, np.float32)
        floor = self._floor(state.floor_db, level)
        raw = np.minimum(np.maximum((level - floor - 6) / 12, 0), 1).astype(np.float32)
        number = np.arange(n)
        before = self.HOLD_ROWS + 1 - state.rows_left  # rows since the last sure one, at row 0
        sure = np.maximum.accumulate(np.where(raw >= 0.5, number, -1))  # last sure row at or before each row
        held = np.where(sure >= 0, raw[sure], np.float32(state.held))
        since = number - np.where(sure >= 0, sure, -before)
        activity = np.where(since <= self.HOLD_ROWS, held, raw)
        left = max(0, self.HOLD_ROWS - int(since[-1]))
        return VoiceState(float(floor[-1]), float(held[-1]), left), activity

    def _floor(self, floor_db: float, level: Array) -> Array:
        """(rows,) the running floor."""
        rise = self.RISE_DB * np.arange(1, len(level) + 1)
        sounding = np.where(level > RMS_FLOOR_DB, level - rise, np.inf)
        floor: Array = np.minimum(np.minimum.accumulate(sounding), floor_db) + rise
        return floor
