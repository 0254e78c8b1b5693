"""What a WAV header says: needed to know how much sound there should be, which decoders keep to themselves."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from voxface.audio.handle import Replay, read_exactly
from voxface.audio.raw import MOST_CHANNELS, RATE_HZ, RawFormat
from voxface.errors import AudioFormatError

_LONGEST_CHUNK = 1 << 26  # 64 MiB of pictures and notes before the sound is beyond belief
_PLAIN = {
    (1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le", (3, 32): "f32le", (3, 64): "f64le",
    (6, 8): "alaw", (7, 8): "mulaw",
}  # fmt: skip
_CHUNKS_AFTER_SOUND = (
    b"LIST", b"id3 ", b"ID3 ", b"bext", b"fact", b"cue ", b"smpl", b"JUNK", b"PAD ", b"iXML", b"_PMX", b"acid", b"inst",
    b"PEAK", b"afsp", b"plst", b"levl", b"DISP", b"axml", b"chna",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WavHeader:
    """The header of a RIFF or RF64 file.

    tag, bits:  encoding, such as 1, 16 for 16-bit integers
    byte_rate:  bytes a second; block_bytes: bytes of one frame (of one block in compressed encodings)
    data_at:    where the sound begins, bytes from the start of the file
    data_bytes: how much sound there should be; None: the writer could not know (it wrote into a pipe)
    """

    tag: int
    channels: int
    rate_hz: int
    byte_rate: int
    block_bytes: int
    bits: int
    data_at: int
    data_bytes: int | None

    def raw_format(self) -> RawFormat | None:
        """How the samples are written, if they are plain numbers."""
        encoding = _PLAIN.get((self.tag, self.bits))
        if encoding is None or self.block_bytes != self.channels * self.bits // 8:
            return None
        return RawFormat(encoding, self.rate_hz, self.channels)

    def seconds(self, data_bytes: int) -> float:
        """How long so many bytes of sound last."""
        return data_bytes / max(self.byte_rate, 1)


def read_header(file: BinaryIO | Replay, name: str) -> WavHeader:
    """Read forward from the start of a RIFF or RF64 file up to its first byte of sound.

    Raises: AudioFormatError: cut, without `fmt ` or `data`, or with numbers that make no sound.
    """
    at, form, size64 = 12, b"", None
    read_exactly(file, 12)
    while True:
        head = read_exactly(file, 8)
        if len(head) < 8:
            raise AudioFormatError(f"{name} is a WAV file that ends inside its header.", source=name)
        chunk, size = struct.unpack("<4sI", head)
        at += 8
        if chunk == b"data":
            break
        body = _read_chunk(file, name, chunk, size)
        at += size + size % 2
        if chunk == b"fmt ":
            form = body
        elif chunk == b"ds64" and size >= 16:
            size64 = struct.unpack_from("<Q", body, 8)[0]
    if len(form) < 16:
        raise AudioFormatError(f"{name} is a WAV file without a description of its samples (fmt chunk).", source=name)
    return _checked(_header(form, at, _known_size(size, size64)), name)


def is_chunk(start: bytes) -> bool:
    """True where a chunk of notes begins and not sound: the four bytes after a data chunk that claims to be empty."""
    return start in _CHUNKS_AFTER_SOUND


def _read_chunk(file: BinaryIO | Replay, name: str, chunk: bytes, size: int) -> bytes:
    title = chunk.decode("latin-1").strip()
    if size > _LONGEST_CHUNK:
        raise AudioFormatError(f"{name} is a WAV file whose {title!r} chunk claims {size:,} bytes.", source=name)
    body = read_exactly(file, size + size % 2)
    if len(body) < size:
        raise AudioFormatError(f"{name} is a WAV file that ends inside its {title!r} chunk.", source=name)
    return body


def _header(form: bytes, at: int, size: int | None) -> WavHeader:
    tag, channels, rate, byte_rate, block, bits = struct.unpack_from("<HHIIHH", form)
    if tag == 0xFFFE and len(form) >= 26:  # extensible: the encoding stands at the start of a GUID
        tag = struct.unpack_from("<H", form, 24)[0]
    return WavHeader(tag, channels, rate, byte_rate, block, bits, at, size)


def _known_size(size: int, size64: int | None) -> int | None:
    """None for the sizes that programs write when they cannot know: 2^32 - 1 and below, and about 2^31."""
    if size64 is not None and size == 0xFFFFFFFF:
        return size64
    return None if size >= 0xFFFF_0000 or 0x7FFF_0000 <= size <= 0x8000_0000 else size


def _checked(header: WavHeader, name: str) -> WavHeader:
    for value, what, least, most in (
        (header.channels, "channels", 1, MOST_CHANNELS),
        (header.rate_hz, "samples a second", *RATE_HZ),
    ):
        if not least <= value <= most:
            says = f"{name}: its header says {value:,} {what}; {least:,} to {most:,} are read."
            raise AudioFormatError(says, source=name)
    if header.bits == 0 and header.tag in (1, 3):
        raise AudioFormatError(f"{name}: its header says 0 bits per sample.", source=name)
    return header
