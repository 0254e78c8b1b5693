"""Where the eyes look: small shifts over the listener's face, glances away, and steady while the head moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from voxface.runtime.chance import draw
from voxface.runtime.events import Pulse, Timer, TimerState, ease, lognormal
from voxface.runtime.prosody import TICK_ROWS, TICK_S
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

FIXATION_S = 1.0
"""Mean time between small shifts. Decided: fixations on a face in conversation last from 0.3 s to 2 s."""

FACE_DEG = (2.2, 1.8)
"""How far from the middle the eyes wander over a face at about 0.9 m: eyes 6 cm apart, mouth 7 cm below them."""

AWAY_S, TALKING_S, LISTENING_S = 0.93, 3.1, 7.9
"""A glance away lasts 0.93 s; between two lie 3.1 s while talking, 7.9 s while not. Source: S. Lee, J. Badler, N.
Badler, "Eyes alive", SIGGRAPH 2002 (from memory). 2.2 s of mutual face gaze, 60 % of the time, with large differences
between people: S. Rogers et al., "Using dual eye tracking to uncover personal gaze patterns", Sci Reports 8 (2018)."""

AWAY_DEG, NEAREST_DEG, FURTHEST_DEG = 6.9, 3.0, 12.0
"""How far: exponential with this mean ("Eyes alive"), within these limits; further, the head would turn too."""

SLOPE_S, BASE_S = 0.0022, 0.021
"""Duration of a saccade: 21 ms and 2.2 ms per degree. Source: R. Carpenter, "Movements of the Eyes" (1988); the main
sequence: A. Bahill, M. Clark, L. Stark, Mathematical Biosciences 24 (1975)."""

OUT_DEG, IN_DEG, DOWN_DEG, UP_DEG = 36.0, 32.0, 32.0, 23.0
"""How far the eyeball is turned at weight 1 of eyeLookOut, In, Down and Up (formats.md §3, from iPhone recordings)."""

LID_DOWN, LID_UP = 0.3, 0.3
"""The lids follow the eyes: share of eyeLookDown that closes them, of eyeLookUp that opens them. Source: D. Becker, A.
Fuchs, "Lid-eye coordination during vertical gaze changes", J Neurophysiol 60 (1988); small, since the shapes of
eyeLookDown and Up move the lids themselves."""

EYES = (
    "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight",
)  # fmt: skip


Place = tuple[float, float]
"""Yaw (positive to the subject's left) and pitch (positive down) of both eyes, in degrees."""


class Shift(NamedTuple):
    """The eyes go to a place: begin and duration in rows, `start` may lie between rows."""

    start: float
    rows: float
    place: Place


class GazeState(NamedTuple):
    """When the next shift and the next glance come, where the eyes rest, shifts and glances under way."""

    shift: TimerState
    glance: TimerState
    rest: Place
    shifts: tuple[Shift, ...]
    glances: tuple[Pulse, ...]


@dataclass(frozen=True, slots=True)
class Gaze:
    """A stage from how much is spoken to the direction of both eyes. seed: whose chances"""

    seed: int

    def start(self) -> GazeState:
        """The eyes look straight ahead."""
        shifts, glances = gaze_timers(self.seed)
        return GazeState(shifts.start(), glances.start(), (0.0, 0.0), (), ())

    def step(self, state: GazeState, first: int, talk: Array) -> tuple[GazeState, Array]:
        """Take (ticks,) talk in [0, 1], the first at row `first`; give (new state, (rows, 2) Place)."""
        count = TICK_ROWS * len(talk)
        when_shift, when_glance = gaze_timers(self.seed)
        shift, due = when_shift.step(state.shift, [SHIFTS_DUE] * len(talk))
        shifts = state.shifts
        for time, number in due:
            shifts += (self.shift(first + TICK_ROWS * time, number, shifts[-1].place if shifts else state.rest),)
        glance, away = when_glance.step(state.glance, glances_due(talk).tolist())
        glances = state.glances + tuple(self.glance(first + TICK_ROWS * time, number) for time, number in away)
        eyes, rest, left = _shifted(state.rest, shifts, first, count)
        for pulse in glances:
            rows, way = pulse.over(first, count)
            eyes[rows] += way[:, None] * pulse.height
        return GazeState(shift, glance, rest, left, tuple(p for p in glances if p.end > first + count)), eyes

    def shift(self, start: float, number: int, before: Place) -> Shift:
        """A shift to a new place on the face."""
        _, across, along, *_ = draw(self.seed, "fixations", number)
        place = ((2 * across - 1) * FACE_DEG[0], (2 * along - 1) * FACE_DEG[1])
        return Shift(start, saccade_rows(math.dist(place, before)), place)

    def glance(self, start: float, number: int) -> Pulse:
        """A glance away and back: as often to the sides as up or down, seldom between ("Eyes alive")."""
        _, far, where, lean, stay, *_ = draw(self.seed, "glances", number)
        degrees = min(max(-AWAY_DEG * math.log(1 - far), NEAREST_DEG), FURTHEST_DEG)
        angle = math.pi / 2 * (math.floor(4 * where) + 0.6 * (lean - 0.5))
        turn = saccade_rows(degrees)
        stays = ROW_RATE_HZ * AWAY_S * lognormal(stay, 0.5, 0.3, 2.0)
        return Pulse(start, turn, stays, turn, (degrees * math.cos(angle), degrees * math.sin(angle)))


SHIFTS_DUE = TICK_S / FIXATION_S
"""How much of a mean interval between shifts passes in a tick."""


def glances_due(talk: Array) -> Array:
    """(n,) talk -> (n,) how much of a mean interval between glances passes in a tick."""
    per_s = 1 / LISTENING_S + (1 / TALKING_S - 1 / LISTENING_S) * talk
    passing: Array = TICK_S * per_s / (1 + AWAY_S * per_s)
    return passing


@lru_cache
def gaze_timers(seed: int) -> tuple[Timer, Timer]:
    """When the eyes shift, and when they glance away; glances cannot overlap."""
    return Timer(seed, "fixations", 0.5, 0.3, 3.0), Timer(seed, "glances", 0.6, 0.5, 4.0)


def _shifted(rest: Place, shifts: tuple[Shift, ...], first: int, count: int) -> tuple[Array, Place, tuple[Shift, ...]]:
    """(rows, 2) places from shift to shift, where the eyes rest after them, and the shifts that are not yet done."""
    eyes = np.empty((count, 2))
    eyes[:] = rest
    rows = np.arange(first, first + count)
    before = rest
    for shift in shifts:
        eyes += ease((rows - shift.start) / shift.rows)[:, None] * np.subtract(shift.place, before)
        before = shift.place
    done = [shift for shift in shifts if shift.start + shift.rows <= first + count]
    return eyes, done[-1].place if done else rest, shifts[len(done) :]


def saccade_rows(degrees: float) -> float:
    """How many rows a turn of the eyes takes."""
    return ROW_RATE_HZ * (BASE_S + SLOPE_S * degrees)


def eye_weights(eyes: Array) -> Array:
    """(rows, 2) Place -> (rows, 8) weights in the order of EYES; both eyes look the same way."""
    weights: Array = np.maximum(eyes @ _PER_DEGREE, 0)
    return weights


_PER_DEGREE = np.array(
    [
        [0, 0, -1 / IN_DEG, 1 / IN_DEG, 1 / OUT_DEG, -1 / OUT_DEG, 0, 0],  # of yaw: left is out for the left eye
        [1 / DOWN_DEG, 1 / DOWN_DEG, 0, 0, 0, 0, -1 / UP_DEG, -1 / UP_DEG],  # of pitch
    ]
)
"""(2, 8) weights of EYES per degree, where positive."""
