"""The whole head: pieces put together, lit, and moved by every target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from voxface.face.rig import ARKIT
from voxface.head.brows import brow
from voxface.head.bust import follow, jersey
from voxface.head.colours import shell_rows, skin_paint
from voxface.head.ears import ear
from voxface.head.eyes import eyeball
from voxface.head.geometry import normals, step
from voxface.head.hair import hair
from voxface.head.head import Head, Part
from voxface.head.lashes import lashes
from voxface.head.lids import EYE_COLUMNS
from voxface.head.light import openness, shade
from voxface.head.lips import BAG
from voxface.head.mouth import LOWER, UPPER, bag_paint, teeth, tongue
from voxface.head.piece import Moves, Piece, flipped, in_middle, pair, split, stacked
from voxface.head.rig import Field, jaw_turn, loose_places, rolled, skin_places
from voxface.head.shell import Shell, build_shell
from voxface.head.targets import EYES, LEFT, MIDDLE, ajar, jaw_forward, jaw_left, tongue_out
from voxface.head.visemes import VISEME_NAMES, viseme_weights
from voxface.stream import Array

LEAST_MOVE, LEAST_TURN = 1e-5, 4e-3  # metres, and change of a normal: less is not kept
FINENESS = 1e-7  # metres: places are rounded to it, so that the last bit of a sum does not matter

Group = list[Piece]


def build_head() -> Head:
    """The head that comes with voxface; the same numbers every time."""
    shell = build_shell()
    groups = _groups(shell)
    light = _light({name: stacked(group) for name, group in groups.items()})
    return Head(tuple(_part(name, group, light[name]) for name, group in groups.items()), ARKIT + VISEME_NAMES)


def _groups(shell: Shell) -> dict[str, Group]:
    """Pieces of every part."""
    whole = replace(Piece(shell.points, skin_paint(shell), shell.triangles), moves=_skin_moves(shell))
    inside = np.isin(shell.triangles, shell_rows(shell, shell.mouth, slice(0, BAG - 1)))
    skin, bag = split(whole, np.any(inside, axis=1))
    return {
        "skin": [skin, *pair(ear())],
        "eyes": _eyes(),
        "mouth": [replace(bag, colours=bag_paint(bag.points)), *_teeth_and_tongue()],
        "hair": [hair(), *_brows(), *_lashes(shell)],
        "cloth": [jersey()],
    }


def _skin_moves(shell: Shell) -> Moves:
    at = skin_places(shell)
    moves: Moves = {}
    for name, field in LEFT.items():
        here = field(at)
        moves[f"{name}Left"], moves[f"{name}Right"] = here, flipped(here, shell.mirror)
    for name, field in MIDDLE.items():
        here = field(at)
        moves[name] = (here + flipped(here, shell.mirror)) / 2
    return moves


def _eyes() -> Group:
    eye = eyeball()
    return pair(eye, {name: rolled(eye.points, *np.radians(v[:2])) - [0, 0, v[2]] for name, v in EYES.items()})


def _teeth_and_tongue() -> Group:
    upper, lower, tip = teeth(UPPER), teeth(LOWER), tongue()
    jaw: dict[str, Field] = {"jawOpen": jaw_turn, "jawForward": jaw_forward, "jawLeft": jaw_left}
    back = 0.25 + 0.75 * step(0.035, 0.07, tip.points[:, 2])  # the root of the tongue hardly moves
    out: dict[str, Field] = {"tongueOut": tongue_out}
    return [upper, in_middle(lower, jaw | {"tongueOut": ajar}, 1.0), in_middle(tip, jaw | out, back)]


def _brows() -> Group:
    left = brow()
    at = loose_places(left.points)
    return pair(left, {name: (LEFT | MIDDLE)[name](at) for name in ("browDown", "browOuterUp", "browInnerUp")})


def _lashes(shell: Shell) -> Group:
    upper = slice(0, EYE_COLUMNS // 2 + 1)
    left, ride = lashes(shell.points[shell.eye[3, upper]], shell.points[shell.eye[2, upper]])
    at = replace(loose_places(left.points), lid_column=ride, lid_share=np.ones(len(ride)))
    return pair(left, {name: field(at) for name, field in LEFT.items() if name.startswith("eye")})


# -- light and normals -----------------------------------------------------------------------------------------------


def _light(raw: dict[str, Piece]) -> dict[str, Array]:
    """How much of the sky the vertices of each part see."""
    whole = stacked(list(raw.values()))
    facing = np.concatenate([normals(p.points, p.triangles) for p in raw.values()])
    cuts = np.cumsum([len(p.points) for p in raw.values()])[:-1]
    return dict(zip(raw, np.split(openness(whole.points, facing, whole.triangles), cuts), strict=True))


def _part(name: str, group: Group, light: Array) -> Part:
    piece = stacked(group)
    rest = normals(piece.points, piece.triangles)
    moves, turns = _moved(group, piece, rest)
    along = np.zeros(len(rest)) if name == "cloth" else follow(piece.points)
    colours = np.clip(piece.colours * shade(name, piece.points, light), 0, 1)
    return Part(
        name, _single(piece.points, FINENESS), _single(rest), _single(colours), _single(along),
        piece.triangles.astype(np.uint32), moves, turns,
    )  # fmt: skip


def _moved(group: Group, piece: Piece, rest: Array) -> tuple[Array, Array]:
    """What every target moves and turns, (targets, vertices, 3) each."""
    moves, turns = np.zeros((2, len(ARKIT), *piece.points.shape))
    for row, target in enumerate(ARKIT):
        moves[row] = np.concatenate([one.move(target) for one in group])
        if not moves[row].any():
            continue
        closing = target == "mouthClose"  # makes sense on an open jaw only
        before = piece.points + moves[ARKIT.index("jawOpen")] * closing
        turns[row] = normals(before + moves[row], piece.triangles)
        turns[row] -= normals(before, piece.triangles) if closing else rest
    visemes = viseme_weights()
    moves, turns = (np.concatenate([a, np.tensordot(visemes, a, 1)]) for a in (moves, turns))
    return _kept(moves, LEAST_MOVE, FINENESS), _kept(turns, LEAST_TURN)


def _kept(changes: Array, least: float, fineness: float = 1e-5) -> Array:
    """Changes (targets, vertices, 3) of vertices that change by `least` at all."""
    return _single(np.where(np.abs(changes).max(2, keepdims=True) < least, 0, changes), fineness)


def _single(values: Array, fineness: float = 1e-5) -> Array:
    return np.ascontiguousarray(np.round(values / fineness) * fineness, np.float32)
