"""Serve a session until Ctrl-C: the address, the browser, a clean end."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Callable

from voxface.server.signals import stopped_by_signals
from voxface.viewer.server import open_server
from voxface.viewer.session import Session

_NOWHERE = "no browser was found to open; open {} in one yourself (or say --no-browser)."


def serve(
    session: Session,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
    ready: Callable[[str], None] = print,
    tell: Callable[[str], None] = print,
) -> None:
    """Answer the page of a session until Ctrl-C or SIGTERM, then return.

    Args:
        host: only this machine by default. port: None: the first free one from 8777 on; 0: any free one.
        browser: open one, where there is one.
        ready: hears the address once the server answers. tell: hears sentences for people.
    Raises: as `open_server`.
    """
    with open_server(session, host, port) as server, stopped_by_signals():
        try:
            ready(server.url)
            if browser and _no_screen():
                tell(_NOWHERE.format(server.url))
            elif browser:
                threading.Thread(target=_show, args=(server.url, tell), daemon=True).start()
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            tell("the viewer has ended.")


def _no_screen() -> bool:
    """On Linux without a screen `webbrowser` would start a browser for text in our terminal."""
    return sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"} & set(os.environ)


def _show(url: str, tell: Callable[[str], None]) -> None:
    try:
        shown = webbrowser.open(url)
    except (webbrowser.Error, OSError):
        shown = False
    if not shown:
        tell(_NOWHERE.format(url))
