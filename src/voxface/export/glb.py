"""GLB of a face: one skinned mesh with a primitive per surface and named morph targets; the only writer of glTF.

    scene: node "face" (the mesh) and joint "neck" with its child joint "head", both at the origin
    mesh:  COLOR_0 linear, WEIGHTS_0 of the two joints, targets of POSITION and NORMAL, extras.targetNames

Metres, +Y up, the face looks along +Z, as glTF wants it. Targets are sparse: only vertices that a target moves are
stored, in steps far below what is seen. Compact files store these as small integers (KHR_mesh_quantization), plain ones
as floats of the same values, which takes more than twice the bytes. The same surfaces give the same bytes. Facts: glTF
2.0 specification, 3.6 (binary data), 3.7 (geometry), 4 (GLB), and the extension's page; targetNames is the convention
that importers share.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxface.stream import Array

MAGIC, VERSION = 0x46546C67, 2
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
TYPES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
QUANTIZED = "KHR_mesh_quantization"
JOINTS = ("neck", "head")
MOVE_STEPS, TURN_STEPS = 32767, 127
"""Moves are rounded to 1/32767 m (31 µm, an eighth of a pixel where a head fills a thousand), turns to 1/127 (half a
degree), both alike on the left and on the right. What is less than half a step is nothing."""

_VERTICES, _INDICES = 34962, 34963  # what a buffer view is for


@dataclass(frozen=True, slots=True)
class Look:
    """How a material answers light: `roughness` in [0, 1], from a mirror to chalk; `double_sided`: seen from behind."""

    roughness: float
    double_sided: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Triangles of one material and what each target does to them.

    name:      of the material
    positions: (vertices, 3) float32, metres
    normals:   (vertices, 3) float32, unit length
    colours:   (vertices, 3) float32 in [0, 1], linear RGB
    follow:    (vertices,) float32 in [0, 1]: the weight of the joint "head"; the rest is that of "neck"
    triangles: (triangles, 3) uint32, counter-clockwise seen from outside
    moves:     (targets, vertices, 3) float32, metres
    turns:     (targets, vertices, 3) float32, added to the normal
    """

    name: str
    positions: Array
    normals: Array
    colours: Array
    follow: Array
    triangles: Array
    moves: Array
    turns: Array
    look: Look


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file says of itself: the program that made it, who holds the rights, and under which licence."""

    generator: str
    copyright: str
    licence: str


def glb_bytes(surfaces: Sequence[Surface], targets: Sequence[str], origin: Origin, compact: bool = True) -> bytes:
    """A GLB as bytes."""
    store = _Store()
    primitives = [_primitive(store, number, surface, compact) for number, surface in enumerate(surfaces)]
    bind = store.accessor(np.tile(np.eye(4, dtype=np.float32).reshape(1, 16), (2, 1)), "MAT4")
    document = {
        **({"extensionsUsed": [QUANTIZED], "extensionsRequired": [QUANTIZED]} if compact else {}),
        "asset": {
            "version": "2.0",
            "generator": origin.generator,
            "copyright": origin.copyright,
            "extras": {"licence": origin.licence},
        },
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"name": "face", "mesh": 0, "skin": 0}, {"name": "neck", "children": [2]}, {"name": "head"}],
        "skins": [{"joints": [1, 2], "skeleton": 1, "inverseBindMatrices": bind}],
        "meshes": [
            {
                "name": "face",
                "primitives": primitives,
                "weights": [0] * len(targets),
                "extras": {"targetNames": list(targets)},
            }
        ],
        "materials": [_material(surface) for surface in surfaces],
        "accessors": store.accessors,
        "bufferViews": store.views,
        "buffers": [{"byteLength": len(store.data)}],
    }
    return pack(document, bytes(store.data))


def pack(document: dict[str, Any], binary: bytes) -> bytes:
    """The two chunks of a GLB: JSON padded with spaces, then bytes padded with zeros."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    header = struct.pack("<III", MAGIC, VERSION, 12 + 8 + len(text) + 8 + len(binary))
    return b"".join(
        [header, struct.pack("<II", len(text), JSON_CHUNK), text, struct.pack("<II", len(binary), BINARY_CHUNK), binary]
    )


class _Store:
    """The bytes of all arrays, and the views and accessors that find them there."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, array: Array, use: int | None = None) -> int:
        """An array as bytes, rows of vertices padded to four as glTF asks; gives the view's number."""
        found: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data)}
        if use == _VERTICES:
            rows = np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1)
            array = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
            found["byteStride"] = array.shape[1]
        data = array.tobytes()
        found["byteLength"] = len(data)
        self.data += data + b"\0" * (-len(data) % 4)
        self.views.append(found if use is None else {**found, "target": use})
        return len(self.views) - 1

    def accessor(self, array: Array, shape: str, use: int | None = None, **more: Any) -> int:
        """An array as a table of its own; gives the accessor's number."""
        return self.add(bufferView=self.view(array, use), **_typed(array), count=len(array), type=shape, **more)

    def add(self, **accessor: Any) -> int:
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _typed(array: Array) -> dict[str, int]:
    return {"componentType": TYPES[array.dtype.str[1:]]}


def _range(array: Array) -> dict[str, list[float]]:
    return {"min": array.min(0).tolist(), "max": array.max(0).tolist()}


def _smallest(indices: Array, count: int) -> Array:
    """Indices below `count` as the smallest integers that glTF lets stand for them."""
    return indices.astype(np.uint16 if count <= 0xFFFF else np.uint32)


def _primitive(store: _Store, material: int, surface: Surface, compact: bool) -> dict[str, Any]:
    """One surface of the mesh."""
    vertices = len(surface.positions)
    # adding 0 makes -0 a 0: which of them a sum gives differs between processors, and so would the bytes
    positions, normals = (array.astype("<f4") + np.float32(0) for array in (surface.positions, surface.normals))
    head = np.round(surface.follow * 255).astype(np.uint8)
    joints, weights = np.zeros((2, vertices, 4), np.uint8)
    weights[:, 0], weights[:, 1], joints[:, 1] = 255 - head, head, head > 0  # a joint that weighs nothing must be 0
    colours = np.round(surface.colours * 65535).astype("<u2")
    corners = _smallest(surface.triangles.reshape(-1), vertices)
    return {
        "attributes": {
            "POSITION": store.accessor(positions, "VEC3", _VERTICES, **_range(positions)),
            "NORMAL": store.accessor(normals, "VEC3", _VERTICES),
            "COLOR_0": store.accessor(colours, "VEC3", _VERTICES, normalized=True),
            "JOINTS_0": store.accessor(joints, "VEC4", _VERTICES),
            "WEIGHTS_0": store.accessor(weights, "VEC4", _VERTICES, normalized=True),
        },
        "indices": store.accessor(corners, "SCALAR", _INDICES),
        "material": material,
        "targets": _targets(store, surface, compact),
    }


def _targets(store: _Store, surface: Surface, compact: bool) -> list[dict[str, int]]:
    """POSITION and NORMAL of every target.

    For each of them one view holds the numbers of all targets' vertices and one their values. What a target leaves as
    it is is an accessor without data, which means zeros, and is shared.
    """
    kinds = {
        "POSITION": _sparse(store, in_steps(surface.moves, MOVE_STEPS).astype("<i2"), MOVE_STEPS, compact),
        "NORMAL": _sparse(store, in_steps(surface.turns, TURN_STEPS).astype("i1"), TURN_STEPS, compact),
    }
    idle = {
        "componentType": TYPES["f4"],
        "count": len(surface.positions),
        "type": "VEC3",
        "min": [0] * 3,
        "max": [0] * 3,
    }
    zeros = -1
    found: list[dict[str, int]] = [{} for _ in surface.moves]
    for name, accessors in kinds.items():
        for target, accessor in zip(found, accessors, strict=True):
            if accessor is None and zeros < 0:
                zeros = store.add(**idle)
            target[name] = zeros if accessor is None else store.add(**accessor)
    return found


def _sparse(store: _Store, steps: Array, count: int, compact: bool) -> list[dict[str, Any] | None]:
    """An accessor for every target, None for one that changes nothing.

    Args:
        steps: (targets, vertices, 3) integers; `count` of them are 1.
    """
    changed = (steps != 0).any(2)
    if not changed.any():
        return [None] * len(steps)
    values = steps if compact else (steps / count).astype("<f4")
    numbers = _smallest(changed.nonzero()[1], changed.shape[1])
    where, what = store.view(numbers), store.view(values[changed])
    found, begin = [], 0
    for row, rows in enumerate(changed.sum(1).tolist()):
        indices = {"bufferView": where, "byteOffset": begin * numbers.itemsize, **_typed(numbers)}
        place = {"bufferView": what, "byteOffset": begin * 3 * values.itemsize}
        sparse = {"count": rows, "indices": indices, "values": place}
        whole = {"normalized": True} if compact else {}
        table = {"count": changed.shape[1], "type": "VEC3", "sparse": sparse, **whole}
        found.append({**_typed(values), **table, **_range(values[row])} if rows else None)
        begin += rows
    return found


def in_steps(vectors: Array, steps: int) -> Array:
    """Vectors (..., 3) as whole steps; one with a number beyond -1 or 1 is made shorter until it fits."""
    longest = np.maximum(np.abs(vectors).max(-1, keepdims=True), 1)
    found: Array = np.round(vectors / longest * steps)
    return found


def _material(surface: Surface) -> dict[str, Any]:
    look = surface.look
    found: dict[str, Any] = {
        "name": surface.name,
        "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": look.roughness},
    }
    return {**found, "doubleSided": True} if look.double_sided else found
