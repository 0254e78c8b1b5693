"""Videos on many machines: each job is a Ray task with a CPU of its own, on any machine of the cluster that is free.

Machines come and go: what a lost one was working on runs again elsewhere. What takes its own process down twice is
given up, as by local_runner. Since do_video is idempotent and writes whole files, a task that was believed lost and
still runs somewhere does no harm.

All machines need the folders or object stores of videos and captures, and the same voxface. The face model is sent to
them.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from voxface import __version__
from voxface.capture.face_model import cached_path, find_face_model
from voxface.capture.job import OnEvent, VideoJob, VideoResult, do_video
from voxface.capture.task import TIMEOUT_S, TRIES, Task
from voxface.capture.worker import Broke, broke_on
from voxface.errors import (
    CrashError,
    MachineLostError,
    MissingDependencyError,
    OutOfMemoryError,
    OutputError,
    VoxfaceError,
)
from voxface.files import atomic_write
from voxface.places import is_remote

MOST_LOST = 8
"""Machines that may be lost under a video before it is given up: it may be what kills them."""
WAIT_S = 600.0
"""The cluster may be without any machine for so long, while another is started."""
AHEAD = 2
"""Tasks handed to Ray per CPU of the cluster: enough to keep it busy, few enough for a million videos."""

_KNOCK_S = 5.0
_STDERR = 2  # of a Ray worker: its log
_MARK = ".voxface-shared-{}"

Do = Callable[[VideoJob, Callable[[int, int], None]], VideoResult]
"""What is done to a job: job.do_video."""


def run_on_ray(
    jobs: Sequence[VideoJob],
    on_event: OnEvent,
    *,
    address: str | None = None,
    timeout_s: float = TIMEOUT_S,
    do: Do = do_video,
) -> Generator[VideoResult, None, None]:
    """Do the jobs on a Ray cluster; give each result when it is there (job.Runner). Close it to end it early.

    What is in work when it is closed ends with our connection, for ray.cancel cannot be had: in Ray 2.60 it aborts this
    process when a task ends at that moment. In a program that has a connection of its own, it goes on to its end.

    Args:
        address: of the cluster's head, such as "10.0.0.1:6379", or "auto" for the one that this machine belongs to;
            None starts one on this machine alone, for this run.
        timeout_s: as for local_runner.run_local. do: what is done to each job.
    Raises: VoxfaceError: what would stop every video. MissingDependencyError: Ray is not installed, the cluster cannot
        be reached, has no machine for WAIT_S, or one that lacks this voxface. OutputError: a machine does not see the
        folder of the captures.
    """
    if not jobs:
        return
    with _cluster(address) as ray, _shared_marks(jobs) as token:
        remote = ray.remote(num_cpus=1, max_retries=0)(_work)
        models = {name: ray.put(find_face_model(name).content) for name in {job.face_model for job in jobs}}

        def start(job: VideoJob) -> Any:
            on_event(job, 0, 1)
            return remote.remote(_absolute(job), models[job.face_model], do, timeout_s, token, __version__)

        yield from _run(ray, deque(map(Task, jobs)), start)


def _run(ray: Any, waiting: deque[Task], start: Callable[[VideoJob], Any]) -> Generator[VideoResult, None, None]:
    running: dict[Any, Task] = {}
    while waiting or running:
        while waiting and len(running) < AHEAD * max(1, _cpus(ray)):
            task = waiting.popleft()
            running[start(task.job)] = task
        ready, _ = ray.wait(list(running), num_returns=1, timeout=WAIT_S)
        if not ready and not _cpus(ray):
            text = f"the Ray cluster has had no machine for {WAIT_S:.0f} s."
            raise MissingDependencyError(text, hint="Start some (ray start --address=...) and run again.")
        for ref in ready:
            came = _came_of(ray, ref, running.pop(ref))
            if isinstance(came, VideoResult):
                yield came
            else:
                waiting.appendleft(came)


def _cpus(ray: Any) -> int:
    return int(ray.cluster_resources().get("CPU", 0))


def _came_of(ray: Any, ref: Any, task: Task) -> VideoResult | Task:
    """The result of a task that has ended, or its next try. Raises: VoxfaceError: what would stop every video."""
    found = _answer(ray, ref, task.job.source)
    if isinstance(found, VideoResult):
        return task.ended(replace(found, job=task.job))
    if isinstance(found, VoxfaceError):
        raise found
    again = task.died(*found)
    lost = sum(isinstance(death, MachineLostError) for death in again.deaths)
    if lost < MOST_LOST and len(again.deaths) - lost < TRIES:
        return again
    return VideoResult(task.job, "failed", error=found.error, tries=len(again.deaths))


def _answer(ray: Any, ref: Any, source: str) -> VideoResult | Broke | VoxfaceError:
    """What `_work` gave, or how it ended without."""
    kinds = ray.exceptions
    try:
        answer: VideoResult | Broke | VoxfaceError = ray.get(ref)
        return answer
    except kinds.WorkerCrashedError:
        text = f"{source}: its process crashed, or was stopped because it made no progress."
        hint = "Try another --tracker; Ray's logs of that machine say more (/tmp/ray/session_latest/logs)."
        return Broke(CrashError(text, hint=hint, source=source), "")
    except kinds.OutOfMemoryError:
        return Broke(_no_memory(source), "")
    except kinds.RayTaskError as error:  # _work catches what do_video raises: it could not even be called
        text = f"a machine of the Ray cluster cannot run voxface {__version__}: {_last_line(error)}."
        return MissingDependencyError(text, hint="Install the same voxface[capture,ray] on all machines.")
    except kinds.RayError as error:  # the machine died, or what it had
        text = f"{source}: the machine that worked on it was lost ({type(error).__name__})."
        return Broke(MachineLostError(text, hint="Run again when the cluster is well.", source=source), "")


def _no_memory(source: str) -> VoxfaceError:
    text = f"{source} needs more memory than the machine that worked on it had free."
    return OutOfMemoryError(text, hint="Use larger machines, or give Ray fewer CPUs of each.", source=source)


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].rstrip(".")


def _absolute(job: VideoJob) -> VideoJob:
    """The same job, wherever the process that does it was started."""
    source, target = (place if is_remote(place) else os.path.abspath(place) for place in (job.source, job.target))
    return replace(job, source=source, target=target)


def _work(
    job: VideoJob, face_model: bytes, do: Do, timeout_s: float, token: str, version: str
) -> VideoResult | Broke | VoxfaceError:
    """What a machine of the cluster does. Errors are returned, for what is raised comes back wrapped by Ray."""
    watch = _Watch(Task(job).allowed_s(timeout_s))
    try:
        _check_machine(job, token, version)
        return do(replace(job, face_model=_model_file(face_model)), watch)
    except VoxfaceError as error:
        return error
    except MemoryError:
        return Broke(_no_memory(job.source), "")
    except Exception as error:
        return broke_on(job.source, error)
    finally:
        faulthandler.cancel_dump_traceback_later()


class _Watch:
    """Ends this process when no frame was done for so long, even where native code holds Python's lock."""

    def __init__(self, allowed_s: float) -> None:
        self._allowed_s, self._next_s = allowed_s, 0.0
        self(0, 1)

    def __call__(self, frames: int, expected: int) -> None:
        if time.monotonic() >= self._next_s:  # not at every frame: each call starts a thread
            faulthandler.dump_traceback_later(self._allowed_s, exit=True, file=_STDERR)
            self._next_s = time.monotonic() + self._allowed_s / 20


def _check_machine(job: VideoJob, token: str, version: str) -> None:
    if version != __version__:
        text = f"{socket.gethostname()} has voxface {__version__}; this run is of {version}."
        raise MissingDependencyError(text, hint="Install the same on all machines: captures must not differ.")
    folder = Path(job.target).parent
    if not is_remote(job.target) and not (folder / _MARK.format(token)).exists():
        text = f"{socket.gethostname()} does not see the folder {folder} of the machine that began the run."
        raise OutputError(text, hint="With -o, give a folder that all machines share.", source=job.target)


def _model_file(content: bytes) -> str:
    """The face model as a file of this machine's user, where find_face_model would look for it too."""
    path = cached_path()
    if not path.is_file() or path.stat().st_size != len(content):
        with atomic_write(path) as file:
            file.write(content)
    return str(path)


@contextmanager
def _shared_marks(jobs: Sequence[VideoJob]) -> Iterator[str]:
    """A file in each folder of captures while the run lasts: a machine that does not see it would write elsewhere."""
    token = os.urandom(6).hex()
    folders = {Path(job.target).parent for job in jobs if not is_remote(job.target)}
    marks = [folder / _MARK.format(token) for folder in folders]
    try:
        for mark in marks:
            with atomic_write(mark):
                pass
        yield token
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """The library, connected to a cluster; silent, without dashboard and without collecting usage statistics."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # what it says of lost machines would go to our stdout
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        text = "capture on many machines needs Ray, which is not installed."
        raise MissingDependencyError(text, hint="pip install 'voxface[capture,ray]'") from error
    if ray.is_initialized():  # by a program that calls us
        yield ray
        return
    _knock(address)
    own: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": 100_000_000}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unreachable(address or "on this machine", error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """Is anybody there? Ray would try for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # "auto", or a name that Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str | None, error: Exception) -> VoxfaceError:
    text = f"cannot reach the Ray cluster {address}: {_last_line(error)}."
    return MissingDependencyError(text, hint="Start one: ray start --head; then --address auto.")
