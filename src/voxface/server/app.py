"""What is served: routes, each a task for the desk, behind the front door. The next interface adds its routes here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from voxface.neurosync.routes import Talker
from voxface.server.animate import Animate
from voxface.server.body import Bodies
from voxface.server.desk import Desk
from voxface.server.front import Front
from voxface.server.hall import Hall
from voxface.server.openapi import document
from voxface.server.pages import client_routes


def build_app(hall: Hall, talker: Talker) -> ASGIApp:
    """The application of HTTP. WebSockets do not come through it: `listen` gives them a Line each."""
    desk, bodies = Desk(hall.settings), Bodies(hall.settings)

    @asynccontextmanager
    async def life(_: Any) -> AsyncIterator[None]:
        hall.open()
        yield
        desk.close()
        hall.close()

    routes = [
        *state_routes(hall),
        *client_routes(),
        *neurosync_routes(talker, desk, bodies),
        Route("/v1/animate", Animate(hall, desk, bodies), methods=["POST"]),
    ]
    return Front(Router(routes, redirect_slashes=False, lifespan=life), hall)


def state_routes(hall: Hall) -> list[Route]:
    """How the server is, and what it serves."""

    async def health(_: Request) -> Response:
        return PlainTextResponse("broken" if hall.state == "broken" else "OK", 500 if hall.state == "broken" else 200)

    async def ready(_: Request) -> Response:
        return PlainTextResponse(hall.state, 200 if hall.state == "ready" else 503)

    async def metrics(_: Request) -> Response:
        return Response(hall.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(_: Request) -> Response:
        return JSONResponse(document())

    return [
        Route("/health", health),
        Route("/healthz", health),
        Route("/readyz", ready),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi),
    ]


def neurosync_routes(talker: Talker, desk: Desk, bodies: Bodies) -> list[Route]:
    """The family's interface (docs/neurosync.md)."""

    async def audio_to_blendshapes(request: Request) -> Response:
        kind = request.headers.get("content-type", "")
        async with bodies.of(request) as body:
            answer = await desk.work(request, lambda check: talker.audio_to_blendshapes(body, kind, check))
        return Response(answer, media_type="application/json")

    return [Route("/audio_to_blendshapes", audio_to_blendshapes, methods=["POST"])]
