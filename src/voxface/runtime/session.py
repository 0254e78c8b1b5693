"""One stream of speech: sound at any rate in, frames at any rate out, time counted in samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from voxface.audio.resample import Resampler
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS, HEAD
from voxface.runtime.animator import Animator, AnimatorState
from voxface.runtime.emotion import EmotionTrack, TrackState, open_emotion
from voxface.runtime.feeling import Feeling
from voxface.runtime.idle import Idle, IdleMotion, MotionState
from voxface.runtime.pacer import FramePacer, PacerState
from voxface.runtime.polish import Polish
from voxface.stream import Array, Stage
from voxface.timebase import exact_rate, frame_count, frame_time_s

_BY_DEFAULT, _AS_HEARD = Idle(), Feeling()


class SessionState(NamedTuple):
    """States of the parts, and samples heard so far."""

    resampler: Any
    animator: AnimatorState
    motion: MotionState | None
    emotion: TrackState | None
    pacer: PacerState
    heard: int


class Session:
    """The whole way from samples to frames as one stream; all memory is in its state.

    Frame k shows the face at k / fps seconds, k / fps < duration. Any cut into packets gives the same frames. Channels
    that the bundle does not drive are moved by idle motion, or rest at 0. Over both lies the expression of the emotion
    that is heard, or wanted.

    Args:
        animator: the opened bundle; many sessions may share one.
        rate_hz: of the samples.
        fps: of the frames.
        polish: gains and offsets after the model; with mouth_only there is no idle motion.
        idle: how what the bundle does not drive moves by itself; None: not at all.
        feeling: which emotion shows, and how strongly; None: none, and the clips have no emotions.
    """

    def __init__(
        self,
        animator: Animator,
        rate_hz: int,
        fps: float = 60.0,
        polish: Polish | None = None,
        idle: Idle | None = _BY_DEFAULT,
        feeling: Feeling | None = _AS_HEARD,
    ) -> None:
        self.animator, self.bundle, self.rate_hz, self.fps = animator, animator.bundle, rate_hz, fps
        self.resampler = Resampler(rate_hz)
        self.polish = polish = polish or Polish()
        drives, rig = animator.bundle.drives, animator.bundle.rig
        idle = None if polish.mouth_only else idle
        self.free = free = tuple(name for name in idle.channels if name not in drives) if idle else ()
        self.motion = IdleMotion(idle, animator.bundle.look_ahead_rows, free) if idle and free else None
        self._rig = rig + tuple(name for name in free if name not in rig + HEAD)
        self.show = feeling.over(self._rig, polish) if feeling else None
        self._rig = self.show.channels if self.show else self._rig
        self.track = EmotionTrack(open_emotion(), self.bundle.look_ahead_rows) if feeling and feeling.heard else None
        self._shares = self.track is not None and self.track.net.bundle.feature == animator.feature
        self.has_head, self.has_emotion = HEAD[0] in drives + free, feeling is not None
        self._channels = self._rig + HEAD * self.has_head
        known = [name if name in drives else "" for name in animator.channels] + list(free) + ["still"]
        self._from = np.array([known.index(name if name in known else "still") for name in self._channels])
        self._pacer = FramePacer(fps, slice(len(self._rig) + 3, len(self._channels)) if self.has_head else None)
        self._polished = polish.over(self._channels)

    @property
    def latency_ms(self) -> float:
        """How long after a sound its face is known (SPEC C7)."""
        return self.animator.bundle.latency_ms(self.rate_hz)

    def start(self) -> SessionState:
        motion = self.motion.start() if self.motion else None
        emotion = self.track.start() if self.track else None
        return SessionState(self.resampler.start(), self.animator.start(), motion, emotion, self._pacer.start(), 0)

    def step(self, state: SessionState, samples: Array) -> tuple[SessionState, FaceClip]:
        """Take (n,) float32 samples at rate_hz, any n; give (new state, the frames that are ready, maybe none)."""
        resampler, at_16k = self.resampler.step(state.resampler, samples)
        animator, rows, heard = self.animator.hear(state.animator, at_16k)
        motion, moved = _step(self.motion, state.motion, at_16k)
        emotion, felt = self._feel(state.emotion, at_16k, heard)
        pacer, frames = self._pacer.step(state.pacer, self._face(rows, moved, felt))
        after = SessionState(resampler, animator, motion, emotion, pacer, state.heard + len(samples))
        return after, self._clip(frames, state.pacer.next)

    def finish(self, state: SessionState) -> FaceClip:
        """The last frames, up to the end of the sound."""
        at_16k = self.resampler.finish(state.resampler)
        animator, rows, heard = self.animator.hear(state.animator, at_16k)
        moved = _finish(self.motion, state.motion, at_16k)
        rest, last = self.animator.hear_end(animator)
        rows, heard = np.concatenate([rows, rest]), np.concatenate([heard, last])
        felt = (
            self._feel(state.emotion, at_16k, heard)[1] if self._shares else _finish(self.track, state.emotion, at_16k)
        )
        pacer, frames = self._pacer.step(state.pacer, self._face(rows, moved, felt))
        total = frame_count(state.heard, self.rate_hz, self.fps)
        frames = np.concatenate([frames, self._pacer.finish(pacer, total)])
        return self._clip(frames[: total - state.pacer.next], state.pacer.next)

    def _feel(self, state: TrackState | None, at_16k: Array, heard: Array) -> tuple[TrackState | None, Array | None]:
        """The rows of emotion: from the animator's rows where both hear the same, else from the sound."""
        if self.track and state and self._shares:
            return self.track.follow(state, heard)
        return _step(self.track, state, at_16k)

    def _face(self, rows: Array, moved: Array | None, felt: Array | None) -> Array:
        """(n, animator's channels), idle motion, emotion -> (n, the session's channels, maybe emotions)."""
        still = np.zeros((len(rows), 1), np.float32)
        columns = [rows, still] if moved is None else [rows, moved, still]
        face = np.concatenate(columns, axis=1).take(self._from, axis=1)
        return face if felt is None else np.concatenate([face, felt], axis=1)

    def _clip(self, frames: Array, first: int) -> FaceClip:
        wide, start_s = len(self._channels), frame_time_s(first, self.fps)
        frames = frames.reshape(len(frames), wide + len(EMOTIONS) * (self.track is not None))
        face, emotion = frames[:, :wide], None
        if self.show:
            times_s = start_s + np.arange(len(frames)) / float(exact_rate(self.fps))
            shown, emotion = self.show(face[:, : len(self._rig)], frames[:, wide:] if self.track else None, times_s)
            face = np.concatenate([shown, face[:, len(self._rig) :]], axis=1)
        face = self._polished(face)
        clip = FaceClip(
            weights=face[:, : len(self._rig)],
            channels=self._rig,
            fps=self.fps,
            start_s=start_s,
            head=face[:, len(self._rig) :] if self.has_head else None,
            emotion=emotion,
        )
        return clip if clip.channels == ARKIT else clip.to_rig(ARKIT)


def _step(stage: Stage | None, state: Any, at_16k: Array) -> tuple[Any, Array | None]:
    """A stage beside the animator, where there is one."""
    return stage.step(state, at_16k) if stage else (state, None)


def _finish(stage: Stage | None, state: Any, at_16k: Array) -> Array | None:
    """Its last rows."""
    if not stage:
        return None
    state, rows = stage.step(state, at_16k)
    return np.concatenate([rows, stage.finish(state)])
