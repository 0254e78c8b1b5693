"""The one value that crosses folders: channel weights on an even time grid (SPEC C1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from voxface.errors import ClipError
from voxface.face.axes import lengths
from voxface.face.interpolate import interpolate_head, interpolate_values
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.timebase import exact_rate, frame_time_s


@dataclass(frozen=True, slots=True, eq=False)
class FaceClip:
    """Channel weights on an even time grid.

    weights:  (frames, channels) float32; 0 is the neutral face, 1 the full pose
    channels: one name per column, such as "jawOpen"
    fps:      frames per second; frame k shows the face at start_s + k / fps seconds on the audio clock
    start_s:  seconds
    head:     (frames, 7) float32 or None: x, y, z in metres, unit quaternion w, x, y, z
    emotion:  (frames, 7) float32 in [0, 1] or None, in the order of face.rig.EMOTIONS
    seen:     (frames,) bool; False: no face was found and the values are placeholders
    observed: (channels,) bool; False: the source cannot measure the channel
    """

    weights: Array
    channels: tuple[str, ...]
    fps: float
    start_s: float = 0.0
    head: Array | None = None
    emotion: Array | None = None
    seen: Array = None  # type: ignore[assignment]
    observed: Array = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        weights = _frozen(self.weights, np.float32)
        if weights.ndim != 2 or weights.shape[1] != len(self.channels):
            raise ClipError(f"weights must be (frames, {len(self.channels)}) to match channels; got {weights.shape}.")
        if len(set(self.channels)) != len(self.channels):
            twice = sorted({name for name in self.channels if self.channels.count(name) > 1})
            raise ClipError(f"each channel may stand once; these stand twice: {', '.join(twice)}.")
        frames = len(weights)
        exact_rate(self.fps)
        if not np.isfinite(self.start_s):
            raise ClipError(f"a clip must start at a finite time; got {self.start_s}.")
        put = object.__setattr__
        put(self, "weights", weights)
        put(self, "channels", tuple(self.channels))
        put(self, "head", _part("head", self.head, (frames, 7), np.float32))
        put(self, "emotion", _part("emotion", self.emotion, (frames, 7), np.float32))
        for name, count in (("seen", frames), ("observed", len(self.channels))):
            given = getattr(self, name)
            put(self, name, _all_true(count) if given is None else _part(name, given, (count,), bool))
        if not np.isfinite(weights).all():
            raise ClipError("weights must be finite; some are NaN or infinite.")
        if self.emotion is not None and frames and not (self.emotion.min() >= 0 and self.emotion.max() <= 1):
            raise ClipError("emotions must be within 0 to 1.")
        if self.head is not None and (np.abs(lengths(self.head[:, 3:]) - 1) > 0.01).any():
            raise ClipError(
                "the quaternions of the head must have length 1; scale them with face.interpolate.unit_head."
            )

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return frame_time_s(len(self), self.fps)

    @property
    def end_s(self) -> float:
        """When the last frame ends, on the audio clock."""
        return self.start_s + self.duration_s

    @property
    def times_s(self) -> Array:
        """(frames,) float64: when each frame is, on the audio clock."""
        return self.start_s + np.arange(len(self)) / float(exact_rate(self.fps))

    def channel(self, name: str) -> Array:
        """(frames,) float32: one channel by name. Raises: ClipError: the clip has no such channel."""
        if name not in self.channels:
            raise ClipError(f"the clip has no channel {name!r}; it has {len(self.channels)}: {self.channels[0]}, ...")
        return self.weights[:, self.channels.index(name)]

    def to_rig(self, channels: Sequence[str] = ARKIT) -> FaceClip:
        """The same face over another set of channels, by name; what this clip lacks is 0 and unobserved."""
        weights = np.zeros((len(self), len(channels)), np.float32)
        observed = np.zeros(len(channels), bool)
        place = {name: i for i, name in enumerate(self.channels)}
        for i, name in enumerate(channels):
            if name in place:
                weights[:, i] = self.weights[:, place[name]]
                observed[i] = self.observed[place[name]]
        return replace(self, weights=weights, channels=tuple(channels), observed=observed)

    def resample(self, fps: float) -> FaceClip:
        """The same face at another frame rate, linearly interpolated over the frames where a face was seen; it begins
        and lasts as before."""
        old = exact_rate(self.fps)
        frames = int(-(-len(self) * exact_rate(fps) // old))
        times, to = np.arange(len(self)) / float(old), np.arange(frames) / float(exact_rate(fps))
        nearest = np.minimum(np.rint(to * float(old)).astype(int), max(len(self) - 1, 0))
        known = self.seen if self.seen.any() else np.ones(len(self), bool)
        times = times[known]
        return replace(
            self,
            weights=interpolate_values(times, self.weights[known], to),
            fps=fps,
            head=None if self.head is None else interpolate_head(times, self.head[known], to),
            emotion=None if self.emotion is None else interpolate_values(times, self.emotion[known], to),
            seen=self.seen[nearest] if len(self) else self.seen,
        )


@lru_cache(maxsize=64)
def _all_true(count: int) -> Array:
    return _frozen(np.ones(count, bool), bool)


def _frozen(values: Array, kind: type) -> Array:
    """A read-only array of the given kind; a copy is made only where the kind differs."""
    array: Array = np.asarray(values, kind).view()
    array.flags.writeable = False
    return array


def _part(name: str, values: Array | None, shape: tuple[int, ...], kind: type) -> Array | None:
    if values is None:
        return None
    array = _frozen(values, kind)
    if array.shape != shape:
        raise ClipError(f"{name} must be {shape}; got {array.shape}.")
    if kind is np.float32 and not np.isfinite(array).all():
        raise ClipError(f"{name} must be finite; some values are NaN or infinite.")
    return array
