"""Rows at 100 Hz in, frames at any rate out: linear, each frame as soon as the two rows around it are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from voxface.face.axes import lengths, sign_aligned, sign_continuous
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ, exact_rate, frames_before_row


class PacerState(NamedTuple):
    """The last row (or none), how many rows came, and the number of the next frame."""

    last: Array
    rows: int
    next: int


@dataclass(frozen=True, slots=True)
class FramePacer:
    """(rows, channels) at 100 Hz -> (frames, channels) at `fps`; frame k shows second k / fps.

    fps: frames a second, (0, 1000]
    quaternion: columns of the head's quaternion, kept sign-continuous and of length 1; None where there is none
    """

    fps: float
    quaternion: slice | None = None

    def start(self) -> PacerState:
        return PacerState(np.zeros((0, 0), np.float32), 0, 0)

    def step(self, state: PacerState, rows: Array) -> tuple[PacerState, Array]:
        """Take (n, channels) rows; give (new state, (frames, channels) float32)."""
        if not len(rows):
            return state, rows[:0]
        known = np.concatenate([state.last, rows]) if len(state.last) else rows.copy()
        if self.quaternion:
            align = sign_aligned if len(state.last) else sign_continuous
            known[:, self.quaternion] = align(known[:, self.quaternion])
        total = state.rows + len(rows)
        end = max(state.next, frames_before_row(total, self.fps))
        frames = self._frames(known, total - len(known), state.next, end)
        return PacerState(known[-1:].copy(), total, end), frames

    def finish(self, state: PacerState, frames: int) -> Array:
        """The frames up to number `frames`: the last row is held."""
        return np.repeat(state.last, max(0, frames - state.next), axis=0)

    def _frames(self, known: Array, first: int, start: int, end: int) -> Array:
        """Frames start ... end - 1 from `known`, whose first row is row number `first`."""
        if end == start:
            return known[:0]
        rate = exact_rate(self.fps)
        place = np.arange(start, end, dtype=np.int64) * (ROW_RATE_HZ * rate.denominator)
        left, rest = np.divmod(place, rate.numerator)
        share = (rest / rate.numerator).astype(np.float32)[:, None]
        left -= first
        right = np.minimum(left + 1, len(known) - 1)
        frames: Array = known[left] * (1 - share) + known[right] * share
        if self.quaternion:
            q = frames[:, self.quaternion]
            frames[:, self.quaternion] = q / np.maximum(lengths(q), 1e-6)[:, None]
        return frames
