"""The body of a request: received as it comes, within limits of size and time, whatever its header says."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import IO, Any

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from voxface.server.problems import RequestError
from voxface.server.settings import MIB, Settings

BUSY = {"Retry-After": "1"}


class Room:
    """How much of all bodies together is kept at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, size: int) -> None:
        """Raises: RequestError: there is no more (503)."""
        if self.held + size > self._most:
            raise RequestError(503, "the server holds all the sound it can.", hint="Try again.", headers=BUSY)
        self.held += size


class Bodies:
    """Receives bodies, into memory or into a file; all that are held at a time stay within the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._memory, self._disk = Room(settings.held_bytes), Room(settings.disk_bytes)

    @asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body, counted as held while the block runs.

        Raises: RequestError: too large (413), too slow (408), no room (503), cut off (400), packed (415).
        """
        body = bytearray()
        try:
            async for block in self._blocks(request):
                self._memory.take(len(block))
                body += block
            yield bytes(body)
        finally:
            self._memory.held -= len(body)

    @asynccontextmanager
    async def file(self, request: Request) -> AsyncIterator[IO[bytes]]:
        """The body, or the one file of a form, in a file without a name, which is gone after the block in any case.

        Raises: RequestError: as `of`, or a form that does not hold one file (400).
        """
        kept = 0

        async def blocks() -> AsyncGenerator[bytes, None]:
            nonlocal kept
            async for block in self._blocks(request):
                self._disk.take(len(block))
                kept += len(block)
                yield block

        try:
            form = request.headers.get("content-type", "").strip().lower().startswith("multipart/")
            with await _one_file(request, blocks()) if form else await _spooled(blocks()) as file:
                file.seek(0)
                yield file
        finally:
            self._disk.held -= kept

    async def _blocks(self, request: Request) -> AsyncGenerator[bytes, None]:
        self._check_head(request)
        stream, size = request.stream(), 0
        try:
            async with asyncio.timeout(self._settings.body_s):
                while (block := await asyncio.wait_for(anext(stream, None), self._settings.silence_s)) is not None:
                    size += len(block)
                    if size > self._settings.body_bytes:
                        raise self._too_large()
                    yield block
        except TimeoutError as error:
            raise RequestError(408, f"the body came too slowly: {size:,} bytes so far.") from error
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

    def _too_large(self) -> RequestError:
        most = f"{self._settings.body_bytes / MIB:g} MiB"
        return RequestError(
            413, f"a request may have {most}.", code="E-LIMIT", hint="Send FLAC or Ogg, or shorter pieces."
        )


async def _spooled(blocks: AsyncGenerator[bytes, None]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by who asked)
    try:
        async for block in blocks:
            file.write(block)
    except BaseException:
        file.close()
        raise
    return file


async def _one_file(request: Request, blocks: AsyncGenerator[bytes, None]) -> IO[bytes]:
    """The one file of a form; its name is not looked at."""
    parser = MultiPartParser(request.headers, blocks, max_files=1, max_fields=8)
    needed = "Send the sound itself as the body, or a form with one file, such as curl -F audio=@speech.wav."
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise RequestError(400, f"the form cannot be read: {str(error)[:100]}.", hint=needed) from error
    files = [part.file for _, part in form.multi_items() if not isinstance(part, str)]
    if len(files) != 1:
        raise RequestError(400, f"the form holds {len(files)} files.", hint=needed)
    return files[0]


async def drain(receive: Any, seconds: float) -> None:
    """Read on for a moment behind a refusal: closed at once, a sender in the middle would never see our answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
