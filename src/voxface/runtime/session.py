"""One stream of speech: sound at any rate in, frames at any rate out, time counted in samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from voxface.audio.resample import Resampler
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, HEAD
from voxface.runtime.animator import Animator, AnimatorState
from voxface.runtime.idle import Idle, IdleMotion, MotionState
from voxface.runtime.pacer import FramePacer, PacerState
from voxface.runtime.polish import Polish
from voxface.stream import Array
from voxface.timebase import frame_count, frame_time_s

_BY_DEFAULT = Idle()


class SessionState(NamedTuple):
    """States of the parts, and samples heard so far."""

    resampler: Any
    animator: AnimatorState
    motion: MotionState | None
    pacer: PacerState
    heard: int


class Session:
    """The whole way from samples to frames as one stream; all memory is in its state.

    Frame k shows the face at k / fps seconds, k / fps < duration. Any cut into packets gives the same frames. Channels
    that the bundle does not drive are moved by idle motion, or rest at 0.

    Args:
        animator: the opened bundle; many sessions may share one.
        rate_hz: of the samples.
        fps: of the frames.
        polish: gains and offsets after the model; with mouth_only there is no idle motion.
        idle: how what the bundle does not drive moves by itself; None: not at all.
    """

    def __init__(
        self,
        animator: Animator,
        rate_hz: int,
        fps: float = 60.0,
        polish: Polish | None = None,
        idle: Idle | None = _BY_DEFAULT,
    ) -> None:
        self.animator, self.bundle, self.rate_hz, self.fps = animator, animator.bundle, rate_hz, fps
        self.resampler = Resampler(rate_hz)
        polish = polish or Polish()
        drives, rig = animator.bundle.drives, animator.bundle.rig
        free = tuple(name for name in idle.channels if name not in drives) if idle and not polish.mouth_only else ()
        self._motion = IdleMotion(idle, animator.bundle.look_ahead_rows, free) if idle and free else None
        self._rig = rig + tuple(name for name in free if name not in rig + HEAD)
        self.has_head, self.has_emotion = HEAD[0] in drives + free, False
        self._channels = self._rig + HEAD * self.has_head
        known = [name if name in drives else "" for name in animator.channels] + list(free) + ["still"]
        self._from = np.array([known.index(name if name in known else "still") for name in self._channels])
        self._pacer = FramePacer(fps, slice(len(self._rig) + 3, len(self._channels)) if self.has_head else None)
        self._polish = polish.over(self._channels)

    @property
    def latency_ms(self) -> float:
        """How long after a sound its face is known (SPEC C7)."""
        return self.animator.bundle.latency_ms(self.rate_hz)

    def start(self) -> SessionState:
        motion = self._motion.start() if self._motion else None
        return SessionState(self.resampler.start(), self.animator.start(), motion, self._pacer.start(), 0)

    def step(self, state: SessionState, samples: Array) -> tuple[SessionState, FaceClip]:
        """Take (n,) float32 samples at rate_hz, any n; give (new state, the frames that are ready, maybe none)."""
        resampler, at_16k = self.resampler.step(state.resampler, samples)
        animator, rows = self.animator.step(state.animator, at_16k)
        motion, moved = self._move(state.motion, at_16k)
        pacer, frames = self._pacer.step(state.pacer, self._face(rows, moved))
        after = SessionState(resampler, animator, motion, pacer, state.heard + len(samples))
        return after, self._clip(frames, state.pacer.next)

    def finish(self, state: SessionState) -> FaceClip:
        """The last frames, up to the end of the sound."""
        at_16k = self.resampler.finish(state.resampler)
        animator, rows = self.animator.step(state.animator, at_16k)
        motion, moved = self._move(state.motion, at_16k)
        rows = np.concatenate([rows, self.animator.finish(animator)])
        if self._motion and motion:
            moved = np.concatenate([moved, self._motion.finish(motion)])
        pacer, frames = self._pacer.step(state.pacer, self._face(rows, moved))
        total = frame_count(state.heard, self.rate_hz, self.fps)
        frames = np.concatenate([frames, self._pacer.finish(pacer, total)])
        return self._clip(frames[: total - state.pacer.next], state.pacer.next)

    def _move(self, state: MotionState | None, at_16k: Array) -> tuple[MotionState | None, Array]:
        """The rows of idle motion; none where there is none."""
        return self._motion.step(state, at_16k) if self._motion and state else (state, at_16k[:0])

    def _face(self, rows: Array, moved: Array) -> Array:
        """(n, animator's channels) and (n, idle channels) -> (n, the session's channels)."""
        still = np.zeros((len(rows), 1), np.float32)
        columns = [rows, moved, still] if self._motion else [rows, still]
        return np.concatenate(columns, axis=1).take(self._from, axis=1)

    def _clip(self, frames: Array, first: int) -> FaceClip:
        values = self._polish(frames.reshape(len(frames), len(self._channels)))
        clip = FaceClip(
            weights=values[:, : len(self._rig)],
            channels=self._rig,
            fps=self.fps,
            start_s=frame_time_s(first, self.fps),
            head=values[:, len(self._rig) :] if self.has_head else None,
        )
        return clip if clip.channels == ARKIT else clip.to_rig(ARKIT)
