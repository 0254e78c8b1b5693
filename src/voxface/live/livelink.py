"""Live Link Face over UDP, as Epic's iPhone app sends it to Unreal Engine (formats.md §4).

One datagram per frame, big-endian: version 6, device id, subject name, frame time and rate, then 61 numbers in Unreal's
order; without the 61, no face was found. Angles are radians with the signs of the app's CSV.
"""

from __future__ import annotations

import math
import struct
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from voxface.errors import PacketError, UsageError
from voxface.export.livelink_csv import HEAD_SIGNS, eye_angles
from voxface.export.livelink_timecode import DAY_S
from voxface.face.axes import euler_angles
from voxface.face.rig import ARKIT, LIVELINK_61, LIVELINK_CSV, LIVELINK_UDP, columns
from voxface.live.frame import LiveFrame
from voxface.stream import Array
from voxface.timebase import exact_rate, likely_rate

VERSION = 6
_COUNT = len(LIVELINK_UDP)
_TO_CSV = columns(ARKIT, LIVELINK_CSV, "Live Link")
_TO_UDP = columns(LIVELINK_61, LIVELINK_UDP, "Live Link")
ANGLES = MappingProxyType({"rad": 1.0, "norm180": 1 / math.pi})
"""Units of head and eye angles: radians, as the app's CSV has them; or 1 for half a turn, as old engines did."""

_TIME = struct.Struct(">ifii")


@dataclass(frozen=True, slots=True)
class FrameTime:
    """Unreal's FFrameTime with its rate.

    frame:     whole frames since midnight, below 2^31
    sub_frame: the fraction of a frame behind them, 0 to below 1
    rate:      frames per second as a fraction: 60/1, 30000/1001
    """

    frame: int
    sub_frame: float
    rate: Fraction


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """What a datagram says; values: (61,) float32 over face.rig.LIVELINK_UDP, or None where no face was found."""

    device: str
    subject: str
    moment: FrameTime
    values: Array | None

    def __str__(self) -> str:
        face = "no face" if self.values is None else f"jawOpen {self.values[LIVELINK_UDP.index('jawOpen')]:.2f}"
        when = f"frame {self.moment.frame} + {self.moment.sub_frame:.3f} at {self.moment.rate} Hz"
        return f"{self.subject!r}, {when}, {face}"


def rate_of(fps: float) -> Fraction:
    """The exact rate that is meant: 60000/1001 by 59.94, 24000/1001 by 23.976, 60/1 by 60."""
    return exact_rate(likely_rate(fps))


def frame_time(time_s: Fraction | float, rate: Fraction) -> FrameTime:
    """A time of day as frames since midnight; it wraps at 24 hours, so 2^31 frames are never reached."""
    frame, rest = divmod(Fraction(time_s) % DAY_S * rate, 1)
    return FrameTime(frame, min(float(rest), 1 - 2**-24), rate)  # the nearest float32 must stay below 1


def encode(frame: LiveFrame, moment: FrameTime, device: str, subject: str, angles: str = "rad") -> bytes:
    """The datagram of one frame. Names are measured in bytes of UTF-8, not in letters. angles: a key of ANGLES."""
    names = b"".join(struct.pack(">i", len(name)) + name for name in (device.encode(), subject.encode()))
    when = _TIME.pack(moment.frame, moment.sub_frame, moment.rate.numerator, moment.rate.denominator)
    face = bytes([_COUNT]) + _values(frame, ANGLES[angles]).astype(">f4").tobytes() if frame.seen else b""
    return bytes([VERSION]) + names + when + face


def _values(frame: LiveFrame, unit: float) -> Array:
    """(61,): weights and angles, these times `unit`, in the order of the network."""
    values = np.zeros(_COUNT)
    values[: len(LIVELINK_CSV)] = frame.rig_weights()[_TO_CSV]
    if frame.head is not None:
        values[52:55] = euler_angles(frame.head[3:]) * HEAD_SIGNS
    values[55:] = eye_angles(values[None, :52])[0]
    values[52:] *= unit
    return values[_TO_UDP]


def decode(data: bytes) -> Packet:
    """Read one datagram. Raises: PacketError: it is no whole packet of version 6 with 61 finite numbers, or none."""
    try:
        if data[0] != VERSION:
            raise PacketError(f"Live Link packet of version {data[0]}; version {VERSION} was needed.")
        device, at = _name(data, 1)
        subject, at = _name(data, at)
        frame, sub_frame, over, under = _TIME.unpack_from(data, at)
    except (IndexError, struct.error) as error:
        raise PacketError(f"Live Link packet cut off after {len(data)} bytes.") from error
    if not 0 <= sub_frame < 1 or frame < 0 or over <= 0 or under <= 0:
        raise PacketError(f"Live Link packet of frame {frame} + {sub_frame} at {over}/{under} frames per second.")
    moment = FrameTime(frame, sub_frame, Fraction(over, under))
    return Packet(device, subject, moment, _face(data[at + _TIME.size :]))


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends."""
    (length,) = struct.unpack_from(">i", data, at)
    start, end = at + 4, at + 4 + length
    if not start <= end <= len(data):
        raise PacketError(f"Live Link packet of {len(data)} bytes with a name of {length} bytes.")
    try:
        return data[start:end].decode(), end
    except UnicodeDecodeError as error:
        raise PacketError("Live Link packet with a name that is no UTF-8.") from error


def _face(data: bytes) -> Array | None:
    if not data:
        return None
    if data[0] != _COUNT or len(data) != 1 + 4 * _COUNT:
        raise PacketError(f"Live Link packet with {data[0]} numbers in {len(data) - 1} bytes; {_COUNT} were needed.")
    values = np.frombuffer(data, ">f4", _COUNT, 1).astype(np.float32)
    if not np.isfinite(values).all():
        raise PacketError("Live Link packet with a number that is NaN or infinite.")
    return values


class LiveLink:
    """Frames into datagrams of one subject, on timecode.

    Timecode is the time of day: the audio clock's second 0 is tied to the wall clock once, by the first frame, and runs
    on with the frames from there.

    Args:
        fps: of the frames.
        subject: the name that Unreal lists.
        time_of_day_s: seconds since midnight when the first frame is sent; the local clock's by default.
        angles: a key of ANGLES.
    Raises: UsageError: the name is empty, or longer than 255 bytes; no such unit.
    """

    def __init__(
        self, fps: float, subject: str, time_of_day_s: Callable[[], float] | None = None, angles: str = "rad"
    ) -> None:
        if not 0 < len(subject.encode()) <= 255:
            raise UsageError("the subject of Live Link needs a name of 1 to 255 bytes.", source=subject)
        if angles not in ANGLES:
            raise UsageError(f"Live Link has no angles={angles!r}.", hint=f"Write one of {', '.join(ANGLES)}.")
        self.subject, self._angles, self.device = subject, angles, str(uuid.uuid4()).upper()
        self._fps, self._rate = exact_rate(fps), rate_of(fps)
        self._time_of_day_s = time_of_day_s or _local_time_of_day_s
        self._start_s: Fraction | None = None

    def packets(self, frame: LiveFrame) -> list[bytes]:
        """The one datagram of a frame."""
        if self._start_s is None:
            self._start_s = Fraction(self._time_of_day_s()) - frame.seq / self._fps
        return self.idle(frame)

    def idle(self, frame: LiveFrame) -> list[bytes]:
        """The one datagram that keeps the subject listed while no frames come: it ties no clock."""
        start_s = self._start_s
        time_s = Fraction(self._time_of_day_s()) if start_s is None else start_s + frame.seq / self._fps
        return [encode(frame, frame_time(time_s, self._rate), self.device, self.subject, self._angles)]

    def farewell(self) -> list[bytes]:
        """None: Unreal lists a subject as long as it hears of it."""
        return []


def _local_time_of_day_s() -> float:
    now = time.time()
    local = time.localtime(now)
    return local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec + now % 1
