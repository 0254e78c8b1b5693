"""Sessions of `voxface serve` in a process of its own: what callers get, many at once, and what ends a session."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.served import PATIENCE, RATE, listen, say, served, serving, session, tone
from tests.viewers import ask, raw
from tests.waiting import wait_for
from voxface.live.wire import End, Hello, Interrupt, Interrupted, Problem, Ready, parse, sample_bytes, text_of
from voxface.runtime.animate import animate
from voxface.server.bucket import Bucket, Callers, network_of

AT_ONCE = Hello(fps=30, bundle="live", lead_s=60.0)


@pytest.fixture(scope="module")
def program() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program as its users start it, and its port; at the end SIGTERM ends it, and all was well."""
    with served("--sessions", "24") as (process, port):
        yield process, port
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        assert "Traceback" not in said
        assert "bug" not in said


@pytest.fixture
def port(program: tuple[subprocess.Popen[str], int]) -> int:
    return program[1]


def test_a_session_gives_the_frames_of_its_sound(port: int) -> None:
    """Numbered from 0 on the audio clock, the values of the library, then a face that comes to rest; done; 1000."""
    sound = tone(150, 1.0)
    heard = say(port, sound, AT_ONCE, packet=333)
    assert [frame.seq for frame in heard.frames] == list(range(36))
    assert [frame.time_s for frame in heard.frames] == [k / 30 for k in range(36)]
    expected = animate(np.round(sound * 32768).astype(np.int16), RATE, fps=30, bundle="live")
    np.testing.assert_allclose(heard.weights[:30], expected.weights, atol=1e-4)
    assert heard.frames[5].head is not None
    np.testing.assert_allclose(heard.frames[5].head[3:], expected.head[5, 3:], atol=1e-4)
    assert (heard.done.frames, heard.done.heard_s, heard.done.dropped, heard.code) == (36, 1.0, 0, 1000)


def test_json_says_the_same(port: int) -> None:
    """A client of JSON gets what a client of bytes gets, and emotions."""
    hello = Hello(encoding="f32le", format="json", fps=25, bundle="live", lead_s=60.0)
    told = say(port, tone(180), hello)
    packed = say(port, tone(180), Hello(encoding="f32le", fps=25, bundle="live", lead_s=60.0))
    np.testing.assert_allclose(told.weights, packed.weights, atol=1e-5)
    assert all(frame.emotion is not None for frame in told.frames)


def test_twenty_sessions_at_once_do_not_mix(port: int) -> None:
    """Every one of twenty clients with tones of their own gets the face of its tone, and no other's."""
    tones = [tone(100 * 1.12**step) for step in range(20)]
    with ThreadPoolExecutor(20) as callers:
        found = list(callers.map(lambda sound: say(port, sound, AT_ONCE), tones))
    alone = [animate(np.round(sound * 32768).astype(np.int16), RATE, fps=30, bundle="live").weights for sound in tones]
    for one, expected in zip(found, alone, strict=True):
        np.testing.assert_allclose(one.weights[: len(expected)], expected, atol=1e-4)
    gaps = [np.abs(alone[a] - alone[b]).max() for a in range(20) for b in range(a)]
    assert min(gaps) > 1e-3  # or the comparison above would say nothing


def test_an_interrupt_is_answered_and_the_session_goes_on(port: int) -> None:
    """Of five seconds that wait, what is ahead of real time is forgotten; what follows is heard as by a new session."""
    with session(port, Hello(fps=30, bundle="live", lead_s=0.2, idle=False)) as line:
        line.send(sample_bytes(tone(150, 5.0), "s16le"))
        first = line.recv(PATIENCE)
        line.send(text_of(Interrupt()))
        line.send(sample_bytes(tone(200, 0.3), "s16le"))
        line.send(text_of(End()))
        heard = listen(line)
    assert isinstance(first, bytes)
    (told,) = [message for message in heard.messages if isinstance(message, Interrupted)]
    seqs = [frame.seq for frame in heard.frames]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    rest = heard.frames[seqs.index(told.seq) + 2]  # 3 frames are within 120 ms
    assert np.abs(rest.weights).max() < 0.05
    assert told.t == told.seq / 30
    assert heard.done.frames < 60
    assert heard.code == 1000


def test_a_caller_who_is_far_ahead_is_left_unread(port: int) -> None:
    """Ten minutes of sound at once: about ten seconds are taken, and others are served meanwhile."""
    before = read_bytes(port)
    with session(port, Hello(rate_hz=4000, fps=30, bundle="live")) as line, ThreadPoolExecutor(1) as talker:
        sending = talker.submit(lambda: [line.send(bytes(8000)) for _ in range(600)])
        wait_for(lambda: read_bytes(port) - before >= 80_000)
        own = tone(150)
        assert say(port, own, AT_ONCE).code == 1000
        assert read_bytes(port) - before - 2 * len(own) < 120_000
        line.close_socket()
        with pytest.raises(ConnectionClosed):
            sending.result(PATIENCE)


def read_bytes(port: int) -> float:
    """How much sound the server has read, by its own numbers."""
    (line,) = re.findall(rb"^voxface_sound_bytes_total (\S+)$", ask(port, "/metrics").body, re.MULTILINE)
    return float(line)


BAD: dict[str, tuple[list[str | bytes], int, str]] = {
    "sound before the hello": ([b"12"], 1003, "E-ORDER"),
    "another message before the hello": ([text_of(End())], 1003, "E-ORDER"),
    "another version": (['{"type": "hello", "version": 2}'], 1008, "E-HELLO"),
    "an unknown bundle": (['{"type": "hello", "bundle": "../live"}'], 1008, "E-HELLO"),
    "no JSON": (["hello"], 1007, "E-PACKET"),
    "half a sample": ([text_of(Hello()), b"123"], 1007, "E-PACKET"),
    "text in place of sound": ([text_of(Hello()), "x" * 100], 1007, "E-PACKET"),
    "two hellos": ([text_of(Hello()), text_of(Hello())], 1003, "E-ORDER"),
    "sound after the end": ([text_of(Hello(lead_s=0.1)), bytes(64_000), text_of(End()), b"12"], 1003, "E-ORDER"),
    "a long text": (["x" * 20_000], 1009, "E-LIMIT"),
    "a long message": ([text_of(Hello()), bytes(256 * 1024 + 2)], 1009, "E-LIMIT"),
    "a server's message": ([text_of(Hello()), '{"type": "done", "frames": 1, "heard_s": 1}'], 1003, "E-ORDER"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_understood_is_one_error_and_a_close(port: int, name: str) -> None:
    """A message of any wrong kind: what is wrong, in our words, and the code of the protocol."""
    said, code, problem = BAD[name]
    with session(port) as line:
        for message in said:
            line.send(message)
        heard = listen(line)
    (told,) = [message for message in heard.messages if isinstance(message, Problem)]
    assert (heard.code, told.code) == (code, problem)
    assert told.message


def test_who_may_not_come_in_is_told_by_http(port: int) -> None:
    """Pages of other sites, other names of this machine, other addresses: a status and a sentence, no WebSocket."""
    asks = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    for path, header, status, code in (
        ("/v1/stream", "Host: localhost\r\nOrigin: https://evil.example\r\n", 403, "E-ORIGIN"),
        ("/v1/stream", "Host: evil.example\r\n", 403, "E-HOST"),
        ("/v1/other", "Host: localhost\r\n", 404, "E-HTTP-NOT-FOUND"),
    ):
        answer = raw(port, f"GET {path} HTTP/1.1\r\n{header}{asks}Sec-WebSocket-Version: 13\r\n\r\n".encode())
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == code
    answer = raw(port, f"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n{asks}\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Sec-WebSocket-Version" in answer
    answer = raw(port, f"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nX: {'a' * 9000}\r\n{asks}\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_limits_of_time_and_number() -> None:
    """One session too many, no hello, silence, no token, too many calls: each its own error."""
    lines: list[str] = []
    limits = {"bundles": ("live",), "sessions": 1, "hello_s": 0.2, "idle_s": 0.3, "token": "s3cret", "calls_per_s": 1.0}
    with serving(None, lines.append, **limits, calls_at_once=5.0) as port:
        with session(port) as late:
            with pytest.raises(InvalidStatus) as full, session(port):
                pass
            assert full.value.response.status_code == 503
            assert full.value.response.headers["Retry-After"] == "2"
            heard = listen(late)
        assert (heard.code, "hello" in str(heard.messages[0])) == (1008, True)
        with pytest.raises(InvalidStatus) as wrong, session(port, Authorization="Bearer s3cre"):
            pass
        assert wrong.value.response.status_code == 401
        with session(port) as line:
            line.send(text_of(Hello(bundle="live", token="s3cres")))
            heard = listen(line)
        assert (heard.code, heard.messages[0].kind) == (1008, "error")
        with session(port, Hello(bundle="live", token="s3cret")) as silent:
            heard = listen(silent)
        assert (heard.code, "0.3 s" in str(heard.messages[0])) == (1008, True)
        with session(port, Hello(bundle="live"), API_Key="s3cret"):
            pass
        with pytest.raises(InvalidStatus) as often:
            knock_until_refused(port)
        assert often.value.response.status_code == 429
        assert int(often.value.response.headers["Retry-After"]) >= 1
        assert ask(port, "/healthz").status == 200
    assert not any("s3cre" in line for line in lines)


def knock_until_refused(port: int) -> None:
    while True:
        with session(port):
            pass


def test_a_client_that_does_not_read_loses_the_oldest_frames() -> None:
    """Frames that nobody takes are dropped and counted, and the session ends; memory does not grow with them."""
    lines: list[str] = []
    with serving(None, lines.append, bundles=("live",), behind_s=0.1, stuck_s=0.6) as port, socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.connect(("127.0.0.1", port))
        with connect(f"ws://127.0.0.1:{port}/v1/stream", sock=wire, max_queue=1) as deaf:
            deaf.send(text_of(Hello(rate_hz=4000, fps=240, format="json", bundle="live", lead_s=60.0)))
            for _ in range(8):
                deaf.send(bytes(8000))
            ended = wait_for(lambda: [line for line in lines if line.startswith("session")])
            deaf.close_socket()
    assert ended[0].endswith("closed with 1008")
    assert " 0 dropped" not in ended[0]


def test_buckets_fill_with_time() -> None:
    """What may come at once, how long to wait for more, and one bucket per caller, or per network with IPv6."""
    bucket = Bucket(rate=2, size=4, now=0)
    assert [bucket.take(2, 0), bucket.take(2, 0), bucket.take(1, 0)] == [0, 0, 0.5]
    assert bucket.left(100) == 4
    callers = Callers(rate=1, size=2)
    assert [callers.wait_s("a", 0), callers.wait_s("a", 0), callers.wait_s("b", 0)] == [0, 0, 0]
    assert callers.wait_s("a", 0.5) == 0.5
    assert callers.wait_s("a", 1) == 0
    assert Callers(rate=0, size=0).wait_s("a", 0) == 0
    assert network_of("2001:db8::1%eth0") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("10.0.0.1") == "10.0.0.1"


def test_ready_says_what_frames_hold(port: int) -> None:
    """The answer to a hello names the channels, the delay, and what frames carry."""
    with session(port) as line:
        line.send(text_of(Hello(bundle="live", idle=False)))
        ready = parse(str(line.recv(PATIENCE)))
    assert isinstance(ready, Ready)
    assert (len(ready.names), ready.fps, ready.emotion) == (52, 60, True)
    assert 0 < ready.latency_ms < 200


def test_told_to_end_sessions_are_told_first(program: tuple[subprocess.Popen[str], int]) -> None:
    """SIGTERM: not ready, nobody comes in, then who is inside is told and closed with 1012, and the program ends. (The
    last test of this file: the program is gone.)"""
    process, port = program
    with session(port, Hello(bundle="live")) as line:
        process.send_signal(signal.SIGTERM)
        ready = wait_for(lambda: (reply := ask(port, "/readyz")).status != 200 and reply)
        assert ready.body == b"draining"
        with pytest.raises(InvalidStatus) as refused, session(port):
            pass
        assert refused.value.response.status_code == 503
        heard = listen(line)
    assert (heard.code, heard.messages[0].kind) == (1012, "error")
    assert process.wait(PATIENCE) == 0
