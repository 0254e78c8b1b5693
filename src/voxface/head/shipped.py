"""The head that comes with voxface, and heads in files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from voxface.errors import HeadError
from voxface.export.glb import Surface
from voxface.export.glb_read import read_glb
from voxface.head.head import PARTS, Head, Part

HEAD_FILE = Path(__file__).parent / "head.glb"

_FIELDS = ("positions", "normals", "colours", "follow", "triangles", "moves", "turns")


def load_head(path: str | Path | None = None) -> Head:
    """The shipped head, or one from a GLB in our layout; read once. Its arrays are shared and cannot be written.

    Raises: InputError: no such file. HeadError: it is damaged or laid out otherwise.
    """
    return _load(Path(path or HEAD_FILE))


@lru_cache(maxsize=2)
def _load(path: Path) -> Head:
    file = read_glb(path)
    names = [surface.name for surface in file.surfaces]
    if names != [name for name in PARTS if name in names]:
        raise HeadError(
            f"{path} has the materials {', '.join(names)}; needed are {', '.join(PARTS)}, in this order.",
            hint="`voxface head build` writes a head that fits.", source=str(path),
        )  # fmt: skip
    return Head(tuple(_part(surface) for surface in file.surfaces), file.targets)


def _part(surface: Surface) -> Part:
    arrays = {name: getattr(surface, name) for name in _FIELDS}
    for array in arrays.values():
        array.setflags(write=False)
    return Part(surface.name, **arrays)
