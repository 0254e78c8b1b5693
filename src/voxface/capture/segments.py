"""A long video in pieces that can be captured apart, and joined again.

The plan depends on the video and the options alone, never on how many workers there are: one after the other or side by
side gives the same bytes. Before each piece the tracker looks at some frames that are thrown away, so that it follows
the face as if it had seen all before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from voxface.audio.container import Tally
from voxface.audio.frame_rate import frame_interval, kept_frames
from voxface.audio.video import Segment, VideoFrame, VideoInfo, video_frames
from voxface.capture.face_model import FaceModel
from voxface.capture.options import CaptureOptions
from voxface.capture.pictures import Album, Picture
from voxface.capture.shots import Shots
from voxface.capture.tracker import Face, Tracker
from voxface.capture.trackers import open_tracker
from voxface.face.axes import sign_continuous, still_head
from voxface.face.rig import ARKIT
from voxface.face.track import FaceTrack
from voxface.stream import Array

OnProgress = Callable[[int, int], None]
"""Called with (frames done, frames expected)."""

WHOLE_S = 600.0
"""A video up to this long is one segment."""

SEGMENT_S = 300.0
WARM_UP = 30
"""Kept frames before a segment; behind them a weight was off by 0.0001 to 0.0004 in the mean, with either tracker."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What was captured of a segment; can be pickled.

    track: its frames; shot 0 is the one that goes on from the frame before the segment.
    counts: what happened on the way, to be added up. most_faces: in one picture. size: (width, height) of the first
    picture, upright, in pixels; (0, 0) without one. pictures: of the face. description: of the tracker.
    """

    track: FaceTrack
    counts: Mapping[str, int]
    most_faces: int
    size: tuple[int, int]
    pictures: tuple[Picture, ...]
    description: Mapping[str, Any]
    ended_early: str = ""


def plan_segments(info: VideoInfo, options: CaptureOptions) -> tuple[Segment, ...]:
    """How a video is cut into segments: not at all up to ten minutes, else into pieces of five.

    Where frames cannot be numbered by their time stamps (info.stamps), a video stays whole.
    """
    kept = kept_frames(times_of(info), info.rate, options.fps_limit)
    per_second = len(kept) * info.rate.fps / max(len(info.stamps), 1)
    if len(kept) <= WHOLE_S * per_second:
        return (Segment(),)
    starts = np.arange(0, len(kept), max(1, round(SEGMENT_S * per_second)))
    numbers, warm = kept[starts].tolist(), kept[np.maximum(starts - WARM_UP, 0)].tolist()
    return tuple(map(Segment, warm, numbers, [*numbers[1:], None]))


def times_of(info: VideoInfo) -> Array:
    """(frames,) float64: the times of all frames on our clock, where their stamps are known."""
    return info.stamps * info.tick_s - info.zero_s


def capture_segment(
    path: str | Path,
    info: VideoInfo,
    segment: Segment,
    *,
    face_model: FaceModel,
    options: CaptureOptions,
    progress: OnProgress | None = None,
) -> Piece:
    """Find the face in the frames of one segment. Errors: as capture.capture_video."""
    tally, before, faces, shots = Tally(), Shots(), list[Face | None](), list[int]()
    times, index = list[float](), list[int]()
    expected = expected_frames(info, segment, options.fps_limit)
    with open_tracker(options.tracker)(face_model) as tracker:
        watch = _Watch(tracker, options.mirrored)
        for frame in video_frames(path, info, options.fps_limit, tally, segment):
            own = frame.number >= segment.first
            face = watch.look(frame, own)
            if own:
                times.append(frame.time_s)
                index.append(frame.number)
                faces.append(face)
                shots.append(watch.shots.shot - before.shot)
            else:
                before = watch.shots
            if progress:
                progress(len(times), max(expected, len(times)))
        track = assemble(
            np.array(times, np.float64), np.array(index, np.int64), faces, tracker.observed, np.array(shots, np.int32)
        )
        return Piece(
            track, _counts(tally, watch.shots, before), tracker.most_faces, watch.size, tuple(watch.album.pictures),
            dict(tracker.description), tally.ended_early,
        )  # fmt: skip


class _Watch:
    """Looks at the pictures of one segment: follows cuts and the face, passes over damaged ones, fills the album."""

    def __init__(self, tracker: Tracker, mirrored: bool) -> None:
        self._tracker, self._mirrored = tracker, mirrored
        self.shots, self.album, self.size = Shots(), Album(), (0, 0)

    def look(self, frame: VideoFrame, own: bool) -> Face | None:
        """The face of a frame; `own`: it is no warm-up."""
        rgb = np.ascontiguousarray(frame.rgb[:, ::-1]) if self._mirrored else frame.rgb
        self.size = self.size if any(self.size) else (rgb.shape[1], rgb.shape[0])
        if frame.damaged:
            return None
        before, self.shots = self.shots.shot, self.shots.step(rgb)
        if self.shots.shot > before:
            self._tracker.cut()
        face = self._tracker.look(frame.time_s, rgb)
        if own:
            self.album.offer(frame.time_s, rgb, face)
        return face


def assemble(times_s: Array, index: Array, faces: list[Face | None], observed: Array, shot: Array) -> FaceTrack:
    """A track from what was seen in each frame; where nothing was, zeros and the identity rotation."""
    n = len(times_s)
    seen = np.array([face is not None for face in faces], bool)
    found = [face for face in faces if face is not None]
    weights, head = np.zeros((n, len(ARKIT)), np.float32), still_head(n)
    gap, width = np.zeros(n, np.float32), np.zeros(n, np.float32)
    if found:
        weights[seen] = np.stack([face.weights for face in found])
        head[seen, :3] = np.stack([face.position for face in found])
        head[seen, 3:] = sign_continuous(np.stack([face.rotation for face in found]))
        gap[seen] = [face.lip_gap for face in found]
        width[seen] = [face.mouth_width for face in found]
    return FaceTrack(times_s, weights, head, seen, gap, width, index, np.array(observed, bool), shot)


def _counts(tally: Tally, shots: Shots, before: Shots) -> dict[str, int]:
    return {
        "frames_decoded": tally.decoded,
        "frames_damaged": tally.damaged,
        "frames_not_rising": tally.not_rising,
        "frames_without_time": tally.without_time,
        "packets_broken": tally.broken_packets,
        "frames_standing": shots.standing - before.standing,
    }


def expected_frames(info: VideoInfo, segment: Segment, fps_limit: float) -> int:
    """How many frames of a segment will be looked at, its warm-up left out."""
    if not len(info.stamps):
        return -(-info.frames // frame_interval(info.rate, fps_limit))
    kept = kept_frames(times_of(info), info.rate, fps_limit)
    last = len(info.stamps) if segment.stop is None else segment.stop
    return int(((kept >= segment.first) & (kept < last)).sum())


def join_tracks(tracks: Sequence[FaceTrack]) -> FaceTrack:
    """The tracks of neighbouring segments as one: shots go on, quaternions do not change their sign."""
    together = {
        part.name: np.concatenate([getattr(track, part.name) for track in tracks])
        for part in fields(FaceTrack)
        if part.name != "observed"
    }
    last = [int(track.shot[-1]) if len(track) else 0 for track in tracks]
    shift = np.repeat(np.cumsum([0, *last[:-1]]), [len(track) for track in tracks])
    together["shot"] = (together["shot"] + shift).astype(np.int32)
    head, seen = together["head"], together["seen"]
    if seen.any():
        head[seen, 3:] = sign_continuous(head[seen, 3:])
    return FaceTrack(**together, observed=tracks[0].observed)
