"""A worker process: jobs come in through a pipe, progress and results go out. It may die; its parent may not mind."""

from __future__ import annotations

import os
import time
import traceback
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NamedTuple

from voxface.capture.confine import Confines, confine
from voxface.errors import CrashError, VoxfaceError

if TYPE_CHECKING:
    from voxface.capture.job import Part

OUT_OF_MEMORY = 86
"""Exit code of a worker whose memory did not suffice, even for a message."""

_SPEAK_EVERY_S = 0.2


class Moved(NamedTuple):
    """Frames done and expected of the part at hand."""

    frames: int
    expected: int


class Broke(NamedTuple):
    """The part met a bug; the worker is not to be trusted any more. trace: for the one who mends it."""

    error: VoxfaceError
    trace: str


def broke_on(source: str, bug: Exception) -> Broke:
    """What is told of a video in which a bug of ours came to light; called where the bug is caught."""
    text = f"{source} met a bug: {type(bug).__name__}: {bug}."
    return Broke(CrashError(text, hint="Please report it, with --debug.", source=source), traceback.format_exc())


def serve(pipe: Connection[Any, Any], confines: Confines) -> None:
    """The worker's main loop, until the pipe is closed.

    Answers each job.Part with any number of Moved, then what job.do_part gives, or Broke, or a VoxfaceError that would
    stop every video.
    """
    try:
        confine(confines)
        from voxface.capture.job import do_part  # after confine: numpy may start threads

        while True:
            part: Part = pipe.recv()
            try:
                pipe.send(do_part(part, _Speaker(pipe)))
            except Exception as error:
                if isinstance(error, VoxfaceError | MemoryError):
                    raise
                pipe.send(broke_on(part.job.source, error))
    except (EOFError, ConnectionError):  # nobody listens any more
        return
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except VoxfaceError as error:
        pipe.send(error)


class _Speaker:
    """Tells the parent of progress, but not of every frame."""

    def __init__(self, pipe: Connection[Any, Any]) -> None:
        self._pipe, self._next_s = pipe, 0.0

    def __call__(self, frames: int, expected: int) -> None:
        if time.monotonic() >= self._next_s:
            self._pipe.send(Moved(frames, expected))
            self._next_s = time.monotonic() + _SPEAK_EVERY_S
