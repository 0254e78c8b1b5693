"""Pictures of a head: one face, or a clip frame by frame."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from voxface.errors import InputWarning, MissingDependencyError, UsageError
from voxface.face.clip import FaceClip
from voxface.face.interpolate import interpolate_head, interpolate_values
from voxface.head.head import Head
from voxface.render.scene import STILL, View, turns, view_named
from voxface.stream import Array
from voxface.timebase import exact_rate

BLOCK = 256  # frames whose weights are known at a time


class Painter(Protocol):
    """Draws one head in one view. name: what draws, for people."""

    name: str

    def paint(self, weights: Array, turn: Array) -> Array:
        """(height, width, 3) uint8 RGB of the head under weights (targets,), turned by a (4, 4) matrix."""


def still(
    head: Head,
    weights: Array | Mapping[str, float],
    *,
    pose: Array | None = None,
    size: tuple[int, int] = (512, 512),
    camera: str = "front",
    light: str = "studio",
    background: str | None = None,
    gl: str = "auto",
) -> Array:
    """One picture of a face: (height, width, 3) uint8 RGB.

    Args:
        weights: (targets,) in the order of head.targets, or values by target; what is not named is 0. Clipped to 0..1.
        pose: (7,) position and quaternion of the head; None: it looks straight ahead.
        size, camera, light, background, gl: as `frames`.
    Raises: UsageError: an unknown preset, a size out of range, a name that is no target of this head.
    """
    turn = STILL if pose is None else turns(pose[None], np.zeros(3))[0]
    return painter(head, view_named(camera, light, size, background), gl).paint(_row(head, weights), turn)


def frames(
    head: Head,
    clip: FaceClip,
    *,
    fps: float | None = None,
    size: tuple[int, int] = (512, 512),
    camera: str = "front",
    light: str = "studio",
    background: str | None = None,
    head_motion: bool = True,
    gl: str = "auto",
) -> Iterator[Array]:
    """The pictures of a clip, (height, width, 3) uint8 RGB each, made as they are asked for.

    Args:
        fps: pictures a second, the first at the clip's start; None: the clip's own.
        size: (width, height) in pixels. camera, light: names of scene.CAMERAS and LIGHTS.
        background: "#rrggbb"; None: the light's own.
        head_motion: False: the head does not turn.
        gl: "on": OpenGL or an error. "off": the rasteriser. "auto": OpenGL, else the rasteriser with W-NO-GL.
    Raises: UsageError: an unknown preset, a size or rate out of range.
    """
    rate = exact_rate(fps or clip.fps)
    count = int(-(-len(clip) * rate // exact_rate(clip.fps)))
    one = painter(head, view_named(camera, light, size, background), gl)
    times = clip.start_s + np.arange(count) / float(rate)
    return (one.paint(weights, turn) for weights, turn in faces(head, clip, times, head_motion))


def faces(head: Head, clip: FaceClip, times_s: Array, head_motion: bool = True) -> Iterator[tuple[Array, Array]]:
    """What a head shows at given times of a clip: (targets,) weights in 0..1 and a (4, 4) turn, one after the other.

    Linear between the frames where a face was seen; before the first and after the last these are held.
    """
    known = np.flatnonzero(clip.seen if clip.seen.any() else np.ones(len(clip), bool))
    own_times = clip.times_s[known]
    middle = np.zeros(3) if clip.head is None else np.median(clip.head[known][:, :3], axis=0)
    for at in range(0, len(times_s), BLOCK):
        some = times_s[at : at + BLOCK]
        first, last = np.searchsorted(own_times, [some.min(), some.max()])
        near = known[max(first - 1, 0) : last + 1]  # so that one picture of a long clip needs no copy of it
        weights = head.weights(clip.channels, interpolate_values(clip.times_s[near], clip.weights[near], some))
        turned = np.tile(STILL, (len(some), 1, 1))
        if head_motion and clip.head is not None:
            turned = turns(interpolate_head(clip.times_s[near], clip.head[near], some), middle)
        yield from zip(np.clip(weights, 0, 1), turned, strict=True)


@lru_cache(maxsize=4)
def painter(head: Head, view: View, gl: str = "auto") -> Painter:
    """Who draws this head in this view: OpenGL where it starts, else the rasteriser.

    Raises: UsageError: gl is none of auto, on, off. MissingDependencyError: "on", and OpenGL does not start.
    """
    if gl not in ("auto", "on", "off"):
        raise UsageError(f"gl is auto, on or off; got {gl!r}.")
    if gl != "off":
        from voxface.render.gl import open_painter

        try:
            return open_painter(head, view)
        except MissingDependencyError as error:
            if gl == "on":
                raise
            text = f"drawing without OpenGL, which is slower: {error.message}"
            warnings.warn(InputWarning("W-NO-GL", text), stacklevel=3)
    from voxface.render.raster import RasterPainter

    return RasterPainter(head, view)


def sheet(pictures: Sequence[Array], columns: int, gap: int = 4, colour: int = 255) -> Array:
    """Pictures of one size in rows of `columns`, `gap` pixels of grey `colour` between them; a strip is one row."""
    height, width, _ = pictures[0].shape
    rows = -(-len(pictures) // columns)
    whole = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), colour, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        whole[top : top + height, left : left + width] = picture
    return whole


def _row(head: Head, weights: Array | Mapping[str, float]) -> Array:
    if not isinstance(weights, Mapping):
        return np.clip(np.asarray(weights, np.float32), 0, 1)
    unknown = [name for name in weights if name not in head.targets]
    if unknown:
        raise UsageError(f"this head has no target {', '.join(unknown)}.")
    values = np.array([*weights.values()], np.float32)
    return np.clip(head.weights([*weights], values), 0, 1)
