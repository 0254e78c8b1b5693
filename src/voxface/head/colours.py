"""Paint of the skin, linear RGB."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import Vector, bump
from voxface.head.shell import BAG, BORDER, Shell
from voxface.stream import Array

SKIN = np.array([0.735, 0.445, 0.335])
LIPS = np.array([0.560, 0.215, 0.195])
INSIDE = np.array([0.160, 0.022, 0.020])


def blend(colours: Array, paint: Vector, amount: Array) -> Array:
    found: Array = colours + (np.asarray(paint) - colours) * np.asarray(amount)[:, None]
    return found


def skin_paint(shell: Shell) -> Array:
    p = np.column_stack([np.abs(shell.points[:, 0]), shell.points[:, 1:]])
    c = np.tile(SKIN, (len(p), 1))
    c = blend(c, [0.76, 0.36, 0.28], 0.55 * bump(p, (0.043, -0.003, 0.065), (0.017, 0.014, 0.03)))
    c = blend(c, [0.76, 0.35, 0.27], 0.50 * bump(p, (0, -0.001, 0.112), (0.010, 0.010, 0.013)))
    c = blend(c, [0.73, 0.38, 0.30], 0.35 * bump(p, (0, -0.072, 0.085), (0.016, 0.012, 0.02)))
    c = blend(c, [0.66, 0.34, 0.27], 0.22 * bump(p, (0.032, 0.035, 0.078), (0.017, 0.012, 0.02)))
    c = blend(c, [0.20, 0.06, 0.045], 0.85 * bump(p, (0.0062, -0.0080, 0.1020), (0.0030, 0.0030, 0.0045)))
    c[shell_rows(shell, shell.mouth, slice(0, BAG))] = INSIDE
    for ring, amount in (
        (BAG, 1.0),
        (BAG + 1, 1.0),
        (BAG + 2, 1.0),
        (BAG + 3, 0.95),
        (BORDER, 0.45),
        (BORDER + 1, 0.10),
    ):
        rows = shell_rows(shell, shell.mouth, slice(ring, ring + 1))
        c[rows] = blend(c[rows], LIPS * (0.62 if ring == BAG else 1), np.full(len(rows), amount))
    for ring, amount in ((0, 0.8), (1, 0.75), (2, 0.60), (3, 0.42), (4, 0.15)):
        rows = shell_rows(shell, shell.eye, slice(ring, ring + 1))
        c[rows] = blend(c[rows], [0.30, 0.12, 0.09], np.full(len(rows), amount))
    fold = np.concatenate([shell.eye[6, 3:18], shell.mirror[shell.eye[6, 3:18]]])
    c[fold] = blend(c[fold], [0.42, 0.19, 0.14], np.full(len(fold), 0.45))
    for ring, dark in enumerate((0.05, 0.12, 0.45, 0.75)):
        c[shell_rows(shell, shell.mouth, slice(ring, ring + 1))] *= dark
    return c


def shell_rows(shell: Shell, rings: Array, which: slice) -> Array:
    left = rings[which].ravel()
    return np.unique(np.concatenate([left, shell.mirror[left]]))
