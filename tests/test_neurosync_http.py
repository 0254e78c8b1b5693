"""The family's route as its clients use it: the program, its answers, and all that can be sent instead of a sound."""

from __future__ import annotations

import base64
import io
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from tests.conftest import SAMPLE
from tests.served import PATIENCE, served
from tests.viewers import Reply, ask
from voxface.neurosync import extract_audio_features, process_audio_features

ROUTE = "/audio_to_blendshapes"


def post(port: int, body: bytes | None = b"", **headers: str) -> Reply:
    """A request to the route; `X_Y="z"` is the header X-Y: z."""
    return ask(port, ROUTE, "POST", body, **headers)


def tone(hertz: float) -> bytes:
    """A third of a second as WAV, in floats, which can hold what is no number."""
    file = io.BytesIO()
    sound = 0.3 * np.sin(2 * np.pi * hertz * np.arange(5000) / 16_000)
    soundfile.write(file, sound, 16_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


# -- the program, as its users start it -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`voxface serve` on a free port, told what bare bytes are; at the end a signal ends it, and all was well."""
    with served("--raw-pcm", "s16le:22050:1") as (process, port):
        yield process, port
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        assert "Traceback" not in said
        assert "\x1b" not in said  # an address may hold codes for the terminal
        assert re.search(r"POST /audio_to_blendshapes 200 \d+ ms", said)


@pytest.fixture
def port(program: tuple[subprocess.Popen[str], int]) -> int:
    return program[1]


def test_a_client_of_the_original_gets_its_frames(port: int) -> None:
    """Any content type, or the JSON of a fork: the same 68 numbers a frame that the library gives."""
    sound = SAMPLE.read_bytes()
    expected = process_audio_features(extract_audio_features(sound))
    as_json = json.dumps({"audio": base64.b64encode(sound).decode()}).encode()
    replies = [
        post(port, sound, Content_Type="application/octet-stream"),
        post(port, sound),
        post(port, sound, Content_Type="application/x-www-form-urlencoded"),  # what curl --data-binary says
        post(port, as_json, Content_Type="application/json; charset=utf-8"),
    ]
    for reply in replies:
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        np.testing.assert_allclose(reply.json["blendshapes"], expected, atol=1e-4)
    assert ask(port, "/health").body == b"OK"


def test_twenty_callers_at_once_get_their_own_answers(port: int) -> None:
    """Every one of twenty clients with tones of their own gets the face of its tone, and no other's."""
    tones = [tone(100 * 1.15**step) for step in range(20)]
    expected = np.array([process_audio_features(extract_audio_features(sound)) for sound in tones])
    with ThreadPoolExecutor(20) as callers:
        replies = list(callers.map(lambda sound: post(port, sound), tones))
    found = np.array([reply.json["blendshapes"] for reply in replies])
    nearest = np.abs(found[:, None] - expected[None]).mean(axis=(2, 3)).argmin(axis=1)
    assert nearest.tolist() == list(range(20))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_bare_samples_are_what_the_server_was_told(port: int) -> None:
    """Headerless bytes are taken as --raw-pcm says; an odd number of them is an error."""
    bare = (3000 * np.sin(np.arange(9000) / 20)).astype("<i2").tobytes()
    expected = process_audio_features(extract_audio_features(bare, raw_pcm="s16le:22050:1"))
    np.testing.assert_allclose(post(port, bare).json["blendshapes"], expected, atol=1e-4)
    odd = post(port, bare[:-1])
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
def test_a_wrong_body_is_a_400_with_its_reason(port: int, case: str) -> None:
    """Whatever is sent instead of a sound, the answer is 400 and one sentence as JSON."""
    body, kind, code, says = BAD[case]
    reply = post(port, body, Content_Type=kind)
    assert reply.status == 400
    assert reply.code.startswith(code)
    assert says in reply.json["detail"] + reply.json.get("hint", "")


def test_wrong_requests_have_their_own_answers(port: int) -> None:
    """Other addresses, methods, packings, names and pages: 404, 405, 415, 403, as JSON; the server goes on."""
    for reply, status, code in (
        (ask(port, "/nothing%0a%1b"), 404, "E-HTTP-NOT-FOUND"),
        (ask(port, "/%2e%2e/etc/passwd"), 404, "E-HTTP-NOT-FOUND"),
        (ask(port, ROUTE), 405, "E-HTTP-METHOD-NOT-ALLOWED"),
        (post(port, b"x", Content_Encoding="gzip"), 415, "E-HTTP-UNSUPPORTED-MEDIA-TYPE"),
        (post(port, b"x", Host="evil.example"), 403, "E-HOST"),
        (post(port, b"x", Origin="http://evil.example"), 403, "E-ORIGIN"),
        (post(port, b"x", Origin="null"), 403, "E-ORIGIN"),
        (post(port, b"x", Origin="http://["), 403, "E-ORIGIN"),
    ):
        assert (reply.status, reply.code) == (status, code)
    assert ask(port, ROUTE).headers["allow"] == "POST"
    assert ask(port, "/health", Host="localhost:1").status == 200


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
def test_what_is_no_request_is_a_400(port: int, request_bytes: bytes) -> None:
    """Bytes that are no clean HTTP, and heads of any length, get one answer as JSON, and the server goes on."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as wire:
        wire.sendall(request_bytes)
        answer = b""
        while b"}" not in answer and (part := wire.recv(1 << 16)):
            answer += part
    assert re.match(rb"HTTP/1.1 40[04] ", answer)  # what comes in one piece is read, however long, and is not there
    assert re.search(rb'"code": "E-HTTP-(BAD-REQUEST|NOT-FOUND)"', answer)
    assert ask(port, "/health").body == b"OK"


def test_hangup_ends_it_as_well(program: tuple[subprocess.Popen[str], int]) -> None:
    """SIGHUP ends it as SIGTERM does, exit code 0. (The last test of this file: the program is gone.)"""
    process, _ = program
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE) == 0
