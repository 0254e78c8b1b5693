"""What is filmed: clips on the audio clock, seen by a camera. A value; `video` writes it to files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from voxface.errors import ClipError, InputWarning, RigMismatchError, UsageError, some_of
from voxface.face.clip import FaceClip
from voxface.head.head import Head
from voxface.render.labels import label
from voxface.render.pictures import faces, painter
from voxface.render.scene import View
from voxface.stream import Array
from voxface.timebase import exact_rate


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """Pictures of one clip, or of two side by side. Valid from birth.

    clips:  one or more, shown from left to right. names: of their files, for messages.
    labels: what is written under each; none: nothing.
    fps:    picture k shows start_s + k / fps seconds on the audio clock, which is before stop_s
    view:   of one clip
    gl:     as pictures.painter

    Raises: ClipError: a clip without frames. RigMismatchError: a clip without any channel that the head has.
        UsageError: nothing lies between start_s and stop_s. Warns (W-CHANNELS) of channels that the head lacks.
    """

    head: Head
    clips: Sequence[FaceClip]
    names: Sequence[str]
    fps: float
    start_s: float
    stop_s: float
    view: View = field(default_factory=View)
    labels: Sequence[str] = ()
    head_motion: bool = True
    gl: str = "auto"

    def __post_init__(self) -> None:
        for clip, name in zip(self.clips, self.names, strict=True):
            check_clip(clip, name, self.head)
        if self.count < 1:
            raise UsageError(
                f"nothing is there to see from {self.start_s:g} s to {self.stop_s:g} s.",
                hint=f"{self.names[0]} has frames from {self.clips[0].start_s:g} s to {self.clips[0].end_s:g} s.",
            )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of a picture with all its faces, pixels."""
        width, height = self.view.size
        return width * len(self.clips), height

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return math.ceil((self.stop_s - self.start_s) * exact_rate(self.fps) - 1e-6)

    def times_s(self, first: int, stop: int, step: int = 1) -> Array:
        """When pictures first, first + step, ... before `stop` are, in seconds on the audio clock."""
        return self.start_s + np.arange(first, stop, step) / float(exact_rate(self.fps))

    def pictures(self, times_s: Array | None = None) -> Iterator[Array]:
        """(height, width, 3) uint8 RGB each, made as they are asked for: all, or those at other times."""
        draw = painter(self.head, self.view, self.gl)
        badges = [label(text, self.view.size) for text in self.labels]
        times = self.times_s(0, self.count) if times_s is None else times_s
        shown = [faces(self.head, clip, times, self.head_motion) for clip in self.clips]
        for sides in zip(*shown, strict=True):
            drawn = [draw.paint(weights, turn) for weights, turn in sides]
            for picture, badge in zip(drawn, badges, strict=False):
                badge.put_on(picture)
            yield np.concatenate(drawn, axis=1)


def span_s(clips: Sequence[FaceClip], with_sound: bool) -> tuple[float, float]:
    """From when to when a film of clips goes by default, on the audio clock: from second 0 if it has sound, else from
    the first frame; to the end of the last one."""
    first = 0.0 if with_sound else min(clip.start_s for clip in clips)
    return first, max(clip.end_s for clip in clips)


def check_clip(clip: FaceClip, name: str, head: Head) -> None:
    """Whether a clip can be shown on a head. Warns (W-CHANNELS) of channels that the head lacks.

    Args:
        name: of its file, for messages.
    Raises: ClipError: it has no frames. RigMismatchError: the head has none of its channels.
    """
    if not len(clip):
        raise ClipError(f"{name} has 0 frames; there is no face to show.", source=name)
    unknown = [channel for channel in clip.channels if channel not in head.targets]
    if len(unknown) == len(clip.channels):
        raise RigMismatchError(
            f"{name} has no channel that the head has; it has {some_of(unknown, 8) or 'none'}.",
            hint="The head moves by the 52 ARKit names, such as jawOpen.", source=name,
        )  # fmt: skip
    if unknown:
        text = f"{name} has {len(unknown)} channels that the head lacks, which do not move it: {some_of(unknown, 8)}."
        warnings.warn(InputWarning("W-CHANNELS", text), stacklevel=4)
