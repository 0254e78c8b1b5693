"""Samples without a header, and sound that comes through a pipe."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
import soundfile

from tests.faults import audio_cases as cases
from voxface.audio.decode import RawFormat, open_audio, read_audio
from voxface.errors import AudioTruncatedError, InputWarning, UsageError


@pytest.mark.parametrize(
    ("encoding", "dtype", "scale", "offset"),
    [
        ("u8", "u1", 127, 128), ("s8", "i1", 127, 0), ("s16le", "<i2", 32767, 0), ("s16be", ">i2", 32767, 0),
        ("s32le", "<i4", 2**31 - 1, 0), ("s32be", ">i4", 2**31 - 1, 0), ("f32le", "<f4", 1, 0), ("f32be", ">f4", 1, 0),
        ("f64le", "<f8", 1, 0), ("f64be", ">f8", 1, 0),
    ],
)  # fmt: skip
def test_raw_samples_of_every_encoding(encoding: str, dtype: str, scale: float, offset: float) -> None:
    """Headerless numbers of a stated kind give the sound within their precision."""
    original = cases.speech_like().astype(np.float64)
    values = original * scale + offset
    data = (values if dtype[-2] == "f" else np.round(values)).astype(dtype).tobytes()
    samples, rate = read_audio(cases.pipe(data), raw=RawFormat.parse(f"{encoding}:16000:1"))
    assert rate == 16_000
    np.testing.assert_allclose(samples, original, atol=(1.2 / scale if scale > 1 else 0) + 1e-7)


@pytest.mark.parametrize(("encoding", "subtype"), [("mulaw", "ULAW"), ("alaw", "ALAW"), ("s24be", "PCM_24")])
def test_raw_codes_agree_with_libsndfile(encoding: str, subtype: str) -> None:
    """Our tables for mu-law, A-law and 24 bits are those of an independent decoder, for every code."""
    codes = bytes(range(256)) if encoding.endswith("law") else np.random.default_rng(1).bytes(3000)
    theirs, _ = soundfile.read(
        io.BytesIO(codes), dtype="float32", format="RAW", subtype=subtype, samplerate=8000, channels=1, endian="BIG"
    )
    ours, _ = read_audio(codes, raw=RawFormat.parse(f"{encoding}:8000:1"))
    np.testing.assert_allclose(ours, theirs, atol=1e-7)


@pytest.mark.parametrize(
    "text", ["", "s16", "s16le:0:1", "s16le:16000:0", "s16le:x:1", "s16le:16000:1:2", "s16le:-4:1"]
)
def test_a_wrong_raw_format_is_a_wrong_call(text: str) -> None:
    """A raw format that cannot be is refused before anything is read."""
    with pytest.raises(UsageError):
        RawFormat.parse(text)


def test_raw_samples_that_end_inside_a_sample() -> None:
    """A29: an odd byte at the end is dropped with a warning; with strict it is an error."""
    data = cases.pcm16(cases.speech_like()) + b"\x01"
    with pytest.warns(InputWarning, match="W-TRUNCATED"):
        samples, _ = read_audio(cases.pipe(data), raw=RawFormat("s16le"))
    assert len(samples) == 16_000
    with pytest.raises(AudioTruncatedError):
        read_audio(cases.pipe(data), raw=RawFormat("s16le"), strict=True)


@pytest.mark.parametrize("header", [b"", cases.wav(np.zeros(1, np.float32), data_size=0xFFFFFFFF)[:44]])
def test_a_pipe_is_read_as_it_comes(header: bytes) -> None:
    """WAV and raw samples give the sound that was written before the writer has finished."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb", buffering=0) as writer:
        writer.write(header + cases.pcm16(cases.speech_like()[:1600]))
        audio = open_audio(reader, raw=None if header else RawFormat("s16le"))
        blocks = audio.blocks()
        assert len(next(blocks)) == 1600
        writer.write(cases.pcm16(cases.speech_like()[:801]))
        writer.close()
        assert sum(map(len, blocks)) == 801


def test_bytes_behind_the_sound_of_a_piped_wav_are_no_sound() -> None:
    """A29: garbage or notes after the data chunk are not read as samples."""
    samples, _ = read_audio(cases.pipe(cases.wav() + cases.chunk(b"LIST", bytes(5000))))
    assert len(samples) == 16_000
