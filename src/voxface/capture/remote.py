"""Videos and captures in object stores: copied in, done as local files, copied out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from voxface.errors import InputError, VoxfaceError
from voxface.places import fetch, is_remote, remove, store

if TYPE_CHECKING:
    from voxface.capture.job import OnProgress, VideoJob, VideoResult


def is_remote_job(job: VideoJob) -> bool:
    """Is its video or its capture in an object store? Raises: UsageError: in a place that is refused."""
    return is_remote(job.source) or is_remote(job.target)


def through_copies(
    job: VideoJob, do: Callable[[VideoJob, OnProgress | None], VideoResult], progress: OnProgress | None
) -> VideoResult:
    """Do a job on copies in a temporary folder, and store what is new.

    What is done is seen as it is for local files, from the capture itself, so it is fetched too. The files of one
    capture appear one after the other, the capture first; a rerun completes them.

    Raises: as job.do_video. OutputError: the results cannot be stored.
    """
    with tempfile.TemporaryDirectory(prefix="voxface-") as folder:
        near = _near(job, Path(folder))
        try:
            before = _fetch(job, near, (lambda: progress(0, 1)) if progress else lambda: None)
        except InputError as error:
            from voxface.capture.job import VideoResult

            return VideoResult(job, "failed", error=error)
        result, results = do(near, progress), _results(near, job)
        if result.status == "captured":
            for _, place in results[1:]:
                remove(place)  # of an older capture: were we killed below, a rerun would take it for the new one's
        for path, place in results:
            if path.exists() and path.stat().st_mtime_ns != before.get(path):
                store(path, place)
        return _as_of(result, near, job)


def _near(job: VideoJob, folder: Path) -> VideoJob:
    """The same job with what is remote in a local folder, under the same names."""
    source, target = folder / "in" / Path(job.source).name, folder / "out" / Path(job.target).name
    return replace(
        job,
        source=str(source) if is_remote(job.source) else job.source,
        target=str(target) if is_remote(job.target) else job.target,
    )


def _results(near: VideoJob, job: VideoJob) -> list[tuple[Path, str]]:
    """Each remote file that a job makes: its local copy, and where it belongs."""
    from voxface.capture.job import pair_paths

    if not is_remote(job.target):
        return []
    names = [Path(near.target), *(pair_paths(near.target) if job.json_pair else ())]
    folder = job.target.rpartition("/")[0]
    return [(path, f"{folder}/{path.name}") for path in names]


def _fetch(job: VideoJob, near: VideoJob, moved: Callable[[], None]) -> dict[Path, int]:
    """Copy in the video and what was made of it before; give the times of the latter."""
    if is_remote(job.source) and not fetch(job.source, Path(near.source), moved):
        raise InputError(f"there is no video {job.source}.", source=job.source)
    earlier = [] if job.force else _results(near, job)
    return {path: path.stat().st_mtime_ns for path, place in earlier if fetch(place, path, moved)}


def _as_of(result: VideoResult, near: VideoJob, job: VideoJob) -> VideoResult:
    """The result, told with the names that the user knows."""

    def told(text: str) -> str:
        return text.replace(near.source, job.source).replace(near.target, job.target)

    error: VoxfaceError | None = result.error
    if error:
        error = type(error)(told(error.message), hint=told(error.hint), source=job.source)
    mended = tuple((code, told(text)) for code, text in result.warnings)
    return replace(result, job=job, error=error, warnings=mended)
