"""Head rotation: quaternion <-> yaw, pitch, roll (SPEC C4).

Axes: +X subject's left, +Y up, +Z towards the camera. R = Ry(yaw) Rx(pitch) Rz(roll); yaw is positive to the subject's
left, pitch positive downwards. Quaternions are w first.
"""

from __future__ import annotations

import numpy as np

from voxface.stream import Array


def rotation_matrix(quaternion: Array) -> Array:
    """(..., 4) unit quaternions w, x, y, z -> (..., 3, 3) rotation matrices."""
    w, x, y, z = np.moveaxis(np.asarray(quaternion, np.float64), -1, 0)
    entries = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return np.stack(entries, axis=-1).reshape(*w.shape, 3, 3)


def euler_angles(quaternion: Array) -> Array:
    """(..., 4) unit quaternions -> (..., 3) yaw, pitch, roll in radians."""
    r = rotation_matrix(quaternion)
    yaw = np.arctan2(r[..., 0, 2], r[..., 2, 2])
    pitch = np.arcsin(np.clip(-r[..., 1, 2], -1, 1))
    roll = np.arctan2(r[..., 1, 0], r[..., 1, 1])
    return np.stack([yaw, pitch, roll], axis=-1)


def quaternion_from_euler(angles: Array) -> Array:
    """(..., 3) yaw, pitch, roll in radians -> (..., 4) unit quaternions with w >= 0."""
    yaw, pitch, roll = np.moveaxis(np.asarray(angles, np.float64) / 2, -1, 0)
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    q = np.stack(
        [
            cy * cp * cr + sy * sp * sr,
            cy * sp * cr + sy * cp * sr,
            sy * cp * cr - cy * sp * sr,
            cy * cp * sr - sy * sp * cr,
        ],
        axis=-1,
    )
    return _w_positive(q)


def quaternion_from_matrix(r: Array) -> Array:
    """(..., 3, 3) rotation matrices -> (..., 4) unit quaternions with w >= 0.

    Source: the four-branch form of Shepperd, "Quaternion from rotation matrix" (1978): divide by the largest component.
    """
    r = np.asarray(r, np.float64)
    trace = r[..., 0, 0] + r[..., 1, 1] + r[..., 2, 2]
    squares = np.stack([trace, r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]], axis=-1)
    a, b, c = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    ab, ac, bc = r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]
    largest = np.argmax(squares, axis=-1)
    candidates = np.stack(  # row k: the quaternion times 4 |component k|
        [
            np.stack([1 + trace, a, b, c], axis=-1),
            np.stack([a, 1 + 2 * r[..., 0, 0] - trace, ab, ac], axis=-1),
            np.stack([b, ab, 1 + 2 * r[..., 1, 1] - trace, bc], axis=-1),
            np.stack([c, ac, bc, 1 + 2 * r[..., 2, 2] - trace], axis=-1),
        ],
        axis=-2,
    )
    q = np.take_along_axis(candidates, largest[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return _w_positive(q)


def _w_positive(q: Array) -> Array:
    result: Array = np.where(q[..., :1] < 0, -q, q)
    return result


def lengths(quaternions: Array) -> Array:
    """(n, 4) -> (n,): their lengths."""
    result: Array = np.sqrt(np.einsum("ij,ij->i", quaternions, quaternions))
    return result


def sign_continuous(quaternions: Array) -> Array:
    """(n, 4) quaternions with signs chosen so that neighbours are near and the first has w >= 0; q and -q are the
    same rotation, but a line between them passes through zero."""
    q = sign_aligned(quaternions)
    return -q if len(q) and q[0, 0] < 0 else q


def sign_aligned(quaternions: Array) -> Array:
    """(n, 4) quaternions with signs chosen so that neighbours are near; the first keeps its own."""
    q = np.array(quaternions)
    flips = np.einsum("ij,ij->i", q[1:], q[:-1]) < 0
    if flips.any():
        q[1:] *= np.where(np.cumsum(flips) % 2, -1.0, 1.0)[:, None]
    return q


def still_head(count: int) -> Array:
    """(count, 7) float32: a head at its place that looks into the camera."""
    return np.tile(np.array([0, 0, 0, 1, 0, 0, 0], np.float32), (count, 1))
