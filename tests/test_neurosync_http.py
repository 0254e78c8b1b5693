"""The server: the family's route as its clients use it, and everything that callers, lines and limits can do to it."""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.conftest import SAMPLE
from voxface.errors import PortError, UsageError, VoxfaceError
from voxface.neurosync import extract_audio_features, process_audio_features
from voxface.server.app import build_app
from voxface.server.listen import open_socket, server_of
from voxface.server.settings import Settings

ROUTE = "/audio_to_blendshapes"
PATIENCE = 60.0  # seconds: what takes longer is broken


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


def ask(port: int, body: bytes | None = b"", method: str = "POST", path: str = ROUTE, **headers: str) -> Reply:
    """One request; `X_Y="z"` is the header X-Y: z."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        return Reply(reply.status, dict(reply.getheaders()), reply.read())
    finally:
        connection.close()


def raw(port: int, request: bytes) -> bytes:
    """Send bytes as they are, read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as wire:
        wire.sendall(request)
        return b"".join(iter(lambda: wire.recv(1 << 16), b""))


def tone(hertz: float) -> bytes:
    """A third of a second as WAV, in floats, which can hold what is no number."""
    file = io.BytesIO()
    sound = 0.3 * np.sin(2 * np.pi * hertz * np.arange(5000) / 16_000)
    soundfile.write(file, sound, 16_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


# -- the program, as its users start it -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """`voxface serve` on a free port, told what bare bytes are; at the end SIGTERM ends it, and all was well."""
    command = [sys.executable, "-m", "voxface.cli.main", "serve", "--port", "0", "--raw-pcm", "s16le:22050:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)/audio_to_blendshapes", address)
            assert found, address
            yield int(found[1]), process
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, said
            assert "Traceback" not in said
            assert re.search(r"POST /audio_to_blendshapes 200 \d+ ms", said)
        finally:
            process.kill()


def test_a_client_of_the_original_gets_its_frames(program: tuple[int, subprocess.Popen[str]]) -> None:
    """Any content type, or the JSON of a fork: the same 68 numbers a frame that the library gives."""
    port, _ = program
    sound = SAMPLE.read_bytes()
    expected = process_audio_features(extract_audio_features(sound))
    as_json = json.dumps({"audio": base64.b64encode(sound).decode()}).encode()
    replies = [
        ask(port, sound, Content_Type="application/octet-stream"),
        ask(port, sound),
        ask(port, sound, Content_Type="application/x-www-form-urlencoded"),  # what curl --data-binary says
        ask(port, as_json, Content_Type="application/json; charset=utf-8"),
    ]
    for reply in replies:
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        np.testing.assert_allclose(reply.json["blendshapes"], expected, atol=1e-4)
    assert ask(port, None, "GET", "/health").body == b"OK"


def test_twenty_callers_at_once_get_their_own_answers(program: tuple[int, subprocess.Popen[str]]) -> None:
    """Every one of twenty clients with tones of their own gets the face of its tone, and no other's."""
    port, _ = program
    tones = [tone(100 * 1.15**step) for step in range(20)]
    expected = np.array([process_audio_features(extract_audio_features(sound)) for sound in tones])
    with ThreadPoolExecutor(20) as callers:
        replies = list(callers.map(lambda sound: ask(port, sound), tones))
    found = np.array([reply.json["blendshapes"] for reply in replies])
    nearest = np.abs(found[:, None] - expected[None]).mean(axis=(2, 3)).argmin(axis=1)
    assert nearest.tolist() == list(range(20))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_bare_samples_are_what_the_server_was_told(program: tuple[int, subprocess.Popen[str]]) -> None:
    """Headerless bytes are taken as --raw-pcm says; an odd number of them is an error."""
    port, _ = program
    bare = (3000 * np.sin(np.arange(9000) / 20)).astype("<i2").tobytes()
    expected = process_audio_features(extract_audio_features(bare, raw_pcm="s16le:22050:1"))
    np.testing.assert_allclose(ask(port, bare).json["blendshapes"], expected, atol=1e-4)
    odd = ask(port, bare[:-1])
    assert (odd.status, odd.code) == (400, "E-AUDIO-TRUNCATED")


BAD: dict[str, tuple[bytes, str, str, str]] = {
    "an empty body": (b"", "", "E-AUDIO-EMPTY", "0 bytes"),
    "8 frames": (bytes(2 * 1800), "", "E-AUDIO-SHORT", "83.3 ms"),
    "NaN": (tone(np.nan), "", "E-AUDIO-NONFINITE", "NaN"),
    "a zip": (b"PK\x03\x04" + bytes(400), "", "E-AUDIO-FORMAT", "ZIP archive"),
    "a web page": (b"<!doctype html><p>hello", "", "E-AUDIO-FORMAT", "web page"),
    "a playlist": (b"#EXTM3U\nhttp://127.0.0.1/secret.ts\n", "", "E-AUDIO-FORMAT", "HLS playlist"),
    "a WAV cut in its header": (tone(200)[:30], "", "E-AUDIO-FORMAT", "fmt"),
    "a form": (b"--x--", "multipart/form-data; boundary=x", "E-AUDIO-FORMAT", "--data-binary"),
    "no JSON": (b"{", "application/json", "E-INPUT", '{"audio"'),
    "nested JSON": (b"[" * 100_000, "application/json", "E-INPUT", '{"audio"'),
    "another JSON": (b'{"sound": 1}', "application/json", "E-INPUT", "no text named audio"),
    "no base64": (b'{"audio": "*"}', "application/json", "E-INPUT", "no base64"),
    "a pickle in JSON": (b'{"audio": "gASVBQ=="}', "application/json", "E-AUDIO", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_body_is_a_400_with_its_reason(program: tuple[int, subprocess.Popen[str]], case: str) -> None:
    """Whatever is sent instead of a sound, the answer is 400 and one sentence as JSON."""
    body, kind, code, says = BAD[case]
    reply = ask(program[0], body, Content_Type=kind)
    assert reply.status == 400
    assert reply.code.startswith(code)
    assert says in reply.json["error"]["message"] + reply.json["error"].get("hint", "")


def test_wrong_requests_have_their_own_answers(program: tuple[int, subprocess.Popen[str]]) -> None:
    """Other addresses, methods, packings, names and pages: 404, 405, 415, 403, as JSON; the server goes on."""
    port, _ = program
    for reply, status, code in (
        (ask(port, None, "GET", "/nothing%0a%1b"), 404, "E-HTTP-NOT-FOUND"),
        (ask(port, None, "GET", "/%2e%2e/etc/passwd"), 404, "E-HTTP-NOT-FOUND"),
        (ask(port, None, "GET"), 405, "E-HTTP-METHOD-NOT-ALLOWED"),
        (ask(port, b"x", Content_Encoding="gzip"), 415, "E-HTTP-UNSUPPORTED-MEDIA-TYPE"),
        (ask(port, b"x", Host="evil.example"), 403, "E-HOST"),
        (ask(port, b"x", Origin="http://evil.example"), 403, "E-ORIGIN"),
        (ask(port, b"x", Origin="null"), 403, "E-ORIGIN"),
        (ask(port, b"x", Origin="http://["), 403, "E-ORIGIN"),
    ):
        assert (reply.status, reply.code) == (status, code)
    assert ask(port, None, "GET").headers["allow"] == "POST"
    assert ask(port, None, "GET", "/health", Host="localhost:1").status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 9000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /audio_to_blendshapes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
    ],
    ids=["TLS", "HTTP 0.9", "no host", "long address", "many headers", "negative length", "two lengths"],
)
def test_what_is_no_request_is_a_400(program: tuple[int, subprocess.Popen[str]], request_bytes: bytes) -> None:
    """Bytes that are no clean HTTP, and heads of any length, get one answer as JSON, and the server goes on."""
    port, _ = program
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as wire:
        wire.sendall(request_bytes)
        answer = b""
        while b"}}" not in answer and (part := wire.recv(1 << 16)):
            answer += part
    assert re.match(rb"HTTP/1.1 40[04] ", answer)  # what comes in one piece is read, however long, and is not there
    assert re.search(rb'{"error": {"code": "E-HTTP-(BAD-REQUEST|NOT-FOUND)"', answer)
    assert ask(port, None, "GET", "/health").body == b"OK"


# -- limits, with a server whose limits are small and whose work is ours -----------------------------------------------


class Worker:
    """In place of a model: works as the test says, and remembers how it ended."""

    def __init__(self, work: Callable[[Callable[[], None]], bytes] = lambda check: b"{}") -> None:
        self.work, self.begun, self.ended = work, threading.Event(), threading.Event()

    def audio_to_blendshapes(self, body: bytes, kind: str, check: Callable[[], None]) -> bytes:
        self.begun.set()
        try:
            return self.work(check)
        finally:
            self.ended.set()


def until_stopped(check: Callable[[], None]) -> bytes:
    while True:
        check()
        time.sleep(0.002)


@contextmanager
def serving(worker: Worker, **limits: Any) -> Iterator[int]:
    """The port of a server on a thread."""
    settings = Settings(port=0, **{"linger_s": 0.05, **limits})
    wire = open_socket(settings.host, 0)
    server = server_of(build_app(settings, worker), settings)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [wire]})
    thread.start()
    try:
        yield wire.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        wire.close()
    assert not thread.is_alive()


def head(length: str) -> bytes:
    return f"POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode()


def test_a_body_has_a_limit_whatever_its_header_says() -> None:
    """Too long by its header, by what comes, or without an end: 413, and nobody worked on it."""
    worker = Worker()
    with serving(worker, body_bytes=1000, silence_s=0.3) as port:
        assert ask(port, bytes(1001)).code == "E-LIMIT"
        chunks = b"".join(b"400\r\n" + bytes(0x400) + b"\r\n" for _ in range(9))
        assert raw(port, head("Transfer-Encoding: chunked") + chunks).startswith(b"HTTP/1.1 413")
        assert raw(port, head(f"Content-Length: {10**12}")).startswith(b"HTTP/1.1 413")
        assert not worker.begun.is_set()
        assert ask(port, bytes(1000)).status == 200
    with serving(worker, held_bytes=1000) as port:
        full = ask(port, bytes(1001))
        assert (full.status, full.headers["retry-after"]) == (503, "1")


def test_slow_lines_are_closed() -> None:
    """A head that does not come is hung up on, a body that stops coming is a 408; others are answered meanwhile."""
    with serving(Worker(), header_s=0.2, silence_s=0.2) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as idle:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as slow:
                slow.sendall(b"GET /health HTTP/1.1\r\nHo")
                assert ask(port, None, "GET", "/health").status == 200
                assert slow.recv(100) == b""
            assert idle.recv(100) == b""
        assert raw(port, head("Content-Length: 9") + b"abc").startswith(b"HTTP/1.1 408")
    with serving(Worker(), body_s=0.2) as port, socket.create_connection(("127.0.0.1", port), PATIENCE) as drip:
        drip.sendall(head("Content-Length: 99"))
        drip.settimeout(0.02)
        answer = b""
        while not answer:
            drip.sendall(b"x")
            try:
                answer = drip.recv(100)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408")


def test_more_than_can_wait_are_told_to_come_again() -> None:
    """With one at work and one waiting the third is a 503 with Retry-After; then the two are answered."""
    go = threading.Event()

    def wait(check: Callable[[], None]) -> bytes:
        assert go.wait(PATIENCE)
        return b"{}"

    worker = Worker(wait)
    with serving(worker, workers=1, waiting=1) as port, ThreadPoolExecutor(3) as callers:
        asked = [callers.submit(ask, port, b"x") for _ in range(3)]
        refused = next(reply for reply in _as_they_come(asked) if reply.status != 200)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert ask(port, None, "GET", "/health").body == b"OK"
        go.set()
        assert sorted(one.result(PATIENCE).status for one in asked) == [200, 200, 503]


def _as_they_come(asked: list[Any]) -> Iterator[Reply]:
    from concurrent.futures import as_completed

    return (one.result() for one in as_completed(asked, PATIENCE))


def test_work_ends_when_its_caller_leaves_or_its_time_is_over() -> None:
    """A caller who hangs up in the middle frees the worker; work without an end is a 503."""
    worker = Worker(until_stopped)
    with serving(worker, workers=1) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as wire:
            wire.sendall(head("Content-Length: 1") + b"x")
            assert worker.begun.wait(PATIENCE)
        assert worker.ended.wait(PATIENCE)
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as wire:
            wire.sendall(head("Content-Length: 100") + b"half of it")
        worker.work = lambda check: b"{}"
        assert ask(port, b"x").status == 200
    with serving(Worker(until_stopped), work_s=0.1) as port:
        late = ask(port, b"x")
        assert late.status == 503
        assert "0.1 s" in late.json["error"]["message"]


def test_told_to_end_it_answers_what_it_works_on() -> None:
    """A request that is worked on when the server is told to end still gets its answer."""

    def work(check: Callable[[], None]) -> bytes:
        time.sleep(0.15)
        return b"{}"

    worker = Worker(work)
    with ThreadPoolExecutor(1) as caller, serving(worker) as port:
        asked = caller.submit(ask, port, b"x")
        assert worker.begun.wait(PATIENCE)
    assert asked.result().status == 200


def test_a_bug_is_a_500_without_a_traceback() -> None:
    """What nobody foresaw is one sentence too; our own errors keep their codes."""

    def broken(check: Callable[[], None]) -> bytes:
        raise KeyError("secret")

    def refusing(check: Callable[[], None]) -> bytes:
        raise VoxfaceError("no.", hint="Yes.")

    worker = Worker(broken)
    with serving(worker) as port:
        reply = ask(port, b"x")
        assert (reply.status, reply.code) == (500, "E-BUG")
        assert b"secret" not in reply.body
        worker.work = refusing
        assert ask(port, b"x").json == {"error": {"code": "E-VOXFACE", "message": "no.", "hint": "Yes."}}


def test_a_token_is_asked_for() -> None:
    """Without the right token 401, whatever its length or kind; with it, in either header, the answer."""
    lines: list[str] = []
    settings = Settings(port=0, token="s3cret", names=("face.example",))
    wire = open_socket(settings.host, 0)
    server = server_of(build_app(settings, Worker(), lines.append), settings)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [wire]})
    thread.start()
    port = wire.getsockname()[1]
    try:
        for header in ({}, {"Authorization": "Bearer wrong"}, {"API_Key": "s3cret" * 99}, {"Authorization": "s3cret"}):
            reply = ask(port, b"x", **header)
            assert (reply.status, reply.code) == (401, "E-TOKEN")
        assert ask(port, b"x", Authorization="Bearer s3cret").status == 200
        assert ask(port, b"x", API_Key="s3cret", Host="face.example").status == 200
        assert ask(port, None, "GET", "/health").status == 200
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        wire.close()
    assert lines[0].startswith("POST /audio_to_blendshapes 401 ")
    assert not any("s3cret" in line for line in lines)


def test_other_machines_are_let_in_on_request_only() -> None:
    """Another address than this machine's needs a token or --insecure; wrong addresses and ports are one sentence."""
    with pytest.raises(UsageError, match="VOXFACE_SERVE_TOKEN"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", token="x").host == Settings(host="0.0.0.0", insecure=True).host
    assert Settings(host="::1").port == Settings(host="localhost").port == 5000
    with pytest.raises(UsageError, match="printable"):
        Settings(token="new\nline")
    with pytest.raises(UsageError, match=r"203\.0\.113\.1"):
        open_socket("203.0.113.1", 0)
    with open_socket("127.0.0.1", 0) as wire, pytest.raises(PortError, match="--port"):
        open_socket("127.0.0.1", wire.getsockname()[1])


def test_no_model_no_server(tmp_path: Path) -> None:
    """A bundle that cannot be served ends the program before it listens."""
    from typer.testing import CliRunner

    from voxface.cli.main import add_verbs, app

    if not app.registered_commands:
        add_verbs()
    for options, says in (
        (["--bundle", "default"], "streams"),
        (["--bundle", str(tmp_path)], "bundle"),
        (["--order", "xyz"], "csv or udp"),
        (["--raw-pcm", "s99"], "s99"),
        (["--host", "0.0.0.0"], "--insecure"),
    ):
        result = CliRunner().invoke(app, ["serve", "--port", "0", *options])
        assert result.exit_code in (2, 3)
        assert says in result.output + result.stderr
