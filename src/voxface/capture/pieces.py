"""Pieces of long videos on disk, beside the capture to come: workers share them, and a killed run goes on from them.

They lie there as captures without sound do, under hidden names that tell the video and the options.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from voxface import __version__
from voxface.capture.job import VideoJob
from voxface.capture.segments import Piece
from voxface.capture.store import Capture, load_capture, save_capture
from voxface.errors import InputError, VoxfaceError


def make_piece(job: VideoJob, number: int, look: Callable[[int], Piece]) -> None:
    """Save the piece that `look` gives, unless it lies there. Raises: as `look`; OutputError, LimitError."""
    path = _path(job, number)
    if _load(path) is not None:
        return
    piece = look(number)
    told = {
        "counts": dict(piece.counts), "most_faces": piece.most_faces, "size": list(piece.size),
        "description": dict(piece.description), "ended_early": piece.ended_early,
    }  # fmt: skip
    save_capture(path, Capture("", "", "", piece.track, 1.0, 1.0, 1, np.zeros(0, np.float32), told, piece.pictures))


def load_pieces(job: VideoJob, count: int) -> list[Piece]:
    """All pieces in order; none if one is missing, or if trackers of several versions made them.

    Raises: InputError: the video is not there.
    """
    pieces = [_load(_path(job, number)) for number in range(count)]
    whole = [piece for piece in pieces if piece is not None]
    if len(whole) < count:
        return []
    if any(piece.description != whole[0].description for piece in whole):
        drop_pieces(job)
        return []
    return whole


def drop_pieces(job: VideoJob) -> None:
    """Remove all pieces of a capture: it is there now, or is to be made anew."""
    prefix = _prefix(job)
    for path in prefix.parent.glob(".*.piece"):
        if path.name.startswith(prefix.name):
            path.unlink(missing_ok=True)


def _load(path: Path) -> Piece | None:
    """A piece; None where it is not, or is damaged."""
    try:
        found = load_capture(path)
    except VoxfaceError:
        return None
    told = found.tracker
    return Piece(
        found.track, told["counts"], told["most_faces"], tuple(told["size"]), found.pictures, told["description"],
        told["ended_early"],
    )  # fmt: skip


def _path(job: VideoJob, number: int) -> Path:
    """Where a piece belongs. The name tells the video, the options and the version: no other is taken for it."""
    try:
        seen = os.stat(job.source)
    except OSError as error:
        raise InputError(f"cannot read {job.source}: {error.strerror}.", source=job.source) from error
    told = (os.path.abspath(job.source), seen.st_size, seen.st_mtime_ns, job.options, __version__)
    key = hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return Path(f"{_prefix(job)}{key}.{number:03}.piece")


def _prefix(job: VideoJob) -> Path:
    target = Path(job.target)
    return target.with_name(f".{target.name[:50]}.")
