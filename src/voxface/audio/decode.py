"""Any recording to one channel of finite float32 samples, in blocks, in constant memory.

WAV and raw samples that come through a pipe are read as they come; other formats from a pipe are first copied to a
temporary file. Files are opened by us, checked by their first bytes, and handed to the decoder as open handles, so
nothing inside a file or a name can make it open another file or a connection. libsndfile reads sound files (`reader`),
PyAV the sound of containers (`tracks`), we bare samples (`raw`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voxface.audio.handle import Handle, Replay, Source, open_handle, read_exactly, spool
from voxface.audio.mix import ChannelMixer, Mend, channel_index
from voxface.audio.ogg import ChainReader, links
from voxface.audio.raw import MOST_CHANNELS, RATE_HZ, RawFormat, RawReader
from voxface.audio.reader import SoundReader, cut_text
from voxface.audio.riff import is_chunk, read_header
from voxface.audio.sniff import HEAD_BYTES, READ_NOW, WAV, Kind, what_is
from voxface.audio.tracks import TrackReader
from voxface.errors import (
    AudioEmptyError,
    AudioFormatError,
    AudioTruncatedError,
    InputWarning,
    LimitError,
    UsageError,
    VoxfaceError,
)
from voxface.stream import Array, Chain, run
from voxface.timebase import clock_text

__all__ = ["AudioSource", "RawFormat", "open_audio", "read_audio"]

_BLOCK_VALUES = 1 << 20  # frames x channels read at a time, at most
_ANY_CODEC = ("CAF", "Ogg")  # may hold what libsndfile cannot decode and PyAV can: ALAC, AAC, Speex
_UNFINISHED = "says that it has 0 samples, but sound follows: its recorder did not finish it"


class _Reader(Protocol):
    """Gives frames until there are none; at the end it knows what was wrong."""

    rate_hz: int
    channels: int

    def read(self, frames: int) -> Array: ...
    def complaint(self, frames: int) -> str: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Opened:
    """What was found: the source, who reads it, how many frames it says it has, and who complains if it is cut."""

    handle: Handle
    reader: _Reader
    samples: int | None
    cut: _Cut


class AudioSource:
    """An open recording. Use it in a `with` statement, and take its blocks once.

    name:     for messages
    rate_hz:  4,000 to 384,000
    channels: how many the recording has; the blocks have one
    samples:  per channel; None: not known before the end
    """

    def __init__(self, opened: _Opened, channel: str, max_duration_s: float | None) -> None:
        self._handle, self._reader, self._cut, self._max_s = opened.handle, opened.reader, opened.cut, max_duration_s
        self.name, self.samples = opened.handle.name, opened.samples
        self.rate_hz, self.channels = opened.reader.rate_hz, opened.reader.channels
        self._column = channel_index(channel, self.channels, self.name)
        if self.samples == 0:
            raise _empty(self.name)
        self._limit(self.samples or 0)

    def __enter__(self) -> AudioSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what we opened; closing twice does no harm."""
        self._reader.close()
        self._handle.close()

    def blocks(self, size: int = 65536) -> Iterator[Array]:
        """The samples, as (n,) finite float32 arrays with 0 < n; n is at most about `size`, and any smaller number.

        Integers are scaled to [-1, 1); floats keep their size. Samples that are no numbers become 0 (W-NONFINITE).
        Raises: AudioEmptyError: not one sample. AudioNonFiniteError: over 1 % are no numbers (at the end).
        AudioTruncatedError: cut, and `strict`. LimitError: longer than allowed. InputError: the file cannot be read.
        """
        chain = Chain((Mend(self.name), ChannelMixer(self.rate_hz, self.name)))
        return run(chain, self._frames(size))

    def _frames(self, size: int) -> Iterator[Array]:
        size = max(1, min(size, _BLOCK_VALUES // self.channels))
        total = 0
        while len(frames := self._reader.read(size)):
            total += len(frames)
            self._limit(total)
            yield frames if self._column is None else frames[:, self._column : self._column + 1]
        if not total:
            raise _empty(self.name)
        self._cut.check_end(total, self._reader)

    def _limit(self, samples: int) -> None:
        if self._max_s is not None and samples > self._max_s * self.rate_hz:
            has, most = clock_text(samples / self.rate_hz), clock_text(self._max_s)
            hint = "Allow more, or cut the recording."
            raise LimitError(f"{self.name} lasts {has} or more; {most} are allowed.", hint=hint, source=self.name)


class _Cut:
    """Says once that a recording ends before its header says: as a warning, or as an error when strict."""

    def __init__(self, name: str, rate_hz: int, expected: int | None, strict: bool) -> None:
        self.name, self._rate_hz, self._expected, self._strict = name, rate_hz, expected, strict
        self._told = False

    def tell(self, text: str) -> None:
        if self._told:
            return
        self._told = True
        if self._strict:
            hint = "Record or copy it again, or leave out --strict to use what there is."
            raise AudioTruncatedError(f"{self.name} {text}.", hint=hint, source=self.name)
        warnings.warn(InputWarning("W-TRUNCATED", f"{self.name} {text}; using what there is."), stacklevel=3)

    def tell_short(self, frames: int) -> None:
        """Compare the number of frames with what the header said."""
        if self._expected is not None and frames < self._expected:
            self.tell(cut_text(frames / self._rate_hz, self._expected / self._rate_hz))

    def check_end(self, frames: int, reader: _Reader) -> None:
        """What only the end of the recording shows."""
        self.tell_short(frames)
        if complaint := reader.complaint(frames):
            self.tell(complaint)


def open_audio(
    source: Source,
    *,
    channel: str = "mix",
    audio_track: int = 0,
    raw: RawFormat | None = None,
    strict: bool = False,
    max_duration_s: float | None = None,
) -> AudioSource:
    """Open a recording for reading in blocks.

    Args:
        source: a path, always taken literally; "-" for standard input; bytes; or an open binary file, which is read
            from its start where it can seek and stays open.
        channel: "mix" is the mean of all channels (channel 1 where they cancel: W-CHANNELS-CANCEL); "1", "2", ...
            picks one.
        audio_track: which sound track of a video or another container, counted from 0.
        raw: how samples without a header are written; None: the file says so itself.
        strict: a recording that is cut is an error instead of W-TRUNCATED.
        max_duration_s: a longer recording is an error: at once where its length is known, else when it gets there.
    Raises: InputError, AudioFormatError, AudioEmptyError, AudioTruncatedError, LimitError, UsageError,
    MissingDependencyError: a container, and PyAV is not installed.
    """
    handle = open_handle(source)
    opened = None
    try:
        opened = _open_raw(handle, raw, strict) if raw else _open_known(handle, audio_track, strict)
        return AudioSource(opened, channel, max_duration_s)
    except BaseException:
        handle.close()
        if opened is not None:
            opened.reader.close()
            opened.handle.close()
        raise


def read_audio(
    source: Source,
    *,
    channel: str = "mix",
    audio_track: int = 0,
    raw: RawFormat | None = None,
    strict: bool = False,
    max_duration_s: float | None = None,
) -> tuple[Array, int]:
    """A whole recording: ((n,) float32 samples of one channel, rate in Hz). Arguments and errors as `open_audio`."""
    with open_audio(
        source, channel=channel, audio_track=audio_track, raw=raw, strict=strict, max_duration_s=max_duration_s
    ) as audio:
        return np.concatenate(list(audio.blocks())), audio.rate_hz


def _empty(name: str) -> AudioEmptyError:
    return AudioEmptyError(f"{name} has 0 samples.", hint="Record or export it again.", source=name)


def _open_raw(handle: Handle, raw: RawFormat, strict: bool) -> _Opened:
    return _Opened(handle, RawReader(handle.file, raw), None, _Cut(handle.name, raw.rate_hz, None, strict))


def _open_known(handle: Handle, track: int, strict: bool) -> _Opened:
    """Find out what the source is, and choose the reader for it."""
    head = read_exactly(handle.file, 12)
    wav = head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE"
    if wav and not track:
        return _open_wav_file(handle, strict) if handle.seekable else _open_wav_pipe(handle, head, strict)
    head += read_exactly(handle.file, HEAD_BYTES - len(head))
    kind = _sound_kind(head, handle.name)
    if track and not kind.track:
        text = f"{handle.name} has one sound track, but number {track}, counted from 0, was asked for."
        raise UsageError(text, source=handle.name)
    if handle.seekable:
        return _with_decoder(handle, kind, track, strict)
    return _spooled(handle, head, kind, track, strict)


def _sound_kind(head: bytes, name: str) -> Kind:
    kind = what_is(head)
    if kind.sound or kind.track:
        return kind
    if not head:
        raise AudioFormatError(f"{name} is empty (0 bytes).", hint="Record or export it again.", source=name)
    hint = f"Give {READ_NOW}."
    if kind.media:
        hint = f"Convert it first, for example: ffmpeg -i FILE sound.wav. {hint}"
    raise AudioFormatError(f"{name} is no sound file that can be read: it is {kind.name}.", hint=hint, source=name)


def _with_decoder(handle: Handle, kind: Kind, track: int, strict: bool) -> _Opened:
    reader = _decoder(handle, kind, track)
    for value, what, (least, most) in (
        (reader.rate_hz, "samples a second", RATE_HZ),
        (reader.channels, "channels", (1, MOST_CHANNELS)),
    ):
        if not least <= value <= most:
            reader.close()
            says = f"{handle.name} has {value:,} {what}; {least:,} to {most:,} are read."
            raise AudioFormatError(says, source=handle.name)
    exact = None if isinstance(reader, TrackReader) else reader.frames  # a container says its length roughly
    return _Opened(handle, reader, reader.frames, _Cut(handle.name, reader.rate_hz, exact, strict))


def _decoder(handle: Handle, kind: Kind, track: int) -> SoundReader | ChainReader | TrackReader:
    if kind.track:
        return TrackReader(handle.file, handle.name, kind.name, track)
    if kind.name == "Ogg" and len(parts := links(handle.file)) > 1:
        return ChainReader(handle.file, handle.name, parts)
    try:
        return SoundReader(handle.file, handle.name, kind.name)
    except AudioFormatError:
        if kind.name in _ANY_CODEC:
            with suppress(VoxfaceError):
                return TrackReader(handle.file, handle.name, kind.name)
        raise


def _spooled(handle: Handle, head: bytes | bytearray, kind: Kind, track: int, strict: bool) -> _Opened:
    copy = spool(handle.name, head, handle.file)
    try:
        return _with_decoder(copy, kind, track, strict)
    except BaseException:
        copy.close()
        raise


def _open_wav_file(handle: Handle, strict: bool) -> _Opened:
    """A WAV that can seek: by libsndfile, which keeps quiet about cut files and sees no sound in unfinished ones."""
    size = handle.file.seek(0, 2)
    handle.file.seek(0)
    try:
        header = read_header(handle.file, handle.name)
    except AudioFormatError as problem:
        return _despite(problem, handle, strict)
    form, present = header.raw_format(), max(size - header.data_at, 0)
    if header.data_bytes == 0 and form is not None and present and not is_chunk(handle.file.read(4)):
        handle.file.seek(header.data_at)
        cut = _Cut(handle.name, header.rate_hz, None, strict)
        cut.tell(_UNFINISHED)
        return _Opened(handle, RawReader(handle.file, form), present // form.frame_bytes, cut)
    opened = _with_decoder(handle, WAV, 0, strict)
    if header.data_bytes is not None and header.data_bytes - present >= header.block_bytes and opened.samples != 0:
        opened.cut.tell(cut_text(header.seconds(present), header.seconds(header.data_bytes)))
    return opened


def _despite(problem: AudioFormatError, handle: Handle, strict: bool) -> _Opened:
    """libsndfile may still read a header that we do not understand; if not, our reason is the better one."""
    try:
        return _with_decoder(handle, WAV, 0, strict)
    except AudioFormatError:
        raise problem from None


def _open_wav_pipe(handle: Handle, head: bytes, strict: bool) -> _Opened:
    """A WAV that comes through a pipe: plain samples as they come, other encodings by way of a temporary file."""
    pipe = Replay(head, handle.file, keep=True)
    header = read_header(pipe, handle.name)
    form = header.raw_format()
    if form is None:
        return _spooled(handle, pipe.given, WAV, 0, strict)
    if header.data_bytes == 0:
        return _open_unfinished_pipe(handle, form, strict)
    expected = None if header.data_bytes is None else header.data_bytes // form.frame_bytes
    cut = _Cut(handle.name, form.rate_hz, expected, strict)
    return _Opened(handle, RawReader(handle.file, form, header.data_bytes), expected, cut)


def _open_unfinished_pipe(handle: Handle, form: RawFormat, strict: bool) -> _Opened:
    start = read_exactly(handle.file, 4)
    if not start or is_chunk(start):
        raise _empty(handle.name)
    cut = _Cut(handle.name, form.rate_hz, None, strict)
    cut.tell(_UNFINISHED)
    return _Opened(handle, RawReader(Replay(start, handle.file), form), None, cut)
