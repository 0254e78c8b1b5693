"""Features of a whole clip through a net that hears windows: cut, answered in batches, joined without seams.

Only numpy: the net is any function of (windows, frames, width) to (windows, frames, columns).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from voxface.bundle import WindowSpec
from voxface.stream import Array

MOST_WINDOWS = 16
"""Windows in one call of the net; with 128 frames, 32 shared, that is 26 seconds. It bounds the memory."""

Forward = Callable[[Array], Array]


def window_starts(count: int, window: WindowSpec, compat: bool = False) -> list[int]:
    """First frames of the windows that cover `count` frames.

    The last window is moved back to end with the clip, so that it is full of sound. The original (`compat`) begins a
    window at every stride, even inside what is covered already; what is behind the clip's end is padded (N5).
    """
    stride = window.frames - window.overlap
    if compat:
        return list(range(0, count, stride))
    last = max(0, count - window.frames)
    return [*range(0, last, stride), last]


def cut(rows: Array, starts: list[int], frames: int) -> Array:
    """(count, width) rows -> (windows, frames, width); behind the clip's end stands its last row."""
    places = np.add.outer(starts, np.arange(frames))
    windows: Array = rows[np.minimum(places, len(rows) - 1)]
    return windows


def fade(old: Array, new: Array) -> Array:
    """Two pieces that begin together, the old one no longer: over all of the old, it fades into the new one.

    The weight of the new one is i / n for i = 0 ... n - 1: its first frame is still the old one's (N5).
    """
    shared = len(old)
    weight = (np.arange(shared, dtype=np.float32) / max(shared, 1))[:, None]
    return np.concatenate([old + (new[:shared] - old) * weight, new[shared:]])


def joined(rows: Array, forward: Forward, window: WindowSpec, compat: bool = False) -> Iterator[Array]:
    """Frames as the net gives them, in order and as soon as they are final: (k, columns) for each call of the net.

    rows: (count, width) features of the whole clip, count >= 1; all pieces together have count frames.
    """
    starts = window_starts(len(rows), window, compat)
    ends = [*starts[1:], len(rows)]  # up to there nothing changes any more
    open_frames: Array | None = None  # behind the last end: fades into the next window
    for first in range(0, len(starts), MOST_WINDOWS):
        group = starts[first : first + MOST_WINDOWS]
        final = []
        for start, end, answer in zip(group, ends[first:], forward(cut(rows, group, window.frames)), strict=False):
            new = answer[: len(rows) - start]
            piece = new if open_frames is None else fade(open_frames, new)
            final.append(piece[: end - start])
            open_frames = piece[end - start :]
        yield np.concatenate(final)


def ease_in(frames: Array, first: int, window: WindowSpec) -> Array:
    """(k, columns) frames, the first of which is frame `first` of the clip -> those at its beginning rise from 0."""
    gains = np.linspace(0, 1, window.ease_in_frames, dtype=np.float32)[first : first + len(frames), None]
    return np.concatenate([frames[: len(gains)] * gains, frames[len(gains) :]]) if len(gains) else frames
