"""`voxface view --live`: Live Link packets on a real socket → events → the page, with honest numbers."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser import WEB, chromium
from tests.test_faults_audio import run_program
from tests.viewers import ask, ended, serving, viewing
from tests.waiting import wait_for
from voxface.errors import OutputError, UsageError
from voxface.face.axes import quaternion_from_euler
from voxface.face.rig import ARKIT
from voxface.live.frame import LiveFrame
from voxface.live.livelink import LiveLink, encode, frame_time
from voxface.live.outputs import open_output
from voxface.viewer.live import LiveFeed
from voxface.viewer.session import Session

NOON_S, FPS = 43_200.0, 60


def face(seq: int, jaw: float, yaw: float = 0.0) -> LiveFrame:
    """A frame whose weights are all its own, the jaw as given, the head turned."""
    weights = (np.arange(len(ARKIT)) / 1000).astype(np.float32)
    weights[ARKIT.index("jawOpen")] = jaw
    head = np.concatenate([np.zeros(3), quaternion_from_euler(np.array([yaw, 0.1, 0.05]))]).astype(np.float32)
    return LiveFrame(seq, seq / FPS, weights, head)


@contextmanager
def following(port: int) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    """The page's events, as (kind, value)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/api/live")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")

    def events() -> Iterator[tuple[str, dict[str, Any]]]:
        while line := answer.readline():
            if line.startswith(b"event: "):
                yield line[7:].decode().strip(), json.loads(answer.readline().removeprefix(b"data: "))

    try:
        yield events()
    finally:
        answer.close()
        connection.close()


@contextmanager
def feeding(time_s: float = NOON_S) -> Iterator[tuple[LiveFeed, int, socket.socket]]:
    """A feed whose time of day stands still, the port of its page, and a socket that sends to it."""
    with (
        LiveFeed("127.0.0.1:0", lambda: time_s) as feed,
        Session(live=feed) as session,
        serving(session) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.connect(("127.0.0.1", feed.port))
        yield feed, server.server_port, sender


def packet(seq: int, jaw: float = 0.2, seen: bool = True) -> bytes:
    frame = face(seq, jaw, 0.3)
    if not seen:
        frame = LiveFrame(frame.seq, frame.time_s, frame.weights, seen=False)
    return encode(frame, frame_time(Fraction(NOON_S) + Fraction(seq, FPS), Fraction(FPS)), "device", "Ada")


def test_packets_become_faces_by_name() -> None:
    """Weights over ARKIT, so left stays left, and the head's turn as it was; a packet without a face tells none."""
    with feeding() as (_, port, sender), following(port) as events:
        assert next(events)[0] == "timing"  # the page is known to the feed
        sender.send(packet(0))
        sender.send(packet(1, seen=False))
        frames = list(islice((value for kind, value in events if kind == "frame"), 2))
    expected = face(0, 0.2, 0.3)
    np.testing.assert_allclose(frames[0]["weights"], expected.rig_weights(), atol=1e-4)
    assert expected.head is not None
    np.testing.assert_allclose(frames[0]["head"], expected.head, atol=1e-4)
    assert (frames[1]["n"], frames[1]["weights"]) == (2, None)


def test_how_they_come_is_measured() -> None:
    """Lost are the numbers that never came, foreign bytes are counted, the age is arrival less timecode; another clock
    gives none."""
    with feeding(NOON_S + 0.25) as (feed, _, sender):
        for seq in (0, 1, 2, 6, 7):
            sender.send(packet(seq))
        sender.send(b"GET / HTTP/1.1")
        sender.send(packet(8))
        timing = until(feed, frames=6)
    assert (timing["lost"], timing["ignored"], timing["subject"]) == (3, 1, "Ada")
    assert timing["age_ms"] == pytest.approx(250 - 1000 * 4 / FPS, abs=1000 * 2.1 / FPS)
    assert timing["jitter_ms"] >= 0
    with feeding(NOON_S - 3600) as (feed, _, sender):
        sender.send(packet(0))
        sender.send(packet(1))
        assert until(feed, frames=2)["age_ms"] is None


def until(feed: LiveFeed, frames: int) -> dict[str, Any]:
    found: dict[str, Any] = wait_for(
        lambda: (timing := feed.timing(time.monotonic()))["frames"] >= frames and timing, limit_s=30
    )
    return found


def test_only_our_page_is_told_and_only_where_there_is_something_live() -> None:
    """Another name of this machine is refused; a viewer of clips has no such address; HEAD is answered at once."""
    with feeding() as (feed, port, _):
        assert ask(port, "/api/live", Host="evil.example").status == 403
        assert ask(port, "/api/session").json["live"] == {"where": f"127.0.0.1:{feed.port}", "channels": list(ARKIT)}
        assert ask(port, "/api/live", "HEAD").status == 404
    with Session() as session, serving(session) as server:
        assert ask(server.server_port, "/api/live").status == 404
        assert ask(server.server_port, "/api/session").json["live"] is None


def test_a_wrong_place_is_one_sentence(tmp_path: Path) -> None:
    """No port, a port in use, files beside it: what to write instead, and no server."""
    for wrong in ("there", "127.0.0.1:99999", "", "livelink://127.0.0.1:x"):
        with pytest.raises(UsageError, match="no place to listen at"):
            LiveFeed(wrong)
    with LiveFeed("0") as feed, pytest.raises(OutputError, match="cannot listen"):
        LiveFeed(str(feed.port))
    done = run_program("view", "--live", "0", "a.wav", cwd=tmp_path)
    assert (done.returncode, b"--live shows what arrives" in done.stderr) == (2, True)


def test_the_page_shows_them(tmp_path: Path) -> None:
    """In Chromium the head follows packets of our own output: the mouth opens in pixels, the line tells rate and age;
    the desk is away; when the viewer ends the page says so."""
    browser = chromium("the page is not tried")
    with viewing("--live", "0", "--no-browser", "--port", "0", cwd=tmp_path) as (process, port):
        where = ask(port, "/api/session").json["live"]["where"]
        plan = {"url": f"http://127.0.0.1:{port}/", "chromium": browser, "size": {"width": 480, "height": 400}}
        (tmp_path / "plan.json").write_text(json.dumps(plan | {"picture": str(tmp_path / "live.png")}))
        walk = subprocess.Popen(
            ["node", WEB / "tests" / "live.mjs", tmp_path / "plan.json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert walk.stderr
        with sending(where) as jaw:
            for word in iter(walk.stderr.readline, ""):
                jaw[:] = {"ready\n": [0.9], "shut\n": [0.0], "stop\n": []}[word]
                if not jaw:
                    assert ended(process, signal.SIGINT)[0] == 0
        found = json.loads(walk.communicate(timeout=60)[0])
    assert "failed" not in found, found
    assert found["waiting"].startswith(f"Nothing comes at {where}. Send: voxface live --to livelink://{where}")
    assert (found["open"][0], found["shut"][0]) == (pytest.approx(0.9, abs=1e-3), 0)
    assert found["open"][1] < found["shut"][1] - 15, found
    assert found["line"].startswith("voxface · ")
    assert " fps · jitter " in found["line"]
    assert " · age " in found["line"]
    assert found["hidden"]
    assert [text for text in found["complaints"] if "ERR_" not in text] == []


@contextmanager
def sending(where: str) -> Iterator[list[float]]:
    """Frames at 60 per second to a viewer, in a thread, with the jaw that is in the list; none while it is empty."""
    jaw: list[float] = []
    over = threading.Event()

    def work() -> None:
        output, start_s, seq = open_output(f"livelink://{where}", FPS), time.monotonic(), 0
        while not over.wait(max(0.0, start_s + seq / FPS - time.monotonic())):
            for one in list(jaw):
                output.send(face(seq, one))
            seq += 1
        output.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield jaw
    finally:
        over.set()
        thread.join()


def test_the_encoder_ties_its_clock_once() -> None:
    """What the age rests on: a sender's timecode is its time of day at the first frame, and runs on with the frames."""
    link = LiveLink(FPS, "Ada", lambda: NOON_S)
    with feeding(NOON_S + 1.0) as (feed, _, sender):
        for seq in range(4):
            (data,) = link.packets(face(60 + seq, 0.1))
            sender.send(data)
        assert until(feed, frames=4)["age_ms"] == pytest.approx(1000 - 1000 * 1.5 / FPS, abs=0.1)
