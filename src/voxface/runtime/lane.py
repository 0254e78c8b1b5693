"""A thread that computes live voices: in rounds, those that have as many rows ready together."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from voxface.errors import UsageError
from voxface.runtime.animator import Animator
from voxface.runtime.choir import ENDLESS, FACE, Choir, Part
from voxface.runtime.ears import MOST_ROWS
from voxface.stream import Array
from voxface.timebase import ROW_HOP, ROW_RATE_HZ, ROW_WINDOW, frame_count

if TYPE_CHECKING:
    from voxface.runtime.live_session import LiveSession, Segment

_LEAVE_S = 1.0  # far more than a round
_NO_SOUND, _NO_FACES = np.zeros(0, np.float32), np.zeros((0, FACE), np.float32)


class Lane:
    """The thread of an Engine, and its choir.

    Args:
        animator: the opened bundle.
        places: for sessions.
        threads: that call the net.
        deadline_ms: how long a session waits for others.
    """

    def __init__(self, animator: Animator, places: int, threads: int, deadline_ms: float) -> None:
        self.choir = Choir(animator, places, threads)
        self.crashed: BaseException | None = None
        self._deadline_s = deadline_ms / 1000
        self._voices: dict[LiveSession, _Voice] = {}
        self._free = list(range(places))  # sorted, so a heap
        self._due: dict[LiveSession, None] = {}
        self._due_since = 0.0
        self._change = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="voxface-engine", daemon=True)
        self._thread.start()

    @property
    def sessions(self) -> int:
        """How many are open."""
        with self._change:
            return sum(not session.closed for session in self._voices)

    @property
    def alive(self) -> bool:
        """Whether it can compute."""
        return self._thread.is_alive() and not self._stopped

    @property
    def thread_id(self) -> int:
        """Of the thread, for those who measure its work."""
        return self._thread.ident or 0

    def close(self) -> None:
        """Stop; sessions that are still open fail."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        self._thread.join()
        self.choir.close()
        self._fail(list(self._voices), UsageError("the engine of this session was closed."))
        self._voices.clear()

    def admit(self, session: LiveSession) -> bool:
        """Give it a place, if there is one. Raises: UsageError: the lane is closed."""
        with self._change:
            if self._stopped or self.crashed:
                raise UsageError("the engine is closed.", hint="Start it again; `crashed` says why it stopped.")
            if not self._free and any(other.closed for other in self._voices):  # it leaves with the round under way
                self._change.wait_for(lambda: self._free or self._stopped, _LEAVE_S)
            if self._free:
                self._voices[session] = _Voice(session, heappop(self._free))
            return session in self._voices

    def wake(self, session: LiveSession) -> None:
        """It has something to do, or was closed: then it leaves before the next round."""
        with self._change:
            if session not in self._voices:
                return
            if not self._due:
                self._due_since = time.monotonic()
                self._change.notify_all()
            self._due[session] = None

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Rounds, each for the voices that had something to do when it began."""
        try:
            while (voices := self._wait()) is not None:
                self._try(voices)
        except BaseException as error:
            self.crashed = error
            self._fail(list(self._voices), error)
            raise

    def _try(self, voices: list[_Voice]) -> None:
        """A round; what goes wrong in it ends these sessions, and the others go on."""
        try:
            self._round(voices)
        except Exception as error:
            self._fail([voice.session for voice in voices], error)

    def _wait(self) -> list[_Voice] | None:
        """The voices to work on, after the deadline; None: the engine is closed."""
        with self._change:
            self._change.wait_for(lambda: self._due or self._stopped)
            left_s = self._due_since + self._deadline_s - time.monotonic()
            alone = len(self._due) == len(self._voices)
        if left_s > 0 and not alone:
            time.sleep(left_s)
        with self._change:
            if self._stopped:
                return None
            voices = [self._voices[session] for session in self._due]
            self._due = {}
            for voice in voices:
                if voice.session.closed:
                    self._forget(voice)
            return [voice for voice in voices if not voice.session.closed]

    def _round(self, voices: list[_Voice]) -> None:
        """One step of every voice that has rows: those that have as many together."""
        groups: dict[int, list[_Voice]] = {}
        for voice in voices:
            count = min(voice.hear(self.choir), MOST_ROWS)
            if count:
                groups.setdefault(count, []).append(voice)
            elif voice.over:
                voice.more |= voice.session.put(voice.segment, _NO_FACES, True)
        parts = [
            Part(
                np.array([voice.place for voice in some]),
                count,
                np.array([voice.total for voice in some]),
                np.array([voice.over and voice.ready <= count for voice in some]),
            )
            for count, some in groups.items()
        ]
        for some, part, end in zip(groups.values(), parts, self.choir.begin(parts), strict=True):
            for voice, faces, last in zip(some, end(), part.final.tolist(), strict=True):
                voice.ready -= part.rows
                voice.more |= voice.session.put(voice.segment, faces, last)
        with self._change:
            self._due |= {voice.session: None for voice in voices if voice.busy}

    def _fail(self, sessions: list[LiveSession], error: BaseException) -> None:
        for session in sessions:
            session.fail(error)

    def _forget(self, voice: _Voice) -> None:
        """It leaves its place; the lock is held."""
        del self._voices[voice.session]
        self.choir.leave(voice.place)
        heappush(self._free, voice.place)
        self._change.notify_all()


@dataclass(eq=False)
class _Voice:
    """A session's place in the choir, and its sound on the way there; only the engine's thread looks at it.

    at_16k: sound that did not yet fit · ready: rows that may be computed · total: frames of the segment, once known
    over: the segment's sound has ended, and all of it is in `at_16k` or the choir
    """

    session: LiveSession
    place: int
    segment: Segment | None = None
    resampler: Any = None
    at_16k: Array = field(default_factory=lambda: _NO_SOUND)
    ready: int = 0
    total: int = ENDLESS
    ended: bool = False
    more: bool = False
    joined: bool = False

    @property
    def over(self) -> bool:
        return self.ended and not len(self.at_16k)

    @property
    def busy(self) -> bool:
        """Whether there is something to compute without any news from the session."""
        return self.more or self.ready > 0 or len(self.at_16k) > 0

    def hear(self, choir: Choir) -> int:
        """Bring the session's sound into the choir, as far as it has room; returns how many rows are ready."""
        job = self.session.take(0.0 if len(self.at_16k) else MOST_ROWS / ROW_RATE_HZ)
        self.more = job is not None and job.more
        if job is None:
            return 0
        if job.segment is not self.segment:
            self._begin(job.segment, choir)
        if not self.ended:
            self._take(job.samples, job.last, choir)
        samples = self.at_16k[: choir.room(self.place)]
        self.at_16k = self.at_16k[len(samples) :]
        self.ready = choir.fill(self.place, samples)
        return self.ready

    def _begin(self, segment: Segment, choir: Choir) -> None:
        if not self.joined:
            choir.join(self.place, self.session.parts)
        choir.start(self.place, segment.first)
        self.joined, self.segment, self.resampler = True, segment, self.session.parts.resampler.start()
        self.at_16k, self.ready, self.total, self.ended = _NO_SOUND, 0, ENDLESS, False

    def _take(self, samples: Array, last: bool, choir: Choir) -> None:
        parts = self.session.parts
        if len(samples):
            self.resampler, heard = parts.resampler.step(self.resampler, samples)
            self.at_16k = np.concatenate([self.at_16k, heard]) if len(self.at_16k) else heard
        if last and self.segment:
            self.ended = True
            self.total = frame_count(self.segment.heard, parts.rate_hz, parts.fps)
            if self.total:
                silence = np.zeros(choir.animator.bundle.look_ahead_rows * ROW_HOP + ROW_WINDOW // 2, np.float32)
                self.at_16k = np.concatenate([self.at_16k, parts.resampler.finish(self.resampler), silence])
