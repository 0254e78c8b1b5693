"""How well one predicted face follows a captured one: pure functions over rows at 100 Hz (SPEC C5).

Correlation is undefined where something stands still. Our rule, used everywhere: a prediction that stands still has
r = 0 (it told us nothing), a truth that stands still gives no r at all (None: the clip cannot judge anybody).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxface.face.gap import CLOSED_BELOW
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

MAX_LAG_ROWS = 20  # 200 ms
CLOSURE_ROWS = 2  # a closure is looked for within 20 ms of its event
STILL = 1e-6  # a curve whose standard deviation is below this stands still


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over clips and its standard error: std(ddof=1) / sqrt(count); None where too few clips allow it."""

    value: float | None
    error: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Mean:
        """The mean of the values that exist."""
        known = np.array([value for value in values if value is not None], np.float64)
        if not len(known):
            return cls(None, None, 0)
        error = float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else None
        return cls(float(known.mean()), error, len(known))


def pearson(prediction: Array, truth: Array) -> float | None:
    """Pearson's r of two (rows,) curves; 0 for a still prediction, None for a still truth or fewer than 3 rows."""
    if len(truth) < 3:
        return None
    left = prediction.astype(np.float64) - prediction.mean(dtype=np.float64)
    right = truth.astype(np.float64) - truth.mean(dtype=np.float64)
    size, scale = float(left @ left), float(right @ right)
    if scale < len(truth) * STILL**2:
        return None
    if size < len(truth) * STILL**2:
        return 0.0
    return float(np.clip(left @ right / math.sqrt(size * scale), -1, 1))


def lag_curve(prediction: Array, truth: Array, valid: Array, reach: int = MAX_LAG_ROWS) -> list[float | None]:
    """r for every lag of -reach...+reach rows. At a positive lag the prediction comes too late by that many rows.

    Args:
        prediction: (rows,). truth: (rows,). valid: (rows,) bool, rows of the truth that count.
    """
    return [_at_lag(prediction, truth, valid, lag) for lag in range(-reach, reach + 1)]


def _at_lag(prediction: Array, truth: Array, valid: Array, lag: int) -> float | None:
    rows = len(truth)
    first, last = max(0, -lag), min(rows, rows - lag)
    if last <= first:
        return None
    keep = valid[first:last]
    return pearson(prediction[first + lag : last + lag][keep], truth[first:last][keep])


def best_lag_ms(curves: Sequence[Sequence[float | None]]) -> float | None:
    """The lag in ms at which r, averaged over clips, is highest; the smallest such lag where several tie.

    Args:
        curves: one lag_curve per clip. None where no clip has an r, or where nothing correlates at any lag.
    """
    if not curves:
        return None
    means = [Mean.of(values).value for values in zip(*curves, strict=True)]
    reach = len(means) // 2
    known = [(value, -abs(i - reach), i - reach) for i, value in enumerate(means) if value is not None]
    if not known or not any(value for value, _, _ in known):
        return None
    return max(known)[2] * 1000 / ROW_RATE_HZ


def third_difference(values: Array, valid: Array) -> float | None:
    """Mean |third difference| per row over (rows, channels), where four valid rows stand in line; None: nowhere."""
    if len(values) < 4:
        return None
    four = valid[3:] & valid[2:-1] & valid[1:-2] & valid[:-3]
    if not four.any():
        return None
    return float(np.abs(np.diff(values.astype(np.float64), n=3, axis=0))[four].mean())


def spread(curve: Array) -> float:
    """95th minus 5th percentile of a (rows,) curve."""
    low, high = np.percentile(curve, [5, 95])
    return float(high - low)


def opening(gap: Array, where: Array) -> tuple[float, int]:
    """(sum of max(gap, 0) over the chosen rows, how many they are)."""
    chosen = gap[where]
    return float(np.maximum(chosen, 0).sum(dtype=np.float64)), len(chosen)


def closed_near(gap: Array, valid: Array, times_s: Sequence[float]) -> tuple[int, int]:
    """(events at which the rig gap falls below 0.06 within 20 ms, events judged).

    An event with no valid row within 20 ms is not judged.
    """
    hits = judged = 0
    for time_s in times_s:
        row = time_s * ROW_RATE_HZ
        near = slice(max(0, math.ceil(row - CLOSURE_ROWS - 1e-6)), max(0, math.floor(row + CLOSURE_ROWS + 1e-6) + 1))
        seen = gap[near][valid[near]]
        judged += bool(len(seen))
        hits += bool((seen < CLOSED_BELOW).any())
    return hits, judged


def ratio(above: float, below: float) -> float | None:
    """above / below; None where there is nothing to divide by."""
    return above / below if below > 0 else None
