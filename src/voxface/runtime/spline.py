"""Smooth curves through the middle of a few numbers: uniform cubic B-splines.

They have continuous speed and acceleration and never leave the range of their control points, which is what bounds the
head (Farin, "Curves and Surfaces for CAGD").
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from voxface.runtime.chance import WIDTH, draws
from voxface.stream import Array

_FOUR = np.arange(4)


@lru_cache
def weights(phases: int) -> Array:
    """(phases, 4) weights of four neighbouring control points at 0, 1/phases, 2/phases, ... of a segment; read-only."""
    t = np.arange(phases)[:, None] / phases
    table = np.concatenate([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    table.flags.writeable = False
    return table


def through(controls: Array, phases: int) -> Array:
    """(n + 3, c) control points -> (n * phases, c): n segments, each of `phases` values."""
    n = len(controls) - 3
    windows = controls[np.arange(n)[:, None] + _FOUR]  # (n, 4, c)
    curve: Array = (weights(phases) @ windows).reshape(n * phases, controls.shape[1])
    return curve


def noise(seed: int, part: str, first: int, count: int, spacing: int) -> Array:
    """Smooth noise at ticks first ... first + count - 1 (from 0 on), a new control point every `spacing` ticks.

    Returns: (count, 8) float64 in [-1, 1], standard deviation .4.
    """
    knot, phase = np.divmod(np.arange(first, first + count), spacing)
    low = int(knot[0])
    table = 2 * draws(seed, part, low, int(knot[-1]) - low + 4) - 1
    windows = table[(knot - low)[:, None] + _FOUR]  # (count, 4, 8)
    curve: Array = (weights(spacing)[phase][:, None] @ windows).reshape(count, WIDTH)
    return curve
