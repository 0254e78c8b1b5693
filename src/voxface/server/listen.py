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

import uvicorn
from starlette.types import ASGIApp

from voxface.errors import PortError, UsageError
from voxface.server.connection import Connection
from voxface.server.hall import Hall
from voxface.server.line import Line
from voxface.server.signals import stopped_by_signals

_BACKLOG = 256  # connections accepted at a time, so that those before them are served in between


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
        app, http=_http(hall), ws=_line(hall), loop="asyncio", interface="asgi3", lifespan="on",
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


def _http(hall: Hall) -> type[asyncio.Protocol]:
    """What uvicorn makes for every connection."""
    return cast(type[asyncio.Protocol], partial(Connection, hall.settings, {}))


def _line(hall: Hall) -> type[asyncio.Protocol]:
    """What uvicorn makes for every WebSocket."""
    return cast(type[asyncio.Protocol], partial(Line, hall))


def _more_files(connections: int) -> None:
    """Let this process open as many files as it may; the usual 1024 are fewer than the connections."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * connections)), hard))
