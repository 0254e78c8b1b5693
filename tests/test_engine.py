"""The engine: many voices in one batch give what each gives alone, none waits for another, none leaves anything."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from voxface.errors import LimitError, UsageError
from voxface.face.clip import FaceClip
from voxface.runtime.animate import join
from voxface.runtime.emotion_input import wanted
from voxface.runtime.engine import Engine
from voxface.runtime.feeling import Feeling
from voxface.runtime.idle import Idle
from voxface.runtime.live_session import LiveSession
from voxface.runtime.polish import Polish

RATES, FPS = (16_000, 16_000, 44_100, 48_000, 8_000), (30, 60, 29.97, 24, 100)
LOOKS: list[dict[str, Any]] = [
    {},
    {},
    {"idle": Idle(7, blinks=3, gaze=2, head=0.5)},
    {"idle": None, "emotion": None},
    {"emotion": Feeling(heard=False, wanted=wanted({"happy": 0.7}))},
    {"emotion": Feeling(wanted=wanted({"sad": 0.4}), mix=0.5, strength=1.5)},
    {"polish": Polish({"jawOpen": 1.5}, {"mouthSmileLeft": 0.1}, intensity=0.9)},
    {"polish": Polish(mouth_only=True)},
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine("live", threads=2, most_sessions=40) as engine:
        yield engine


def alone(session: LiveSession, sound: np.ndarray) -> FaceClip:
    """The frames of the same sound through a Session."""
    state, clip = session.parts.step(session.parts.start(), sound)
    return join([clip, session.parts.finish(state)])


def assert_same(clip: FaceClip, truth: FaceClip) -> None:
    assert len(clip) == len(truth)
    assert clip.start_s == truth.start_s
    assert clip.channels == truth.channels
    for one, other in ((clip.weights, truth.weights), (clip.head, truth.head), (clip.emotion, truth.emotion)):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_voices_together_give_what_each_gives_alone(seed: int, engine: Engine, speech: np.ndarray) -> None:
    """Any packets of any voices in any order, of any rate, frame rate and look: every voice's frames are those of its
    own Session, to 1e-5, whatever it was computed with."""
    rng = np.random.default_rng(seed)
    sounds, sessions, clips = [], [], []
    for number in range(12):
        rate = int(rng.choice(RATES))
        length, begin = int(rng.integers(1, 2 * rate)), int(rng.integers(0, 60_000))
        sounds.append(speech[begin : begin + length] * np.float32(rng.uniform(0.02, 1.5)))
        look = LOOKS[number % len(LOOKS)]
        sessions.append(LiveSession(engine, rate, float(rng.choice(FPS)), ease_out=False, **look))
        clips.append([sessions[-1].pull()])
    left = [list(np.array_split(s, np.sort(rng.integers(0, len(s), rng.integers(0, 12))))) for s in sounds]
    while any(left):
        number = int(rng.choice([n for n, packets in enumerate(left) if packets]))
        sessions[number].push(left[number].pop(0))
        if rng.random() < 0.3:
            clips[number].append(sessions[number].pull())
    for session, parts, sound in zip(sessions, clips, sounds, strict=True):
        assert_same(join([*parts, session.finish(20)]), alone(session, sound))


def test_a_bundle_that_looks_far_ahead_does_too(speech: np.ndarray) -> None:
    """The default bundle, whose idle motion listens ahead of its face: likewise."""
    with Engine("default", most_sessions=3) as engine:
        sessions = [LiveSession(engine, 16_000, 60, ease_out=False) for _ in range(3)]
        for at in range(0, 24_000, 800):
            for number, session in enumerate(sessions):
                session.push(speech[20_000 * number + at : 20_000 * number + at + 800])
        for number, session in enumerate(sessions):
            sound = speech[20_000 * number : 20_000 * number + 24_000]
            assert_same(session.finish(20), alone(session, sound))


def test_a_flood_of_sound_holds_nobody_up(engine: Engine, speech: np.ndarray) -> None:
    """A voice that pushes 50 s at once is computed piece by piece: one that pushes 0.1 s after it is done long before
    it."""
    ready: list[int] = []
    flood = LiveSession(engine, 16_000, 30)
    small = LiveSession(engine, 16_000, 30, notify=lambda: ready.append(flood.ready))
    flood.push(np.tile(speech, 5))
    small.push(speech[:1_600])
    assert len(small.finish(20))
    assert ready[-1] < 40 * 30
    flood.close()


def test_an_engine_has_so_many_places_and_no_more(speech: np.ndarray) -> None:
    """One session too many is refused with a limit error; a place is free again as soon as a session is closed."""
    with Engine("live", most_sessions=2) as engine:
        first, _ = LiveSession(engine, 16_000), LiveSession(engine, 16_000)
        with pytest.raises(LimitError, match="2 sessions"):
            LiveSession(engine, 16_000)
        first.push(speech)
        first.close()
        third = LiveSession(engine, 16_000, ease_out=False)
        third.push(speech[:4_000])
        assert_same(third.finish(20), alone(third, speech[:4_000]))
        assert engine.sessions == 1


def test_sessions_that_come_and_go_leave_nothing(speech: np.ndarray) -> None:
    """1000 sessions opened, used and closed on three places: no thread, no session, no memory stays."""
    with Engine("live", most_sessions=3, deadline_ms=0) as engine:
        parts = LiveSession(engine, 16_000, 30).parts

        def come_and_go(times: int) -> None:
            for number in range(times):
                session = LiveSession(engine, 16_000, 30, parts=parts)
                session.push(speech[: 100 * (number % 5)])
                if number % 100 == 0:
                    session.finish(20)
                session.close()

        come_and_go(100)
        gc.collect()
        threads = threading.active_count()
        tracemalloc.start()
        come_and_go(1000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert engine.sessions == 1
        assert threading.active_count() == threads
        assert grown < 200_000


def test_a_session_is_small(engine: Engine) -> None:
    """The state of a session, all of it, is below 100 kB for the live bundle."""
    assert 10_000 < engine.bytes_per_session < 100_000


def test_what_breaks_one_round_ends_only_its_sessions(
    engine: Engine, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error inside the engine reaches the sessions it was computing as it is; sessions after it work."""
    session = LiveSession(engine, 16_000)
    with monkeypatch.context() as patched:
        patched.setattr(engine.lane.choir, "begin", lambda *_: 1 / 0)
        session.push(speech[:8_000])
        with pytest.raises(ZeroDivisionError):
            session.finish(20)
    session.close()
    after = LiveSession(engine, 16_000, ease_out=False)
    after.push(speech[:4_000])
    assert_same(after.finish(20), alone(after, speech[:4_000]))
    assert engine.alive
    assert engine.crashed is None


def test_a_closed_engine_says_so(speech: np.ndarray) -> None:
    """Sessions of a closed engine fail with a sentence, waiting ones too, and no new one opens."""
    engine = Engine("live", most_sessions=2)
    session = LiveSession(engine, 16_000)
    engine.close()
    for call in (session.pull, lambda: session.push(speech[:10]), lambda: session.finish(20)):
        with pytest.raises(UsageError, match="closed"):
            call()
    with pytest.raises(UsageError, match="closed"):
        LiveSession(engine, 16_000)
    assert not engine.alive


def test_a_bundle_that_hears_whole_clips_is_refused() -> None:
    """A windowed bundle cannot run live, and the error says which can."""
    with pytest.raises(UsageError, match="stream"):
        Engine("neurosync-small")
