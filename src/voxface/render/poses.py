"""All poses of a head on one sheet."""

from __future__ import annotations

from voxface.head.head import Head
from voxface.render.labels import label
from voxface.render.pictures import sheet, still
from voxface.stream import Array


def pose_sheet(head: Head, size: int = 240, columns: int = 8, camera: str = "front") -> Array:
    """A picture with its name of the face at rest and of every target at 1, row by row: (height, width, 3) uint8 RGB.

    Args:
        size: of one picture in pixels. camera: as `pictures.still`.
    Raises: MissingDependencyError: Pillow is not installed.
    """
    poses: dict[str, dict[str, float]] = {"at rest": {}} | {name: {name: 1.0} for name in head.targets}
    badges = [label(name, (size, size)) for name in poses]  # first: a missing library is told before any drawing
    drawn = [still(head, weights, size=(size, size), camera=camera) for weights in poses.values()]
    for picture, badge in zip(drawn, badges, strict=True):
        badge.put_on(picture)
    return sheet(drawn, columns)
