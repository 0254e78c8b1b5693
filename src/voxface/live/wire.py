"""The WebSocket protocol of voxface, version 1: its messages as values, for server and clients (docs/live.md).

    client                                   server
    {"type": "hello", "version": 1, ...}  →
                                          ←  {"type": "ready", "version": 1, ...}
    binary: mono PCM, whole samples       →
                                          ←  binary: frames of 236 bytes, or {"type": "frames", "frames": [...]}
    {"type": "interrupt"}                 →
                                          ←  {"type": "interrupted", "seq": ..., "t": ...}
    {"type": "end"}                       →
                                          ←  the last frames, {"type": "done", "frames": N, "heard_s": S}, close 1000

An error is {"type": "error", "code", "message", "hint"} and a close with the code of `close_code`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from voxface.errors import HelloError, PacketError, VoxfaceError
from voxface.export.numbers import number_rows
from voxface.face.axes import still_head
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.live.frame import LiveFrame
from voxface.stream import Array
from voxface.timebase import frame_time_s

VERSION = 1
PATH = "/v1/stream"
MOST_BYTES = 256 * 1024
"""The longest message of a client (faults.md §3)."""

LOUDEST = 32.0
"""30 dB beyond full scale: floats may be hot, but stay numbers in all that follows."""

ENCODINGS: Mapping[str, np.dtype[Any]] = MappingProxyType({"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")})

FRAME = np.dtype([("seq", "<u4"), ("t", "<f8"), ("weights", "<f4", len(ARKIT)), ("head", "<f4", 4)])
"""One binary frame, 236 bytes without padding: number, seconds, weights over ARKIT, head quaternion w, i, j, k."""

PLACES = 5  # decimals of a JSON frame

_CLOSE_CODES = {"E-ORDER": 1003, "E-PACKET": 1007, "E-CLIP": 1007, "E-AUDIO-FORMAT": 1007, "E-BUG": 1011}
_TOO_BIG, _TOO_MANY, _REFUSED = 1009, 1013, 1008


def close_code(error: VoxfaceError, *, too_big: bool = False) -> int:
    """The code a connection is closed with because of an error.

    1003 a message of the wrong kind, 1007 bytes that are no message, 1008 refused, 1009 too big, 1011 our bug, 1013 no
    room now.
    """
    if error.exit_code == 6:
        return _TOO_BIG if too_big else _TOO_MANY
    return _CLOSE_CODES.get(error.code, 1011 if error.exit_code == 1 else _REFUSED)


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a client: what it sends and what it wants.

    rate_hz:  of its samples, 4,000 to 192,000
    encoding: s16le or f32le
    fps:      frames per second, 1 to 240
    format:   binary or json
    bundle:   the name of a bundle that the server has
    idle:     eyes, brows and head move by themselves where the bundle does not drive them
    emotion:  None, one of face.rig.EMOTIONS, or a weight for some of them
    token:    the server's token, for clients that cannot set a header
    lead_s:   frames leave at most so far ahead of real time, 0.1 to 60; an interrupt takes back what is further ahead
    """

    kind: ClassVar[str] = "hello"
    rate_hz: int = 16_000
    encoding: str = "s16le"
    fps: float = 60.0
    format: Literal["binary", "json"] = "binary"
    bundle: str = "default"
    idle: bool = True
    emotion: str | Mapping[str, float] | None = None
    token: str | None = None
    version: int = VERSION
    lead_s: float = 1.0

    def __post_init__(self) -> None:
        _check(self.version == VERSION, f"version {self.version} was asked for; {VERSION} is spoken here")
        _check(_whole(self.rate_hz) and 4_000 <= self.rate_hz <= 192_000, "rate_hz must be 4000 to 192000")
        _check(self.encoding in tuple(ENCODINGS), f"encoding must be one of {', '.join(ENCODINGS)}")
        _check(_number(self.fps) and 1 <= self.fps <= 240, "fps must be 1 to 240")
        _check(self.format in ("binary", "json"), "format must be binary or json")
        _check(isinstance(self.bundle, str) and 0 < len(self.bundle) <= 64, "bundle must be a name")
        _check(isinstance(self.idle, bool), "idle must be true or false")
        _check(_number(self.lead_s) and 0.1 <= self.lead_s <= 60, "lead_s must be 0.1 to 60")
        _check(self.token is None or isinstance(self.token, str), "token must be text")
        one = {} if self.emotion is None else {str(self.emotion): 1.0}
        known = self.emotion if isinstance(self.emotion, Mapping) else one
        fits = all(name in EMOTIONS and _number(value) and 0 <= value <= 1 for name, value in known.items())
        _check(fits, f"emotion must name some of {', '.join(EMOTIONS)} with weights within 0 to 1")

    def __repr__(self) -> str:
        """Without the token, which belongs in no log."""
        return f"Hello({self.rate_hz} Hz, {self.encoding}, {self.fps} fps, {self.format}, {self.bundle!r})"


@dataclass(frozen=True, slots=True)
class Ready:
    """The server's answer to a hello: names[i] is column i of the weights; head, emotion: whether frames carry them."""

    kind: ClassVar[str] = "ready"
    session: str
    fps: float
    latency_ms: float
    head: bool = False
    emotion: bool = False
    names: tuple[str, ...] = ARKIT
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Forget what was sent and not yet shown; the mouth goes to rest."""

    kind: ClassVar[str] = "interrupt"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The interrupt was heard; from frame `seq` at `t` seconds on the face goes to rest. The next sound stands behind
    that, at second `resumes_s` of the clock."""

    kind: ClassVar[str] = "interrupted"
    seq: int
    t: float
    resumes_s: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """No more sound will come; send the last frames."""

    kind: ClassVar[str] = "end"


@dataclass(frozen=True, slots=True)
class Done:
    """All frames were sent; `dropped` of them were left out, because the client did not take them in time."""

    kind: ClassVar[str] = "done"
    frames: int
    heard_s: float
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, with what faults.md §3 promises about it."""

    kind: ClassVar[str] = "error"
    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: VoxfaceError) -> Problem:
        return cls(error.code, error.message, error.hint)


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Frames that came as JSON."""

    kind: ClassVar[str] = "frames"
    frames: tuple[LiveFrame, ...]


Message = Hello | Ready | Interrupt | Interrupted | End | Done | Problem | Frames
_KINDS: dict[str, Any] = {one.kind: one for one in (Hello, Ready, Interrupt, Interrupted, End, Done, Problem)}


def text_of(message: Hello | Ready | Interrupt | Interrupted | End | Done | Problem) -> str:
    """A message as the text that is sent; what is None is left out."""
    known = {name: value for name, value in asdict(message).items() if value is not None}
    return json.dumps({"type": message.kind, **known}, allow_nan=False)


def parse(text: str) -> Message:
    """Read a text message; fields that are not known are ignored.

    Raises: PacketError: it is no message of this protocol. HelloError: a hello that asks for what cannot be.
    """
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PacketError(f"a text message must be JSON: {str(error)[:120]}.") from error
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise PacketError('a text message must be an object with a "type".')
    if found["type"] == Frames.kind:
        return _frames(found)
    if found["type"] not in _KINDS:
        raise PacketError(f"no message has the type {found['type'][:40]!r}.", hint=f"Types: {', '.join(_KINDS)}.")
    kind = _KINDS[found["type"]]
    known = {field.name: found[field.name] for field in fields(kind) if field.name in found}
    for name in () if kind is Hello else known:  # a hello checks itself, and says more
        if not _FITS[name](known[name]):
            raise PacketError(f"the message {kind.kind!r} has a {name!r} of the wrong type.")
    if "names" in known:
        known["names"] = tuple(known["names"])
    try:
        return kind(**known)  # type: ignore[no-any-return]
    except TypeError as error:
        raise PacketError(f"the message {kind.kind!r} lacks a field: {str(error)[:120]}.") from error


def samples_of(data: bytes, encoding: str) -> Array:
    """(n,) float32 samples of a binary message; floats that are not finite are silence, the rest within LOUDEST.

    Raises: PacketError: half a sample.
    """
    kind = ENCODINGS[encoding]
    if len(data) % kind.itemsize:
        raise PacketError(f"{len(data)} bytes are no whole number of {encoding} samples.")
    samples = np.frombuffer(data, kind)
    if encoding == "s16le":
        return samples * np.float32(1 / 32768)
    heard: Array = np.where(np.isfinite(samples), samples, 0).clip(-LOUDEST, LOUDEST).astype(np.float32)
    return heard


def sample_bytes(samples: Array, encoding: str) -> bytes:
    """(n,) float samples within -1 to 1 as a binary message; s16le clips what lies beyond."""
    if encoding == "s16le":
        samples = np.clip(np.rint(samples * 32768), -32768, 32767)
    return bytes(samples.astype(ENCODINGS[encoding]).tobytes())


def frames_binary(clip: FaceClip, seq: int) -> bytes:
    """The frames of a clip over ARKIT, 236 bytes each. seq: the number of its first frame in the session."""
    return packed(clip.weights, (still_head(len(clip)) if clip.head is None else clip.head)[:, 3:], seq, clip.fps)


def packed(weights: Array, turn: Array, seq: int, fps: float) -> bytes:
    """What `frames_binary` gives, of (n, 52) weights over ARKIT and (n, 4) or (4,) quaternions w, i, j, k."""
    table = np.empty(len(weights), FRAME)
    table["seq"] = range(seq, seq + len(weights))
    table["t"] = [frame_time_s(k, fps) for k in range(seq, seq + len(weights))]
    table["weights"] = weights
    table["head"] = turn
    return table.tobytes()


def frames_text(clip: FaceClip, seq: int) -> str:
    """The frames of a clip over ARKIT as one message of JSON; numbers have up to 5 decimals."""
    return (b'{"type":"frames","frames":[' + b",".join(frame_rows(clip, seq)) + b"]}").decode()


def frame_rows(clip: FaceClip, seq: int) -> list[bytes]:
    """Each frame of a clip as a JSON object: seq, t, weights, and what there is of head, emotion and "seen":false."""
    parts = [(b',"weights":[', number_rows(clip.weights, PLACES))]
    parts += [] if clip.head is None else [(b',"head":[', number_rows(clip.head, PLACES))]
    parts += [] if clip.emotion is None else [(b',"emotion":[', number_rows(clip.emotion, PLACES))]
    rows = []
    for k, (time_s, seen) in enumerate(zip(_times(clip, seq), clip.seen.tolist(), strict=True)):
        values = b"".join(before + numbers[k] + b"]" for before, numbers in parts)
        rows.append(b'{"seq":%d,"t":%.6f%b%b}' % (seq + k, time_s, values, b"" if seen else b',"seen":false'))
    return rows


def _times(clip: FaceClip, seq: int) -> list[float]:
    return [frame_time_s(k, clip.fps) for k in range(seq, seq + len(clip))]


def frames_of_binary(data: bytes) -> tuple[LiveFrame, ...]:
    """The frames of a binary message; their heads have the position 0.

    Raises: PacketError: no whole number of frames, or a number that is not finite.
    """
    if len(data) % FRAME.itemsize:
        raise PacketError(f"{len(data)} bytes are no whole number of frames of {FRAME.itemsize}.")
    return tuple(
        _frame(int(seq), float(t), weights.astype(np.float32), np.concatenate([np.zeros(3, np.float32), head]))
        for seq, t, weights, head in np.frombuffer(data, FRAME)
    )


def _frames(found: dict[str, Any]) -> Frames:
    rows = found.get("frames")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PacketError("a message of frames must hold a list of objects.")
    return Frames(tuple(_frame_of(row) for row in rows))


def _frame_of(row: dict[str, Any]) -> LiveFrame:
    if not _whole(row.get("seq")) or not _number(row.get("t")):
        raise PacketError('a frame needs a whole "seq" and a "t" in seconds.')
    try:
        with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as such
            parts = [np.array(row[name], np.float32) if name in row else None for name in ("head", "emotion")]
            weights = np.array(row["weights"], np.float32)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise PacketError(f"frame {row['seq']} lacks weights, or has a value that is no number.") from error
    return _frame(row["seq"], row["t"], weights, *parts, row.get("seen") is not False)


def _frame(seq: int, time_s: float, weights: Array, *parts: Any) -> LiveFrame:
    try:
        return LiveFrame(seq, time_s, weights, *parts)
    except VoxfaceError as error:
        raise PacketError(f"frame {seq}: {error.message}") from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _check(fits: bool, needed: str) -> None:
    if not fits:
        raise HelloError(f"hello: {needed}.")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _text(value: object) -> bool:
    return isinstance(value, str)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _names(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


_FITS: dict[str, Callable[[object], bool]] = {
    "session": _text, "fps": _number, "latency_ms": _number, "head": _flag, "emotion": _flag, "names": _names,
    "version": _whole, "seq": _whole, "t": _number, "resumes_s": _number, "frames": _whole, "heard_s": _number,
    "dropped": _whole, "code": _text, "message": _text, "hint": _text,
}  # fmt: skip
"""What the fields of a server's messages must hold."""
