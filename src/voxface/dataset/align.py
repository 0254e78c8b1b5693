"""A face as it was seen, frame by frame, becomes one face per row of sound (SPEC A3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.face.axes import still_head
from voxface.face.interpolate import hold_over_cuts, interpolate_head, interpolate_values
from voxface.face.track import FaceTrack
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

LONGEST_STEP = 1.5
"""Frame intervals between two neighbours beyond which the rows between them are not known."""

_SAME_TIME_S = 1e-6  # a frame this near a row is at the row: container clocks do not hit 10 ms exactly


@dataclass(frozen=True, slots=True, eq=False)
class FaceRows:
    """The face at rows 0, 1, 2, ... of the sound, row i at i / 100 s.

    weights: (rows, 52) float32 as measured · head: (rows, 7) float32, position relative to `median_m` ·
    gap, width: (rows,) float32 · valid: (rows,) bool · median_m: (3,) float64, the recording's median head position
    """

    weights: Array
    head: Array
    gap: Array
    width: Array
    valid: Array
    median_m: Array


def align(track: FaceTrack, rows: int) -> FaceRows:
    """Interpolate a track to `rows` rows of 10 ms, channel by channel, over the frames where a face was seen.

    Linear, because it cannot overshoot; before the first and after the last seen frame its values are held and the
    rows are invalid. So it is between two shots: the first one's last face is held. A track without any face gives
    zeros, the resting head, and no valid row.
    """
    at = np.arange(rows) / ROW_RATE_HZ
    kept, times = hold_over_cuts(track.times_s, track.shot, track.seen)
    scalars = np.stack([track.lip_gap[kept], track.mouth_width[kept]], axis=1)
    gap, width = interpolate_values(times, scalars, at).T
    median = np.median(track.head[track.seen, :3].astype(np.float64), axis=0) if len(times) else np.zeros(3)
    return FaceRows(
        weights=interpolate_values(times, track.weights[kept], at),
        head=_head_rows(times, track.head[kept], at, median),
        gap=np.ascontiguousarray(gap),
        width=np.ascontiguousarray(width),
        valid=valid_rows(track.times_s, track.seen, rows, track.shot),
        median_m=median,
    )


def _head_rows(times: Array, head: Array, at: Array, median: Array) -> Array:
    if not len(times):
        return still_head(len(at))
    centred = head.astype(np.float64)
    centred[:, :3] -= median
    return interpolate_head(times, centred, at)


def valid_rows(times_s: Array, seen: Array, rows: int, shot: Array | None = None) -> Array:
    """Which rows lie on a seen frame, or between two seen neighbours of one shot, up to 1.5 frame intervals apart.

    Args:
        times_s: (frames,) rising, of all frames. Their median step is the frame interval.
        seen: (frames,) bool. shot: (frames,) number of the shot; None: there is one.
    Returns: (rows,) bool; rows before the first and after the last frame are False.
    """
    if not len(times_s):
        return np.zeros(rows, bool)
    at = np.arange(rows) / ROW_RATE_HZ
    before = np.searchsorted(times_s, at + _SAME_TIME_S, side="right") - 1  # the last frame at or before the row
    left = np.clip(before, 0, len(times_s) - 1)
    right = np.minimum(left + 1, len(times_s) - 1)
    on_frame = (before >= 0) & (np.abs(times_s[left] - at) <= _SAME_TIME_S)
    step = times_s[right] - times_s[left]
    interval = np.median(np.diff(times_s)) if len(times_s) > 1 else 0.0
    near = (step > 0) & (step <= LONGEST_STEP * interval + _SAME_TIME_S)
    if shot is not None:
        near &= shot[left] == shot[right]
    between = (before >= 0) & near & seen[left] & seen[right]
    result: Array = (on_frame & seen[left]) | between
    return result
