"""The log, written by a thread of its own: a pipe that nobody reads must not stop the server."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

_MOST = 1000  # lines that wait


class Journal:
    """Gives lines to `write`, in order; what does not fit in is counted and left out. Use it in a `with` statement."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST)
        self._lost = 0
        self._thread = threading.Thread(target=self._work, name="voxface-journal", daemon=True)

    def __enter__(self) -> Journal:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The lines that wait are written, if somebody reads them within a second."""
        try:
            self._lines.put(None, timeout=1)
            self._thread.join(1)
        except queue.Full:
            pass

    def tell(self, line: str) -> None:
        """Take a line; never waits."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            self._write(line)
            if self._lost:
                lost, self._lost = self._lost, 0
                self._write(f"{lost} lines were left out: nobody read them in time.")
