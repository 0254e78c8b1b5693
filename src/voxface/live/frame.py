"""One face at one moment, as it leaves for a receiver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from voxface.errors import ClipError
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS, HEAD
from voxface.stream import Array
from voxface.timebase import frame_time_s

_CLOSE, _JAW, _NEUTRAL = ARKIT.index("mouthClose"), ARKIT.index("jawOpen"), EMOTIONS.index("Neutral")


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """The face that is shown at one moment of a session.

    seq:     counts the frames of the session from 0
    time_s:  seconds on the audio clock, seq / fps
    weights: (52,) float32 over face.rig.ARKIT, within 0 to 1
    head:    (7,) float32 or None: x, y, z in metres, unit quaternion w, i, j, k (SPEC C4)
    emotion: (7,) float32 within 0 to 1 over face.rig.EMOTIONS, or None
    seen:    False: no face was found and the values are placeholders

    Raises: ClipError: another shape, or a number that is not finite.
    """

    seq: int
    time_s: float
    weights: Array
    head: Array | None = None
    emotion: Array | None = None
    seen: bool = True

    def __post_init__(self) -> None:
        parts = (("weights", self.weights, ARKIT), ("head", self.head, HEAD), ("emotion", self.emotion, EMOTIONS))
        for name, values, columns in parts:
            if values is None:
                continue
            if values.shape != (len(columns),) or values.dtype != np.float32:
                raise ClipError(f"{name} must be ({len(columns)},) float32; got {values.shape} {values.dtype}.")
            if not np.isfinite(values).all():
                raise ClipError(f"{name} must be finite; some values are NaN or infinite.")
        if self.seq < 0 or not np.isfinite(self.time_s):
            raise ClipError(f"a frame needs a number from 0 and a finite time; got {self.seq} and {self.time_s}.")

    def rig_weights(self) -> Array:
        """(52,) float32: the weights for a rig, with mouthClose at most jawOpen, because rigs break above it."""
        weights = self.weights.copy()
        weights[_CLOSE] = min(weights[_CLOSE], weights[_JAW])
        return weights

    def at_rest(self) -> LiveFrame:
        """This moment with a face at rest: all channels 0, the head where it is, emotion Neutral where there is one."""
        emotion = None if self.emotion is None else np.zeros(len(EMOTIONS), np.float32)
        if emotion is not None:
            emotion[_NEUTRAL] = 1
        return replace(self, weights=np.zeros(len(ARKIT), np.float32), emotion=emotion)

    def clip(self, fps: float) -> FaceClip:
        """A clip of this one frame."""
        parts = [None if values is None else values[None] for values in (self.head, self.emotion)]
        start_s, seen = frame_time_s(self.seq, fps), np.array([self.seen])
        return FaceClip(self.weights[None], ARKIT, fps, start_s, head=parts[0], emotion=parts[1], seen=seen)


def resting_frame() -> LiveFrame:
    """A face at rest at second 0."""
    return LiveFrame(0, 0.0, np.zeros(len(ARKIT), np.float32))


def frames_of(clip: FaceClip, seq: int) -> Iterator[LiveFrame]:
    """The frames of a clip, by name and within 0 to 1.

    Args:
        clip: any channels; those of ARKIT that it lacks are 0.
        seq: the number of its first frame in the session; frame k is at (seq + k) / clip.fps seconds.
    """
    clip = clip if clip.channels == ARKIT else clip.to_rig(ARKIT)
    weights = np.clip(clip.weights, 0, 1)
    for k, (values, seen) in enumerate(zip(weights, clip.seen.tolist(), strict=True)):
        head = None if clip.head is None else clip.head[k]
        emotion = None if clip.emotion is None else clip.emotion[k]
        yield LiveFrame(seq + k, frame_time_s(seq + k, clip.fps), values, head, emotion, seen)
