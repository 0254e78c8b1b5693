"""voxface.client against real servers on a thread: the same faces as the library's, and errors that say what to do."""

from __future__ import annotations

import asyncio
import io
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import SHUT_RDWR

import numpy as np
import pytest
from websockets.sync.server import Server, ServerConnection, serve

import voxface
from tests.conftest import SAMPLE
from tests.served import serving
from voxface import client
from voxface.audio.decode import read_audio
from voxface.errors import (
    ConnectError,
    GoneError,
    HelloError,
    InputError,
    PacketError,
    ServerError,
    UsageError,
    VoxfaceError,
)
from voxface.live.wire import Ready, text_of

RATE, PACKET = 16_000, 1_600


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server on a thread."""
    with serving(bundles=("live",), idle_s=60) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """A second of speech, on the grid of 16 bits."""
    samples, rate_hz = read_audio(SAMPLE)
    assert rate_hz == RATE
    return np.round(samples[RATE : 2 * RATE] * 32768).astype(np.float32) / 32768


@pytest.fixture(scope="module")
def expected(sound: np.ndarray) -> np.ndarray:
    return voxface.animate(sound, RATE, fps=30, bundle="live").weights


def test_plain_streaming_gives_the_faces_of_the_library(url: str, sound: np.ndarray, expected: np.ndarray) -> None:
    """Packets in, frames out by iteration, numbered on the audio clock; the last word says that none was dropped."""
    with client.connect(url, rate_hz=RATE, fps=30, bundle="live", lead_s=60) as stream:
        assert stream.ready.names == voxface.ARKIT
        for at in range(0, len(sound), PACKET):
            stream.send(sound[at : at + PACKET])
        early = stream.receive(timeout_s=30)
        stream.end()
        frames = early + list(stream)
        assert stream.receive() == []
    assert early
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    np.testing.assert_allclose([frame.weights for frame in frames[:30]], expected, atol=1e-4)
    assert frames[3].head is not None
    assert stream.done is not None
    assert (stream.done.frames, stream.done.dropped) == (len(frames), 0)


def test_asyncio_says_the_same(url: str, sound: np.ndarray, expected: np.ndarray) -> None:
    """The same words with `await`, as float32 and JSON, which tells emotions; frames while sound is sent."""

    async def talk() -> list[voxface.live.frame.LiveFrame]:
        asked = {"rate_hz": RATE, "fps": 30, "bundle": "live", "lead_s": 60, "encoding": "f32le", "format": "json"}
        async with client.connect(url, **asked) as stream, asyncio.TaskGroup() as tasks:
            heard = tasks.create_task(_all(stream))
            for at in range(0, len(sound), PACKET):
                await stream.send(sound[at : at + PACKET])
            await stream.end()
            return await heard

    frames = asyncio.run(talk())
    np.testing.assert_allclose([frame.weights for frame in frames[:30]], expected, atol=1e-4)
    assert frames[3].emotion is not None


async def _all(stream: client.AsyncStream) -> list[voxface.live.frame.LiveFrame]:
    return [frame async for frame in stream]


def test_an_interrupt_brings_the_mouth_to_rest(url: str, sound: np.ndarray) -> None:
    """What had not come back is forgotten; within 120 ms of frames the face rests; what follows is heard anew."""

    async def talk() -> tuple[client.AsyncStream, list[voxface.live.frame.LiveFrame]]:
        async with client.connect(url, fps=30, bundle="live", lead_s=0.3, idle=False) as stream:
            await stream.send(np.tile(sound, 5))
            first = await anext(aiter(stream))
            await stream.interrupt()
            await stream.send((sound[:PACKET] * 32767).astype(np.int16))
            return stream, [first, *await stream.finish()]

    stream, frames = asyncio.run(talk())
    told = stream.interrupted
    assert told is not None
    rest = frames[[frame.seq for frame in frames].index(told.seq) + 2]
    assert np.abs(rest.weights).max() < 0.05
    assert len(frames) < 60


def test_a_recording_becomes_the_clip_of_the_library(url: str) -> None:
    """By path or open file; values, head and emotion as `voxface.animate` gives them."""
    here = voxface.animate(SAMPLE, fps=24, bundle="live")
    there = client.animate(url, SAMPLE, fps=24, bundle="live")
    memory = client.animate(url, io.BytesIO(SAMPLE.read_bytes()), fps=24, bundle="live", idle=False)
    assert there.fps == 24
    np.testing.assert_allclose(there.weights, here.weights, atol=1e-6)
    np.testing.assert_allclose(there.head, here.head, atol=1e-6)
    assert len(memory) == len(here)
    assert not np.array_equal(memory.weights, here.weights)


def test_a_server_that_refuses_is_an_error_with_its_code(url: str, tmp_path: str) -> None:
    """Codes and hints of the server arrive, before, at and after the hello, and of a recording."""
    with pytest.raises(ServerError, match="no bundle") as caught, client.connect(url, bundle="none"):
        pass
    assert caught.value.code == "E-HELLO"
    with (
        serving(bundles=("live",), idle_s=0.3) as port,
        client.connect(f"ws://127.0.0.1:{port}", bundle="live") as stream,
        pytest.raises(ServerError) as caught,
    ):
        _speak_seldom(stream)
    assert (caught.value.code, bool(caught.value.hint)) == ("E-LIMIT", True)
    with pytest.raises(ServerError) as caught:
        client.animate(url, io.BytesIO(b"no sound at all"), bundle="live")
    assert caught.value.code == "E-AUDIO-FORMAT"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.code) == (str(caught.value), "E-AUDIO-FORMAT")


def _speak_seldom(stream: client.Stream) -> None:
    while True:
        time.sleep(1)
        stream.send(np.zeros(PACKET, np.float32))


def test_sound_after_the_end_is_refused_here(url: str) -> None:
    """The server may have hung up by then, so the client itself says what is wrong."""
    with client.connect(url, bundle="live") as stream:
        stream.send(np.zeros(PACKET, np.float32))
        stream.end()
        with pytest.raises(UsageError, match="after the end"):
            stream.send(np.zeros(PACKET, np.float32))
        assert list(stream)


def test_a_token_opens_and_nothing_else_does() -> None:
    """Shown by both kinds of client; without it or with another: the server's own error."""
    with serving(bundles=("live",), token="let me in", sessions=1) as port:
        url = f"ws://127.0.0.1:{port}"
        with client.connect(url, bundle="live", token="let me in") as stream:
            assert stream.finish() == []
            with pytest.raises(ServerError) as caught, client.connect(url, bundle="live", token="let me in"):
                pass
            assert caught.value.code == "E-LIMIT"
        for token, code in ((None, "E-HELLO"), ("wrong", "E-TOKEN")):
            with pytest.raises(ServerError) as caught, client.connect(url, bundle="live", token=token):
                pass
            assert caught.value.code == code
        with pytest.raises(ServerError, match="needs a token"):
            client.animate(url.replace("ws", "http"), SAMPLE, bundle="live")


def test_who_does_not_answer_is_named() -> None:
    """Nobody there, a web server that is none of ours, a wrong address: sentences with the address."""
    closed = "127.0.0.1:9"
    for other in (f"ws://{closed}", f"http://{closed}/v1/stream"):
        with pytest.raises(ConnectError, match="no voxface server answers"), client.connect(other):
            pass
    with pytest.raises(ConnectError, match="no voxface server answers"):
        client.animate(f"http://{closed}", SAMPLE)
    with _web_site() as site:
        with pytest.raises(ConnectError, match="not as a voxface server"), client.connect(site):
            pass
        with pytest.raises(ConnectError, match="not as a voxface server"):
            client.animate(site, SAMPLE)
    for wrong in ("127.0.0.1:5000", "ftp://there", "ws://", "http://[::1"):
        with pytest.raises(UsageError, match="no address"):
            client.connect(wrong)
    with pytest.raises(HelloError, match="fps"):
        client.connect("ws://there", fps=0)
    with pytest.raises(InputError):
        client.animate("http://there", "missing.wav")


@contextmanager
def _web_site() -> Iterator[str]:
    """Some web server, which knows nothing of faces."""

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_error(404)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server, _running(server):
        yield f"http://127.0.0.1:{server.server_port}"


@contextmanager
def _running(server: HTTPServer | Server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


READY = text_of(Ready("s", 60, 90))
SAYS: dict[str, tuple[list[str | bytes], type[VoxfaceError], str]] = {
    "dies": ([READY], GoneError, "broke"),
    "is of another version": ([READY.replace('"version": 1', '"version": 2')], PacketError, "version 2"),
    "is something else": (["hello there"], PacketError, "JSON"),
    "sends half a frame": ([READY, bytes(100)], PacketError, "bytes"),
}


@pytest.mark.parametrize("way", SAYS)
def test_a_server_that_breaks_off_or_babbles(way: str) -> None:
    """Dies in the middle, speaks another version or another language: an error of ours, for plain and for asyncio."""
    said, kind, text = SAYS[way]

    def talk(socket: ServerConnection) -> None:
        socket.recv()
        for message in said:
            socket.send(message)
        socket.socket.shutdown(SHUT_RDWR) if kind is GoneError else None

    def plain(url: str) -> None:
        with client.connect(url) as stream:
            stream.finish()

    async def awaiting(url: str) -> None:
        async with client.connect(url) as stream:
            await stream.finish()

    with serve(talk, "127.0.0.1", 0, compression=None) as server, _running(server):
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        with pytest.raises(kind, match=text):
            plain(url)
        with pytest.raises(kind, match=text):
            asyncio.run(awaiting(url))


@pytest.mark.parametrize("samples", [np.zeros((2, 2), np.float32), np.zeros(3, np.int32)])
def test_sound_of_another_kind_is_refused(url: str, samples: np.ndarray) -> None:
    """Two channels or unknown integers are no sound: one sentence, and the session goes on."""
    with client.connect(url, bundle="live") as stream:
        with pytest.raises(UsageError, match="int16"):
            stream.send(samples)
        assert stream.finish() == []


def test_the_client_is_light() -> None:
    """Importing it opens no model and brings neither a runtime nor a socket library."""
    code = "import sys, voxface.client; print(sorted({'onnxruntime', 'websockets', 'soundfile'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.strip() == "[]"
    assert issubclass(ServerError, VoxfaceError)
