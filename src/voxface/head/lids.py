"""Rings of vertices round the left eye: the lids with their edges, up to the bone."""

from __future__ import annotations

import numpy as np

from voxface.head import sculpt
from voxface.head.geometry import step
from voxface.head.sculpt import EYE, EYE_RADIUS, LID_RADIUS
from voxface.stream import Array

EYE_COLUMNS = 40
EYE_RINGS = 11  # from inside the lid (0, 1), its edge (2, 3), to the bone
FOLD = 6  # the ring in the fold of the upper lid
TURN = 0.19  # the eye's opening looks this much outwards, radians
OPENING = 0.95  # half its width, radians
UPPER_LID, LOWER_LID = 0.305, 0.395  # how far the lids are apart from the middle, radians
BESIDE_NOSE = 0.0080  # metres from the middle: no ring comes nearer to the ridge of the nose
GROW = (0.045, 0.11, 0.19, 0.28, 0.38, 0.49, 0.60)  # radians from the lid's edge to each ring on the skin


def lid_columns(column: Array) -> tuple[Array, Array]:
    """Turn of each column, radians (0 outer corner, then over the upper lid), and its place from inner (-1) to outer
    corner (1)."""
    turn = 2 * np.pi * column / EYE_COLUMNS
    return turn, np.clip(np.cos(turn) * (1 + 0.10 * np.sin(turn) ** 2), -1, 1)


def lid_line(s: Array, upper: Array | bool) -> Array:
    """Elevation, radians, of the lid's edge at s in [-1, 1] (inner to outer corner) seen from the eyeball's centre."""
    top = UPPER_LID * (1 - np.abs(s + 0.06 * (1 - s * s)) ** 2.3) ** 0.85
    low = -LOWER_LID * (1 - np.abs(s - 0.10 * (1 - s * s)) ** 2.2) ** 0.90
    found: Array = np.where(upper, top, low) + 0.035 * s - 0.02
    return found


def eye_rings() -> Array:
    """(EYE_RINGS, EYE_COLUMNS, 3) of the left eye; column 0 is the outer corner, then over the upper lid."""
    turn, s = lid_columns(np.arange(EYE_COLUMNS))
    edge = np.stack([TURN + OPENING * s, lid_line(s, np.sin(turn) >= 0)], 1)
    outwards = np.stack([np.cos(turn) * 0.85, np.sin(turn)], 1)
    side = np.where(np.cos(turn) >= 0, 1.0, 1 + 0.40 * np.cos(turn))  # less room beside the nose
    away = np.stack([np.cos(turn) * side, np.sin(turn) * 1.05], 1)
    rings = [
        _on_ball(edge + 0.22 * outwards, EYE_RADIUS + 0.0004),
        _on_ball(edge + 0.06 * outwards, EYE_RADIUS + 0.0002),
        _on_ball(edge - 0.004 * outwards, EYE_RADIUS + 0.0003),
        _on_ball(edge, LID_RADIUS - 0.0002),
        *(_beside(edge + grow * away, grow) for grow in GROW),
    ]
    inwards = EYE - rings[FOLD]
    deep = 0.0011 * np.clip(np.sin(turn), 0, 1) ** 0.6 * (np.abs(s) < 0.97)
    rings[FOLD] = rings[FOLD] + inwards / np.linalg.norm(inwards, axis=1, keepdims=True) * deep[:, None]
    return np.stack(rings)


def direction(azimuth: Array, elevation: Array) -> Array:
    """(..., 3) unit vectors; azimuth 0 looks ahead, pi / 2 to the left."""
    flat = np.cos(elevation)
    return np.stack([flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)], -1)


def _on_ball(angles: Array, radius: float) -> Array:
    found: Array = EYE + radius * direction(angles[:, 0], angles[:, 1])
    return found


def _beside(angles: Array, grow: float) -> Array:
    """On the skin, near the eyeball's direction `angles`, but not across the ridge of the nose."""
    near = _on_ball(np.clip(angles, -1.45, 1.45), LID_RADIUS + 0.010 * grow)
    near[:, 0] = BESIDE_NOSE + 0.003 * np.logaddexp(0, (near[:, 0] - BESIDE_NOSE) / 0.003)
    near = sculpt.settle(near, 8)
    even = (np.roll(near, 1, 0) + 2 * near + np.roll(near, -1, 0)) / 4
    return sculpt.settle(near + (even - near) * step(0.2, 0.5, grow), 3)
