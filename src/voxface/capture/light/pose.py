"""Head pose from landmarks: where the canonical face must stand so that a camera sees these points.

Landmarks have x and y of a picture and a depth that is only relative. As in MediaPipe's face geometry, the camera is
assumed to see 63 degrees from top to bottom; the size of the face is found in two rounds, then the canonical face is
laid over the points by a weighted Procrustes fit (rotation, scale, translation).
Source: Akca, "Generalized Procrustes analysis and its applications in photogrammetry" (2003), section 2.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxface.capture.light.protobuf import fields
from voxface.stream import Array

_VIEW = 2 * math.tan(math.radians(63) / 2)  # height of what the camera sees at distance 1
POINTS = 468  # of the canonical face; the landmarks behind them are the irises
_VERTEX = 5  # x, y, z, u, v


@dataclass(frozen=True, slots=True)
class CanonicalFace:
    """The points that the pose is measured by.

    index: (n,) landmarks. points: (n, 3) cm, +X subject's left, +Y up, +Z towards the camera. weights: (n,), sum 1.
    """

    index: Array
    points: Array
    weights: Array


def head_pose(face: CanonicalFace, landmarks: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Rotation and position of a head before the camera.

    Args:
        landmarks: (478, 3) pixels, z with the unit of x, smaller is nearer.
        shape: of the picture, height first.
    Returns: (3, 3) rotation matrix, (3,) position in cm.
    """
    height, width = shape[:2]
    pixel = _VIEW / height  # length of a pixel at distance 1
    screen = landmarks[face.index].astype(np.float64) * pixel
    x, y = screen[:, 0] - width * pixel / 2, height * pixel / 2 - screen[:, 1]
    z = screen[:, 2] - float(landmarks[:POINTS, 2].mean()) * pixel + 1
    scale = _fit(face, np.stack([x, y, -z], axis=1))[1]
    for _ in range(2):
        far = z / scale
        rotation, more, position = _fit(face, np.stack([x * far, y * far, -far], axis=1))
        scale *= more
    return rotation, position


def _fit(face: CanonicalFace, points: Array) -> tuple[Array, float, Array]:
    """Rotation, scale, translation that bring the canonical face nearest to (n, 3) points."""
    centre, to = face.weights @ face.points, face.weights @ points
    spread = face.points - centre
    weighted = face.weights[:, None] * spread
    left, _, right = np.linalg.svd((points - to).T @ weighted)
    if np.linalg.det(left) * np.linalg.det(right) < 0:  # a mirror image is no rotation
        left[:, 2] = -left[:, 2]
    rotation = left @ right
    scale = float(((weighted @ rotation.T) * (points - to)).sum() / (weighted * spread).sum())
    return rotation, scale, to - scale * rotation @ centre


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
    return CanonicalFace(index, points[index], weights / weights.sum())
