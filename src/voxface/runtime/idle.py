"""The face beside the mouth: blinks, gaze, head and brows, from the sound and from chance (docs/idle.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voxface.errors import UsageError
from voxface.face.axes import quaternion_from_euler
from voxface.face.rig import HEAD
from voxface.runtime.blinks import Blinks, BlinkState
from voxface.runtime.gaze import EYES, LID_DOWN, LID_UP, Gaze, GazeState, eye_weights
from voxface.runtime.head_motion import HeadMotion, HeadState
from voxface.runtime.polish import load_tables
from voxface.runtime.prosody import TICK_ROWS, Emphasis, Prosody, SpeakerState
from voxface.stream import Array
from voxface.timebase import ROW_HOP, ROW_WINDOW

LIDS = ("eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeWideRight")
BROWS = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
IDLE = LIDS + EYES + BROWS + HEAD
"""What idle motion can move, in the order of its columns."""

STRONGEST = 3.0
_LEAD_TICKS = 5  # the head is late by about as much: two ticks of its spline, three of its low passes


@dataclass(frozen=True, slots=True)
class Idle:
    """How much of the face moves by itself; the same seed and the same sound give the same face.

    seed:   any whole number from 0
    blinks: factor on how often the eyes blink; 0 never, 1 as people do
    gaze:   factor on how far the eyes wander and glance away
    head:   factor on how far the head moves
    brows:  factor on how far the brows go up
    """

    seed: int = 0
    blinks: float = 1.0
    gaze: float = 1.0
    head: float = 1.0
    brows: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise UsageError(f"the seed of idle motion is a whole number from 0; got {self.seed!r}.")
        for name in PARTS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= STRONGEST:
                raise UsageError(f"idle {name} is a factor from 0 to {STRONGEST:g}; got {value!r}.")

    @property
    def channels(self) -> tuple[str, ...]:
        """What it moves: the channels of the parts that are not 0."""
        lids = LIDS[:2] * (self.blinks > 0 or self.gaze > 0) + LIDS[2:] * (self.gaze > 0)
        return lids + EYES * (self.gaze > 0) + BROWS * (self.brows > 0) + HEAD * (self.head > 0)


PARTS = tuple(field.name for field in fields(Idle) if field.name != "seed")


def load_idle(path: str | Path | None, seed: int | None = None) -> Idle:
    """The table [idle] of a TOML file (the same that holds gains): seed, blinks, gaze, head, brows; `seed` beats it.

    Without a file, or without the table, everything is as by default.
    Raises: InputError: the file cannot be read. UsageError: it is not TOML, or has other names or values.
    """
    table = load_tables(path).get("idle", {}) if path else {}
    names = [field.name for field in fields(Idle)]
    unknown = sorted(set(table) - set(names)) if isinstance(table, dict) else ["no table"]
    if unknown:
        raise UsageError(f"{path}: [idle] has {unknown[0]!r}; it may have {', '.join(names)}.", source=str(path))
    return Idle(**(table if seed is None else table | {"seed": seed}))


class PartsState(NamedTuple):
    """States of the parts; ticks still to be listened to before the first is drawn; ticks drawn."""

    speaker: SpeakerState
    blinks: BlinkState
    gaze: GazeState
    head: HeadState
    lead: int
    ticks: int


class MotionState(NamedTuple):
    """Samples the next tick needs; states of the parts; rows drawn and not yet given; samples heard; rows given."""

    prosody: Array
    parts: PartsState
    drawn: Array
    heard: int
    given: int


class IdleMotion:
    """A stage from (n,) samples at 16 kHz to (rows, channels) at 100 Hz, row for row beside an Animator's.

    n samples give 1 + n // 160 rows, each as soon as the sound up to the look-ahead and half a window behind it has
    come: exactly when an Animator of that look-ahead gives it. Of the sound after a row it uses the look-ahead, up to
    200 ms, to make up for the time the head takes to follow the voice.

    Args:
        idle: how much of it.
        look_ahead_rows: of the bundle beside it.
        channels: which of `IDLE` are wanted, in this order.
    """

    def __init__(self, idle: Idle, look_ahead_rows: int, channels: Iterable[str] = IDLE) -> None:
        self.idle, self.look_ahead_rows, self.channels = idle, look_ahead_rows, tuple(channels)
        self._columns = np.array([IDLE.index(name) for name in self.channels], int)
        self._together = 2 if look_ahead_rows >= TICK_ROWS else 1  # half the work of a live step, if there is time
        self.lead = min(look_ahead_rows // TICK_ROWS + 1 - self._together, _LEAD_TICKS)
        self._prosody, self._emphasis = Prosody(self._together), Emphasis()
        self._blinks, self._gaze = Blinks(idle.seed, idle.blinks), Gaze(idle.seed)
        self._head = HeadMotion(idle.seed, idle.head, idle.brows)
        self.holds_eyes = idle.head * (HEAD[0] in self.channels) > 0  # else the bundle's head is unknown here

    def start(self) -> MotionState:
        """Before the first sample it was silent."""
        parts = PartsState(
            self._emphasis.start(), self._blinks.start(), self._gaze.start(), self._head.start(), self.lead, 0
        )
        return MotionState(self._prosody.start(), parts, np.zeros((0, len(self.channels)), np.float32), 0, 0)

    def step(self, state: MotionState, samples: Array) -> tuple[MotionState, Array]:
        """Take (n,) samples; give (new state, (rows, channels) float32)."""
        prosody, ticks = self._prosody.step(state.prosody, samples)
        parts, drawn, heard = state.parts, state.drawn, state.heard + len(samples)
        if len(ticks):
            parts, rows = self._listen(parts, ticks)
            drawn = np.concatenate([drawn, rows[:, self._columns]])
        ready = 1 + (heard - ROW_WINDOW // 2) // ROW_HOP - self.look_ahead_rows
        due = max(0, ready - state.given)
        return MotionState(prosody, parts, drawn[due:], heard, state.given + due), drawn[:due]

    def finish(self, state: MotionState) -> Array:
        """The last rows: silence follows the sound."""
        ahead = np.zeros(self.look_ahead_rows * ROW_HOP + ROW_WINDOW // 2, np.float32)
        return self.step(state, ahead)[1]

    def _listen(self, state: PartsState, ticks: Array) -> tuple[PartsState, Array]:
        """(ticks, 3) of Prosody -> four rows for each tick over all of IDLE, none until the lead is made up."""
        speaker, said = self._emphasis.step(state.speaker, ticks)
        skip = min(state.lead, len(said))
        said, first = said[skip:], TICK_ROWS * state.ticks
        if not len(said):
            return state._replace(speaker=speaker, lead=state.lead - skip), np.zeros((0, len(IDLE)), np.float32)
        blinks, closed = self._blinks.step(state.blinks, first, said[:, 0])
        gaze, eyes = self._gaze.step(state.gaze, first, said[:, 0])
        head, moved = self._head.step(state.head, state.ticks, said)
        eyes *= self.idle.gaze
        if self.holds_eyes and self.idle.gaze:
            eyes -= moved[:, :2]  # the eyes stay where they look while the head turns
        after = PartsState(speaker, blinks, gaze, head, state.lead - skip, state.ticks + len(said))
        return after, idle_columns(closed, eyes, moved)


def idle_columns(closed: Array, eyes: Array, moved: Array) -> Array:
    """(rows,) closed lids, (rows, 2) eyes in degrees, (rows, 8) head and brows -> (rows, all of IDLE) float32."""
    rows = np.empty((len(closed), len(IDLE)), np.float32)
    looks = eye_weights(eyes)
    lids = 1 - (1 - closed) * (1 - LID_DOWN * looks[:, 0])
    wide = (1 - closed) * LID_UP * looks[:, -1]
    rows[:, 0:2], rows[:, 2:4], rows[:, 4:12] = lids[:, None], wide[:, None], looks
    rows[:, 12], rows[:, 13:15] = moved[:, 6], moved[:, 7:8]
    rows[:, 15:18] = moved[:, 3:6] / 1000  # metres
    rows[:, 18:22] = quaternion_from_euler(np.radians(moved[:, :3]))
    return rows
