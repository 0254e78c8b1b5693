"""Things that happen now and then: when the next one is due, and the shape of a movement there and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from voxface.runtime.chance import draw
from voxface.stream import Array

_NORMAL = NormalDist()


def lognormal(share: float, spread: float, low: float, high: float) -> float:
    """The log-normal number with mean 1 (before clipping to [low, high]) below which `share` of them lie.

    share: in [0, 1) · spread: standard deviation of its logarithm
    """
    z = _NORMAL.inv_cdf(min(max(share, 1e-9), 1 - 1e-9))
    return min(max(math.exp(spread * z - spread**2 / 2), low), high)


class TimerState(NamedTuple):
    """What has gone by since the last event, what has to go by until the next, and that one's number."""

    gone: float
    due: float
    number: int


@dataclass(frozen=True, slots=True)
class Timer:
    """Events with log-normal intervals whose pace changes with time.

    The interval before event n is drawn by its number alone; what passes in a tick is the tick's length over the mean
    interval of that moment. So the time of an event is a continuous function of the sound: rounding that differs
    between packet sizes moves it by as little, and can neither make an event nor lose one.

    seed, part: whose numbers are drawn (chance.py); an event's first number is its interval
    spread, low, high: of the intervals, over their mean
    """

    seed: int
    part: str
    spread: float
    low: float
    high: float

    def start(self) -> TimerState:
        """The first event comes after half an interval, as if one had come before the sound began."""
        return TimerState(0.0, self.interval(0) / 2, 0)

    def step(self, state: TimerState, passing: Sequence[float]) -> tuple[TimerState, list[tuple[float, int]]]:
        """Take the shares of the mean interval that pass in each tick, all > 0 (or none at all: nothing happens).

        Returns: (new state, [(time in ticks since the first of these ticks, number of the event)]).
        """
        gone, due, number = state
        events = []
        for tick, passes in enumerate(passing):
            gone += passes
            while gone >= due and passes > 0:
                gone -= due
                events.append((tick + 1 - gone / passes, number))
                number += 1
                due = self.interval(number)
        return TimerState(gone, due, number), events

    def interval(self, number: int) -> float:
        """What has to go by before event `number`, in mean intervals."""
        return lognormal(draw(self.seed, self.part, number)[0], self.spread, self.low, self.high)


class Pulse(NamedTuple):
    """There, stay, and back; times in rows, `start` may lie between rows.

    height: what it reaches, one number or several (yaw and pitch, say)
    """

    start: float
    rise: float
    stay: float
    fall: float
    height: tuple[float, ...]

    @property
    def end(self) -> float:
        """The row by which it is over."""
        return self.start + self.rise + self.stay + self.fall

    def over(self, first: int, count: int) -> tuple[slice, Array]:
        """Which of `count` rows from row `first` on it touches, and how far it is there: (rows,) float64 in [0, 1]."""
        low = min(max(math.ceil(self.start - first), 0), count)
        high = min(max(math.ceil(self.end - first), low), count)
        rows = np.arange(low, high) + (first - self.start)
        way = np.minimum(rows / self.rise, (self.end - self.start - rows) / self.fall)
        return slice(low, high), ease(way)


def ease(way: Array) -> Array:
    """From 0 to 1 with rest at both ends, as half a cosine; `way` beyond [0, 1] is held."""
    eased: Array = 0.5 - 0.5 * np.cos(np.pi * np.minimum(np.maximum(way, 0), 1))
    return eased
