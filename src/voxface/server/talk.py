"""The conversation of one session (live/wire.py): hello, sound in, frames out, interrupt, end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from voxface.errors import HelloError, MessageOrderError, VoxfaceError
from voxface.face.axes import still_head
from voxface.face.rig import ARKIT, HEAD
from voxface.live.wire import (
    Done,
    End,
    Hello,
    Interrupt,
    Interrupted,
    Ready,
    frames_text,
    packed,
    parse,
    samples_of,
    text_of,
)
from voxface.runtime.emotion_input import wanted
from voxface.runtime.feeling import Feeling
from voxface.runtime.idle import Idle
from voxface.runtime.live_session import LiveSession
from voxface.server.bucket import Bucket
from voxface.server.problems import RequestError, told
from voxface.stream import Array
from voxface.timebase import frame_time_s

if TYPE_CHECKING:
    from voxface.server.hall import Hall

_WEIGHTS, _QUATERNION = slice(0, len(ARKIT)), slice(len(ARKIT) + 3, len(ARKIT) + len(HEAD))
_STRAIGHT = still_head(1)[0, 3:]

_FASTER = 1.05
"""Frames may leave so much faster than they are shown: the clocks of two machines are never quite the same."""


class Channel(Protocol):
    """What carries a conversation: a `Line`, or another socket.

    begun: on time.monotonic() · code: it was closed with · dropped: frames that were not sent
    """

    begun: float
    code: int
    dropped: int

    def send(self, data: bytes | str, frames: int = 0) -> None:
        """A message; `frames`: how many it holds."""

    def finish(self, code: int) -> None:
        """Close when everything is sent."""

    def fail(self, error: VoxfaceError | RequestError, code: int | None = None) -> None:
        """Say what is wrong, and close."""


class Talk:
    """What is said on one line, on the event loop; the engine computes in its own thread.

    Args:
        shown: the token was already shown in the request.
    """

    def __init__(self, hall: Hall, line: Channel, shown: bool) -> None:
        self._hall, self._line, self._shown = hall, line, shown
        self._hello: Hello | None = None
        self._session: LiveSession | None = None
        self._arrivals: deque[tuple[float, float]] = deque()  # seconds of the clock, when their sound came
        self._later: asyncio.TimerHandle | None = None
        self._heard = 0  # samples
        self._clock_s = 0.0  # where the next sound will stand
        self._zero = 0.0  # when the clock was at 0, as far as the sound has kept up with it
        self.sent = 0  # frames
        self.ended = False

    @property
    def greeted(self) -> bool:
        return self._hello is not None

    @property
    def full(self) -> bool:
        """So much sound waits to be shown that no more should be read."""
        if self._session is None or self._hello is None or self.ended:
            return False
        return self._clock_s - self._session.given / self._hello.fps > self._hall.settings.ahead_s

    def text(self, text: str) -> None:
        """Raises: VoxfaceError: no message, or not now."""
        message = parse(text)
        if isinstance(message, Hello):
            self._begin(message)
        elif self._session is None:
            raise MessageOrderError(f"{message.kind!r} came before the hello.", hint="Send a hello first.")
        elif self.ended:
            raise MessageOrderError(f"{message.kind!r} came after the end.", hint="Open a new connection.")
        elif isinstance(message, Interrupt):
            self._interrupt(self._session)
        elif isinstance(message, End):
            self.ended = True
            self._session.end()
        else:
            raise MessageOrderError(f"{message.kind!r} is a server's message.")

    def sound(self, messages: list[bytes]) -> None:
        """Binary messages, one behind the other. Raises: VoxfaceError: not now, half a sample."""
        if self._session is None or self._hello is None or self.ended:
            when = "after the end" if self.ended else "before the hello"
            raise MessageOrderError(f"sound came {when}.", hint="Text messages come first: a hello.")
        for data in messages:
            samples = samples_of(data, self._hello.encoding)
            self._heard += len(samples)
            self._session.push(samples)
        self._hall.metrics.bytes_in.inc(sum(map(len, messages)))
        self._clock_s = self._session.heard / self._hello.rate_hz
        now = time.monotonic()
        self._zero = max(self._zero, now - self._clock_s)
        self._arrivals.append((self._clock_s, now))

    def deliver(self) -> None:
        """Send the frames that are ready, as far as it is time for them."""
        try:
            if self._session and self._hello:
                self._deliver(self._session, self._hello)
        except VoxfaceError as error:
            self._line.fail(error)
        except Exception as error:  # of the engine, or ours: this session ends, the others go on
            self._hall.note_bug(error)
            self._line.fail(told(error))

    def _deliver(self, session: LiveSession, hello: Hello) -> None:
        now = time.monotonic()
        over, ready = session.done, session.ready  # in this order: after `done` no more become ready
        most = min(ready, int(self._pace.left(now)))
        first, until_s = session.given, (session.given + most - 0.5) / hello.fps
        if hello.format == "binary":  # most callers: their frames are not made into clips first
            faces = session.pull_faces(until_s)
            message: str | bytes = packed(faces[:, _WEIGHTS], self._turn(faces), first, hello.fps)
        else:
            message = frames_text(session.pull(until_s), first)
        if count := session.given - first:
            self._pace.take(count, now)
            self._line.send(message, count)
            self.sent += count
            self._measure((session.given - 1) / hello.fps, now)
        if most < ready:
            self._wait((ready - most) / hello.fps)
        elif over:
            self._line.send(text_of(Done(session.given, self._heard / hello.rate_hz, self._line.dropped)))
            self._line.finish(1000)

    def _turn(self, faces: Array) -> Array:
        """(n, 4) quaternions of the head; a head that does not move looks straight ahead."""
        assert self._session is not None
        return faces[:, _QUATERNION] if self._session.parts.has_head else _STRAIGHT

    def stop(self) -> None:
        """The server ends: what is ready is sent, then the client is told to come again."""
        self.deliver()
        self._line.fail(self._hall.ending(), 1011 if self._hall.crash else 1012)

    def close(self) -> None:
        """Nothing is said any more."""
        if self._later:
            self._later.cancel()
        if self._session:
            self._session.close()
            self._session = None

    def _begin(self, hello: Hello) -> None:
        if self._hello:
            raise MessageOrderError("a second hello came.", hint="Open another connection for another session.")
        if not (self._shown or self._hall.is_token(hello.token or "")):
            raise HelloError("this server needs a token.", hint='Send it in the hello as "token", or in a header.')
        self._hello = hello
        now = time.monotonic()
        self._pace = Bucket(_FASTER * hello.fps, max(1.0, hello.lead_s * hello.fps), now)
        self._session = session = LiveSession(
            self._hall.engine(hello.bundle), hello.rate_hz, hello.fps, idle=Idle() if hello.idle else None,
            emotion=_feeling(hello), notify=lambda: self._hall.bell.ring(self),
        )  # fmt: skip
        parts = session.parts
        ready = Ready(secrets.token_urlsafe(12), hello.fps, session.latency_ms, parts.has_head, parts.has_emotion)
        self._line.send(text_of(ready))

    def _interrupt(self, session: LiveSession) -> None:
        seq = session.interrupt()
        self._arrivals.clear()
        self._clock_s = session.heard / session.rate_hz
        self._line.send(text_of(Interrupted(seq, frame_time_s(seq, session.fps), self._clock_s)))

    def _wait(self, seconds: float) -> None:
        if self._later:
            self._later.cancel()
        self._later = asyncio.get_running_loop().call_later(min(seconds, 0.05), self.deliver)

    def _measure(self, shown_s: float, now: float) -> None:
        """How late frames were sent: after the sound that they needed had come, and, where that was ahead of real time,
        after it would have come."""
        session = self._session
        assert session is not None
        needed_s = shown_s + session.parts.latency_ms / 1000
        came = None
        while self._arrivals and (came is None or came[0] < needed_s):
            came = self._arrivals.popleft()
        if came is None:
            return
        if came[0] >= needed_s:
            self._arrivals.appendleft(came)
        self._hall.note_delay(max(0.0, now - max(came[1], self._zero + needed_s)), now)


def _feeling(hello: Hello) -> Feeling:
    if hello.emotion is None:
        return Feeling()
    asked = {hello.emotion: 1.0} if isinstance(hello.emotion, str) else dict(hello.emotion)
    return Feeling(wanted=wanted(asked))
