"""Sound files that are broken or odd, as bytes (faults.md section 4, A1-A25). One small function each."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile

Samples = np.ndarray[Any, np.dtype[Any]]

RATE = 16_000


def speech_like(seconds: float = 1.0, rate: int = RATE) -> Samples:
    """(n,) float32: a buzz that opens and closes three times a second, peak about 0.5."""
    t = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 12))
    return (0.25 * buzz * (0.55 - 0.45 * np.cos(2 * np.pi * 3 * t))).astype(np.float32)


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def fmt(tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16) -> bytes:
    block = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, min(rate * block, 2**32 - 1), block % 65536, bits)


def riff(*chunks: bytes, size: int | None = None, name: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return name + struct.pack("<I", len(body) if size is None else size) + body


def pcm16(samples: Samples) -> bytes:
    return np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def wav(
    samples: Samples | None = None, *, data_size: int | None = None, riff_size: int | None = None, **form: int
) -> bytes:
    """A 16-bit WAV whose header may lie. (n,) or (n, channels) samples."""
    samples = speech_like() if samples is None else samples
    form = {"channels": 1 if samples.ndim == 1 else samples.shape[1]} | form
    return riff(chunk(b"fmt ", fmt(**form)), chunk(b"data", pcm16(samples), data_size), size=riff_size)


def float_wav(samples: Samples) -> bytes:
    """A float32 or float64 WAV, after the kind of the array."""
    bits = samples.itemsize * 8
    return riff(chunk(b"fmt ", fmt(tag=3, bits=bits)), chunk(b"data", samples.astype(f"<f{bits // 8}").tobytes()))


def encoded(format: str, subtype: str | None = None, samples: Samples | None = None, rate: int = RATE) -> bytes:
    """The samples in any format that libsndfile writes."""
    file = io.BytesIO()
    soundfile.write(file, speech_like(rate=rate) if samples is None else samples, rate, format=format, subtype=subtype)
    return file.getvalue()


def spoiled(values: dict[int, float], kind: type = np.float32) -> bytes:
    """One second of float speech with some samples replaced."""
    samples = speech_like().astype(kind)
    for at, value in values.items():
        samples[at] = value
    return float_wav(samples)


def streamed_flac() -> bytes:
    """A FLAC whose encoder wrote into a pipe: it says 0 samples, which means unknown."""
    data = bytearray(encoded("FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def png() -> bytes:
    def part(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = part(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(b"\0\0")) + part(b"IEND", b"")


def noise_bytes() -> bytes:
    return bytes(np.random.default_rng(3).integers(0, 256, 4096, dtype=np.uint8))


class Pipe(io.RawIOBase):
    """Bytes that come once, in order, in small pieces."""

    def __init__(self, data: bytes, piece: int = 997) -> None:
        self.rest, self.piece = io.BytesIO(data), piece

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        part = self.rest.read(min(len(buffer), self.piece))
        buffer[: len(part)] = part
        return len(part)


def pipe(data: bytes, piece: int = 997) -> io.BufferedReader:
    return io.BufferedReader(Pipe(data, piece))


NOT_SOUND: dict[str, tuple[Callable[[], bytes], str]] = {
    "A1-zero-bytes": (lambda: b"", "0 bytes"),
    "A2-random": (noise_bytes, "no known sound format"),
    "A2-text": (lambda: b"Dear diary, today I renamed a letter to .wav.\n", "a text file"),
    "A2-png": (png, "a PNG picture"),
    "A2-pdf": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    "A2-zip": (lambda: b"PK\x03\x04" + bytes(60), "a ZIP archive"),
    "A3-cut-header": (lambda: wav()[:30], "ends inside its"),
    "A3-cut-riff": (lambda: wav()[:10], "ends inside its header"),
    "A3-list-of-4-gb": (lambda: riff(chunk(b"LIST", b"abcd", 2**32 - 1)), "claims"),
    "A17-0-channels": (lambda: wav(channels=0), "0 channels"),
    "A17-65535-channels": (lambda: wav(channels=65535), "65,535 channels"),
    "A17-rate-0": (lambda: wav(rate=0), "0 samples a second"),
    "A17-rate-huge": (lambda: wav(rate=2**32 - 1), "4,294,967,295 samples a second"),
    "A17-rate-low": (lambda: wav(rate=3_999), "3,999 samples a second"),
    "A17-bits-0": (lambda: wav(bits=0), "0 bits"),
    "A25-hls": (lambda: b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n", "an HLS playlist"),
    "A25-ffconcat": (lambda: b"ffconcat version 1.0\nfile other.wav\n", "an ffconcat script"),
    "A25-dash": (
        lambda: b'<?xml version="1.0"?>\n<MPD><BaseURL>http://127.0.0.1:9/</BaseURL></MPD>',
        "a DASH manifest",
    ),
    "A25-sdp": (lambda: b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n", "an SDP description"),
}
"""Case -> (bytes, what the message must say). All of them are E-AUDIO-FORMAT."""

ODD_BUT_SOUND: dict[str, Callable[[], bytes]] = {
    "A6-data-size-unknown": lambda: wav(data_size=0xFFFFFFFF, riff_size=0xFFFFFFFF),
    "A6-riff-size-0": lambda: wav(riff_size=0),
    "A8-1-sample": lambda: wav(speech_like()[:1]),
    "A8-1-ms": lambda: wav(speech_like()[:16]),
    "A10-square": lambda: float_wav(np.sign(speech_like() + 1e-9).astype(np.float32)),
    "A11-dc": lambda: float_wav(speech_like() * 0.1 + np.float32(0.9)),
    "A11-loud": lambda: float_wav(speech_like() * 200),
    "A12-denormals": lambda: float_wav(np.full(RATE, 1e-40, np.float32)),
    "A14-streamed-flac": streamed_flac,
}
"""Case -> bytes that give sound without a warning."""

MENDED: dict[str, tuple[Callable[[], bytes], str]] = {
    "A4-cut-data": (lambda: wav()[: 44 + 19_956], "W-TRUNCATED"),
    "A4-cut-flac": (lambda: encoded("FLAC", samples=speech_like(4))[:20_000], "W-TRUNCATED"),
    "A4-cut-rf64": (lambda: encoded("RF64")[:16_000], "W-TRUNCATED"),
    "A5-data-size-0": (lambda: wav(data_size=0), "W-TRUNCATED"),
    "A12-nan-inf-1e30": (lambda: spoiled({10: np.nan, 20: np.inf, 30: -np.inf, 40: 1e30}), "W-NONFINITE"),
    "A13-float64-1e300": (lambda: spoiled({10: 1e300, 11: -1e300}, np.float64), "W-NONFINITE"),
    "A16-inverted-copy": (lambda: wav(np.stack([speech_like(), -speech_like()], axis=1)), "W-CHANNELS-CANCEL"),
}
"""Case -> (bytes, the one warning they give)."""

EMPTY: dict[str, Callable[[], bytes]] = {
    "A7-no-samples": lambda: wav(np.zeros(0, np.float32)),
    "A7-no-samples-but-notes": lambda: riff(chunk(b"fmt ", fmt()), chunk(b"data", b""), chunk(b"LIST", b"INFO" * 9)),
    "A7-flac-without-frames": lambda: streamed_flac()[:42],
}
"""Case -> bytes without one sample: E-AUDIO-EMPTY."""

ENCODINGS: dict[str, tuple[str, str, float]] = {
    "u8": ("WAV", "PCM_U8", 0.01), "s16": ("WAV", "PCM_16", 1e-4), "s24": ("WAV", "PCM_24", 1e-6),
    "s32": ("WAV", "PCM_32", 1e-6), "f32": ("WAV", "FLOAT", 0), "f64": ("WAV", "DOUBLE", 0),
    "extensible": ("WAVEX", "PCM_16", 1e-4), "mu-law": ("WAV", "ULAW", 0.02), "A-law": ("WAV", "ALAW", 0.02),
    "ima-adpcm": ("WAV", "IMA_ADPCM", 0.05), "ms-adpcm": ("WAV", "MS_ADPCM", 0.05), "rf64": ("RF64", "PCM_16", 1e-4),
    "w64": ("W64", "PCM_16", 1e-4), "aiff": ("AIFF", "PCM_16", 1e-4), "aiff-float": ("AIFF", "FLOAT", 0),
    "caf": ("CAF", "PCM_16", 1e-4), "au": ("AU", "PCM_16", 1e-4), "flac": ("FLAC", "PCM_16", 1e-4),
    "flac24": ("FLAC", "PCM_24", 1e-6), "vorbis": ("OGG", "VORBIS", 0.1), "opus": ("OGG", "OPUS", 0.1),
    "mp3": ("MP3", "MPEG_LAYER_III", 0.1),
}  # fmt: skip
"""Name -> (container, encoding, largest difference from the original)."""
