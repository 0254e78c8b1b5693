"""The WebSocket protocol as values: messages, samples, frames."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.live_frames import random_frame
from voxface.errors import HelloError, LimitError, MessageOrderError, PacketError, UsageError
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.live import wire
from voxface.live.frame import frames_of

MESSAGES = (
    wire.Hello(44_100, "f32le", 29.97, "json", "live", False, {"Happy": 0.5}, "secret"),
    wire.Ready("s", 60.0, 95.0, True, True),
    wire.Interrupt(),
    wire.Interrupted(7, 0.116667),
    wire.End(),
    wire.Done(600, 10.0),
    wire.Problem("E-HELLO", "no", "do this"),
)


def talk(frames: int = 3) -> FaceClip:
    """A clip with head and emotion."""
    random = np.random.default_rng(5)
    head = np.tile(random_frame().head, (frames, 1))
    emotion = np.tile(np.float32([name == "Happy" for name in EMOTIONS]), (frames, 1))
    return FaceClip(random.random((frames, 52)), ARKIT, 60.0, head=head, emotion=emotion)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: one.kind)
def test_a_message_is_read_back(message: wire.Hello) -> None:
    """What is written as text is the same value again, and the text is plain JSON."""
    text = wire.text_of(message)
    assert json.loads(text)["type"] == message.kind
    assert wire.parse(text) == message


def test_a_token_is_in_no_log() -> None:
    """The text of a hello for people has no token."""
    assert "secret" not in f"{MESSAGES[0]!r} {MESSAGES[0]}"


@pytest.mark.parametrize(
    "field",
    [
        {"version": 2}, {"version": "1"}, {"rate_hz": 100}, {"rate_hz": True}, {"rate_hz": 16000.5},
        {"encoding": "mp3"},
        {"encoding": ["s16le"]}, {"fps": 0}, {"fps": "60"}, {"format": "xml"}, {"bundle": ""}, {"bundle": 3},
        {"idle": 1},
        {"emotion": "Bored"}, {"emotion": {"Happy": 2}}, {"emotion": {"Happy": "x"}}, {"emotion": 3},
        {"emotion": ""}, {"emotion": ["Happy"]}, {"fps": 10**400}, {"rate_hz": -(10**400)}, {"token": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_hello_that_cannot_be_served_says_why(field: dict[str, object]) -> None:
    """Every field is checked, with its name in the error."""
    with pytest.raises(HelloError, match=next(iter(field))):
        wire.parse(json.dumps({"type": "hello", **field}))


@pytest.mark.parametrize(
    "text",
    [
        "", "no", "[]", "{}", '{"type": 5}', '{"type": "shout"}', "[" * 5000, '{"type": "done"}',
        '{"type": "done", "frames": 1}',         '{"type": "done", "frames": "1", "heard_s": 2}', '{"type": "ready"}',
        '{"type": "interrupted", "seq": 1, "t": NaN}',
        '{"type": "ready", "session": "s", "fps": 60, "latency_ms": 9, "names": [1]}', '{"type": "frames"}',
        '{"type": "frames", "frames": [1]}', '{"type": "frames", "frames": [{"seq": 1, "t": 0}]}',
        '{"type": "frames", "frames": [{"seq": 1, "t": 0, "weights": [1, 2]}]}',
        '{"type": "frames", "frames": [{"seq": -1, "t": 0, "weights": [' + "0," * 51 + '0]}]}',
        '{"type": "frames", "frames": [{"seq": 1, "t": 0, "weights": [' + "0," * 51 + '"x"]}]}',
        '{"type": "frames", "frames": [{"seq": 1, "t": 0, "weights": [' + "0," * 51 + "1" * 400 + "]}]}",
        '{"type": "frames", "frames": [{"seq": 1, "t": 0, "weights": [' + "0," * 51 + "1e300]}]}",
        '{"type": "frames", "frames": [{"seq": 1, "t": 0, "weights": ' + "[" * 300 + "]" * 300 + "}]}",
        '{"type": "frames", "frames": [{"seq": 1, "t": ' + "1" * 400 + ', "weights": []}]}',
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_a_text_that_is_no_message_is_one_error(text: str) -> None:
    """Whatever a peer sends, it is a value or a PacketError."""
    with pytest.raises(PacketError):
        wire.parse(text)


def test_unknown_fields_are_ignored() -> None:
    """A newer peer may say more."""
    assert wire.parse('{"type": "end", "why": "tired"}') == wire.End()


def test_binary_frames_are_236_bytes_and_read_back() -> None:
    """Little-endian: number, seconds, 52 weights, the head's quaternion; several in one message."""
    clip = talk()
    data = wire.frames_binary(clip, 4_000_000_000)
    assert len(data) == 3 * 236
    assert np.frombuffer(data, "<u4", 1)[0] == 4_000_000_000
    assert np.frombuffer(data, "<f4", 52, 12).tolist() == clip.weights[0].tolist()
    for found, frame in zip(wire.frames_of_binary(data), frames_of(clip, 4_000_000_000), strict=True):
        assert (found.seq, found.time_s) == (frame.seq, frame.time_s)
        np.testing.assert_array_equal(found.weights, frame.weights)
        np.testing.assert_array_equal(found.head[3:], frame.head[3:])


def test_frames_of_json_are_read_back() -> None:
    """To 5 decimals, with head and emotion."""
    clip = talk()
    message = wire.parse(wire.frames_text(clip, 9))
    assert isinstance(message, wire.Frames)
    for found, frame in zip(message.frames, frames_of(clip, 9), strict=True):
        assert found.seq == frame.seq
        assert found.time_s == pytest.approx(frame.time_s, abs=1e-6)
        for name in ("weights", "head", "emotion"):
            np.testing.assert_allclose(getattr(found, name), getattr(frame, name), atol=6e-6)


def test_a_clip_without_head_rests_in_binary() -> None:
    """The place of the head is never empty: no turn."""
    clip = FaceClip(np.zeros((1, 52)), ARKIT, 30.0)
    assert wire.frames_of_binary(wire.frames_binary(clip, 0))[0].head.tolist() == [0, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("data", [b"1", b"x" * 237, b"\xff" * 236])
def test_damaged_binary_frames_are_refused(data: bytes) -> None:
    """No whole frames, or NaN in one."""
    with pytest.raises(PacketError):
        wire.frames_of_binary(data)


@pytest.mark.parametrize("encoding", ["s16le", "f32le"])
def test_samples_are_read_back(encoding: str) -> None:
    """To the precision of the encoding; a half sample is refused."""
    samples = np.linspace(-1, 0.99, 99).astype(np.float32)
    data = wire.sample_bytes(samples, encoding)
    np.testing.assert_allclose(wire.samples_of(data, encoding), samples, atol=2e-5)
    assert wire.samples_of(data, encoding).dtype == np.float32
    with pytest.raises(PacketError, match="no whole number"):
        wire.samples_of(data[:-1], encoding)


def test_samples_that_are_no_numbers_are_silence() -> None:
    """NaN and infinity do not reach the net; too loud whole numbers are clipped."""
    assert wire.samples_of(np.float32([np.nan, np.inf, 0.5, -1e30]).tobytes(), "f32le").tolist() == [0, 0, 0.5, -32]
    assert wire.samples_of(wire.sample_bytes(np.float32([2, -2]), "s16le"), "s16le").tolist() == [32767 / 32768, -1]


def test_every_error_closes_with_its_code() -> None:
    """faults.md §3: 1003, 1007, 1008, 1009, 1013, and 1008 for what else is refused."""
    codes = {PacketError: 1007, MessageOrderError: 1003, HelloError: 1008, UsageError: 1008, LimitError: 1013}
    assert {kind: wire.close_code(kind("x")) for kind in codes} == codes
    assert wire.close_code(LimitError("x"), too_big=True) == 1009
