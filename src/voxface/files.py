"""Files that are whole or not there: written beside their final name, flushed to disk, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from voxface.errors import InputError, LimitError, OutputError, VoxfaceError

_PART = re.compile(r"\..*\.\w{8}\.part", re.DOTALL)  # as atomic_write names them


@contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; on success it takes that name at once, on failure nothing is left.

    Args:
        path: the final name; missing parent folders are made, a link is followed. A device or pipe, such as /dev/null,
            is written straight: it must not be replaced by a file.
        mode: "wb", or "w" for UTF-8 text with \\n line ends.
    Raises: OutputError: the place cannot be written. LimitError: the disk is full.
    """
    path = Path(os.path.realpath(path))
    text: dict[str, str] = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    if os.path.exists(path) and not path.is_file() and not path.is_dir():  # pathlib raises at names that are too long
        with _straight(path, mode, text) as file:
            yield file
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    try:
        with os.fdopen(handle, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise output_error(path, error) from error
        raise


@contextmanager
def _straight(path: Path, mode: str, text: dict[str, str]) -> Iterator[IO[Any]]:
    try:
        file: IO[Any] = open(path, mode, **text)  # type: ignore[call-overload]  # noqa: SIM115 (closed below)
    except OSError as error:
        raise output_error(path, error) from error
    with file:
        yield file


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # not on Windows, where a rename is durable without it
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep_parts(folder: Path) -> int:
    """Remove the temporary files that processes which were killed left in a folder; give their number.

    Only for one who knows that nobody is writing there now.
    """
    left = [path for path in folder.iterdir() if _PART.fullmatch(path.name)] if folder.is_dir() else []
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there. Raises: OutputError, LimitError: it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error


def output_error(path: Path, error: OSError) -> VoxfaceError:
    """What to say of a place that cannot be written: LimitError where nothing can be written now, else OutputError."""
    if error.errno == errno.EROFS:
        hint = "Make it writable, or choose another place with -o."
        return LimitError(f"cannot write {path}: the file system is read-only.", hint=hint, source=str(path))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "Free some disk space and run again."
        return LimitError(f"no space left to write {path}.", hint=hint, source=str(path))
    return OutputError(
        f"cannot write {path}: {error.strerror}.", hint="Choose another place with -o.", source=str(path)
    )


def sha256_hex(path: str | Path) -> str:
    """The SHA-256 of a file as 64 hex digits, read in blocks.

    Raises: InputError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", source=str(path)) from error
