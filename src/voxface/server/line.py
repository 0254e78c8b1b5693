"""One WebSocket, on the parser of the library `websockets`: its limits, its queue, its end. What is said is in `talk`.

Everything happens on the event loop, in the callbacks of its socket: no task and no wake-up per session. Reading stops
where a client sends more than it may; frames wait where it does not read, and then the oldest are dropped.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from voxface.errors import LimitError, PacketError, VoxfaceError
from voxface.live.wire import MOST_BYTES, PATH, Problem, close_code, text_of
from voxface.server.bucket import Bucket
from voxface.server.problems import MEDIA_TYPE, RequestError, told
from voxface.server.talk import Talk

if TYPE_CHECKING:
    from voxface.server.hall import Hall

_INTO = memoryview(bytearray(8192))
"""Where all sockets are read into, one after the other. Small, so that a thousand tiny messages in one read (which the
parser takes one by one) do not keep the other sessions waiting."""

_KERNEL_BYTES, _OURS_BYTES = 1 << 15, 1 << 14
"""Frames that wait in the kernel and in the transport: about two seconds, or nobody would know of a slow client."""

_TICK_S, _FAREWELL_S = 0.25, 2.0
_MOST_TEXT = 1 << 14
_SILENT = logging.Logger("voxface.websockets", logging.CRITICAL + 1)


class _Waiting(NamedTuple):
    """What could not be sent at once; `frames` 0: a text, which is never dropped."""

    since: float
    frames: int
    data: bytes


class Line(asyncio.BufferedProtocol):
    """The connection of one session, from the request that asks for a WebSocket to its last byte.

    uvicorn makes one for every such request (`config.ws`), and gives it the request as its first data.
    """

    def __init__(self, hall: Hall, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        self.hall, self._connections = hall, server_state.connections
        self._wire = ServerProtocol(max_size=MOST_BYTES, logger=_SILENT)
        self._loop = asyncio.get_running_loop()
        self.now = time.monotonic
        self.begun = self._heard = self.now()
        self._messages = Bucket(hall.settings.messages_per_s, hall.settings.messages_per_s, self.begun)
        self._part, self._part_kind = bytearray(), Opcode.BINARY
        self._queue: deque[_Waiting] = deque()
        self._full_since: float | None = None
        self._talk: Talk | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._end: int | None = None  # the code to close with once everything is sent
        self._closing = self._holding = False
        self.dropped, self.code = 0, 1006
        self.transport: asyncio.Transport

    # -- the socket ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._connections.add(self)
        if wire := transport.get_extra_info("socket"):
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        transport.set_write_buffer_limits(high=_OURS_BYTES)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _INTO

    def buffer_updated(self, count: int) -> None:
        self.data_received(bytes(_INTO[:count]))

    def data_received(self, data: bytes) -> None:
        """Bytes came; uvicorn calls this once, with the request."""
        self._wire.receive_data(data)
        try:
            self._take(self._wire.events_received())
            if self._wire.handshake_exc and not self.transport.is_closing():
                wrong = str(self._wire.handshake_exc)[:120]
                self._turn_away("", RequestError(400, f"this asks for no WebSocket that can be had: {wrong}."))
            if self._wire.parser_exc and not self._closing:
                self._refuse_bytes()
        except VoxfaceError as error:
            self.fail(error)
        except Exception as error:
            self.hall.note_bug(error)
            self.fail(told(error))
        reply = b"".join(self._wire.data_to_send())
        if reply and self._full_since is None:  # answers to pings; who does not read needs none
            self.transport.write(reply)

    def eof_received(self) -> None:
        """Half a connection is none: the transport closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._closing = True
        for timer in self._timers:
            timer.cancel()
        self._queue.clear()
        if self._talk:
            self._talk.close()
            self.hall.left(self, self._talk)

    def pause_writing(self) -> None:
        self._full_since = self.now()

    def resume_writing(self) -> None:
        self._full_since = None
        while self._queue and self._full_since is None:
            self.transport.write(self._queue.popleft().data)
        if self._end is not None and not self._queue:
            self._close(self._end)

    def shutdown(self) -> None:
        """uvicorn stops: whoever is still there is told."""
        if self._talk:
            self._talk.stop()
        else:
            self.transport.close()

    # -- what came ----------------------------------------------------------------------------------------------------

    def _take(self, events: list[Any]) -> None:
        sound: list[bytes] = []
        for event in events:
            if isinstance(event, Request):
                self._greet(event)
            elif event.opcode is Opcode.CLOSE:
                if not self._closing and self._wire.close_rcvd:
                    self.code = int(self._wire.close_rcvd.code)
                self._farewell(self.code)
                self.transport.close()
            elif not self._closing and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._gather(event, sound)
        if sound and self._talk and not self._closing:
            self._talk.sound(sound)
        self._hold_back(len(events))

    def _gather(self, frame: Frame, sound: list[bytes]) -> None:
        """A message, or a part of one. Sound that came in one read is given on together."""
        if frame.opcode is not Opcode.CONT:
            self._part_kind = frame.opcode
        if not frame.fin or frame.opcode is Opcode.CONT:
            self._part += frame.data
            if not frame.fin:
                return
        data = bytes(self._part) if self._part else bytes(frame.data)
        self._part.clear()
        self._heard = self.now()
        if self._part_kind is Opcode.BINARY:
            sound.append(data)
            return
        if self._talk and sound:
            self._talk.sound(sound)
            sound.clear()
        if len(data) > _MOST_TEXT:
            self.fail(LimitError(f"a text message has {len(data):,} bytes; {_MOST_TEXT:,} are allowed."), 1009)
        elif self._talk:
            self._talk.text(_decoded(data))

    def _hold_back(self, events: int) -> None:
        """Read no more while a client is ahead of what it may send."""
        wait_s = self._messages.take(events, self.now())
        if not self._holding and not self._closing and (wait_s or (self._talk and self._talk.full)):
            self._holding = True
            self.transport.pause_reading()
            self._later(max(wait_s, 0.05), self._read_on)

    def _read_on(self) -> None:
        self._holding = False
        self._heard = self.now()
        self._hold_back(0)
        if not self._holding and not self.transport.is_closing():
            self.transport.resume_reading()

    def _refuse_bytes(self) -> None:
        """What the parser refused: too long, no UTF-8, or no WebSocket; it has its close frame ready."""
        sent = self._wire.close_sent
        if sent is None:
            self.transport.close()
            return
        error: VoxfaceError = PacketError(f"these bytes are no message: {str(self._wire.parser_exc)[:120]}.")
        if sent.code == 1009:
            error = LimitError(f"a message is too long; {MOST_BYTES:,} bytes are allowed.", hint="Send shorter ones.")
        self._say(error)
        self._farewell(int(sent.code))
        self.transport.write_eof()  # the parser reads no more, not even the answer to the close frame

    # -- the beginning ------------------------------------------------------------------------------------------------

    def _greet(self, request: Request) -> None:
        headers = [(key.lower().encode(), value.encode("latin-1")) for key, value in request.headers.raw_items()]
        peer = self.transport.get_extra_info("peername") or ("", 0)
        path = request.path.partition("?")[0]
        try:
            self.hall.check({"path": path, "headers": headers, "client": peer, "type": "websocket"})
            if path != PATH:
                raise RequestError(404, f"WebSockets are served at {PATH}.")
            response = self._wire.accept(request)
            if response.status_code != 101:
                raise RequestError(response.status_code, bytes(response.body).decode().strip())
        except RequestError as error:
            self._turn_away(path, error)
            return
        del response.headers["Date"]
        self._wire.send_response(response)
        self.transport.write(b"".join(self._wire.data_to_send()))
        self._talk = Talk(self.hall, self, shown=self.hall.shows_token(Headers(raw=headers)))
        self.hall.entered(self)
        self._later(_TICK_S, self._tick)

    def _turn_away(self, path: str, error: RequestError) -> None:
        response = self._wire.reject(error.status, error.body.decode())
        del response.headers["Content-Type"]
        response.headers.update(error.headers | {"Content-Type": MEDIA_TYPE})
        self.transport.write(response.serialize())
        self.hall.tell(f"GET {path[:200]} {error.status}")
        self.transport.close()

    # -- what goes out ------------------------------------------------------------------------------------------------

    def send(self, data: bytes | str, frames: int = 0) -> None:
        """A message: at once, or when there is room. frames: how many it holds; such a message may be dropped."""
        opcode = Opcode.TEXT if isinstance(data, str) else Opcode.BINARY
        packed = Frame(opcode, data.encode() if isinstance(data, str) else data).serialize(mask=False)
        if self._full_since is not None or self._queue:
            self._queue.append(_Waiting(self.now(), frames, packed))
        elif not self._closing and not self.transport.is_closing():  # whose caller is gone, asyncio complains of
            self.transport.write(packed)
        self.hall.metrics.bytes_out.inc(len(packed))

    def finish(self, code: int) -> None:
        """Close when everything is sent."""
        self._end = code
        if not self._queue:
            self._close(code)

    def fail(self, error: VoxfaceError | RequestError, code: int | None = None) -> None:
        """Say what is wrong, and close; frames that wait are not sent any more."""
        if self._closing:
            return
        self._queue.clear()
        self._say(error)
        self._close(code or (close_code(error) if isinstance(error, VoxfaceError) else 1011))

    def _say(self, error: VoxfaceError | RequestError) -> None:
        problem = Problem.of(error) if isinstance(error, VoxfaceError) else Problem(error.code, str(error), error.hint)
        self.hall.metrics.errors.labels(problem.code).inc()
        self.send(text_of(problem))

    def _close(self, code: int) -> None:
        if not self._closing and self._wire.state is OPEN:
            self._wire.send_close(code)
            self._farewell(code)

    def _farewell(self, code: int) -> None:
        """The close frame goes out; a client that does not answer it is hung up on."""
        self._closing, self.code = True, code
        if self._talk:
            self._talk.close()
        self.transport.write(b"".join(self._wire.data_to_send()))
        if self._holding:
            self.transport.resume_reading()
        self._later(_FAREWELL_S, self.transport.abort)

    # -- time ---------------------------------------------------------------------------------------------------------

    def _later(self, seconds: float, call: Any) -> None:
        self._timers = [timer for timer in self._timers if not timer.cancelled() and timer.when() > self._loop.time()]
        self._timers.append(self._loop.call_later(seconds, call))

    def _tick(self) -> None:
        """Four times a second: is the client slow, silent, or late with its hello?"""
        if self._closing or self._talk is None:
            return
        now, settings = self.now(), self.hall.settings
        self._drop(now - settings.behind_s)
        if self._full_since is not None and now - self._full_since > settings.stuck_s:
            self.code = 1008
            self.transport.abort()
            return
        if not self._talk.greeted and now - self.begun > settings.hello_s:
            self.fail(LimitError(f"no hello came within {settings.hello_s:g} s."), 1008)
        elif now - self._heard > settings.idle_s and not self._talk.ended:
            hint = "Send silence while there is no sound, or connect again when there is."
            self.fail(LimitError(f"nothing came for {settings.idle_s:g} s.", hint=hint), 1008)
        self._later(_TICK_S, self._tick)

    def _drop(self, before: float) -> None:
        if not self._queue or self._queue[0].since >= before:
            return
        kept = [one for one in self._queue if not one.frames or one.since >= before]
        lost = sum(one.frames for one in self._queue) - sum(one.frames for one in kept)
        self._queue = deque(kept)
        self.dropped += lost
        self.hall.metrics.dropped.inc(lost)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PacketError("a text message must be UTF-8.") from error
