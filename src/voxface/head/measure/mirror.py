"""Left and right: which vertex mirrors which, and how exactly."""

from __future__ import annotations

import numpy as np

from voxface.head.head import Head, Part
from voxface.stream import Array

ALIKE = 1e-6  # metres
FLIP = np.array([-1.0, 1.0, 1.0])


def partner(name: str) -> str:
    """The target on the other side: itself for one without a side."""
    sides = {"Left": "Right", "Right": "Left"}
    for side, other in sides.items():
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


def mirrored(part: Part) -> Array:
    """For each vertex the one at its mirror image, (vertices,); among several in one place the most alike in normal,
    colour and moves."""
    spread = 1e-3 * np.linalg.norm(part.moves, axis=2).sum(0)[:, None]  # only to tell apart what lies in one place
    extra = (1e-3 * part.normals * FLIP, 1e-3 * part.colours, spread)
    here = np.concatenate([part.positions, 1e-3 * part.normals, 1e-3 * part.colours, spread], 1).astype(np.float64)
    there = np.concatenate([part.positions * FLIP, *extra], 1).astype(np.float64)
    lengths = (here**2).sum(1)
    found = [np.argmin(lengths - 2 * block @ here.T, 1) for block in np.array_split(there, max(1, len(there) // 1000))]
    return np.concatenate(found)


def rest_errors(part: Part) -> tuple[Array, Array]:
    """How far each vertex is from the mirror image of its partner (metres), and each normal, (vertices,) both."""
    other = mirrored(part)
    far: Array = np.abs(part.positions * FLIP - part.positions[other]).max(1)
    bent: Array = np.abs(part.normals * FLIP - part.normals[other]).max(1)
    return far, bent


def target_errors(head: Head) -> dict[str, float]:
    """For every target how far, at most, its moves (metres) are from the mirror image of its partner's, where a vertex
    has a mirror image (hair may be parted). A partner that the head lacks moves nothing.

    `jawLeft` moves to a side and its partner is `jawRight`; `jawOpen` is its own partner.
    """
    errors = dict.fromkeys(head.targets, 0.0)
    for part in head.parts:
        other = mirrored(part)
        alike = np.abs(part.positions * FLIP - part.positions[other]).max(1) < ALIKE
        moves = dict(zip(head.targets, part.moves, strict=True))
        for name in head.targets:
            opposite = moves.get(partner(name), np.zeros_like(moves[name]))
            error = np.abs(moves[name] * FLIP - opposite[other])[alike].max(initial=0)
            errors[name] = max(errors[name], float(error))
    return errors
