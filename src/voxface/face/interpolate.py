"""Values at other times: linear, because it cannot overshoot (SPEC A3)."""

from __future__ import annotations

import numpy as np

from voxface.face.axes import sign_continuous
from voxface.stream import Array


def interpolate_values(times_s: Array, values: Array, to_s: Array) -> Array:
    """(n, channels) values at times_s -> (m, channels) float32 at to_s; the ends are held, as np.interp does.

    times_s must rise. One search for all channels, then two gathers.
    """
    if not len(times_s):
        return np.zeros((len(to_s), values.shape[1]), np.float32)
    right = np.clip(np.searchsorted(times_s, to_s, side="right"), 1, max(len(times_s) - 1, 1))
    right = np.minimum(right, len(times_s) - 1)
    left = np.maximum(right - 1, 0)
    span = times_s[right] - times_s[left]
    share = np.clip((to_s - times_s[left]) / np.where(span > 0, span, 1), 0, 1)[:, None]
    result: Array = (values[left] * (1 - share) + values[right] * share).astype(np.float32)
    return result


def hold_over_cuts(times_s: Array, shot: Array, seen: Array) -> tuple[Array, Array]:
    """Which frames to interpolate between, and at which times, so that nothing is mixed over a cut.

    The last seen frame of each shot is there twice, the second time just before the first one of the next shot.

    Args:
        times_s: (frames,) seconds, rising. shot: (frames,) numbers of shots. seen: (frames,) bool: the others are
            left out.
    Returns: (n,) places of frames, (n,) their times, rising.
    """
    places = np.flatnonzero(seen)
    cut = np.flatnonzero(np.diff(shot[places])) + 1  # the first seen frames of shots
    order = np.sort(np.concatenate([np.arange(len(places)), cut - 1]))
    held = np.flatnonzero(np.diff(order) == 0) + 1
    times = times_s[places[order]].astype(np.float64)
    times[held] = np.nextafter(times_s[places[cut]], -np.inf)
    return places[order], times


def interpolate_head(times_s: Array, head: Array, to_s: Array) -> Array:
    """(n, 7) head poses at times_s -> (m, 7) float32 at to_s: position linear, quaternion sign-aligned, linear and
    renormalised (SPEC A3)."""
    aligned = np.concatenate([head[:, :3], sign_continuous(head[:, 3:])], axis=1)
    return unit_head(interpolate_values(times_s, aligned, to_s))


def unit_head(head: Array) -> Array:
    """(n, 7) head poses with their quaternions scaled to length 1; one of no length becomes the identity."""
    quaternion = head[:, 3:]
    length = np.linalg.norm(quaternion, axis=1, keepdims=True)
    unit = np.where(length > 1e-6, quaternion / np.maximum(length, 1e-6), np.array([1, 0, 0, 0], np.float32))
    return np.concatenate([head[:, :3], unit], axis=1).astype(np.float32)
