"""Honest callers of a server in a process of its own while others do their worst; and what is left afterwards."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from websockets.exceptions import InvalidStatus

from tests.attackers import (
    BINARY,
    CONT,
    HELLO,
    PING,
    TEXT,
    Program,
    connected,
    frame,
    rest,
    server_process,
    upgraded,
)  # fmt: skip
from tests.conftest import SAMPLE
from tests.served import PATIENCE, RATE, say, session, tone
from tests.viewers import ask
from voxface.bundle import load_bundle
from voxface.errors import VoxfaceError
from voxface.live.wire import Hello
from voxface.runtime.animate import animate
from voxface.server.listen import address_of, open_socket

AT_ONCE = Hello(fps=30, bundle="live", lead_s=60.0)
CALLERS, PLACES = 20, 40


TONES = [tone(100 * 1.12**step) for step in range(CALLERS)]


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    """With room for the callers and as many attackers; one recording at a time."""
    with server_process(
        sessions=PLACES, connections=300, workers=1, header_s=5.0, stuck_s=0.5, behind_s=0.2, body_bytes=1 << 20
    ) as server:
        yield server
        assert server.end(signal.SIGTERM) == 0
        assert "Traceback" not in server.told()
        assert "bug" not in server.told()


@pytest.fixture(scope="module")
def alone() -> list[np.ndarray]:
    """The face of each tone, by the library."""
    heard = [np.round(sound * 32768).astype(np.int16) for sound in TONES]
    return [animate(sound, RATE, fps=30, bundle="live").weights for sound in heard]


# -- attackers: each goes on until it is told to stop, and begins again whenever it is thrown out ---------------------

Attack = Callable[[int, threading.Event], None]


def flooding(data: bytes, hello: bytes = HELLO, reads: bool = True) -> Attack:
    """Sends the same again and again, as fast as it is taken; its server's answers are read, or never."""

    def attack(port: int, stop: threading.Event) -> None:
        with upgraded(port) as wire:
            wire.settimeout(0.05)
            wire.sendall(frame(TEXT, hello))
            while not stop.is_set():
                with suppress(TimeoutError):
                    wire.sendall(data)
                with suppress(TimeoutError):
                    if reads and not wire.recv(1 << 16):
                        return

    return attack


def dying(port: int, stop: threading.Event) -> None:
    """Is gone in the middle of a message."""
    with upgraded(port) as wire:
        wire.sendall(frame(TEXT, HELLO) + frame(BINARY, bytes(6400)) + frame(BINARY, b"half of it", length=60_000))
    stop.wait(0.01)


def crumbs(port: int, stop: threading.Event) -> None:
    """A body in chunks of one byte, and gone before the answer."""
    with connected(port) as wire:
        head = b"POST /v1/animate?bundle=live HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        wire.sendall(head + b"1\r\na\r\n" * 20_000)
    stop.wait(0.01)


GREEDY = b'{"type": "hello", "bundle": "live", "fps": 240, "format": "json", "lead_s": 60, "rate_hz": 4000}'
ATTACKS: dict[str, Attack] = {
    "tiny messages": flooding(frame(BINARY, b"12") * 1000),
    "pings": flooding(frame(PING, bytes(125)) * 1000),
    "interrupts": flooding(frame(TEXT, b'{"type": "interrupt"}') * 500),
    "empty parts": flooding(frame(BINARY, b"", first=0) + frame(CONT, b"", first=0) * 1000),
    "much sound": flooding(frame(BINARY, bytes(200_000)) * 5),
    "never reads": flooding(frame(BINARY, bytes(64_000)), GREEDY, reads=False),
    "dies": dying,
    "crumbs": crumbs,
}


@contextmanager
def stormy(port: int) -> Iterator[None]:
    """All attackers at work."""
    stop = threading.Event()

    def again(attack: Attack) -> None:
        while not stop.is_set():
            with suppress(OSError):
                attack(port, stop)

    with ThreadPoolExecutor(len(ATTACKS)) as attackers:
        found = [attackers.submit(again, attack) for attack in ATTACKS.values()]
        try:
            yield
            assert not any(one.done() for one in found), "an attacker gave up"
        finally:
            stop.set()


# -- tests ------------------------------------------------------------------------------------------------------------


def everybody(port: int, alone: list[np.ndarray]) -> None:
    """Each of the callers gets the whole face of its own tone."""
    with ThreadPoolExecutor(CALLERS) as callers:
        found = list(callers.map(lambda sound: say(port, sound, AT_ONCE), TONES))
    for one, expected in zip(found, alone, strict=True):
        assert (one.code, one.done.dropped) == (1000, 0)
        assert [frame.seq for frame in one.frames] == list(range(len(expected) + 6))  # and 200 ms to come to rest
        np.testing.assert_allclose(one.weights[: len(expected)], expected, atol=1e-4)


def test_faces_do_not_mix_while_others_do_their_worst(server: Program, alone: list[np.ndarray]) -> None:
    """S7, S9, S13, S18: floods, a client that never reads, clients that die: callers get all of their own face, health
    is answered; afterwards no file is open that was not before, and memory is what it was."""
    everybody(server.port, alone)
    server.waits(lambda: open_sessions(server) == 0)
    files, mib = len(server.files()), server.mib()
    with stormy(server.port):
        everybody(server.port, alone)
        assert ask(server.port, "/healthz").body == b"OK"
        assert open_sessions(server) > 0
    server.waits(lambda: open_sessions(server) == 0 and len(server.files()) <= files)
    assert server.mib() < mib + 64
    gaps = [np.abs(alone[a] - alone[b]).max() for a in range(CALLERS) for b in range(a)]
    assert min(gaps) > 1e-3  # or the comparison would say nothing


def open_sessions(server: Program) -> int:
    text = ask(server.port, "/metrics").body.decode()
    return int(float(text.partition("\nvoxface_sessions_open ")[2].split()[0]))


def test_one_session_too_many(server: Program) -> None:
    """S10, S18: it gets a 503 with Retry-After; those that are in, and health, notice nothing."""
    with ExitStack() as stack:
        inside = [stack.enter_context(session(server.port, AT_ONCE)) for _ in range(PLACES)]
        with pytest.raises(InvalidStatus) as refused, session(server.port):
            pass
        assert refused.value.response.status_code == 503
        assert int(refused.value.response.headers["Retry-After"]) > 0
        assert ask(server.port, "/healthz").status == 200
        for socket in inside:
            socket.send(bytes(9600))
        assert all(isinstance(socket.recv(PATIENCE), bytes) for socket in inside)


def test_sockets_that_ask_for_nothing_make_room(server: Program) -> None:
    """S3: 500 of them, half in the middle of a head: the oldest are closed, and callers are answered meanwhile."""
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(server.port)) for _ in range(500)]
        for wire in silent[::2]:
            with suppress(OSError):
                wire.sendall(b"GET /healthz HTTP/1.1\r\nHo")
        assert ask(server.port, "/healthz").body == b"OK"
        assert rest(silent[0]) == b""
        server.waits(lambda: len(server.files()) < 330)
        silent[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert silent[-1].recv(15) == b"HTTP/1.1 200 OK"


def test_who_leaves_is_not_worked_for(server: Program) -> None:
    """S2: half an hour of sound, and its caller is gone: the only worker soon has time for the next one."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1799 * 8000, np.int16), 8000, format="FLAC")
    body, before = file.getvalue(), server.cpu_s()
    for part in (body, body[: len(body) // 2]):  # worked on, or still on its way
        with connected(server.port) as wire:
            head = f"POST /v1/animate?bundle=live HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            wire.sendall(head.encode() + part)
            wire.settimeout(0.2)
            with suppress(TimeoutError):  # it has begun to work
                wire.recv(1)
    assert ask(server.port, "/v1/animate?bundle=live", "POST", SAMPLE.read_bytes()).status == 200
    assert server.cpu_s() - before < 3.0  # all of it takes 14 s
    server.waits(lambda: not any("deleted" in name for name in server.files()))


def test_a_model_that_is_replaced_changes_nothing(tmp_path: Path) -> None:
    """S14: a server works on with what it opened, until SIGHUP ends it so that it can be started anew."""
    folder = tmp_path / "mine"
    shutil.copytree(load_bundle("live").folder, folder)
    with server_process(bundles=[str(folder)]) as server:
        hello = Hello(fps=30, bundle="live", lead_s=60.0)
        before = say(server.port, TONES[3], hello)
        for path in folder.iterdir():
            path.write_bytes(b"replaced under us")
        after = say(server.port, TONES[3], hello)
        np.testing.assert_array_equal(after.weights, before.weights)
        assert ask(server.port, "/v1/animate?bundle=live", "POST", SAMPLE.read_bytes()).status == 200
        assert server.end(signal.SIGHUP) == 0


FORBIDDEN = """
import os
from voxface.errors import VoxfaceError
from voxface.server.listen import open_socket
os.geteuid() or os.seteuid(65534)  # nobody
try:
    open_socket("127.0.0.1", 1)
except VoxfaceError as error:
    print(error.code, error.message)
"""


def test_ports_that_cannot_be_had() -> None:
    """S15: IPv6 works; a name without an address, and a port that needs rights, are one sentence."""
    with open_socket("::1", 0) as wire:
        assert address_of(wire).startswith("http://[::1]:")
    with pytest.raises(VoxfaceError, match=r"no\.such\.host"):
        open_socket("no.such.host.invalid", 0)
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 1:
        told = subprocess.run([sys.executable, "-c", FORBIDDEN], capture_output=True, text=True, check=True).stdout
        assert told.startswith("E-PORT port 1 of 127.0.0.1 cannot be used (--port): permission denied.")
