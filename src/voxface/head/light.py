"""Soft shadows, baked into the colours: how much of the sky each vertex sees, by many small depth pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.head.geometry import bump, smooth
from voxface.stream import Array

VIEWS = 48
PIXEL = 0.0020  # metres: of the depth pictures
GAP = 0.0018  # metres: between samples of a surface, so that no pixel is missed
LIFT, SLACK = 0.0016, 0.0022  # metres: a vertex looks from that far above its surface, and past what is that near
WIDTH = 0.5  # metres: a depth picture holds the whole bust
DARKEST = 0.02


@dataclass(frozen=True, slots=True)
class Shade:
    """How strongly corners darken a material: exponents of the openness for red, green and blue.

    Skin and lips scatter red, so their shadows are warm and red fades last.
    """

    red: float
    green: float
    blue: float


SHADES = {
    "skin": Shade(0.50, 0.92, 1.00),
    "eyes": Shade(0.30, 0.36, 0.36),
    "mouth": Shade(0.00, 0.02, 0.04),
    "hair": Shade(0.70, 0.78, 0.80),
    "cloth": Shade(0.95, 0.85, 0.80),
}
SOCKETS = (
    ((0.0170, 0.0370, 0.0780), (0.0080, 0.0100, 0.0150), 0.97),
    ((0.0310, 0.0440, 0.0750), (0.0200, 0.0120, 0.0200), 0.84),
)
"""Beside the root of the nose and under the brow: centre, size (metres), and the least light. As dark as they would be
they make eyes look tired."""


def shade(part: str, points: Array, light: Array) -> Array:
    """Factor (n, 3) of the colours of a part whose vertices (n, 3) see `light` (n,) of the sky, 0 to 1."""
    if part == "skin":
        left = points * np.where(points[:, :1] < 0, [-1, 1, 1], 1)
        for centre, size, least in SOCKETS:
            light = light + np.maximum(least - light, 0) * bump(left, centre, size)
    own = SHADES[part]
    found: Array = np.clip(light, DARKEST, 1)[:, None] ** np.array([own.red, own.green, own.blue])
    return found


def openness(points: Array, facing: Array, triangles: Array) -> Array:
    """Share in [0, 1] of a sphere of light, weighted by the cosine, that reaches each vertex (n,).

    points, facing: (n, 3) vertices and their unit normals. Softened along the edges, and the same on both sides of a
    head wherever a vertex has a mirror image.
    """
    samples = _samples(points, triangles)
    seen, total = np.zeros(len(points)), np.zeros(len(points))
    for direction in _sphere(VIEWS):
        weight = np.maximum(facing @ direction, 0) * (0.75 + 0.25 * direction[1])
        seen += weight * _clear(points + facing * LIFT, samples, direction)
        total += weight
    light = seen / np.maximum(total, 1e-9)
    return evened(points, (light + smooth(light[:, None], triangles)[:, 0]) / 2)


def evened(points: Array, light: Array) -> Array:
    """Values (n,) averaged over the vertices of one place and over both sides of the head."""
    places = (
        np.round(np.abs(points[:, 0]) / 1e-6) * 1e12
        + np.round(points[:, 1] / 1e-6) * 1e6
        + np.round(points[:, 2] / 1e-6)
    )
    _, group, count = np.unique(places, return_inverse=True, return_counts=True)
    found: Array = (np.bincount(group, light) / count)[group]
    return found


def _clear(places: Array, samples: Array, direction: Array) -> Array:
    """Which of the places (n, 3) see out along a direction: none of the samples (m, 3) is in their way."""
    across = np.cross([0.31, 0.95, 0.11], direction)
    across /= np.linalg.norm(across)
    frame = np.stack([across, np.cross(direction, across)], 1)
    size = int(WIDTH / PIXEL)
    depth = np.full(size * size, -1.0)
    np.maximum.at(depth, _pixel(samples @ frame, size), samples @ direction)
    found: Array = depth[_pixel(places @ frame, size)] < places @ direction + SLACK
    return found


def _pixel(flat: Array, size: int) -> Array:
    cell = np.clip(np.floor(flat / PIXEL).astype(int) + size // 2, 0, size - 1)
    found: Array = cell[:, 0] * size + cell[:, 1]
    return found


def _samples(points: Array, triangles: Array) -> Array:
    """Points spread over all triangles, about GAP apart."""
    corners = points[triangles]
    longest = np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2).max(1)
    steps = np.clip(np.ceil(longest / GAP).astype(int), 1, 14)
    parts = []
    for count in np.unique(steps):
        i, j = np.meshgrid(np.arange(count + 1), np.arange(count + 1), indexing="ij")
        inside = i + j <= count
        u, v = i[inside] / count, j[inside] / count
        share = np.stack([1 - u - v, u, v], 1)
        parts.append(np.einsum("sk,tkx->tsx", share, corners[steps == count]).reshape(-1, 3))
    return np.concatenate(parts)


def _sphere(count: int) -> Array:
    """Directions spread evenly (Fibonacci)."""
    k = np.arange(count) + 0.5
    height, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    radius = np.sqrt(1 - height * height)
    return np.stack([radius * np.cos(turn), height, radius * np.sin(turn)], 1)
