"""Rings of vertices round the left eye: the lids with their edges, up to the bone."""

from __future__ import annotations

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import step
from voxface.head.sculpt import EYE, EYE_RADIUS, LID_RADIUS
from voxface.stream import Array

EYE_COLUMNS = 40
EYE_RINGS = 11  # from inside the lid (0, 1), its edge (2, 3), to the bone
TURN = 0.10  # the eye opening looks this much outwards, radians


def lid_line(s: Array, upper: Array) -> Array:
    """Elevation, radians, of the lid's edge at s in [-1, 1] (inner to outer corner) seen from the eyeball's centre."""
    s = np.clip(s, -1, 1)
    tilt = 0.035 * s
    top = 0.395 * (1 - np.abs(s + 0.06 * (1 - s * s)) ** 2.3) ** 0.85
    low = -0.415 * (1 - np.abs(s - 0.10 * (1 - s * s)) ** 2.2) ** 0.90
    found: Array = np.where(upper, top, low) + tilt - 0.02
    return found


OPENING = 0.86  # azimuth of the corners, radians
BESIDE_NOSE = 0.0080  # metres from the middle: no ring comes nearer to the ridge of the nose


def eye_rings() -> Array:
    """(EYE_RINGS, EYE_COLUMNS, 3) of the left eye; column 0 is the outer corner, then over the upper lid."""
    t = 2 * np.pi * np.arange(EYE_COLUMNS) / EYE_COLUMNS
    s = np.cos(t) * (1 + 0.10 * np.sin(t) ** 2)
    s = np.clip(s, -1, 1)
    edge = np.stack([TURN + OPENING * s, lid_line(s, np.sin(t) >= 0)], 1)
    outwards = np.stack([np.cos(t) * 0.85, np.sin(t)], 1)
    rings = [
        _on_ball(edge + 0.22 * outwards, EYE_RADIUS + 0.0004),
        _on_ball(edge + 0.06 * outwards, EYE_RADIUS + 0.0002),
        _on_ball(edge - 0.004 * outwards, EYE_RADIUS + 0.0003),
        _on_ball(edge, LID_RADIUS - 0.0002),
    ]
    grow = [0.045, 0.11, 0.19, 0.28, 0.38, 0.49, 0.60]
    for g in grow:
        side = np.where(np.cos(t) >= 0, 1.0, 1 + 0.40 * np.cos(t))
        far = edge + g * np.stack([np.cos(t) * side, np.sin(t) * 1.05], 1)
        rings.append(_beside(far, g))
    inwards = EYE - rings[6]
    fold = np.clip(np.sin(t), 0, 1) ** 0.6 * (np.abs(s) < 0.97)
    rings[6] = rings[6] + inwards / np.linalg.norm(inwards, axis=1, keepdims=True) * (0.0011 * fold)[:, None]
    return np.stack(rings)


def _direction(angles: Array) -> Array:
    azimuth, elevation = angles.T
    flat = np.cos(elevation)
    return np.stack([flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)], 1)


def _on_ball(angles: Array, radius: float) -> Array:
    return EYE + radius * _direction(angles)


def _beside(angles: Array, grow: float) -> Array:
    """On the skin, near the eyeball's direction `angles`, but not across the ridge of the nose."""
    near = EYE + (LID_RADIUS + 0.010 * grow) * _direction(np.clip(angles, -1.45, 1.45))
    near[:, 0] = BESIDE_NOSE + 0.003 * np.logaddexp(0, (near[:, 0] - BESIDE_NOSE) / 0.003)
    near = sculpt.settle(near, 8)
    even = (np.roll(near, 1, 0) + 2 * near + np.roll(near, -1, 0)) / 4
    return sculpt.settle(near + (even - near) * step(0.2, 0.5, grow), 3)
