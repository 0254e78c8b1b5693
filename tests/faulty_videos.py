"""What can go wrong with a video on its way through a worker, as jobs whose name says it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from voxface.capture.job import VideoJob, VideoResult
from voxface.errors import InputError, LimitError


def do_faulty(job: VideoJob, progress: Callable[[int, int], None]) -> VideoResult:
    """Stands in for job.do_video: notes the try beside the target, then does what the name of the source says."""
    what, target = Path(job.source).stem, Path(job.target)
    with open(target.with_suffix(".tries"), "a") as file:
        tries = file.tell()
        file.write("x")
    match what.partition("-")[0]:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(600)
        case "once" if not tries:
            os.kill(os.getpid(), signal.SIGSEGV)
        case "bug":
            raise ZeroDivisionError("a bug")
        case "memory":
            raise MemoryError
        case "unreadable":
            return VideoResult(job, "failed", error=InputError(f"cannot read {what}.", source=job.source))
        case "full":
            raise LimitError("no space left.", hint="Free some.", source=job.target)
        case "slow":
            for frame in range(30):
                progress(frame, 30)
                time.sleep(0.1)
    target.write_text(what)
    return VideoResult(job, "captured", frames=1, faces=1, sha256=what)
