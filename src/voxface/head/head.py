"""A head as a value: parts of triangles, and what each target moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxface.stream import Array

PARTS = ("skin", "eyes", "mouth", "hair", "cloth")
"""What a head is made of, one material each: skin with lips and lids; eyeballs; teeth, gums, tongue and the inside of
the mouth; brows, lashes and hair; the jersey."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Triangles of one material. Axes as everywhere (SPEC C4): +X the subject's left, +Y up, +Z to the front; metres;
    the origin is where the head turns, on top of the spine.

    name:      one of PARTS
    positions: (vertices, 3) float32
    normals:   (vertices, 3) float32, unit length
    colours:   (vertices, 3) float32 in [0, 1], linear RGB; soft shadows of corners are in them
    follow:    (vertices,) float32 in [0, 1]: how far a vertex turns with the head; 0 at the foot of the neck
    triangles: (triangles, 3) uint32, counter-clockwise seen from outside
    moves:     (targets, vertices, 3) float32: where a target at 1 takes each vertex, from its place
    turns:     (targets, vertices, 3) float32: what a target at 1 adds to each normal
    """

    name: str
    positions: Array
    normals: Array
    colours: Array
    follow: Array
    triangles: Array
    moves: Array
    turns: Array


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A head at rest and its targets.

    parts:   in the order of PARTS, each at most once
    targets: names of the targets, one per row of `moves`: the 52 ARKit names in canonical order, then visemes
    """

    parts: tuple[Part, ...]
    targets: tuple[str, ...]

    def part(self, name: str) -> Part:
        """Raises: KeyError: the head has no such part."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)

    def weights(self, channels: Sequence[str], values: Array) -> Array:
        """Values of a clip's channels, (..., channels), as weights of this head's targets, (..., targets), by name."""
        place = {name: column for column, name in enumerate(channels)}
        weights = np.zeros((*values.shape[:-1], len(self.targets)), np.float32)
        for row, name in enumerate(self.targets):
            if name in place:
                weights[..., row] = values[..., place[name]]
        return weights


def posed(part: Part, weights: Array) -> tuple[Array, Array]:
    """Positions and unit normals, (vertices, 3) each, of a part under weights (targets,); the head is not turned."""
    used = np.flatnonzero(weights)
    positions = part.positions + np.tensordot(weights[used], part.moves[used], 1)
    normals = part.normals + np.tensordot(weights[used], part.turns[used], 1)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return positions.astype(np.float32), (normals / np.maximum(lengths, 1e-9)).astype(np.float32)
