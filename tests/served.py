"""Running `voxface serve`: on a thread with limits of our own, or as a process; and plain sessions with it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import socket as Socket
from typing import Any

import numpy as np
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.viewers import ask
from tests.waiting import wait_for
from voxface.live.frame import LiveFrame
from voxface.live.wire import Done, End, Hello, Message, Ready, frames_of_binary, parse, sample_bytes, text_of
from voxface.server.app import build_app
from voxface.server.hall import Hall
from voxface.server.listen import open_socket, server_of
from voxface.server.settings import Settings

PATIENCE = 60.0  # seconds: what takes longer is broken
RATE = 16_000
PROGRAM = [sys.executable, "-m", "voxface.cli.main", "serve", "--port", "0"]


@contextmanager
def serving(worker: Any = None, tell: Callable[[str], None] = lambda line: None, **limits: Any) -> Iterator[int]:
    """The port of a server on a thread, ready. tell: hears its log. worker: in place of NeuroSync's model."""
    settings = Settings(port=0, **{"linger_s": 0.05, "bundles": (), **limits})
    wire = open_socket(settings.host, 0)
    hall = Hall(settings, tell)
    with running(server_of(build_app(hall, worker), hall), wire) as port:
        yield port


@contextmanager
def running(server: uvicorn.Server, wire: Socket) -> Iterator[int]:
    """The port of a server that listens on a thread, ready; at the end it must have ended, too."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": [wire]})
    thread.start()
    try:
        yield until_ready(wire.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        wire.close()
    assert not thread.is_alive()


def tone(hertz: float, seconds: float = 0.7) -> np.ndarray:
    """A tone with overtones at RATE that comes and goes, so that its face moves."""
    t = np.arange(int(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * hertz * k * t) / k for k in range(1, 6))
    return (0.2 * voice * np.sin(2 * np.pi * 1.5 * t) ** 2).astype(np.float32)


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`voxface serve` as a process, and its port."""
    command = [*PROGRAM, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
            assert found, process.communicate(timeout=PATIENCE)[1]
            yield process, until_ready(int(found[1]))
        finally:
            process.kill()
            process.communicate()


def until_ready(port: int) -> int:
    wait_for(lambda: ask(port, "/readyz").status == 200, PATIENCE)
    return port


@dataclass
class Heard:
    """What a session got: its frames in order, other messages, the close code."""

    frames: list[LiveFrame] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    code: int = 0

    @property
    def weights(self) -> np.ndarray:
        return np.array([frame.weights for frame in self.frames])

    @property
    def done(self) -> Done:
        (done,) = [message for message in self.messages if isinstance(message, Done)]
        return done


@contextmanager
def session(port: int, hello: Hello | None = None, **headers: str) -> Iterator[ClientConnection]:
    """An open WebSocket; with a hello, after its answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with connect(f"ws://127.0.0.1:{port}/v1/stream", additional_headers=named, open_timeout=PATIENCE) as socket:
        if hello:
            socket.send(text_of(hello))
            assert isinstance(parse(str(socket.recv(PATIENCE))), Ready)
        yield socket


def listen(socket: ClientConnection) -> Heard:
    """Everything until the server closes."""
    heard = Heard()
    while True:
        try:
            take(heard, socket.recv(PATIENCE))
        except ConnectionClosed as closed:
            heard.code = closed.rcvd.code if closed.rcvd else 1006
            return heard


def take(heard: Heard, data: str | bytes) -> None:
    if isinstance(data, bytes):
        heard.frames += frames_of_binary(data)
    else:
        message = parse(data)
        heard.frames += getattr(message, "frames", ()) if message.kind == "frames" else ()
        heard.messages.append(message)


def say(port: int, sound: np.ndarray, hello: Hello, packet: int = 1600) -> Heard:
    """A whole session: all of the sound in packets, the end, what came."""
    with session(port, hello) as socket:
        for at in range(0, len(sound), packet):
            socket.send(sample_bytes(sound[at : at + packet], hello.encoding))
        socket.send(text_of(End()))
        return listen(socket)
