"""What is served: routes, each a task for the desk, behind the front door. The next interface adds its routes here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from voxface.neurosync.routes import Talker
from voxface.server.body import Bodies
from voxface.server.desk import Desk
from voxface.server.front import Front
from voxface.server.settings import Settings


def build_app(settings: Settings, talker: Talker, tell: Callable[[str], None] = lambda line: None) -> ASGIApp:
    """The application.

    tell: hears one line per request.
    """
    desk, bodies = Desk(settings), Bodies(settings)

    @asynccontextmanager
    async def life(_: Any) -> AsyncIterator[None]:
        yield
        desk.close()

    routes = [Route("/health", health), *neurosync_routes(talker, desk, bodies)]
    return Front(Router(routes, redirect_slashes=False, lifespan=life), settings, tell)


async def health(_: Request) -> Response:
    """That the server answers."""
    return PlainTextResponse("OK")


def neurosync_routes(talker: Talker, desk: Desk, bodies: Bodies) -> list[Route]:
    """The family's interface (docs/neurosync.md)."""

    async def audio_to_blendshapes(request: Request) -> Response:
        kind = request.headers.get("content-type", "")
        async with bodies.of(request) as body:
            answer = await desk.work(request, lambda check: talker.audio_to_blendshapes(body, kind, check))
        return Response(answer, media_type="application/json")

    return [Route("/audio_to_blendshapes", audio_to_blendshapes, methods=["POST"])]
