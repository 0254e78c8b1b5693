"""How our servers say that something is wrong: one shape of JSON, one table of statuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from voxface.errors import LimitError, MissingDependencyError, VoxfaceError

_STATUS: tuple[tuple[type[VoxfaceError], int], ...] = ((LimitError, 413), (MissingDependencyError, 415))


class RequestError(Exception):
    """A request that is refused for what it is, not for what it brings.

    status: of HTTP · body: JSON as `problem` makes it · headers: added to the answer
    """

    def __init__(
        self, status: int, message: str, *, code: str = "", hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
        self.body = problem(status, message, code=code, hint=hint)


def problem(status: int, message: str, *, code: str = "", hint: str = "") -> bytes:
    """`{"error": {"code", "message"[, "hint"]}}`; without a code of ours it is the name of the status."""
    code = code or "E-HTTP-" + HTTPStatus(status).phrase.upper().replace(" ", "-")
    body = {"code": code, "message": message} | ({"hint": hint} if hint else {})
    return json.dumps({"error": body}, ensure_ascii=False).encode("utf-8", "backslashreplace")


def refusal(error: VoxfaceError) -> RequestError:
    """An error of ours as an answer: 400, unless another status says it better."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    return RequestError(status, error.message, code=error.code, hint=error.hint)
