"""The front door of HTTP: who may ask, an answer whatever happens, one line of log. Around all that is served."""

from __future__ import annotations

import time
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voxface.server.body import drain
from voxface.server.hall import Hall
from voxface.server.problems import MEDIA_TYPE, RequestError, told

ALWAYS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Front:
    """An application that guards another one and answers for its errors; no traceback ever leaves it."""

    def __init__(self, inner: ASGIApp, hall: Hall) -> None:
        self.inner, self._hall = inner, hall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        begun = time.perf_counter()
        door = _Door(receive, send, self._hall.settings.linger_s)
        try:
            self._hall.check(scope)
            await self.inner({**scope, "app": self}, door.receive, door.send)
        except Exception as error:
            if door.status:
                raise
            refused = _of_routes(error) if isinstance(error, HTTPException) else told(error)
            self._hall.metrics.errors.labels(refused.code).inc()
            await door.refuse(scope, refused)
        finally:
            self._hall.metrics.requests.labels(door.status).inc()
            path = f"{scope['method']} {scope['path']}"[:200]
            self._hall.tell(f"{path} {door.status} {1000 * (time.perf_counter() - begun):.0f} ms")


def _of_routes(error: HTTPException) -> RequestError:
    """No such path, or another method."""
    wrong = {404: "there is nothing at this address.", 405: "this address does not take this method."}
    return RequestError(error.status_code, wrong.get(error.status_code, error.detail), headers=error.headers)


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
        answer = Response(error.body, error.status, error.headers | closing, MEDIA_TYPE)
        await self.send({"type": "http.response.start", "status": error.status, "headers": answer.raw_headers})
        await self.send({"type": "http.response.body", "body": error.body, "more_body": unread})
        if unread and error.status != HTTPStatus.TOO_MANY_REQUESTS:
            await drain(self._receive, self._linger_s)
        if unread:
            await self.send({"type": "http.response.body", "body": b""})


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
