"""Speech in, a face clip out: the short way in, for files, bytes and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from voxface.audio.decode import AudioSource, RawFormat, open_audio
from voxface.audio.mix import mono_blocks
from voxface.bundle import Bundle, as_bundle
from voxface.errors import AudioEmptyError, UsageError
from voxface.face.clip import FaceClip
from voxface.runtime.animator import Animator
from voxface.runtime.emotion_input import wanted
from voxface.runtime.feeling import Feeling
from voxface.runtime.idle import Idle
from voxface.runtime.polish import Polish
from voxface.runtime.session import Session
from voxface.runtime.threads import offline_threads
from voxface.runtime.whole_session import WholeSession
from voxface.runtime.window_net import WindowNet
from voxface.stream import Array

DEFAULT_BUNDLE = "default"
_IDLE, _HEARD = Idle(), Feeling()


def animate(
    source: str | Path | bytes | BinaryIO | Array,
    rate_hz: int | None = None,
    *,
    fps: float = 60.0,
    bundle: str | Path | Bundle = DEFAULT_BUNDLE,
    channel: str = "mix",
    audio_track: int = 0,
    raw: RawFormat | None = None,
    polish: Polish | None = None,
    idle: Idle | None = _IDLE,
    emotion: Feeling | Mapping[str, float] | str | Path | None = _HEARD,
    threads: int | None = None,
) -> FaceClip:
    """Animate speech.

    Args:
        source: a file (name, bytes or open), or samples: (n,) or (n, channels) float in [-1, 1], or int16 or int32.
        rate_hz: of an array of samples; a file knows its own.
        fps: frames a second of the clip.
        bundle: a shipped name, a path, or an opened bundle; a windowed one hears the recording as a whole.
        channel: "mix", or which channel to take: "1", "2", ...
        audio_track: which sound track of a video, counted from 0.
        raw: what the bytes are, where they are bare samples.
        polish: gains and offsets after the model.
        idle: how what the bundle does not drive (eyes, brows, head) moves by itself; None: not at all.
        emotion: which emotion shows. As is heard; or what is wanted instead, {"happy": 0.6}, "happy=0.6" or the name of
            a track (emotion_input.wanted); or a Feeling, which says more; None: none.
        threads: for the net; default min(cores, 4).
    Returns: a clip over the 52 ARKit channels, with emotions unless there are none, with head pose if the bundle or
        idle motion gives one; frame k at k / fps seconds, k / fps < duration.
    Raises: VoxfaceError: the source is no sound, or empty; the bundle cannot be used.
    """
    feeling = emotion if isinstance(emotion, Feeling) or emotion is None else Feeling(wanted=wanted(emotion))

    def session_of(rate: int) -> Session | WholeSession:
        return open_session(bundle, rate, fps, polish, idle, feeling, threads=threads or offline_threads())

    if isinstance(source, np.ndarray):
        if rate_hz is None:
            raise UsageError("an array of samples needs its rate: animate(samples, 16000).")
        return join(list(_frames(session_of(rate_hz), mono_blocks(source, rate_hz, channel))))
    if rate_hz is not None:
        raise UsageError("a file knows its own rate; rate_hz is for arrays of samples. For bare samples use raw=.")
    with open_audio(source, channel=channel, audio_track=audio_track, raw=raw) as audio:
        return join(list(animate_blocks(audio, session_of(audio.rate_hz))))


def animate_blocks(audio: AudioSource, session: Session | WholeSession, block: int = 1 << 16) -> Iterator[FaceClip]:
    """The frames of a source, block by block, in constant memory; a WholeSession gives all of them at the end.

    Raises: AudioEmptyError: it has no samples.
    """
    return _frames(session, audio.blocks(block), audio.name)


def _frames(session: Session | WholeSession, blocks: Iterator[Array], name: str = "the array") -> Iterator[FaceClip]:
    state: Any = session.start()
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
    emotions = [clip.emotion for clip in clips if clip.emotion is not None]
    return FaceClip(
        weights=np.concatenate([clip.weights for clip in clips]),
        channels=first.channels,
        fps=first.fps,
        start_s=first.start_s,
        head=np.concatenate(heads) if len(heads) == len(clips) else None,
        emotion=np.concatenate(emotions) if len(emotions) == len(clips) else None,
        observed=first.observed,
    )


def open_session(
    bundle: str | Path | Bundle,
    rate_hz: int,
    fps: float = 60.0,
    polish: Polish | None = None,
    idle: Idle | None = _IDLE,
    feeling: Feeling | None = _HEARD,
    *,
    threads: int = 1,
) -> Session | WholeSession:
    """The way from samples to frames that a bundle needs: as a stream, or, for a windowed one, the whole at its end.

    Args: as `animate`, and Session. Raises: VoxfaceError: the bundle cannot be used, or gives no face.
    """
    opened = _opened(as_bundle(bundle), threads)
    if isinstance(opened, WindowNet):
        return WholeSession(opened, rate_hz, fps, polish, idle, feeling)
    return Session(opened, rate_hz, fps, polish, idle, feeling)


def open_animator(bundle: str | Path | Bundle, threads: int) -> Animator:
    """An opened bundle, kept for the next call in this process; it holds no stream's state.

    Raises: UsageError: a windowed bundle, which cannot stream. VoxfaceError: the bundle cannot be used.
    """
    opened = _opened(as_bundle(bundle), threads)
    return opened if isinstance(opened, Animator) else Animator(opened.bundle)


@lru_cache(maxsize=4)
def _opened(bundle: Bundle, threads: int) -> Animator | WindowNet:
    return WindowNet(bundle, threads) if bundle.window else Animator(bundle, threads)
