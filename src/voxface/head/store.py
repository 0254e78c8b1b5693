"""A head in a file: GLB, which every 3D program opens."""

from __future__ import annotations

from pathlib import Path

from voxface.export.glb import Look, Origin, Surface, glb_bytes
from voxface.files import atomic_write
from voxface.head.head import Head

ORIGIN = Origin("voxface head build", "2026 the voxface authors", "Apache-2.0")
LOOKS = {
    "skin": Look(0.55),
    "eyes": Look(0.08),
    "mouth": Look(0.3),
    "hair": Look(0.75, double_sided=True),
    "cloth": Look(0.95),
}
"""How the material of each part answers light."""


def head_bytes(head: Head, compact: bool = True) -> bytes:
    """A head as the bytes of a GLB; the same head gives the same bytes. `compact`: see `glb.py`."""
    surfaces = [
        Surface(
            part.name, part.positions, part.normals, part.colours, part.follow, part.triangles, part.moves, part.turns,
            LOOKS[part.name],
        )
        for part in head.parts
    ]  # fmt: skip
    return glb_bytes(surfaces, head.targets, ORIGIN, compact)


def write_head(head: Head, path: str | Path, compact: bool = True) -> int:
    """Write a head as GLB; gives its size in bytes. Raises: OutputError, LimitError: the place cannot be written."""
    data = head_bytes(head, compact)
    with atomic_write(path) as file:
        file.write(data)
    return len(data)
