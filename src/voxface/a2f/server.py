"""The gRPC server: who may open a stream, how long it may be silent, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np

from voxface.a2f.conversation import FPS, Conversation, failure
from voxface.a2f.messages import METHOD, SERVICE, AnimationDataStream, AudioStream
from voxface.errors import LimitError, MessageOrderError, PortError, VoxfaceError
from voxface.runtime.animator import Animator
from voxface.runtime.session import Session
from voxface.server.settings import Settings

_MOST_BYTES = 1 << 23
"""Of one message: 10 s at 384 kHz, the highest rate that is taken. gRPC refuses more with RESOURCE_EXHAUSTED."""

_OPTIONS = (("grpc.max_receive_message_length", _MOST_BYTES), ("grpc.so_reuseport", 0))
"""Two servers must not share a port: half of the callers would find the other one."""

_UNREAD = 4
"""So many times the streams that may be open gRPC may hold: what a caller does not read, it keeps until he leaves."""


class Service:
    """Answers streams; the faces are computed on as many threads as there are cores.

    Args:
        tell: hears one line per stream, which says nothing of what was sent.
    """

    def __init__(self, animator: Animator, settings: Settings, tell: Callable[[str], None] = lambda line: None) -> None:
        self._animator, self._settings, self._tell = animator, settings, tell
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="voxface")
        self._open = 0  # streams

    def handler(self) -> Any:
        """What a grpc.aio server serves it by."""
        method = grpc.stream_stream_rpc_method_handler(
            self.process, AudioStream.FromString, AnimationDataStream.SerializeToString
        )
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})

    async def process(self, _: Any, context: Any) -> None:
        """One stream, from its first message to its status."""
        await self._admit(context)
        conversation, ended = Conversation(self._animator), "left"
        self._open += 1
        try:
            await self._talk(conversation, context)
            ended = "done"
        except grpc.aio.BaseError:
            ended = "left"
        except TimeoutError:  # nothing more can be said
            ended = "reads nothing"
        except VoxfaceError as error:
            ended = error.code if await self._fail(context, error) else "left"
        except Exception as error:
            ended = f"bug: {type(error).__name__}: {str(error)[:200]}"
            await self._fail(context, VoxfaceError(f"{type(error).__name__}: this is a bug in voxface."))
        finally:
            self._open -= 1
            self._tell(f"{METHOD}: {conversation.frames} frames, {ended}")

    async def _admit(self, context: Any) -> None:
        """Raises: AbortError: no token, or no room; the caller is told."""
        if not self._shows_token(dict(context.invocation_metadata())):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "this server needs authorization: Bearer TOKEN.")
        if self._open >= self._settings.sessions:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self._open} streams are open, no more may be.")

    async def _talk(self, conversation: Conversation, context: Any) -> None:
        loop = asyncio.get_running_loop()
        while not conversation.ended:
            answers = conversation.take(await self._read(context))
            while (some := await loop.run_in_executor(self._pool, next, answers, None)) is not None:
                for answer in some:
                    await self._write(context, answer)

    async def _read(self, context: Any) -> Any:
        idle_s = self._settings.idle_s
        try:
            part = await asyncio.wait_for(context.read(), idle_s)
        except TimeoutError as error:
            raise LimitError(f"nothing came for {idle_s:g} s.", hint="Send EndOfAudio when a sound is over.") from error
        if part is grpc.aio.EOF:
            raise MessageOrderError("the stream ended without EndOfAudio.", hint="Send it behind the last sound.")
        return part

    async def _write(self, context: Any, answer: Any) -> None:
        """Raises: TimeoutError: the caller has taken nothing for long."""
        await asyncio.wait_for(context.write(answer), self._settings.stuck_s)

    async def _fail(self, context: Any, error: VoxfaceError) -> bool:
        """Whether the caller could be told: the messages of one who has left seem to have ended, too."""
        with contextlib.suppress(grpc.aio.BaseError, TimeoutError):
            await self._write(context, failure(error))
            return not context.cancelled()
        return False

    def _shows_token(self, metadata: dict[str, Any]) -> bool:
        kind, _, shown = str(metadata.get("authorization", "")).partition(" ")
        token = self._settings.token.encode()
        return not token or (kind.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token))


async def serve(
    animator: Animator,
    settings: Settings,
    ready: Callable[[int], None],
    tell: Callable[[str], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Answer until Ctrl-C, SIGTERM or `stop`; streams that are open then have `settings.drain_s` to end.

    Args:
        ready: is told the port once callers may come: the first of them waits for nothing.
    Raises: PortError: the port cannot be had.
    """
    stop = stop or asyncio.Event()
    warm(animator)
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_UNREAD * settings.sessions)
    server.add_generic_rpc_handlers([Service(animator, settings, tell).handler()])
    port = _listen(server, settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; another thread
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start()
    ready(port)
    try:
        await stop.wait()
    finally:
        await server.stop(settings.drain_s)


def _listen(server: Any, settings: Settings) -> int:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        return int(server.add_insecure_port(f"{host}:{settings.port}"))
    except RuntimeError as error:
        raise PortError(
            f"port {settings.port} of {settings.host} cannot be used.",
            hint="Choose another one with --port, or end what uses it.",
        ) from error


def warm(animator: Animator) -> None:
    """Compute a moment of silence: what is made on first use is made."""
    session = Session(animator, 16_000, FPS)
    session.step(session.start(), np.zeros(3200, np.float32))
