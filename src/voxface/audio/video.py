"""The frames of a video: which are kept, when they are, and what they show.

Every time is a presentation time minus the start of the sound, so second 0 is the first sample that is heard. Decoding
is sequential; a long video can be begun at any frame, whose number is found by its time stamp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voxface.audio.container import HINT, Tally, decoded, opened, probe_audio, sound_tracks
from voxface.audio.frame_rate import FramePicker, FrameRate, measure_rate
from voxface.audio.picture import Painter, whole_pictures
from voxface.errors import VideoFormatError
from voxface.stream import Array

_MOST_PIXELS = 8192 * 8192
_SMALLEST_MISSING_S = 0.25
_COVER_ART = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC
_BEFORE_S = (0.0, 20.0)  # how far before a frame its decoding is begun; what follows a key frame may be shown before it


@dataclass(frozen=True, slots=True, eq=False)
class VideoInfo:
    """What a file holds, from its packets; nothing is decoded but the first block of sound.

    source: the file, as people name it
    width, height: pixels as stored, before rotation
    rate: frame rate of the video (frame_rate.FrameRate)
    frames: number of video packets that are shown
    audio_rate_hz: samples per second of the sound track; None without one
    sound_tracks: language of each sound track ("" where it is not said)
    zero_s: presentation time of the first sample, or of the first frame without sound; second 0 of our clock
    missing_s: seconds of video that the header promises and the file does not have
    stamps: (frames,) int64 rising presentation time stamps of all frames; empty where some are missing, alike, or jump
    tick_s: seconds in one unit of `stamps`
    """

    source: str
    width: int
    height: int
    rate: FrameRate
    frames: int
    audio_rate_hz: int | None
    sound_tracks: tuple[str, ...]
    zero_s: float
    missing_s: float
    stamps: Array
    tick_s: float


class VideoFrame(NamedTuple):
    """time_s on the audio clock, number of the frame in the file, (height, width, 3) uint8 RGB, upright.

    damaged: the picture is wrong, or is built on one that was.
    """

    time_s: float
    number: int
    rgb: Array
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames first ... stop of a video (None: to its end), and those from `warm` on, which only lead up to it.

    Numbers of frames in the file; other than 0 and None only where VideoInfo.stamps are known.
    """

    warm: int = 0
    first: int = 0
    stop: int | None = None


WHOLE = Segment()


def probe_video(path: str | Path, audio_track: int = 0) -> VideoInfo:
    """Look into a video without decoding it.

    Args:
        audio_track: the sound track whose start is second 0, counted from 0.
    Raises: InputError: the file cannot be read. VideoFormatError: not a video in a format we read; it has sound, but
        not so many tracks.
    """
    source = str(path)
    with opened(path) as container:
        stream = _video_stream(container, source)
        width, height = int(stream.codec_context.width), int(stream.codec_context.height)
        if width * height > _MOST_PIXELS:
            text = f"{source} has pictures of {width}x{height} pixels; up to 67 million pixels are read."
            raise VideoFormatError(text, hint="Make it smaller.", source=source)
        packets, stamps, even = _packets(container, stream)
        tick_s, tracks = float(stream.time_base), tuple(sound_tracks(container))
        times_s = stamps * tick_s
        rate = measure_rate(times_s, float(stream.average_rate or 0))
        missing_s = _missing(stream, times_s, 1 / rate.fps)
    if not packets or not width or not height:
        raise VideoFormatError(f"{source} has a video track without frames.", hint=HINT, source=source)
    audio = probe_audio(path, audio_track)
    zero_s = audio[1] if audio else (float(times_s[0]) if len(times_s) else 0.0)
    return VideoInfo(
        source, width, height, rate, packets, audio[0] if audio else None, tracks, zero_s, missing_s,
        stamps if even else stamps[:0], tick_s,
    )  # fmt: skip


def video_frames(
    path: str | Path, info: VideoInfo, fps_limit: float, tally: Tally, segment: Segment = WHOLE
) -> Iterator[VideoFrame]:
    """The frames that the rate limit keeps (SPEC A1), in order, with rising times; only they become pictures.

    Frames without a time get the one that the frame rate gives them; a frame whose time does not rise is dropped.
    After a packet or a picture that is broken all frames are damaged up to the next key frame.

    Args:
        path: the video. info: what probe_video said of it.
        fps_limit: frames per second to keep at most, with 1 % tolerance.
        tally: filled while the frames are read, with what lies in the segment, its warm-up left out.
        segment: which frames to give; decoding begins at the key frame before them.
    Raises: InputError, VideoFormatError: the file cannot be read, or holds no frame that can be decoded.
    """
    picker, painter, clock = FramePicker(info.rate, fps_limit), Painter(), _Clock(info)
    damaged = False
    with opened(path) as container:
        stream = _video_stream(container, info.source)
        stream.thread_type, stream.codec_context.thread_count = "AUTO", 2  # decode ahead while the tracker looks
        for frame in whole_pictures(_decoded_from(container, stream, info, segment.warm, tally), stream):
            if frame is None:
                tally.broken_packets += clock.number + 1 >= segment.first
                damaged = True
                continue
            damaged = bool(frame.is_corrupt or (damaged and not frame.key_frame))
            before_s, stated = clock.time_s, frame.time is not None
            rises = clock.step(frame, stream.time_base)
            if segment.stop is not None and clock.number >= segment.stop:
                return
            if clock.number >= segment.first:
                tally.decoded += 1
                tally.damaged += damaged
                tally.without_time += not stated
                tally.not_rising += not rises
            if clock.number >= segment.warm and rises and picker.keeps(clock.number, clock.time_s, before_s):
                yield VideoFrame(clock.time_s, clock.number, painter.paint(frame), damaged)
    if not tally.decoded and segment == WHOLE:
        raise VideoFormatError(f"no frame of {info.source} can be decoded.", hint=HINT, source=info.source)


class _Clock:
    """Number and time of the frame that came last. Numbers are places in info.stamps; without them, frames count."""

    def __init__(self, info: VideoInfo) -> None:
        self._info = info
        self.number, self.time_s = -1, -np.inf

    def step(self, frame: Any, tick: Any) -> bool:
        """Take a frame. Does its time rise? If not, the time stays where it was."""
        info = self._info
        self.number += 1
        if frame.time is not None:
            time_s = float(frame.time) - info.zero_s
            if len(info.stamps):
                at = int(np.searchsorted(info.stamps, round(frame.pts * frame.time_base / tick)))
                self.number = max(self.number, at)
        elif np.isfinite(self.time_s):
            time_s = self.time_s + 1 / info.rate.fps
        else:
            time_s = self.number / info.rate.fps
        rises = time_s > self.time_s
        self.time_s = max(self.time_s, time_s)
        return rises


def _decoded_from(container: Any, stream: Any, info: VideoInfo, first: int, tally: Tally) -> Iterator[Any]:
    """Decoded frames, None for broken packets, from number `first` or earlier to the end."""
    for before_s in _BEFORE_S if first else ():
        container.seek(int(info.stamps[first] - before_s / info.tick_s), stream=stream)
        frames = decoded(container, stream, tally)
        head = next(frames, None)
        if head is not None and head.pts is not None and head.pts <= info.stamps[first]:
            return chain([head], frames)
    if first:
        container.seek(int(info.stamps[0]), stream=stream)
    return decoded(container, stream, tally)


def _video_stream(container: Any, source: str) -> Any:
    streams = [s for s in container.streams.video if not int(s.disposition) & _COVER_ART]
    if not streams:
        raise VideoFormatError(f"{source} has no video track.", hint="Capture needs a video of a face.", source=source)
    if streams[0].codec_context is None:
        raise VideoFormatError(f"the kind of video in {source} is not known.", hint=HINT, source=source)
    streams[0].codec_context.options = {"max_pixels": str(_MOST_PIXELS)}  # where the pictures belie the header
    return streams[0]


def _packets(container: Any, stream: Any) -> tuple[int, Array, bool]:
    """Number of packets that are shown, their sorted time stamps, and whether each has one of its own, none jumping."""
    stamps, orders, count = [], [], 0
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                count += 1
                stamps += [] if packet.pts is None else [packet.pts]
                orders += [] if packet.dts is None else [packet.dts]
    except Exception as error:
        if not count or type(error) is MemoryError:
            raise  # else: a file cut short; decoding will say so
    rising = np.sort(np.array(stamps, np.int64))
    even = len(rising) == count and bool((np.diff(rising) > 0).all() and (np.diff(orders) >= 0).all())
    return count, rising, even


def _missing(stream: Any, times_s: Array, step_s: float) -> float:
    """Seconds between the last packet and the end that the header states; 0 below a quarter of a second."""
    if stream.duration is None or not len(times_s):
        return 0.0
    end_s = float((stream.start_time or 0) + stream.duration) * float(stream.time_base)
    missing_s = end_s - float(times_s[-1]) - step_s
    return missing_s if missing_s > _SMALLEST_MISSING_S else 0.0
