"""Speech in, a face clip out: the short way in, for files, bytes and arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from voxface.audio.decode import AudioSource, RawFormat, open_audio
from voxface.bundle import Bundle, load_bundle
from voxface.errors import AudioEmptyError, AudioFormatError, UsageError
from voxface.face.clip import FaceClip
from voxface.runtime.animator import Animator
from voxface.runtime.polish import Polish
from voxface.runtime.session import Session
from voxface.stream import Array

DEFAULT_BUNDLE = "default"


def animate(
    source: str | Path | bytes | BinaryIO | Array,
    rate_hz: int | None = None,
    *,
    fps: float = 60.0,
    bundle: str | Path | Bundle = DEFAULT_BUNDLE,
    channel: str = "mix",
    raw: RawFormat | None = None,
    polish: Polish | None = None,
    threads: int | None = None,
) -> FaceClip:
    """Animate speech.

    Args:
        source: a file (name, bytes or open), or samples: (n,) or (n, channels) float in [-1, 1], or int16 or int32.
        rate_hz: of an array of samples; a file knows its own.
        fps: frames a second of the clip.
        bundle: a shipped name, a path, or an opened bundle.
        channel: "mix", or which channel to take: "1", "2", ...
        raw: what the bytes are, where they are bare samples.
        polish: gains and offsets after the model.
        threads: for the net; default min(cores, 4).
    Returns: a clip over the 52 ARKit channels with head pose; frame k at k / fps seconds, k / fps < duration.
    Raises: VoxfaceError: the source is no sound, or empty; the bundle cannot be used.
    """
    session_of = _session_maker(bundle, fps, polish, threads)
    if isinstance(source, np.ndarray):
        samples = _mono(source, channel)
        if rate_hz is None:
            raise UsageError("an array of samples needs its rate: animate(samples, 16000).")
        return join(list(_frames(session_of(rate_hz), iter([samples]))))
    if rate_hz is not None:
        raise UsageError("a file knows its own rate; rate_hz is for arrays of samples. For bare samples use raw=.")
    with open_audio(source, channel=channel, raw=raw) as audio:
        return join(list(animate_blocks(audio, session_of(audio.rate_hz))))


def animate_blocks(audio: AudioSource, session: Session, block: int = 1 << 16) -> Iterator[FaceClip]:
    """The frames of a source, block by block, in constant memory. Raises: AudioEmptyError: it has no samples."""
    return _frames(session, audio.blocks(block), audio.name)


def _frames(session: Session, blocks: Iterator[Array], name: str = "the array") -> Iterator[FaceClip]:
    state = session.start()
    for samples in blocks:
        state, clip = session.step(state, samples)
        if len(clip):
            yield clip
    if not state.heard:
        raise AudioEmptyError(f"{name} has 0 samples.", hint="Give a recording with sound in it.", source=name)
    yield session.finish(state)


def join(clips: list[FaceClip]) -> FaceClip:
    """Clips that follow each other on one grid, as one."""
    first = clips[0]
    heads = [clip.head for clip in clips if clip.head is not None]
    return FaceClip(
        weights=np.concatenate([clip.weights for clip in clips]),
        channels=first.channels,
        fps=first.fps,
        start_s=first.start_s,
        head=np.concatenate(heads) if len(heads) == len(clips) else None,
        observed=first.observed,
    )


def offline_threads() -> int:
    """Threads for a whole recording: the cores this process may use, at most 4."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 4)


@lru_cache(maxsize=4)
def open_animator(bundle: str | Path | Bundle, threads: int) -> Animator:
    """An opened bundle, kept for the next call in this process; it holds no stream's state."""
    return Animator(bundle if isinstance(bundle, Bundle) else load_bundle(bundle), threads)


def _session_maker(bundle: str | Path | Bundle, fps: float, polish: Polish | None, threads: int | None) -> Any:
    animator = open_animator(bundle, threads or offline_threads())
    return lambda rate_hz: Session(animator, rate_hz, fps, polish)


def _mono(samples: Array, channel: str) -> Array:
    """(n,) float32 samples in [-1, 1] from an array of floats or integers, one or many channels."""
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi":
        raise AudioFormatError(
            f"samples must be (n,) or (n, channels) floats or integers; got {samples.dtype} {samples.shape}."
        )
    scale = float(np.iinfo(samples.dtype).max) + 1 if samples.dtype.kind == "i" else 1.0
    values = samples.astype(np.float32) / np.float32(scale)
    if values.ndim == 2:
        if channel != "mix" and not (channel.isdigit() and 1 <= int(channel) <= values.shape[1]):
            raise UsageError(f"channel {channel!r} of samples with {values.shape[1]} channels.")
        values = values.mean(axis=1) if channel == "mix" else values[:, int(channel) - 1]
    finite: Array = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return finite
