"""HTTP of `voxface serve` beside NeuroSync's route: recordings, what state it is in, its description, how it breaks."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.conftest import SAMPLE
from tests.served import PATIENCE, listen, serving, session
from tests.viewers import Reply, ask
from tests.waiting import wait_for
from voxface.cli.animate import Job, one
from voxface.export.formats import read
from voxface.live.wire import Hello
from voxface.runtime.engine import Engine
from voxface.server.animate import MEDIA_TYPES
from voxface.server.app import build_app
from voxface.server.hall import Hall
from voxface.server.openapi import document
from voxface.server.settings import Settings

RATE = 16_000
FORM = "multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server on a thread that streams with the bundle `live`."""
    with serving(bundles=("live",), workers=2) as port:
        yield port


def post(port: int, body: bytes | None, query: str = "", **headers: str) -> Reply:
    return ask(port, f"/v1/animate?bundle=live&{query}", "POST", body, **headers)


def wav(seconds: float = 0.5) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(np.arange(int(seconds * RATE)) / 20), RATE, format="WAV")
    return file.getvalue()


def once_there_is_room(port: int) -> int:
    """The status of a recording's answer, as soon as that is not 503."""
    return int(wait_for(lambda: (status := post(port, wav()).status) != 503 and status))


def part(name: str, data: bytes) -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="a"; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n"


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_a_recording_gives_the_clip_of_the_command_line(port: int, tmp_path: Path, format: str) -> None:
    """The same file and the same wishes: the clip that `voxface animate` writes, in every format."""
    job = Job(fps=30, bundle="live", channel="mix", format=format, intensity=0.8, threads=1, emotion="happy=0.5")
    one(str(SAMPLE), str(tmp_path / "ours"), job)
    reply = post(port, SAMPLE.read_bytes(), f"format={format}&fps=30&intensity=0.8&emotion=happy%3D0.5")
    assert (reply.status, reply.headers["content-type"]) == (200, MEDIA_TYPES[format])
    (tmp_path / "served").write_bytes(reply.body)
    found, expected = (read(tmp_path / name, fps=30) for name in ("served", "ours"))
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-5)
    assert (found.head is None) == (expected.head is None)


def test_a_form_with_one_file_is_a_recording(port: int) -> None:
    """A form's file counts, whatever its name, which is used for nothing; fields beside it do not matter."""
    field = b'--x\r\nContent-Disposition: form-data; name="b"\r\n\r\nhello\r\n'
    for name in ("speech.wav", "../../x", "C:\\x", "x::$DATA", "", "a\x1b[31m"):
        reply = post(port, field + part(name or "x", wav()) + b"--x--\r\n", Content_Type=FORM)
        assert (reply.status, len(reply.json["frames"])) == (200, 30)


BAD: dict[str, tuple[bytes, str, str, str]] = {
    "no sound": (b"hello", "", "", "E-AUDIO-FORMAT"),
    "nothing": (b"", "", "", "E-AUDIO"),
    "another format": (wav(), "format=exe", "", "E-USAGE"),
    "no number": (wav(), "fps=fast", "", "E-USAGE"),
    "fps beyond all measure": (wav(), "fps=nan", "", "E-USAGE"),
    "a name that is not known": (wav(), "bundel=x", "", "E-USAGE"),
    "a name that comes twice": (wav(), "fps=30&fps=60", "", "E-USAGE"),
    "a file as emotion": (wav(), "emotion=/etc/hosts.toml", "", "E-USAGE"),
    "a file in disguise": (wav(), "emotion=happy%3D1/../track.json/", "", "E-USAGE"),
    "an unknown emotion": (wav(), "emotion=hungry%3D1", "", "E-USAGE"),
    "too much of an emotion": (wav(), "emotion=happy%3D3", "", "E-USAGE"),
    "no emotion": (wav(), "emotion=happy", "", "E-USAGE"),
    "too much of everything": (wav(), "intensity=11", "", "E-USAGE"),
    "a channel that is not there": (wav(), "channel=7", "", "E-"),
    "two files": (part("a", wav()) + part("b", wav()) + b"--x--\r\n", "", FORM, "E-HTTP-BAD-REQUEST"),
    "ten thousand files": (part("a", b"x") * 10_000 + b"--x--\r\n", "", FORM, "E-HTTP-BAD-REQUEST"),
    "a form without a file": (b"--x--\r\n", "", FORM, "E-HTTP-BAD-REQUEST"),
    "a form without a boundary": (b"--x--\r\n", "", "multipart/form-data", "E-HTTP-BAD-REQUEST"),
    "a form that is none": (b"hello", "", FORM, "E-HTTP-BAD-REQUEST"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_animated_is_one_problem(port: int, name: str) -> None:
    """A body or a wish that makes no sense: 400 as RFC 9457 has it, with a code of ours, and no words of
    Python's or of the command line's."""
    body, query, kind, code = BAD[name]
    reply = post(port, body, query, **({"Content_Type": kind} if kind else {}))
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
    assert reply.code.startswith(code)
    assert {"type", "title", "status", "detail"} <= set(reply.json)
    text = reply.json["detail"] + reply.json.get("hint", "")
    assert "object" not in text
    assert "--" not in text


def test_bundles_are_names_not_places(port: int) -> None:
    """A bundle that was not offered is refused, be it a path that exists."""
    reply = ask(port, "/v1/animate?bundle=../live.voxface", "POST", wav())
    assert (reply.status, reply.code, "live" in reply.json["hint"]) == (400, "E-USAGE", True)


def test_jsonl_comes_while_it_is_computed_and_ends_with_its_caller() -> None:
    """The first line of five minutes is there long before the last; when the caller leaves, the place is free."""
    lines: list[str] = []
    with serving(None, lines.append, bundles=("live",), workers=1, waiting=0) as port:
        body = wav(300)
        head = f"POST /v1/animate?bundle=live&format=jsonl HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as wire:
            wire.sendall(head.encode() + b"\r\n\r\n" + body)
            answer = wire.recv(1000)
            while b"voxface-frames" not in answer:
                answer += wire.recv(1000)
            assert post(port, wav()).status == 503
        assert once_there_is_room(port) == 200


def test_a_caller_who_takes_nothing_is_hung_up_on() -> None:
    """An answer that nobody reads holds its place for a moment only, though the line stays open."""
    with serving(bundles=("live",), workers=1, waiting=0, silence_s=0.2) as port, socket.socket() as deaf:
        body = wav(300)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        head = f"POST /v1/animate?bundle=live&format=jsonl HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
        deaf.sendall(head.encode() + b"\r\n\r\n" + body)
        assert deaf.recv(8) == b"HTTP/1.1"
        assert post(port, wav()).status == 503
        assert once_there_is_room(port) == 200


def test_health_and_numbers_come_while_others_are_at_work(port: int) -> None:
    """The state in words, numbers as Prometheus reads them; codes of errors are among them."""
    assert post(port, b"no sound").status == 400
    assert (ask(port, "/healthz").body, ask(port, "/readyz").body) == (b"OK", b"ready")
    text = ask(port, "/metrics").body.decode()
    assert 'voxface_errors_total{code="E-AUDIO-FORMAT"}' in text
    assert 'voxface_requests_total{status="400"}' in text
    assert "voxface_sessions_open 0.0" in text
    with session(port, Hello(bundle="live")):
        assert "voxface_sessions_open 1.0" in ask(port, "/metrics").body.decode()


def test_the_description_names_every_route(port: int) -> None:
    """/openapi.json has the routes but for pages, with their methods, and the names that can be asked for."""
    told = ask(port, "/openapi.json").json
    assert told == json.loads(json.dumps(document()))
    hall = Hall(Settings(bundles=()))
    app: Any = build_app(hall, None)  # type: ignore[arg-type]
    routes = {
        route.path: route.methods - {"HEAD"} for route in app.inner.routes if not route.path.startswith("/client/")
    }
    assert {path: {name.upper() for name in known} for path, known in told["paths"].items()} == routes
    names = {one["name"] for one in told["paths"]["/v1/animate"]["post"]["parameters"]}
    assert names >= {"fps", "format", "bundle", "channel", "emotion"}


def test_the_description_is_valid() -> None:
    """/openapi.json is an OpenAPI document, as a validator of others reads it."""
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    validator.validate(document())


def test_an_engine_that_dies_ends_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that computes is gone: sessions are told E-BUG and closed with 1011, nobody comes in, the program
    ends with an error, so that it is started again."""
    monkeypatch.setattr(Engine, "alive", property(lambda self: not dead.is_set()))
    dead = threading.Event()
    with serving(bundles=("live",)) as port, session(port, Hello(bundle="live")) as socket:
        dead.set()
        heard = listen(socket)
    assert (heard.code, heard.messages[0].code) == (1011, "E-BUG")  # type: ignore[union-attr]
