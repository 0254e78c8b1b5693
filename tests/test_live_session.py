"""A live session: push, pull, interrupt, fill, end; everything on one clock that counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from voxface.errors import LimitError, UsageError
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.runtime.animate import join
from voxface.runtime.engine import Engine
from voxface.runtime.live_session import EASE_OUT_S, INTERRUPT_S, LiveSession
from voxface.runtime.pacer import FramePacer, PacerState
from voxface.timebase import frame_count

WEEK_S = 7 * 24 * 3600
MOUTH = [number for number, name in enumerate(ARKIT) if name.startswith(("jaw", "mouth", "tongue"))]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine("live", most_sessions=8) as engine:
        yield engine


def wait_for(session: LiveSession, frames: int, news: threading.Event) -> None:
    while session.ready < frames:
        assert news.wait(20)
        news.clear()


def spoken(engine: Engine, sound: np.ndarray, frames: int, fps: float = 60, **look: object) -> LiveSession:
    """A session that has been pushed a sound and has at least so many frames ready."""
    news = threading.Event()
    session = LiveSession(engine, 16_000, fps, notify=news.set, **look)  # type: ignore[arg-type]
    session.push(sound)
    wait_for(session, frames, news)
    return session


def test_frames_come_with_their_time(engine: Engine, speech: np.ndarray) -> None:
    """Frames are given once, in order, at number / fps seconds; with a time limit only those before it."""
    session = spoken(engine, speech[:32_000], 90)
    first, second = session.pull(0.5), session.pull()
    assert (len(first), first.start_s, second.start_s) == (30, 0.0, 0.5)
    assert session.given == len(first) + len(second)
    assert session.heard == 32_000
    rest = session.finish(20)
    assert rest.start_s == pytest.approx(session.given / 60 - len(rest) / 60)
    assert session.given == 120 + int(EASE_OUT_S * 60)


@pytest.mark.parametrize("fps", [30, 60, 29.97])
def test_a_week_of_frames_does_not_drift(fps: float, engine: Engine, speech: np.ndarray) -> None:
    """After a week the clock is exact: frame numbers are integers, a frame's time is number / fps, samples and frames
    agree to half a sample, also after an interrupt; and the pacer loses no frame."""
    rate = Fraction(fps).limit_denominator(1000)
    begin = int(WEEK_S * rate)
    session = LiveSession(engine, 16_000, fps, first_frame=begin)
    assert abs(session.heard - Fraction(begin) / rate * 16_000) <= Fraction(1, 2)
    session.push(speech[:16_000])
    session.end()
    clip = session.finish(20)
    assert clip.start_s == float(Fraction(begin) / rate)
    assert session.given == begin + frame_count(16_000, 16_000, fps) + int(EASE_OUT_S * rate)

    pacer, rows = FramePacer(fps), np.zeros((1, 1), np.float32)
    state = PacerState(rows, 100 * WEEK_S + 1, int(WEEK_S * rate) + 1)
    for _ in range(100 * 60):
        state, _ = pacer.step(state, rows)
    assert state.next == int((WEEK_S + 60) * rate) + 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_interrupt_brings_the_mouth_to_rest_and_the_state_to_its_start(
    seed: int, engine: Engine, speech: np.ndarray
) -> None:
    """Interrupted anywhere: the mouth eases to rest within 120 ms without a jump, on the same clock; then a sound gives
    the frames that a new session gives."""
    rng = np.random.default_rng(seed)
    fps = float(rng.choice([30, 60, 29.97]))
    length, shown = int(rng.integers(24_000, 48_000)), int(rng.integers(5, 20))
    session = spoken(engine, speech[:length] * 2, shown, fps, idle=None, ease_out=False)
    before = session.pull(shown / fps)
    assert session.interrupt() == session.given == before.start_s * fps + len(before)
    count = int(INTERRUPT_S * fps)
    assert session.heard == pytest.approx((session.given + count) * 16_000 / fps, abs=0.51)
    session.push(speech[30_000:50_000])
    after = session.finish(20)
    ease, again = after.weights[:count, MOUTH], after.weights[count:]
    np.testing.assert_allclose(ease[-1], fresh_rest(engine)[MOUTH], atol=1e-5)
    steps = np.abs(np.diff(np.concatenate([before.weights[-1:, MOUTH], ease]), axis=0)).sum(axis=1)
    assert steps.max() <= 0.6 * np.abs(before.weights[-1, MOUTH]).sum() + 0.05
    assert after.start_s == pytest.approx(before.start_s + len(before) / fps)

    fresh = LiveSession(engine, 16_000, fps, idle=None, ease_out=False)
    fresh.push(speech[30_000:50_000])
    truth = fresh.finish(20)
    assert len(again) == len(truth)
    np.testing.assert_allclose(again, truth.weights, atol=1e-5)
    np.testing.assert_allclose(after.emotion[count:], truth.emotion, atol=1e-5)  # type: ignore[index, arg-type]


def fresh_rest(engine: Engine) -> np.ndarray:
    """The face of a session that has heard 120 ms of silence."""
    session = LiveSession(engine, 16_000, 60, idle=None, ease_out=False)
    session.push(np.zeros(1_920, np.float32))
    last: np.ndarray = session.finish(20).weights[-1]
    return last


def test_idle_motion_goes_on_through_an_interrupt(engine: Engine, speech: np.ndarray) -> None:
    """Head and eyes do not jump when the mouth is interrupted, nor start again from where a session starts."""
    session = spoken(engine, speech[:48_000], 120)
    before = session.pull(2.0)
    session.interrupt()
    session.push(np.zeros(16_000, np.float32))
    whole = join([before, session.finish(20)])
    assert whole.head is not None
    jump = np.abs(np.diff(whole.head, axis=0)).max(axis=1)
    assert jump[len(before) - 1 : len(before) + 12].max() < 2 * max(jump[: len(before) - 1].max(), 0.002)
    start = LiveSession(engine, 16_000, 60)
    start.push(np.zeros(16_000, np.float32))
    behind = len(before) + int(INTERRUPT_S * 60)
    assert np.abs(whole.head[behind : behind + 30] - start.finish(20).head[:30]).max() > 1e-3  # type: ignore[index]


def test_an_interrupt_before_anything_was_given_only_forgets(engine: Engine, speech: np.ndarray) -> None:
    """There is no face to ease from: the session is as new."""
    session = spoken(engine, speech[:16_000], 10, ease_out=False)
    assert session.interrupt() == 0
    assert session.heard == 0
    session.push(speech[:8_000])
    assert len(session.finish(20)) == 30


def test_an_interrupt_after_the_end_still_brings_it_to_rest(engine: Engine, speech: np.ndarray) -> None:
    """What was still to come is forgotten; the mouth rests; the session is done."""
    session = spoken(engine, speech[:32_000], 60)
    session.end()
    shown = session.pull(0.5)
    session.interrupt()
    assert len(session.finish(20)) == int(INTERRUPT_S * 60)
    assert session.done
    assert len(shown) == 30


def test_missing_sound_is_silence_and_late_sound_follows_it(engine: Engine, speech: np.ndarray) -> None:
    """Told that its clock has gone on, a session fills in silence beyond a margin of 60 ms; what comes late stands
    behind it. A voice that is ahead of the clock is left alone."""
    session = LiveSession(engine, 16_000, 60, ease_out=False)
    session.push(speech[:8_000])
    assert session.fill(0.3) == session.fill(0.55) == 0
    assert session.fill(1.0) == 8_000
    assert session.heard == 16_000
    session.push(speech[8_000:16_000])
    clip = session.finish(20)
    expected = LiveSession(engine, 16_000, 60, ease_out=False)
    expected.push(np.concatenate([speech[:8_000], np.zeros(8_000, np.float32), speech[8_000:16_000]]))
    np.testing.assert_allclose(clip.weights, expected.finish(20).weights, atol=1e-5)


def test_the_end_eases_out(engine: Engine, speech: np.ndarray) -> None:
    """After the last sound come at most 200 ms that lead smoothly to a mouth at rest; they can be left out."""
    with_ease, without = (LiveSession(engine, 16_000, 60, idle=None, ease_out=on) for on in (True, False))
    clips: list[FaceClip] = []
    for session in (with_ease, without):
        session.push(speech[:20_000])
        clips.append(session.finish(20))
    count = len(clips[1])
    assert count == frame_count(20_000, 16_000, 60)
    assert len(clips[0]) == count + int(EASE_OUT_S * 60)
    np.testing.assert_allclose(clips[0].weights[:count], clips[1].weights, atol=1e-5)
    np.testing.assert_allclose(clips[0].weights[-1, MOUTH], fresh_rest(engine)[MOUTH], atol=1e-4)
    assert clips[0].emotion is not None
    assert clips[0].emotion[-1, EMOTIONS.index("Neutral")] > 0.99


def test_a_session_without_sound_has_no_frames(engine: Engine) -> None:
    """Nothing pushed, nothing shown, and the end comes all the same."""
    session = LiveSession(engine, 16_000)
    assert len(session.finish(20)) == 0
    assert session.done


def test_what_cannot_be_pushed_is_refused_whole(engine: Engine, speech: np.ndarray) -> None:
    """Two channels, more than may wait, and sound after the end are refused with a sentence; NaN is silence."""
    session = LiveSession(engine, 16_000)
    with pytest.raises(UsageError, match="Mix channels"):
        session.push(np.zeros((10, 2), np.float32))
    with pytest.raises(LimitError, match="60 s"):
        session.push(np.zeros(session.room + 1, np.float32))
    assert session.heard == 0
    session.push(np.full(1_600, np.nan, np.float32))
    session.end()
    with pytest.raises(UsageError, match="after the end"):
        session.push(speech[:10])
    assert np.isfinite(session.finish(20).weights).all()


def test_what_is_pushed_may_be_overwritten(engine: Engine, speech: np.ndarray) -> None:
    """The session keeps a copy: sound cards use their memory again."""
    memory = speech[:16_000].copy()
    session, truth = (LiveSession(engine, 16_000, ease_out=False) for _ in range(2))
    session.push(memory)
    memory[:] = 0
    truth.push(speech[:16_000])
    np.testing.assert_allclose(session.finish(20).weights, truth.finish(20).weights, atol=1e-5)


def test_the_latency_is_what_the_bundle_declares(engine: Engine) -> None:
    """Resampler, half a window, a hop, the look-ahead (SPEC C7), and the engine's deadline; at most 95 ms."""
    assert LiveSession(engine, 16_000).latency_ms == pytest.approx(12.5 + 10 + 60 + engine.deadline_ms)
    assert LiveSession(engine, 48_000).latency_ms <= 95
