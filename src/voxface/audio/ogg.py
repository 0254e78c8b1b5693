"""Ogg files that hold several recordings one after another, as radio streams and joined files do.

libsndfile gives the first of such a chain and keeps quiet about the others.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from voxface.audio.reader import SoundReader
from voxface.errors import AudioFormatError
from voxface.stream import Array

_PAGE = struct.Struct("<4sBBqIIIB")  # sign, version, flags, position, stream, number, checksum, segments (RFC 3533)
_FIRST_OF_STREAM = 2


def links(file: BinaryIO) -> list[tuple[int, int]]:
    """Where each recording of a chain stands: (start, end) in bytes; one entry for an ordinary file.

    A recording begins with the first pages of all its streams, so another begins where such a page follows one that
    is none. Bytes that are no page belong to the recording before them.
    """
    starts, at, heads = [0], 0, True
    end = file.seek(0, 2)
    while at < end:
        file.seek(at)
        head = file.read(_PAGE.size)
        if len(head) < _PAGE.size or head[:4] != b"OggS":
            break
        _, _, flags, _, _, _, _, segments = _PAGE.unpack(head)
        first = bool(flags & _FIRST_OF_STREAM)
        if first and not heads:
            starts.append(at)
        heads = first
        at += _PAGE.size + segments + sum(file.read(segments))
    return list(zip(starts, [*starts[1:], end], strict=True))


class ChainReader:
    """Reads the recordings of a chain as one, each opened when the one before it has ended.

    Args:
        file, name: as of SoundReader. parts: what `links` gives.
    Raises: as SoundReader; AudioFormatError also, on the way, where a recording has another rate or other channels.
    """

    frames = None  # how many there are is not known before the end

    def __init__(self, file: BinaryIO, name: str, parts: list[tuple[int, int]]) -> None:
        self._file, self._name, self._parts = file, name, parts[1:]
        self._sound = SoundReader(file, name, "Ogg", parts[0])
        self.rate_hz, self.channels = self._sound.rate_hz, self._sound.channels

    def read(self, frames: int) -> Array:
        """Up to `frames` frames as (n, channels) float32; none only at the end."""
        while not len(part := self._sound.read(frames)) and self._parts:
            self._sound.close()
            self._sound = SoundReader(self._file, self._name, "Ogg", self._parts.pop(0))
            if (self._sound.rate_hz, self._sound.channels) != (self.rate_hz, self.channels):
                text = f"{self._name} holds recordings of different rates or channels, one after another."
                raise AudioFormatError(text, hint="Take it apart first.", source=self._name)
        return part

    def complaint(self, frames: int) -> str:
        return self._sound.complaint(frames)

    def close(self) -> None:
        self._sound.close()
