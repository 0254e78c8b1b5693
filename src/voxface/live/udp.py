"""Datagrams: an encoder's packets to one receiver, and a receiver of our own that survives anything."""

from __future__ import annotations

import contextlib
import math
import socket
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from voxface.errors import OutputError, PacketError
from voxface.live.frame import LiveFrame, resting_frame
from voxface.live.sending import Clock, Output

KEEP_ALIVE_S = 1.0
_REFUSED = "nobody listens there"

Value = TypeVar("Value")


class Encoder(Protocol):
    """A protocol on datagrams."""

    def packets(self, frame: LiveFrame) -> list[bytes]:
        """The datagrams of a frame; all of the face, so that a receiver may join at any time."""

    def idle(self, frame: LiveFrame) -> list[bytes]:
        """The datagrams of a face at rest that is shown while no frames come."""

    def farewell(self) -> list[bytes]:
        """The last datagrams."""


class Address(NamedTuple):
    """A resolved address: what socket.socket and its connect want."""

    family: int
    where: tuple[Any, ...]


def resolve(host: str, port: int, name: str) -> Address:
    """Look a host up. Raises: OutputError: there is no such host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        text = f"{name}: no machine is known by the name {host!r} ({error})."
        raise OutputError(
            text, hint="Check the spelling, or write its number, as 192.168.0.20.", source=name
        ) from error
    family, _, _, _, where = next((one for one in found if one[0] == socket.AF_INET), found[0])
    return Address(family, where)


def bind(host: str, port: int, name: str) -> socket.socket:
    """A socket that listens there. Raises: OutputError: the port is in use, or not ours to take."""
    address = resolve(host, port, name)
    listening = socket.socket(address.family, socket.SOCK_DGRAM)
    try:
        listening.bind(address.where)
    except OSError as error:
        listening.close()
        text = f"{name}: cannot listen at {host}:{port}: {error.strerror}."
        raise OutputError(text, hint="Is another program listening there? Take another port.", source=name) from error
    return listening


class SteadyOutput(Output):
    """Shows a face at rest once per second while no frames come, so that the receiver knows that we are there."""

    def __init__(self, name: str, clock: Clock = time.monotonic) -> None:
        super().__init__(name, clock)
        self._last, self._quiet_since_s = resting_frame(), -math.inf

    @abstractmethod
    def _show(self, frame: LiveFrame, *, idle: bool = False) -> bool:
        """Send a frame, or a face at rest between frames; False: it is known to be lost, and `_trouble` says why."""

    def send(self, frame: LiveFrame) -> None:
        self._last, self._quiet_since_s = frame, self._clock()
        if self._show(frame):
            self.sent += 1
        else:
            self._lost(self._trouble)
        self._tell()

    def keep_alive(self, now_s: float) -> None:
        if now_s - self._quiet_since_s >= KEEP_ALIVE_S:
            self._quiet_since_s = now_s
            self._show(self._last.at_rest(), idle=True)
        self._tell()

    def rest(self) -> None:
        self._show(self._last.at_rest())


class UdpOutput(SteadyOutput):
    """An encoder's datagrams to one address.

    Nothing here waits: the socket does not block, and the address was resolved before. A refusal (ICMP) concerns an
    earlier packet; the frame that hears of it goes out all the same and counts as lost. After any other error the next
    packet gets a new socket, because the network may have changed.
    """

    def __init__(self, name: str, address: Address, encoder: Encoder, clock: Clock = time.monotonic) -> None:
        super().__init__(name, clock)
        self._address, self._encoder = address, encoder
        self._socket: socket.socket | None = None

    def rest(self) -> None:
        super().rest()
        self._deliver(self._encoder.farewell())

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None

    def _show(self, frame: LiveFrame, *, idle: bool = False) -> bool:
        return self._deliver(self._encoder.idle(frame) if idle else self._encoder.packets(frame))

    def _deliver(self, packets: list[bytes]) -> bool:
        """Send datagrams; False: some are known to be lost, and the trouble is noted."""
        arrived = True
        try:
            for packet in packets:
                arrived &= self._put(packet)
        except BlockingIOError:
            self._trouble, arrived = "the network takes no more", False
        except OSError as error:
            self.close()
            self._trouble, arrived = f"the network refuses ({error.strerror or error})", False
        return arrived

    def _put(self, packet: bytes) -> bool:
        if self._socket is None:
            self._socket = socket.socket(self._address.family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self._socket.connect(self._address.where)
        try:
            self._socket.send(packet)
        except ConnectionRefusedError:
            self._trouble = _REFUSED
            with contextlib.suppress(ConnectionRefusedError):
                self._socket.send(packet)
            return False
        return True


class Receiver(Generic[Value]):
    """Listens for datagrams of one protocol. What cannot be decoded is ignored and counted.

    Args:
        decode: bytes -> value; raises PacketError.
        host, port: where to listen; port 0 takes a free one.
    Raises: OutputError: the port is in use, or not ours to take.
    """

    def __init__(self, decode: Callable[[bytes], Value], host: str = "127.0.0.1", port: int = 0) -> None:
        self._decode, self.ignored, self.last_ignored = decode, 0, ""
        self._socket = bind(host, port, f"{host}:{port}")
        self.port: int = self._socket.getsockname()[1]

    def receive(self, timeout_s: float) -> Value | None:
        """The next whole packet, or None after the timeout without one."""
        until_s = time.monotonic() + timeout_s
        while (left_s := until_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            try:
                return self._decode(self._socket.recv(65536))
            except TimeoutError:
                return None
            except PacketError as error:
                self.ignored += 1
                self.last_ignored = error.message
        return None

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Receiver[Value]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
