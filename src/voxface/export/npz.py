"""NPZ for research: `numpy.load(path)` gives the arrays, no pickle needed or accepted.

weights (frames, channels) float32 · channels (channels,) text · fps, start_s float64 · head (frames, 7) and emotion
(frames, 7) float32 where there are some · seen (frames,) bool · observed (channels,) bool · about: JSON text with
`audio` and `model`. Stored without compression, the same clip gives the same bytes.
"""

from __future__ import annotations

import json
import math
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from voxface.errors import LimitError, VoxfaceError
from voxface.export.reading import finite, open_clip, refuse
from voxface.export.writing import ClipHeader, ClipWriter, Spool
from voxface.face.clip import FaceClip
from voxface.face.interpolate import unit_head
from voxface.stream import Array

MAX_ARRAY_BYTES = 1 << 30
"""No array of a clip is near this large: 10 hours at 60 frames per second take half of it."""

_NUMBERS = ("weights", "head", "emotion")
_HEADER = re.compile(
    rb"\{'descr': '([<|=]?(?:f[248]|b1|[iu][1248]|U\d{1,4}))', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,12},? ?){0,4})\), ?\}\s*"
)
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, LookupError,
    struct.error, OverflowError,
)  # fmt: skip
"""What the zip reader raises on damaged bytes."""


class NpzWriter(ClipWriter):
    """Holds the frames in spools and writes the archive at the end: an array's header says how long it is."""

    def __init__(self, file: IO[bytes], header: ClipHeader) -> None:
        widths: dict[str, tuple[int, ...]] = {"weights": (len(header.channels),), "seen": ()}
        widths |= {"head": (7,)} if header.has_head else {}
        widths |= {"emotion": (7,)} if header.has_emotion else {}
        self._widths, self._spools = widths, {name: Spool() for name in widths}
        super().__init__(file, header)

    def _begin(self) -> None:
        pass

    def _frames(self, block: FaceClip) -> None:
        for name, spool in self._spools.items():
            spool.add(np.ascontiguousarray(getattr(block, name)).tobytes())

    def _end(self) -> None:
        header = self.header
        small = {
            "channels": np.array(header.channels, str),
            "fps": np.array(float(header.fps)),
            "start_s": np.array(float(header.start_s)),
            "observed": np.array([name not in header.unobserved for name in header.channels], bool),
            "about": np.array(json.dumps({"audio": _dict(header.audio), "model": _dict(header.model)})),
        }
        with zipfile.ZipFile(self.file, "w") as archive:
            for name, array in small.items():
                with _member(archive, name, array.dtype, array.shape) as member:
                    member.write(array.tobytes())
            for name, spool in self._spools.items():
                kind = np.dtype(bool if name == "seen" else np.float32)
                with _member(archive, name, kind, (self.frames, *self._widths[name])) as member:
                    for data in spool.blocks():
                        member.write(data)

    def close(self) -> None:
        for spool in self._spools.values():
            spool.close()


def _dict(value: Any) -> dict[str, Any] | None:
    return None if value is None else dict(value)


def _member(archive: zipfile.ZipFile, name: str, kind: np.dtype[Any], shape: tuple[int, ...]) -> IO[bytes]:
    """Open one array of an archive for writing, its header written; the date is fixed, so that bytes repeat."""
    member = archive.open(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True)
    described = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(member, described)
    return member


def read_npz(path: str | Path) -> FaceClip:
    """Read an NPZ file of a clip. Sizes are checked before memory is taken; objects are refused.

    Raises: InputError: the file cannot be opened. LimitError: an array above 1 GiB. ClipError: anything else is wrong.
    """
    with open_clip(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                arrays = {
                    info.filename.removesuffix(".npy"): _array(archive, info, path) for info in archive.infolist()
                }
        except _BROKEN as error:
            refuse(path, f"damaged NPZ file: {error}.")
    missing = {"weights", "channels", "fps"} - set(arrays)
    if missing:
        refuse(path, f"no clip: the arrays {', '.join(sorted(missing))} are missing; it has {_some(arrays)}.")
    return _clip(arrays, path)


def _clip(arrays: dict[str, Array], path: str | Path) -> FaceClip:
    for name in ("fps", "start_s"):
        if name in arrays and (arrays[name].shape != () or arrays[name].dtype.kind not in "fiu"):
            refuse(path, f"{name!r} must be one number.")
    for name in _NUMBERS:
        if name in arrays and arrays[name].dtype.kind not in "fiu":
            refuse(path, f"{name!r} must be numbers; got {arrays[name].dtype}.")
    parts: dict[str, Any] = {name: arrays[name] for name in ("seen", "observed") if name in arrays}
    parts |= {name: finite(arrays[name], repr(name), path) for name in _NUMBERS if name in arrays}
    if "head" in parts and parts["head"].ndim == 2 and parts["head"].shape[1] == 7:
        parts["head"] = unit_head(parts["head"])
    try:
        return FaceClip(
            channels=tuple(str(name) for name in arrays["channels"].reshape(-1)),
            fps=float(arrays["fps"]),
            start_s=float(arrays.get("start_s", np.array(0.0))),
            **parts,
        )
    except VoxfaceError as error:
        refuse(path, error.message, error.hint)


def _some(arrays: dict[str, Array]) -> str:
    names = sorted(arrays)[:8]
    return ", ".join(name[:40] for name in names) or "none"


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str | Path) -> Array:
    """One array, its claimed shape checked against the bytes that are there before anything is allocated."""
    if info.file_size > MAX_ARRAY_BYTES:
        raise LimitError(f"{path}: {info.filename[:40]!r} would take {info.file_size >> 20} MiB.", source=str(path))
    data = archive.read(info)
    length = int.from_bytes(data[8:10], "little")
    found = _HEADER.fullmatch(data[10 : 10 + length])
    if data[:8] != b"\x93NUMPY\x01\x00" or not found:
        refuse(path, f"{info.filename[:40]!r} is no plain array of numbers or texts.", "Objects are refused.")
    kind = np.dtype(found[1].decode())
    shape = tuple(int(size) for size in found[3].decode().replace(",", " ").split())
    if math.prod(shape) * kind.itemsize != len(data) - 10 - length:
        refuse(path, f"{info.filename[:40]!r} claims the shape {shape}, but holds {len(data) - 10 - length} bytes.")
    values: Array = np.frombuffer(data, kind, offset=10 + length) if kind.itemsize else np.zeros(shape, kind)
    return values.reshape(shape, order="F" if found[2] == b"True" else "C")
