"""Blinks: when the lids close, how far, and how they move."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from voxface.runtime.chance import draw
from voxface.runtime.events import Pulse, Timer, TimerState
from voxface.runtime.prosody import TICK_ROWS, TICK_S
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

REST_PER_MIN, TALK_PER_MIN = 17.0, 26.0
"""Blinks a minute at rest and in conversation. Source: A. Bentivoglio et al., "Analysis of blink rate patterns in
normal subjects", Movement Disorders 12 (1997): 17, 26, and 4.5 in reading; 10.5 to 32.5 in conversation are normal:
M. Doughty, "Consideration of three types of spontaneous eyeblink activity", Optometry and Vision Science 78 (2001)."""

SPREAD, SHORTEST, LONGEST = 0.7, 0.25, 4.0
"""Intervals are skewed, most short and a few long: D. Garcia et al., "Spontaneous interblink time distributions",
IOVS 52 (2011). Log-normal with this spread, from a quarter of the mean to four times it, is our choice."""

CLOSING_S, STAY_S, OPENING_S = (0.075, 0.1), 0.04, (0.15, 0.2)
"""Lids close in 75 to 100 ms and take about twice as long to open: C. Evinger, K. Manning, P. Sibony, "Eyelid
movements. Mechanisms and normal data", IOVS 32 (1991); F. VanderWerf et al., "Eyelid movements", J Neurophysiol 89
(2003). They touch for about 10 ms only; decided: 40 ms, else a film at 30 fps would miss the closed eye."""

PARTIAL, PARTIAL_HEIGHT = 0.2, (0.5, 0.85)
"""One blink in five stays partial. Decided: half of them do when people watch a film (G. Ousler et al., "Blink patterns
and lid-contact times", Clinical Ophthalmology 8, 2014), but on a drawn face many half blinks look like twitching."""


class BlinkState(NamedTuple):
    """When the next one comes, and those under way."""

    timer: TimerState
    pulses: tuple[Pulse, ...]


@dataclass(frozen=True, slots=True)
class Blinks:
    """A stage from how much is spoken to closed lids. seed: whose chances · strength: factor on how often"""

    seed: int
    strength: float = 1.0

    def start(self) -> BlinkState:
        return BlinkState(blink_timer(self.seed).start(), ())

    def step(self, state: BlinkState, first: int, talk: Array) -> tuple[BlinkState, Array]:
        """Take (ticks,) talk in [0, 1], the first of them at row `first`; give (new state, (rows,) in [0, 1])."""
        count = TICK_ROWS * len(talk)
        timer, events = blink_timer(self.seed).step(state.timer, blinks_due(self.strength, talk).tolist())
        pulses = state.pulses + tuple(self.blink(first + TICK_ROWS * time, number) for time, number in events)
        closed = np.zeros(count)
        for pulse in pulses:
            rows, way = pulse.over(first, count)
            closed[rows] = np.maximum(closed[rows], way * pulse.height[0])
        return BlinkState(timer, tuple(pulse for pulse in pulses if pulse.end > first + count)), closed

    def blink(self, start: float, number: int) -> Pulse:
        """Blink `number`, which begins at row `start`."""
        _, closing, opening, partial, height, *_ = draw(self.seed, "blinks", number)
        return Pulse(
            start,
            ROW_RATE_HZ * _between(CLOSING_S, closing),
            ROW_RATE_HZ * STAY_S,
            ROW_RATE_HZ * _between(OPENING_S, opening),
            (_between(PARTIAL_HEIGHT, height) if partial < PARTIAL else 1.0,),
        )


def blinks_due(strength: float | Array, talk: Array) -> Array:
    """(n,) talk -> (n,) how much of a mean interval passes in a tick."""
    passing: Array = strength * TICK_S / 60 * (REST_PER_MIN + (TALK_PER_MIN - REST_PER_MIN) * talk)
    return passing


@lru_cache
def blink_timer(seed: int) -> Timer:
    return Timer(seed, "blinks", SPREAD, SHORTEST, LONGEST)


def _between(span: tuple[float, float], share: float) -> float:
    return span[0] + (span[1] - span[0]) * share
