"""Paint of skin and eyes, linear RGB, before shadows."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import Vector, bump, step
from voxface.head.lips import BAG, BORDER, MOUTH_COLUMNS
from voxface.head.sculpt import CHIN, NOSE_TIP
from voxface.head.shell import Shell
from voxface.stream import Array

SKIN = np.array([0.705, 0.390, 0.266])
BLUSH = np.array([0.700, 0.275, 0.185])
SOCKET = np.array([0.950, 0.500, 0.310])
LID = np.array([0.480, 0.215, 0.150])
CREASE = np.array([0.270, 0.105, 0.072])
LASH_LINE = np.array([0.110, 0.045, 0.030])
NOSTRIL = np.array([0.120, 0.032, 0.020])
LIPS = np.array([0.530, 0.190, 0.165])

TINTS = (
    (BLUSH, 0.60, (0.0430, -0.0040, 0.0650), (0.0190, 0.0150, 0.0300)),  # cheek
    (BLUSH, 0.50, NOSE_TIP + np.array([0.0000, -0.0025, 0.0045]), (0.0110, 0.0110, 0.0140)),  # tip of the nose
    (BLUSH, 0.30, CHIN + np.array([0.0000, -0.0025, 0.0115]), (0.0170, 0.0130, 0.0200)),  # chin
    (BLUSH, 0.18, (0.0000, 0.0780, 0.0880), (0.0350, 0.0180, 0.0300)),  # forehead
    (LID, 0.16, (0.0360, 0.0380, 0.0760), (0.0160, 0.0110, 0.0200)),  # around the eye
    (SOCKET, 0.85, (0.0180, 0.0450, 0.0780), (0.0090, 0.0090, 0.0150)),  # shaded by the brow, so lighter itself
    (NOSTRIL, 0.92, NOSE_TIP + np.array([0.0062, -0.0098, -0.0050]), (0.0027, 0.0028, 0.0042)),
)
"""Colour, strength, and where: centre and size of a soft hill on the left half, metres."""

LIP_RINGS = {BAG - 1: 1.0, BAG: 1.0, BAG + 1: 1.0, BAG + 2: 1.0, BAG + 3: 0.92, BORDER: 0.50, BORDER + 1: 0.14}
LIP_DARK = {BAG - 1: 0.45, BAG: 0.66, BAG + 1: 0.92}
LID_RINGS = {0: 0.80, 1: 0.75, 2: 0.60, 3: 0.45, 4: 0.22, 5: 0.12}
"""How much of the paint each ring round mouth and eye gets; how much darker lips are where they meet."""

CREASE_RING, CREASE_COLUMNS = 6, slice(3, 18)
UPPER_EDGE, LOWER_EDGE = slice(1, 20), slice(22, 40)  # columns of the lids' edges: outer to inner, inner to outer


def skin_paint(shell: Shell) -> Array:
    """(n, 3) of the skin's vertices: blush, lids, lips."""
    left = shell.points * np.where(shell.points[:, :1] < 0, [-1, 1, 1], 1)
    colours = np.tile(SKIN, (len(left), 1))
    for paint, strength, centre, size in TINTS:
        colours = blend(colours, paint, strength * bump(left, centre, size))
    _paint_lips(colours, shell)
    _paint_lids(colours, shell)
    return colours


def _paint_lips(colours: Array, shell: Shell) -> None:
    """Soft at the border, darker where they meet; the upper lip lies in its own shadow."""
    upper = 1 - 0.14 * step(MOUTH_COLUMNS / 2, MOUTH_COLUMNS / 3, np.arange(MOUTH_COLUMNS))
    for ring, amount in LIP_RINGS.items():
        for rows in (shell.mouth[ring], shell.mirror[shell.mouth[ring]]):
            paint = LIPS * (LIP_DARK.get(ring, 1.0) * upper)[:, None]
            colours[rows] = blend(colours[rows], paint, np.full(MOUTH_COLUMNS, amount))


def _paint_lids(colours: Array, shell: Shell) -> None:
    """Rosy edges, a warm fold over the upper lid, a hint of lashes on the lower."""
    for ids in (shell.eye, shell.mirror[shell.eye]):
        for ring, amount in LID_RINGS.items():
            colours[ids[ring]] = blend(colours[ids[ring]], LID * 0.75, np.full(ids.shape[1], amount))
        fold = ids[CREASE_RING, CREASE_COLUMNS]
        colours[fold] = blend(colours[fold], CREASE, 0.62 * _arch(len(fold)))
        low, up = ids[3, LOWER_EDGE], ids[2:4, UPPER_EDGE].ravel()
        colours[low] = blend(colours[low], LASH_LINE, 0.55 * np.linspace(0.15, 1, len(low)))
        colours[up] = blend(colours[up], LASH_LINE, np.full(len(up), 0.70))


def _arch(count: int) -> Array:
    """0 at both ends, 1 between, (count,)."""
    found: Array = np.sin(np.pi * (np.arange(count) + 0.5) / count) ** 0.6
    return found


PUPIL, LIMBUS, WHITE = np.array([0.004, 0.003, 0.003]), np.array([0.016, 0.010, 0.007]), np.array([0.70, 0.675, 0.650])
IRIS_INNER, IRIS_OUTER = np.array([0.230, 0.112, 0.032]), np.array([0.085, 0.046, 0.018])
PUPIL_EDGE, IRIS_EDGE = 0.15, 0.44  # radians from the eye's axis


def eye_paint(angle: Array, turn: Array) -> Array:
    """(..., 3) of the eyeball at an angle from its axis and a turn about it (0 outwards, pi / 2 up), radians."""
    streaks = 1 + 0.20 * np.sin(11 * turn + 1.0) * np.sin(5 * turn) + 0.12 * np.sin(18 * turn)
    lower = 1 + 0.65 * np.clip(-np.sin(turn), -0.65, 1)  # light falls through the cornea onto the lower half
    iris = IRIS_INNER + (IRIS_OUTER - IRIS_INNER) * step(0.18, 0.37, angle)[..., None]
    iris = iris * (streaks * lower)[..., None]
    iris = iris + (LIMBUS - iris) * (0.92 * step(0.35, 0.43, angle))[..., None]
    inside = np.where((angle < PUPIL_EDGE)[..., None], PUPIL, iris)
    under_lid = 1 - 0.20 * step(0.1, 0.9, np.sin(turn)) * step(0.3, 0.6, angle)
    rosy = 1 - step(0.60, 1.15, angle)[..., None] * np.array([0.16, 0.38, 0.40])
    white = WHITE * under_lid[..., None] * rosy
    found: Array = np.clip(
        inside + (white - inside) * step(IRIS_EDGE - 0.003, IRIS_EDGE + 0.035, angle)[..., None], 0, 1
    )
    return found


def blend(colours: Array, paint: Vector, amount: Array) -> Array:
    """Colours (n, 3) with `amount` (n,), 0 to 1, of a paint (3,) or (n, 3)."""
    found: Array = colours + (np.asarray(paint) - colours) * np.asarray(amount)[:, None]
    return found


def shell_rows(shell: Shell, rings: Array, which: slice) -> Array:
    """Numbers of the vertices of some rings, on both sides."""
    left = rings[which].ravel()
    return np.unique(np.concatenate([left, shell.mirror[left]]))
