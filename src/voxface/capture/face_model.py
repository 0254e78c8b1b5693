"""Find the face landmarker file: named, in the environment, in the user's cache, or fetched once and checked.

The file is always read by us and handed on as bytes: native libraries stumble over paths that are not ASCII.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from voxface.errors import FaceModelError, MissingDependencyError

FILE_NAME = "face_landmarker.task"
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
SIZE = 3_758_596  # bytes
BASE_URL = "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1"
"""MediaPipe's official address of the model, Apache-2.0."""

ENVIRONMENT = "VOXFACE_FACE_LANDMARKER"
ENVIRONMENT_URL = "VOXFACE_FACE_LANDMARKER_URL"
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class FaceModel:
    """The landmarker file, checked: where it came from and its bytes."""

    path: Path
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if hashlib.sha256(self.content).hexdigest() != SHA256:
            raise FaceModelError(
                f"{self.path} is not the face landmarker that voxface knows: {_what(self.content)}.",
                hint=_hint(self.path),
                source=str(self.path),
            )


def find_face_model(named: str | Path | None = None, *, base_url: str | None = None) -> FaceModel:
    """The face landmarker: the file named, else VOXFACE_FACE_LANDMARKER, else the user's cache, else fetched into it.

    Args:
        named: a file; nothing else is tried if it is given.
        base_url: address of the folder that holds the file, for mirrors and tests; default
            VOXFACE_FACE_LANDMARKER_URL, else MediaPipe's own.
    Raises: FaceModelError: missing, damaged, not the known model, or it cannot be fetched.
        MissingDependencyError: it must be fetched and pooch is not installed.
    """
    path = named or os.environ.get(ENVIRONMENT)
    if path:
        return _read(Path(path))
    cached = cached_path()
    if cached.is_file():
        return _read(cached)
    return _read(_fetch(cached, base_url or os.environ.get(ENVIRONMENT_URL) or BASE_URL))


def cached_path() -> Path:
    """Where the file lies in the user's cache once it was fetched, or was put there by hand."""
    import platformdirs

    return platformdirs.user_cache_path("voxface", appauthor=False) / FILE_NAME


def _read(path: Path) -> FaceModel:
    try:
        return FaceModel(path, path.read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        text = f"cannot read the face landmarker {path}: {reason}."
        raise FaceModelError(text, hint=_hint(path), source=str(path)) from error


def _fetch(target: Path, base_url: str) -> Path:
    """Download into the cache; the file stands there whole and checked, or not at all."""
    try:
        import pooch
    except ImportError as error:
        text = "the face landmarker is not here yet, and fetching it needs pooch, which is not installed."
        raise MissingDependencyError(text, hint="pip install 'voxface[capture]'") from error
    url = f"{base_url.rstrip('/')}/{FILE_NAME}"
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{SHA256}",
            fname=target.name,
            path=target.parent,
            downloader=pooch.HTTPDownloader(timeout=_TIMEOUT_S, progressbar=False),
        )
    except ValueError as error:  # pooch found another hash and kept nothing
        text = f"what {url} gave is not the face landmarker (a login page of the network, or another file)."
        raise FaceModelError(text, hint=_hint(target), source=url) from error
    except OSError as error:  # no connection, refused, HTTP error, disk full: requests' errors are OSErrors
        text = f"cannot fetch the face landmarker from {url}: {_reason(error)}."
        raise FaceModelError(text, hint=_hint(target), source=url) from error
    return target


def _reason(error: BaseException) -> str:
    """The innermost cause, which says more than the wrappers around it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error).strip().rstrip(".") or type(error).__name__


def _what(content: bytes) -> str:
    """What a file is instead of the model, for people."""
    if not content:
        return "the file is empty"
    if content[:512].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page"
    if content[:2] == b"PK" and len(content) < SIZE:
        return f"it is cut short or another model ({len(content)} of {SIZE} bytes)"
    return f"another file ({len(content)} bytes, expected {SIZE}; the SHA-256 differs)"


def _hint(path: Path) -> str:
    return (
        f"Get {BASE_URL}/{FILE_NAME} (SHA-256 {SHA256[:12]}…) and save it as {cached_path()}, "
        f"or name it with --face-model or {ENVIRONMENT}."
        + (f" Remove the damaged {path} first." if path == cached_path() and path.exists() else "")
    )
