"""POST /v1/animate: a recording in, a clip out in any format that `voxface animate` writes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, get_type_hints

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from voxface.audio.decode import open_audio
from voxface.bundle import Bundle
from voxface.errors import UsageError
from voxface.export.formats import open_writer
from voxface.export.writing import ClipHeader
from voxface.face.rig import ARKIT
from voxface.runtime.animate import animate_blocks, open_session
from voxface.runtime.emotion_input import fixed
from voxface.runtime.feeling import Feeling
from voxface.runtime.idle import Idle
from voxface.runtime.polish import Polish
from voxface.server.body import Bodies
from voxface.server.desk import Desk, Write
from voxface.server.hall import Hall

MOST_SOUND_S = 1800.0
"""Longer recordings are refused."""

MEDIA_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "npz": "application/octet-stream",
}
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of a request asks for, by the names of the command line.

    emotion: "happy=0.6,sad=0.2"; "": what is heard; "none": none
    """

    fps: float = 60.0
    format: str = "json"
    bundle: str = "default"
    channel: str = "mix"
    emotion: str = ""
    intensity: float = 1.0
    mouth_only: bool = False
    idle: bool = True

    def __post_init__(self) -> None:
        if self.format not in MEDIA_TYPES:
            raise UsageError(f"there is no format {self.format[:40]!r}.", hint=f"Known: {', '.join(MEDIA_TYPES)}.")
        if not 1 <= self.fps <= 240:
            raise UsageError(f"fps must be 1 to 240; got {self.fps}.")

    @classmethod
    def of(cls, query: QueryParams) -> Asked:
        """Raises: UsageError: a name that is not known or comes twice, or a value that is none of its kind."""
        kinds, found = get_type_hints(cls), {}
        for name, text in query.multi_items():
            if name not in kinds or name in found:
                known = ", ".join(kinds)
                raise UsageError(f"{name[:40]!r} cannot be asked for, or came twice.", hint=f"Known: {known}.")
            found[name] = _value(name, text, kinds[name])
        return cls(**found)

    def feeling(self) -> Feeling | None:
        """Which emotion shows. A name of a track, as on the command line, is none here: no file is opened by a name."""
        if self.emotion == "none":
            return None
        return Feeling(wanted=fixed(self.emotion) if self.emotion else None)


def _value(name: str, text: str, kind: type) -> Any:
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        needed = "true or false" if kind is bool else "a number"
        raise UsageError(f"{name} must be {needed}; got {text[:40]!r}.") from error


class Animate:
    """The route, as an ASGI application."""

    def __init__(self, hall: Hall, desk: Desk, bodies: Bodies) -> None:
        self._hall, self._desk, self._bodies = hall, desk, bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked = Asked.of(request.query_params)
        bundle = self._hall.bundle(asked.bundle)
        feeling = asked.feeling()
        async with (
            self._bodies.file(request) as sound,
            self._desk.pieces(request, lambda write: animate(sound, asked, bundle, feeling, write)) as pieces,
        ):
            head = [(b"content-type", MEDIA_TYPES[asked.format].encode())]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


def animate(sound: IO[bytes], asked: Asked, bundle: Bundle, feeling: Feeling | None, write: Write) -> None:
    """The clip of a sound, as `voxface animate` makes it; JSONL as it is computed, other formats when it is whole.

    Raises: VoxfaceError: it is no sound, or too long.
    """
    idle, polish = Idle() if asked.idle else None, Polish(intensity=asked.intensity, mouth_only=asked.mouth_only)
    with open_audio(sound, channel=asked.channel, max_duration_s=MOST_SOUND_S) as audio:  # type: ignore[arg-type]
        session = open_session(bundle, audio.rate_hz, asked.fps, polish, idle, feeling)
        header = ClipHeader(
            ARKIT, asked.fps, has_head=session.has_head, has_emotion=session.has_emotion,
            audio={"sample_rate": audio.rate_hz}, model={"name": bundle.name, "sha256": bundle.sha256},
        )  # fmt: skip
        clips = animate_blocks(audio, session, audio.rate_hz // 2)
        first = next(clips)  # a sound that is none fails before an answer is begun
        with _file(asked.format, write) as file, open_writer(file, asked.format, header) as writer:
            writer.add(first)
            for clip in clips:
                write(b"")
                writer.add(clip)


@contextmanager
def _file(format: str, write: Write) -> Iterator[Any]:
    """What a writer of clips writes into."""
    if format == "jsonl":
        yield _Straight(write)
        return
    with tempfile.SpooledTemporaryFile(1 << 20) as file:
        yield file
        file.seek(0)
        while piece := file.read(_PIECE):
            write(piece)


class _Straight:
    """A file whose bytes leave as they are written."""

    def __init__(self, write: Write) -> None:
        self.write = write

    def flush(self) -> None:
        """Nothing waits."""
