"""A run over many videos, above any runner: the lock and journal of the output folder, poison list, twins."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from voxface.capture.face_model import ENVIRONMENT, cached_path, find_face_model
from voxface.capture.job import OnEvent, Runner, VideoJob, VideoResult
from voxface.capture.journal import open_journal


def run_jobs(
    jobs: Sequence[VideoJob], folder: str | Path, runner: Runner, on_event: OnEvent, *, retry_failed: bool = False
) -> Generator[VideoResult, None, None]:
    """Do the jobs, whose targets lie in `folder`, and give each result once it stands in the folder's journal.

    However the run ends, what was finished stays, and a rerun gives the bytes of an undisturbed run. Close it to
    end it early. The same video under two names is reported (W-DUPLICATE).

    Args:
        retry_failed: also try the videos that killed their process twice in an earlier run.
    Raises: InputError: another run has the folder. VoxfaceError: what would stop every video.
    """
    with open_journal(folder) as journal:
        errors = [None if retry_failed else journal.poison(job) for job in jobs]
        for job, error in zip(jobs, errors, strict=True):
            if error:
                yield VideoResult(job, "failed", error=error, tries=0)
        wanted = [job for job, error in zip(jobs, errors, strict=True) if not error]
        names: dict[str, str] = {}
        with closing(runner(wanted, on_event)) as results:
            for result in results:
                first = names.setdefault(result.sha256 or result.job.source, result.job.source)
                told = result if first == result.job.source else _twin(result, first)
                journal.note(told)
                yield told


def _twin(result: VideoResult, first: str) -> VideoResult:
    text = f"{result.job.source} is the same video as {first}; a dataset takes one of them."
    return replace(result, warnings=(*result.warnings, ("W-DUPLICATE", text)))


def fetch_face_model(named: str | None) -> None:
    """Fetch the face landmarker once, before the workers want it, if it must be fetched at all.

    Raises: FaceModelError, MissingDependencyError: as face_model.find_face_model.
    """
    if not (named or os.environ.get(ENVIRONMENT) or cached_path().is_file()):
        find_face_model()
