"""A whole recording to a server and its clip back (POST /v1/animate), by the standard library alone."""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from voxface.client.conversation import refused, unreachable
from voxface.errors import InputError, ServerError, UsageError
from voxface.export.formats import read
from voxface.face.clip import FaceClip

_PATH = "/v1/animate"
_PIECE = 1 << 16


def animate(
    url: str, source: str | Path | IO[bytes], *, token: str | None = None, timeout_s: float = 150.0, **asked: Any
) -> FaceClip:
    """Animate a recording on a server.

    Args:
        url: http:// or https:// of the server, as `voxface serve` prints it.
        source: a sound file that it can read: a path, or an open file.
        token: the server's, where it needs one.
        timeout_s: without a byte of answer.
        asked: fps, bundle, channel, emotion, intensity, idle, mouth_only; as of `voxface animate`.
    Returns: the clip that `voxface.animate` makes.
    Raises: ServerError: the server refuses, with its code. ConnectError: nobody answers there, or no voxface server.
        InputError: no such file. UsageError: the url is none.
    """
    if asked.keys() & {"format"}:
        raise UsageError("animate() gives a clip, in no format.", hint="Write it: voxface.write(clip, path).")
    query = urlencode({name: str(value).lower() if value is True or value is False else value
                       for name, value in asked.items()} | {"format": "npz"})  # fmt: skip
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with _opened(source) as sound, tempfile.TemporaryDirectory(prefix="voxface-client-") as folder:
        path = Path(folder) / "clip.npz"
        with _connection(url, timeout_s) as connection, open(path, "wb") as file:
            try:
                answer = _asked(connection, f"{_PATH}?{query}", sound, headers)
                while answer.status == 200 and (piece := answer.read(_PIECE)):
                    file.write(piece)
                said = b"" if answer.status == 200 else answer.read(_PIECE)
            except http.client.IncompleteRead as error:
                raise ServerError(f"the answer of {url} was cut off.", code="E-GONE", source=url) from error
            except (OSError, http.client.HTTPException) as error:
                raise unreachable(url, error) from error
        if answer.status != 200:
            raise refused(url, answer.status, said)
        return read(path)


@contextlib.contextmanager
def _opened(source: str | Path | IO[bytes]) -> Iterator[IO[bytes]]:
    if not isinstance(source, str | Path):
        yield source
        return
    try:
        file = open(source, "rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}.", source=str(source)) from error
    with file:
        yield file


@contextlib.contextmanager
def _connection(url: str, timeout_s: float) -> Iterator[http.client.HTTPConnection]:
    try:
        scheme, _, _, _, _ = parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if scheme not in kinds or not host:
        raise UsageError(f"{url!r} is no address of a server.", hint="Write it as http://127.0.0.1:5000.", source=url)
    connection = kinds[scheme](host, port, timeout=timeout_s)
    try:
        yield connection
    finally:
        connection.close()


def _asked(
    connection: http.client.HTTPConnection, path: str, sound: IO[bytes], headers: dict[str, str]
) -> http.client.HTTPResponse:
    """The answer; a server that refuses in the middle of the sound has answered, too."""
    if sound.seekable():
        at = sound.tell()
        size, body = sound.seek(0, os.SEEK_END) - at, sound
        sound.seek(at)
    else:
        data = sound.read()
        size, body = len(data), io.BytesIO(data)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", path, body, {**headers, "Content-Length": str(size)})
    return connection.getresponse()
