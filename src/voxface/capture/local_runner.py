"""Videos in worker processes of this machine: one that crashes, hangs or eats all memory costs one video.

Workers live on from video to video, since a start costs as much as seconds of video. A video whose worker died is
tried once more, in a fresh one. The pieces of a long video are spread over the workers.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, resource_tracker
from pathlib import Path
from typing import Any

from voxface.capture.confine import Confines
from voxface.capture.job import Divided, OnEvent, Part, PieceMade, VideoJob, VideoResult, changing
from voxface.capture.task import TIMEOUT_S, TRIES, Task
from voxface.capture.worker import OUT_OF_MEMORY, Broke, Moved, serve
from voxface.errors import CrashError, HangError, OutOfMemoryError, VoxfaceError

_LOOK_EVERY_S = 1.0
_GONE_WITHIN_S = 5.0  # after kill -9; a process that waits for a dead disk or network drive does not even go then
_KILLED = -9  # signal.SIGKILL, which Windows does not know
_WORKER_BYTES = 1 << 30  # what a tracker, pictures and values need, with room


def run_local(
    jobs: Sequence[VideoJob],
    on_event: OnEvent,
    *,
    workers: int | None = None,
    timeout_s: float = TIMEOUT_S,
    confines: Confines = Confines(),
) -> Generator[VideoResult, None, None]:
    """Do the jobs in worker processes; give each result when it is there (job.Runner).

    A script of yours that calls it does so under `if __name__ == "__main__"`: the workers load it too.

    Args:
        workers: processes at a time; default one per core, fewer where memory is short. Never more than have work.
        timeout_s: a worker that is silent for so long (and 1 s more per 20 MB of its video) is stopped.
        confines: what the workers must do without.
    Raises: VoxfaceError: what would stop every video.
    """
    run = _Run(jobs, on_event, workers or default_workers(), timeout_s, confines)
    try:
        yield from run.results()
    finally:
        run.stop()


class _Run:
    """Tasks that wait, workers that have one or none, and the long videos that are at work in pieces."""

    def __init__(
        self, jobs: Sequence[VideoJob], on_event: OnEvent, limit: int, timeout_s: float, confines: Confines
    ) -> None:
        self._on_event, self._limit, self._timeout_s, self._confines = on_event, limit, timeout_s, confines
        self._waiting = deque(Task(job) for job in jobs)
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []
        self._shares: dict[str, list[float]] = {}  # target of a divided video -> what is done of each piece

    def results(self) -> Iterator[VideoResult]:
        while self._waiting or self._busy:
            while self._waiting and len(self._busy) < self._limit:
                worker = self._idle.pop() if self._idle else _Worker(self._confines)
                self._busy.append(worker)
                worker.begin(self._waiting.popleft())
            for worker, message in _messages(self._busy, self._timeout_s):
                if result := self._take(worker, message):
                    yield result

    def stop(self) -> None:
        for worker in self._idle + self._busy:
            worker.kill()

    def _take(self, worker: _Worker, message: object) -> VideoResult | None:
        """Deal with what a worker says; give the result of a video if that is one. Raises: what stops every video."""
        task = worker.task
        if isinstance(message, Moved):
            self._moved(task, message)
            return None
        if isinstance(message, VoxfaceError):
            raise message
        self._busy.remove(worker)
        if isinstance(message, Broke):
            worker.kill()
            return self._again(task.died(message.error, message.trace))
        self._idle.append(worker)
        if isinstance(message, Divided):
            return self._divide(task, message.pieces)
        if isinstance(message, PieceMade):
            self._made(task)
            return None
        assert isinstance(message, VideoResult)
        self._drop(task.job)
        return task.ended(message)

    def _moved(self, task: Task, moved: Moved) -> None:
        shares = self._shares.get(task.job.target)
        if shares is None:
            self._on_event(task.job, moved.frames, moved.expected)
        elif task.number is not None:
            shares[task.number] = moved.frames / max(1, moved.expected)
            self._on_event(task.job, round(1000 * sum(shares)), 1000 * len(shares))

    def _again(self, task: Task) -> VideoResult | None:
        if len(task.deaths) < TRIES:
            self._waiting.append(task)
            return None
        self._drop(task.job)
        return VideoResult(task.job, "failed", error=task.deaths[-1], tries=TRIES)

    def _divide(self, task: Task, pieces: int) -> VideoResult | None:
        """A long video: its pieces come first, ahead of other videos, so that it is not the last to be done."""
        if task.job.target in self._shares:
            self._drop(task.job)
            return changing(task.job)
        self._shares[task.job.target] = [0.0] * pieces
        self._waiting.extendleft(Task(task.job, number=number) for number in reversed(range(pieces)))
        return None

    def _made(self, task: Task) -> None:
        shares = self._shares[task.job.target]
        shares[task.number or 0] = 1.0
        at_work = [
            other for other in (*self._waiting, *(worker.task for worker in self._busy)) if other.job == task.job
        ]
        if not at_work:
            self._waiting.appendleft(Task(task.job))

    def _drop(self, job: VideoJob) -> None:
        """A video has come to its end: nobody need work on a piece of it any more."""
        self._shares.pop(job.target, None)
        self._waiting = deque(task for task in self._waiting if task.job != job)
        for worker in [worker for worker in self._busy if worker.task.job == job]:
            self._busy.remove(worker)
            worker.kill()


def default_workers() -> int:
    """One per core that this process may use, and not more than fit into the memory that is free now."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _available_bytes() // _WORKER_BYTES))


def _available_bytes() -> int:
    """Memory that could be had without swapping; without limit where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return sys.maxsize


class _Worker:
    """A worker process, seen from the parent. Its pipe ends when it does, for nobody else has the other end."""

    def __init__(self, confines: Confines) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, confines), daemon=True)
        with _interrupts_held_back():  # they are for the parent; the child keeps them held back for life
            self._process.start()
        theirs.close()

    def begin(self, task: Task) -> None:
        self.task, self.silent_s = task, 0.0
        with suppress(OSError):  # it died meanwhile: the pipe will say so
            self.pipe.send(Part(task.job, task.number))

    def message(self) -> Any:
        """What it says; Broke if it died."""
        self.silent_s = 0.0
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            return Broke(_death(self.task.job, self._process.exitcode), "")

    def silence(self, passed_s: float, timeout_s: float) -> Broke | None:
        """Count the silence; Broke if it was too long."""
        self.silent_s += passed_s
        if self.silent_s < self.task.allowed_s(timeout_s):
            return None
        source = self.task.job.source
        text = f"{source}: no progress for {self.silent_s:.0f} s; its process was stopped."
        return Broke(HangError(text, hint="--timeout allows longer.", source=source), "")

    def kill(self) -> None:
        self._process.kill()
        self._process.join(_GONE_WITHIN_S)
        self.pipe.close()


def _messages(busy: Sequence[_Worker], timeout_s: float) -> Iterator[tuple[_Worker, Any]]:
    """What the workers say now, after a short wait for it."""
    before = time.monotonic()
    ready = connection.wait([worker.pipe for worker in busy], _LOOK_EVERY_S)
    passed_s = min(time.monotonic() - before, 2 * _LOOK_EVERY_S)  # longer: we were stopped ourselves, so were they
    for worker in tuple(busy):
        if worker not in busy:  # killed while we told of another
            continue
        message = worker.message() if worker.pipe in ready else worker.silence(passed_s, timeout_s)
        if message is not None:
            yield worker, message


def _death(job: VideoJob, exit_code: int | None) -> VoxfaceError:
    """Why a worker died, as an error of its video."""
    if exit_code == OUT_OF_MEMORY:
        text, hint = f"{job.source} needs more memory than its process may have.", "--memory-limit allows more."
        return OutOfMemoryError(text, hint=hint, source=job.source)
    if exit_code == _KILLED:
        text, hint = f"{job.source}: its process was killed, probably for lack of memory.", "Try fewer --jobs."
        return OutOfMemoryError(text, hint=hint, source=job.source)
    name = signal.Signals(-exit_code).name if exit_code and exit_code < 0 else f"exit code {exit_code}"
    return CrashError(f"{job.source}: its process crashed ({name}).", hint="Try another --tracker.", source=job.source)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C waits for the end of the block; a process that is started inside never gets it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # Process.start would start it, and let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
