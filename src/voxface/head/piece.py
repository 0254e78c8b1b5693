"""A sheet of triangles before it becomes part of a head, and what moves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from voxface.face.rig import ARKIT
from voxface.head.rig import Field, loose_places
from voxface.stream import Array

MIRROR = np.array([-1.0, 1.0, 1.0])
Moves = dict[str, Array]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A sheet of a head.

    points:    (vertices, 3) metres
    colours:   (vertices, 3) linear RGB in [0, 1], without shadows
    triangles: (triangles, 3) counter-clockwise seen from outside
    mirror:    (vertices,) the vertex opposite each, where the piece is its own mirror image
    moves:     where each target at 1 takes the vertices, (vertices, 3) metres; a target that is missing moves nothing
    """

    points: Array
    colours: Array
    triangles: Array
    mirror: Array | None = None
    moves: Moves | None = None

    def move(self, target: str) -> Array:
        """Where a target takes the vertices, (vertices, 3) metres; zeros if nowhere."""
        return (self.moves or {}).get(target, np.zeros_like(self.points))


def pair(piece: Piece, moves: Moves | None = None) -> list[Piece]:
    """A left piece and its mirror image. Names of `moves` that are no target by themselves get "Left" and "Right"."""
    named = (moves or {}).items()
    left = {name if name in ARKIT else f"{name}Left": move for name, move in named}
    right = {name if name in ARKIT else f"{name}Right": move * MIRROR for name, move in named}
    other = Piece(piece.points * MIRROR, piece.colours, piece.triangles[:, ::-1], None, right)
    return [replace(piece, moves=left), other]


def in_middle(piece: Piece, fields: dict[str, Field], jaw: float | Array) -> Piece:
    """A piece that is its own mirror image and hangs on the jaw by `jaw`, 0 to 1."""
    assert piece.mirror is not None
    at = loose_places(piece.points, jaw)
    moves = {name: field(at) for name, field in fields.items()}
    return replace(piece, moves=moves | {"jawRight": flipped(moves["jawLeft"], piece.mirror)})


def flipped(moves: Array, mirror: Array) -> Array:
    """The mirror image of displacements."""
    found: Array = moves[mirror] * MIRROR
    return found


def split(piece: Piece, chosen: Array) -> tuple[Piece, Piece]:
    """The piece without and with the triangles `chosen` (triangles,) bool; vertices of the seam are in both."""
    return _of(piece, piece.triangles[~chosen]), _of(piece, piece.triangles[chosen])


def _of(piece: Piece, triangles: Array) -> Piece:
    rows, local = np.unique(triangles, return_inverse=True)
    moves = {name: move[rows] for name, move in (piece.moves or {}).items()}
    return Piece(piece.points[rows], piece.colours[rows], local.reshape(-1, 3), None, moves)


def stacked(pieces: Sequence[Piece]) -> Piece:
    """Pieces as one, without moves."""
    starts = np.cumsum([0, *[len(piece.points) for piece in pieces]])
    return Piece(
        np.concatenate([piece.points for piece in pieces]),
        np.concatenate([piece.colours for piece in pieces]),
        np.concatenate([piece.triangles + start for piece, start in zip(pieces, starts, strict=False)]),
    )
