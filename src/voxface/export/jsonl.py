"""JSONL: a header line, then one line per frame as it becomes known, for pipes (formats.md §18).

    {"format": "voxface-frames", "version": 1, "fps": 60, "start_s": 0.0, "names": [...], "angle_unit": "rad"}
    {"t":0.016667,"weights":[0.1,...],"head":[x,y,z,w,i,j,k]}

`t` is in seconds on the audio clock. `head` and `emotion` are there where the header says "has_head", "has_emotion";
`"seen":false` marks a placeholder. Every block is flushed, so that a reader of the pipe has its frames at once.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from voxface.errors import ClipError, InputWarning
from voxface.export.animation_json import PLACES, check_format, make_clip
from voxface.export.numbers import number_rows
from voxface.export.reading import channel_names, field, lines, open_clip, parse_json, table
from voxface.export.writing import ClipWriter
from voxface.face.clip import FaceClip
from voxface.face.interpolate import unit_head
from voxface.face.rig import EMOTIONS
from voxface.stream import Array

FORMAT, VERSION = "voxface-frames", 1
_BLOCK = 4096  # lines that are parsed before they become one array


class JsonlWriter(ClipWriter):
    """Writes a line per frame and flushes after every block."""

    def _begin(self) -> None:
        known = {"format": FORMAT, "version": VERSION, **self.header.to_json()}
        known |= {"has_head": self.header.has_head, "has_emotion": self.header.has_emotion}
        self.file.write(json.dumps(known, allow_nan=False).encode() + b"\n")
        self.file.flush()

    def _frames(self, block: FaceClip) -> None:
        parts = [(b'{"t":', b"", number_rows(self.times_s(len(block))[:, None], 6))]
        parts.append((b',"weights":[', b"]", number_rows(block.weights, PLACES)))
        if block.head is not None:
            parts.append((b',"head":[', b"]", number_rows(block.head, PLACES)))
        if block.emotion is not None:
            parts.append((b',"emotion":[', b"]", number_rows(block.emotion, PLACES)))
        parts.append((b"", b"}\n", [b"" if seen else b',"seen":false' for seen in block.seen.tolist()]))
        columns = [[before + row + after for row in rows] for before, after, rows in parts]
        self.file.write(b"".join(map(b"".join, zip(*columns, strict=True))))
        self.file.flush()


def read_jsonl(path: str | Path) -> FaceClip:
    """Read a JSONL file; a last line that was cut off is left out with warning W-TRUNCATED.

    Raises: InputError: the file cannot be opened. ClipError: anything else is wrong, with the number of the line.
    """
    with open_clip(path) as file:
        text = lines(file, path)
        found = parse_json(next(text, ""), path, "line 1: ")
        check_format(found, FORMAT, VERSION, path)
        names = channel_names(field(found, "names", list, path), path)
        widths = {"weights": len(names)}
        widths |= {"head": 7} if found.get("has_head") is True else {}
        widths |= {"emotion": len(EMOTIONS)} if found.get("has_emotion") is True else {}
        parts = _parts(_objects(text, path), widths, path)
    if "head" in parts:
        parts["head"] = unit_head(parts["head"])
    return make_clip(found, names, path, **parts)


def _objects(text: Iterator[str], path: str | Path) -> Iterator[dict[str, Any]]:
    for at, line in enumerate(text, start=2):
        if not line.strip():
            continue
        try:
            yield parse_json(line, path, f"line {at}: ")
        except ClipError:
            if line.endswith("\n"):
                raise
            warnings.warn(InputWarning("W-TRUNCATED", f"{path}: its last line is cut off and left out."), stacklevel=4)


def _parts(objects: Iterator[dict[str, Any]], widths: dict[str, int], path: str | Path) -> dict[str, Array]:
    """Each part of the frames as one array, filled a block at a time: objects are ten times as large."""
    blocks: dict[str, list[Array]] = {name: [np.zeros((0, width), np.float32)] for name, width in widths.items()}
    seen = [np.zeros(0, bool)]
    first = 2
    while block := list(islice(objects, _BLOCK)):
        where = f"frames from line {first} on: "
        for name, width in widths.items():
            rows = [field(one, name, list, path, where) for one in block]
            blocks[name].append(table(rows, width, f"{where}{name!r}", path))
        seen.append(np.array([one.get("seen", True) is not False for one in block], bool))
        first += len(block)
    arrays = {name: np.concatenate(found) for name, found in blocks.items()}
    return arrays | {"seen": np.concatenate(seen)}
