"""Videos and other containers: the only importer of PyAV. Opens and decodes; the sound of a container in blocks.

The file is opened here and its handle is passed on, with white lists of formats and protocols: a playlist in disguise
must not make FFmpeg open another file or a socket. What is decoded of the picture is made of it in `video`.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from voxface.errors import InputError, MissingDependencyError, VideoFormatError, VoxfaceError
from voxface.stream import Array

FORMATS = "wav,w64,flac,ogg,mp3,mov,mp4,matroska,webm,aac,aiff,caf,avi,mpegts"
"""What may be opened; nothing in it can refer to another file."""

_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
_LARGEST_GAP_S = 600.0  # silence put into one hole of the sound; a longer hole is a broken time stamp
_SMALLEST_GAP_S = 0.01  # smaller holes and overlaps are rounding of time stamps
_BLOCK = 1 << 16  # samples of silence at a time
_MOST_BOXES = 100_000  # of an MP4 file, looked at for its index


@dataclass(slots=True)
class Tally:
    """What happened while a track was decoded; filled as it goes.

    decoded: frames that came. damaged: of these, the ones that are wrong, or are built on a wrong one.
    not_rising, without_time: frames with such time stamps. broken_packets: gave no frame. ended_early: why; "" if not.
    """

    decoded: int = 0
    damaged: int = 0
    not_rising: int = 0
    without_time: int = 0
    broken_packets: int = 0
    ended_early: str = ""


def probe_audio(path: str | Path | BinaryIO, track: int = 0) -> tuple[int, float] | None:
    """(rate in Hz, presentation time of the first sample in seconds) of a sound track; None: there is no sound.

    Args:
        track: which sound track, counted from 0.
    Raises: InputError, VideoFormatError: as probe_video; there is sound, but not so many tracks.
    """
    with opened(path) as container:
        for frame in _sound(container, Tally(), track):
            return int(frame.sample_rate), float(frame.time or 0.0)
    return None


def sound_tracks(container: Any) -> list[str]:
    """The sound tracks of an open container, by language where it says so: "eng", or ""."""
    return [str(stream.metadata.get("language", "")) for stream in container.streams.audio]


def jpeg(rgb: Array, height: int, coarse: int = 5) -> bytes:
    """A picture as a JPEG file of `height` pixels; the same picture gives the same bytes.

    Args:
        rgb: (h, w, 3) uint8. coarse: 2 (fine) to 31 (small file).
    """
    av = load_av()
    width = 2 * max(1, round(rgb.shape[1] / rgb.shape[0] * height / 2))  # colours are stored for pairs of pixels
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    small = av.video.reformatter.VideoReformatter().reformat(
        picture, width, height, format="yuvj420p", interpolation="AREA", threads=1
    )
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuvj420p", Fraction(1, 25)
    encoder.options = {"qmin": str(coarse), "qmax": str(coarse), "flags": "+bitexact", "threads": "1"}
    return b"".join(bytes(packet) for packet in (*encoder.encode(small), *encoder.encode(None)))


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
    with opened(path) as container:
        kind, zero_s, given = (0, 0), 0.0, 0  # rate and channels; time of the first sample; samples so far
        for frame in _sound(container, tally or Tally(), track):
            now = (int(frame.sample_rate), len(frame.layout.channels))
            stated_s = None if frame.time is None else float(frame.time)
            if not given:
                kind, zero_s = now, stated_s or 0.0
            if now != kind:
                text = f"the sound of {_name(path)} changes its rate or channels on the way."
                raise VideoFormatError(text, hint=HINT, source=_name(path))
            hole = 0 if stated_s is None else round((stated_s - zero_s) * kind[0]) - given
            overlap = -hole if -hole > _SMALLEST_GAP_S * kind[0] else 0
            for block in (*_silence(hole, *kind, _name(path)), _samples(frame)[overlap:]):
                given += len(block)
                yield block


def _silence(samples: int, rate: int, channels: int, source: str) -> Iterator[Array]:
    if samples > _LARGEST_GAP_S * rate:
        text = f"the sound of {source} has a hole of {samples / rate:.0f} s."
        raise VideoFormatError(text, hint=HINT, source=source)
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


HINT = "Re-encode it, for example as MP4 with H.264 and AAC."


def load_av(work: str = "reading videos", extra: str = "capture") -> Any:
    """PyAV, or an error that says what it is needed for and which extra of voxface brings it."""
    try:
        import av
    except ImportError as error:
        hint = f"pip install 'voxface[{extra}]'"
        raise MissingDependencyError(f"{work} needs PyAV, which is not installed.", hint=hint) from error
    av.logging.set_level(None)  # FFmpeg's own chatter; what matters arrives as an exception
    return av


def _name(path: str | Path | BinaryIO) -> str:
    return str(path) if isinstance(path, str | Path) else str(getattr(path, "name", "the input"))


@contextmanager
def opened(path: str | Path | BinaryIO) -> Iterator[Any]:
    """The container, closed at the end; whatever PyAV or FFmpeg throw inside becomes one of our errors."""
    av, source = load_av(), _name(path)
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
    with file, _translated(source):
        _refuse_without_index(file, source)
        with av.open(file, options=_OPTIONS) as container:
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
        raise VideoFormatError(f"{source} cannot be decoded: {text}.", hint=HINT, source=source) from error


def _refuse_without_index(file: BinaryIO, source: str) -> None:
    """An MP4 without 'moov', which a recorder writes last, says nothing of where its frames are."""
    names: list[bytes] = []
    at, size = 0, file.seek(0, 2)
    while at + 8 <= size and len(names) < _MOST_BOXES:
        file.seek(at)
        head = file.read(16)
        names.append(head[4:8])
        length = int.from_bytes(head[8:16] if head[:4] == b"\0\0\0\1" else head[:4], "big")
        at = at + length if length >= 8 else size
    file.seek(0)
    if names[:1] == [b"ftyp"] and b"mdat" in names and not {b"moov", b"moof"} & set(names):
        text = f"{source} has no index (moov): its recording was interrupted, or the end of the file is missing."
        raise VideoFormatError(text, hint="Copy it again, or mend it with the recorder's own tool.", source=source)


def decoded(container: Any, stream: Any, tally: Tally) -> Iterator[Any]:
    """Frames of a stream as they are decoded; None in the place of a packet that cannot be."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except load_av().FFmpegError as error:
            tally.ended_early = str(error.strerror)
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except load_av().FFmpegError:
            frames = [None]
        yield from frames


def _sound(container: Any, tally: Tally, track: int) -> Iterator[Any]:
    """Frames of a sound track; packets that cannot be decoded are counted and left out."""
    if not container.streams.audio:
        return
    for frame in decoded(container, _chosen(container.streams.audio, track, container), tally):
        if frame is None:
            tally.broken_packets += 1
        else:
            yield frame


def _chosen(streams: Sequence[Any], track: int, container: Any) -> Any:
    if track < len(streams):
        return streams[track]
    text = f"{container.name} has {len(streams)} sound tracks, counted from 0; number {track} was asked for."
    raise VideoFormatError(text, hint="Choose another with --audio-track.", source=str(container.name))


def sound_length(path: str | Path | BinaryIO, track: int = 0) -> float | None:
    """Seconds of a sound track as the container states them; None: it does not, or there is no such track.

    Matroska and its like state one length for all tracks, which is that of the sound only where there is nothing else.

    Raises: InputError, VideoFormatError: the file cannot be read.
    """
    with opened(path) as container:
        streams = container.streams.audio
        if track >= len(streams):
            return None
        if streams[track].duration is not None:
            return float(streams[track].duration * streams[track].time_base)
        if container.duration is None or len(container.streams) > 1:
            return None
        return float(container.duration - max(container.start_time or 0, 0)) / 1e6  # in microseconds
