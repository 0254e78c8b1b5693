"""The whole server as one ASGI application, WebSockets too, behind somebody else's server: Ray Serve has its own.

Our own server gives every session a `Line` on its socket (`line.py`), which costs less per message; a Socket does the
same over ASGI's messages, within the same limits.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from voxface.errors import LimitError, VoxfaceError
from voxface.live.wire import MOST_BYTES, PATH, Problem, close_code, text_of
from voxface.neurosync.routes import Talker
from voxface.server.app import build_app
from voxface.server.hall import Hall
from voxface.server.problems import RequestError, told
from voxface.server.talk import Talk

_MOST_TEXT = 1 << 14
_LOOK_S = 0.05


class Whole:
    """HTTP and WebSockets of one hall.

    Args:
        name: of this process among others, sent with every answer as X-Replica; "": not.
    """

    def __init__(self, hall: Hall, talker: Talker, name: str = "") -> None:
        self.hall, self._http = hall, build_app(hall, talker)
        self._headers = [(b"x-replica", name.encode())] if name else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def signed(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message["headers"] = [*message.get("headers", ()), *self._headers]
            elif message["type"] == "lifespan.startup.complete":  # whoever comes then waits for nothing
                while self.hall.state == "warming":
                    await asyncio.sleep(_LOOK_S)
            await send(message)

        if scope["type"] == "websocket":
            await Socket(self.hall).serve(scope, receive, signed)
        else:
            await self._http(scope, receive, signed)


class _Waiting(NamedTuple):
    """What is not sent yet; `frames` 0: a text, which is never dropped."""

    since: float
    frames: int
    data: bytes | str


class Socket:
    """The connection of one session over ASGI's messages: what `Talk` speaks through."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.begun = time.monotonic()
        self.dropped, self.code = 0, 1006
        self._queue: deque[_Waiting] = deque()
        self._more = asyncio.Event()
        self._end: int | None = None  # the code to close with once everything is sent

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """From the request for a WebSocket to its close."""
        await receive()
        try:
            self.hall.check(scope)
            if scope["path"] != PATH:
                raise RequestError(404, f"WebSockets are served at {PATH}.")
        except RequestError as error:
            self.hall.tell(f"GET {scope['path'][:200]} {error.status}")
            await send({"type": "websocket.close", "code": 1013 if error.status == 503 else 1008})
            return
        await send({"type": "websocket.accept"})
        self._talk = Talk(self.hall, self, shown=self.hall.shows_token(Headers(scope=scope)))
        self.hall.entered(self)
        tasks = [asyncio.ensure_future(self._listen(receive)), asyncio.ensure_future(self._speak(send))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._talk.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.hall.left(self, self._talk)

    # -- what Talk says -----------------------------------------------------------------------------------------------

    def send(self, data: bytes | str, frames: int = 0) -> None:
        """A message, when there is room. frames: how many it holds; such a message may be dropped."""
        if self._end is None:
            self._queue.append(_Waiting(time.monotonic(), frames, data))
            self.hall.metrics.bytes_out.inc(len(data))
            self._more.set()

    def finish(self, code: int) -> None:
        """Close when everything is sent."""
        self._end = code if self._end is None else self._end
        self._more.set()

    def fail(self, error: VoxfaceError | RequestError, code: int | None = None) -> None:
        """Say what is wrong, and close; frames that wait are not sent any more."""
        if isinstance(error, VoxfaceError):
            problem, usual = Problem.of(error), close_code(error)
        else:
            problem, usual = Problem(error.code, str(error), error.hint), 1011
        self.hall.metrics.errors.labels(problem.code).inc()
        self._queue.clear()
        self.send(text_of(problem))
        self.finish(code or usual)

    # -- both directions ----------------------------------------------------------------------------------------------

    async def _listen(self, receive: Receive) -> None:
        """Until the client has left; after an error only that is waited for."""
        while (message := await self._next(receive))["type"] != "websocket.disconnect":
            if self._end is None:
                self._guarded(self._take, message)
            while self._end is None and self._talk.full:
                await asyncio.sleep(_LOOK_S)
        self.code = message.get("code") or 1005

    async def _next(self, receive: Receive) -> Message:
        settings, talk = self.hall.settings, self._talk
        limit_s = settings.idle_s if talk.greeted else settings.hello_s
        try:
            return await asyncio.wait_for(receive(), None if talk.ended or self._end else limit_s)
        except TimeoutError:
            self.fail(LimitError(f"nothing came for {limit_s:g} s."), 1008)
            return await receive()

    def _take(self, message: Message) -> None:
        text, data = message.get("text"), message.get("bytes")
        size, most = (len(text), _MOST_TEXT) if text is not None else (len(data or b""), MOST_BYTES)
        if size > most:
            self.fail(LimitError(f"a message is too long: {size:,} where {most:,} are allowed."), 1009)
        elif text is not None:
            self._talk.text(text)
        else:
            self._talk.sound([data or b""])

    def _guarded(self, take: Callable[[Message], None], message: Message) -> None:
        try:
            take(message)
        except VoxfaceError as error:
            self.fail(error)
        except Exception as error:
            self.hall.note_bug(error)
            self.fail(told(error))

    async def _speak(self, send: Send) -> None:
        """Until everything is sent and closed; who takes nothing for long is left."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._queue:
                await asyncio.wait_for(self._give(self._queue.popleft(), send), self.hall.settings.stuck_s)
            if self._end is not None:
                self.code = self._end
                await send({"type": "websocket.close", "code": self._end})
                return

    async def _give(self, waiting: _Waiting, send: Send) -> None:
        if waiting.frames and time.monotonic() - waiting.since > self.hall.settings.behind_s:
            self.dropped += waiting.frames
            self.hall.metrics.dropped.inc(waiting.frames)
            return
        kind = "text" if isinstance(waiting.data, str) else "bytes"
        await send({"type": "websocket.send", kind: waiting.data})
