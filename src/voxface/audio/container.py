"""Videos and other containers: the only importer of PyAV. Yields video frames and blocks of sound.

The file is opened here and its handle is passed on, with white lists of formats and protocols: a playlist in disguise
must not make FFmpeg open another file or a socket. Decoding is sequential; every time is a presentation time minus the
start of the sound, so second 0 is the first sample that the decoder gives.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from voxface.audio.frame_rate import FramePicker, FrameRate, measure_rate
from voxface.errors import InputError, MissingDependencyError, VideoFormatError, VoxfaceError
from voxface.stream import Array

FORMATS = "wav,w64,flac,ogg,mp3,mov,mp4,matroska,webm,aac,aiff,caf,avi,mpegts"
"""What may be opened; nothing in it can refer to another file."""

_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
_LARGEST_PIXELS = 8192 * 8192
_LARGEST_GAP_S = 600.0  # silence put into one hole of the sound; a longer hole is a broken time stamp
_SMALLEST_GAP_S = 0.01  # smaller holes and overlaps are rounding of time stamps
_SMALLEST_MISSING_S = 0.25
_BLOCK = 1 << 16  # samples of silence at a time


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a file holds, from its packets; nothing is decoded but the first block of sound.

    source: the file, as people name it
    width, height: pixels as stored, before rotation
    rate: frame rate of the video (frame_rate.FrameRate)
    frames: number of video packets
    audio_rate_hz: samples per second of the first sound track; None without one
    zero_s: presentation time of the first sample, or of the first frame without sound; second 0 of our clock
    missing_s: seconds of video that the header promises and the file does not have
    """

    source: str
    width: int
    height: int
    rate: FrameRate
    frames: int
    audio_rate_hz: int | None
    zero_s: float
    missing_s: float


class VideoFrame(NamedTuple):
    """time_s on the audio clock, number of the frame in the file, (height, width, 3) uint8 RGB, upright."""

    time_s: float
    number: int
    rgb: Array


@dataclass(slots=True)
class Tally:
    """What happened while frames were decoded; filled by `video_frames` as it goes."""

    decoded: int = 0
    not_rising: int = 0
    without_time: int = 0
    broken_packets: int = 0
    ended_early: str = field(default="")


def probe_video(path: str | Path) -> VideoInfo:
    """Look into a video without decoding it.

    Raises: InputError: the file cannot be read. VideoFormatError: not a video in a format we read.
    """
    source = str(path)
    with _opened(path) as container:
        stream = _video_stream(container, source)
        times, packets = _packet_times(container, stream)
        rate = measure_rate(times, float(stream.average_rate or 0))
        width, height = int(stream.codec_context.width), int(stream.codec_context.height)
        missing_s = _missing(stream, times, 1 / rate.fps)
    if not packets or not width or not height:
        raise VideoFormatError(f"{source} has a video track without frames.", hint=_HINT, source=source)
    if width * height > _LARGEST_PIXELS:
        text = f"{source} has pictures of {width}x{height} pixels; up to 67 million pixels are read."
        raise VideoFormatError(text, hint=_HINT, source=source)
    audio = probe_audio(path)
    zero_s = audio[1] if audio else (float(times[0]) if len(times) else 0.0)
    return VideoInfo(source, width, height, rate, packets, audio[0] if audio else None, zero_s, missing_s)


def probe_audio(path: str | Path | BinaryIO, track: int = 0) -> tuple[int, float] | None:
    """(rate in Hz, presentation time of the first sample in seconds) of a sound track; None: there is no sound.

    Args:
        track: which sound track, counted from 0.
    Raises: InputError, VideoFormatError: as probe_video; there is sound, but not so many tracks.
    """
    with _opened(path) as container:
        for frame in _decoded(container, "audio", Tally(), track):
            return int(frame.sample_rate), float(frame.time or 0.0)
    return None


def video_frames(path: str | Path, info: VideoInfo, fps_limit: float, tally: Tally) -> Iterator[VideoFrame]:
    """The frames that the rate limit keeps (SPEC A1), in order, with rising times; only they are converted to RGB.

    Frames without a time get the one that the frame rate gives them; a frame whose time does not rise is dropped.

    Args:
        path: the video. info: what probe_video said of it.
        fps_limit: frames per second to keep at most, with 1 % tolerance.
        tally: filled while the frames are read.
    Raises: InputError, VideoFormatError: the file cannot be read, or holds no frame that can be decoded.
    """
    av = _av()
    picker = FramePicker(info.rate, fps_limit)
    reformatter, last_s, step_s = av.video.reformatter.VideoReformatter(), -np.inf, 1.0 / info.rate.fps
    with _opened(path) as container:
        for index, frame in enumerate(_decoded(container, "video", tally)):
            tally.decoded += 1
            if frame.time is None:
                tally.without_time += 1
            time_s = _frame_time(frame, info.zero_s, index, last_s, step_s)
            if time_s <= last_s:
                tally.not_rising += 1
                continue
            if picker.keeps(index, time_s, last_s):
                small = reformatter.reformat(frame, format="rgb24", threads=1)
                yield VideoFrame(time_s, index, _upright(small.to_ndarray(), int(frame.rotation)))
            last_s = time_s
    if not tally.decoded:
        raise VideoFormatError(f"no frame of {info.source} can be decoded.", hint=_HINT, source=info.source)


def _frame_time(frame: Any, zero_s: float, index: int, last_s: float, step_s: float) -> float:
    if frame.time is not None:
        return float(frame.time) - zero_s
    return last_s + step_s if np.isfinite(last_s) else index * step_s


def _upright(rgb: Array, degrees: int) -> Array:
    """The picture turned as its display matrix asks: degrees counter-clockwise."""
    turns = round(degrees / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def jpeg(rgb: Array, height: int, coarse: int = 5) -> bytes:
    """A picture as a JPEG file of `height` pixels; the same picture gives the same bytes.

    Args:
        rgb: (h, w, 3) uint8. coarse: 2 (fine) to 31 (small file).
    """
    av = _av()
    width = 2 * max(1, round(rgb.shape[1] / rgb.shape[0] * height / 2))  # colours are stored for pairs of pixels
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    picture = picture.reformat(width, height, format="yuvj420p", interpolation="AREA")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuvj420p", Fraction(1, 25)
    encoder.options = {"qmin": str(coarse), "qmax": str(coarse), "flags": "+bitexact", "threads": "1"}
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))


def audio_blocks(path: str | Path | BinaryIO, track: int = 0, tally: Tally | None = None) -> Iterator[Array]:
    """A sound track as (n, channels) float32 blocks at its own rate, full scale 1; nothing where there is no sound.

    A hole between time stamps becomes silence and what overlaps is left out, so that sample k stays at second
    k / rate.

    Args:
        track: which sound track, counted from 0.
        tally: told of broken packets and of an early end.
    Raises: InputError, VideoFormatError: the file cannot be read; there is sound, but not so many tracks; its rate or
        channels change on the way; a hole is longer than ten minutes.
    """
    with _opened(path) as container:
        kind, zero_s, given = (0, 0), 0.0, 0  # rate and channels; time of the first sample; samples so far
        for frame in _decoded(container, "audio", tally or Tally(), track):
            now = (int(frame.sample_rate), len(frame.layout.channels))
            stated_s = None if frame.time is None else float(frame.time)
            if not given:
                kind, zero_s = now, stated_s or 0.0
            if now != kind:
                text = f"the sound of {_name(path)} changes its rate or channels on the way."
                raise VideoFormatError(text, hint=_HINT, source=_name(path))
            hole = 0 if stated_s is None else round((stated_s - zero_s) * kind[0]) - given
            overlap = -hole if -hole > _SMALLEST_GAP_S * kind[0] else 0
            for block in (*_silence(hole, *kind, _name(path)), _samples(frame)[overlap:]):
                given += len(block)
                yield block


def _silence(samples: int, rate: int, channels: int, source: str) -> Iterator[Array]:
    if samples > _LARGEST_GAP_S * rate:
        text = f"the sound of {source} has a hole of {samples / rate:.0f} s."
        raise VideoFormatError(text, hint=_HINT, source=source)
    if samples > _SMALLEST_GAP_S * rate:
        for at in range(0, samples, _BLOCK):
            yield np.zeros((min(_BLOCK, samples - at), channels), np.float32)


def _samples(frame: Any) -> Array:
    """(samples, channels) float32; integers are scaled to [-1, 1), bytes lie around 128."""
    values: Array = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, len(frame.layout.channels))
    middle = 128.0 if values.dtype == np.uint8 else 0.0
    full = 1.0 if values.dtype.kind == "f" else 2.0 ** (8 * values.dtype.itemsize - 1)
    scaled: Array = ((values - np.float32(middle)) / np.float32(full)).astype(np.float32)
    return scaled


_HINT = "Re-encode it, for example as MP4 with H.264 and AAC."


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            "reading videos needs PyAV, which is not installed.", hint="pip install 'voxface[capture]'"
        ) from error
    av.logging.set_level(None)  # FFmpeg's own chatter; what matters arrives as an exception
    return av


def _name(path: str | Path | BinaryIO) -> str:
    return str(path) if isinstance(path, str | Path) else str(getattr(path, "name", "the input"))


@contextmanager
def _opened(path: str | Path | BinaryIO) -> Iterator[Any]:
    """The container, closed at the end; whatever PyAV or FFmpeg throw inside becomes one of our errors."""
    av, source = _av(), _name(path)
    if not isinstance(path, str | Path):
        path.seek(0)
        with _translated(source), av.open(path, options=_OPTIONS) as container:
            yield container
        return
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise InputError(f"{source} is not a file.", hint="Name a video file.", source=source)
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}.", source=source) from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"cannot read {source!r}: {error}.", source=source) from error
    with file, _translated(source), av.open(file, options=_OPTIONS) as container:
        yield container


@contextmanager
def _translated(source: str) -> Iterator[None]:
    try:
        yield
    except VoxfaceError:
        raise
    except Exception as error:  # PyAV also raises AttributeError, ValueError and more on broken files
        if type(error) is MemoryError:  # ours; PyAV's own kind of it is a broken size in the file
            raise
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise VideoFormatError(f"{source} cannot be decoded: {text}.", hint=_HINT, source=source) from error


def _video_stream(container: Any, source: str) -> Any:
    streams = [s for s in container.streams.video if not _is_picture(s)]
    if not streams:
        raise VideoFormatError(f"{source} has no video track.", hint="Capture needs a video of a face.", source=source)
    return streams[0]


def _is_picture(stream: Any) -> bool:
    """Cover art counts as a video track in FFmpeg; it is none."""
    return bool(int(stream.disposition) & 0x400)


def _packet_times(container: Any, stream: Any) -> tuple[Array, int]:
    """Sorted presentation times in seconds (those that are stated) and the number of packets."""
    times, packets = [], 0
    try:
        for packet in container.demux(stream):
            if packet.size:
                packets += 1
                if packet.pts is not None:
                    times.append(packet.pts * float(packet.time_base))
    except Exception as error:
        if not packets or type(error) is MemoryError:
            raise  # else: a file cut short; decoding will say so
    return np.sort(np.array(times, np.float64)), packets


def _missing(stream: Any, times_s: Array, step_s: float) -> float:
    """Seconds between the last packet and the end that the header states; 0 below a quarter of a second."""
    if stream.duration is None or not len(times_s):
        return 0.0
    end_s = float((stream.start_time or 0) + stream.duration) * float(stream.time_base)
    missing_s = end_s - float(times_s[-1]) - step_s
    return missing_s if missing_s > _SMALLEST_MISSING_S else 0.0


def _decoded(container: Any, kind: str, tally: Tally, track: int = 0) -> Iterator[Any]:
    """Frames of a track of a kind; packets that cannot be decoded are counted and left out."""
    streams = [s for s in getattr(container.streams, kind) if kind == "audio" or not _is_picture(s)]
    if not streams:
        return
    stream = _chosen(streams, track, container)
    if kind == "video":
        stream.thread_type, stream.codec_context.thread_count = "AUTO", 2  # decode ahead while the tracker looks
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except _av().FFmpegError as error:
            tally.ended_early = str(error.strerror)
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except _av().FFmpegError:
            tally.broken_packets += 1
            continue
        yield from frames


def _chosen(streams: list[Any], track: int, container: Any) -> Any:
    if track < len(streams):
        return streams[track]
    text = f"{container.name} has {len(streams)} sound tracks, counted from 0; number {track} was asked for."
    raise VideoFormatError(text, hint="Choose another with --audio-track.", source=str(container.name))


def sound_length(path: str | Path | BinaryIO, track: int = 0) -> float | None:
    """Seconds of a sound track as the container states them; None: it does not, or there is no such track.

    Raises: InputError, VideoFormatError: the file cannot be read.
    """
    with _opened(path) as container:
        streams = container.streams.audio
        if track >= len(streams):
            return None
        if streams[track].duration is not None:
            return float(streams[track].duration * streams[track].time_base)
        return None if container.duration is None else float(container.duration) / 1e6  # in microseconds
