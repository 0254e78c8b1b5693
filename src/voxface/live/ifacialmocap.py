"""iFacialMocap: text over UDP, as the iPhone app of that name sends it (formats.md §13).

    eyeBlink_L&12|...|=head#pitch,yaw,roll,x,y,z|rightEye#pitch,yaw,roll|leftEye#pitch,yaw,roll|

Weights are whole hundredths, angles degrees, places metres. That is version 2; version 1 writes `eyeBlink_L-12`. A
program asks the app for frames with a line of text to port 49983 and gets them at its own port 49983.
"""

from __future__ import annotations

import ipaddress
import math
import re
import time
from dataclasses import dataclass

import numpy as np

from voxface.errors import PacketError
from voxface.export.livelink_csv import eye_angles
from voxface.face.axes import euler_angles
from voxface.face.rig import ARKIT, LIVELINK_CSV, canonical_name, columns
from voxface.live.frame import LiveFrame
from voxface.live.sending import Clock
from voxface.live.udp import SteadyOutput, bind
from voxface.stream import Array

PORT = 49983
HELLO = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719"
"""What a program sends to ask for frames, with `|sendDataVersion=v2` behind it for version 2."""

_TO_CSV = columns(ARKIT, LIVELINK_CSV, "iFacialMocap")
_WHOLE_NAMES = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
_BETWEEN = {1: "-", 2: "&"}
_WEIGHT = re.compile(r"([A-Za-z_]{1,40})(?:&(-?\d{1,4}(?:\.\d{1,9})?)|-(\d{1,4}))")
_MOST_PARTS, _MOST_CLIENTS = 128, 16


def app_name(channel: str) -> str:
    """The app's spelling: `eyeBlinkLeft` is `eyeBlink_L`, but `jawLeft` stays."""
    if channel in _WHOLE_NAMES:
        return channel
    return re.sub("(Left|Right)$", lambda side: f"_{side[0][0]}", channel)


_NAMES = tuple(app_name(name) for name in ARKIT)


def encode(frame: LiveFrame, version: int = 2) -> bytes:
    """The text of a frame.

    Pitch is positive down and yaw positive to the subject's left: in the example on the app's page the eyes turn that
    way by its eyeLook weights. The sign of the roll is ours and not verified.
    """
    weights = np.rint(frame.rig_weights() * 100).astype(int).tolist()
    parts = [f"{name}{_BETWEEN[version]}{weight}" for name, weight in zip(_NAMES, weights, strict=True)]
    yaw, pitch, roll = (0.0, 0.0, 0.0) if frame.head is None else np.degrees(euler_angles(frame.head[3:]))
    place = np.zeros(3) if frame.head is None else frame.head[:3]
    parts.append(f"=head#{_numbers((pitch, yaw, roll, *place))}")
    left, right = np.degrees(eye_angles(frame.weights[None, _TO_CSV])[0]).reshape(2, 3)
    parts += [f"{eye}Eye#{_numbers((at[1], -at[0], at[2]))}" for eye, at in (("right", right), ("left", left))]
    return ("|".join(parts) + "|").encode()


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(f"{value + 0.0:.4f}" for value in values)


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """What a datagram says.

    weights:  (52,) float32 over ARKIT
    head:     pitch, yaw, roll in degrees, then x, y, z in metres
    left_eye, right_eye: pitch, yaw, roll in degrees
    """

    weights: Array
    head: tuple[float, ...]
    left_eye: tuple[float, ...]
    right_eye: tuple[float, ...]

    def __str__(self) -> str:
        return f"jawOpen {self.weights[ARKIT.index('jawOpen')]:.2f}, head {self.head}"


def decode(data: bytes) -> Packet:
    """Read a datagram of version 1 or 2; names that are not known are ignored.

    Raises: PacketError: it is no text, a part has no number where one belongs, or head and eyes are not whole.
    """
    try:
        parts = [part.strip() for part in data.decode("ascii").split("|") if part.strip()]
    except UnicodeDecodeError as error:
        raise PacketError("an iFacialMocap packet that is no text.") from error
    if not 0 < len(parts) <= _MOST_PARTS:
        raise PacketError(f"an iFacialMocap packet of {len(parts)} parts.")
    weights, poses = (
        np.zeros(len(ARKIT), np.float32),
        {"=head": (0.0,) * 6, "leftEye": (0.0,) * 3, "rightEye": (0.0,) * 3},
    )
    for part in parts:
        name, mark, numbers = part.partition("#")
        if mark:
            if name in poses:
                poses[name] = _pose(numbers, len(poses[name]))
            continue
        found = _WEIGHT.fullmatch(part)
        if not found:
            raise PacketError(f"an iFacialMocap packet with the part {part[:40]!r}.")
        channel = canonical_name(found[1])
        if channel in ARKIT:
            weights[ARKIT.index(channel)] = float(found[2] or found[3]) / 100
    return Packet(weights, poses["=head"], poses["leftEye"], poses["rightEye"])


def _pose(text: str, count: int) -> tuple[float, ...]:
    try:
        values = tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise PacketError(f"an iFacialMocap pose of {text[:40]!r}.") from error
    if len(values) != count or not all(map(math.isfinite, values)):
        raise PacketError(f"an iFacialMocap pose of {len(values)} numbers; {count} finite ones were needed.")
    return values


class IFacialMocap:
    """Frames into datagrams of version 2, for a program that takes them unasked."""

    def packets(self, frame: LiveFrame) -> list[bytes]:
        return [encode(frame)]

    idle = packets

    def farewell(self) -> list[bytes]:
        """None: the app has no last word."""
        return []


class IFacialMocapServer(SteadyOutput):
    """Plays the app: waits for programs to ask for frames, and sends them to every one that did.

    Answers go to port 49983 of who asked, as the app's do; to a program on this very machine, where that port is ours,
    they go to the port it asked from.
    """

    def __init__(self, name: str, port: int = PORT, clock: Clock = time.monotonic) -> None:
        super().__init__(name, clock)
        self._socket = bind("0.0.0.0", port, name)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._clients: dict[tuple[str, int], int] = {}

    def close(self) -> None:
        self._socket.close()

    def _show(self, frame: LiveFrame, *, idle: bool = False) -> bool:
        self._hear()
        packets = {version: encode(frame, version) for version in set(self._clients.values())}
        arrived = True
        for client, version in self._clients.items():
            try:
                self._socket.sendto(packets[version], client)
            except OSError as error:
                self._trouble, arrived = f"{client[0]} cannot be reached ({error.strerror or error})", False
        return arrived

    def _hear(self) -> None:
        """Take note of who asked since the last frame; anything else that came is ignored."""
        for _ in range(_MOST_CLIENTS):
            try:
                said, (host, port) = self._socket.recvfrom(1024)
            except BlockingIOError:
                return
            except OSError:
                continue  # on some systems the refusal of an earlier packet is told here
            if said.startswith(HELLO) and len(self._clients) < _MOST_CLIENTS:
                here = ipaddress.ip_address(host).is_loopback
                self._clients[host, port if here else PORT] = 2 if b"sendDataVersion=v2" in said else 1
