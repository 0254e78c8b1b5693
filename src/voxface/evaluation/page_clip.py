"""One clip as the page shows it: one face, or a captured and a predicted one on the same clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from voxface.errors import ClipError
from voxface.evaluation.kept import Kept
from voxface.evaluation.text import lag_text, number_text
from voxface.face.clip import FaceClip
from voxface.face.gap import RIG_GAP
from voxface.face.interpolate import interpolate_head, interpolate_values
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ, SAMPLE_RATE_HZ, exact_rate

PART_S = 20.0
"""Of a longer clip, this much is shown large, with sound and faces."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What the page shows of a clip.

    name, group: of the clip; group is a heading, empty for files
    about:   one line about how alike the faces are
    labels:  what the faces are called, one or two
    clips:   one or two, all on the grid of the first
    gaps:    (clips, frames) float32 lip gap; NaN where the clip has none or no face was seen
    samples: (n,) float32 at 16 kHz from second 0; empty: silent
    marks_s: where p b m are known to be
    """

    name: str
    group: str
    about: str
    labels: tuple[str, ...]
    clips: tuple[FaceClip, ...]
    gaps: Array
    samples: Array
    marks_s: tuple[float, ...] = ()

    @property
    def times_s(self) -> Array:
        """(frames,) of every clip."""
        return self.clips[0].times_s

    @property
    def error(self) -> Array:
        """(frames,) how far the lip gaps are apart, NaN where one is unknown; of a single clip, all 0."""
        if len(self.clips) == 1:
            return np.zeros(self.gaps.shape[1], np.float32)
        apart: Array = np.abs(self.gaps[0] - self.gaps[1])
        return apart

    def part(self, first_s: float, last_s: float) -> Shown:
        """The frames between two moments; the sound stays whole."""
        inside = np.flatnonzero((self.times_s >= first_s - 1e-9) & (self.times_s < last_s))
        chosen = slice(inside[0], inside[-1] + 1) if len(inside) else slice(0, 0)
        start_s = float(self.times_s[chosen][0]) if len(inside) else first_s
        clips = tuple(_sliced(clip, chosen, start_s) for clip in self.clips)
        return replace(self, clips=clips, gaps=self.gaps[:, chosen])


def shown_kept(kept: Kept, label: str) -> Shown:
    """A clip that an evaluation kept. label: of the predictor."""
    rows = FaceClip(kept.captured, ARKIT, ROW_RATE_HZ, seen=kept.valid)
    known = np.stack([np.where(kept.valid, kept.gaps[0], np.nan), kept.gaps[1]])
    numbers = kept.numbers
    about = (
        f"lip-gap r {number_text(numbers.get('r'))}, in speech {number_text(numbers.get('speech_r'))}; "
        f"best lag {lag_text(numbers.get('lag_ms'))} ms: {number_text(numbers.get('aligned_r'))}"
    )
    return Shown(
        kept.name, kept.group, about, ("captured", label), (rows, FaceClip(kept.predicted, ARKIT, ROW_RATE_HZ)),
        known, kept.samples, kept.closed_s,
    )  # fmt: skip


def shown_clips(names: Sequence[str], clips: Sequence[FaceClip], samples: Array, about: str = "") -> Shown:
    """Clips from files, the first one captured; the other is brought onto its grid.

    Raises: ClipError: the first has no frames, or the other does not overlap it.
    """
    first = clips[0]
    if not len(first):
        raise ClipError(f"{names[0]} has 0 frames; there is nothing to show.", source=names[0])
    same = [first, *(_on_grid(first, name, clip) for name, clip in zip(names[1:], clips[1:], strict=True))]
    gaps = np.stack([_gap(clip) for clip in same])
    return Shown(names[-1], "", about, tuple(names), tuple(same), gaps, samples)


def shown_window(shown: Shown) -> tuple[float, float]:
    """From when to when a clip is shown large: the whole, or the PART_S in which its lips are furthest off, or, of a
    single face, move most."""
    times = shown.times_s
    end = float(times[-1]) + 1 / shown.clips[0].fps
    if end - times[0] <= PART_S:
        return float(times[0]), end
    measure = shown.error if len(shown.clips) > 1 else np.abs(np.diff(shown.gaps[0], prepend=shown.gaps[0][:1]))
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(measure), dtype=np.float64)])
    length = int(PART_S * float(exact_rate(shown.clips[0].fps)))
    first = float(times[int(np.argmax(sums[length:] - sums[:-length]))])
    return first, first + PART_S


def _sliced(clip: FaceClip, chosen: slice, start_s: float) -> FaceClip:
    head = None if clip.head is None else clip.head[chosen]
    return FaceClip(
        clip.weights[chosen], clip.channels, clip.fps, start_s, head, seen=clip.seen[chosen], observed=clip.observed
    )


def _on_grid(first: FaceClip, name: str, clip: FaceClip) -> FaceClip:
    """A clip at the times of the first; not seen where it has no frame."""
    to = first.times_s
    seen = (to >= clip.start_s - 1e-6) & (to < clip.end_s)
    if not seen.any():
        span = f"{clip.start_s:.2f} to {clip.end_s:.2f} s"
        raise ClipError(f"{name} goes from {span}, where the first clip has no frame.", source=name)
    known = clip.seen if clip.seen.any() else np.ones(len(clip), bool)
    nearest = np.clip(np.rint((to - clip.start_s) * clip.fps).astype(int), 0, len(clip) - 1)
    times = clip.times_s[known]
    return FaceClip(
        interpolate_values(times, clip.weights[known], to), clip.channels, first.fps, first.start_s,
        None if clip.head is None else interpolate_head(times, clip.head[known], to),
        seen=seen & clip.seen[nearest], observed=clip.observed,
    )  # fmt: skip


def _gap(clip: FaceClip) -> Array:
    """(frames,) float32, by name; a channel that the clip lacks counts as 0, a frame without a face is NaN."""
    gap: Array = np.where(clip.seen, np.float32(0), np.float32(np.nan))
    for name, weight in RIG_GAP.items():
        if name in clip.channels:
            gap += np.float32(weight) * clip.channel(name)
    return gap


def sound_part(samples: Array, first_s: float, last_s: float) -> Array:
    """The samples between two moments, silence before second 0."""
    first, last = round(first_s * SAMPLE_RATE_HZ), round(last_s * SAMPLE_RATE_HZ)
    before = np.zeros(min(max(-first, 0), max(last - first, 0)), np.float32)
    return np.concatenate([before, samples[max(first, 0) : max(last, 0)]])
