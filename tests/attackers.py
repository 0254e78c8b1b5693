"""Clients without manners: WebSockets by hand, byte by byte, and what a server process holds while they are there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.served import PATIENCE, until_ready
from tests.waiting import wait_for

CONT, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
HELLO = b'{"type": "hello", "bundle": "live", "fps": 30, "lead_s": 60}'


@dataclass(frozen=True)
class Program:
    """A server in a process of its own, as it looks from outside."""

    process: subprocess.Popen[str]
    port: int
    log: IO[str]

    def mib(self) -> float:
        """What of its memory is in RAM."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)

    def files(self) -> list[str]:
        """What it has open."""
        folder, found = Path(f"/proc/{self.process.pid}/fd"), []
        for name in folder.iterdir():
            with suppress(FileNotFoundError):  # closed since
                found.append(os.readlink(name))
        return found

    def cpu_s(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def told(self) -> str:
        """Its log so far."""
        self.log.seek(0)
        return self.log.read()

    def waits(self, until: Callable[[], bool]) -> None:
        """What is closed takes a moment."""
        wait_for(until, PATIENCE, self.files)

    def end(self, by: signal.Signals) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(by)
        return self.process.wait(PATIENCE)


@contextmanager
def server_process(**limits: Any) -> Iterator[Program]:
    """tests/server_program.py with these limits, ready. Its log goes into a file: nobody needs to read it."""
    limits = {"bundles": ["live"], "calls_per_s": 0, "linger_s": 0.05} | limits
    command = [sys.executable, "-m", "tests.server_program", json.dumps(limits)]
    with (
        tempfile.NamedTemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout
            found = re.search(r"http://\S+:(\d+)", process.stdout.readline())
            assert found
            yield Program(process, until_ready(int(found[1])), log)
        finally:
            process.kill()
            process.communicate()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def rest(wire: socket.socket) -> bytes:
    """All that comes until the other side closes, however it does."""
    parts = []
    try:
        while part := wire.recv(1 << 16):
            parts.append(part)
    except ConnectionError:  # closed with bytes of ours unread
        pass
    return b"".join(parts)


def upgraded(port: int, extra: str = "", path: str = "/v1/stream") -> socket.socket:
    """A WebSocket by hand, its handshake answered with 101."""
    wire = connected(port)
    wire.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}{extra}\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        part = wire.recv(1)
        assert part, head
        head += part
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert b"Sec-WebSocket-Extensions" not in head  # nothing is packed, so nothing can be a bomb
    return wire


def frame(opcode: int, data: bytes, *, first: int = 0x80, masked: bool = True, length: int | None = None) -> bytes:
    """A client's frame. first: FIN and reserved bits. length: what the head says, if it lies."""
    size, mask = len(data) if length is None else length, 0x80 if masked else 0
    if size < 126:
        head = bytes([first | opcode, mask | size])
    elif size < 1 << 16:
        head = bytes([first | opcode, mask | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first | opcode, mask | 127]) + size.to_bytes(8, "big")
    return head + (bytes(4) if masked else b"") + data  # a mask of zeros changes nothing


def messages(wire: socket.socket) -> Iterator[tuple[int, bytes]]:
    """(opcode, payload) of what the server sends until it closes; its close is answered, as clients do."""
    with wire, wire.makefile("rb") as file, suppress(ConnectionError):  # closed with bytes of ours unread
        while len(head := file.read(2)) == 2:
            wide = {126: 2, 127: 8}.get(head[1], 0)
            size = int.from_bytes(file.read(wide), "big") if wide else head[1]
            data = file.read(size)
            yield head[0] & 15, data
            if head[0] & 15 == CLOSE:
                wire.sendall(frame(CLOSE, data[:2]))


def verdict(wire: socket.socket) -> tuple[int, str]:
    """How the server ends a session: its close code (1006: without one), and the code of the error before it."""
    code, error = 1006, ""
    for opcode, data in messages(wire):
        if opcode == CLOSE:
            code = int.from_bytes(data[:2], "big")
        elif opcode == TEXT and (told := json.loads(data))["type"] == "error":
            error = told["code"]
            assert told["message"]
    return code, error
