"""Small videos that the tests make: grey pictures whose brightness is their number, a tone beside them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

STEP = 8
"""Picture k has the grey value 16 + STEP * k, so that a test can see which one it holds."""


def grey(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """(height, width, 3) uint8: picture `number`; size is (width, height)."""
    return np.full((size[1], size[0], 3), 16 + STEP * number, np.uint8)


def number_of(rgb: np.ndarray) -> int:
    """Which picture this is."""
    return round((float(rgb.mean()) - 16) / STEP)


def make_video(
    path: Path,
    times_s: Sequence[float],
    *,
    pictures: Sequence[np.ndarray] | None = None,
    sound: np.ndarray | None = None,
    rate_hz: int = 16_000,
    sound_start_s: float = 0.0,
    sound_codec: str = "pcm_s16le",
    options: dict[str, str] | None = None,
) -> Path:
    """Write pictures at the times given, and (channels, n) float sound that begins at sound_start_s.

    The container follows the suffix; the picture codec is MPEG-4 part 2, which every build of the library has.
    """
    pictures = pictures if pictures is not None else [grey(k) for k in range(len(times_s))]
    with av.open(str(path), "w", options=options or {}) as container:
        rate = (len(times_s) - 1) / (times_s[-1] - times_s[0]) if len(times_s) > 1 else 25.0
        video = container.add_stream("mpeg4", rate=Fraction(rate).limit_denominator(1001))
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.bit_rate, video.options = "yuv420p", 4_000_000, {"bf": "0"}
        video.codec_context.time_base = Fraction(1, 60_000)
        track = None
        if sound is not None:
            layout = {1: "mono", 2: "stereo"}[len(sound)]
            track = container.add_stream(sound_codec, rate=rate_hz, layout=layout)
            _write_sound(container, track, sound, rate_hz, sound_start_s)
        for time_s, picture in zip(times_s, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.time_base = video.codec_context.time_base
            frame.pts = round(time_s / float(frame.time_base))
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def encode(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    fps: float = 25,
    options: dict[str, str] | None = None,
    says_colours: bool = True,
    **about: int,
) -> Path:
    """Write pictures, (height, width, 3) uint8 or uint16, at an even rate with any codec.

    about: colorspace, color_range, color_trc, color_primaries of the pictures (numbers of ITU-T H.273), which the file
    says if `says_colours`.
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options or {})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = pixels
        for name, value in about.items() if says_colours else ():
            setattr(video.codec_context, name, value)
        reformatter = av.video.reformatter.VideoReformatter()
        for picture in pictures:
            kind = "rgb24" if picture.dtype == np.uint8 else "rgb48le"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=kind)
            frame = reformatter.reformat(
                frame, format=pixels, src_color_range=2, dst_colorspace=about.get("colorspace", 5),
                dst_color_range=about.get("color_range", 1), threads=1,
            )  # fmt: skip
            frame.pts = None
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def copy_streams(target: Path, *sources: Path, sound_of: Path | None = None, cover: bytes | None = None) -> Path:
    """All tracks of the sources, packet by packet, in one file; the sound of another one; a JPEG as cover art."""
    files = [av.open(str(source)) for source in (*sources, *([sound_of] if sound_of else []))]
    with av.open(str(target), "w") as container:
        wanted = [(file, stream) for file in files for stream in file.streams
                  if stream.type == "audio" or file.name != str(sound_of)]  # fmt: skip
        copies = [container.add_stream_from_template(stream) for _, stream in wanted]
        if cover is not None:
            art = container.add_stream("mjpeg", rate=1)
            art.width, art.height, art.pix_fmt, art.disposition = 64, 48, "yuvj420p", 0x400
        for (file, stream), copy in zip(wanted, copies, strict=True):
            file.seek(0)
            _copy(file, stream, container, copy)
        if cover is not None:
            packet = av.Packet(cover)
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = art, 0, 0, True
            container.mux(packet)
    for file in files:
        file.close()
    return target


def one_after_the_other(target: Path, first: Path, second: Path, later_s: float) -> Path:
    """The pictures of two files in one stream, the second ones so much later."""
    with av.open(str(first)) as one, av.open(str(second)) as two, av.open(str(target), "w") as container:
        copy = container.add_stream_from_template(one.streams.video[0])
        _copy(one, one.streams.video[0], container, copy)
        _copy(two, two.streams.video[0], container, copy, later_s)
    return target


def _copy(source: Any, stream: Any, container: Any, copy: Any, later_s: float = 0.0) -> None:
    for packet in source.demux(stream):
        if packet.dts is not None:
            later = round(later_s / float(packet.time_base))
            packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, copy
            container.mux(packet)


def overwrite_packet(path: Path, number: int) -> None:
    """Spoil a video packet: every ninth byte behind its head is another one."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for at in range(places[number][0] + 12, sum(places[number]), 9):
        content[at] ^= 0x5A
    path.write_bytes(content)


def write_matrix(path: Path, matrix: Sequence[float]) -> None:
    """Write a display matrix, given as a b c d, into an MP4: the pixel (x, y) is to be shown at (a x + c y, b x + d y).

    It is nine 32-bit numbers in 'tkhd' (ISO 14496-12), 40 bytes behind the name in version 0.
    """
    a, b, c, d = (round(value * 65536) for value in matrix)
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4
    assert content[at] == 0
    content[at + 40 : at + 76] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def _write_sound(container: Any, track: Any, sound: np.ndarray, rate_hz: int, start_s: float) -> None:
    at, packet = 0, 1024
    resampler = av.AudioResampler(format=track.format, layout=track.layout, rate=rate_hz)
    while at < sound.shape[1]:
        block = np.ascontiguousarray(sound[:, at : at + packet], np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=track.layout.name)
        frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
        frame.pts = round(start_s * rate_hz) + at
        for converted in resampler.resample(frame):
            container.mux(track.encode(converted))
        at += packet
    container.mux(track.encode(None))


def turn(path: Path, degrees: int) -> None:
    """Note in an MP4 that the picture is to be shown turned clockwise by 90, 180 or 270 degrees."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    write_matrix(path, (cos, sin, -sin, cos))


def tone(seconds: float, rate_hz: int = 16_000, channels: int = 1) -> np.ndarray:
    """(channels, n) float32: 440 Hz at half of full scale."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.tile(0.5 * np.sin(2 * np.pi * 440 * t), (channels, 1)).astype(np.float32)
