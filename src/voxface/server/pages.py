"""The module for browsers and its example page, as files under /client/: by exact name, without a token."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voxface import client

FOLDER = Path(client.__file__).parent / "browser"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; media-src blob:; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the page: its own files, and this server."""


@lru_cache(maxsize=1)
def client_files() -> dict[str, tuple[str, bytes]]:
    """Name -> media type and content; nothing else is ever opened."""
    found = {path.name: path for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
    files = {name: (TYPES[path.suffix], path.read_bytes()) for name, path in found.items()}
    return files | {"": files["index.html"]}


def client_routes() -> list[Route]:
    """GET /client/ and its files."""

    def route(name: str) -> Route:
        async def answer(_: Request) -> Response:
            kind, content = client_files()[name]
            return Response(content, media_type=kind, headers={"Content-Security-Policy": POLICY})

        return Route(f"/client/{name}", answer)

    return [route(name) for name in client_files()]
