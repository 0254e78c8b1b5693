"""What all callers of a server share: who may come in, the opened bundles and their engines, numbers, and the end."""

from __future__ import annotations

import asyncio
import hmac
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from starlette.datastructures import Headers
from starlette.types import Scope

from voxface.bundle import Bundle, load_bundle
from voxface.errors import HelloError, UsageError
from voxface.runtime.engine import Engine
from voxface.runtime.live_session import LiveSession
from voxface.server.bucket import Callers, network_of
from voxface.server.guard import is_foreign, is_our_name
from voxface.server.metrics import Metrics
from voxface.server.problems import RequestError
from voxface.server.settings import Settings

if TYPE_CHECKING:
    from voxface.server.talk import Channel, Talk

OPEN = ("/health", "/healthz", "/readyz")
OPEN_FOLDER = "/client/"
"""What needs no token and is never too often: it tells nothing and costs nothing. A page's scripts cannot show one."""


class Hall:
    """The server's common state, on its event loop.

    Args:
        tell: hears one line per request or session; nothing that was sent, and no token.
    """

    def __init__(self, settings: Settings, tell: Callable[[str], None] = lambda line: None) -> None:
        self.settings, self.tell = settings, tell
        self.bundles: dict[str, Bundle] = {}
        for name in settings.bundles:
            bundle = load_bundle(name)
            self.bundles[bundle.name] = bundle
        self.metrics = Metrics(lambda: len(self._lines))
        self.bell = Bell()
        self.draining_since: float | None = None
        self._callers = Callers(settings.calls_per_s, settings.calls_at_once)
        self._engines: dict[str, Engine] = {}
        self._lines: set[Channel] = set()
        self._warm = threading.Event()
        self._late_until = 0.0
        self.crash: str = ""

    # -- from the first caller to the last ----------------------------------------------------------------------------

    def open(self) -> None:
        """Begin to open the engines, in a thread; `state` is "ready" when they are."""
        self.bell.loop = asyncio.get_running_loop()
        threading.Thread(target=self._open_engines, name="voxface-warm", daemon=True).start()

    def _open_engines(self) -> None:
        try:
            for name, bundle in self.bundles.items():
                if bundle.window is None and bundle.rig:
                    engine = self._engines[name] = Engine(bundle, deadline_ms=self.settings.deadline_ms)
                    session = LiveSession(engine, 16_000)
                    session.push(_A_SECOND)  # or the first caller would wait for what is made on first use
                    session.finish()
        except Exception as error:
            self.crash = f"the bundles could not be opened: {type(error).__name__}: {error}"
        self._warm.set()

    def close(self) -> None:
        self._warm.wait()
        for engine in self._engines.values():
            if engine.alive:
                engine.close()

    @property
    def state(self) -> str:
        """ready, warming, busy, draining or broken."""
        dead = [engine for engine in list(self._engines.values()) if not engine.alive]
        if dead and not self.crash:
            self.crash = f"an engine has died: {dead[0].crashed}"
        if self.crash:
            return "broken"
        if self.draining_since is not None:
            return "draining"
        if not self._warm.is_set():
            return "warming"
        return "busy" if time.monotonic() < self._late_until else "ready"

    @property
    def sessions(self) -> int:
        return len(self._lines)

    def drain(self) -> None:
        """From now on nobody comes in."""
        self.draining_since = time.monotonic()

    def ending(self) -> RequestError:
        """What a session is told when the server ends."""
        if self.crash:
            return RequestError(500, "the server has broken and is started again.", code="E-BUG", hint="Connect again.")
        return RequestError(503, "the server ends now.", code="E-ENDING", hint="Connect again.", headers=_SOON)

    def note_delay(self, delay_s: float, now: float) -> None:
        """Frames were sent so long after their sound; who is late takes nobody else in for a while."""
        self.metrics.delay.observe(delay_s)
        if delay_s > self.settings.late_s:
            self._late_until = now + _LATE_FOR_S

    def note_bug(self, error: Exception) -> None:
        """An error that nobody foresaw: its kind goes into the log."""
        self.tell(f"bug: {type(error).__name__}: {str(error)[:200]}")

    # -- who may come in ----------------------------------------------------------------------------------------------

    def check(self, scope: Scope) -> None:
        """Raises: RequestError: another host or a foreign page (403), no token (401), too often (429), no room (503).

        A WebSocket of a browser cannot show a token here; it shows it in its hello.
        """
        headers, socket = Headers(scope=scope), scope["type"] == "websocket"
        self._check_site(headers, socket)
        if scope["path"] in OPEN or scope["path"].startswith(OPEN_FOLDER):
            return
        silent = socket and "authorization" not in headers and "api-key" not in headers
        if not silent and not self.shows_token(headers):
            hint = "Send Authorization: Bearer TOKEN, or API-Key: TOKEN."
            need = {"WWW-Authenticate": "Bearer"}
            raise RequestError(401, "this server needs a token.", code="E-TOKEN", hint=hint, headers=need)
        if wait_s := self._callers.wait_s(network_of((scope.get("client") or ("",))[0]), time.monotonic()):
            raise RequestError(
                429, "too many calls came from this address.", headers={"Retry-After": str(math.ceil(wait_s))}
            )
        if self.draining_since is not None or self.crash:
            raise self.ending()
        if socket:
            self._check_room()

    def _check_site(self, headers: Headers, socket: bool) -> None:
        settings, host = self.settings, ", ".join(headers.getlist("host"))
        if not is_our_name(host, (settings.host, *settings.names)):
            hint = "Ask by address, or start the server with --name."
            raise RequestError(403, f"{host[:80]!r} is not a name of this server.", code="E-HOST", hint=hint)
        origin = headers.get("origin")
        if socket and origin is not None and origin.lower() in settings.origins:
            return
        if is_foreign(origin, headers.get("sec-fetch-site"), host):
            raise RequestError(403, "pages of other sites may not use this server.", code="E-ORIGIN")

    def _check_room(self) -> None:
        if self.state != "ready":
            raise RequestError(503, f"the server is {self.state}.", code="E-LIMIT", hint="Try again.", headers=_SOON)
        if self.sessions >= self.settings.sessions:
            what = f"the server has {self.sessions} sessions, as many as it may have."
            raise RequestError(503, what, code="E-LIMIT", hint="Try again when one has ended.", headers=_SOON)

    def shows_token(self, headers: Headers) -> bool:
        """Whether the token is in a header, or none is needed."""
        kind, _, shown = headers.get("authorization", "").partition(" ")
        return self.is_token(shown.strip() if kind.lower() == "bearer" else headers.get("api-key", ""))

    def is_token(self, shown: str) -> bool:
        """Compared in a time that does not tell how much of it was right; any will do where none is needed."""
        token = self.settings.token
        return not token or hmac.compare_digest(shown.encode("utf-8", "replace"), token.encode())

    # -- sessions -----------------------------------------------------------------------------------------------------

    def entered(self, line: Channel) -> None:
        self._lines.add(line)
        self.metrics.sessions.inc()

    def left(self, line: Channel, talk: Talk) -> None:
        self._lines.discard(line)
        self.metrics.frames.inc(talk.sent - line.dropped)
        seconds = time.monotonic() - line.begun
        self.tell(f"session of {seconds:.1f} s: {talk.sent} frames, {line.dropped} dropped, closed with {line.code}")

    def bundle(self, name: str) -> Bundle:
        """Raises: UsageError: there is none of this name."""
        if name not in self.bundles:
            raise UsageError(f"there is no bundle {name[:64]!r} here.", hint=f"There are: {', '.join(self.bundles)}.")
        return self.bundles[name]

    def engine(self, bundle: str) -> Engine:
        """Raises: HelloError: there is none of this name."""
        if bundle not in self._engines:
            raise HelloError(f"no bundle {bundle!r} streams here.", hint=f"There are: {', '.join(self._engines)}.")
        return self._engines[bundle]


_A_SECOND = 0.1 * np.sin(np.arange(16_000, dtype=np.float32) / 20)
_SOON = {"Retry-After": "2"}
_LATE_FOR_S = 2.0


class Bell:
    """Brings word of ready frames from the engines' threads to the event loop, once for all sessions that are due."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._due: deque[Talk] = deque()
        self._rung = False

    def ring(self, talk: Talk) -> None:
        """From any thread: frames of this session are ready."""
        self._due.append(talk)
        if not self._rung and self.loop:
            self._rung = True
            self.loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._rung = False  # first: what rings from now on is heard again
        for talk in {self._due.popleft() for _ in range(len(self._due))}:
            talk.deliver()
