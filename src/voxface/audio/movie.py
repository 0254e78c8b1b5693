"""Pictures and sound into one file: MP4, WebM, GIF, PNG. Encodes, as `container` decodes; PyAV stays in this room.

Picture k is shown at k / fps seconds and the sound begins at 0, on one clock. Pictures and sound are taken as they are
needed, so a film of any length needs the same memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from voxface.audio.container import load_av
from voxface.errors import InputWarning, MissingDependencyError, OutputError
from voxface.files import atomic_write
from voxface.stream import Array
from voxface.timebase import exact_rate

T = TypeVar("T")

_AAC_RATES_HZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_OPUS_RATES_HZ = (48_000, 24_000, 16_000, 12_000, 8_000)
_BT709, _LIMITED = 1, 1  # colours of HD video, and their usual range (ITU-T H.273); a file that says so is shown alike


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of film.

    format: FFmpeg's name. pictures: codecs with their options, the best first. sound: codec; "" if it has no sound.
    rates_hz: what the sound's codec takes. options: of the container.
    """

    format: str
    pictures: dict[str, dict[str, str]]
    sound: str
    rates_hz: tuple[int, ...]
    options: dict[str, str]


KINDS: dict[str, Kind] = {
    ".mp4": Kind(
        "mp4",
        {"libx264": {"preset": "veryfast", "crf": "18"}, "mpeg4": {"qmin": "2", "qmax": "6"}},
        "aac",
        _AAC_RATES_HZ,
        {"movflags": "+faststart"},  # the index first: a browser begins before it has everything
    ),
    ".webm": Kind(
        "webm",
        {"libvpx-vp9": {"deadline": "realtime", "cpu-used": "7", "row-mt": "1", "crf": "24", "b": "0"}},
        "libopus",
        _OPUS_RATES_HZ,
        {},
    ),
}
"""Films with sound, by suffix."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """blocks: (n,) float32 of one channel, full scale 1. rate_hz: samples per second."""

    blocks: Iterable[Array]
    rate_hz: int


def encoders() -> Any:
    """PyAV. Raises: MissingDependencyError: it is not installed."""
    return load_av("writing films and pictures", "render")


def write_film(path: str | Path, pictures: Iterable[Array], fps: float, sound: Sound | None = None) -> str:
    """Write a film; it is there when it is whole, or not at all. Sound beyond the last picture is left out.

    Args:
        path: its suffix is one of KINDS. pictures: (h, w, 3) uint8 RGB, all of one size, even sides; at least one.
    Returns: the codec of the pictures.
    Raises: MissingDependencyError: PyAV, or every codec of this kind, is missing. OutputError, LimitError: the place
        cannot be written.
    """
    kind = KINDS[Path(path).suffix.lower()]
    rest = iter(pictures)
    first = next(rest)
    with atomic_write(path, "w+b") as file, _encoding(file, kind.format, path, kind.options) as container:
        codec = _codec(kind.pictures)
        video = container.add_stream(codec, rate=exact_rate(fps), options=kind.pictures[codec])
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.colorspace = video.codec_context.color_primaries = video.codec_context.color_trc = _BT709
        video.codec_context.color_range = _LIMITED
        track = _Track(container, kind, sound) if sound else None
        repaint = encoders().video.reformatter.VideoReformatter()
        count = 0
        for count, picture in enumerate(chain([first], rest), 1):
            frame = _frame(picture, count - 1, fps)
            frame = repaint.reformat(
                frame, format="yuv420p", src_color_range=2, dst_colorspace=_BT709, dst_color_range=_LIMITED
            )
            container.mux(video.encode(frame))
            if track:
                track.encode_to(count / exact_rate(fps))
        container.mux(video.encode(None))
        if track:
            track.finish()
    return codec


def write_gif(path: str | Path, pictures: Iterable[Array], fps: float, colours_of: Sequence[Array]) -> None:
    """Write an endless GIF; it is there when it is whole, or not at all.

    Args:
        pictures: (h, w, 3) uint8 RGB, all of one size. fps: 100, 50, 33.3, 25, 20, ... are kept to exactly.
        colours_of: some of the pictures; the 256 colours are those that suit these best.
    Raises: as `write_film`.
    """
    palette = _palette(colours_of)
    with atomic_write(path, "w+b") as file, _encoding(file, "gif", path, {"loop": "0"}) as container:
        video = container.add_stream("gif", rate=exact_rate(fps))
        video.height, video.width = colours_of[0].shape[:2]
        video.pix_fmt = "pal8"
        for frame in _recoloured(pictures, palette, fps):
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def png(rgb: Array) -> bytes:
    """A picture, (h, w, 3) uint8 RGB, as a PNG file."""
    encoder = encoders().CodecContext.create("png", "w")
    encoder.height, encoder.width = rgb.shape[:2]
    encoder.pix_fmt, encoder.time_base = "rgb24", Fraction(1, 25)
    return b"".join(bytes(packet) for packet in (*encoder.encode(_frame(rgb, 0, 25)), *encoder.encode(None)))


def write_png(path: str | Path, rgb: Array) -> None:
    """Write a picture. Raises: OutputError, LimitError: the place cannot be written."""
    data = png(rgb)
    with atomic_write(path) as file:
        file.write(data)


class _Track:
    """The sound of a film, encoded as far as the pictures are."""

    def __init__(self, container: Any, kind: Kind, sound: Sound) -> None:
        rate_hz = sound.rate_hz if sound.rate_hz in kind.rates_hz else 48_000
        self._container, self._rate_hz, self._given = container, sound.rate_hz, 0
        self._stream = container.add_stream(kind.sound, rate=rate_hz, layout="mono")
        self._blocks, self._left = iter(sound.blocks), np.zeros(0, np.float32)

    def encode_to(self, time_s: Fraction) -> None:
        """Encode the samples before time_s that have not been encoded yet, as far as there are any."""
        wanted = round(time_s * self._rate_hz) - self._given
        while len(self._left) < wanted and (block := next(self._blocks, None)) is not None:
            self._left = np.concatenate([self._left, block])
        now, self._left = self._left[:wanted], self._left[wanted:]
        if len(now):
            frame = encoders().AudioFrame.from_ndarray(np.clip(now, -1, 1)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = self._rate_hz, Fraction(1, self._rate_hz), self._given
            self._container.mux(self._stream.encode(frame))
            self._given += len(now)

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))


def _codec(wanted: Iterable[str]) -> str:
    """The first codec that is there. Raises: MissingDependencyError: none."""
    best, *others = wanted
    av = encoders()
    for name in (best, *others):
        try:
            av.codec.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        if name != best:
            text = f"this PyAV has no encoder {best}; the pictures are encoded with {name}, which is larger."
            warnings.warn(InputWarning("W-CODEC", text), stacklevel=4)
        return name
    hint = "Write an MP4 or GIF, or install another PyAV: pip install --upgrade av."
    raise MissingDependencyError(f"this PyAV has no encoder {best}.", hint=hint)


def _frame(rgb: Array, number: int, fps: float) -> Any:
    frame = encoders().VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    frame.time_base, frame.pts = 1 / exact_rate(fps), number
    return frame


def _palette(pictures: Sequence[Array]) -> Any:
    """The 256 colours that suit some pictures best, as a frame of 16 x 16 pixels."""
    av = encoders()
    graph = av.filter.Graph()
    source = _source(graph, pictures[0].shape, "rgb24")
    maker, end = graph.add("palettegen", "stats_mode=full"), graph.add("buffersink")
    graph.link_nodes(source, maker, end).configure()
    for number, picture in enumerate(pictures):
        source.push(_frame(picture, number, 25))
    source.push(None)
    return end.pull()


def _recoloured(pictures: Iterable[Array], palette: Any, fps: float) -> Iterator[Any]:
    """Frames in the colours of a palette. An ordered pattern stands for colours in between: what does not move stays
    alike from picture to picture, and a GIF stores only what changes."""
    rest = iter(pictures)
    first = next(rest)
    graph = encoders().filter.Graph()
    source, colours = _source(graph, first.shape, "rgb24"), _source(graph, (16, 16), palette.format.name)
    chooser, end = graph.add("paletteuse", "dither=bayer:bayer_scale=3:diff_mode=rectangle"), graph.add("buffersink")
    source.link_to(chooser, 0, 0)
    colours.link_to(chooser, 0, 1)
    chooser.link_to(end)
    graph.configure()
    colours.push(palette)
    colours.push(None)
    for number, picture in enumerate(chain([first], rest)):
        source.push(_frame(picture, number, fps))
        yield from _ready(end)
    source.push(None)
    yield from _ready(end)


def _source(graph: Any, shape: Sequence[int], format: str) -> Any:
    """Where frames of shape (height, width, ...) are put into a graph."""
    kind = encoders().VideoFormat(format, shape[1], shape[0])
    return graph.add_buffer(width=shape[1], height=shape[0], format=kind, time_base=Fraction(1, 25))


def _ready(end: Any) -> Iterator[Any]:
    """What has come out of a graph so far."""
    av = encoders()
    with suppress(av.BlockingIOError, av.EOFError):
        while True:
            yield end.pull()


@contextmanager
def _encoding(file: IO[bytes], format: str, path: str | Path, options: dict[str, str]) -> Iterator[Any]:
    """An output container, closed at the end; what FFmpeg says against it becomes one of our errors."""
    av, disk = encoders(), _Disk(file)
    try:
        with av.open(disk, "w", format=format, options=options, io_open=lambda *_: _Again(disk)) as container:
            yield container
    except av.FFmpegError as error:
        text = f"cannot encode {path}: {error.strerror or error}."
        raise OutputError(text, hint="Choose another size or kind of file.", source=str(path)) from error


class _Disk:
    """The file that FFmpeg writes. After its first error nothing more is tried: FFmpeg takes leave of a file that it
    cannot write with many calls, and each further error would be printed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._broken = file, False

    def write(self, data: bytes) -> int:
        return self._try(lambda: self._file.write(data), len(data))

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._try(lambda: self._file.seek(offset, whence), 0)

    def tell(self) -> int:
        return self._try(self._file.tell, 0)

    def read(self, size: int = -1) -> bytes:
        return self._try(lambda: self._file.read(size), b"")

    def _try(self, call: Callable[[], T], instead: T) -> T:
        if self._broken:
            return instead
        try:
            return call()
        except OSError:
            self._broken = True
            raise


class _Again:
    """A file that is being written, read from a place of its own: FFmpeg moves the index to the front when all is
    written, and asks to open the file anew for that."""

    def __init__(self, disk: _Disk) -> None:
        self._disk, self._at = disk, 0

    def read(self, size: int = -1) -> bytes:
        kept = self._disk.tell()
        self._disk.seek(self._at)
        data = self._disk.read(size)
        self._disk.seek(kept)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        kept = self._disk.tell()
        self._disk.seek(self._at)
        self._at = self._disk.seek(offset, whence)
        self._disk.seek(kept)
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        """The file stays open: it is still being written."""
