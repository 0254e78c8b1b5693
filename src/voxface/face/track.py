"""A face as it was measured: values at the times when they were seen, before any grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from voxface.errors import ClipError
from voxface.face.clip import FaceClip
from voxface.face.interpolate import hold_over_cuts, interpolate_head, interpolate_values
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.timebase import exact_rate

OBSERVED_BY_MEDIAPIPE = np.array([name != "tongueOut" for name in ARKIT])
"""MediaPipe has no tongueOut: 0 in files, masked in losses and metrics (SPEC A1)."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """What a tracker saw, frame by frame.

    times_s:     (frames,) float64, rising: presentation time minus the start of the audio
    weights:     (frames, 52) float32 in canonical order (face.rig.ARKIT); zeros where no face was seen
    head:        (frames, 7) float32: x, y, z in metres, unit quaternion w, x, y, z; identity where none was seen
    seen:        (frames,) bool
    lip_gap:     (frames,) float32, in units of face height (face.gap.video_gap); 0 where no face was seen
    mouth_width: (frames,) float32, same unit
    index:       (frames,) int64: number of the frame in the source video
    observed:    (52,) bool: False for a channel that the tracker cannot measure
    shot:        (frames,) int32, never falling: number of the shot; between two shots nothing may be interpolated.
                 Default: all frames are of shot 0
    """

    times_s: Array
    weights: Array
    head: Array
    seen: Array
    lip_gap: Array
    mouth_width: Array
    index: Array
    observed: Array
    shot: Array = field(default_factory=lambda: np.zeros(0, np.int32))

    def __post_init__(self) -> None:
        n = len(self.times_s)
        if not len(self.shot):
            object.__setattr__(self, "shot", np.zeros(n, np.int32))
        shapes = {
            "times_s": (n,), "weights": (n, len(ARKIT)), "head": (n, 7), "seen": (n,), "lip_gap": (n,),
            "mouth_width": (n,), "index": (n,), "observed": (len(ARKIT),), "shot": (n,),
        }  # fmt: skip
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ClipError(f"{name} must be {shape}; got {getattr(self, name).shape}.")
            if not np.isfinite(getattr(self, name)).all():
                raise ClipError(f"{name} of a track must be finite; some values are NaN or infinite.")
        if n > 1 and not (np.diff(self.times_s) > 0).all():
            raise ClipError("the times of a track must rise; two frames share a time or go back.")
        if (np.diff(self.shot) < 0).any():
            raise ClipError("the shots of a track must not fall.")

    def __len__(self) -> int:
        return len(self.times_s)

    def to_clip(self, fps: float, duration_s: float | None = None) -> FaceClip:
        """The track on an even grid from second 0, linearly interpolated over the frames where a face was seen.

        Between two shots the last face of the first one is held.

        Args:
            fps: frames per second of the clip.
            duration_s: seconds; the clip has the frames k with k / fps below it. Default: up to the last frame.
        """
        rate = float(exact_rate(fps))
        if duration_s is not None:
            frames = int(np.ceil(duration_s * rate - 1e-6))  # 0.7 s at 10 fps are 7 frames, though 0.7 * 10 > 7
        else:
            frames = int(np.floor(self.times_s[-1] * rate + 0.01)) + 1 if len(self) else 0  # times may be rounded
        to = np.arange(max(frames, 0)) / rate
        kept, times = hold_over_cuts(self.times_s, self.shot, self.seen)
        between = (self.times_s[1:] + self.times_s[:-1]) / 2
        nearest = np.searchsorted(between, to)
        return FaceClip(
            weights=interpolate_values(times, self.weights[kept], to),
            channels=ARKIT,
            fps=fps,
            head=interpolate_head(times, self.head[kept], to) if len(times) else None,
            seen=self.seen[nearest] if len(self) else np.zeros(len(to), bool),
            observed=self.observed,
        )
