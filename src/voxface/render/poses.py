"""All poses of a head on one sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voxface.head.head import Head
from voxface.render.labels import label
from voxface.render.pictures import sheet, still
from voxface.stream import Array

Poses = Sequence[tuple[str, Mapping[str, float]]]


def pose_sheet(
    head: Head, poses: Poses | None = None, size: int = 240, columns: int = 8, camera: str = "front", gl: str = "auto"
) -> Array:
    """A picture with its name for every pose, row by row: (height, width, 3) uint8 RGB.

    Args:
        poses: name and weights of each; None: the face at rest, then every target of the head at 1.
        size: of one picture in pixels. camera, gl: as `pictures.still`.
    Raises: MissingDependencyError: Pillow is not installed.
    """
    wanted = [("at rest", {}), *((name, {name: 1.0}) for name in head.targets)] if poses is None else poses
    badges = [label(name, (size, size)) for name, _ in wanted]  # first: a missing library is told before any drawing
    drawn = [still(head, weights, size=(size, size), camera=camera, gl=gl).copy() for _, weights in wanted]
    for picture, badge in zip(drawn, badges, strict=True):
        badge.put_on(picture)
    return sheet(drawn, columns)
