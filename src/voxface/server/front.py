"""The front door: who may ask, an answer whatever happens, one line of log. Around everything that is served."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxface.errors import VoxfaceError
from voxface.server.body import drain
from voxface.server.guard import is_foreign, is_our_name
from voxface.server.problems import RequestError, refusal
from voxface.server.settings import Settings

ALWAYS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
OPEN = ("/health",)
"""What needs no token: it tells nothing and costs nothing."""


class Front:
    """An application that guards another one and answers for its errors; no traceback ever leaves it.

    Args:
        tell: hears one line per request: method, path, status, milliseconds; nothing that was sent, and no token.
    """

    def __init__(self, inner: ASGIApp, settings: Settings, tell: Callable[[str], None]) -> None:
        self._inner, self._settings, self._tell = inner, settings, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        begun = time.perf_counter()
        door = _Door(receive, send, self._settings.linger_s)
        try:
            _check_caller(scope, self._settings)
            await self._inner({**scope, "app": self}, door.receive, door.send)
        except Exception as error:
            if not door.status:
                await door.refuse(scope, _told(error))
            else:
                raise
        path = f"{scope['method']} {scope['path']}"[:200]
        self._tell(f"{path} {door.status} {1000 * (time.perf_counter() - begun):.0f} ms")


def _told(error: Exception) -> RequestError:
    """Any error as an answer."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, VoxfaceError):
        return refusal(error)
    if isinstance(error, HTTPException):  # of the routes: no such path, another method
        wrong = {404: "there is nothing at this address.", 405: "this address does not take this method."}
        return RequestError(error.status_code, wrong.get(error.status_code, error.detail), headers=error.headers)
    if isinstance(error, MemoryError):
        return RequestError(503, "not enough memory for this request.", code="E-MEMORY")
    return RequestError(500, f"{type(error).__name__}: this is a bug in voxface; please report it.", code="E-BUG")


def _check_caller(scope: Scope, settings: Settings) -> None:
    """Raises: RequestError: another name (403), a page of another site (403), no or a wrong token (401)."""
    headers = Headers(scope=scope)
    host = ", ".join(headers.getlist("host"))
    if not is_our_name(host, (settings.host, *settings.names)):
        hint = "Ask by address, or start the server with --name."
        raise RequestError(403, f"{host[:80]!r} is not a name of this server.", code="E-HOST", hint=hint)
    if is_foreign(headers.get("origin"), headers.get("sec-fetch-site"), host):
        raise RequestError(403, "pages of other sites may not use this server.", code="E-ORIGIN")
    if settings.token and scope["path"] not in OPEN and not _has_token(headers, settings.token):
        hint = "Send Authorization: Bearer TOKEN, or API-Key: TOKEN."
        need = {"WWW-Authenticate": "Bearer"}
        raise RequestError(401, "this server needs a token.", code="E-TOKEN", hint=hint, headers=need)


def _has_token(headers: Headers, token: str) -> bool:
    """Compared in a time that does not tell how much of it was right."""
    kind, _, shown = headers.get("authorization", "").partition(" ")
    shown = shown.strip() if kind.lower() == "bearer" else headers.get("api-key", "")
    return hmac.compare_digest(shown.encode("utf-8", "replace"), token.encode())


class _Door:
    """Both directions of one request, with what has passed: the status of the answer, the end of the body."""

    def __init__(self, receive: Receive, send: Send, linger_s: float) -> None:
        self._receive, self._send, self._linger_s = receive, send, linger_s
        self.status = 0
        self._body_ended = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._body_ended |= not message.get("more_body")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *_raw(ALWAYS)]
        await self._send(message)

    async def refuse(self, scope: Scope, error: RequestError) -> None:
        """Answer with an error; where a body is still on its way, let its sender see that before the line is cut."""
        headers = Headers(scope=scope)
        unread = not self._body_ended and ("content-length" in headers or "transfer-encoding" in headers)
        closing = {"Connection": "close"} if unread else {}
        answer = Response(error.body, error.status, error.headers | closing, "application/json")
        await self.send({"type": "http.response.start", "status": error.status, "headers": answer.raw_headers})
        await self.send({"type": "http.response.body", "body": error.body, "more_body": unread})
        if unread:
            await drain(self._receive, self._linger_s)
            await self.send({"type": "http.response.body", "body": b""})


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
