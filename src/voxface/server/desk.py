"""Work for requests on a few threads: a bounded number at a time, a bounded number waiting, each with an end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request

from voxface.server.body import BUSY
from voxface.server.problems import RequestError
from voxface.server.settings import Settings

Check = Callable[[], None]
"""Called by work between its steps; raises when nobody waits for it any more."""


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
        if self._inside >= self._settings.workers + self._settings.waiting:
            raise RequestError(503, "too many requests are waiting.", hint="Try again.", headers=BUSY)
        stop = threading.Event()
        until = time.monotonic() + self._settings.work_s

        def check() -> None:
            if stop.is_set() or self._closed.is_set() or time.monotonic() > until:
                raise self._late()

        def run() -> bytes:
            check()
            return task(check)

        self._inside += 1
        work = asyncio.get_running_loop().run_in_executor(self._pool, run)
        work.add_done_callback(self._leave)
        gone = asyncio.ensure_future(_gone(request))
        either: set[asyncio.Future[Any]] = {work, gone}
        try:
            await asyncio.wait(either, timeout=self._settings.work_s, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise self._late()
        finally:
            stop.set()
            gone.cancel()

    def _leave(self, work: asyncio.Future[bytes]) -> None:
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
