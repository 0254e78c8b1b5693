"""The server on Ray Serve: two replicas on a Ray of this machine alone, asked over HTTP and WebSockets."""

from __future__ import annotations

import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'voxface[ray]'")
pytest.importorskip("fastapi", reason="Ray Serve is not installed: pip install 'voxface[ray]'")
pytest.importorskip("starlette", reason="the server needs: pip install 'voxface[serve]'")

import voxface
from tests.served import PATIENCE, Heard, listen, session
from tests.viewers import Reply, ask
from voxface.errors import UsageError
from voxface.live.wire import End, Hello, sample_bytes, text_of

SOUND = Path(voxface.__file__).parent / "samples" / "hello.flac"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Two replicas, half a processor each, in processes of their own; SIGTERM ends all of them."""
    with socket.socket() as wire:
        wire.bind(("127.0.0.1", 0))
        free = wire.getsockname()[1]
    command = [sys.executable, "-m", "voxface.server.ray_serve", "--port", str(free), "--cpus", "0.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line == f"voxface on Ray Serve: http://127.0.0.1:{free}\n", process.communicate(timeout=PATIENCE)[1]
            yield free
        finally:
            process.terminate()
            _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def test_both_replicas_answer_alike(port: int) -> None:
    """Recordings are answered by either replica with the clip that voxface.animate makes; both say they are ready."""
    sound = SOUND.read_bytes()
    answers: dict[str, Reply] = {}
    ready = set()
    for _ in range(50):
        reply = ask(port, "/v1/animate?bundle=live&fps=30&format=json", "POST", sound)
        assert reply.status == 200, reply.body
        answers[reply.headers["x-replica"]] = reply
        state = ask(port, "/readyz")
        assert (state.status, state.body) == (200, b"ready")
        ready.add(state.headers["x-replica"])
        if len(answers) == len(ready) == 2:
            break
    assert set(answers) == ready
    one, other = (reply.json for reply in answers.values())
    assert one == other
    np.testing.assert_allclose(one["frames"], voxface.animate(SOUND, bundle="live", fps=30).weights, atol=1e-4)


def test_a_session_stays_where_it_began(port: int) -> None:
    """Sessions that are open at the same time on both replicas: each gets all frames of its own sound."""
    hello = Hello(fps=30, bundle="live", lead_s=60.0)
    times = np.arange(16_000) / 16_000
    tones = [(0.3 * np.sin(2 * np.pi * 110 * step * times)).astype(np.float32) for step in range(1, 7)]
    lines = [session(port, hello) for _ in tones]
    sockets = [line.__enter__() for line in lines]
    replicas = {one.response.headers["x-replica"] for one in sockets if one.response}
    for at in range(0, 16_000, 1600):
        for one, tone in zip(sockets, tones, strict=True):
            one.send(sample_bytes(tone[at : at + 1600], "s16le"))
    heard: list[Heard] = []
    for one, line in zip(sockets, lines, strict=True):
        one.send(text_of(End()))
        heard.append(listen(one))
        line.__exit__(None, None, None)
    assert len(replicas) == 2
    for one_heard, tone in zip(heard, tones, strict=True):
        expected = voxface.animate(np.round(tone * 32768).astype(np.int16), 16_000, fps=30, bundle="live").weights
        np.testing.assert_allclose(one_heard.weights[: len(expected)], expected, atol=1e-4)
        assert one_heard.code == 1000


def test_arguments_of_serve_run() -> None:
    """What `serve run` and config files give: a wrong name or no number is an error that says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        from voxface.server.ray_serve import application
    with pytest.raises(UsageError, match="replica"):
        application({"replica": "2"})
    with pytest.raises(UsageError, match="number"):
        application({"replicas": "two"})
    assert application({"replicas": "2", "sessions": "8", "token": "x", "name": "faces.example"})
