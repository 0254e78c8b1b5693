"""Callers of `voxface serve` that cost next to nothing: one asyncio process, packets made beforehand, and of the frames
only number, time and arrival are looked at. Used by benchmarks/live_server.py."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voxface.live.wire import FRAME, PATH, sample_bytes
from voxface.stream import Array

TEXT, BINARY, CLOSE = 1, 2, 8
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_REQUEST = (
    f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
_NUMBER_AND_TIME = struct.Struct("<Id")


def packed(opcode: int, data: bytes) -> bytes:
    """A client's WebSocket frame below 64 KiB; its mask is zeros, which changes nothing."""
    size = len(data)
    head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else struct.pack(">BBH", 0x80 | opcode, 0xFE, size)
    return head + bytes(4) + data


@dataclass(frozen=True)
class Script:
    """What callers say. packets: of the sound, which is begun again at its end · period_s: of one packet"""

    packets: Sequence[bytes]
    period_s: float
    fps: float = 30.0
    bundle: str = "live"

    @classmethod
    def of(cls, samples: Array, rate_hz: int, packet_s: float, fps: float, bundle: str) -> Script:
        """(n,) samples, cut into packets of `packet_s` seconds."""
        size = round(packet_s * rate_hz)
        parts = [samples[at : at + size] for at in range(0, len(samples) - size, size)]
        return cls([packed(BINARY, sample_bytes(part, "s16le")) for part in parts], size / rate_hz, fps, bundle)

    @property
    def hello(self) -> bytes:
        return packed(TEXT, json.dumps({"type": "hello", "bundle": self.bundle, "fps": self.fps}).encode())


@dataclass
class Notes:
    """What all callers of one run have seen, in seconds of the loop's clock.

    since: arrivals before that do not count (the run is still beginning)
    late: of each frame after its declared time: what it shows, the declared latency, and the packet of its last sample
    first: from the first packet to the first frame · own: how late the callers themselves were to send
    lost: frames that were left out, or that a session which ended did not get
    """

    since: float = 0.0
    late: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    lost: int = 0
    ended: int = 0
    died: int = 0
    errors: list[str] = field(default_factory=list)

    def milliseconds(self, name: str) -> tuple[float, float, float]:
        """p50, p95, p99 of `late`, `first` or `own`."""
        values = getattr(self, name) or [math.nan]
        p50, p95, p99 = 1000 * np.percentile(values, [50, 95, 99])
        return float(p50), float(p95), float(p99)


class Caller(asyncio.Protocol):
    """One session: speaks for so long in real time, then ends politely, or is just gone."""

    def __init__(self, script: Script, notes: Notes, speaks_s: float, at: int = 0, dies: bool = False) -> None:
        self._script, self._notes, self._at, self._dies = script, notes, at, dies
        self._count = round(speaks_s / script.period_s)
        self._loop = asyncio.get_running_loop()
        self._sent = self._next = 0
        self._begin = self._latency_s = 0.0
        self._buffer, self._handlers = bytearray(), {TEXT: self._text, BINARY: self._frames}
        self._timer: asyncio.TimerHandle | None = None
        self._done: dict[str, Any] = {}
        self.over = self._loop.create_future()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._transport.write(_REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        if self._done:
            self._notes.ended += 1
            self._notes.lost += abs(self._expected() - self._next) + int(self._done["dropped"])
        elif self._dies:
            self._notes.died += 1
        else:
            self._notes.errors.append(str(exc or "closed by the server"))
        if not self.over.done():
            self.over.set_result(None)

    def hang_up(self) -> None:
        self._dies = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._latency_s and self._buffer[:5] == b"HTTP/":
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:20]:
                self._notes.errors.append(f"{head[9:12].decode()} {rest.decode()}")
            self._buffer = rest
            self._transport.write(self._script.hello)
        self._take()

    def _take(self) -> None:
        """Whole messages out of the buffer."""
        buffer, at = self._buffer, 0
        while len(buffer) >= at + 4:
            size, begin = buffer[at + 1], at + 2
            if size > 125:
                wide = 2 if size == 126 else 8
                size, begin = int.from_bytes(buffer[begin : begin + wide], "big"), begin + wide
            if len(buffer) < begin + size:
                break
            if handler := self._handlers.get(buffer[at] & 15):
                handler(memoryview(buffer)[begin : begin + size])
            at = begin + size
        self._buffer = buffer[at:]

    def _frames(self, data: memoryview) -> None:
        now = self._loop.time()
        if not self._next:
            self._notes.first.append(now - self._begin - self._script.period_s)
        for at in range(0, len(data), FRAME.itemsize):
            seq, time_s = _NUMBER_AND_TIME.unpack_from(data, at)
            self._notes.lost += abs(seq - self._next)
            self._next = seq + 1
            if now > self._notes.since and self._sent < self._count:  # what eases out is told at once
                self._notes.late.append(now - self._begin - time_s - self._latency_s - self._script.period_s)

    def _text(self, data: memoryview) -> None:
        message = json.loads(bytes(data))
        if message["type"] == "ready":
            self._latency_s = message["latency_ms"] / 1000
            self._begin = self._loop.time()
            self._timer = self._loop.call_at(self._begin + self._script.period_s, self._speak)
        elif message["type"] == "done":
            self._done = message
            self._transport.close()
        elif message["type"] == "error":
            self._notes.errors.append(message["code"])

    def _speak(self) -> None:
        """A packet has been spoken: send it."""
        script, now = self._script, self._loop.time()
        self._notes.own.append(now - self._begin - (self._sent + 1) * script.period_s)
        self._transport.write(script.packets[(self._at + self._sent) % len(script.packets)])
        self._sent += 1
        if self._sent < self._count:
            self._timer = self._loop.call_at(self._begin + (self._sent + 1) * script.period_s, self._speak)
        elif self._dies:
            self._transport.abort()
        else:
            self._transport.write(packed(TEXT, b'{"type": "end"}'))

    def _expected(self) -> int:
        """Frames of the sound, and those in which the face comes to rest."""
        seconds = self._sent * self._script.period_s
        return math.ceil(seconds * self._script.fps - 1e-9) + int(0.2 * self._script.fps)


class Health:
    """Asks /healthz ten times a second on one connection, and notes how long each answer took."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.took: deque[float] = deque()

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        loop = asyncio.get_running_loop()
        try:
            while True:
                begin = loop.time()
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert b" 200 " in head, head
                await reader.readexactly(2)  # OK
                self.took.append(loop.time() - begin)
                await asyncio.sleep(0.1)
        finally:
            writer.close()
