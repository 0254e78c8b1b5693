"""Every format that a clip can be written in or read from, by name, suffix or content.

A new format is a `ClipWriter` in a file of its own, and its line in FORMATS; the contract tests loop over that table.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from voxface.errors import UsageError
from voxface.export.animation_json import AnimationJsonWriter, read_animation_json
from voxface.export.capture_json import read_capture_clip
from voxface.export.jsonl import JsonlWriter, read_jsonl
from voxface.export.livelink_csv import LiveLinkCsvWriter
from voxface.export.livelink_read import read_livelink_csv
from voxface.export.npz import NpzWriter, read_npz
from voxface.export.reading import open_clip, refuse
from voxface.export.writing import ClipHeader, ClipWriter
from voxface.face.clip import FaceClip
from voxface.files import atomic_write

__all__ = [
    "FORMATS", "ClipHeader", "ClipWriter", "Format", "format_for", "format_named", "open_writer", "read", "write",
]  # fmt: skip

Reader = Callable[[str | Path], FaceClip]


@dataclass(frozen=True, slots=True)
class Format:
    """One format of clip files.

    suffixes:    names of files that mean this format, such as ".csv"
    writer:      makes the file
    reader:      reads it back, or None
    description: one line for people
    """

    suffixes: tuple[str, ...]
    writer: type[ClipWriter]
    reader: Reader | None
    description: str


FORMATS: dict[str, Format] = {
    "csv": Format((".csv",), LiveLinkCsvWriter, read_livelink_csv, "Live Link Face CSV, as the iPhone app writes it"),
    "json": Format(
        (".json",), AnimationJsonWriter, read_animation_json, "animation JSON, for the web and any language"
    ),
    "jsonl": Format((".jsonl", ".ndjson"), JsonlWriter, read_jsonl, "one JSON line per frame as it comes, for pipes"),
    "npz": Format((".npz",), NpzWriter, read_npz, "numpy arrays, for research"),
}

Target = str | Path | IO[bytes] | IO[str]


def format_named(name: str) -> Format:
    """A format by its name. Raises: UsageError: there is none, with the names that there are."""
    if name.lower() not in FORMATS:
        raise UsageError(f"there is no format {name!r}.", hint=_known())
    return FORMATS[name.lower()]


def format_for(target: Target, name: str | None = None) -> str:
    """The name of the format that a target asks for: `name`, else by its suffix, else jsonl for "-".

    Raises: UsageError: neither names a known format.
    """
    if name is not None:
        format_named(name)
        return name.lower()
    if not isinstance(target, str | Path):
        raise UsageError("a stream needs the name of a format.", hint=_known())
    suffix = ".jsonl" if str(target) == "-" else Path(target).suffix.lower()
    for key, one in FORMATS.items():
        if suffix in one.suffixes:
            return key
    what = f"the suffix {suffix!r} of {target}" if suffix else f"{target}, which has no suffix,"
    raise UsageError(f"{what} names no format.", hint=_known(), source=str(target))


def _known() -> str:
    return "Known: " + ", ".join(f"{key} ({'/'.join(one.suffixes)})" for key, one in FORMATS.items()) + "."


@contextmanager
def open_writer(target: Target, format: str | None, header: ClipHeader) -> Iterator[ClipWriter]:
    """Write a clip block by block, in constant memory: `with open_writer(...) as writer: writer.add(block)`.

    Args:
        target: a path (the file appears there when it is complete, or not at all), "-" for standard output, or an open
            stream, which stays open. Text streams take the text formats.
        format: a name of FORMATS; None: by the suffix of the path.
        header: what every block has in common.
    Raises: UsageError: unknown format. OutputError, LimitError: the place cannot be written. RigMismatchError: the
        format cannot hold these channels.
    """
    kind = format_named(format_for(target, format))
    with _open(target) as file:
        writer = kind.writer(file, header)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


def write(
    clip: FaceClip,
    path: Target,
    *,
    format: str | None = None,
    audio: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
) -> None:
    """Write a clip to a file, "-" or a stream: `open_writer` with one block.

    Args:
        audio, model: what the file should say about the sound and the model (json, jsonl, npz), or None.
    Raises: as `open_writer`.
    """
    with open_writer(path, format, ClipHeader.of(clip, audio=audio, model=model)) as writer:
        writer.add(clip)


def read(path: str | Path, *, fps: float | None = None) -> FaceClip:
    """Read a clip from a file of any known format, told apart by its content: Live Link Face CSV, animation JSON,
    capture JSON, JSONL, NPZ.

    Args:
        fps: frame rate of a CSV, which does not say it; other formats know theirs.
    Raises: InputError: the file cannot be opened. ClipError: it is no clip, or damaged. LimitError: too large.
    """
    name = _sniff(path)
    if name == "csv":
        return read_livelink_csv(path, fps=fps)
    readers: dict[str, Reader] = {"capture": read_capture_clip}
    readers |= {key: one.reader for key, one in FORMATS.items() if one.reader}
    return readers[name](path)


_FIRST_KEY = re.compile(rb'\s*\{\s*"([^"]{0,80})"\s*:\s*("[^"]{0,80}")?')
_BY_KEY = {
    b"sessionInfo": "capture",
    b'format"voxface-animation"': "json",
    b'format"voxface-frames"': "jsonl",
}


def _sniff(path: str | Path) -> str:
    """The name of the format that the first bytes of a file show; "capture" is read, but not a format of FORMATS."""
    with open_clip(path) as file:
        start = file.read(4096)
    text = start.removeprefix(b"\xef\xbb\xbf")
    if start[:2] == b"PK":
        return "npz"
    if b"timecode" in text.split(b"\n", 1)[0].lower() and not text.lstrip().startswith(b"{"):
        return "csv"
    found = _FIRST_KEY.match(text)
    for said in (found[1], found[1] + (found[2] or b"")) if found else ():
        if said in _BY_KEY:
            return _BY_KEY[said]
    refuse(path, _what_it_is(start, found[1] if found else None), "Clips: csv, animation or capture json, jsonl, npz.")


def _what_it_is(start: bytes, first_key: bytes | None) -> str:
    if not start:
        return "the file is empty."
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16 text; save it as UTF-8."
    if first_key == b"sample_rate":
        return "audio features, not a face clip."
    if first_key is not None:
        return f"JSON, but its first key {first_key[:40].decode(errors='replace')!r} is that of no clip."
    return "no clip in a format that is known."


def _open(target: Target) -> AbstractContextManager[IO[bytes]]:
    if str(target) == "-":
        target = sys.stdout
    if isinstance(target, str | Path):
        return atomic_write(target)
    if hasattr(target, "buffer"):  # a text stream over a binary one: nothing may wait in between
        target.flush()
        return nullcontext(target.buffer)
    if isinstance(target, io.TextIOBase):
        return nullcontext(_Text(target))  # type: ignore[arg-type]  # write and flush are all that text formats use
    return nullcontext(target)  # type: ignore[arg-type]


class _Text:
    """A text stream that takes UTF-8 bytes."""

    def __init__(self, stream: io.TextIOBase) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        try:
            self._stream.write(data.decode())
        except UnicodeDecodeError as error:
            raise UsageError("this format is not text; it needs a binary stream or a path.") from error
        return len(data)

    def flush(self) -> None:
        self._stream.flush()
