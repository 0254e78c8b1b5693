"""Live outputs on real sockets, pipes and a real WebSocket server: nothing that a receiver does costs time."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.live_frames import frame, random_frame
from voxface.cli import output as cli
from voxface.cli.doctor_network import listen, send_pattern
from voxface.errors import InputWarning, OutputError, PacketError, UsageError
from voxface.export.formats import read
from voxface.face.rig import ARKIT
from voxface.live import ifacialmocap, livelink, vmc
from voxface.live.outputs import OUTPUTS, Output, open_output, parse_target
from voxface.live.pattern import pattern
from voxface.live.udp import KEEP_ALIVE_S, Address, Receiver, UdpOutput


@pytest.fixture
def free_port() -> Iterator[int]:
    """A UDP port that nobody listens at, kept from others until the test ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        held.connect(("127.0.0.1", 1))  # connected elsewhere, it takes nothing and its port refuses
        yield port


def test_a_live_link_receiver_gets_every_frame() -> None:
    """Numbers, names and weights arrive as they were sent."""
    with Receiver(livelink.decode) as receiver:
        output = open_output(f"livelink://127.0.0.1:{receiver.port}?subject=%C3%A4", 30)
        for seq in range(3):
            output.send(frame(seq, fps=30, jawOpen=seq / 4))
        found = [receiver.receive(2) for _ in range(3)]
        assert [one.subject for one in found] == ["ä"] * 3
        assert np.diff([one.moment.frame for one in found]).tolist() == [1, 1]
        assert [one.values[17] for one in found] == [0, 0.25, 0.5]
        assert (output.sent, output.dropped) == (3, 0)
        output.close()


def test_while_no_frames_come_a_face_at_rest_keeps_the_subject_listed() -> None:
    """Once per second, with the head where it was; not while frames come."""
    clock = [100.0]
    with Receiver(livelink.decode) as receiver:
        address = Address(socket.AF_INET, ("127.0.0.1", receiver.port))
        output = UdpOutput("x", address, livelink.LiveLink(60, "a"), lambda: clock[0])
        output.keep_alive(clock[0])
        output.send(frame(0, turned=(20, 0, 0), jawOpen=0.5))
        for step in range(11):
            output.keep_alive(clock[0] + KEEP_ALIVE_S * step / 4)
        found = [receiver.receive(2) for _ in range(4)]
        jaws = [one.values[17] for one in found]
        yaws = [one.values[52] for one in found]
        assert jaws == [0, 0.5, 0, 0]
        assert yaws == pytest.approx([0, yaws[1], yaws[1], yaws[1]])
        assert receiver.receive(0.02) is None
        output.close()


def test_on_leaving_the_face_rests_and_vmc_is_told() -> None:
    """All expressions at 0, then OK 0, as the protocol asks."""
    with Receiver(vmc.decode) as receiver:
        output = open_output(f"vmc://127.0.0.1:{receiver.port}?preset=1&version=1", 60)
        output.send(frame(jawOpen=1.0))
        output.rest()
        output.close()
        found = []
        while not found or found[-1].ok is not False:
            found.append(receiver.receive(2))
        parts = len(found) // 2
        assert any(one.blends.get("JawOpen") for one in found[:parts])
        rested = [one.blends for one in found[parts:]]
        assert sum(len(one) for one in rested) == 52 + 8
        assert {value for one in rested for value in one.values()} == {0.0}


def test_a_receiver_that_is_not_there_costs_nothing_and_may_come_later(free_port: int) -> None:
    """Refusals are counted and told once in 10 s; who joins late gets the whole face with the next frame."""
    clock = [0.0]
    address = Address(socket.AF_INET, ("127.0.0.1", free_port))
    output = UdpOutput("vmc://x", address, vmc.Vmc(), lambda: clock[0])

    def talk_for_20_s() -> None:
        for seq in range(600):
            clock[0] = seq / 30
            output.send(frame(seq))

    with pytest.warns(InputWarning, match="nobody listens there") as told:
        talk_for_20_s()
    assert [one.message.code for one in told] == ["W-OUTPUT"] * 2
    assert output.sent + output.dropped == 600
    assert output.dropped > 500
    output.close()


def test_a_restarted_receiver_gets_full_frames() -> None:
    """The same output goes on to the same port."""
    with Receiver(livelink.decode) as receiver:
        port = receiver.port
        output = open_output(f"livelink://127.0.0.1:{port}", 60)
        output.send(frame(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        output.send(frame(1))
        output.send(frame(2))
        with Receiver(livelink.decode, port=port) as receiver:
            output.send(frame(3, jawOpen=0.5))
            output.send(frame(4, jawOpen=0.5))
            assert receiver.receive(2).values[17] == 0.5
    output.close()


def test_a_network_that_is_down_is_told_and_tried_again() -> None:
    """An address that cannot be reached at all: counted, no exception, a new socket each time."""
    where = ("192.0.2.1", 39539)
    output = UdpOutput("vmc://x", Address(socket.AF_INET6, (where[0], where[1])), vmc.Vmc())  # no such address in IPv6
    with pytest.warns(InputWarning, match="the network refuses"):
        output.send(frame(0))
    output.send(frame(1))
    assert (output.sent, output.dropped) == (0, 2)
    output.close()


def test_receivers_ignore_and_count_what_is_no_packet() -> None:
    """Damage, 60 numbers, NaN: the next good packet is what comes."""
    good = livelink.encode(frame(jawOpen=0.5), livelink.frame_time(0, livelink.rate_of(60)), "d", "s")
    with Receiver(livelink.decode) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in (b"", good[:-1], good[:-4] + b"\xff" * 4, good[:27] + b"\x3c" + good[28:], good):
            sender.sendto(data, ("127.0.0.1", receiver.port))
        assert receiver.receive(2).subject == "s"
        assert receiver.ignored == 4
        assert receiver.receive(0.01) is None


def test_a_program_asks_the_app_and_gets_frames() -> None:
    """With its line of text, in the version it asks for; other text is ignored."""
    output = ifacialmocap.IFacialMocapServer("ifacialmocap://", port=0)
    with Receiver(ifacialmocap.decode) as first, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(2)
        first._socket.sendto(ifacialmocap.HELLO + b"|sendDataVersion=v2", ("127.0.0.1", output.port))
        other.sendto(b"anything", ("127.0.0.1", output.port))
        other.sendto(ifacialmocap.HELLO, ("127.0.0.1", output.port))
        output.send(random_frame())
        np.testing.assert_allclose(first.receive(2).weights, random_frame().weights, atol=0.0051)
        assert b"jawOpen-100" in other.recv(4096)
        output.rest()
        assert not first.receive(2).weights.any()
    output.close()


def test_lines_of_json_are_a_clip_that_can_be_read(tmp_path: Path) -> None:
    """Header first, then a line per frame with its number."""
    path = tmp_path / "a.jsonl"
    output = open_output(f"jsonl:{path}", 60)
    for seq in range(5):
        output.send(frame(seq, turned=(10, 0, 0), jawOpen=seq / 8))
    output.rest()
    output.close()
    assert [json.loads(line).get("seq") for line in path.read_text().splitlines()] == [None, 0, 1, 2, 3, 4]
    clip = read(path)
    assert clip.channel("jawOpen").tolist() == [0, 0.125, 0.25, 0.375, 0.5]
    assert output.sent == 5


def test_a_reader_that_never_reads_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe is full, then 2 s of frames wait, then the oldest are dropped, with a warning; sending never waits."""
    there, here = os.pipe()
    monkeypatch.setattr(os, "dup", lambda _: here)
    output = open_output("jsonl:-", 60)

    def talk() -> None:
        for seq in range(2000):
            output.send(frame(seq))

    with pytest.warns(InputWarning, match="too slowly"):
        talk()
    assert output.dropped > 1000
    os.close(there)  # the reader goes: what waits is dropped, and the thread ends
    output.close()
    assert not output._thread.is_alive()


ADDRESSES = (
    "", "vmc", "vmc:", "vmc:x", "http://x", "vmc://host:port", "vmc://host:99999", "vmc://[::1", "vmc://x/path", "vmc://x:0",
    "vmc://x?caze=camel", "vmc://127.0.0.1?case=snake", "vmc://127.0.0.1?preset=yes", "vmc://127.0.0.1?version=2",
    "livelink://127.0.0.1?subject=", "livelink://127.0.0.1?angles=degrees", "jsonl:", "jsonl://x",
)  # fmt: skip


@pytest.mark.parametrize("url", ADDRESSES)
def test_a_wrong_address_says_how_one_looks(url: str) -> None:
    """Before anything is opened or looked up."""
    with pytest.raises(UsageError) as error:
        open_output(url, 60)
    assert error.value.exit_code == 2
    assert error.value.hint or "must be" in error.value.message or "name" in error.value.message


@pytest.mark.parametrize("url", ["vmc://no.such.host.invalid", "vts://no.such.host.invalid", f"vmc://{'x' * 70}.y"])
def test_a_wrong_host_is_told_at_once(url: str) -> None:
    """With what to check; nothing would ever arrive there."""
    with pytest.raises(OutputError, match="no machine is known") as error:
        open_output(url, 60)
    assert "Check the spelling" in error.value.hint


def test_a_file_or_port_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(OutputError, match="cannot write"):
        open_output(f"jsonl:{tmp_path}/nowhere/a.jsonl", 60)
    with Receiver(livelink.decode) as receiver, pytest.raises(OutputError, match="cannot listen"):
        Receiver(livelink.decode, port=receiver.port)


@pytest.mark.parametrize("scheme", [name for name in OUTPUTS if name not in ("wss",)])
def test_every_kind_opens_by_its_example_and_says_what_to_look_for(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its receiver; it is an Output that takes a frame, a rest and a close."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    example = re.sub(r":\d+", ":1", OUTPUTS[scheme].example) if scheme != "jsonl" else f"jsonl:{tmp_path}/x"
    assert parse_target(example).scheme == scheme
    output = open_output(example, 60)
    assert isinstance(output, Output)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        output.keep_alive(time.monotonic())
        output.send(random_frame())
        output.rest()
    output.close()
    assert OUTPUTS[scheme].look_for


def test_the_pattern_shows_what_it_says() -> None:
    """The jaw once per second, the left eye, then the right, then the head to the subject's left; smooth, and again."""
    frames = list(pattern(60, 6.0))
    weights = np.array([one.weights for one in frames])
    jaw, left, right = (weights[:, ARKIT.index(name)] for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight"))
    yaw = np.array([one.head[5] for one in frames])
    assert [int(np.argmax(jaw[60 * k : 60 * k + 60])) for k in range(5)] == [30] * 5
    assert (np.argmax(left[:300]), np.argmax(right[:300]), np.argmax(yaw[:300])) == (72, 132, 228)
    assert yaw.min() >= 0
    assert max(np.abs(np.diff(one)).max() for one in (jaw, left, right, yaw)) < 0.15
    np.testing.assert_allclose(jaw[300:], jaw[:60], atol=1e-5)


def test_doctor_sends_a_pattern_that_a_decoder_receives() -> None:
    """`voxface doctor --to` says what to look for, and what it sends is whole; nobody there is an error with a hint."""
    with Receiver(livelink.decode) as receiver:
        url = f"livelink://127.0.0.1:{receiver.port}?subject=me"
        command = [sys.executable, "-m", "voxface.cli.main", "doctor", "--to", url, "--seconds", "0.2"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        for said in ("frames sent: 12", "Live Link window", "ARKit Face Subj"):
            assert said in done.stdout
        assert "the left eye blinks" in done.stderr
        assert [receiver.receive(1).subject for _ in range(13)] == ["me"] * 13
        assert receiver.ignored == 0
    with pytest.warns(InputWarning), pytest.raises(OutputError, match="did not arrive") as error:
        send_pattern(cli.Output(quiet=True), url, 0.1)
    assert "Live Link" in error.value.hint


def test_doctor_listens_as_a_receiver_would(capsys: pytest.CaptureFixture[str]) -> None:
    """`voxface doctor --from` counts packets and what it ignores, and says how evenly they came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = cli.Output(json=True)
    sender = threading.Thread(target=_send_for_half_a_second, args=(port,))
    sender.start()
    listen(out, f"livelink://127.0.0.1:{port}", 0.5)
    sender.join()
    assert out.results["packets"] > 2
    assert out.results["ignored"] > 0
    assert out.results["gaps_ms"]["most"] >= out.results["gaps_ms"]["p50"] > 0
    with pytest.raises(UsageError, match="nothing to listen for"):
        listen(out, "jsonl:-", 1)


def _send_for_half_a_second(port: int) -> None:
    """Good and bad packets in turn for half a second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        live = livelink.LiveLink(60, "a")
        for seq in range(20):
            sender.sendto(live.packets(frame(seq))[0] if seq % 2 else b"bad", ("127.0.0.1", port))
            time.sleep(0.025)


def test_packet_errors_are_ours() -> None:
    """What a decoder refuses is a PacketError, which `Receiver` relies on."""
    for kind in OUTPUTS.values():
        if kind.decode:
            with pytest.raises(PacketError):
                kind.decode(b"?")
