"""The journal of an output folder: what became of each video, as JSON lines; and the lock that keeps runs apart.

Each line is flushed to disk before the run goes on. A line that a killed run left torn is ignored. What is done is
decided by the captures themselves; the journal knows the rest: which videos failed, and which killed their process.
"""

from __future__ import annotations

import json
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voxface.capture.job import VideoJob, VideoResult
from voxface.errors import CrashError, HangError, InputError, InputWarning, OutOfMemoryError, VoxfaceError
from voxface.files import output_error, sha256_hex, sweep_parts

FILE = "capture-journal.jsonl"
POISON = (CrashError, HangError, OutOfMemoryError)
"""Errors of videos that cost their process; such a video is left out until somebody asks for it."""


class Journal:
    """The journal of one folder, open and locked (open_journal)."""

    def __init__(self, path: Path, handle: int, content: bytes) -> None:
        self.path = path
        self._handle = handle
        self._entries = {str(line["source"]): line for line in _lines(content) if "source" in line}  # the last of each
        self._torn = content != b"" and not content.endswith(b"\n")

    def note(self, result: VideoResult) -> None:
        """Write what came of a job, unless the last line of its video says the same.

        Raises: OutputError, LimitError: it cannot be written.
        """
        entry = _entry(result)
        if result.status == "kept" and self._entries.get(entry["source"], {}).get("sha256") == result.sha256:
            return
        self.write(entry)
        self._entries[entry["source"]] = entry

    def poison(self, job: VideoJob) -> VoxfaceError | None:
        """The error of a video that killed its process in an earlier run, twice; None if it or the options changed."""
        entry = self._entries.get(os.path.abspath(job.source), {})
        kind = next((kind for kind in POISON if kind.code == entry.get("code")), None)
        if kind is None or entry.get("options") != asdict(job.options) or entry.get("sha256") != _sha256(job.source):
            return None
        text = f"left out after {entry.get('tries')} tries in an earlier run: {entry.get('message')}"
        return kind(text, hint="--retry-failed tries it again.", source=job.source)

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line and flush it to disk. Raises: OutputError, LimitError: it cannot be written."""
        body = (b"\n" if self._torn else b"") + json.dumps(line).encode() + b"\n"
        self._torn = True  # until all of it is written
        try:
            while body:
                body = body[os.write(self._handle, body) :]
            os.fsync(self._handle)
        except OSError as error:
            raise output_error(self.path, error) from error
        self._torn = False


@contextmanager
def open_journal(folder: str | Path) -> Iterator[Journal]:
    """Make the folder, lock it for this process, sweep what killed runs left, and read the journal.

    The lock belongs to the open file, so it ends with the process, however that ends.

    Raises: InputError: another process captures into the folder. OutputError, LimitError: it cannot be written.
    """
    path = Path(folder) / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise output_error(path, error) from error
    with os.fdopen(handle, "r+b", buffering=0) as file:
        _lock(handle, path)
        journal = Journal(path, handle, file.read())
        sweep_parts(path.parent)
        journal.write({"run": {"process": os.getpid(), "host": socket.gethostname(), "began": _now()}})
        try:
            yield journal
        finally:
            sweep_parts(path.parent)


def _entry(result: VideoResult) -> dict[str, Any]:
    job, error = result.job, result.error
    return {
        "source": os.path.abspath(job.source), "target": Path(job.target).name, "status": result.status,
        "sha256": result.sha256 or (_sha256(job.source) if isinstance(error, POISON) else ""),
        "code": error.code if error else "", "message": error.message if error else "", "tries": result.tries,
        "warnings": [list(pair) for pair in result.warnings], "frames": result.frames, "faces": result.faces,
        "seconds": round(result.seconds, 3), "options": asdict(job.options),
    }  # fmt: skip


def _sha256(source: str) -> str:
    try:
        return sha256_hex(source)
    except InputError:
        return ""


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    """The lines that came whole."""
    for line in content.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _lock(handle: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:
        return  # Windows: two runs at once then do the same work twice; the files stay whole
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        text = f"{_holder(path)} is capturing into {path.parent}."
        hint = "Wait until it has ended, or choose another folder with -o."
        raise InputError(text, hint=hint, source=str(path.parent)) from error
    except OSError:
        text = f"{path.parent} lies on a file system without locks: let no second run write there."
        warnings.warn(InputWarning("W-NO-LOCK", text), stacklevel=4)


def _holder(path: Path) -> str:
    runs = [line["run"] for line in _lines(path.read_bytes()) if isinstance(line.get("run"), dict)]
    if not runs:
        return "another process"
    run = runs[-1]
    return f"process {run.get('process')} on {run.get('host')} (since {run.get('began')})"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
