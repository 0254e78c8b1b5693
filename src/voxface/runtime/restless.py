"""Idle motion of many voices at once: what runtime.idle.IdleMotion does for one, tick by tick, with a place for each.

The arithmetic of blinks, gaze, head and brows is that of their own files; here are their states as arrays. A step is
one tick of 40 ms, so that at most one shift of the eyes and one glance are under way, and few blinks.
"""

from __future__ import annotations

import numpy as np

from voxface.runtime import prosody
from voxface.runtime.blinks import Blinks, blink_timer, blinks_due
from voxface.runtime.events import Timer, ease
from voxface.runtime.gaze import SHIFTS_DUE, Gaze, gaze_timers, glances_due
from voxface.runtime.head_motion import (
    BROW_FROM,
    BROWS,
    CHIN,
    NOD,
    NOD_SLOW,
    PAST,
    SPOKEN,
    HeadMotion,
    control_points,
    sway_of,
)  # fmt: skip
from voxface.runtime.idle import IDLE, IdleMotion, idle_columns
from voxface.runtime.prosody import TICK_ROWS
from voxface.runtime.spline import weights
from voxface.stream import Array

_KEPT = 64  # rows drawn and not yet given: the longest look-ahead and a step are less
_BLINKS = 4  # that may overlap
_SWAY = 64  # ticks of sway looked up at a time
_LONG_AGO = -1e9


class Restless:
    """Rows of idle motion for voices at numbered places.

    Args:
        places: how many voices there may be.
    """

    def __init__(self, places: int) -> None:
        self._seed, self._lead, self._ticks = (np.zeros(places, np.int64) for _ in range(3))
        self._factor = np.zeros((places, 4))  # blinks, gaze, head, brows
        self._holds_eyes = np.zeros(places, bool)
        self._speaker = np.zeros((places, 5))  # SpeakerState
        self._gone, self._due = np.zeros((places, 3)), np.zeros((places, 3))  # blinks, shifts, glances: TimerState
        self._number = np.zeros((places, 3), np.int64)
        self._blink = np.zeros((places, _BLINKS, 5))  # Pulse: start, rise, stay, fall, height
        self._rest, self._shift = np.zeros((places, 2)), np.zeros((places, 4))  # Shift: start, rows, place
        self._glance = np.zeros((places, 6))  # Pulse, its height in two numbers
        self._smooth, self._controls = np.zeros((places, 8)), np.zeros((places, PAST, 8))  # HeadState
        self._sway, self._sway_from = np.zeros((places, _SWAY, 8)), np.zeros(places, np.int64)
        self._drawn = np.zeros((places, _KEPT, len(IDLE)), np.float32)

    @property
    def bytes_per_voice(self) -> int:
        """Memory of one voice."""
        return sum(part[0].nbytes for part in vars(self).values())

    def start(self, place: int, motion: IdleMotion) -> None:
        """The state that IdleMotion.start gives."""
        idle = motion.idle
        self._seed[place], self._ticks[place], self._holds_eyes[place] = idle.seed, 0, motion.holds_eyes
        self._factor[place] = idle.blinks, idle.gaze, idle.head, idle.brows
        self._speaker[place] = prosody.Emphasis().start()
        timers = [blink_timer(idle.seed), *gaze_timers(idle.seed)]
        states = [timer.start() for timer in timers]
        self._gone[place], self._due[place] = [state.gone for state in states], [state.due for state in states]
        self._number[place] = 0
        self._blink[place], self._glance[place] = (_LONG_AGO, 1, 0, 1, 0), (_LONG_AGO, 1, 0, 1, 0, 0)
        self._rest[place], self._shift[place] = 0, (_LONG_AGO, 1, 0, 0)
        self._smooth[place], self._sway_from[place] = 0, -1
        self._controls[place] = HeadMotion(idle.seed, idle.head, idle.brows).start().controls
        self.again(place, motion)

    def again(self, place: int, motion: IdleMotion) -> None:
        """Another sound begins, of which row 0 is the next row to be drawn; blinks, gaze and head go on."""
        self._lead[place] = motion.lead

    def tick(self, places: Array, numbers: Array, sound: Array) -> None:
        """Draw the rows that follow from a tick of each of these voices.

        Args:
            numbers: (voices,) of the tick in the sound, 0 is the first.
            sound: (voices, 640) samples, see Prosody.
        """
        said = self._said(places, prosody.measure(sound))
        drawn = np.flatnonzero(numbers >= self._lead[places])
        if not len(drawn):
            return
        places, said, ticks = places[drawn], said[drawn], self._ticks[places[drawn]]
        first, factor = TICK_ROWS * ticks.astype(np.float64), self._factor[places]
        closed = self._blinks(places, first, blinks_due(factor[:, 0], said[:, 0]))
        eyes = self._eyes(places, first, said[:, 0]) * factor[:, 1, None, None]
        moved = self._head(places, ticks, said)
        held = self._holds_eyes[places] & (factor[:, 1] > 0)
        eyes[held] -= moved[held, :, :2]
        self._ticks[places] += 1
        rows = idle_columns(closed.reshape(-1), eyes.reshape(-1, 2), moved.reshape(-1, 8))
        at = TICK_ROWS * (numbers[drawn] - self._lead[places])[:, None] + np.arange(TICK_ROWS)
        self._drawn[places[:, None], at % _KEPT] = rows.reshape(len(places), TICK_ROWS, len(IDLE))

    def rows(self, places: Array, first: Array, count: int) -> Array:
        """Rows first ... first + count - 1 of each voice's sound: (voices, count, IDLE) float32."""
        return self._drawn[places[:, None], (first[:, None] + np.arange(count)) % _KEPT]

    def _said(self, places: Array, ticks: Array) -> Array:
        """(voices, 3) of Prosody -> (voices, 3) talk, stress, tone: Emphasis for one tick."""
        floor, talk, mass, pitches, levels = self._speaker[places].T
        pitch, voicing, level = ticks.T
        sound = np.where(level > -70, 1.0, (level + 80) / 10)
        floor = np.maximum(
            np.minimum(floor + prosody.RISE_DB * sound, level + 60 * (1 - sound)), prosody.LOWEST_ROOM_DB
        )
        active = _within((level - floor - 6) / 12, 0, 1)
        talk = talk + (active - talk) * np.where(active > talk, prosody.ATTACK, prosody.RELEASE)
        sure = active * _within(4 * voicing - 2, 0, 1)
        keep = 1 - prosody.FORGET * sure
        mass, pitches, levels = keep * mass + sure, keep * pitches + sure * pitch, keep * levels + sure * level
        higher, louder = (pitch - pitches / mass) / 6, (level - levels / mass) / 12
        self._speaker[places] = np.stack([floor, talk, mass, pitches, levels], axis=1)
        return np.stack([talk, sure * _within(higher + louder, 0, 1), sure * _within(higher, -1, 1)], axis=1)

    def _events(self, which: int, places: Array, passing: Array) -> list[tuple[int, int, float, int]]:
        """Let time pass for one kind of event: (index, place, time in ticks, number) of those that happen."""
        gone = self._gone[places, which] + passing
        self._gone[places, which] = gone
        events = []
        for index in np.flatnonzero((gone >= self._due[places, which]) & (passing > 0)).tolist():
            place, passes, left = int(places[index]), float(passing[index]), float(gone[index])
            timer = _timer(which, int(self._seed[place]))
            while left >= self._due[place, which]:
                left -= float(self._due[place, which])
                number = int(self._number[place, which])
                events.append((index, place, 1 - left / passes, number))
                self._number[place, which] = number + 1
                self._due[place, which] = timer.interval(number + 1)
            self._gone[place, which] = left
        return events

    def _blinks(self, places: Array, first: Array, passing: Array) -> Array:
        """(voices, 4) closed lids: Blinks for one tick."""
        for index, place, time, number in self._events(0, places, passing):
            pulse = Blinks(int(self._seed[place])).blink(float(first[index]) + TICK_ROWS * time, number)
            oldest = int(self._blink[place, :, 0].argmin())
            self._blink[place, oldest] = (*pulse[:4], *pulse.height)
        closed = np.zeros((len(places), TICK_ROWS))
        pulses = self._blink[places]
        busy = np.flatnonzero((pulses[..., :4].sum(axis=2) > first[:, None]).any(axis=1))
        if len(busy):
            way = _way(pulses[busy], first[busy, None])
            closed[busy] = (way * pulses[busy, :, 4, None]).max(axis=1)
        return closed

    def _eyes(self, places: Array, first: Array, talk: Array) -> Array:
        """(voices, 4, 2) where the eyes look: Gaze for one tick."""
        for index, place, time, number in self._events(1, places, np.full(len(places), SHIFTS_DUE)):
            before = (float(self._rest[place, 0]), float(self._rest[place, 1]))
            to = Gaze(int(self._seed[place])).shift(float(first[index]) + TICK_ROWS * time, number, before)
            self._shift[place] = to.start, to.rows, *to.place
        for index, place, time, number in self._events(2, places, glances_due(talk)):
            pulse = Gaze(int(self._seed[place])).glance(float(first[index]) + TICK_ROWS * time, number)
            self._glance[place] = (*pulse[:4], *pulse.height)
        eyes = np.repeat(self._rest[places][:, None], TICK_ROWS, axis=1)
        shift = self._shift[places]
        busy = np.flatnonzero(shift[:, 0] > _LONG_AGO)
        if len(busy):
            eyes[busy] += self._shifted(places[busy], shift[busy], first[busy])
        glance = self._glance[places]
        busy = np.flatnonzero(glance[:, :4].sum(axis=1) > first)
        if len(busy):
            eyes[busy] += _way(glance[busy], first[busy])[:, :, None] * glance[busy, None, 4:]
        return eyes

    def _shifted(self, places: Array, shift: Array, first: Array) -> Array:
        """(voices, 4, 2) how far the eyes are from where they rested; who has arrived rests there."""
        rows = first[:, None] + np.arange(TICK_ROWS)
        away = shift[:, 2:] - self._rest[places]
        moved: Array = ease((rows - shift[:, :1]) / shift[:, 1:2])[:, :, None] * away[:, None]
        done = shift[:, 0] + shift[:, 1] <= first + TICK_ROWS
        self._rest[places[done]] = shift[done, 2:]
        self._shift[places[done], 0] = _LONG_AGO
        return moved

    def _head(self, places: Array, ticks: Array, said: Array) -> Array:
        """(voices, 4, 8) pose and brows: HeadMotion for one tick."""
        s = self._smooth[places].T  # spoken, stress (once, twice, slowly), tone (once, twice), brows (once, twice)
        talk, stress, tone = said.T
        s[0] += (talk - s[0]) * SPOKEN
        s[1] += (stress - s[1]) * NOD
        s[2] += (s[1] - s[2]) * NOD
        s[3] += (s[2] - s[3]) * NOD_SLOW
        s[4] += (tone - s[4]) * CHIN
        s[5] += (s[4] - s[5]) * CHIN
        s[6] += (np.maximum(tone - BROW_FROM, 0) / (1 - BROW_FROM) - s[6]) * BROWS
        s[7] += (s[6] - s[7]) * BROWS
        self._smooth[places] = s.T
        moves = np.stack([s[0], s[2] - s[3], s[5], s[7]], axis=1)
        factor = self._factor[places]
        point = control_points(self._sways(places, ticks), moves, factor[:, 2], factor[:, 3])
        controls = np.concatenate([self._controls[places], point[:, None]], axis=1)
        self._controls[places] = controls[:, 1:]
        curve: Array = weights(TICK_ROWS) @ controls
        return curve

    def _sways(self, places: Array, ticks: Array) -> Array:
        """(voices, 8) the sway at these ticks; it is looked up for _SWAY ticks at a time."""
        block = ticks // _SWAY
        for index in np.flatnonzero(self._sway_from[places] != block).tolist():
            place = int(places[index])
            self._sway[place] = sway_of(int(self._seed[place]), int(block[index]) * _SWAY, _SWAY)
            self._sway_from[place] = block[index]
        sway: Array = self._sway[places, ticks % _SWAY]
        return sway


def _timer(which: int, seed: int) -> Timer:
    return (blink_timer(seed), *gaze_timers(seed))[which]


def _within(values: Array, low: float, high: float) -> Array:
    result: Array = np.minimum(np.maximum(values, low), high)
    return result


def _way(pulses: Array, first: Array) -> Array:
    """(..., 5 or 6) Pulses, (...) row -> (..., 4) how far each is in the four rows from there on, as Pulse.over."""
    rows = (first[..., None] + np.arange(TICK_ROWS)) - pulses[..., :1]
    whole = pulses[..., 1:4].sum(axis=-1, keepdims=True)
    return ease(np.minimum(rows / pulses[..., 1:2], (whole - rows) / pulses[..., 3:4]))
