"""Sound in containers that libsndfile does not write, made by PyAV in memory, and how far two sounds are apart."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

Samples = np.ndarray


def encode(
    format: str,
    codec: str,
    *tracks: Samples,
    rate: int = 48_000,
    options: dict[str, str] | None = None,
    path: Path | None = None,
) -> bytes:
    """Each of the (n,) float32 tracks as a sound track of one container.

    format:  FFmpeg's name of the container, such as "ipod" (M4A), "webm", "adts" (bare AAC)
    options: of the container, such as {"movflags": "faststart"}, which needs a path to write to
    """
    file = io.BytesIO()
    with av.open(str(path) if path else file, "w", format=format, options=options or {}) as container:
        streams = [container.add_stream(codec, rate=rate, layout="mono") for _ in tracks]
        for stream, samples in zip(streams, tracks, strict=True):
            resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
            for frame in _frames(samples, rate):
                for fitting in resampler.resample(frame):
                    container.mux(stream.encode(fitting))
            for fitting in resampler.resample(None):
                container.mux(stream.encode(fitting))
            container.mux(stream.encode(None))
    return path.read_bytes() if path else file.getvalue()


def _frames(samples: Samples, rate: int) -> list[av.AudioFrame]:
    frames = []
    for at in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None, at : at + 1024]), "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), at
        frames.append(frame)
    return frames


def speech_and_noise(seconds: float, rate: int) -> Samples:
    """(n,) float32: a buzz that opens and closes, with noise that makes every moment of it unlike the others."""
    t = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 12))
    noise = np.convolve(np.random.default_rng(1).standard_normal(len(t)), np.ones(8) / 8, "same")
    return (0.2 * buzz * (0.55 - 0.45 * np.cos(2 * np.pi * 3 * t)) + 0.05 * noise).astype(np.float32)


def delay(original: Samples, heard: Samples) -> int:
    """How many samples later `heard` is than `original`, by their correlation."""
    size = 1 << int(np.ceil(np.log2(len(original) + len(heard))))
    both = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(original, size))
    at = int(np.argmax(np.fft.irfft(both, size)))
    return at - size if at > size // 2 else at
