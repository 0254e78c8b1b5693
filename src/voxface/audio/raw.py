"""Samples without a header: the caller states encoding, rate and channels. The only reader that never seeks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from voxface.audio.handle import Replay, read_some
from voxface.audio.resample import HIGHEST_HZ, LOWEST_HZ
from voxface.errors import UsageError
from voxface.stream import Array

RATE_HZ = (LOWEST_HZ, HIGHEST_HZ)
"""Sample rates that are read, both included."""
MOST_CHANNELS = 1024

_WIDTH = {
    "u8": 1, "s8": 1, "s16le": 2, "s16be": 2, "s24le": 3, "s24be": 3, "s32le": 4, "s32be": 4, "f32le": 4, "f32be": 4,
    "f64le": 8, "f64be": 8, "mulaw": 1, "alaw": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How headerless samples are written.

    encoding: one of u8, s8, s16le, s16be, s24le, s24be, s32le, s32be, f32le, f32be, f64le, f64be, mulaw, alaw
    rate_hz:  4,000 to 384,000
    channels: 1 to 1,024, interleaved
    """

    encoding: str
    rate_hz: int = 16_000
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in _WIDTH:
            raise UsageError(f"unknown raw encoding {self.encoding!r}.", hint=f"Known: {', '.join(_WIDTH)}.")
        if not RATE_HZ[0] <= self.rate_hz <= RATE_HZ[1]:
            raise UsageError(f"a raw rate must be {RATE_HZ[0]} to {RATE_HZ[1]} Hz; got {self.rate_hz}.")
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise UsageError(f"raw samples must have 1 to {MOST_CHANNELS} channels; got {self.channels}.")

    @classmethod
    def parse(cls, text: str) -> RawFormat:
        """Read `encoding:rate:channels`, such as `s16le:22050:1`; rate and channels default to 16000 and 1.

        Raises: UsageError: not of that form.
        """
        parts = text.strip().lower().split(":")
        if not 1 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() for part in parts[1:]):
            hint = "Write encoding:rate:channels, such as s16le:22050:1."
            raise UsageError(f"cannot understand the raw format {text!r}.", hint=hint)
        return cls(parts[0], *(int(part) for part in parts[1:]))

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return _WIDTH[self.encoding] * self.channels

    def decode(self, data: bytes) -> Array:
        """Whole frames of bytes -> (n, channels) float32; integers become [-1, 1), floats stay as they are."""
        return _samples(self.encoding, data).reshape(-1, self.channels)


def _samples(encoding: str, data: bytes) -> Array:
    """Interleaved samples as float32. A float64 beyond float32 becomes infinite, for the caller to mend."""
    if encoding in ("mulaw", "alaw"):
        table = _mulaw_table() if encoding == "mulaw" else _alaw_table()
        return table[np.frombuffer(data, np.uint8)]
    if encoding.startswith("s24"):
        return _wide24(np.frombuffer(data, np.uint8).reshape(-1, 3), little=encoding.endswith("le"))
    order = ">" if encoding.endswith("be") else "<"
    kind, bits = encoding[0], 8 * _WIDTH[encoding]
    values = np.frombuffer(data, f"{order}{'i' if kind == 's' else kind}{bits // 8}")
    with np.errstate(over="ignore", invalid="ignore"):
        samples = values.astype(np.float32)
    if kind == "u":
        samples -= np.float32(128)
    return samples if kind == "f" else samples * np.float32(2.0 ** (1 - bits))


def _wide24(octets: Array, *, little: bool) -> Array:
    """(n, 3) bytes -> (n,) float32: as the upper three bytes of a 32-bit integer."""
    wide = np.zeros((len(octets), 4), np.uint8)
    wide[:, 1:] = octets if little else octets[:, ::-1]
    return wide.view("<i4")[:, 0].astype(np.float32) * np.float32(2.0**-31)


def _mulaw_table() -> Array:
    """The 256 values of mu-law. Source: ITU-T G.711: bits inverted; sign, 3 bits of segment, 4 of step; bias 33."""
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = code >> 4 & 7, (code & 15).astype(np.int32)
    size = ((2 * step + 33) << segment) - 33
    return np.where(code & 128, -size, size).astype(np.float32) * np.float32(4 / 32768)


def _alaw_table() -> Array:
    """The 256 values of A-law. Source: ITU-T G.711: even bits inverted; sign (1 is positive), segment, step."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    size = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return np.where(code & 128, size, -size).astype(np.float32) * np.float32(8 / 32768)


class RawReader:
    """Reads frames of a stated format from a source that may not seek, as soon as they come."""

    def __init__(self, file: BinaryIO | Replay, form: RawFormat, most_bytes: int | None = None) -> None:
        self._file, self._form, self._left = file, form, most_bytes
        self._rest = b""  # part of a frame, whose other part has not come yet
        self.rate_hz, self.channels = form.rate_hz, form.channels

    def read(self, frames: int) -> Array:
        """Up to `frames` frames as (n, channels) float32; none only at the end."""
        wanted = frames * self._form.frame_bytes
        while True:
            size = wanted - len(self._rest) if self._left is None else min(wanted - len(self._rest), self._left)
            part = read_some(self._file, size) if size else b""
            if self._left is not None:
                self._left -= len(part)
            data = self._rest + part
            whole = len(data) - len(data) % self._form.frame_bytes
            self._rest = data[whole:]
            if whole or not part:
                return self._form.decode(data[:whole])

    def complaint(self, frames: int) -> str:
        """What the end showed to be wrong; empty: nothing."""
        return f"ends with {len(self._rest)} bytes that make no whole sample" if self._rest else ""

    def close(self) -> None:
        """Nothing of its own is open."""
