"""One stream of speech: sound at any rate in, frames at any rate out, time counted in samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from voxface.audio.resample import Resampler
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, HEAD
from voxface.runtime.animator import Animator, AnimatorState
from voxface.runtime.pacer import FramePacer, PacerState
from voxface.runtime.polish import Polish
from voxface.stream import Array
from voxface.timebase import frame_count, frame_time_s


class SessionState(NamedTuple):
    """States of the parts, and samples heard so far."""

    resampler: Any
    animator: AnimatorState
    pacer: PacerState
    heard: int


class Session:
    """The whole way from samples to frames as one stream; all memory is in its state.

    Frame k shows the face at k / fps seconds, k / fps < duration. Any cut into packets gives the same frames.

    Args:
        animator: the opened bundle; many sessions may share one.
        rate_hz: of the samples.
        fps: of the frames.
        polish: gains and offsets after the model.
    """

    def __init__(self, animator: Animator, rate_hz: int, fps: float = 60.0, polish: Polish | None = None) -> None:
        self.animator, self.rate_hz, self.fps = animator, rate_hz, fps
        self.resampler = Resampler(rate_hz)
        channels = animator.channels
        self._weights = slice(channels.index(animator.bundle.rig[0]), channels.index(animator.bundle.rig[-1]) + 1)
        self._head = (
            slice(channels.index(HEAD[0]), channels.index(HEAD[-1]) + 1) if set(HEAD) <= set(channels) else None
        )
        turn = slice(self._head.start + 3, self._head.stop) if self._head else None
        self._polish = (polish or Polish()).over(channels)
        self._pacer = FramePacer(fps, turn)

    @property
    def has_head(self) -> bool:
        """The bundle gives a head pose."""
        return self._head is not None

    @property
    def latency_ms(self) -> float:
        """How long after a sound its face is known (SPEC C7)."""
        return self.animator.bundle.latency_ms(self.rate_hz)

    def start(self) -> SessionState:
        return SessionState(self.resampler.start(), self.animator.start(), self._pacer.start(), 0)

    def step(self, state: SessionState, samples: Array) -> tuple[SessionState, FaceClip]:
        """Take (n,) float32 samples at rate_hz, any n; give (new state, the frames that are ready, maybe none)."""
        resampler, at_16k = self.resampler.step(state.resampler, samples)
        animator, rows = self.animator.step(state.animator, at_16k)
        pacer, frames = self._pacer.step(state.pacer, rows)
        after = SessionState(resampler, animator, pacer, state.heard + len(samples))
        return after, self._clip(frames, state.pacer.next)

    def finish(self, state: SessionState) -> FaceClip:
        """The last frames, up to the end of the sound."""
        animator, rows = self.animator.step(state.animator, self.resampler.finish(state.resampler))
        rows = np.concatenate([rows, self.animator.finish(animator)])
        pacer, frames = self._pacer.step(state.pacer, rows)
        total = frame_count(state.heard, self.rate_hz, self.fps)
        frames = np.concatenate([frames, self._pacer.finish(pacer, total)])
        return self._clip(frames[: total - state.pacer.next], state.pacer.next)

    def _clip(self, frames: Array, first: int) -> FaceClip:
        values = self._polish(frames.reshape(len(frames), len(self.animator.channels)))
        clip = FaceClip(
            weights=values[:, self._weights],
            channels=self.animator.bundle.rig,
            fps=self.fps,
            start_s=frame_time_s(first, self.fps),
            head=values[:, self._head] if self._head else None,
        )
        return clip if clip.channels == ARKIT else clip.to_rig(ARKIT)
