"""`voxface live` with real sounds, sockets, pipes and signals, in real time; microphone and speaker are played."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import SAMPLE
from tests.fake_sounddevice import FakeSounddevice
from voxface.audio.decode import read_audio
from voxface.cli.live import live
from voxface.errors import DeviceError, InputWarning, MissingDependencyError
from voxface.live import devices, livelink
from voxface.live import playout as playout_module
from voxface.live.clock import AudioClock
from voxface.live.devices import Microphone, Speaker
from voxface.live.udp import Receiver
from voxface.runtime.animate import animate
from voxface.runtime.live_session import LiveSession
from voxface.timebase import frame_time_s

PROGRAM = (sys.executable, "-m", "voxface.cli.main", "live", "-q")


def frames_in(path: Path) -> list[dict[str, Any]]:
    """The frames of a JSONL output."""
    return [json.loads(text) for text in path.read_text().splitlines()[1:]]


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """0.3 s of the shipped sample, as bare 16-bit samples."""
    samples, _ = read_audio(SAMPLE)
    path = tmp_path_factory.mktemp("hello") / "hello.raw"
    path.write_bytes((samples[8000:13000] * 32767).astype("<i2").tobytes())
    return path


def test_every_output_gets_the_face_that_animate_makes(
    hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in real time, to Live Link and into a file at once: by number, the frames of `voxface animate`."""
    from voxface.audio.decode import RawFormat
    from voxface.face.rig import ARKIT, LIVELINK_UDP

    monkeypatch.setattr(playout_module, "MOST_LATE_S", 60.0)
    expected = animate(str(hello), raw=RawFormat("s16le"), bundle="live", threads=1)
    with Receiver(livelink.decode) as receiver:
        live(input=str(hello), raw="s16le", to=[f"livelink://127.0.0.1:{receiver.port}", f"jsonl:{tmp_path}/a.jsonl"])
        packets = []
        while packet := receiver.receive(0.02):
            packets.append(packet)
    rows = frames_in(tmp_path / "a.jsonl")
    numbers = [row["seq"] for row in rows]
    assert numbers == sorted(set(numbers))
    assert 0 <= numbers[0] < numbers[-1] < len(expected) + 12
    inside = [row for row in rows if row["seq"] < len(expected)]
    assert len(inside) >= 5
    for row in inside:
        np.testing.assert_allclose(row["weights"], np.clip(expected.weights[row["seq"]], 0, 1), atol=1e-4)
        assert row["t"] == pytest.approx(frame_time_s(row["seq"], 60), abs=1e-6)
    np.testing.assert_allclose(rows[-1]["weights"][ARKIT.index("jawOpen")], 0, atol=0.1)
    names = [name for name in LIVELINK_UDP if name in ARKIT and name != "mouthClose"]
    moving = packets[-len(rows) - 1 : -1]  # before them the face at rest, and one at the end
    for row, packet in zip(rows, moving, strict=True):
        sent = [packet.values[LIVELINK_UDP.index(name)] for name in names]
        np.testing.assert_allclose(sent, [row["weights"][ARKIT.index(name)] for name in names], atol=1e-4)
    assert not np.any(packets[-1].values[:52])


def test_a_pipe_may_pause_and_end_in_the_middle_of_a_sample(hello: Path) -> None:
    """What comes after a pause is heard after silence; the time goes on; the end is a face at rest and exit code 0."""
    data = hello.read_bytes()
    command = [*PROGRAM, "--input", "-", "--raw", "s16le:16000:1", "--to", "jsonl:-", "--fps", "30"]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen(command, **pipes) as program:
        assert program.stdin
        assert program.stdout
        program.stdin.write(data[:4801])
        said = program.stdout.readline()  # it has begun
        time.sleep(0.2)
        rest, errors = program.communicate(data[4801:9601])
        said += rest
    rows = [json.loads(text) for text in said.splitlines()[1:]]
    assert program.returncode == 0
    assert b"make no whole sample" in errors
    assert b"rror" not in errors
    numbers = [row["seq"] for row in rows]
    assert numbers == sorted(set(numbers))
    assert rows[-1]["t"] > 0.53  # 0.5 without the pause
    assert rows[-1]["weights"][rows_jaw(said)] < 0.1


def rows_jaw(said: bytes) -> int:
    return int(json.loads(said.splitlines()[0])["names"].index("jawOpen"))


def test_a_reader_that_leaves_ends_it_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    """`voxface live --to jsonl:- | head -1`: exit code 0 and not a word."""
    reading, writing = os.pipe()
    lines = []

    def head() -> None:
        with os.fdopen(reading, "rb") as pipe:
            lines.append(pipe.readline())

    reader = threading.Thread(target=head)
    reader.start()
    live(input=str(SAMPLE), to=[f"jsonl:/dev/fd/{writing}"], quiet=True)
    reader.join()
    os.close(writing)
    said = capsys.readouterr()
    assert b"voxface-frames" in lines[0]
    assert said.err == ""
    assert int(said.out.split()[0]) < 100  # of 282 frames


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_brings_the_mouth_to_rest(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C and SIGTERM: the last packet is a face at rest, a summary is printed, the exit code is 130."""
    with Receiver(livelink.decode) as receiver:
        number = getattr(signal, name)
        before = signal.getsignal(number)

        def ask_to_stop() -> None:
            for _ in range(6):  # then it surely listens to signals
                assert receiver.receive(10)
            os.kill(os.getpid(), number)

        threading.Thread(target=ask_to_stop).start()
        with pytest.raises(SystemExit, match="130"):
            live(input=str(SAMPLE), to=[f"livelink://127.0.0.1:{receiver.port}"], json=True)
        packets = []
        while packet := receiver.receive(0.02):
            packets.append(packet)
    summary = json.loads(capsys.readouterr().out)
    assert summary["stopped"]
    assert summary["frames"] < 60
    assert not np.any(packets[-1].values[:52])
    assert signal.getsignal(number) == before


def hum(rate_hz: int) -> Any:
    return lambda at, count: (0.3 * np.sin(600 * np.arange(at, at + count) / rate_hz)).astype(np.float32)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> FakeSounddevice:
    """A headset of 8 kHz, as by Bluetooth."""
    module = FakeSounddevice(8000, hum(8000))
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_a_microphone_that_is_unplugged_is_taken_again(
    card: FakeSounddevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, the face goes on (at rest), and when the microphone is back it is heard; 8 kHz is fine."""
    monkeypatch.setattr(devices, "_GONE_S", 0.15)
    monkeypatch.setattr(devices, "_AGAIN_S", 0.05)
    threading.Timer(0.12, card.unplugged.set).start()
    threading.Timer(0.3, card.unplugged.clear).start()
    live(to=[f"jsonl:{tmp_path}/a.jsonl"], duration=0.45, json=True, fps=30)
    summary = json.loads(capsys.readouterr().out)
    assert summary["rate_hz"] == 8000
    assert summary["gaps"] >= 1  # overflows that the card tells
    assert any("rests until it is back" in text for text in summary["warnings"])
    assert any("is back." in text for text in summary["warnings"])
    assert summary["heard_s"] == 0.45
    assert card.begun_anew >= 1
    times = [row["t"] for row in frames_in(tmp_path / "a.jsonl")]
    assert times[-1] > 0.45
    assert np.diff(times).max() < 0.35  # the face went on while it was away


def test_devices_are_listed_by_number(card: FakeSounddevice, capsys: pytest.CaptureFixture[str]) -> None:
    """With channels, rate and which is the default; control characters in names stay harmless."""
    live(list_devices=True)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "  0  Headset\\n (ALSA): 1 in, 0 out, 8000 Hz  [default input]"
    assert told[1].endswith("[default output]")


def test_a_file_is_played_whole_and_once(hello: Path, card: FakeSounddevice, tmp_path: Path) -> None:
    """--play, also where the sound is to come later than the face."""
    live(input=str(hello), raw="s16le", play=True, offset_ms=-30, fps=30, device="Speak")
    played = np.concatenate([block for _, block in card.played])
    expected = np.frombuffer(hello.read_bytes(), "<i2") / np.float32(32768)
    at = int(np.flatnonzero(played)[0]) - int(np.flatnonzero(expected)[0])
    missing = len(expected) - len(played[at : at + len(expected)])
    assert missing < 240  # the last blocks are on their way when the stream ends
    np.testing.assert_array_equal(played[at:][: len(expected) - missing], expected[: len(expected) - missing])


def test_a_machine_that_is_too_slow_leaves_sound_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The net stands still for a while: it says so, nothing queues up, and afterwards frames are on time again."""
    monkeypatch.setattr(playout_module, "MOST_LATE_S", 0.1)
    asleep, pull = list[float](), LiveSession.pull

    def pull_slowly(session: LiveSession, until_s: float | None = None) -> Any:
        """For 0.2 s after the third frame none is ready."""
        if until_s is not None and session.given >= 3:
            asleep.append(time.monotonic())
            until_s = -1.0 if asleep[-1] - asleep[0] < 0.2 else until_s
        return pull(session, until_s)

    monkeypatch.setattr(LiveSession, "pull", pull_slowly)
    live(input=str(SAMPLE), to=[f"jsonl:{tmp_path}/a.jsonl"], duration=0.45, json=True)
    summary = json.loads(capsys.readouterr().out)
    assert any("too busy" in text for text in summary["warnings"])
    times = [row["t"] for row in frames_in(tmp_path / "a.jsonl")]
    assert times[-1] < 0.6  # the time that was left out is not part of the clock


def test_sound_is_played_when_its_face_shows(card: FakeSounddevice) -> None:
    """Sample n leaves the speaker at its second of the clock plus the delay, within a block."""
    clock = AudioClock()
    speaker = Speaker(8000, clock, 0.08)
    clock.start(time.monotonic())
    sound = np.arange(1, 2001, dtype=np.float32)
    speaker.put(sound)
    time.sleep(0.2)
    speaker.close()
    heard = [(at_s, block) for at_s, block in card.played if block.any()]
    for at_s, block in heard:
        first = int(np.argmax(block > 0))
        moment = clock.moment((block[first] - 1) / 8000) + 0.08
        assert at_s + first / 8000 == pytest.approx(moment, abs=0.03)
    together = np.concatenate([block for _, block in heard])
    together = together[np.argmax(together > 0) :]
    np.testing.assert_array_equal(np.diff(together), 1)


def test_what_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """sounddevice, or the PortAudio below it: the real library's error, with the line that installs it."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'voxface\[live\]'"):
        Microphone()
    pytest.importorskip("cffi", reason="sounddevice is not installed")
    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"apt install libportaudio2.*brew install portaudio"):
        Microphone()


def test_a_device_that_is_not_there_is_one_sentence(card: FakeSounddevice) -> None:
    """Another name, another number, none at all."""
    for name in ("Yeti", "7"):
        with pytest.raises(DeviceError, match=rf"microphone '{name}' cannot be used.*--list-devices"):
            Microphone(name)
    card.found.clear()
    with pytest.raises(DeviceError, match=r"shows none.*libportaudio2"):
        Microphone()


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        ({"input": "http://x/a.wav"}, 3, "cannot open http://x/a.wav"),
        ({"input": str(SAMPLE), "to": ["vmc:127.0.0.1"]}, 2, "is not whole"),
        ({"input": str(SAMPLE), "offset_ms": -10}, 2, "before it is known"),
        ({"input": str(SAMPLE), "offset_ms": math.nan}, 2, "--offset-ms must be"),
        ({"play": True}, 2, "a microphone would hear itself"),
        ({"duration": 0.0}, 2, "--duration must be"),
        ({"fps": 0.0, "input": str(SAMPLE)}, 2, "a frame rate must be"),
        ({"to": ["jsonl:-"], "json": True}, 2, "both write to standard output"),
        ({"input": str(SAMPLE), "bundle": "nobody"}, 4, "nobody"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_wrong_call_is_one_line(flags: Any, code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit code of the house, before any sound is read."""
    with pytest.raises(SystemExit) as ended:
        live(**flags)
    said = capsys.readouterr()
    assert ended.value.code == code
    assert text in said.err + said.out
    assert len(said.err.splitlines()) <= 1


def test_warnings_of_devices_reach_the_user() -> None:
    """They are warnings of ours, which the command line prints as one line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        devices._warn("it is gone")
    assert isinstance(caught[0].message, InputWarning)
