"""Frames to a program that serves WebSockets: we connect, and connect again whenever it went away."""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from voxface.errors import MissingDependencyError, OutputError, PacketError
from voxface.live.courier import Courier
from voxface.live.frame import LiveFrame
from voxface.live.sending import Clock
from voxface.live.udp import resolve
from voxface.live.wire import Ready, frames_binary, frames_text, text_of
from voxface.timebase import frame_time_s

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

RETRY_S = 2.0
_WAITING_S = 2.0
_BUFFER = 1 << 15
"""Bytes that the system holds for a slow receiver: seconds of frames; left alone it would hold minutes of them."""


class WebSocketCourier(Courier):
    """A conversation over a WebSocket that begins anew after every break; frames without a connection are lost.

    Args:
        url: ws:// or wss://
        host, port: of the url; looked up once, so that a wrong name is told at once.
    Raises: OutputError: there is no such host. MissingDependencyError: the library is not installed.
    """

    def __init__(self, name: str, url: str, host: str, port: int, waiting: int, clock: Clock = time.monotonic) -> None:
        super().__init__(name, waiting, clock)
        try:
            import websockets  # noqa: F401
        except ImportError as error:
            text = f"{name} needs the library websockets."
            raise MissingDependencyError(text, hint="pip install 'voxface[live]'", source=name) from error
        resolve(host, port, name)
        self._url, self._obstacle = url, "no connection yet"
        self._connection: ClientConnection | None = None

    def close(self) -> None:
        super().close()
        if self._thread.is_alive() and self._connection is not None:  # it waits for a receiver that does not read
            with contextlib.suppress(OSError):
                self._connection.socket.shutdown(socket.SHUT_RDWR)

    @abstractmethod
    def _talk(self, connection: ClientConnection) -> None:
        """Hold the conversation until `_over`; clear `_obstacle` once frames are taken.

        Raises: OutputError: it makes no sense to try again. OSError, PacketError: it does.
        """

    def _deliver_all(self) -> None:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        while not self._closing:
            try:
                with connect(self._url, open_timeout=5, close_timeout=1, proxy=None, compression=None) as connection:
                    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
                    self._connection = connection
                    self._talk(connection)
            except (OSError, WebSocketException, PacketError) as error:  # a time-out is an OSError
                self._obstacle = f"no connection ({str(error) or type(error).__name__})"
            except OutputError as error:
                self._obstacle = str(error).rstrip(".")
                return
            self._pause(RETRY_S)


class WebSocketOutput(WebSocketCourier):
    """Speaks as our server does (live/wire.py): `ready`, then frames as JSON or binary; what is answered is ignored."""

    def __init__(self, url: str, host: str, port: int, fps: float, *, binary: bool) -> None:
        super().__init__(url, url.partition("#")[0], host, port, max(2, round(_WAITING_S * fps)))
        self._fps, self._message = fps, frames_binary if binary else frames_text

    def rest(self) -> None:
        seq = self._last.seq + 1
        self.send(replace(self._last.at_rest(), seq=seq, time_s=frame_time_s(seq, self._fps)))

    def _talk(self, connection: ClientConnection) -> None:
        self._obstacle, greeted = "", False
        while not self._over:
            frame = self._next(1.0)
            if frame is not None:
                if not greeted:
                    connection.send(self._ready(frame))
                    greeted = True
                connection.send(self._message(frame.clip(self._fps), frame.seq))
                self.sent += 1
            with contextlib.suppress(TimeoutError):
                while True:
                    connection.recv(timeout=0)

    def _ready(self, frame: LiveFrame) -> str:
        head, emotion = frame.head is not None, frame.emotion is not None
        return text_of(Ready(str(uuid.uuid4()), self._fps, 0.0, head, emotion))
