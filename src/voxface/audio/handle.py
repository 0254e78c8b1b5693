"""Where sound comes from: a path, standard input, bytes, an open file. We open everything ourselves.

A name is always a literal path: `http://...`, `concat:...`, `pipe:...` mean files of that name. Pipes and devices are
refused by path, because opening them may wait for ever; standard input (`-`) is the way to pipe sound in.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from voxface.errors import InputError, LimitError

Source = str | Path | bytes | BinaryIO
"""What sound can be read from; the string "-" is standard input."""

STANDARD_INPUT = "standard input"


@dataclass(slots=True)
class Handle:
    """An open source of bytes.

    name:     for messages
    file:     the bytes; `seek` works only where `seekable`
    seekable: False: the bytes come once, in order
    ours:     True: we opened it, so we close it
    """

    name: str
    file: BinaryIO
    seekable: bool
    ours: bool

    def close(self) -> None:
        """Close what we opened; a file that the caller opened stays open."""
        if self.ours:
            self.file.close()


def open_handle(source: Source) -> Handle:
    """Open a source for reading.

    Raises: InputError: missing, a folder, a pipe, a device, no permission, a loop of links, nothing piped in.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return Handle("audio bytes", io.BytesIO(source), seekable=True, ours=True)
    if isinstance(source, str) and source == "-":
        return _standard_input()
    if isinstance(source, str | os.PathLike):
        return _open_path(str(source))
    if not hasattr(source, "read"):
        needed = "a path, bytes or an open binary file is needed"
        raise InputError(f"cannot read sound from {type(source).__name__}: {needed}.")
    return _open_file(source)


def _standard_input() -> Handle:
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("there is no standard input to read from.", source="-")
    if sys.stdin.isatty():
        hint = "Pipe sound in, for example: arecord -f S16_LE -r 16000 | voxface animate - ..."
        raise InputError("standard input is a terminal, not sound.", hint=hint, source="-")
    return Handle(STANDARD_INPUT, sys.stdin.buffer, seekable=False, ours=False)


def _open_path(name: str) -> Handle:
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe must not make us wait
    try:
        number = os.open(name, flags)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot open {name}: {reason}.", source=name) from error
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        raise _no_plain_file(name, mode)
    return Handle(name, os.fdopen(number, "rb"), seekable=True, ours=True)


def _no_plain_file(name: str, mode: int) -> InputError:
    if stat.S_ISDIR(mode):
        return InputError(f"{name} is a folder; a sound file is needed.", hint="Name the files in it.", source=name)
    what = "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
    hint = f"Give - as the input and redirect it: voxface ... - < {name}"
    return InputError(f"{name} is {what}, not a file.", hint=hint, source=name)


def _open_file(file: BinaryIO) -> Handle:
    named = getattr(file, "name", None)
    name = named if isinstance(named, str) else "the sound that was given"
    if hasattr(file, "encoding"):  # a text file
        raise InputError(f"{name} is open as text; open it as bytes (mode 'rb').", source=name)
    try:
        seekable = bool(file.seekable())
        if seekable:
            file.seek(0)
    except AttributeError:
        seekable = False
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {name}: {error}.", source=name) from error
    return Handle(name, file, seekable=seekable, ours=False)


class Replay:
    """A source that is read once, in order, and of which some first bytes were already read.

    With `keep` it remembers all that it gives, so that the reading can begin anew from a copy.
    """

    def __init__(self, head: bytes, file: BinaryIO, *, keep: bool = False) -> None:
        self._head, self._file, self._keep = head, file, keep
        self.given = bytearray()

    def read1(self, size: int) -> bytes:
        """Up to `size` bytes as soon as there are any; empty at the end."""
        part, self._head = self._head[:size], self._head[size:]
        part = part or read_some(self._file, size)
        if self._keep:
            self.given += part
        return part


def read_some(file: BinaryIO | Replay, size: int) -> bytes:
    """Up to `size` bytes as soon as there are any, without waiting for all of them; empty at the end."""
    part = file.read1(size) if hasattr(file, "read1") else file.read(size)
    return part or b""


def read_exactly(file: BinaryIO | Replay, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the source."""
    parts = bytearray()
    while len(parts) < size and (part := read_some(file, size - len(parts))):
        parts += part
    return bytes(parts)


def spool(name: str, head: bytes | bytearray, file: BinaryIO) -> Handle:
    """Copy a source that cannot seek, with its first bytes, to a temporary file that has no name.

    Raises: LimitError: no space for it.
    """
    copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - it outlives this function
    try:
        copy.write(head)
        shutil.copyfileobj(file, copy)
    except OSError as error:
        copy.close()
        hint = "Free some disk space, or pipe WAV or raw samples, which need none."
        raise LimitError(f"cannot keep {name} in a temporary file: {error.strerror}.", hint=hint) from error
    copy.seek(0)
    return Handle(name, copy, seekable=True, ours=True)
