"""From an application to a server that listens, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from voxface.errors import PortError, UsageError
from voxface.server.hall import Hall
from voxface.server.line import Line
from voxface.server.problems import MEDIA_TYPE, RequestError
from voxface.server.settings import Settings
from voxface.server.signals import stopped_by_signals

_READ_BYTES = 1 << 13
"""Read at a time: a body in chunks of one byte is taken chunk by chunk, and sessions wait meanwhile."""

_BACKLOG = 256  # connections accepted at a time, so that those before them are served in between
_LINES, _LINE_BYTES = 64, 16
"""Heads, and bodies in chunks, have longer lines on average. What has not is refused before it costs time."""


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises: PortError: the port cannot be had. UsageError: no such host on this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wire = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wire.bind((host.strip("[]"), port))
        wire.listen(512)
    except OSError as error:
        wire.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"this machine has no address {host!r} (--host).", hint="Leave out --host.") from error
        raise PortError(
            f"port {port} of {host} cannot be used (--port): {(error.strerror or str(error)).lower()}.",
            hint="Choose another one with --port, or end what uses it.",
        ) from error
    return wire


def address_of(wire: socket.socket) -> str:
    """Where callers on this machine find it."""
    host, port = wire.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(app: ASGIApp, wire: socket.socket, hall: Hall) -> None:
    """Answer until Ctrl-C, SIGTERM or SIGHUP; who is inside is let finish or told, within `settings.drain_s`.

    Raises: RuntimeError: the server broke; whoever started it should start it again.
    """
    server = server_of(app, hall)
    _more_files(hall.settings.connections)
    gc.freeze()  # libraries and models stay: the collector, for which all sessions wait, need not look through them
    with stopped_by_signals(), contextlib.suppress(KeyboardInterrupt), contextlib.closing(wire):
        server.run(sockets=[wire])
    if hall.crash:
        raise RuntimeError(hall.crash)


def server_of(app: ASGIApp, hall: Hall) -> uvicorn.Server:
    """uvicorn as we run it: no log of its own, no trust in headers of proxies, a Line for every WebSocket."""
    settings = hall.settings
    config = uvicorn.Config(
        app, http=_protocol(settings), ws=_line(hall), loop="asyncio", interface="asgi3", lifespan="on",
        log_config=None, log_level="critical", access_log=False, proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.drain_s - settings.notice_s)), timeout_keep_alive=5,
        backlog=_BACKLOG, limit_concurrency=2 * settings.connections,
    )  # fmt: skip
    return _Server(config, hall)


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves in two steps: first it is not ready any more, then it closes."""

    def __init__(self, config: uvicorn.Config, hall: Hall) -> None:
        super().__init__(config)
        self._hall = hall

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
                signal.signal(signal.SIGHUP, self.handle_exit)  # whoever sends it wants new files read: start again
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ctrl-C, or a second signal: at once."""
        if sig == signal.SIGINT or self._hall.draining_since is not None:
            super().handle_exit(sig, frame)
        self._hall.drain()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        hall, since = self._hall, self._hall.draining_since
        if hall.state == "broken":
            hall.drain()
            self.should_exit = True
        elif since is not None:
            busy = hall.sessions or self.server_state.tasks
            self.should_exit |= not busy or time.monotonic() - since > hall.settings.notice_s
        return await super().on_tick(counter)


def _line(hall: Hall) -> type[asyncio.Protocol]:
    """What uvicorn makes for every WebSocket."""
    return cast(type[asyncio.Protocol], partial(Line, hall))


def _more_files(connections: int) -> None:
    """Let this process open as many files as it may; the usual 1024 are fewer than the connections."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * connections)), hard))


def _protocol(settings: Settings) -> type[H11Protocol]:
    """uvicorn's connection, with an end to waiting for the head of a request, which uvicorn itself does not have, and
    without those who ask for nothing while there are too many."""
    idle: dict[Connection, None] = {}  # in the order of their coming

    class Connection(H11Protocol):
        _late: asyncio.TimerHandle | None = None
        _stuck: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > 2 * settings.connections:
                transport.abort()
                return
            transport.max_size = _READ_BYTES  # type: ignore[attr-defined]
            self._wait_for_head()
            while len(self.connections) > settings.connections and idle:
                oldest = next(iter(idle))
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
            self._stuck = self.loop.call_later(settings.silence_s, self._look, waiting)

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
            self._late = self.loop.call_later(settings.header_s, self._too_late)
            idle[self] = None

        def _forget(self) -> None:
            idle.pop(self, None)
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

    return Connection
