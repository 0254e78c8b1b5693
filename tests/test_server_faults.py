"""What can be sent to a server in a process of its own instead of a request or a session, byte by byte."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.attackers import (
    BINARY,
    CLOSE,
    CONT,
    HELLO,
    PING,
    TEXT,
    UPGRADE,
    Program,
    connected,
    frame,
    rest,
    server_process,
    upgraded,
    verdict,
)  # fmt: skip
from tests.conftest import SAMPLE
from tests.viewers import ask
from voxface.live.wire import End, text_of

END = frame(TEXT, text_of(End()).encode())
MOST = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    """With short limits; after all that was done to it, it holds nothing, its log is clean, and it ends well."""
    with server_process(header_s=0.4, silence_s=0.4, body_bytes=MOST, connections=64) as server:
        before = len(server.files())
        yield server
        assert ask(server.port, "/healthz").body == b"OK"
        server.waits(lambda: len(server.files()) <= before)
        assert server.end(signal.SIGTERM) == 0
        log = server.told()
        assert not re.search(r"[^\n\x20-\x7e]", log)  # no codes for the terminal, no line that somebody made up
        assert "Traceback" not in log
        assert "bug" not in log


def answer(port: int, request: bytes) -> tuple[int, str, bytes]:
    """Status, our code, and all that the server says to some bytes until it closes."""
    with connected(port) as wire:
        with suppress(ConnectionError):  # it may have answered and closed already
            wire.sendall(request)
        said = rest(wire)
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", said)
    assert found, said[:200]
    code = re.search(rb'"code": "([A-Z-]+)"', said)
    return int(found[1]), code[1].decode() if code else "", said


# -- heads ------------------------------------------------------------------------------------------------------------

SESSION = f"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}".encode()
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
ANIMATE = b"POST /v1/animate?bundle=live HTTP/1.1\r\nHost: localhost\r\n"
HEADS: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "a header of 100 kB": (HEALTH + b"X: " + b"a" * 100_000 + b"\r\n\r\n", (400, 431)),
    "10,000 headers": (HEALTH + b"X: a\r\n" * 10_000 + b"\r\n", (400, 431)),
    "an address of 1 MB": (HEALTH.replace(b"/healthz", b"/" + b"a" * 1_000_000) + b"\r\n", (400, 414)),
    "a zero byte": (HEALTH + b"X: a\0b\r\n\r\n", (400,)),
    "a line folded": (HEALTH + b" X: a\r\n\r\n", (200, 400)),
    "an address with codes for the terminal": (HEALTH.replace(b"/healthz", b"/\x1b[31m") + b"\r\n", (400,)),
    "the same, escaped": (HEALTH.replace(b"/healthz", b"/%0aGET%20/healthz%20200%1b%5b31m") + b"\r\n", (404,)),
    "two lengths": (ANIMATE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", (400,)),
    "a length that is no number": (ANIMATE + b"Content-Length: \xc2\xb2\r\n\r\n", (400,)),
    "a length of 5,000 digits": (ANIMATE + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", (400,)),
    "gzip, chunked": (ANIMATE + b"Transfer-Encoding: gzip, chunked\r\n\r\n", (400, 501)),
    "a request hidden in another": (
        ANIMATE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HEALTH, (400,)
    ),
    "a session: a header of 9 kB": (SESSION + b"X: " + b"a" * 9_000 + b"\r\n\r\n", (400, 431)),
    "a session: 10,000 headers": (SESSION + b"X: a\r\n" * 10_000 + b"\r\n", (400, 431)),
    "a session: a body": (SESSION + b"Content-Length: 5\r\n\r\nhello", (400,)),
    "a session: no key": (SESSION.replace(b"Sec-WebSocket-Key", b"X") + b"\r\n", (400,)),
    "a session: another version": (SESSION.replace(b"n: 13", b"n: 99") + b"\r\n", (400, 426)),
    "a session: POST": (SESSION.replace(b"GET", b"POST") + b"\r\n", (400, 405)),
    "a session: another place": (SESSION.replace(b"/v1/stream", b"/v1/..%2fstream") + b"\r\n", (404,)),
    "a session: a page of another site": (SESSION + b"Origin: http://localhost.evil.example\r\n\r\n", (403,)),
    "a session: another name": (SESSION.replace(b"localhost", b"rebound.example") + b"\r\n", (403,)),
    "an upgrade to something else": (HEALTH.replace(b"close", b"Upgrade") + b"Upgrade: h2c\r\n\r\n", (200, 400)),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_any_kind_are_answered_and_closed(server: Program, name: str) -> None:
    """S4, S6, S11, S16: too long, doubled, smuggled, foreign: a status of the 400s as JSON, then the line is cut."""
    request, statuses = HEADS[name]
    status, code, said = answer(server.port, request)
    assert status in statuses, said[:300]
    assert status == 200 or code, said[:300]
    assert said.count(b"HTTP/1.1 ") == 1  # what was hidden in it was not answered


PATHS = (
    "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%252e%252e/etc/passwd", "//etc/passwd", "/C:\\Windows\\win.ini",
    "/v1/animate/../../healthz", "/\\\\host\\share", "/CON", "/v1/stream/", "/openapi.json%00.html", "/.git/config",
    "/client/../server/settings.py", "/client/..%2f..%2fserver%2fsettings.py", "/client/%2e%2e/wire.py",
)  # fmt: skip


def test_addresses_are_names_not_places(server: Program) -> None:
    """S6: no way up, around or into the machine's files: 404 for each."""
    for path in PATHS:
        assert ask(server.port, path).status == 404, path


# -- bodies -----------------------------------------------------------------------------------------------------------


def chunked(*chunks: bytes) -> bytes:
    return ANIMATE + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks)


BODIES: dict[str, tuple[bytes, int]] = {
    "10 GB by its header": (ANIMATE + b"Content-Length: 10000000000\r\n\r\n", 413),
    "10 GB in chunks": (chunked(*[bytes(1 << 16)] * 40), 413),
    "one chunk of 2**60 bytes": (ANIMATE + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nabc", 408),
    "a chunk with a story": (ANIMATE + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 200_000, 400),
    "chunks of one byte": (chunked(*[b"a"] * 50_000), 400),
    "more promised than comes": (ANIMATE + b"Content-Length: 100\r\n\r\nRIFF", 408),
    "more comes than promised": (ANIMATE + b"Content-Length: 4\r\n\r\nRIFFRIFFRIFF\r\n\r\n", 400),
    "a playlist": (chunked(b"#EXTM3U\nhttp://127.0.0.1/secret.ts\n") + b"0\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_lie_are_refused(server: Program, name: str) -> None:
    """S1, A25: whatever the header says, what comes is counted; the temporary file is gone with the answer."""
    request, status = BODIES[name]
    if name == "a playlist":
        request = request.replace(b"localhost\r\n", b"localhost\r\nConnection: close\r\n")
    found, code, said = answer(server.port, request)
    assert found == status, said[:300]
    assert code
    server.waits(lambda: not any("deleted" in name for name in server.files()))


FORM = "multipart/form-data; boundary=x"


def form(*parts: bytes, boundary: bytes = b"x") -> bytes:
    body = b"".join(b"--%b\r\nContent-Disposition: form-data; %b\r\n" % (boundary, part) for part in parts)
    body += b"--" + boundary + b"--\r\n"
    kind = b"Content-Type: multipart/form-data; boundary=" + boundary
    return ANIMATE + b"Connection: close\r\n%b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body)) + body


FORMS = {
    "10,000 fields": form(*[b'name="a"\r\n\r\n1'] * 10_000),
    "10,000 files": form(*[b'name="a"; filename="b"\r\n\r\n1'] * 10_000),
    "10,000 headers of a part": form(b'name="a"; filename="b"\r\n' + b"X: y\r\n" * 10_000 + b"\r\n1"),
    "a name of 500 kB": form(b'name="' + b"a" * 500_000 + b'"; filename="b"\r\n\r\n1'),
    "a boundary of 50 kB": form(b'name="a"; filename="b"\r\n\r\n1', boundary=b"x" * 50_000),
    "a form in a form": form(b'name="a"\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n\r\n--y--'),
    "no name": form(b'filename="b"\r\n\r\n1'),
    "no end": form(b'name="a"; filename="b"\r\n\r\n1').replace(b"--x--", b"aaaaa"),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_any_kind_are_refused(server: Program, name: str) -> None:
    """S5: too much of anything, or not whole: 400 with a sentence."""
    status, code, said = answer(server.port, FORMS[name])
    assert (status, bool(code)) == (400, True), said[:300]


def test_names_of_files_are_only_names(server: Program) -> None:
    """A26, S5, S16: names that are addresses, devices or commands elsewhere: the same face; nobody is called."""
    sound = SAMPLE.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/x.wav".encode()
        found = set()
        for name in (b"speech.flac", url, b"subfile,,:/etc/passwd", b"concat:a|b", b"pipe:0", b"-", b"\x1b[31m\xff\n"):
            part = b'name="a"; filename="' + name + b'"\r\n\r\n' + sound + b"\r\n"
            body = form(part).partition(b"\r\n\r\n")[2]
            reply = ask(server.port, "/v1/animate?bundle=live&fps=5", "POST", body, Content_Type=FORM)
            assert reply.status == 200, (name, reply.body[:300])
            found.add(json.dumps(reply.json["frames"]))
        assert len(found) == 1
        for emotion in ("x.json/", "/dev/stdin", "happy=1/../x.toml", "x.csv%20", "x.csv%00", url.decode() + "%23.csv"):
            reply = ask(server.port, f"/v1/animate?bundle=live&emotion={emotion}", "POST", sound)
            assert (reply.status, reply.code) == (400, "E-USAGE"), emotion
            assert "No such file" not in reply.body.decode()
        with pytest.raises(BlockingIOError):
            trap.accept()


# -- sessions ---------------------------------------------------------------------------------------------------------

PART = frame(BINARY, bytes(60_000), first=0)
FRAMES: dict[str, tuple[list[bytes], tuple[int, str]]] = {
    "a frame of 64 MB": ([frame(BINARY, bytes(64 << 20))], (1009, "E-LIMIT")),
    "a frame of 2**63 bytes, by its head": ([frame(BINARY, b"", length=1 << 63)], (1009, "E-LIMIT")),
    "parts without an end": ([PART, *[frame(CONT, bytes(60_000), first=0)] * 9], (1009, "E-LIMIT")),
    "a long text in parts": (
        [frame(TEXT, b"[" * 9000, first=0), frame(CONT, b"[" * 9000)],
        (1009, "E-LIMIT"),
    ),
    "no mask": ([frame(BINARY, b"1234", masked=False)], (1002, "E-PACKET")),
    "packed, though nobody agreed to that": ([frame(BINARY, b"1234", first=0xC0)], (1002, "E-PACKET")),
    "an opcode that is none": ([frame(3, b"1234")], (1002, "E-PACKET")),
    "a long ping": ([frame(PING, bytes(200))], (1002, "E-PACKET")),
    "a ping in parts": ([frame(PING, b"", first=0)], (1002, "E-PACKET")),
    "a part of nothing": ([frame(CONT, b"12")], (1002, "E-PACKET")),
    "a message within another": ([PART, END], (1002, "E-PACKET")),
    "a close that cannot be": ([frame(CLOSE, b"\x03\xed")], (1002, "E-PACKET")),
    "half a close": ([frame(CLOSE, b"1")], (1002, "E-PACKET")),
    "text that is no UTF-8": ([frame(TEXT, b"\xff\xfe")], (1007, "E-PACKET")),
    "JSON 16,000 deep": ([frame(TEXT, b"[" * 16_000)], (1007, "E-PACKET")),
    "a number of 5,000 digits": ([frame(TEXT, b'{"type":' + b"9" * 5000 + b"}")], (1007, "E-PACKET")),
    "another rate in the middle": ([frame(BINARY, bytes(640)), frame(TEXT, HELLO)], (1003, "E-ORDER")),
    "half a sample": ([frame(BINARY, b"123"), END], (1007, "E-PACKET")),
    "nothing, often, and the end": ([frame(BINARY, b"") * 50, END], (1000, "")),
    "sound in parts, pings in between": ([PART, frame(PING, b"x"), frame(CONT, b"12"), END], (1000, "")),
    "a close": ([frame(CLOSE, b"\x03\xe8")], (1000, "")),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_any_kind_end_in_one_verdict(server: Program, name: str) -> None:
    """S7, S8: what is no WebSocket, too long or out of place: one error in our words and the close code for it."""
    sent, expected = FRAMES[name]
    wire = upgraded(server.port, "Sec-WebSocket-Extensions: permessage-deflate\r\n")  # which is not agreed to
    with suppress(ConnectionError):  # it may have closed already
        wire.sendall(frame(TEXT, HELLO))
        for data in sent:
            wire.sendall(data)
    assert verdict(wire) == expected


HELLOS = (
    '"rate_hz": NaN', '"fps": 1e400', '"bundle": ["live"]', '"bundle": "\\ud800"', '"emotion": {"x": "y"}',
    '"emotion": 5', '"encoding": {}', '"version": "1"', '"format": ["json"]', '"lead_s": "x"', '"idle": 1',
    '"rate_hz": 1e9',
)  # fmt: skip


def test_hellos_that_ask_for_the_impossible(server: Program) -> None:
    """S7: numbers that are none, kinds that do not fit: E-HELLO or E-PACKET, never a bug."""
    for field in HELLOS:
        wire = upgraded(server.port)
        wire.sendall(frame(TEXT, b'{"type": "hello", ' + field.encode() + b"}"))
        code, error = verdict(wire)
        assert (code, error) in {(1008, "E-HELLO"), (1007, "E-PACKET")}, field
