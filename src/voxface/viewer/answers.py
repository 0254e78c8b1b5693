"""What the server says, as values: bytes or a part of a file, with its type and its status."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxface.errors import (
    AudioEmptyError,
    AudioFormatError,
    AudioNonFiniteError,
    BundleError,
    ClipError,
    LimitError,
    MissingDependencyError,
    VoxfaceError,
)
from voxface.server.problems import problem as problem_json

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2",
    ".glb": "model/gltf-binary", ".wav": "audio/wav", ".bin": "application/octet-stream",
}  # fmt: skip

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_STATUS: tuple[tuple[type[VoxfaceError], int], ...] = (
    (LimitError, 413),
    (AudioFormatError, 415),
    (MissingDependencyError, 415),
    (BundleError, 409),
    (ClipError, 400),
    (AudioEmptyError, 400),
    (AudioNonFiniteError, 400),
)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes first to first + size of a file."""

    path: Path
    first: int
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers beside those that every answer has."""

    status: int
    kind: str
    body: bytes | Part = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.body.size if isinstance(self.body, Part) else len(self.body)


def of_json(value: Any, status: int = 200) -> Answer:
    """A value as JSON."""
    return Answer(status, TYPES[".json"], json.dumps(value, allow_nan=False, ensure_ascii=False).encode())


def problem(status: int, message: str, code: str = "", **headers: str) -> Answer:
    """An error as JSON; without a code it has the name of its status."""
    body = problem_json(status, message, code=code)
    return Answer(status, TYPES[".json"], body, {key.replace("_", "-"): text for key, text in headers.items()})


def of_error(error: VoxfaceError) -> Answer:
    """An error of ours, with its own code and sentence."""
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 400)
    return problem(status, str(error), error.code)


def of_file(path: Path, wanted: str | None) -> Answer:
    """A file, or the part that a `Range` header wants; several parts at once are answered with the whole file."""
    size = path.stat().st_size
    whole = Answer(200, TYPES[path.suffix], Part(path, 0, size), {"Accept-Ranges": "bytes"})
    found = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if not found or found[1] == found[2] == "":
        return whole
    first = int(found[1]) if found[1] else max(size - int(found[2]), 0)
    last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if first >= size or last < first:
        return problem(416, f"the sound has {size} bytes.", Content_Range=f"bytes */{size}")
    said = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{last}/{size}"}
    return Answer(206, TYPES[path.suffix], Part(path, first, last - first + 1), said)
