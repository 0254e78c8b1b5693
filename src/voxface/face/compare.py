"""How alike two curves are: the one place that computes Pearson's r of two curves."""

from __future__ import annotations

import math

import numpy as np

from voxface.stream import Array

STILL = 1e-6
"""A curve whose standard deviation is below this stands still."""

_LEAST_ROWS = 3  # two points always lie on a line


def stands_still(curve: Array) -> bool:
    """A (rows,) curve that says nothing: it never moves, or has fewer than 3 rows."""
    return len(curve) < _LEAST_ROWS or float(np.std(curve, dtype=np.float64)) < STILL


def pearson(a: Array, b: Array) -> float:
    """Pearson's r of two (rows,) curves, in [-1, 1]; 0 where one of them stands still."""
    if stands_still(a) or stands_still(b):
        return 0.0
    x, y = a - np.mean(a, dtype=np.float64), b - np.mean(b, dtype=np.float64)
    return float(np.clip(x @ y / math.sqrt(float(x @ x) * float(y @ y)), -1, 1))
