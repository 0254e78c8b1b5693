"""Bytes, files or samples to the features of System B, as its family names and makes them (neurosync.md N4)."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import numpy as np

from voxface.audio.decode import RawFormat, open_audio
from voxface.audio.features import FEATURES, FeatureSpec
from voxface.audio.handle import open_handle, read_exactly
from voxface.audio.mix import mono_blocks
from voxface.audio.resampled import Resampled
from voxface.audio.sniff import HEAD_BYTES, UNKNOWN, what_is
from voxface.errors import AudioEmptyError, AudioFormatError, AudioTruncatedError, InputError, UsageError
from voxface.stream import Array

Sound = bytes | str | Path | BinaryIO | Array
WIDTH = 78
"""Numbers a frame of the shipped model, `neurosync-small`."""


def extract_audio_features(
    source: Sound,
    *,
    sample_rate: int | None = None,
    width: int | None = None,
    raw_pcm: str | RawFormat | None = None,
    feature: FeatureSpec | None = None,
    max_duration_s: float | None = None,
) -> Array:
    """Features of a whole recording, 60 rows a second; it cannot stream.

    Args:
        source: a sound file, as bytes, by its path or open; or samples: (n,) or (n, channels) floats in [-1, 1] or
            integers.
        sample_rate: in Hz. Samples need it; a sound file knows its own; bytes that are no known sound are taken, with
            it, as 16-bit mono samples at this rate.
        width: numbers a row: 78 (the default), or 79, 69, 256 as older and newer models take them.
        raw_pcm: what bytes are if they are no known sound, such as "s16le:22050:1", the guess of the original. Such
            samples keep their loudness; all others are scaled to a peak of 1, as in the original.
        feature: in place of width, exactly what a bundle takes: `load_bundle(...).feature`.
        max_duration_s: a longer recording is an error.
    Returns: (frames, width) float32; frames = ceil((1 + n // 735) / 2) for n samples at 88.2 kHz.
    Raises: VoxfaceError: no sound, too short (83 ms are needed), too long, or arguments that contradict each other.
    """
    feature = _feature(feature, width)
    if isinstance(source, np.ndarray):
        blocks, rate_hz, raw = _of_array(source, sample_rate)
    else:
        file = Path(source) if isinstance(source, str) else source
        blocks, rate_hz, raw = _decoded(file, sample_rate, raw_pcm, max_duration_s)
    return feature.whole(Resampled(blocks, rate_hz, feature.sample_rate_hz), normalise=not raw)


def _feature(feature: FeatureSpec | None, width: int | None) -> FeatureSpec:
    widths = FEATURES["mfcc"].widths if feature is None else (feature.rows,)
    if width is not None and width not in widths:
        raise UsageError(f"width is one of {', '.join(map(str, widths))}; got {width}.")
    return feature or FeatureSpec("mfcc", width or WIDTH)


def _decoded(
    source: bytes | Path | BinaryIO,
    sample_rate: int | None,
    raw_pcm: str | RawFormat | None,
    max_duration_s: float | None,
) -> tuple[list[Array], int, bool]:
    """Blocks of (n,) samples, their rate, and whether they were bare."""
    if raw_pcm is None and sample_rate is not None:
        raw_pcm = RawFormat("s16le", sample_rate)
    form = RawFormat.parse(raw_pcm) if isinstance(raw_pcm, str) else raw_pcm
    raw = _bare(source, form)
    with open_audio(source, raw=raw, max_duration_s=max_duration_s) as audio:
        if sample_rate not in (None, audio.rate_hz):
            raise UsageError(f"{audio.name} has {audio.rate_hz} samples a second; sample_rate says {sample_rate}.")
        return list(audio.blocks()), audio.rate_hz, raw is not None


def _bare(source: bytes | Path | BinaryIO, form: RawFormat | None) -> RawFormat | None:
    """How to read what is no known sound; None for what is one, and for what is known to be something else.

    Raises: AudioFormatError: no known sound, and nothing says what it is. AudioTruncatedError: no whole samples.
        InputError: nothing that can be read, or not twice.
    """
    with closing(open_handle(source)) as handle:
        if not handle.seekable:
            raise InputError(f"{handle.name} can be read only once.", hint="Give its bytes: file.read().")
        kind = what_is(read_exactly(handle.file, HEAD_BYTES))
        size, name = handle.file.seek(0, io.SEEK_END), handle.name
    if kind is not UNKNOWN or not size:
        return None
    if form is None:
        hint = "If these are bare samples, say how they are written: raw_pcm='s16le:22050:1' (--raw-pcm s16le:22050:1)."
        raise AudioFormatError(f"{name}: {size:,} bytes {kind.name}.", hint=hint, source=name)
    if size % form.frame_bytes:
        raise AudioTruncatedError(
            f"{name}: {size:,} bytes make no whole number of samples of {form.frame_bytes} bytes.",
            hint="Send all of them, or another --raw-pcm.",
            source=name,
        )
    return form


def _of_array(samples: Array, sample_rate: int | None) -> tuple[list[Array], int, bool]:
    """As _decoded, of an array; its channels are mixed, and what is no number is mended, as in files."""
    if sample_rate is None:
        raise UsageError("an array of samples needs its rate: sample_rate=16000.")
    blocks = list(mono_blocks(samples, sample_rate))
    if not blocks:
        raise AudioEmptyError("the array has 0 samples.", hint="Give a recording with sound in it.")
    return blocks, sample_rate, False
