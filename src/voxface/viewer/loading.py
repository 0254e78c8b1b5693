"""Files to what the page shows: a sound is decoded and animated in one pass, a clip is read and looked at."""

from __future__ import annotations

import warnings
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from voxface.audio.decode import AudioSource, open_audio
from voxface.errors import InputWarning, some_of
from voxface.export.formats import read
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, canonical_name
from voxface.stream import Array
from voxface.timebase import clock_text, frame_time_s

MOST_FRAMES = 216_000
"""Frames of a clip that reach the page: an hour at 60 frames a second, 45 MB. The rest is left out, with a note."""

MOST_SOUND_S = 3600.0
"""Longer sounds are refused: the page would hold them all."""

WAV_HEADER_BYTES = 44
"""What the module `wave` writes before the samples."""


def animate_sound(
    source: Path, name: str, wav: Path, *, bundle: str, fps: float, gains: str | None, heard: Callable[[float], None]
) -> tuple[FaceClip, list[str]]:
    """Animate a sound or video, and write what is heard to `wav` (mono, 16 bit) while it passes.

    Args:
        gains: TOML whose table [idle] counts here; its gains and offsets are for the page, which can change them.
        heard: told how many seconds are done, now and then.
    Returns: the clip as the page can hold it, and sentences about what is odd in it.
    Raises: VoxfaceError: no sound that can be read, longer than MOST_SOUND_S, or no such bundle.
    """
    from voxface.runtime.animate import join, open_session
    from voxface.runtime.idle import load_idle
    from voxface.runtime.threads import offline_threads

    idle = load_idle(gains)
    with _noting(source, name) as notes, open_audio(source, max_duration_s=MOST_SOUND_S) as audio:
        session = open_session(bundle, audio.rate_hz, fps, idle=idle, threads=offline_threads())
        state: Any = session.start()
        clips = []
        for samples in _recorded(audio, wav):
            state, clip = session.step(state, samples)
            clips.append(clip)
            heard(state.heard / audio.rate_hz)
        clips.append(session.finish(state))
    clip, odd = _fitting(join(clips), name)
    return clip, notes + odd


def copy_sound(source: Path, name: str, wav: Path) -> list[str]:
    """Decode a sound or the sound of a video to `wav`; what is odd in it. Raises: VoxfaceError: as `animate_sound`."""
    with _noting(source, name) as notes, open_audio(source, max_duration_s=MOST_SOUND_S) as audio:
        for _ in _recorded(audio, wav):
            pass
    return notes


def samples_of(wav: Path) -> tuple[Array, int]:
    """(n,) int16 samples of a file that this module wrote, mapped, and their rate in Hz."""
    with wave.open(str(wav)) as file:
        rate_hz, count = file.getframerate(), file.getnframes()
    return np.memmap(wav, "<i2", "r", WAV_HEADER_BYTES, (count,)), rate_hz


def _recorded(audio: AudioSource, wav: Path) -> Iterator[Array]:
    """The blocks of a sound; each is written on its way. A second at a time, so that progress can be told."""
    with wave.open(str(wav), "wb") as file:
        file.setparams((1, 2, audio.rate_hz, 0, "NONE", ""))
        for samples in audio.blocks(audio.rate_hz):
            file.writeframesraw((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
            yield samples


def read_clip(path: Path, name: str) -> tuple[FaceClip, list[str]]:
    """A clip of any format, its channels by their ARKit names where they mean one, and what is odd in it.

    Raises: VoxfaceError: no clip, or a damaged one.
    """
    with _noting(path, name) as notes:
        clip = read(path)
    clip, odd = _fitting(clip, name)
    return clip, notes + odd


def read_capture(path: Path, name: str, wav: Path) -> tuple[FaceClip, list[str], bool]:
    """A capture's face, what is odd in it, and whether it has a sound, which is then in `wav`.

    Raises: VoxfaceError: no capture, or a damaged one.
    """
    from voxface.capture.clip import capture_clip

    with _noting(path, name) as notes:
        clip, sound = capture_clip(path)
        if sound:
            with open_audio(sound) as audio:
                for _ in _recorded(audio, wav):
                    pass
    clip, odd = _fitting(clip, name)
    return clip, notes + odd, sound is not None


def _fitting(clip: FaceClip, name: str) -> tuple[FaceClip, list[str]]:
    """The clip as the page can hold it, and sentences about what is odd in it."""
    names = tuple(canonical_name(channel) for channel in clip.channels)
    clip = replace(clip, channels=names) if len(set(names)) == len(names) else clip
    notes = [f"{name} has 0 frames: there is nothing to play."] if not len(clip) else []
    unknown = [channel for channel in clip.channels if channel not in ARKIT]
    if unknown:
        notes.append(f"{name} has channels that are not ARKit's and move nothing: {some_of(unknown, 6)}.")
    if unseen := int(len(clip) - clip.seen.sum()):
        notes.append(f"in {name} no face was seen in {unseen} of {len(clip)} frames.")
    if len(clip) > MOST_FRAMES:
        lasts, shown = (clock_text(frame_time_s(frames, clip.fps)) for frames in (len(clip), MOST_FRAMES))
        notes.append(f"{name} has {len(clip):,} frames ({lasts}); the first {MOST_FRAMES:,} ({shown}) are shown.")
        clip = _first_frames(clip, MOST_FRAMES)
    return clip, notes


def _first_frames(clip: FaceClip, frames: int) -> FaceClip:
    """A clip of its own memory, so that the rest can be forgotten."""
    head, emotion = (None if part is None else part[:frames].copy() for part in (clip.head, clip.emotion))
    return replace(
        clip, weights=clip.weights[:frames].copy(), head=head, emotion=emotion, seen=clip.seen[:frames].copy()
    )


@contextmanager
def _noting(path: Path, name: str) -> Iterator[list[str]]:
    """Warnings about mended input, known at the end, with the name that the file's owner gave it. Python holds one list
    of warnings, so only one thread at a time may do this."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        yield notes
    said = [one.message.message for one in caught if isinstance(one.message, InputWarning)]
    notes += [text.replace(str(path), name).removesuffix(" Say it with fps=.") for text in said]
