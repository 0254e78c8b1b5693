"""Work for requests on a few threads: a bounded number at a time, a bounded number waiting, each with an end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from voxface.server.body import BUSY
from voxface.server.problems import RequestError
from voxface.server.settings import Settings

Check = Callable[[], None]
"""Called by work between its steps; raises when nobody waits for it any more."""

Write = Callable[[bytes], None]
"""Gives a piece of the answer; waits until it is wanted, and raises as Check."""


class Desk:
    """Where requests are worked on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="voxface")
        self._inside = 0
        self._closed = threading.Event()

    async def work(self, request: Request, task: Callable[[Check], bytes]) -> bytes:
        """What `task` gives; it is stopped at its next check when the caller leaves or the time is over.

        Raises: RequestError: too many wait (503), or it took too long (503). What the task raises.
        """
        async with self._begun(task) as work:
            await self._wait(request, work)
            answer: bytes = work.result()
            return answer

    @asynccontextmanager
    async def pieces(self, request: Request, task: Callable[[Write], None]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces that `task` writes, as it writes them; the first has come, or the task has ended without any.

        Raises: as `work`, before the first piece; later the iterator raises.
        """
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[bytes] = asyncio.Queue(4)

        def write_to(check: Check) -> None:
            def write(piece: bytes) -> None:
                put = asyncio.run_coroutine_threadsafe(queue.put(piece), loop)
                while True:
                    check()
                    try:
                        return put.result(0.1)
                    except FutureTimeout:  # the reader is slow
                        continue

            task(write)

        async def rest(first: bytes) -> AsyncIterator[bytes]:
            piece: bytes | None = first
            while piece is not None:
                yield piece
                piece = await self._next(request, queue, work)  # type: ignore[arg-type]  # it has begun

        work: asyncio.Future[Any] | None = None
        try:
            async with self._begun(write_to) as work:
                yield rest(await self._next(request, queue, work) or b"")
        finally:
            if work:
                await asyncio.wait({work})  # it may still read what our caller is about to close

    async def _next(self, request: Request, queue: asyncio.Queue[bytes], work: asyncio.Future[Any]) -> bytes | None:
        """The next piece; None: that was all."""
        if queue.empty():
            taken = asyncio.ensure_future(queue.get())
            try:
                await self._wait(request, taken, work)
                if taken.done():
                    return taken.result()
            finally:
                taken.cancel()
            work.result()
        return None if queue.empty() else queue.get_nowait()

    async def _wait(self, request: Request, *either: asyncio.Future[Any]) -> None:
        """Until one of them is done. Raises: RequestError: the caller has left, or it took too long (503)."""
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({*either, gone}, timeout=self._settings.work_s, return_when=asyncio.FIRST_COMPLETED)
            if not any(one.done() for one in either):
                raise self._late()
        finally:
            gone.cancel()

    @asynccontextmanager
    async def _begun(self, task: Callable[[Check], Any]) -> AsyncIterator[asyncio.Future[Any]]:
        """The task on a thread; after the block it is stopped at its next check."""
        if self._inside >= self._settings.workers + self._settings.waiting:
            raise RequestError(503, "too many requests are waiting.", hint="Try again.", headers=BUSY)
        stop = threading.Event()
        until = time.monotonic() + self._settings.work_s

        def check() -> None:
            if stop.is_set() or self._closed.is_set() or time.monotonic() > until:
                raise self._late()

        def run() -> Any:
            check()
            return task(check)

        self._inside += 1
        work = asyncio.get_running_loop().run_in_executor(self._pool, run)
        work.add_done_callback(self._leave)
        try:
            yield work
        finally:
            stop.set()

    def _leave(self, work: asyncio.Future[Any]) -> None:
        self._inside -= 1
        if not work.cancelled():
            work.exception()  # looked at, so that nobody is told of an answer that nobody waits for

    def _late(self) -> RequestError:
        return RequestError(
            503, f"the work was not done within {self._settings.work_s:g} s.", hint="Send shorter pieces.", headers=BUSY
        )

    def close(self) -> None:
        """Stop what is worked on at its next check."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


async def _gone(request: Request) -> None:
    """Until the caller has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
