"""The body of a request: received as it comes, within limits of size and time, whatever its header says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request

from voxface.server.problems import RequestError
from voxface.server.settings import MIB, Settings

BUSY = {"Retry-After": "1"}


class Bodies:
    """Receives bodies; all that are held at a time stay within `held_bytes`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.held = 0

    @asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body, counted as held while the block runs.

        Raises: RequestError: too large (413), too slow (408), no room (503), cut off (400), packed (415).
        """
        body = bytearray()
        try:
            await self._receive(request, body)
            yield bytes(body)
        finally:
            self.held -= len(body)

    async def _receive(self, request: Request, body: bytearray) -> None:
        self._check_head(request)
        stream = request.stream()
        try:
            async with asyncio.timeout(self._settings.body_s):
                while (block := await asyncio.wait_for(anext(stream, None), self._settings.silence_s)) is not None:
                    self._take(body, block)
        except TimeoutError as error:
            raise RequestError(408, f"the body came too slowly: {len(body):,} bytes so far.") from error
        except ClientDisconnect as error:
            raise RequestError(400, "the body ended before its length.") from error

    def _check_head(self, request: Request) -> None:
        """What the header says already, before a byte is read. A wrong length is HTTP's own error."""
        if coding := request.headers.get("content-encoding", "").strip().lower().replace("identity", ""):
            raise RequestError(415, f"bodies packed with {coding[:40]!r} are not taken.", hint="Send it unpacked.")
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            raise RequestError(400, "a request has Content-Length or Transfer-Encoding, not both.")
        if int(request.headers.get("content-length", 0)) > self._settings.body_bytes:
            raise self._too_large()

    def _take(self, body: bytearray, block: bytes) -> None:
        if len(body) + len(block) > self._settings.body_bytes:
            raise self._too_large()
        if self.held + len(block) > self._settings.held_bytes:
            raise RequestError(503, "the server holds all the sound it can.", hint="Try again.", headers=BUSY)
        self.held += len(block)
        body += block

    def _too_large(self) -> RequestError:
        most = f"{self._settings.body_bytes / MIB:g} MiB"
        return RequestError(
            413, f"a request may have {most}.", code="E-LIMIT", hint="Send FLAC or Ogg, or shorter pieces."
        )


async def drain(receive: Any, seconds: float) -> None:
    """Read on for a moment behind a refusal: closed at once, a sender in the middle would never see our answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
