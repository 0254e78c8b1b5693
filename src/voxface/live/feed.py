"""Sound on its way into a voice: from a file at the pace of its clock, or from a pipe as it comes."""

from __future__ import annotations

import math
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from voxface.errors import InputWarning
from voxface.live.clock import AudioClock
from voxface.stream import Array

AHEAD_S = 2.0
"""A pipe is read this far ahead of the clock; then its writer waits."""

_STARVED_S = 0.05  # a pipe that gives nothing for so long has a pause
_LEAVE_S = 2.0
_SLEPT_S = 1.0  # who is later than this was stopped, or the machine slept: the clock goes on from here


class Hearing(Protocol):
    """What sound is pushed into: runtime's LiveSession."""

    rate_hz: int

    @property
    def heard(self) -> int: ...
    @property
    def room(self) -> int: ...
    def push(self, samples: Array) -> None: ...
    def interrupt(self) -> int: ...
    def end(self) -> None: ...


class Loud(Protocol):
    """What plays the same sound: a Speaker."""

    def put(self, samples: Array) -> None: ...


class Feed:
    """Takes sound for a voice and, where it is played, for a speaker.

    Args:
        most_s: sound beyond this is not taken.

    taken: samples so far, with silence that stands in for missing ones
    peak:  the largest sample since `level_db` was asked
    """

    def __init__(
        self, voice: Hearing, clock: AudioClock, speaker: Loud | None = None, most_s: float | None = None
    ) -> None:
        self.voice, self.clock, self.speaker, self.rate_hz = voice, clock, speaker, voice.rate_hz
        self._most = math.inf if most_s is None else round(most_s * self.rate_hz)
        self.taken = 0
        self._ended = False
        self._lock = threading.Lock()  # a pause is filled by another thread than the one that brings sound
        self.peak = 0.0

    @property
    def heard_s(self) -> float:
        """Where the next sample will stand on the clock."""
        return self.voice.heard / self.rate_hz

    @property
    def taken_s(self) -> float:
        return self.taken / self.rate_hz

    @property
    def full(self) -> bool:
        """Whether all the sound is there that is to be taken."""
        return self.taken >= self._most

    def push(self, samples: Array) -> float:
        """Take (n,) float32 samples, none after the end; give the second at which they end."""
        while self.voice.room < len(samples) and not self._ended:
            time.sleep(0.01)  # frames are pulled by another thread
        with self._lock:
            samples = samples[: 0 if self._ended else int(min(len(samples), self._most - self.taken))]
            if len(samples):
                self.peak = max(self.peak, float(np.abs(samples).max()))
                self.voice.push(samples)
                if self.speaker:
                    self.speaker.put(samples)
            self.taken += len(samples)
            return self.heard_s

    def fill(self, now_s: float, ahead_s: float) -> None:
        """Silence up to `ahead_s` beyond now, for sound that does not come."""
        missing_s = self.clock.second(now_s) - self.heard_s
        if missing_s > _SLEPT_S:
            self.clock.jump(self.heard_s, now_s)
        elif missing_s > -ahead_s / 2:
            self.push(np.zeros(round((missing_s + ahead_s) * self.rate_hz), np.float32))

    def catch_up(self, late_s: float) -> None:
        """Frames are late by so much, because the net cannot keep up: what waits for it is left out, the face comes to
        rest, and goes on with what is heard from now on.

        Warns: W-BEHIND.
        """
        with self._lock:
            self.voice.interrupt()
            self.clock.jump(self.heard_s, time.monotonic())
        text = f"this machine is too slow or too busy: {late_s:.1f} s of sound are left out. Close other programs."
        warnings.warn(InputWarning("W-BEHIND", text), stacklevel=2)

    def end(self) -> None:
        """No more sound is taken: what its source still brings, in another thread, is dropped."""
        with self._lock:
            self._ended = True
            self.voice.end()

    def level_db(self) -> float:
        """The loudest since the last call in dB of full scale, at least -100."""
        peak, self.peak = self.peak, 0.0
        return 20 * math.log10(max(peak, 1e-5))


class Source(ABC):
    """Sound that comes by itself, in a thread of its own.

    name:    for messages
    rate_hz: of its samples
    done:    no more sound will come
    error:   what ended it, if it was that
    gaps:    how often sound could not be taken in time and was lost
    latency_s: how old sound is when it comes
    """

    latency_s = 0.0
    error: Exception | None

    def __init__(self, name: str, rate_hz: int) -> None:
        self.name, self.rate_hz = name, rate_hz
        self.done, self.error, self.gaps = False, None, 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"sound of {name}", daemon=True)

    def start(self, feed: Feed) -> None:
        self._feed = feed
        self._thread.start()

    def stop(self) -> None:
        """Bring no more; returns at once."""
        self._stopping.set()

    def close(self) -> None:
        """Bring no more, and give back what is held."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(_LEAVE_S)

    def starving(self, now_s: float) -> bool:
        """Whether sound that should be here does not come, so that silence must stand in for it."""
        return False

    def _work(self) -> None:
        try:
            self._bring(self._feed)
        except Exception as error:  # it is raised by whoever waits for the sound
            self.error = error
        self.done = True

    @abstractmethod
    def _bring(self, feed: Feed) -> None:
        """Push until there is no more, or `_stopping` is set, or the feed is full."""


class PacedSource(Source):
    """A recording, given as a microphone would have given it: each block when its last sample has been heard."""

    def __init__(self, name: str, rate_hz: int, blocks: Iterator[Array]) -> None:
        super().__init__(name, rate_hz)
        self._blocks = blocks

    def _bring(self, feed: Feed) -> None:
        feed.clock.start(time.monotonic())
        for block in self._blocks:
            due_s = feed.clock.moment(feed.heard_s + len(block) / self.rate_hz)
            if time.monotonic() - due_s > _SLEPT_S:
                feed.clock.jump(feed.heard_s, time.monotonic())
            elif self._stopping.wait(max(0.0, due_s - time.monotonic())):
                return
            feed.push(block)
            if feed.full:
                return


class PipedSource(Source):
    """Sound that somebody else makes: it may come in bursts, slowly, or not at all for a while.

    The clock starts with the first sound. What comes early waits for its second; in a pause there is silence, and what
    comes after it is heard at once. The clock waits for sound that comes too slowly.
    """

    def __init__(self, name: str, rate_hz: int, blocks: Iterator[Array]) -> None:
        super().__init__(name, rate_hz)
        self._blocks = blocks
        self._asked_s = math.inf

    def starving(self, now_s: float) -> bool:
        return now_s - self._asked_s > _STARVED_S and self._feed.clock.started

    def _bring(self, feed: Feed) -> None:
        while not self._stopping.is_set() and not feed.full:
            self._asked_s = time.monotonic()
            block = next(self._blocks, None)
            self._asked_s = math.inf
            if block is None:
                return
            feed.clock.start(time.monotonic())
            heard_s, now_s = feed.push(block), time.monotonic()
            ahead_s = heard_s - feed.clock.second(now_s)
            if ahead_s < -_STARVED_S:
                feed.clock.jump(heard_s, now_s)
            elif feed.speaker is None:  # a speaker would be the better crystal
                feed.clock.observe(heard_s - max(0.0, ahead_s), now_s)
            self._stopping.wait(max(0.0, ahead_s - AHEAD_S))

    def close(self) -> None:
        """Bring no more. The thread is left behind: its read may wait for ever."""
        self.stop()
