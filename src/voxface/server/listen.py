"""From an application to a server that listens, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from voxface.errors import PortError, UsageError
from voxface.server.problems import problem
from voxface.server.settings import Settings
from voxface.server.signals import stopped_by_signals


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


def run(app: ASGIApp, wire: socket.socket, settings: Settings) -> None:
    """Answer until Ctrl-C or SIGTERM; what is being worked on is finished first, within `settings.drain_s`."""
    server = server_of(app, settings)
    with stopped_by_signals(), contextlib.suppress(KeyboardInterrupt), contextlib.closing(wire):
        server.run(sockets=[wire])


def server_of(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    """uvicorn as we run it: no log of its own, no trust in headers of proxies, no WebSockets."""
    config = uvicorn.Config(
        app, http=_protocol(settings), ws="none", loop="asyncio", interface="asgi3", lifespan="on", log_config=None,
        log_level="critical", access_log=False, proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.drain_s)), timeout_keep_alive=5,
        limit_concurrency=settings.connections,
    )  # fmt: skip
    return uvicorn.Server(config)


def _protocol(settings: Settings) -> type[H11Protocol]:
    """uvicorn's connection, with an end to waiting for the head of a request, which uvicorn itself does not have."""

    class Connection(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_head()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self._late:
                self._late.cancel()

        def _wait_for_head(self) -> None:
            if self._late:
                self._late.cancel()
            self._late = self.loop.call_later(settings.header_s, self._too_late)

        def _too_late(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()

        def send_400_response(self, msg: str) -> None:
            body = problem(400, "this is no HTTP request that can be understood.")
            head = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
            with contextlib.suppress(h11.LocalProtocolError):  # in the middle of an answer there is nothing to say
                for part in (
                    h11.Response(status_code=400, headers=head, reason=b"Bad Request"),
                    h11.Data(data=body),
                    h11.EndOfMessage(),
                ):
                    self.transport.write(self.conn.send(part) or b"")
            self.transport.close()

    return Connection
