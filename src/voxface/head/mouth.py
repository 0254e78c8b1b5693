"""What is behind the lips: teeth with their gums, the tongue, and the paint of the bag that holds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.head.geometry import grid, step
from voxface.head.piece import Piece
from voxface.head.sculpt import MOUTH_Y
from voxface.stream import Array

ENAMEL, GUM = np.array([1.00, 0.85, 0.62]), np.array([0.42, 0.12, 0.11])
TONGUE, BAG_RED = np.array([0.56, 0.155, 0.125]), np.array([0.30, 0.055, 0.048])
HARD, SOFT = (0.080, 0.040), (0.088, 0.050)
"""Of teeth, and of tongue and bag, metres: ahead of the first number they have their own colour, behind the second they
are dark."""
DARKEST = 0.10  # of their colours, at the back of the mouth
ARC = np.radians(80.0)  # half of the arch that holds the teeth
SQUARE = 0.45  # of the arch: 1 is half an ellipse, less is flatter in front
CURVE = 0.0030  # metres by which the bite rises from the front teeth to the last ones
TEETH = 6  # on each side
COLUMNS_PER_TOOTH = 4


@dataclass(frozen=True, slots=True)
class Arch:
    """A row of teeth. Metres; half its width, its foremost and its hindmost place; the edge that bites; the length of
    the front teeth and how much shorter the last ones are; up: 1 where the gum is above."""

    half_width: float
    front: float
    back: float
    edge: float
    length: float
    shorter: float
    up: int


UPPER = Arch(0.0246, 0.0838, 0.0520, MOUTH_Y - 0.0030, 0.0098, 0.0010, 1)
LOWER = Arch(0.0232, 0.0812, 0.0510, MOUTH_Y - 0.0056, 0.0072, 0.0014, -1)

ROWS = (
    # share of the tooth's length from its edge, metres in front of the arch, is it gum
    (1.50, -0.0010, True), (1.20, 0.0004, True), (1.02, 0.0007, True), (0.97, 0.0000, False), (0.55, 0.0005, False),
    (0.12, 0.0000, False), (0.00, -0.0008, False), (0.06, -0.0022, False), (1.00, -0.0042, False),
)  # fmt: skip


def teeth(arch: Arch) -> Piece:
    """A row of teeth with its gum; columns along the arch from right to left, rows from the gum over front and edge."""
    columns = 2 * TEETH * COLUMNS_PER_TOOTH + 1
    along = np.linspace(-TEETH, TEETH, columns)  # a gap at every whole number
    along = (along - along[::-1]) / 2
    angle, side = along * ARC / TEETH, np.abs(along) / TEETH
    gap = np.exp(-(((along - np.round(along)) / 0.15) ** 2))
    length = arch.length - arch.shorter * side
    points, colours = [], []
    for share, out, gum in ROWS:
        papilla = -0.13 * gap if gum or share > 0.9 else 0.03 * gap * (share < 0.1)
        height = arch.edge + arch.up * (length * (share + papilla) + CURVE * side**2)
        push = out - 0.0005 * gap * (not gum)
        wide, deep = arch.half_width + push, arch.front - arch.back + push
        points.append(np.column_stack([wide * np.sin(angle), height, arch.back + deep * np.cos(angle) ** SQUARE]))
        colours.append(np.where(gum, GUM, ENAMEL * (1 - 0.10 * gap[:, None])) + 0 * along[:, None])
    triangles = grid(len(ROWS), columns, turned=np.arange(columns - 1) >= columns // 2)
    opposite = np.arange(len(ROWS) * columns).reshape(-1, columns)[:, ::-1].ravel()
    triangles = triangles[:, ::-1] if arch.up > 0 else triangles
    return _darkened(np.stack(points), np.stack(colours), triangles, opposite, HARD)


TIP, ROOT = 0.0755, 0.0340  # metres: how far to the front the tongue begins and ends
TONGUE_Y = MOUTH_Y - 0.0090
TONGUE_WIDE, TONGUE_THICK = 0.0165, 0.0056  # half of each, metres


def tongue() -> Piece:
    """Rings round the tongue from its tip to its root, flat below, with a soft groove on its back."""
    columns, rows = 16, 12
    s = np.linspace(0, 1, rows) ** 1.6
    turn = 2 * np.pi * np.arange(columns) / columns
    sine, cosine = np.sin(turn), np.cos(turn)
    sine, cosine = (sine - sine[-np.arange(columns)]) / 2, (cosine - cosine[columns // 2 - np.arange(columns)]) / 2
    size = np.sqrt(np.clip(1 - (1 - np.minimum((s + 0.004) / 0.5, 1)) ** 2, 0, 1))
    x = (TONGUE_WIDE * size * (1 + 0.10 * s))[:, None] * cosine
    thick = (TONGUE_THICK * size * (0.7 + 0.9 * s))[:, None]
    groove = 0.0014 * np.exp(-((x / 0.0040) ** 2)) * np.maximum(sine, 0) * size[:, None]
    middle = TONGUE_Y + 0.0020 * np.sin(np.pi * np.minimum(1.4 * s, 1)) + 0.0010 * s
    y = middle[:, None] + thick * np.where(sine > 0, sine, 0.6 * sine) - groove
    points = np.stack([x, y, np.broadcast_to((TIP - (TIP - ROOT) * s)[:, None], x.shape)], -1)
    opposite = (columns // 2 - np.arange(columns)) % columns
    opposite = (np.arange(rows)[:, None] * columns + opposite).ravel()
    right = np.abs(np.arange(columns) - columns // 2 + 0.5) < columns // 4
    return _darkened(points, TONGUE + 0 * points, grid(rows, columns, True, right)[:, ::-1], opposite, SOFT)


def bag_paint(points: Array) -> Array:
    """Colours (n, 3) of the inside of the cheeks, palate and throat."""
    return BAG_RED * _dark(points[:, 2], SOFT)[:, None]


def _darkened(points: Array, colours: Array, triangles: Array, opposite: Array, reach: tuple[float, float]) -> Piece:
    points, colours = points.reshape(-1, 3), colours.reshape(-1, 3)
    return Piece(points, colours * _dark(points[:, 2], reach)[:, None], triangles, opposite)


def _dark(depth: Array, reach: tuple[float, float]) -> Array:
    """Factor of colours: little light comes to the back of a mouth."""
    front, back = reach
    found: Array = DARKEST + (1 - DARKEST) * step(back, front, depth)
    return found
