"""A connection to the server, before and beside what is asked on it: how long may be waited for what."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from voxface.server.problems import MEDIA_TYPE, RequestError
from voxface.server.settings import Settings

_READ_BYTES = 1 << 13
"""Read at a time: a body in chunks of one byte is taken chunk by chunk, and sessions wait meanwhile."""

_LINES, _LINE_BYTES = 64, 16
"""Heads, and bodies in chunks, have longer lines on average. What has not is refused before it costs time."""


class Connection(H11Protocol):
    """uvicorn's connection, with an end to waiting for the head of a request, which uvicorn itself does not have, and
    without those who ask for nothing while there are too many.

    Args:
        idle: all that ask for nothing, in the order of their coming; the connections of a server share it.
    """

    def __init__(self, settings: Settings, idle: dict[Connection, None], **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._settings, self._idle = settings, idle
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > 2 * self._settings.connections:
            transport.abort()
            return
        transport.max_size = _READ_BYTES  # type: ignore[attr-defined]
        self._wait_for_head()
        while len(self.connections) > self._settings.connections and self._idle:
            oldest = next(iter(self._idle))
            oldest._forget()
            oldest._too_late()

    def data_received(self, data: bytes) -> None:
        if data.count(b"\r\n") > _LINES + len(data) // _LINE_BYTES and not self._is_counted():
            self.send_400_response("")
        else:
            super().data_received(data)

    def _is_counted(self) -> bool:
        """This is a body with a length: no lines are looked for in it."""
        return self.conn.their_state is h11.SEND_BODY and any(name == b"content-length" for name, _ in self.headers)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()
        self.resume_writing()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stuck:
            self._stuck.cancel()

    def _watch(self, waiting: int) -> None:
        """Who takes nothing of an answer for a while is hung up on."""
        self._stuck = self.loop.call_later(self._settings.silence_s, self._look, waiting)

    def _look(self, before: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting >= before:
            self.transport.abort()
        else:
            self._watch(waiting)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._forget()
        super().handle_websocket_upgrade(event)

    def _wait_for_head(self) -> None:
        self._forget()
        self._late = self.loop.call_later(self._settings.header_s, self._too_late)
        self._idle[self] = None

    def _forget(self) -> None:
        self._idle.pop(self, None)
        if self._late:
            self._late.cancel()

    def _too_late(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        body = RequestError(400, "this is no HTTP request that can be understood.").body
        head = [("content-type", MEDIA_TYPE), ("content-length", str(len(body))), ("connection", "close")]
        with contextlib.suppress(h11.LocalProtocolError):  # in the middle of an answer there is nothing to say
            for part in (
                h11.Response(status_code=400, headers=head, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()
