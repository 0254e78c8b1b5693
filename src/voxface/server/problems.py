"""How our servers say that something is wrong: one shape of JSON each, one table of statuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from voxface.errors import LimitError, MissingDependencyError, VoxfaceError

MEDIA_TYPE = "application/problem+json"
_STATUS: tuple[tuple[type[VoxfaceError], int], ...] = ((LimitError, 413), (MissingDependencyError, 415))


class RequestError(Exception):
    """A request that is refused for what it is, not for what it brings.

    status: of HTTP · code, message, hint: as of a VoxfaceError · headers: added to the answer
    """

    def __init__(
        self, status: int, message: str, *, code: str = "", hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.hint, self.headers = status, message, hint, dict(headers or {})
        self.code = code or _code_of(status)

    @property
    def body(self) -> bytes:
        """The answer, as RFC 9457 has it, with `code` and maybe `hint` beside its own members."""
        fields = {"type": "about:blank", "title": HTTPStatus(self.status).phrase, "status": self.status}
        fields |= {"detail": self.message, "code": self.code} | ({"hint": self.hint} if self.hint else {})
        return _json(fields)


def problem(status: int, message: str, *, code: str = "", hint: str = "") -> bytes:
    """What the viewer tells its own page: `{"error": {"code", "message"[, "hint"]}}`."""
    body = {"code": code or _code_of(status), "message": message} | ({"hint": hint} if hint else {})
    return _json({"error": body})


def refusal(error: VoxfaceError) -> RequestError:
    """An error of ours as an answer: 400, unless another status says it better."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    return RequestError(status, error.message, code=error.code, hint=error.hint)


def told(error: Exception) -> RequestError:
    """Any error as an answer; of our bugs only the kind."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, VoxfaceError):
        return refusal(error)
    if isinstance(error, MemoryError):
        return RequestError(503, "not enough memory for this request.", code="E-MEMORY")
    return RequestError(500, f"{type(error).__name__}: this is a bug in voxface; please report it.", code="E-BUG")


def _code_of(status: int) -> str:
    """Without a code of ours it is the name of the status."""
    return "E-HTTP-" + HTTPStatus(status).phrase.upper().replace(" ", "-")


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace")
