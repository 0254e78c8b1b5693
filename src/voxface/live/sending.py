"""What every output is: frames in, nothing back, and never a wait."""

from __future__ import annotations

import math
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable

from voxface.errors import InputWarning
from voxface.live.frame import LiveFrame

Clock = Callable[[], float]
WARN_EVERY_S = 10.0


class Output(ABC):
    """Where frames go. A receiver that is slow, dead or not there yet costs frames, never time.

    name:    as the user wrote it, for people
    sent:    frames that went out
    dropped: frames that are known not to have arrived
    gone:    its receiver has left and will not come back, as the reader of a pipe; frames are then taken and forgotten

    Warns: W-OUTPUT, at most once in 10 s: frames do not arrive, and why.
    """

    def __init__(self, name: str, clock: Clock = time.monotonic) -> None:
        self.name, self.sent, self.dropped, self.gone = name, 0, 0, False
        self._clock = clock
        self._trouble, self._warned_s = "", -math.inf

    @abstractmethod
    def send(self, frame: LiveFrame) -> None:
        """Send a frame now, or drop it."""

    def keep_alive(self, now_s: float) -> None:  # noqa: B027 (most need none)
        """Called often, also while there are no frames. now_s: time.monotonic()."""

    def rest(self) -> None:  # noqa: B027
        """The last word: the face goes to rest, and where the protocol knows it, we say that we leave."""

    def close(self) -> None:  # noqa: B027
        """Give back what is held; nothing is sent after it."""

    def _lost(self, why: str, frames: int = 1) -> None:
        """Count frames that did not arrive; the reason is told by the next _tell."""
        self.dropped += frames
        self._trouble = why

    def _tell(self) -> None:
        """Warn of trouble since the last warning; called by `send` and `keep_alive`, so never in another thread."""
        now_s = self._clock()
        if self._trouble and now_s - self._warned_s >= WARN_EVERY_S:
            text = f"{self.name}: {self._trouble}; frames lost so far: {self.dropped}. It goes on."
            self._trouble, self._warned_s = "", now_s
            warnings.warn(InputWarning("W-OUTPUT", text), stacklevel=3)
