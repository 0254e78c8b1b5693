"""What both kinds of stream know of the protocol (live/wire.py): messages in and out, errors as ours; no socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from voxface.errors import ConnectError, GoneError, PacketError, ServerError, UsageError
from voxface.live.frame import LiveFrame
from voxface.live.wire import (
    MOST_BYTES,
    PATH,
    VERSION,
    Done,
    Frames,
    Hello,
    Interrupted,
    Problem,
    Ready,
    frames_of_binary,
    parse,
    sample_bytes,
)
from voxface.stream import Array

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def stream_url(url: str) -> str:
    """The address of the WebSocket: http as ws, https as wss, and the protocol's path where there is none.

    Raises: UsageError: it is no such address.
    """
    try:
        scheme, place, path, query, _ = urlsplit(url)
        host = urlsplit(url).hostname
    except ValueError:
        scheme = host = ""
    if scheme not in _SCHEMES or not host:
        raise UsageError(f"{url!r} is no address of a server.", hint="Write it as ws://127.0.0.1:5000.", source=url)
    return urlunsplit((_SCHEMES[scheme], place, path if path not in ("", "/") else PATH, query, ""))


class Conversation:
    """What has been said on a stream, beside the frames.

    ready:       the server's answer to our hello
    interrupted: its last answer to an interrupt: frames from `interrupted.seq` on come to rest, earlier ones that are
                 not shown yet should not be shown any more
    done:        its last word, or None: how many frames there were, and how many it dropped, because we did not take
                 them in time
    ended:       whether we have said that no more sound will come
    """

    def __init__(self, url: str, hello: Hello, first: str | bytes) -> None:
        self.url, self.hello = url, hello
        self.interrupted: Interrupted | None = None
        self.done: Done | None = None
        self.ended = False
        said = self._parsed(first)
        if not isinstance(said, Ready):
            raise PacketError(f"{url} answered {said!r:.80} to a hello.", hint="Is it a voxface server?", source=url)
        if said.version != VERSION:
            text = f"{url} speaks version {said.version} of the protocol; {VERSION} was needed."
            raise PacketError(text, hint="Install the same voxface here and there.", source=url)
        self.ready = said

    def take(self, message: str | bytes) -> list[LiveFrame]:
        """The frames in a message of the server, maybe none; what else it says is kept.

        Raises: ServerError: it says what is wrong. PacketError: it speaks another language.
        """
        if isinstance(message, bytes):
            frames = frames_of_binary(message)
            return list(frames) if self.ready.head else [replace(frame, head=None) for frame in frames]
        said = self._parsed(message)
        if isinstance(said, Frames):
            return list(said.frames)
        if isinstance(said, Interrupted):
            self.interrupted = said
        elif isinstance(said, Done):
            self.done = said
        else:
            raise PacketError(f"{self.url} said {said!r:.80} in the middle.", source=self.url)
        return []

    def sound(self, samples: Array) -> Iterator[bytes]:
        """(n,) samples, float within -1 to 1 or int16, as messages.

        Raises: UsageError: another shape or type, or sound after the end.
        """
        if self.ended:
            raise UsageError(f"sound was sent to {self.url} after the end of the stream.", hint="Connect again.")
        samples = np.asarray(samples)
        if samples.ndim != 1 or (samples.dtype.kind != "f" and samples.dtype != np.int16):
            text = f"sound is sent as (n,) float or int16 samples; got {samples.shape} {samples.dtype}."
            raise UsageError(text, hint="Mix channels to one; divide other integers by their full scale.")
        if samples.dtype == np.int16:
            samples = samples.astype(np.float32) / 32768
        most = MOST_BYTES // 4
        for at in range(0, len(samples), most):
            yield sample_bytes(samples[at : at + most], self.hello.encoding)

    def gone(self, why: str) -> GoneError:
        """The error for a connection that ended before the server was done."""
        text = f"the connection to {self.url} broke: {why or 'no reason was given'}."
        return GoneError(text, hint="Connect again; a new session begins at second 0.", source=self.url)

    def _parsed(self, message: str | bytes) -> object:
        said = parse(message) if isinstance(message, str) else message
        if isinstance(said, Problem):
            raise ServerError(said.message, code=said.code, hint=said.hint, source=self.url)
        return said


def refused(url: str, status: int, body: bytes) -> ServerError | ConnectError:
    """The error for an answer of HTTP where something else was needed: the server's own one, if it is a voxface server.

    Args: body: application/problem+json, or anything.
    """
    try:
        said = json.loads(body)
        code, detail, hint = said["code"], said["detail"], said.get("hint", "")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        text = f"{url} answers with HTTP status {status}, and not as a voxface server does."
        return ConnectError(text, hint="Check the address: `voxface serve` prints it.", source=url)
    return ServerError(str(detail), code=str(code), hint=str(hint), source=url)


def unreachable(url: str, error: BaseException) -> ConnectError:
    """The error for a server that does not answer at all."""
    text = f"no voxface server answers at {url}: {str(error) or type(error).__name__}."
    return ConnectError(text, hint="Start one with `voxface serve`, or check the address.", source=url)
