"""The jersey that hides the foot of the neck, and how the neck bends inside it."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import grid, step
from voxface.head.piece import Piece
from voxface.stream import Array

TEAL = np.array([0.040, 0.108, 0.122])
COLUMNS = 28
SPINE_Z, NAPE_Z = -0.038, -0.090  # metres: depth of the middle and of the back of the neck
COLLAR_ROWS = 7  # of COARSE, from inside the collar to its foot outside
BEND = 8  # of COARSE: shoulders bend from here on

COARSE = np.array([
    # front's, side's and back's height; half width; depth of front and back (metres); how square the section is
    (-0.1400, -0.1290, -0.1190, 0.0440, 0.0040, -0.0835, 2.0),
    (-0.1290, -0.1170, -0.1060, 0.0462, 0.0078, -0.0838, 2.0),
    (-0.1262, -0.1142, -0.1035, 0.0482, 0.0100, -0.0850, 2.0),
    (-0.1268, -0.1146, -0.1040, 0.0512, 0.0128, -0.0880, 2.0),
    (-0.1310, -0.1180, -0.1075, 0.0532, 0.0150, -0.0900, 2.0),
    (-0.1385, -0.1240, -0.1135, 0.0534, 0.0160, -0.0905, 2.0),
    (-0.1412, -0.1262, -0.1158, 0.0522, 0.0152, -0.0895, 2.0),
    (-0.1470, -0.1296, -0.1220, 0.0650, 0.0220, -0.0980, 2.1),
    (-0.1555, -0.1352, -0.1310, 0.0865, 0.0310, -0.1055, 2.2),
    (-0.1655, -0.1428, -0.1420, 0.1075, 0.0385, -0.1110, 2.3),
    (-0.1770, -0.1545, -0.1550, 0.1260, 0.0445, -0.1145, 2.35),
    (-0.1900, -0.1710, -0.1710, 0.1400, 0.0495, -0.1160, 2.4),
    (-0.2040, -0.1930, -0.1920, 0.1480, 0.0525, -0.1155, 2.4),
    (-0.2150, -0.2120, -0.2110, 0.1470, 0.0510, -0.1125, 2.35),
    (-0.2190, -0.2190, -0.2180, 0.1385, 0.0440, -0.1050, 2.3),
])  # fmt: skip
"""The sleeve of the jersey, row by row: up inside the collar, over its edge, down over the shoulders to the hem."""


def _rounded(rows: Array) -> Array:
    """Rows with another one between any two where the shoulders bend: on the cubic through four neighbours."""
    a, b, c, d = (rows[BEND - 2 + i : len(rows) - 3 + i] for i in range(4))
    return np.insert(rows, np.arange(BEND, len(rows) - 1), (9 * (b + c) - a - d) / 16, axis=0)


ROWS = _rounded(COARSE)


def jersey() -> Piece:
    """A closed sleeve with a floor; its mirror is exact because both halves are made from the same side."""
    turn = np.pi * np.arange(COLUMNS // 2 + 1) / (COLUMNS // 2)  # 0 in front, pi behind
    half = np.stack([_row(turn, row) for row in ROWS])
    half += _folds(turn)[..., None] * _outwards(half)
    rows = np.concatenate([half, half[:, -2:0:-1] * [-1, 1, 1]], axis=1)
    floor = rows[-1].mean(0)[None] * [0, 1, 1]
    points = np.concatenate([rows.reshape(-1, 3), floor])
    mirror = np.append(_opposite(len(ROWS)), len(points) - 1)
    left = _left_triangles(len(points) - 1)
    return Piece(points, _paint(points), np.concatenate([left, mirror[left[:, ::-1]]]), mirror)


def _opposite(rows: int) -> Array:
    """The vertex opposite each of (rows x columns)."""
    column = -np.arange(COLUMNS) % COLUMNS
    return (np.arange(rows)[:, None] * COLUMNS + column).ravel()


def _left_triangles(floor: int) -> Array:
    """Of the half from the front to the back over the subject's left, with its share of the floor."""
    width = COLUMNS // 2 + 1
    ids = np.arange(len(ROWS))[:, None] * COLUMNS + np.arange(width)
    last = ids[-1]
    cap = np.column_stack([np.full(width - 1, floor), last[1:], last[:-1]])
    return np.concatenate([ids.ravel()[grid(len(ROWS), width)][:, ::-1], cap])


def _row(turn: Array, row: Array) -> Array:
    """(columns, 3) of one half of a row, from the front to the back over the subject's left."""
    front, side, back, width, ahead, behind, square = row
    sine, cosine = np.sin(turn), np.cos(turn)
    sine[-1] = 0.0
    middle, deep = (ahead + behind) / 2, (ahead - behind) / 2
    height = (
        (front + back + 2 * side) / 4 + (front - back) / 2 * cosine + (front + back - 2 * side) / 4 * np.cos(2 * turn)
    )
    across = sine ** (2 / square)
    along = np.sign(cosine) * np.abs(cosine) ** (2 / square)
    return np.stack([width * across, height, middle + deep * along], 1)


def _outwards(rows: Array) -> Array:
    """Roughly the normal of the shoulders: away from the spine and up."""
    away = rows * [1, 0, 1] - [0, 0, -0.035]
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    found: Array = away * 0.75 + np.array([0, 0.6, 0])
    return found


def _folds(turn: Array) -> Array:
    """(rows, columns): a few soft waves that hang from the collar, none on the collar itself, metres."""
    row = _rounded(np.arange(len(COARSE), dtype=float))[:, None]
    strength = step(COLLAR_ROWS, COLLAR_ROWS + 3, row) * step(len(COARSE) - 0.5, COLLAR_ROWS + 4, row)
    waves = np.sin(5.5 * turn + 0.55 * row + 0.4) + 0.5 * np.sin(9.0 * turn - 0.7 * row)
    return 0.0022 * strength * waves * np.sin(turn)


def _paint(points: Array) -> Array:
    collar = np.arange(len(points)) < COLLAR_ROWS * COLUMNS
    return np.where(collar[:, None], TEAL * 0.86, TEAL)


def follow(points: Array) -> Array:
    """How far skin, hair and what is in the head turn with it, (n,): nothing inside the collar, all above the neck.

    The neck bends between two slanted lines: one along the collar's edge, one under the jaw and the skull.
    """
    behind = SPINE_Z - np.maximum(points[:, 2], NAPE_Z)
    low, high = -0.1115 + 0.22 * behind, -0.0650 + 0.30 * behind
    share = np.clip((points[:, 1] - low) / (high - low), 0, 1)
    found: Array = share * share * (3 - 2 * share)
    return found
