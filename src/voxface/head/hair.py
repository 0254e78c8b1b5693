"""Short swept hair: strands turn outwards from a whorl down to the hairline, as one closed shell over the skull."""

from __future__ import annotations

import numpy as np

from voxface.head import sculpt
from voxface.head.colours import SKIN, blend
from voxface.head.geometry import grid, step
from voxface.head.piece import Piece
from voxface.stream import Array

BROWN = np.array([0.105, 0.050, 0.024])
MIDDLE = np.array([0.0, 0.045, -0.004])  # directions are seen from here
WHORL = np.array([0.16, 0.80, -0.58])
STRANDS, ROWS, LOCKS = 80, 13, 12
RIM = 180  # directions from the whorl in which the hairline is looked for
TWIST = 0.95  # radians that a strand turns about the whorl on its way
UNCROWDED = 0.6  # metres along the hairline, on a head of 1 m radius, that a radian about the whorl counts for
FRINGE = 0.022  # of their length: strands wave over the hairline in front
FORWARD = np.array([-0.24, 0.60, 0.76])  # where the hair stands up from the brow
ROOT = 0.0045  # metres: how deep the edge of the shell is sunk into the skull
LEDGE = 0.0010  # metres: how high the ends lie on the skin, whose triangles are coarse here


def hairline(longitude: Array) -> Array:
    """Height of the hairline, metres, at an angle from the front, 0 to pi: forehead, temple, sideburn, ear, nape."""
    forehead = 0.1025 - 0.0075 * step(0.15, 0.75, longitude)
    temple = -0.0480 * step(0.60, 1.02, longitude) - 0.0400 * step(1.06, 1.24, longitude)
    over_ear = 0.0460 * step(1.46, 1.60, longitude)
    nape = -0.0930 * step(1.84, 2.32, longitude) - 0.0070 * step(2.3, 3.1, longitude)
    return forehead + temple + over_ear + nape


def hair() -> Piece:
    """Strand by strand: a column of the shell is a strand, so that locks and streaks run along it."""
    around, reach = _rim()
    ends = _spread(around, reach)
    strand = np.arange(STRANDS)
    lock = _lock(strand)
    share = 1 - (1 - np.linspace(0, 1, ROWS + 1)[1:, None]) ** 1.35
    angle = ends + TWIST * (1 - share) ** 1.5
    fringe = 1 + FRINGE * (np.sin(3 * ends + 0.9) + 0.7 * (lock - 0.6)) * np.maximum(np.cos(ends), 0)
    direction = _towards(angle, share * fringe * _way(angle, ends, share, around, reach))
    skin = _skin(direction)
    height = _thickness(direction, share, lock)
    body = skin + direction * height[..., None]
    edge = skin[-1] - direction[-1] * ROOT
    top = body[0].mean(0, keepdims=True) + 0.0008 * WHORL
    points = np.concatenate([top, body.reshape(-1, 3), edge])
    colours = np.concatenate([BROWN[None], _paint(share, lock).reshape(-1, 3), np.tile(BROWN * 0.6, (STRANDS, 1))])
    fan = np.column_stack([np.zeros(STRANDS, int), 1 + strand, 1 + (strand + 1) % STRANDS])
    return Piece(points, colours, np.concatenate([fan, 1 + grid(ROWS + 1, STRANDS, closed=True)[:, ::-1]]))


def _towards(angle: Array, reach: Array) -> Array:
    """Unit directions from MIDDLE: `angle` radians about the whorl, `reach` radians away from it."""
    axis = WHORL / np.linalg.norm(WHORL)
    side = np.cross(axis, [0, 0, 1])
    side /= np.linalg.norm(side)
    front = np.cross(side, axis)
    angle, reach = np.broadcast_arrays(angle, reach)
    out = np.cos(angle)[..., None] * front + np.sin(angle)[..., None] * side
    found: Array = np.cos(reach)[..., None] * axis + np.sin(reach)[..., None] * out
    return found


def _skin(direction: Array) -> Array:
    flat = direction.reshape(-1, 3)
    found: Array = sculpt.cast(np.tile(MIDDLE, (len(flat), 1)), flat, 0.2).reshape(direction.shape)
    return found


def _way(angle: Array, ends: Array, share: Array, around: Array, reach: Array) -> Array:
    """How far from the whorl the hairline is for each point of each strand, radians: on the way that of a hairline
    without corners, so that no strand kinks, at its end its own."""
    soft = np.interp(angle, around, _smoothed(reach, 60), period=2 * np.pi)
    own = np.interp(ends, around, reach, period=2 * np.pi)
    found: Array = soft + (own - soft) * share**4
    return found


def _smoothed(values: Array, rounds: int) -> Array:
    """Values round a circle, averaged with their neighbours."""
    for _ in range(rounds):
        values = (np.roll(values, 1) + 2 * values + np.roll(values, -1)) / 4
    return values


def _rim() -> tuple[Array, Array]:
    """Where the hairline is, seen from the whorl: angles about it, and radians away from it, (RIM,) each."""
    around = 2 * np.pi * np.arange(RIM) / RIM
    tried = np.linspace(0.6, 2.6, 21)
    above = _above(_skin(_towards(around, tried[:, None])))
    first = np.argmax(above < 0, axis=0)
    inner, outer = tried[first - 1], tried[first]
    for _ in range(5):
        middle = (inner + outer) / 2
        over = _above(_skin(_towards(around, middle))) > 0
        inner, outer = np.where(over, middle, inner), np.where(over, outer, middle)
    return around, _smoothed((inner + outer) / 2, 3)


def _above(skin: Array) -> Array:
    """How far above the hairline places on the skin are, metres."""
    return skin[..., 1] - hairline(np.abs(np.arctan2(skin[..., 0], skin[..., 2])))


def _spread(around: Array, reach: Array) -> Array:
    """Angles about the whorl at which strands end: evenly along the hairline, but not crowded where it runs straight
    away from the whorl."""
    rim = _towards(around, reach)
    gaps = np.linalg.norm(np.roll(rim, -1, 0) - rim, axis=1) + UNCROWDED * 2 * np.pi / RIM
    length = np.concatenate([[0], np.cumsum(gaps)])
    found: Array = np.interp(np.arange(STRANDS) / STRANDS * length[-1], length, np.append(around, 2 * np.pi))
    return found


def _lock(strand: Array) -> Array:
    """0 between locks, 1 on their backs; locks of uneven width."""
    phase = 2 * np.pi * strand / STRANDS
    wide = np.abs(np.sin(LOCKS * phase / 2 + 0.9 * np.sin(2 * phase + 0.9) + 0.5 * np.sin(3 * phase)))
    return 0.8 * wide + 0.2 * np.abs(np.sin(LOCKS * phase * 1.25 + 1.0))


def _thickness(direction: Array, share: Array, lock: Array) -> Array:
    """(rows, strands) metres above the skin: short at the sides and the nape, standing up over the brow."""
    top, brow = step(0.15, 0.95, direction[..., 1]), np.maximum(direction @ FORWARD, 0) ** 5
    high = 0.0055 + 0.0100 * top + 0.0130 * brow
    waves = (0.0012 + 0.0042 * top) * (lock - 0.6) * step(0.10, 0.55, share)
    end = np.sqrt(np.clip(1 - share ** (7 - 3.5 * brow), 0, 1))
    found: Array = (high + waves) * end + LEDGE
    return found


def _paint(share: Array, lock: Array) -> Array:
    """Dark between locks, lighter on their backs, and thin at the hairline, where skin shines through."""
    phase = np.arange(STRANDS)
    streak = 0.12 * np.sin(2.4 * phase) + 0.08 * np.sin(0.7 * phase + 1.0)
    tone = 0.62 + (0.55 * lock + streak) * step(0.0, 0.35, share)
    colours = BROWN * tone[..., None]
    thin = np.broadcast_to(0.30 * step(0.93, 1.0, share), tone.shape)
    return blend(colours.reshape(-1, 3), SKIN * 0.6, thin.ravel())
