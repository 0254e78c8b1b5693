"""A job on its way through workers that may die under it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace

from voxface.capture.job import VideoJob, VideoResult
from voxface.errors import VoxfaceError

TRIES = 2
"""Workers that may die under a video before it is given up."""
TIMEOUT_S = 60.0
"""Silence after which a worker is believed to hang."""
_BYTES_A_SECOND = 20e6  # of a slow disk: a large file may be silent for so much longer while all of it is read


@dataclass(frozen=True, slots=True)
class Task:
    """A job, or one piece of its video (job.Part), and what became of the workers that tried it."""

    job: VideoJob
    deaths: tuple[VoxfaceError, ...] = ()
    number: int | None = None

    def died(self, error: VoxfaceError, trace: str = "") -> Task:
        """The next try. trace: for the one who mends a bug; --debug shows it."""
        if trace:
            error.add_note(trace)
        return replace(self, deaths=(*self.deaths, error))

    def ended(self, result: VideoResult) -> VideoResult:
        """The result, which tells of earlier deaths."""
        told = tuple(("W-TRIED-AGAIN", f"at first: [{error.code}] {error.message}") for error in self.deaths)
        return replace(result, tries=1 + len(self.deaths), warnings=told + result.warnings)

    def allowed_s(self, timeout_s: float) -> float:
        """How long its worker may be silent."""
        with suppress(OSError):
            return timeout_s + os.stat(self.job.source).st_size / _BYTES_A_SECOND
        return timeout_s
