"""How well one predicted face follows a captured one: pure functions over rows at 100 Hz (SPEC C5).

Correlation is undefined where something stands still. Our rule, used everywhere: a prediction that stands still has
r = 0 (it told us nothing), a truth that stands still gives no r at all (None: the clip cannot judge anybody).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxface.face.compare import pearson, stands_still
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

MAX_LAG_ROWS = 20  # 200 ms
MOVES = 0.005
"""A true channel whose standard deviation over a clip is below this does not move there: its r would be noise."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A number of a group of clips and its standard error; None where too few clips allow it.

    Of a mean over clips, the error is std(ddof=1) / sqrt(count), and count are the clips; of a number that is pooled
    over the events of all clips (closures.py), it is a jackknife over clips, and count are the events.
    """

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


def clip_r(prediction: Array, truth: Array) -> float | None:
    """Pearson's r of two (rows,) curves; 0 for a still prediction, None for a still truth or fewer than 3 rows."""
    return None if stands_still(truth) else pearson(prediction, truth)


def lag_curve(prediction: Array, truth: Array, valid: Array, reach: int = MAX_LAG_ROWS) -> list[float | None]:
    """r for every lag of -reach...+reach rows. At a positive lag the prediction comes too late by that many rows.

    Args:
        prediction: (rows,). truth: (rows,). valid: (rows,) bool, rows of the truth that count.
    """
    return [r_at_lag(prediction, truth, valid, lag) for lag in range(-reach, reach + 1)]


def r_at_lag(prediction: Array, truth: Array, valid: Array, lag: int, heard: Array | None = None) -> float | None:
    """r of prediction[t + lag] with truth[t], as if the face had been recorded `lag` rows later.

    Args:
        valid: (rows,) bool, rows of the truth that count.
        heard: (rows,) bool, rows of the sound that count, which stay where the prediction is; None: all.
    """
    rows = len(truth)
    first, last = max(0, -lag), min(rows, rows - lag)
    if last <= first:
        return None
    moved, keep = slice(first + lag, last + lag), valid[first:last]
    if heard is not None:
        keep = keep & heard[moved]
    return clip_r(prediction[moved][keep], truth[first:last][keep])


def best_lag(curve: Sequence[float | None]) -> int | None:
    """The lag in rows at which r is highest; of several that tie, the smallest. None where nothing correlates at any.

    Args:
        curve: r at lags of -n...+n rows, as lag_curve gives it.
    """
    reach = len(curve) // 2
    known = [(value, -abs(i - reach), i - reach) for i, value in enumerate(curve) if value is not None]
    return max(known)[2] if known and any(value for value, _, _ in known) else None


def best_lag_ms(curves: Sequence[Sequence[float | None]]) -> float | None:
    """The lag in ms at which r, averaged over clips, is highest.

    Args:
        curves: one lag_curve per clip. None where no clip has an r, or where nothing correlates at any lag.
    """
    lag = best_lag([Mean.of(values).value for values in zip(*curves, strict=True)])
    return None if lag is None else lag * 1000 / ROW_RATE_HZ


def channel_rs(prediction: Array, truth: Array, observed: Array) -> Array:
    """(channels,) r of each channel of two (rows, channels) faces; NaN where it is not observed or does not move."""
    found = np.full(len(observed), np.nan)
    for i in np.flatnonzero(observed & (truth.std(axis=0) >= MOVES) if len(truth) else []):
        r = clip_r(prediction[:, i], truth[:, i])
        found[i] = np.nan if r is None else r
    return found


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


def ratio(above: float, below: float) -> float | None:
    """above / below; None where there is nothing to divide by."""
    return above / below if below > 0 else None
