"""The clock of a live sound, playing out on it, feeds and rings: everything that keeps `voxface live` in time."""

from __future__ import annotations

import json
import math
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voxface.cli.live_meter import Reading, line
from voxface.live import feed as feed_module
from voxface.live.clock import AudioClock, Lateness
from voxface.live.devices import Ring
from voxface.live.feed import Feed, PipedSource
from voxface.live.playout import Playout
from voxface.runtime.animate import animate
from voxface.runtime.engine import Engine
from voxface.runtime.live_session import LiveSession
from voxface.timebase import frame_time_s


def frames_in(path: Path) -> list[dict[str, Any]]:
    """The frames of a JSONL output."""
    return [json.loads(text) for text in path.read_text().splitlines()[1:]]


def test_the_clock_follows_a_sound_card_for_hours() -> None:
    """A card that is 0.01 % fast, and blocks that come up to 30 ms late: after an hour the clock is 2 ms off at most,
    and no second of it was more than 0.4 % longer or shorter than a second."""
    chance = np.random.default_rng(3)
    clock, rate = AudioClock(), 48_000 * 1.0001
    late = chance.exponential(0.004, 72_000).clip(0, 0.03)
    worst, longest, before = 0.0, 0.0, None
    for block in range(1, 72_000):
        at_s = 5.0 + block * 2400 / rate
        clock.observe(block * 2400 / 48_000, at_s + late[block])
        second = clock.second(at_s)
        if block > 400:
            worst = max(worst, abs(second - block * 2400 / 48_000))
            longest = max(longest, abs((second - before) / (2400 / rate) - 1))
        before = second
    assert worst < 0.002
    assert longest < 0.004


def test_a_clock_starts_once_and_jumps_when_a_device_begins_anew() -> None:
    """Before the start it has no second; a card that was away for a minute is followed at once."""
    clock = AudioClock()
    assert clock.second(3.0) == -math.inf
    assert not clock.started
    clock.start(10.0)
    clock.start(11.0)
    assert clock.second(12.5) == 2.5
    clock.observe(2.5, 72.5)
    assert clock.second(73.0) == 3.0
    assert clock.moment(3.0) == 73.0


class _Voice:
    """Gives frames of a clip, as if all were ready."""

    def __init__(self) -> None:
        self.clip, self.fps, self.given = animate(np.zeros(16_000, np.float32), 16_000), 60.0, 0

    def pull(self, until_s: float | None = None) -> Any:
        from dataclasses import replace

        assert until_s is not None
        count = max(0, min(60, math.ceil(until_s * 60)) - self.given)
        part = slice(self.given, self.given + count)
        self.given += count
        clip = self.clip
        return replace(clip, weights=clip.weights[part], seen=clip.seen[part], head=None, emotion=None)


def test_frames_that_are_late_are_skipped(tmp_path: Path) -> None:
    """After a stall only the newest frame that is due goes out; the next one is on time again."""
    from voxface.live.outputs import open_output

    voice, clock = _Voice(), AudioClock()
    output = open_output(f"jsonl:{tmp_path}/a.jsonl", 60)
    playout = Playout(voice, [output], clock, 0.05, threading.Event())
    assert playout.step() is None
    clock.start(time.monotonic() - 0.35)
    late = playout.step()
    assert late is not None
    assert late.seq >= 18
    assert playout.skipped == late.seq
    due_s = clock.moment(frame_time_s(voice.given, 60)) + 0.05
    playout.wait()
    assert time.monotonic() >= due_s - 2e-4
    following = playout.step()
    assert following is not None
    assert following.seq > late.seq
    playout.close()
    assert [row["seq"] for row in frames_in(tmp_path / "a.jsonl")] == [late.seq, following.seq]


def test_lateness_is_told_by_its_shares() -> None:
    """p50, p95, p99 within a tenth of a millisecond, and the longest, in constant memory."""
    lateness = Lateness()
    assert lateness.summary() == {}
    for ms in range(1, 101):
        lateness.add(ms / 1000)
    lateness.add(-1.0)
    assert lateness.summary() == pytest.approx({"p50": 50, "p95": 95, "p99": 99, "most": 100}, abs=1.2)


def test_a_ring_gives_what_was_put_by_its_number() -> None:
    """Whatever the sizes of the pieces; what is no more, or not yet, is silent."""
    chance, ring = np.random.default_rng(1), Ring(100)
    sound = chance.standard_normal(2000).astype(np.float32)
    while ring.count < 1900:
        count = ring.count
        ring.put(sound[count : count + int(chance.integers(0, 101))])
        at, wanted = max(0, ring.count - int(chance.integers(0, 140))), int(chance.integers(1, 160))
        into = np.full(wanted, 9, np.float32)
        known = np.where((np.arange(2000) >= ring.count - 100) & (np.arange(2000) < ring.count), sound, 0)
        known = np.concatenate([known, np.zeros(200)])
        there = ring.take(at, into)
        np.testing.assert_array_equal(into, known[at : at + wanted].astype(np.float32))
        assert there == max(0, min(at + wanted, ring.count) - max(at, ring.count - 100, 0))


def test_the_clock_waits_for_a_pipe_that_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A voice made at two thirds of real time, and a sound card a little slow: the clock is never far ahead."""
    now_s = [100.0]
    monkeypatch.setattr(feed_module, "time", types.SimpleNamespace(monotonic=lambda: now_s[0]))
    ahead = []
    for pause_s, count in ((0.03, 60), (0.02004, 10_000)):
        clock = AudioClock()
        feed = Feed(_Heard(), clock)

        def blocks(pause_s: float = pause_s, count: int = count, feed: Feed = feed) -> Iterator[np.ndarray]:
            for _ in range(count):
                now_s[0] += pause_s
                ahead.append(feed.clock.second(now_s[0]) - feed.heard_s)
                yield np.zeros(320, np.float32)

        source = PipedSource("a voice", 16_000, blocks())
        source.start(feed)
        source._thread.join(5)
        assert source.error is None
        assert feed.taken == 320 * count
    assert max(ahead) < 0.09


def test_a_source_may_still_bring_sound_when_its_end_was_said() -> None:
    """Whoever stops a microphone cannot know whether a block is on its way: it is dropped, and no fault of anybody."""
    with Engine("live") as engine:
        voice, block = LiveSession(engine, 16_000, ease_out=False), np.zeros(1600, np.float32)
        feed = Feed(voice, AudioClock())
        feed.push(block)
        feed.end()
        feed.push(block)
        assert feed.taken == 1600
        assert len(voice.finish(20)) == 6


class _Heard:
    """Takes everything."""

    rate_hz, room, heard = 16_000, 1 << 30, 0

    def push(self, samples: np.ndarray) -> None:
        self.heard += len(samples)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_meter_fits_any_terminal(width: int) -> None:
    """One line, never wider than the terminal; the bars first, then what is known beside them."""
    reading = Reading(-12.0, 0.5, 59.6, 3, 92.5, [])
    text = line(reading, width, ascii_only=True)
    assert len(text) <= width
    assert text.isascii()
    assert ("60 fps" in text) == (width >= 40)
    assert ("3 skipped" in text) == (width >= 80)
    assert "█" in line(reading, width)
