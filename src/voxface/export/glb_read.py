"""Reads GLB in the layout of `glb.py`, from anybody: every length is checked, nothing outside the file is opened."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from voxface.errors import ClipError, HeadError
from voxface.export.glb import BINARY_CHUNK, JOINTS, JSON_CHUNK, MAGIC, QUANTIZED, TYPES, VERSION, Look, Surface
from voxface.export.reading import open_clip, parse_json
from voxface.stream import Array

MAX_BYTES = 1 << 28
"""No head is near this large, neither as a file nor with its targets unfolded."""

_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_TYPES = {number: np.dtype(f"<{name}") for name, number in TYPES.items()}


@dataclass(frozen=True, slots=True, eq=False)
class MorphFile:
    """What a GLB holds: surfaces, names of the targets (rows of their moves), and `asset` as it stands there."""

    surfaces: tuple[Surface, ...]
    targets: tuple[str, ...]
    asset: dict[str, Any]


def read_glb(path: str | Path) -> MorphFile:
    """Read a face from a GLB.

    Raises: InputError: no such file. HeadError: no GLB, damaged, without targets, or with parts outside the file.
    """
    with open_clip(path) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        _refuse(path, f"is larger than {MAX_BYTES >> 20} MiB.")
    document, binary = _chunks(data, path)
    try:
        return _model(_Store(document, binary, path), path)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        _refuse(path, f"is damaged: its description does not fit ({type(error).__name__}: {error}).")


def _refuse(path: str | Path, what: str) -> NoReturn:
    raise HeadError(f"{path} {what}", hint="`voxface head build` writes a head that fits.", source=str(path))


def _chunks(data: bytes, path: str | Path) -> tuple[dict[str, Any], bytes]:
    """The JSON and the bytes behind it."""
    if len(data) < 20 or int.from_bytes(data[:4], "little") != MAGIC:
        _refuse(path, "is no GLB file: it does not begin with 'glTF'.")
    version, length = struct.unpack_from("<II", data, 4)
    if version != VERSION:
        _refuse(path, f"is glTF version {version}; only version {VERSION} is read.")
    if length != len(data):
        _refuse(path, f"is cut off: it should have {length} bytes and has {len(data)}.")
    found: dict[int, bytes] = {}
    begin = 12
    while begin < len(data):
        size, kind = struct.unpack_from("<II", data, begin) if begin + 8 <= len(data) else (MAX_BYTES, 0)
        if begin + 8 + size > len(data):
            _refuse(path, f"is damaged: the chunk at byte {begin} is longer than the file.")
        found.setdefault(kind, data[begin + 8 : begin + 8 + size])
        begin += 8 + size
    if JSON_CHUNK not in found:
        _refuse(path, "is damaged: it has no description (JSON chunk).")
    try:
        return parse_json(found[JSON_CHUNK].decode("utf-8"), "GLB"), found.get(BINARY_CHUNK, b"")
    except (ClipError, UnicodeDecodeError) as error:
        _refuse(path, f"is damaged: its description cannot be read: {error}")


class _Store:
    """Accessors as arrays."""

    def __init__(self, document: dict[str, Any], binary: bytes, path: str | Path) -> None:
        self.document, self.binary, self.path = document, binary, path
        if required := set(document.get("extensionsRequired", ())) - {QUANTIZED}:
            _refuse(path, f"needs {', '.join(sorted(map(str, required)))}, which is not read: export it uncompressed.")
        buffers = document.get("buffers", [])
        if len(buffers) != 1 or "uri" in buffers[0]:
            _refuse(path, "keeps its data outside: only a GLB with everything inside is read.")
        if any({"matrix", "translation", "rotation", "scale"} & set(node) for node in document.get("nodes", [])):
            _refuse(path, "moves its nodes: apply all transforms before the export.")

    def item(self, kind: str, number: Any) -> dict[str, Any]:
        """An entry of one of the document's lists; a number below 0 counts from no end."""
        if not isinstance(number, int) or not 0 <= number < len(self.document.get(kind, [])):
            _refuse(self.path, f"is damaged: it names number {number!r} of {kind}, which is not there.")
        found: dict[str, Any] = self.document[kind][number]
        return found

    def array(self, number: int, shape: str, rows: int | None = None) -> Array:
        """An accessor as (rows, width), its own type; whole numbers that mean fractions become float32.

        Raises: HeadError: of another shape, other rows than needed, outside the data, not finite.
        """
        accessor = self.item("accessors", number)
        count, kind = int(accessor["count"]), _TYPES[accessor["componentType"]]
        if accessor["type"] != shape or count < 1 or rows not in (None, count):
            needed = f"{'some' if rows is None else rows} rows of {shape}"
            _refuse(self.path, f"is damaged: accessor {number} has {count} rows of {accessor['type']}, not {needed}.")
        if "bufferView" in accessor:
            values = self._rows(accessor, kind, count, _WIDTHS[shape])
        elif rows is None:
            _refuse(self.path, f"is damaged: accessor {number} has no data.")
        else:
            values = np.zeros((count, _WIDTHS[shape]), kind)
        if "sparse" in accessor:
            self._put(values, accessor["sparse"], kind)
        if not np.isfinite(values).all():
            _refuse(self.path, f"is damaged: accessor {number} holds numbers that are not finite.")
        whole = accessor.get("normalized", False) and kind != np.float32
        return (values / np.float32(np.iinfo(kind).max)).astype(np.float32) if whole else values

    def _rows(self, where: dict[str, Any], kind: np.dtype[Any], count: int, width: int) -> Array:
        view = self.item("bufferViews", where["bufferView"])
        begin, offset = int(view.get("byteOffset", 0)), int(where.get("byteOffset", 0))
        size = kind.itemsize * width
        stride, length = int(view.get("byteStride", size)), int(view["byteLength"])
        inside = begin >= 0 and offset >= 0 and stride >= size and begin + length <= len(self.binary)
        if not inside or offset + stride * (count - 1) + size > length:
            _refuse(self.path, "is damaged: an array lies outside the data.")
        found: Array = np.ndarray((count, width), kind, self.binary, begin + offset, (stride, kind.itemsize))
        return found.copy()

    def _put(self, values: Array, sparse: dict[str, Any], kind: np.dtype[Any]) -> None:
        """Replace the rows that a sparse accessor names."""
        count, indices = int(sparse["count"]), sparse["indices"]
        if not 1 <= count <= len(values):
            _refuse(self.path, f"is damaged: {count} of {len(values)} rows are replaced.")
        rows = self._rows(indices, _TYPES[indices["componentType"]], count, 1)[:, 0]
        if rows.dtype.kind != "u" or rows.max() >= len(values):
            _refuse(self.path, f"is damaged: a row beyond {len(values)} is replaced.")
        values[rows] = self._rows(sparse["values"], kind, count, values.shape[1])


def _model(store: _Store, path: str | Path) -> MorphFile:
    meshes = store.document.get("meshes", [])
    names = tuple(meshes[0].get("extras", {}).get("targetNames", ())) if meshes else ()
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        _refuse(path, "has no named morph targets (extras.targetNames of its first mesh).")
    if not store.document.get("skins"):
        _refuse(path, f"has no skin: our heads turn by the joints {', '.join(JOINTS)}. `voxface view` shows any GLB.")
    joints = [store.item("nodes", joint).get("name") for joint in store.item("skins", 0)["joints"]]
    if tuple(joints) != JOINTS:
        _refuse(path, f"must hang on the joints {', '.join(JOINTS)}; it has {', '.join(map(str, joints))}.")
    surfaces = tuple(_surfaces(store, meshes[0]["primitives"], len(names)))
    return MorphFile(surfaces, names, dict(store.document.get("asset", {})))


def _surfaces(store: _Store, primitives: list[dict[str, Any]], targets: int) -> Iterator[Surface]:
    for primitive in primitives:
        here = primitive["attributes"]
        positions = store.array(here["POSITION"], "VEC3")
        count = len(positions)
        if targets * count * 24 > MAX_BYTES * 2:
            _refuse(store.path, f"is too large: {targets} targets of {count} vertices.")
        if len(primitive.get("targets", ())) != targets:
            _refuse(store.path, f"has {targets} names for {len(primitive.get('targets', ()))} targets.")
        material = store.item("materials", primitive["material"])
        yield Surface(
            name=str(material["name"]),
            positions=positions.astype(np.float32),
            normals=store.array(here["NORMAL"], "VEC3", count).astype(np.float32),
            colours=store.array(here["COLOR_0"], "VEC3", count).astype(np.float32),
            follow=_follow(store, here, count),
            triangles=_triangles(store, primitive["indices"], count),
            moves=_stack(store, primitive["targets"], "POSITION", count),
            turns=_stack(store, primitive["targets"], "NORMAL", count),
            look=Look(
                float(material.get("pbrMetallicRoughness", {}).get("roughnessFactor", 1)),
                bool(material.get("doubleSided", False)),
            ),
        )


def _follow(store: _Store, attributes: dict[str, Any], count: int) -> Array:
    """The weight of the joint "head" at each vertex."""
    joints = store.array(attributes["JOINTS_0"], "VEC4", count)
    weights = store.array(attributes["WEIGHTS_0"], "VEC4", count)
    follow: Array = (weights * (joints == JOINTS.index("head"))).sum(1)
    return follow.clip(0, 1).astype(np.float32)


def _triangles(store: _Store, number: int, count: int) -> Array:
    corners = store.array(number, "SCALAR")[:, 0]
    if len(corners) % 3 or corners.dtype.kind != "u" or corners.max() >= count:
        _refuse(store.path, f"is damaged: its triangles name vertices beyond {count}, or are no triples.")
    return corners.astype(np.uint32).reshape(-1, 3)


def _stack(store: _Store, targets: list[dict[str, int]], name: str, count: int) -> Array:
    """(targets, count, 3) float32; a target without this attribute leaves it as it is."""
    found = np.zeros((len(targets), count, 3), np.float32)
    for row, target in enumerate(targets):
        if name in target:
            found[row] = store.array(target[name], "VEC3", count)
    return found
