"""Outputs that may have to wait for their receiver: a thread waits for them, and the oldest frames make room."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections import deque

from voxface.live.frame import LiveFrame, resting_frame
from voxface.live.sending import Clock, Output

LEAVE_S = 2.0
"""How long `close` waits for the last frames to go out."""


class Courier(Output):
    """Hands frames to a thread of its own; `_deliver_all` is what the thread does.

    Args:
        waiting: frames that wait at most; with one more the oldest is dropped. 1 for receivers of states, to whom only
            the newest matters: there a frame that is overtaken is not lost.

    `_obstacle` is why nobody takes frames, or empty while somebody does.
    """

    def __init__(self, name: str, waiting: int, clock: Clock = time.monotonic) -> None:
        super().__init__(name, clock)
        self._last = resting_frame()
        self._waiting: deque[LiveFrame] = deque()
        self._most = waiting
        self._news = threading.Condition()
        self._closing, self._obstacle = False, ""
        self._thread = threading.Thread(target=self._deliver_all, name=name, daemon=True)

    def start(self) -> Courier:
        """Let the thread run; called once, when the output is whole."""
        self._thread.start()
        return self

    def send(self, frame: LiveFrame) -> None:
        self._last = frame
        with self._news:
            if len(self._waiting) == self._most:
                self._waiting.popleft()
                if self._obstacle or self._most > 1:
                    self._lost(self._obstacle or "it takes them too slowly")
            self._waiting.append(frame)
            self._news.notify_all()
        self._tell()

    def keep_alive(self, now_s: float) -> None:
        self._tell()

    def rest(self) -> None:
        self.send(self._last.at_rest())

    def close(self) -> None:
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._thread.join(LEAVE_S)

    @abstractmethod
    def _deliver_all(self) -> None:
        """Runs in the thread: take frames with `_next` until it says that no more come."""

    def _next(self, timeout_s: float | None = None) -> LiveFrame | None:
        """The next frame; None after the timeout, and when the output is closed and empty (`_over`)."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._closing, timeout_s)
            return self._waiting.popleft() if self._waiting else None

    @property
    def _over(self) -> bool:
        return self._closing and not self._waiting

    def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        with self._news:
            self._news.wait_for(lambda: self._closing, seconds)
