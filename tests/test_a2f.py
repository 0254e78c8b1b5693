"""The gRPC shape of Audio2Face-3D: `voxface a2f` as a process, called as its clients call it."""

from __future__ import annotations

import asyncio
import re
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("grpc", reason="grpcio is not installed: pip install 'voxface[a2f]'")

import grpc

import voxface
from tests.waiting import wait_for
from voxface.a2f import conversation
from voxface.a2f.messages import METHOD, SERVICE, AnimationDataStream, AudioStream, EmotionAggregate
from voxface.a2f.server import serve
from voxface.a2f.shapes import NAMES
from voxface.errors import PortError, UsageError
from voxface.face.rig import ARKIT
from voxface.runtime.animate import open_animator
from voxface.runtime.emotion_input import Wanted
from voxface.runtime.feeling import Feeling
from voxface.server.settings import Settings

RATE = 24_000
PATIENCE = 60.0  # seconds: what takes longer is broken
PROTO = Path(conversation.__file__).with_name("a2f.proto")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """`voxface a2f` as a process; it ends by SIGTERM, and says so."""
    command = [sys.executable, "-m", "voxface.cli.main", "a2f", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        found = re.fullmatch(r"voxface a2f: 127\.0\.0\.1:(\d+)\n", process.stdout.readline())
        try:
            assert found, process.communicate(timeout=PATIENCE)[1]
            yield int(found[1])
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "bug" not in said
    assert said.endswith("the server has ended.\n")


@contextmanager
def serving(tell: Callable[[str], None] = lambda line: None, **limits: Any) -> Iterator[int]:
    """The port of a server on a thread, with limits of our own."""
    found: list[int] = []
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    def note(port: int) -> None:
        found.append(port)
        ready.set()

    settings = Settings(port=0, drain_s=0.1, **limits)
    work = serve(open_animator("default", 1), settings, note, tell, stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(work,))
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)
        loop.close()


@contextmanager
def answers_of(port: int, parts: Iterable[Any], **metadata: str) -> Iterator[Any]:
    """What the server says to these AudioStreams, as it comes."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.stream_stream(
            f"/{SERVICE}/{METHOD}", AudioStream.SerializeToString, AnimationDataStream.FromString
        )
        yield method(iter(parts), metadata=tuple(metadata.items()), timeout=PATIENCE)


def call(port: int, parts: Iterable[Any], **metadata: str) -> list[Any]:
    """All of it."""
    with answers_of(port, parts, **metadata) as answers:
        return list(answers)


def header(rate_hz: int = RATE, channels: int = 1, bits: int = 16, **more: Any) -> Any:
    audio = {"audio_format": 0, "channel_count": channels, "samples_per_second": rate_hz, "bits_per_sample": bits}
    return AudioStream(audio_stream_header={"audio_header": audio, **more})


def sound(samples: np.ndarray, emotions: Iterable[tuple[float, dict[str, float]]] = ()) -> Any:
    keys = [{"time_code": time_s, "emotion": emotion} for time_s, emotion in emotions]
    return AudioStream(audio_with_emotion={"audio_buffer": samples.astype("<i2").tobytes(), "emotions": keys})


END = AudioStream(end_of_audio={})


def weights(answers: list[Any]) -> np.ndarray:
    frames = [one.animation_data for one in answers if one.HasField("animation_data")]
    return np.array([each.values for frame in frames for each in frame.skel_animation.blend_shape_weights])


def column(clip: voxface.FaceClip, name: str) -> np.ndarray:
    return clip.weights[:, ARKIT.index(name)]


def status(answers: list[Any]) -> tuple[int, str]:
    return answers[-1].status.code, answers[-1].status.message


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """2.5 s of the shipped sample as 24 kHz int16, an odd number of samples that is no whole number of frames."""
    from voxface.audio.decode import open_audio
    from voxface.audio.resample import Resampler
    from voxface.stream import run_whole

    path = Path(voxface.__file__).parent / "samples" / "hello.flac"
    with open_audio(path) as audio:
        heard = np.concatenate(list(audio.blocks(1 << 16)))
        at_rate = run_whole(Resampler(audio.rate_hz, RATE), heard)
    return np.rint(at_rate[: 2 * RATE + 12_345] * 32_767).astype("<i2")


@pytest.fixture(scope="module")
def clip(speech: np.ndarray) -> voxface.FaceClip:
    return voxface.animate(speech, RATE, fps=30)


def test_a_stream_is_the_clip_that_animate_makes(port: int, speech: np.ndarray, clip: voxface.FaceClip) -> None:
    """Header with 52 names in Unreal's order; frames at 30 a second whose weights, by name, are those of
    voxface.animate, with the sound that belongs to them; the event; SUCCESS."""
    pieces = [sound(piece) for piece in np.array_split(speech, 7)]
    answers = call(port, [header(), *pieces, END])
    first, *frames, event, _ = answers
    head = first.animation_data_stream_header
    assert head.audio_header == header().audio_stream_header.audio_header
    names = list(head.skel_animation_header.blend_shapes)
    assert names[:3] == ["EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft"]
    assert names[14:18] == ["JawForward", "JawLeft", "JawRight", "JawOpen"]
    assert names[-1] == "TongueOut"
    assert {name[0].lower() + name[1:] for name in names} == set(ARKIT)
    expected = np.stack([clip.weights[:, ARKIT.index(name[0].lower() + name[1:])] for name in names], axis=1)
    np.testing.assert_allclose(weights(frames), expected, atol=1e-4)
    data = [frame.animation_data for frame in frames]
    times = [one.skel_animation.blend_shape_weights[0].time_code for one in data]
    assert times == [one.audio.time_code for one in data] == [k / 30 for k in range(len(clip))]
    assert b"".join(one.audio.audio_buffer for one in data) == speech.tobytes()
    assert {len(one.audio.audio_buffer) for one in data[:-1]} == {2 * RATE // 30}
    assert event.HasField("event")
    assert status(answers) == (0, f"{len(clip)} frames.")


def test_frames_come_while_sound_comes(port: int, speech: np.ndarray) -> None:
    """After a second of sound most of its frames are there, before anything more is sent."""
    heard, go_on = [], threading.Event()

    def parts() -> Iterator[Any]:
        yield header()
        yield sound(speech[:RATE])
        assert go_on.wait(PATIENCE)
        yield END

    with answers_of(port, parts()) as answers:
        for answer in answers:
            heard.append(answer)
            if len(heard) == 20:
                go_on.set()
    assert len(weights(heard)) == 30


def test_shapes_are_multiplied_moved_and_clamped(port: int, speech: np.ndarray, clip: voxface.FaceClip) -> None:
    """multiplier * weight + offset per shape, beyond 1 unless clamping is asked for; shapes of a tongue that we do not
    have are passed over, any other unknown name is an error that says which."""
    shapes = {
        "bs_weight_multipliers": {"JawOpen": 20.0, "TongueTipUp": 2.0},
        "bs_weight_offsets": {"BrowInnerUp": -0.5},
    }
    for clamped in (False, True):
        shapes["enable_clamping_bs_weight"] = clamped  # type: ignore[assignment]
        found = weights(call(port, [header(blendshape_params=shapes), sound(speech), END]))
        expected = 20 * column(clip, "jawOpen")
        assert expected.max() > 1
        np.testing.assert_allclose(found[:, NAMES.index("JawOpen")], expected.clip(0, 1 if clamped else 99), atol=2e-3)
        brow = column(clip, "browInnerUp") - 0.5
        np.testing.assert_allclose(found[:, NAMES.index("BrowInnerUp")], brow.clip(0 if clamped else -9, 9), atol=1e-4)
    for wrong in ({"JawOpened": 1.0}, {"JawOpen": float("nan")}):
        code, text = status(call(port, [header(blendshape_params={"bs_weight_multipliers": wrong})]))
        assert code == 3
        assert text.startswith("E-USAGE")
        assert next(iter(wrong)) in text


def test_emotions_by_their_names(port: int, speech: np.ndarray) -> None:
    """joy and later grief show as voxface's happy and sad, each held until the next, also when the second one comes
    with a later message; what is shown comes back by their names; a lower strength shows less."""
    happy, sad = np.eye(7)[3], np.eye(7)[5]
    wanted = Wanted(np.array([0, 1.5, 2.0]), np.stack([happy, happy, sad]), np.ones(3))
    expected = voxface.animate(speech, RATE, fps=30, emotion=Feeling(wanted=wanted))
    parts = [sound(speech[:RATE], [(0.0, {"joy": 1.0})]), sound(speech[RATE:], [(1.5, {"grief": 1.0, "pain": 0.3})])]
    answers = call(port, [header(), *parts, END])
    smile = weights(answers)[:, NAMES.index("MouthSmileLeft")]
    np.testing.assert_allclose(smile, column(expected, "mouthSmileLeft"), atol=1e-4)
    assert smile[:30].mean() > 0.2 > smile[-10:].mean()
    shown = [
        EmotionAggregate.FromString(one.animation_data.metadata["emotion_aggregate"].value).a2f_smoothed_output[0]
        for one in answers
        if one.HasField("animation_data")
    ]
    assert shown[10].emotion["joy"] == 1
    assert shown[-1].emotion["sadness"] == 1
    assert shown[-1].time_code == (len(expected) - 1) / 30
    weak = {"emotion_strength": 0.2}
    parts = [header(emotion_post_processing_params=weak), sound(speech, [(0.0, {"joy": 1.0})]), END]
    assert weights(call(port, parts))[:, NAMES.index("MouthSmileLeft")][:30].mean() < 0.5 * smile[:30].mean()


def test_what_cannot_be_used_is_an_error_that_says_why(port: int) -> None:
    """Wrong order, wrong sound, too much of it, unknown emotions: one last message with ERROR, our code and a text."""
    silence = np.zeros(RATE)
    for parts, code in (
        ([sound(silence)], "E-ORDER"),
        ([END], "E-ORDER"),
        ([header(), header()], "E-ORDER"),
        ([header(), sound(silence)], "E-ORDER"),  # and no EndOfAudio
        ([header(), AudioStream()], "E-PACKET"),
        ([header(), AudioStream(audio_with_emotion={"audio_buffer": b"odd"})], "E-PACKET"),
        ([header(), END], "E-AUDIO-EMPTY"),
        ([header(channels=2)], "E-AUDIO-FORMAT"),
        ([header(bits=24)], "E-AUDIO-FORMAT"),
        ([header(rate_hz=100)], "E-AUDIO-FORMAT"),
        ([header(), sound(np.zeros(10 * RATE + 1))], "E-LIMIT"),
        ([header(), sound(silence, [(0.0, {"happiness": 1.0})])], "E-USAGE"),
        ([header(), sound(silence, [(0.0, {"joy": 1.5})])], "E-USAGE"),
        ([header(), sound(silence, [(float("nan"), {"joy": 1.0})])], "E-USAGE"),
        ([header(emotion_post_processing_params={"emotion_strength": -1})], "E-USAGE"),
    ):
        found, text = status(call(port, parts))
        assert (found, text.partition(":")[0]) == (3, code), text


def test_limits_of_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token: refused before anything is heard. Too much sound in all, or silence on the line: ERROR. More streams
    than there may be: RESOURCE_EXHAUSTED, and the first one goes on."""
    monkeypatch.setattr(conversation, "MOST_SOUND_S", 1.0)
    go_on, inside = threading.Event(), threading.Event()

    def slow() -> Iterator[Any]:
        yield header()
        inside.set()
        assert go_on.wait(PATIENCE)
        yield sound(np.zeros(100))
        yield END

    with serving(token="secret", sessions=1, idle_s=30) as port:
        with pytest.raises(grpc.RpcError) as refused:
            call(port, [header(), END])
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        halves = [sound(np.zeros(RATE * 2 // 3))] * 2
        assert status(call(port, [header(), *halves, END], authorization="Bearer secret"))[1].startswith("E-LIMIT")
        first: list[Any] = []
        thread = threading.Thread(target=lambda: first.extend(call(port, slow(), authorization="Bearer secret")))
        thread.start()
        assert inside.wait(PATIENCE)
        with pytest.raises(grpc.RpcError) as full:
            call(port, [header(), END], authorization="Bearer secret")
        assert full.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        go_on.set()
        thread.join(PATIENCE)
        assert status(first) == (0, "1 frames.")
    said: list[str] = []
    with serving(said.append, idle_s=0.1) as port:
        go_on.clear()
        answers = call(port, slow())
        go_on.set()
        assert status(answers)[1].startswith("E-LIMIT: nothing came for 0.1 s.")
    assert said == ["ProcessAudioStream: 0 frames, E-LIMIT"]


def test_callers_who_leave_or_do_not_read_cost_nobody_else_anything() -> None:
    """One leaves in the middle, one sends for long and reads nothing: both places are free again, the second after
    `stuck_s`; eight others at once get the faces of their own tones."""
    said: list[str] = []
    stay = threading.Event()

    def begun() -> Iterator[Any]:
        yield from (header(), sound(np.zeros(RATE)))
        stay.wait(PATIENCE)

    long = [header(), *[sound(np.zeros(10 * RATE))] * 20, END]
    times = np.arange(RATE // 2) / RATE
    tones = [9000 * np.sin(2 * np.pi * 110 * step * times) for step in range(1, 9)]
    with serving(said.append, stuck_s=0.3, sessions=8) as port:
        with answers_of(port, begun()) as leaves:
            next(leaves)
            leaves.cancel()
            wait_for(lambda: len(said) >= 1)
            stay.set()  # or closing would wait for what it still has to send
        with answers_of(port, long) as unread, ThreadPoolExecutor(8) as callers:
            wait_for(lambda: len(said) >= 2)
            found = list(callers.map(lambda tone: weights(call(port, [header(), sound(tone), END])), tones))
            unread.cancel()
        wait_for(lambda: len(said) >= 10)
    assert said[0].endswith("left")
    assert said[1].endswith("reads nothing")
    assert said[2:] == ["ProcessAudioStream: 15 frames, done"] * 8
    for one, tone in zip(found, tones, strict=True):
        expected = voxface.animate(tone.astype("<i2"), RATE, fps=30)
        np.testing.assert_allclose(one[:, NAMES.index("JawOpen")], column(expected, "jawOpen"), atol=1e-4)
    assert len({frames.tobytes() for frames in found}) == 8


def test_other_machines_need_a_token_and_a_port_is_ones_own(port: int) -> None:
    """Loopback only, unless there is a token or --insecure; a port that is in use is an error, not shared."""
    with pytest.raises(UsageError, match=r"0\.0\.0\.0"):
        Settings(host="0.0.0.0")
    with pytest.raises(PortError, match=str(port)):
        asyncio.run(serve(open_animator("default", 1), Settings(port=port), lambda port: None, lambda line: None))


def test_bytes_are_those_of_the_facts() -> None:
    """A header and a frame byte by byte: the numbers of the fields on the way are those that are known of NVIDIA's."""
    assert header().SerializeToString() == bytes.fromhex("0a0a 0a08 1001 18c0bb01 2010")
    assert END.SerializeToString() == bytes.fromhex("1a00")
    weights = bytes([0x09]) + struct.pack("<d", 0.1) + bytes([0x12, 8]) + struct.pack("<2f", 0.25, 0.5)
    sound = bytes([0x09]) + struct.pack("<d", 0.1) + bytes([0x12, 2]) + b"ab"
    frame = bytes([0x0A, 21, 0x0A, 19]) + weights + bytes([0x12, 13]) + sound
    data = AnimationDataStream.FromString(bytes([0x12, len(frame)]) + frame).animation_data
    (found,) = data.skel_animation.blend_shape_weights
    assert (found.time_code, list(found.values)) == (0.1, [0.25, 0.5])
    assert (data.audio.time_code, data.audio.audio_buffer) == (0.1, b"ab")
    ends = [AnimationDataStream.FromString(bytes.fromhex(end)) for end in ("1a00", "2205 0803 1201 78")]
    assert ends[0].HasField("event")
    assert (ends[1].status.code, ends[1].status.message) == (3, "x")


def test_what_is_read_is_compiled_from_what_is_written(tmp_path: Path) -> None:
    """a2f.binpb is what protoc makes of a2f.proto (make a2f)."""
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    to = tmp_path / "a2f.binpb"
    flags = [f"-I{PROTO.parent}", "--include_imports", f"--descriptor_set_out={to}", PROTO.name]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *flags], check=True)
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    fresh, kept = (FileDescriptorSet.FromString(path.read_bytes()) for path in (to, PROTO.with_suffix(".binpb")))
    assert [file for file in fresh.file if file.name == "a2f.proto"] == [f for f in kept.file if f.name == "a2f.proto"]
