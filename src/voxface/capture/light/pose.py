"""Head pose from landmarks: where the canonical face must stand so that a camera sees these points.

Landmarks have x and y of a picture and a depth that is only relative. As in MediaPipe's face geometry, the camera is
assumed to see 63 degrees from top to bottom; the size of the face is found in two rounds, then the canonical face is
laid over the points by a weighted Procrustes fit (rotation, scale, translation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxface.capture.light.protobuf import fields
from voxface.face.axes import rotation_matrix
from voxface.stream import Array

_VIEW = 2 * math.tan(math.radians(63) / 2)  # height of what the camera sees at distance 1
POINTS = 468  # of the canonical face; the landmarks behind them are the irises
_VERTEX = 5  # x, y, z, u, v


@dataclass(frozen=True, slots=True)
class CanonicalFace:
    """The points that the pose is measured by; in cm, +X subject's left, +Y up, +Z towards the camera.

    index: (n,) landmarks. weights: (n,), sum 1. centre: (3,) weighted mean of the points.
    spread: (3, n) points around their centre, times their weights. size: weighted mean of their squared distances, cm².
    """

    index: Array
    weights: Array
    centre: Array
    spread: Array
    size: float


def head_pose(face: CanonicalFace, landmarks: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Position and rotation of a head before the camera.

    Args:
        landmarks: (3, 478) pixels, z with the unit of x, smaller is nearer.
        shape: of the picture, height first.
    Returns: (3,) position in cm, (4,) unit quaternion with w >= 0.
    """
    height, width = shape[:2]
    pixel = _VIEW / height  # length of a pixel at distance 1
    screen = landmarks[:, face.index].T * np.array([pixel, -pixel, -pixel])
    screen += [-width * pixel / 2, height * pixel / 2, float(landmarks[2, :POINTS].mean()) * pixel - 1]
    scale = _fit(face, screen)[0]
    for _ in range(2):
        points = screen * (-screen[:, 2:] / scale)
        points[:, 2] = screen[:, 2] / scale
        more, quaternion, centre = _fit(face, points)
        scale *= more
    return centre - more * rotation_matrix(quaternion) @ face.centre, quaternion


def _fit(face: CanonicalFace, points: Array) -> tuple[float, Array, Array]:
    """Scale and rotation (a quaternion) that bring the canonical face nearest to (n, 3) points, and their centre.

    Source: Horn, "Closed-form solution of absolute orientation using unit quaternions" (1987): the rotation is the
    eigenvector of the largest eigenvalue of a symmetric matrix whose entries are sums of the products of coordinates.
    """
    products = face.spread @ points  # (3, 3); the spread sums to zero, so the centre of the points does not matter
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = products.tolist()
    values, vectors = np.linalg.eigh(
        [
            [xx + yy + zz, yz - zy, zx - xz, xy - yx],
            [yz - zy, xx - yy - zz, xy + yx, zx + xz],
            [zx - xz, xy + yx, yy - xx - zz, yz + zy],
            [xy - yx, zx + xz, yz + zy, zz - xx - yy],
        ]
    )
    quaternion = vectors[:, 3] if vectors[0, 3] >= 0 else -vectors[:, 3]
    return float(values[3]) / face.size, quaternion, face.weights @ points


def read_canonical_face(metadata: bytes) -> CanonicalFace:
    """From the geometry file of the landmarker (formats.md §2). Raises: ValueError: it is no such file."""
    meshes = [value for number, value in fields(metadata) if number == 1]
    entries = [dict(fields(value)) for number, value in fields(metadata) if number == 2]
    vertices = b"".join(value for mesh in meshes for number, value in fields(mesh) if number == 3)
    points = np.frombuffer(vertices, "<f4").reshape(-1, _VERTEX)[:, :3].astype(np.float64)
    index = np.array([entry.get(1, 0) for entry in entries], np.int64)
    weights = np.frombuffer(b"".join(entry[2] for entry in entries), "<f4").astype(np.float64)
    if len(points) != POINTS or not 3 <= len(index) == len(weights) or index.max() >= POINTS:
        raise ValueError(f"a geometry file with {len(points)} points and {len(index)} weights")
    weights /= weights.sum()
    centre = weights @ points[index]
    around = points[index] - centre
    size = float(weights @ (around**2).sum(axis=1))
    return CanonicalFace(index, weights, centre, (weights[:, None] * around).T, size)
