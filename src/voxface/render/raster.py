"""The head drawn by numpy alone, for machines without OpenGL: slower, the same picture.

Every triangle is spread over the pixels of its box; the nearest one at each pixel stays, and only what stays is shaded,
with the formulas of the shader in `gl`. Pixels are drawn in twos each way and averaged, which smooths the edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from voxface.head.head import Head, posed
from voxface.render.scene import (
    MATERIALS,
    SHADOW_OFF_M,
    SHADOW_PIXELS,
    SHADOW_STEP,
    View,
    camera_matrix,
    eye_of,
    lights_from,
    shadow_matrix,
)
from voxface.stream import Array

_FINER = 2  # pixels drawn for one that is shown, each way
_MOST_CANDIDATES = 1 << 19  # pixels of boxes looked at in one go
_BAND = 1 << 18  # pixels of the picture that are drawn in one go
_NOTHING = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


class RasterPainter:
    """Draws one head in one view. name: what draws, for people."""

    name = "numpy rasteriser"

    def __init__(self, head: Head, view: View) -> None:
        width, height = view.size
        self._head, self._view, self._fine = head, view, (width * _FINER, height * _FINER)
        starts = np.cumsum([0] + [len(part.positions) for part in head.parts])
        self._triangles = np.concatenate(
            [part.triangles.astype(np.int64) + start for part, start in zip(head.parts, starts, strict=False)]
        )
        self._colours = np.concatenate([part.colours for part in head.parts])
        self._follow = np.concatenate([part.follow for part in head.parts])[:, None]
        materials = [MATERIALS[part.name] for part in head.parts]
        self._material = np.repeat(np.arange(len(materials)), [len(part.triangles) for part in head.parts])
        self._look = np.array([[*one.wrap, one.gloss, one.shine, one.glint] for one in materials], np.float32)
        self._two_sided = np.array([one.two_sided for one in materials])[self._material]

    def paint(self, weights: Array, turn: Array) -> Array:
        """(height, width, 3) uint8 RGB of the head under weights (targets,), turned by a (4, 4) matrix."""
        parts = [posed(part, weights) for part in self._head.parts]
        places, normals = (np.concatenate(rows) for rows in zip(*parts, strict=True))
        places += self._follow * (places @ turn[:3, :3].T + turn[:3, 3] - places)
        normals += self._follow * (normals @ turn[:3, :3].T - normals)
        screen, divisor = _project(places, self._view, self._fine)
        corners = screen[self._triangles]
        surface = _Surface(places, normals, self._lit(places, normals), divisor, corners, _behind(corners))
        rows = max(1, _BAND // self._view.size[0])
        bands = [self._band(surface, first, rows) for first in range(0, self._view.size[1], rows)]
        return np.concatenate(bands)

    def _band(self, surface: _Surface, first: int, rows: int) -> Array:
        """Some rows of the picture from `first` on, so that a large one needs no more memory than a small one."""
        width, height = self._view.size
        rows = min(rows, height - first)
        fine = (width * _FINER, rows * _FINER)
        shown = np.flatnonzero(~surface.behind | self._two_sided)
        seen = _visible(surface.corners[shown] - [0, first * _FINER, 0], *fine)
        seen = seen._replace(triangle=shown[seen.triangle])
        down = (np.arange(rows * _FINER, dtype=np.float32) + 0.5) / _FINER + first
        colours = _background(self._view, fine[0], down)
        colours[seen.pixel] = self._shaded(seen, surface)
        colours = np.clip(colours * _vignette(self._view, fine[0], down), 0, 1).reshape(rows, _FINER, width, _FINER, 3)
        picture: Array = np.rint(colours.mean(axis=(1, 3)) * 255).astype(np.uint8)
        return picture

    def _lit(self, places: Array, normals: Array) -> Array:
        """(n, 1) in 0..1: how much of the key light reaches each vertex, as the shadow map in `gl` has it."""
        sun, side = shadow_matrix(self._view), SHADOW_PIXELS
        seen_by_it = _homogeneous(places) @ sun.T[:, :3] * 0.5 + 0.5  # its rows go up, as OpenGL's textures do
        nearest = _visible(seen_by_it[self._triangles] * [side, side, 1], side, side)
        depths = np.ones(side * side)
        depths[nearest.pixel] = nearest.depth
        asks = _homogeneous(places + _unit(normals) * SHADOW_OFF_M) @ sun.T[:, :3] * 0.5 + 0.5
        steps = (np.arange(4) - 1.5) * SHADOW_STEP
        answers = [_reached(depths.reshape(side, side), asks + np.array([x, y, 0])) for x in steps for y in steps]
        lit: Array = np.mean(answers, axis=0)[:, None].astype(np.float32)
        return lit

    def _shaded(self, seen: _Seen, surface: _Surface) -> Array:
        """(n, 3) float32: colours of the pixels where the head is."""
        corners = self._triangles[seen.triangle]
        shares = seen.shares / surface.divisor[corners]  # even on the screen is not even in space
        shares = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)

        def between(values: Array) -> Array:
            mixed: Array = np.einsum("nk,nkc->nc", shares, values[corners])
            return mixed

        facing = _unit(between(surface.normals)) * np.where(surface.behind[seen.triangle], -1, 1)[:, None]
        towards = _unit(eye_of(self._view).astype(np.float32) - between(surface.places))
        look = self._look[self._material[seen.triangle]]
        return shade(self._view, between(self._colours), facing, towards, between(surface.lit), look)


def shade(view: View, tint: Array, n: Array, v: Array, lit: Array, look: Array) -> Array:
    """(n, 3) shown colours of points of colour `tint` with normal n and direction v to the viewer, as in `gl`.

    lit: (n, 1) how much of the key light gets there
    look: (n, 6) wrap (three), gloss, shine and glint of the material at each point
    """
    place = {name: at.astype(np.float32) for name, at in lights_from(view).items()}
    key, fill, rim, above, below = (
        np.array(getattr(view.light, name), np.float32) for name in ("key", "fill", "rim", "above", "below")
    )
    wrap, gloss, shine, glint = look[:, :3], look[:, 3:4], look[:, 4:5], look[:, 5:]
    soft = np.maximum((_dot(n, place["key_from"]) + wrap) / (1 + wrap), 0)
    shares = key * np.concatenate([lit * (1.5 - 0.5 * lit), lit, lit], axis=1) * soft * soft
    shares += below + (above - below) * (n[:, 1:2] * 0.5 + 0.5)
    shares += fill * np.maximum(_dot(n, place["fill_from"]) * 0.5 + 0.5, 0)
    edge = 1 - np.maximum(_dot(n, v), 0)
    shares += rim * (edge**3 * np.maximum(_dot(n, place["rim_from"]) * 0.7 + 0.3, 0))
    wet = (wrap[:, :1] > wrap[:, 1:2]) * _smooth_step(0.5, 0.7, 1 - tint[:, 1:2] / np.maximum(tint[:, :1], 1e-6))
    mirrored = (1 + 3 * wet) * np.maximum(_dot(n, _unit(place["key_from"] + v)), 0) ** (gloss * (1 + wet))
    window = _smooth_step(0.985, 0.990, _dot(n, _unit(place["glint_from"] + v)))
    x = (tint * shares + key * (shine * mirrored * lit + glint * window)) * view.light.exposure
    shown: Array = x * (6.2 * x + 0.5) / (x * (6.2 * x + 1.7) + 0.06)
    return shown


class _Surface(NamedTuple):
    """The head as it is in one picture: places, normals and lit of its vertices, what their pixels were divided by, and
    per triangle the pixels of its corners and whether it is seen from behind."""

    places: Array
    normals: Array
    lit: Array
    divisor: Array
    corners: Array
    behind: Array


class _Seen(NamedTuple):
    """Pixels where there is a triangle: (n,) flat pixel, (n,) nearest triangle, (n,) its depth, (n, 3) its corners
    shares as they are on the screen."""

    pixel: Array
    triangle: Array
    depth: Array
    shares: Array


def _project(places: Array, view: View, fine: tuple[int, int]) -> tuple[Array, Array]:
    """(n, 3) places -> (n, 3) pixels x, y (down) and depth in 0..1; (n,) what they were divided by."""
    clip = _homogeneous(places) @ camera_matrix(view).T
    ndc = clip[:, :3] / clip[:, 3:]
    return (ndc * [0.5, -0.5, 0.5] + 0.5) * [*fine, 1.0], clip[:, 3]


def _visible(corners: Array, width: int, height: int) -> _Seen:
    """The nearest triangle of each pixel. corners: (triangles, 3, 3) pixels x, y and depth."""
    nearest = np.full(width * height, _NOTHING)
    planes = _planes(corners)
    for triangle, x, y in _candidates(corners, width, height):
        first, second = (_at(planes[number], triangle, x, y) for number in (0, 1))
        inside = np.flatnonzero((first >= 0) & (second >= 0) & (first + second <= 1))
        triangle, x, y = triangle[inside], x[inside], y[inside]
        depth = np.clip(_at(planes[2], triangle, x, y), 0, 1)
        rank = (depth * 0xFFFF_FFFF).astype(np.uint64) << np.uint64(32) | triangle.astype(np.uint64)
        np.minimum.at(nearest, y * width + x, rank)
    pixel = np.flatnonzero(nearest != _NOTHING)
    triangle = (nearest[pixel] & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    first, second, depth = (_at(plane, triangle, pixel % width, pixel // width) for plane in planes)
    return _Seen(pixel, triangle, depth, np.stack([1 - first - second, first, second], axis=1))


def _at(plane: Array, triangle: Array, x: Array, y: Array) -> Array:
    """(n,): a x + b y + c at the middles of pixels, for the planes (3, triangles) of some triangles."""
    across, down, middle = plane
    result: Array = across[triangle] * x + down[triangle] * y + middle[triangle]
    return result


def _behind(corners: Array) -> Array:
    """(triangles,) bool: seen from behind; y goes down, so the corners of a front go clockwise."""
    across, down = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    found: Array = across[:, 0] * down[:, 1] > across[:, 1] * down[:, 0]
    return found


def _reached(depths: Array, asks: Array) -> Array:
    """(n,) in 0..1: the share of the four places of a depth map around each point that are not nearer to the light."""
    at = asks[:, :2] * len(depths) - 0.5
    low = np.floor(at).astype(np.int64)
    right, up = (at - low).T
    answer = np.zeros(len(asks))
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, row = np.clip(low + np.array([x, y]), 0, len(depths) - 1).T
        answer += (
            (right if x else 1 - right) * (up if y else 1 - up) * (np.minimum(asks[:, 2], 1) <= depths[row, column])
        )
    return answer


def _planes(corners: Array) -> Array:
    """(3, 3, triangles): shares of the second and third corner, and depth, as a, b, c of a x + b y + c at the middle
    of pixel (x, y). A triangle without area covers no pixel."""
    zero = corners[:, 0]
    across, down = corners[:, 1] - zero, corners[:, 2] - zero
    area = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    by = 1 / np.where(np.abs(area) > 1e-9, area, np.nan)
    first = np.stack([down[:, 1] * by, -down[:, 0] * by], axis=1)
    second = np.stack([-across[:, 1] * by, across[:, 0] * by], axis=1)
    depth = first * across[:, 2:] + second * down[:, 2:]
    slopes = np.stack([first, second, depth], axis=1)
    at_zero = np.einsum("nkc,nc->nk", slopes, 0.5 - zero[:, :2])
    at_zero[:, 2] += zero[:, 2]
    return np.ascontiguousarray(np.concatenate([slopes, at_zero[..., None]], axis=2).transpose(1, 2, 0))


def _candidates(corners: Array, width: int, height: int) -> Iterator[tuple[Array, Array, Array]]:
    """Triangle, x and y of every pixel in the boxes of the triangles, a part of them at a time."""
    low = np.ceil(corners[..., :2].min(axis=1) - 0.5).clip(0, [width, height]).astype(np.int64)
    high = np.floor(corners[..., :2].max(axis=1) + 0.5).clip(0, [width, height]).astype(np.int64)
    sides = np.maximum(high - low, 0)
    counts = sides[:, 0] * sides[:, 1]
    groups = np.cumsum(counts) // _MOST_CANDIDATES
    edges = [0, *(np.flatnonzero(np.diff(groups)) + 1), len(counts)]
    for first, stop in pairwise(edges):
        some = counts[first:stop]
        triangle = np.repeat(np.arange(first, stop), some)
        number = np.arange(len(triangle)) - np.repeat(np.cumsum(some) - some, some)
        wide = sides[triangle, 0]
        yield triangle, low[triangle, 0] + number % wide, low[triangle, 1] + number // wide


def _background(view: View, width: int, down: Array) -> Array:
    """(pixels, 3) float32 of rows at `down` pixels from the top, as the background's shader in `gl`."""
    share = _smooth_step(0.0, 0.9, 1 - down / view.size[1])[:, None]
    rows = (1 - share) * np.array(view.light.bottom) + share * np.array(view.light.top)
    return np.repeat(rows, width, axis=0).astype(np.float32)


def _vignette(view: View, width: int, down: Array) -> Array:
    """(pixels, 1) float32: how much is left of the light at each pixel."""
    x = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    away = (x**2)[None] + ((down / view.size[1] - 0.5) ** 2)[:, None]
    return (1 - view.light.vignette * _smooth_step(0.15, 0.75, away * 1.6)).reshape(-1, 1)


def _smooth_step(low: float, high: float, x: Array) -> Array:
    """GLSL's smoothstep."""
    share = np.clip((x - low) / (high - low), 0, 1)
    result: Array = share * share * (3 - 2 * share)
    return result


def _homogeneous(places: Array) -> Array:
    """(n, 3) -> (n, 4) float64, the last of which is 1."""
    return np.concatenate([places, np.ones((len(places), 1))], axis=1)


def _unit(rows: Array) -> Array:
    result: Array = rows / np.sqrt(np.maximum(_dot(rows, rows), 1e-18))
    return result


def _dot(one: Array, other: Array) -> Array:
    """(n, 1): of rows with rows, or with one vector."""
    result: Array = one @ other if other.ndim == 1 else np.einsum("nk,nk->n", one, other)
    return result[:, None]
