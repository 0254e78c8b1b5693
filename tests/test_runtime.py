"""The runtime: a stream gives what the file gives, times are right, silence rests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import voxface
from voxface.audio.resample import Resampler
from voxface.bundle import load_bundle
from voxface.errors import AudioEmptyError, UsageError
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT, MOUTH
from voxface.runtime.animate import join, open_animator
from voxface.runtime.pacer import FramePacer
from voxface.runtime.polish import Polish, load_polish
from voxface.runtime.session import Session
from voxface.timebase import frame_count


def session(rate_hz: int = 16_000, fps: float = 60.0, polish: Polish | None = None) -> Session:
    return Session(open_animator("default", 1), rate_hz, fps, polish)


def stream(session: Session, sound: np.ndarray, packet: int) -> voxface.FaceClip:
    state, clips = session.start(), []
    for at in range(0, len(sound), packet):
        state, clip = session.step(state, sound[at : at + packet])
        clips.append(clip)
    return join([*clips, session.finish(state)])


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("packet", [37, 160, 1_024, 30_000])
def test_packet_size_never_changes_the_face(rate: int, packet: int, speech: np.ndarray) -> None:
    """Sound cut into packets of any size gives the frames of the whole recording, to 1e-5, head and all."""
    sound = speech[: 16_000 if packet == 37 else 64_000]
    whole = voxface.animate(sound, rate)
    cut = stream(session(rate), sound, packet)
    assert len(whole) == len(cut)
    np.testing.assert_allclose(cut.weights, whole.weights, atol=1e-5)
    assert whole.head is not None
    np.testing.assert_allclose(cut.head, whole.head, atol=1e-5)


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 60, 100, 120, 7.5])
def test_frames_are_those_that_begin_within_the_sound(fps: float, speech: np.ndarray) -> None:
    """Frame k stands at k / fps, for all k with k / fps < duration, whatever the length of the sound."""
    for n in (1, 16, 159, 160, 16_000, 16_001, 20_123):
        clip = voxface.animate(speech[:n], 16_000, fps=fps)
        assert len(clip) == frame_count(n, 16_000, fps) >= 1
        assert clip.times_s[-1] < n / 16_000 <= clip.times_s[-1] + 1 / fps + 1e-9


def test_a_frame_between_two_rows_lies_between_them() -> None:
    """At 60 fps frame 1 is two thirds of the way from row 1 to row 2; quaternions keep length 1 and do not flip."""
    rows = np.zeros((4, 5), np.float32)
    rows[:, 0] = [0, 1, 4, 9]
    rows[:, 1:] = [[1, 0, 0, 0], [-1, 0, 0, 0], [-0.8, 0.6, 0, 0], [0.8, -0.6, 0, 0]]
    pacer = FramePacer(60.0, slice(1, 5))
    state, frames = pacer.step(pacer.start(), rows)
    assert frames[1, 0] == pytest.approx(1 + 3 * 2 / 3, abs=1e-5)
    np.testing.assert_allclose(np.linalg.norm(frames[:, 1:], axis=1), 1, atol=1e-6)
    assert (np.sum(frames[1:, 1:] * frames[:-1, 1:], axis=1) > 0.9).all()
    assert frames[0, 1] > 0
    assert len(frames) + len(pacer.finish(state, 3)) == 3


def test_silence_rests(speech: np.ndarray) -> None:
    """Without idle motion, ten seconds of digital silence, also behind speech, give a resting face: all below 0.02."""
    silent = voxface.animate(np.zeros(160_000, np.float32), 16_000, idle=None)
    assert silent.weights.max() < 0.02
    behind = voxface.animate(np.concatenate([speech[:32_000], np.zeros(48_000, np.float32)]), 16_000, idle=None)
    assert behind.weights[3 * 60 :].max() < 0.02


def test_the_default_model_is_within_its_declared_latency(speech: np.ndarray) -> None:
    """Fed in packets of 10 ms, no frame comes later than the latency that the bundle declares (SPEC C7)."""
    for rate in (16_000, 48_000):
        live = session(rate, 30.0)
        assert live.latency_ms <= Resampler(rate).latency_ms + 22.5 + 10 * load_bundle("default").look_ahead_rows + 1e-9
        state, given, packet = live.start(), 0, rate // 100
        for n in range(1, 150):
            state, clip = live.step(state, np.zeros(packet, np.float32))
            given += len(clip)
            due = sum(1 for k in range(200) if 1000 * k / 30 + live.latency_ms <= 1000 * n * packet / rate + 1e-6)
            assert given >= due


def test_look_ahead_is_no_delay_in_the_file(shared: Path) -> None:
    """The mouth opens with the voice: on real speech lip gap and loudness correlate best within 80 ms."""
    import soundfile

    sound, rate = soundfile.read(shared / "speech" / "jfk.flac", dtype="float32")
    clip = voxface.animate(sound, rate, fps=100)
    gap = rig_gap(clip.weights, clip.channels)
    loud = np.log10(np.sqrt(np.convolve(sound**2, np.ones(400) / 400, "same"))[::160][: len(gap)] + 1e-4)
    lags = range(-25, 26)
    r = [np.corrcoef(np.roll(gap, -lag)[30:-30], loud[30:-30])[0, 1] for lag in lags]
    assert abs(lags[int(np.argmax(r))]) <= 8
    assert max(r) > 0.4


def test_arrays_of_any_kind(speech: np.ndarray) -> None:
    """Floats, 16-bit integers and two channels of the same speech give the same face."""
    sound = speech[:16_000]
    whole = voxface.animate(sound, 16_000).weights
    as_int = voxface.animate((sound * 32767).round().astype(np.int16), 16_000).weights
    stereo = voxface.animate(np.stack([sound, sound], axis=1), 16_000).weights
    np.testing.assert_allclose(as_int, whole, atol=0.01)
    np.testing.assert_allclose(stereo, whole, atol=1e-5)
    with pytest.raises(UsageError, match="needs its rate"):
        voxface.animate(sound)
    with pytest.raises(AudioEmptyError, match="0 samples"):
        voxface.animate(sound[:0], 16_000)


def test_polish_does_what_its_table_says(tmp_path: Path, speech: np.ndarray) -> None:
    """Gain, offset and intensity act per channel by name, results stay in [0, 1]; --mouth-only stills the rest."""
    table = tmp_path / "gains.toml"
    table.write_text("[gain]\nJawOpen = 2.0\n[offset]\nmouthSmile_L = 0.25\n")
    sound = speech[:16_000]
    plain = stream(session(), sound, 16_000)
    turned = stream(session(polish=load_polish(table)), sound, 16_000)
    np.testing.assert_allclose(turned.channel("jawOpen"), np.clip(2 * plain.channel("jawOpen"), 0, 1), atol=1e-6)
    smile = np.clip(plain.channel("mouthSmileLeft") + 0.25, 0, 1)
    np.testing.assert_allclose(turned.channel("mouthSmileLeft"), smile, atol=1e-6)
    mouth = stream(session(polish=Polish(mouth_only=True)), sound, 16_000)
    assert all(mouth.channel(name).max() == 0 for name in ARKIT if name not in MOUTH)
    assert mouth.head is None or (mouth.head == [0, 0, 0, 1, 0, 0, 0]).all()
    table.write_text("[gain]\njawOpn = 2.0\n")
    with pytest.raises(UsageError, match="jawOpn"):
        load_polish(table)


@pytest.mark.parametrize("heavy", ["torch", "mediapipe", "onnxruntime", "av", "scipy", "librosa", "matplotlib"])
def test_importing_voxface_is_light(heavy: str) -> None:
    """`import voxface` and the program's help load none of the heavy libraries."""
    code = (
        f"import sys, voxface; assert {heavy!r} not in sys.modules; "
        "import voxface.cli.main as m; m.add_verbs(); "
        f"assert {heavy!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
