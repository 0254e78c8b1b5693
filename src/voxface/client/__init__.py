"""Faces from a voxface server (docs/clients.md): `connect` streams, with asyncio or without; `animate` sends a file.

>>> with voxface.client.connect("ws://127.0.0.1:5000", rate_hz=16_000) as stream:
...     stream.send(samples)
...     stream.end()
...     for frame in stream:
...         show(frame.time_s, frame.weights)

With `async with` and `await` it is the same. The page's module for browsers is in `browser/`.
"""

from __future__ import annotations

from voxface.client.connection import Connection, connect
from voxface.client.recording import animate
from voxface.client.streams import AsyncStream, Stream

__all__ = ["AsyncStream", "Connection", "Stream", "animate", "connect"]
