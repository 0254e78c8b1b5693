"""The server's limits, with work of our own in place of a model: sizes, times, queues, tokens, and how it ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pytest

from tests.served import PATIENCE, serving
from tests.viewers import Reply, ask, raw
from voxface.errors import PortError, UsageError, VoxfaceError
from voxface.server.journal import Journal
from voxface.server.listen import open_socket
from voxface.server.settings import Settings

ROUTE = "/audio_to_blendshapes"


def post(port: int, body: bytes | None = b"", **headers: str) -> Reply:
    """A request to the route; `X_Y="z"` is the header X-Y: z."""
    return ask(port, ROUTE, "POST", body, **headers)


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


def head(length: str) -> bytes:
    return f"POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode()


def test_a_body_has_a_limit_whatever_its_header_says() -> None:
    """Too long by its header, by what comes, or without an end: 413, and nobody worked on it."""
    worker = Worker()
    with serving(worker, body_bytes=1000, silence_s=0.3) as port:
        assert post(port, bytes(1001)).code == "E-LIMIT"
        chunks = b"".join(b"400\r\n" + bytes(0x400) + b"\r\n" for _ in range(9))
        assert raw(port, head("Transfer-Encoding: chunked") + chunks).startswith(b"HTTP/1.1 413")
        assert raw(port, head(f"Content-Length: {10**12}")).startswith(b"HTTP/1.1 413")
        assert not worker.begun.is_set()
        assert post(port, bytes(1000)).status == 200
    with serving(worker, held_bytes=1000) as port:
        full = post(port, bytes(1001))
        assert (full.status, full.headers["retry-after"]) == (503, "1")


def test_slow_lines_are_closed() -> None:
    """A head that does not come is hung up on, a body that stops coming is a 408; others are answered meanwhile."""
    with serving(Worker(), header_s=0.4, silence_s=0.4) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as idle:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as slow:
                slow.sendall(b"GET /health HTTP/1.1\r\nHo")
                assert ask(port, "/health").status == 200
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
        asked = [callers.submit(post, port, b"x") for _ in range(3)]
        refused = next(as_completed(asked, PATIENCE)).result()
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert ask(port, "/health").body == b"OK"
        go.set()
        assert sorted(one.result(PATIENCE).status for one in asked) == [200, 200, 503]


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
        assert post(port, b"x").status == 200
    with serving(Worker(until_stopped), work_s=0.1) as port:
        late = post(port, b"x")
        assert late.status == 503
        assert "0.1 s" in late.json["detail"]


def test_told_to_end_it_answers_what_it_works_on() -> None:
    """A request that is worked on when the server is told to end still gets its answer."""

    def work(check: Callable[[], None]) -> bytes:
        time.sleep(0.15)
        return b"{}"

    worker = Worker(work)
    with ThreadPoolExecutor(1) as caller, serving(worker) as port:
        asked = caller.submit(post, port, b"x")
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
        reply = post(port, b"x")
        assert (reply.status, reply.code) == (500, "E-BUG")
        assert b"secret" not in reply.body
        worker.work = refusing
        refused = post(port, b"x")
        assert refused.headers["content-type"] == "application/problem+json"
        members = {"type": "about:blank", "title": "Bad Request", "status": 400}
        assert refused.json == members | {"detail": "no.", "code": "E-VOXFACE", "hint": "Yes."}


def test_a_token_is_asked_for() -> None:
    """Without the right token 401, whatever its length or kind; with it, in either header, the answer."""
    lines: list[str] = []
    with serving(Worker(), lines.append, token="s3cret", names=("face.example",)) as port:
        for header in ({}, {"Authorization": "Bearer wrong"}, {"API_Key": "s3cret" * 99}, {"Authorization": "s3cret"}):
            reply = post(port, b"x", **header)
            assert (reply.status, reply.code) == (401, "E-TOKEN")
        assert post(port, b"x", Authorization="Bearer s3cret").status == 200
        assert post(port, b"x", API_Key="s3cret", Host="face.example").status == 200
        assert ask(port, "/health").status == 200
    assert any(line.startswith("POST /audio_to_blendshapes 401 ") for line in lines)
    assert not any("s3cret" in line for line in lines)


def test_a_log_that_nobody_reads_stops_nobody() -> None:
    """Lines come in order; where writing hangs, telling does not wait, and what was left out is counted."""
    go, written = threading.Event(), []

    def write(line: str) -> None:
        assert go.wait(PATIENCE)
        written.append(line)

    with Journal(write) as journal:
        for k in range(1500):
            journal.tell(str(k))
        go.set()
    kept = [int(line) for line in written if line.isdigit()]
    assert kept == sorted(kept)
    (said,) = [line for line in written if not line.isdigit()]
    assert said == f"{1500 - len(kept)} lines were left out: nobody read them in time."


def test_other_machines_are_let_in_on_request_only() -> None:
    """Another address than this machine's needs a token or --insecure; wrong addresses and ports are one sentence."""
    with pytest.raises(UsageError, match="--token"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", token="x").host == Settings(host="0.0.0.0", insecure=True).host
    assert Settings(host="::1").port == Settings(host="localhost").port == 5000
    with pytest.raises(UsageError, match="printable"):
        Settings(token="new\nline")
    with pytest.raises(UsageError, match=r"203\.0\.113\.1"):
        open_socket("203.0.113.1", 0)
    with open_socket("127.0.0.1", 0) as wire, pytest.raises(PortError, match="--port"):
        open_socket("127.0.0.1", wire.getsockname()[1])


def test_what_cannot_be_served_ends_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles, options or libraries with which nothing can be served: one sentence, before it listens."""
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
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 4
    assert "pip install 'voxface[serve]'" in result.stderr
