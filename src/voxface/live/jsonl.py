"""Frames as lines of JSON into a file or a pipe, as export/jsonl.py writes clips, each with its number `seq`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from voxface.errors import OutputError
from voxface.export.jsonl import FORMAT, VERSION
from voxface.export.writing import ClipHeader
from voxface.live.courier import Courier
from voxface.live.frame import LiveFrame
from voxface.live.wire import frame_rows

_WAITING_S = 2.0


def header_line(frame: LiveFrame, fps: float) -> bytes:
    """The first line, made from the first frame."""
    header = ClipHeader.of(frame.clip(fps))
    known = {"format": FORMAT, "version": VERSION, **header.to_json()}
    known |= {"has_head": header.has_head, "has_emotion": header.has_emotion}
    return json.dumps(known, allow_nan=False).encode() + b"\n"


def line(frame: LiveFrame, fps: float) -> bytes:
    """The line of a frame."""
    return frame_rows(frame.clip(fps), frame.seq)[0] + b"\n"


class JsonlOutput(Courier):
    """Lines to standard output (`-`) or into a file; up to 2 s of frames wait for a slow reader.

    Raises: OutputError: the file cannot be opened.
    """

    def __init__(self, path: str, fps: float) -> None:
        super().__init__(f"jsonl:{path}", max(2, round(_WAITING_S * fps)))
        self._fps = fps
        try:
            self._file = os.dup(1) if path == "-" else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        except OSError as error:
            text = f"cannot write {Path(path)}: {error.strerror}."
            raise OutputError(text, hint="Name a file in a folder that is there.", source=path) from error

    def rest(self) -> None:
        """Nothing: a record ends with its last frame."""

    def close(self) -> None:
        super().close()
        if not self._thread.is_alive():  # else it holds the file until the process ends
            os.close(self._file)

    def _deliver_all(self) -> None:
        first = True
        while not self._over:
            frame = self._next()
            if frame is None:
                continue
            try:
                self._write((header_line(frame, self._fps) if first else b"") + line(frame, self._fps))
            except BrokenPipeError:
                self.gone = True
                continue
            except OSError as error:
                self._lost(str(error.strerror))
                continue
            first = False
            self.sent += 1

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]
