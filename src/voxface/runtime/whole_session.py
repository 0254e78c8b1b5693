"""What a Session is for windowed bundles, which hear a recording as a whole: it waits for the end of the sound."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voxface.audio.resample import Resampler
from voxface.audio.resampled import Resampled
from voxface.errors import AudioEmptyError
from voxface.face.clip import FaceClip
from voxface.face.interpolate import interpolate_values
from voxface.face.rig import ARKIT, EMOTIONS, HEAD
from voxface.runtime.emotion import settled
from voxface.runtime.feeling import Feeling
from voxface.runtime.idle import Idle, IdleMotion
from voxface.runtime.pacer import FramePacer
from voxface.runtime.polish import Polish
from voxface.runtime.window_net import WindowNet
from voxface.stream import Array, Chain, run
from voxface.timebase import exact_rate, frame_count

_LEAST_S = 0.1  # the features need a little more than 83 ms; silence follows what is shorter
_IDLE_AHEAD = 20  # rows: the whole sound is known, so idle motion may look ahead as far as it can use


class WholeState(NamedTuple):
    """The sound so far, and how many samples that is."""

    blocks: tuple[Array, ...]
    heard: int


class WholeSession:
    """The way from samples to frames for a windowed bundle, with the methods of a Session.

    It cannot stream: `step` gives no frames, and `finish` gives them all. The 60 frames a second of the net become
    `fps`; of its values the channels of ARKit are used. What the bundle does not drive moves by idle motion.

    Args: as Session; the net in place of the animator.
    """

    latency_ms = None
    """Not known: it lasts as long as the sound."""

    def __init__(
        self,
        net: WindowNet,
        rate_hz: int,
        fps: float,
        polish: Polish | None,
        idle: Idle | None,
        feeling: Feeling | None = None,
    ) -> None:
        self.net, self.bundle, self.rate_hz, self.fps = net, net.bundle, rate_hz, fps
        polish = polish or Polish()
        self._driven = tuple(name for name in net.bundle.drives if name in ARKIT and name not in net.window.zeroed)
        idle = None if polish.mouth_only else idle
        free = tuple(name for name in idle.channels if name not in self._driven) if idle else ()
        self._motion = IdleMotion(idle, _IDLE_AHEAD, free) if idle and free else None
        self.has_head, self.has_emotion = HEAD[0] in free, feeling is not None
        self._show = feeling.over(ARKIT, polish) if feeling else None
        self._channels = ARKIT + HEAD * self.has_head
        self._polish = polish.over(self._channels)

    def start(self) -> WholeState:
        return WholeState((), 0)

    def step(self, state: WholeState, samples: Array) -> tuple[WholeState, FaceClip]:
        """Take (n,) float32 samples at rate_hz, any n; give (new state, no frame)."""
        kept = np.array(samples, np.float32)
        no_emotion = np.zeros((0, len(EMOTIONS)), np.float32) if self.has_emotion else None
        nothing = self._clip(np.zeros((0, len(self._channels)), np.float32), no_emotion)
        return WholeState((*state.blocks, kept), state.heard + len(samples)), nothing

    def finish(self, state: WholeState) -> FaceClip:
        """All frames k with k / fps < duration. Raises: AudioEmptyError: there was no sound."""
        if not state.heard:
            raise AudioEmptyError("there are 0 samples.", hint="Give a recording with sound in it.")
        weights, emotion = self._driven_frames(state)
        to_s = np.arange(frame_count(state.heard, self.rate_hz, self.fps)) / float(exact_rate(self.fps))
        at_s = np.arange(len(weights)) / self.bundle.rate_hz
        face = np.zeros((len(to_s), len(self._channels)), np.float32)
        face[:, self._columns(self._driven)] = interpolate_values(at_s, weights, to_s)
        if self._motion:
            face[:, self._columns(self._motion.channels)] = self._idle_frames(self._motion, state, len(to_s))
        if not self._show:
            return self._clip(self._polish(face))
        emotion = np.clip(emotion, 0, 1)
        emotion /= np.maximum(emotion.sum(axis=1, keepdims=True), 1)  # models of others may be sure of several at once
        heard = interpolate_values(at_s, settled(emotion, self.bundle.rate_hz), to_s)
        face[:, : len(ARKIT)], shown = self._show(face[:, : len(ARKIT)], heard, to_s)
        return self._clip(self._polish(face), shown)

    def _clip(self, face: Array, emotion: Array | None = None) -> FaceClip:
        head = face[:, len(ARKIT) :] if self.has_head else None
        return FaceClip(face[:, : len(ARKIT)], ARKIT, self.fps, head=head, emotion=emotion)

    def _columns(self, names: tuple[str, ...]) -> list[int]:
        return [self._channels.index(name) for name in names]

    def _driven_frames(self, state: WholeState) -> tuple[Array, Array]:
        """(frames, driven) weights and (frames, 7) emotions, as the net gives them, 60 a second."""
        feature = self.bundle.feature
        silence = np.zeros(max(0, round(_LEAST_S * self.rate_hz) - state.heard), np.float32)
        rows = feature.whole(Resampled((*state.blocks, silence), self.rate_hz, feature.sample_rate_hz))
        weights, emotion = self.net.whole(rows)
        return weights[:, [self.bundle.rig.index(name) for name in self._driven]], emotion

    def _idle_frames(self, motion: IdleMotion, heard: WholeState, frames: int) -> Array:
        """(frames, idle channels)."""
        rows = np.concatenate(list(run(Chain((Resampler(self.rate_hz), motion)), heard.blocks)))
        last = len(motion.channels)
        pacer = FramePacer(self.fps, slice(last - 4, last) if self.has_head else None)
        state, moved = pacer.step(pacer.start(), rows)
        return np.concatenate([moved, pacer.finish(state, frames)])[:frames]
