"""Sound files through libsndfile, read forward in blocks."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import soundfile

from voxface.audio.mpeg import missing_tag
from voxface.errors import AudioFormatError, InputError
from voxface.stream import Array

_FLAC_BLOCK = 4096  # frames: a broken FLAC loses at most the read in which it breaks
_UNKNOWN = 1 << 62  # libsndfile says 2^63 - 1 frames where a stream does not know its length


def cut_text(has_s: float, should_s: float) -> str:
    """What is wrong with a recording that ends before its header says."""
    return f"is cut: {has_s:.2f} s of sound, but its header says {should_s:.2f} s"


def broken_text(has_s: float) -> str:
    """What is wrong with a recording whose rest cannot be decoded."""
    return f"cannot be decoded beyond {has_s:.2f} s"


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is only read on. Seeking after every read, as soundfile does, breaks streamed FLAC and MP3."""

    def seekable(self) -> bool:
        return False


class Guard:
    """The file as a decoder may see it: without its name, and with errors kept for us instead of printed.

    `front` is put in front of the bytes from `start` to `end` (default: the end of the file).
    """

    def __init__(self, file: BinaryIO, front: bytes = b"", start: int = 0, end: int | None = None) -> None:
        self.problem = ""
        self._file, self._front, self._start, self._at = file, front, start, 0
        self._size = len(front) + max((file.seek(0, 2) if end is None else end) - start, 0)

    def read(self, size: int = -1) -> bytes:
        left = max(self._size - self._at, 0)
        size = left if size < 0 else min(size, left)
        part = self._front[self._at : self._at + size]
        try:
            if len(part) < size:
                self._file.seek(self._start + self._at + len(part) - len(self._front))
                part += self._file.read(size - len(part)) or b""
        except (OSError, ValueError) as error:
            self.problem = str(error)
        self._at += len(part)
        return part

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(offset + (0, self._at, self._size)[whence], 0)
        return self._at

    def tell(self) -> int:
        return self._at


class SoundReader:
    """Reads frames of a sound file; knows how many there should be where the format says so.

    Args:
        file: seekable, of a format that is known to be sound.
        name, kind: for messages, such as "a.flac", "FLAC".
        part: (start, end) bytes of the file, where it holds more than one recording.
    Raises: AudioFormatError: libsndfile cannot read it. InputError: the file itself cannot be read.
    """

    def __init__(self, file: BinaryIO, name: str, kind: str, part: tuple[int, int] = (0, 0)) -> None:
        self.name, self.kind = name, kind
        tag = missing_tag(file) if kind == "MP3" else None
        self._guard = Guard(file, *tag) if tag else Guard(file, start=part[0], end=part[1] or None)
        self._knows_length = tag is None
        try:
            self._sound = _Forward(self._guard)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            self._refuse_broken_file()
            reason = str(getattr(error, "error_string", error)).rstrip(".")
            says = f"{name} begins like {kind} but cannot be decoded: {reason}."
            raise AudioFormatError(says, hint="Export it again.", source=name) from error
        self.rate_hz, self.channels = int(self._sound.samplerate), int(self._sound.channels)
        self._broken = False

    @property
    def frames(self) -> int | None:
        """How many frames there should be; None: not known before the end."""
        frames = int(self._sound.frames)
        return frames if self._knows_length and frames < _UNKNOWN else None

    def read(self, frames: int) -> Array:
        """Up to `frames` frames as (n, channels) float32; none only at the end, or where the file is broken."""
        most = min(frames, _FLAC_BLOCK) if self.kind == "FLAC" else frames
        parts, count = [], 0
        while count < frames and not self._broken:
            part = self._read_part(min(most, frames - count))
            parts.append(part)
            count += len(part)
            if not len(part):
                break
        return parts[0] if len(parts) == 1 else np.concatenate(parts or [self._nothing()])

    def complaint(self, frames: int) -> str:
        """What the end showed to be wrong with the recording, after so many frames; empty: nothing."""
        return broken_text(frames / self.rate_hz) if self._broken else ""

    def close(self) -> None:
        self._sound.close()

    def _read_part(self, frames: int) -> Array:
        try:
            part: Array = self._sound.read(frames, dtype="float32", always_2d=True)
        except soundfile.SoundFileError:
            self._broken = True
            part = self._nothing()
        self._refuse_broken_file()
        return part

    def _nothing(self) -> Array:
        return np.zeros((0, self.channels), np.float32)

    def _refuse_broken_file(self) -> None:
        if self._guard.problem:
            raise InputError(f"cannot read {self.name}: {self._guard.problem}.", source=self.name)
