"""The local server: one thread per request, the standard library's, and only what `routes` names."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import socketserver
import tempfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

from voxface.errors import PortError, UsageError, VoxfaceError
from voxface.viewer.answers import Answer, Part, of_error, problem
from voxface.viewer.guard import HEADERS, refused
from voxface.viewer.live import LiveFeed
from voxface.viewer.page import page_files
from voxface.viewer.routes import POSTS, look, take
from voxface.viewer.session import Session

FIRST_PORT, PORTS_TRIED = 8777, 20
_BLOCK_BYTES = 1 << 16
_NAME_LETTERS = 120


class Server(ThreadingHTTPServer):
    """Listens from birth; `serve_forever` answers. Raises: OSError: the port cannot be had."""

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere it would let two servers share a port
    request_queue_size = 64

    def __init__(self, session: Session, host: str, port: int) -> None:
        self.session, self.host = session, host
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        """Without the look-up of the machine's name that HTTPServer does: it can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, self.server_address[1]

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is nothing to report."""


def open_server(session: Session, host: str = "127.0.0.1", port: int | None = None) -> Server:
    """A server that listens.

    Args:
        port: None: the first free one from 8777 on; 0: any free one.
    Raises: PortError: the port that was asked for cannot be had. UsageError: no such host on this machine.
        MissingDependencyError: the page was not built.
    """
    page_files()
    ports = [*range(FIRST_PORT, FIRST_PORT + PORTS_TRIED), 0] if port is None else [port]
    for one in ports:
        try:
            return Server(session, host, one)
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise UsageError(f"this machine has no address {host!r} (--host).", hint="Leave out --host.") from error
            if one == ports[-1]:
                raise PortError(
                    f"port {one} of {host} cannot be used (--port): {(error.strerror or str(error)).lower()}.",
                    hint="Choose another one, or leave out --port to take the next free one.",
                ) from error
    raise AssertionError("the last port either opens or raises")


class Handler(BaseHTTPRequestHandler):
    """One connection. Says nothing on the console: names of files are nobody's business."""

    server: Server
    protocol_version, server_version, sys_version = "HTTP/1.1", "voxface", ""
    timeout = 60  # seconds without a byte
    _unread = False  # a body is still on its way

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library itself refuses, such as a line that is too long or another verb than ours, as JSON too."""
        self.close_connection = True
        if code == 501:
            self._send(problem(405, f"{self.command[:20]} is not understood here.", Allow="GET, HEAD, POST"))
        else:
            self._send(problem(code, f"{message or 'the request cannot be understood'}."))

    def do_GET(self) -> None:
        feed = self.server.session.live
        if feed and self._address == "/api/live" and self.command == "GET" and not self._refused():
            self._follow(feed)
            return
        self._send(self._guarded(lambda: look(self.server.session, self._address, self.headers.get("Range"))))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self._unread = True
        answer = self._guarded(self._take)
        self.close_connection |= self._unread
        self._send(answer)
        if self._unread:
            self._drain()

    @property
    def _address(self) -> str:
        return urlsplit(self.path).path

    def _guarded(self, work: Callable[[], Answer]) -> Answer:
        """The answer of `work`, or of the guard, or to what went wrong. No traceback ever leaves the server."""
        try:
            answer = self._refused()
            if answer:
                self.close_connection = True
            return answer or work()
        except VoxfaceError as error:
            return of_error(error)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:
            self.close_connection = True
            return problem(500, f"{type(error).__name__}: this is a bug in voxface; please report it.", "E-BUG")

    def _refused(self) -> Answer | None:
        return refused(self.headers, self.command, self.server.host)

    def _follow(self, feed: LiveFeed) -> None:
        """Server-sent events until the page leaves or the feed ends."""
        self.close_connection = True
        self.send_response(200)
        for key, value in {"Content-Type": "text/event-stream", "Connection": "close", **HEADERS}.items():
            self.send_header(key, value)
        self.end_headers()
        for text in feed.events():
            self.wfile.write(text.encode())

    def _take(self) -> Answer:
        """Receive a file, whole and within its limit, and show it."""
        limit = POSTS.get(self._address)
        length = self.headers.get("Content-Length", "")
        if limit is None:
            return problem(404, f"nothing takes files at {self._address[:80]}.")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            return problem(411, "a file must come with its Content-Length.")
        asked = parse_qs(urlsplit(self.path).query)
        name = _plain(asked.get("name", ["file"])[0])
        if len(length) > 15 or int(length) > limit:
            return problem(413, f"{name} is larger than the {limit >> 20} MiB that the viewer takes.", "E-LIMIT")
        handle, path = tempfile.mkstemp(Path(name).suffix[:10], dir=self.server.session.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                self._receive(file, int(length))
            self._unread = False
            return take(self.server.session, self._address, Path(path), name, keep=asked.get("keep", [""])[0])
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _receive(self, file: IO[bytes], size: int) -> None:
        while size:
            block = self.rfile.read(min(size, _BLOCK_BYTES))
            if not block:
                raise ConnectionResetError("the sender went away")
            file.write(block)
            size -= len(block)

    def _drain(self) -> None:
        """Read on until the sender is done: closed at once, its browser would never show it our answer."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(2)
            left = 2 * max(POSTS.values())
            while left > 0 and (block := self.rfile.read1(_BLOCK_BYTES)):
                left -= len(block)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        headers = {"Content-Type": answer.kind, "Content-Length": str(answer.size), **HEADERS, **answer.headers}
        for key, value in headers.items():
            self.send_header(key, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(answer.body, bytes):
            self.wfile.write(answer.body)
        else:
            self._send_part(answer.body)

    def _send_part(self, part: Part) -> None:
        with open(part.path, "rb") as file:
            file.seek(part.first)
            left = part.size
            while left and (block := file.read(min(left, _BLOCK_BYTES))):
                self.wfile.write(block)
                left -= len(block)


def _plain(name: str) -> str:
    """The name of a file as people read it: its last part, printable, not endless."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable())[-_NAME_LETTERS:].strip() or "file"
