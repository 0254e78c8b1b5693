"""An open session, with asyncio or without: sound in, frames out. The two classes say the same, once with `await`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from voxface.client.conversation import Conversation
from voxface.live.frame import LiveFrame
from voxface.live.wire import End, Hello, Interrupt, text_of
from voxface.stream import Array

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection as AsyncSocket
    from websockets.sync.client import ClientConnection as Socket


class Stream(Conversation):
    """A session without asyncio. One thread may send while another one takes frames; frames wait until they are taken.

    Every method raises ServerError, with the server's code, when it refuses something, and GoneError when the
    connection broke; then this stream is over.
    """

    def __init__(self, url: str, hello: Hello, socket: Socket, first: str | bytes) -> None:
        super().__init__(url, hello, first)
        self._socket = socket

    def send(self, samples: Array) -> None:
        """Send (n,) samples, float within -1 to 1 or int16, any n. Waits where the server has ten seconds in hand."""
        for message in self.sound(samples):
            self._say(message)

    def interrupt(self) -> None:
        """Forget what was sent and has not come back: the mouth comes to rest within 120 ms. See `interrupted`."""
        self._say(text_of(Interrupt()))

    def end(self) -> None:
        """No more sound will come; iteration ends behind the last frame."""
        self._say(text_of(End()))
        self.ended = True

    def finish(self) -> list[LiveFrame]:
        """End, and give all the frames that were still to come."""
        self.end()
        return list(self)

    def __iter__(self) -> Iterator[LiveFrame]:
        """The frames as they come, up to the last one behind `end`."""
        while self.done is None:
            yield from self.take(self._next(None))

    def receive(self, timeout_s: float = 0.0) -> list[LiveFrame]:
        """The frames that have come; waits at most so long for the first of them."""
        until_s, frames = time.monotonic() + timeout_s, list[LiveFrame]()
        while self.done is None:
            try:
                frames += self.take(self._next(0.0 if frames else max(0.0, until_s - time.monotonic())))
            except TimeoutError:
                break
        return frames

    def _say(self, message: str | bytes) -> None:
        from websockets.exceptions import ConcurrencyError, ConnectionClosed

        try:
            self._socket.send(message)
        except ConnectionClosed as error:
            try:  # the server's last words, if no other thread is listening
                while True:
                    self.take(self._socket.recv(0.0))
            except (ConnectionClosed, ConcurrencyError, TimeoutError):
                raise self.gone(str(error)) from error

    def _next(self, timeout_s: float | None) -> str | bytes:
        from websockets.exceptions import ConnectionClosed

        try:
            return self._socket.recv(timeout_s)
        except ConnectionClosed as error:
            raise self.gone(str(error)) from error


class AsyncStream(Conversation):
    """A session with asyncio. One task may send while another one takes frames; frames wait until they are taken.

    Raises as Stream does.
    """

    def __init__(self, url: str, hello: Hello, socket: AsyncSocket, first: str | bytes) -> None:
        super().__init__(url, hello, first)
        self._socket = socket

    async def send(self, samples: Array) -> None:
        """Send (n,) samples, float within -1 to 1 or int16, any n. Waits where the server has ten seconds in hand."""
        for message in self.sound(samples):
            await self._say(message)

    async def interrupt(self) -> None:
        """Forget what was sent and has not come back: the mouth comes to rest within 120 ms. See `interrupted`."""
        await self._say(text_of(Interrupt()))

    async def end(self) -> None:
        """No more sound will come; iteration ends behind the last frame."""
        await self._say(text_of(End()))
        self.ended = True

    async def finish(self) -> list[LiveFrame]:
        """End, and give all the frames that were still to come."""
        await self.end()
        return [frame async for frame in self]

    async def __aiter__(self) -> AsyncIterator[LiveFrame]:
        """The frames as they come, up to the last one behind `end`."""
        from websockets.exceptions import ConnectionClosed

        while self.done is None:
            try:
                message = await self._socket.recv()
            except ConnectionClosed as error:
                raise self.gone(str(error)) from error
            for frame in self.take(message):
                yield frame

    async def _say(self, message: str | bytes) -> None:
        from websockets.exceptions import ConcurrencyError, ConnectionClosed

        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            try:  # the server's last words, if no other task is listening
                while True:
                    self.take(await self._socket.recv())
            except (ConnectionClosed, ConcurrencyError):
                raise self.gone(str(error)) from error
