"""Opening a session: `connect` says what is wanted, `with` or `async with` opens it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any, Literal

from voxface.client.conversation import refused, stream_url, unreachable
from voxface.client.streams import AsyncStream, Stream
from voxface.errors import MissingDependencyError
from voxface.live.wire import Hello, text_of


def connect(
    url: str,
    *,
    rate_hz: int = 16_000,
    fps: float = 60.0,
    bundle: str = "default",
    idle: bool = True,
    emotion: str | Mapping[str, float] | None = None,
    token: str | None = None,
    lead_s: float = 1.0,
    encoding: Literal["s16le", "f32le"] = "s16le",
    format: Literal["binary", "json"] = "binary",
    timeout_s: float = 10.0,
) -> Connection:
    """A session of a voxface server: `with connect(...) as stream`, or `async with connect(...) as stream`.

    Nothing is connected before the block, and nothing connects again by itself: who wants that puts a loop around it.

    Args:
        url: ws://, wss://, or the http:// that `voxface serve` prints.
        rate_hz: of the samples that will be sent, 4,000 to 192,000.
        fps: frames per second that come back, 1 to 240.
        bundle: the name of a bundle that the server has.
        idle: eyes, brows and head move by themselves where the bundle does not drive them.
        emotion: one of face.rig.EMOTIONS, or a weight for some of them; None: what is heard.
        token: the server's, where it needs one.
        lead_s: frames come at most so far ahead of real time; 60 for a recording that is wanted at once.
        encoding: on the wire; f32le is exact, and twice as much.
        format: on the wire; json also tells emotion and the head's place.
        timeout_s: for opening.
    Raises: UsageError: the url is none. HelloError: a value is out of range. On entering the block: ConnectError:
        nobody answers there, or no voxface server; ServerError: it refuses, with its code; MissingDependencyError.
    """
    hello = Hello(rate_hz, encoding, fps, format, bundle, idle, emotion, lead_s=lead_s)
    return Connection(stream_url(url), hello, token, timeout_s)


class Connection:
    """A session that can be opened, once at a time; made by `connect`."""

    def __init__(self, url: str, hello: Hello, token: str | None, timeout_s: float) -> None:
        self.url, self.hello, self._timeout_s = url, hello, timeout_s
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._open, self._async_open = ExitStack(), AsyncExitStack()

    def __enter__(self) -> Stream:
        with ExitStack() as opened:
            with _opening(self.url):
                from websockets.sync.client import connect as open_socket

                socket = opened.enter_context(open_socket(self.url, **self._options()))
                socket.send(text_of(self.hello))
                stream = Stream(self.url, self.hello, socket, socket.recv(self._timeout_s))
            self._open = opened.pop_all()
        return stream

    def __exit__(self, *error: Any) -> None:
        self._open.close()

    async def __aenter__(self) -> AsyncStream:
        import asyncio

        async with AsyncExitStack() as opened:
            with _opening(self.url):
                from websockets.asyncio.client import connect as open_socket

                socket = await opened.enter_async_context(open_socket(self.url, **self._options()))
                await socket.send(text_of(self.hello))
                first = await asyncio.wait_for(socket.recv(), self._timeout_s)
                stream = AsyncStream(self.url, self.hello, socket, first)
            self._async_open = opened.pop_all()
        return stream

    async def __aexit__(self, *error: Any) -> None:
        await self._async_open.aclose()

    def _options(self) -> dict[str, Any]:
        """Frames of any number wait for who takes them, so that the server never has to drop any."""
        return {
            "additional_headers": self._headers, "open_timeout": self._timeout_s, "close_timeout": 2.0,
            "compression": None, "proxy": None, "max_size": None, "max_queue": None,
        }  # fmt: skip


@contextmanager
def _opening(url: str) -> Iterator[None]:
    """What can go wrong until a session is open, as errors of ours."""
    try:
        from websockets.exceptions import InvalidStatus, WebSocketException
    except ImportError as error:
        text = "streaming from a server needs the library websockets, which is not installed."
        raise MissingDependencyError(text, hint="Install it: pip install 'voxface[client]'.") from error
    try:
        yield
    except InvalidStatus as error:
        raise refused(url, error.response.status_code, bytes(error.response.body or b"")) from error
    except (OSError, WebSocketException) as error:  # a time-out is an OSError
        raise unreachable(url, error) from error
