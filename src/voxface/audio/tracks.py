"""The sound of containers through PyAV, read forward in blocks: M4A, MP4, MOV, WebM, Matroska, AAC, AVI, MPEG-TS.

PyAV is large and optional, so what libsndfile reads never comes here. Edit lists, the delay of the encoder and Opus
pre-skip are taken away by FFmpeg, which knows them from the container.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import numpy as np

from voxface.audio.container import Tally, audio_blocks, probe_audio, sound_length
from voxface.audio.reader import Guard, broken_text, cut_text
from voxface.audio.sniff import BARE_AAC
from voxface.errors import AudioFormatError, InputError, MissingDependencyError, VideoFormatError
from voxface.stream import Array

_CONVERT = "Convert it, for example: ffmpeg -i FILE sound.wav."
_SMALLEST_MISSING_S = 0.25  # less is rounding in the container


class _Named(Guard):
    """A guarded file that says its name, for messages."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__(file)
        self.name = name


class TrackReader:
    """Reads the frames of one sound track of a container.

    Args:
        file: seekable.
        name, kind: for messages, such as "a.m4a", "an MP4, M4A or MOV file".
        track: which sound track, counted from 0.
    Raises: AudioFormatError: it cannot be decoded, or has no such track. InputError: the file cannot be read.
    MissingDependencyError: PyAV is not installed.
    """

    def __init__(self, file: BinaryIO, name: str, kind: str, track: int = 0) -> None:
        self.name, self._kind, self._tally = name, kind, Tally()
        self._file = _Named(file, name)
        source = cast(BinaryIO, self._file)  # all of it that PyAV uses
        with self._told():
            found = probe_audio(source, track)
            if found is None:
                text = f"{name} holds no sound, or none that can be decoded."
                raise AudioFormatError(text, hint="Give a recording with sound.", source=name)
            self._length_s = sound_length(source, track)
            self._blocks = cast(Generator[Array, None, None], audio_blocks(source, track, self._tally))
            if kind == BARE_AAC:  # nothing but frames: no length, no delay
                self._length_s = None  # FFmpeg's guess from the bit rate
                next(self._blocks, None)  # half a transform without its neighbour, which is no sound
            self._rest = next(self._blocks, np.zeros((0, 1), np.float32))
        self.rate_hz, self.channels = found[0], self._rest.shape[1]

    @property
    def frames(self) -> int | None:
        """How many frames the container says there are, roughly; None: it does not say."""
        return max(round((self._length_s or 0.0) * self.rate_hz), 0) or None

    def read(self, frames: int) -> Array:
        """Up to `frames` frames as (n, channels) float32; none only at the end."""
        parts, count = [self._rest], len(self._rest)
        with self._told():
            while count < frames and (block := next(self._blocks, None)) is not None:
                parts.append(block)
                count += len(block)
        heard = np.concatenate(parts)
        self._rest = heard[frames:]
        return heard[:frames]

    def complaint(self, frames: int) -> str:
        """What the end showed to be wrong with the recording, after so many frames; empty: nothing."""
        has_s = frames / self.rate_hz
        if self._length_s and has_s < self._length_s - _SMALLEST_MISSING_S:
            return cut_text(has_s, self._length_s)
        if self._tally.ended_early:
            return broken_text(has_s)
        broken = self._tally.broken_packets
        return f"has {broken} broken packets of sound, which are left out" if broken else ""

    def close(self) -> None:
        self._blocks.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of videos become errors of sound."""
        try:
            yield
        except VideoFormatError as error:
            self._refuse_broken_file()
            raise AudioFormatError(error.message, hint=_CONVERT, source=self.name) from error
        except MissingDependencyError as error:
            text = f"{self.name} is {self._kind}; reading it needs PyAV, which is not installed."
            hint = "pip install 'voxface[av]', or convert it: ffmpeg -i FILE sound.wav."
            raise MissingDependencyError(text, hint=hint, source=self.name) from error
        self._refuse_broken_file()

    def _refuse_broken_file(self) -> None:
        if self._file.problem:
            raise InputError(f"cannot read {self.name}: {self._file.problem}.", source=self.name)
