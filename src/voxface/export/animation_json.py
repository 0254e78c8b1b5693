"""Animation JSON: one document that any language can read (formats.md §18).

    {"format": "voxface-animation", "version": 1, "fps": 60, "start_s": 0.0, "names": [...], "angle_unit": "rad",
     "audio": {...}, "model": {...},
     "frames": [[0.1, ...], ...],          one row of weights per frame, in the order of `names`
     "head": [[x, y, z, w, i, j, k], ...],  metres, unit quaternion with w first (SPEC C4); only where there is a pose
     "emotion": [[...], ...], "emotion_names": [...],                                only where there are emotions
     "unseen": [[12, 15]]}                 frames 12, 13, 14 are placeholders; only where there are some

Frame k shows the face at start_s + k / fps seconds on the audio clock. Numbers have up to 5 decimals.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

import numpy as np

from voxface.errors import VoxfaceError
from voxface.export.numbers import number_rows
from voxface.export.reading import channel_names, field, kind, number, read_json, refuse, table
from voxface.export.writing import ClipHeader, ClipWriter, Runs, Spool
from voxface.face.clip import FaceClip
from voxface.face.interpolate import unit_head
from voxface.face.rig import EMOTIONS
from voxface.stream import Array

FORMAT, VERSION, PLACES = "voxface-animation", 1, 5


class AnimationJsonWriter(ClipWriter):
    """Writes frames as they come; head and emotion wait in a spool, because JSON has one place for each list."""

    def __init__(self, file: IO[bytes], header: ClipHeader) -> None:
        self._spools = {"head": Spool()} if header.has_head else {}
        if header.has_emotion:
            self._spools["emotion"] = Spool()
        self._unseen = Runs([])
        super().__init__(file, header)

    def _begin(self) -> None:
        known = {"format": FORMAT, "version": VERSION, **self.header.to_json()}
        self.file.write(json.dumps(known, allow_nan=False).encode()[:-1] + b',\n"frames": [')

    def _frames(self, block: FaceClip) -> None:
        self.file.write(self._rows(block.weights))
        for name, spool in self._spools.items():
            spool.add(self._rows(getattr(block, name)))
        self._unseen.add(self.frames, block.seen)

    def _rows(self, values: Array) -> bytes:
        before = b"\n[" if not self.frames else b",\n["
        return before + b"],\n[".join(number_rows(values, PLACES)) + b"]"

    def _end(self) -> None:
        self.file.write(b"\n]")
        for name, spool in self._spools.items():
            self.file.write(b',\n"%b": [' % name.encode())
            for data in spool.blocks():
                self.file.write(data)
            self.file.write(b"\n]")
        if self.header.has_emotion:
            self.file.write(b',\n"emotion_names": ' + json.dumps(EMOTIONS).encode())
        if self._unseen.pairs:
            self.file.write(b',\n"unseen": ' + json.dumps(self._unseen.pairs).encode())
        self.file.write(b"}\n")

    def close(self) -> None:
        for spool in self._spools.values():
            spool.close()


def read_animation_json(path: str | Path) -> FaceClip:
    """Read an animation JSON file.

    Raises: InputError: the file cannot be opened. LimitError: larger than 512 MiB. ClipError: anything else is wrong.
    """
    found = read_json(path)
    check_format(found, FORMAT, VERSION, path)
    names = channel_names(field(found, "names", list, path), path)
    weights = table(field(found, "frames", list, path), len(names), "'frames'", path)
    head = None if found.get("head") is None else unit_head(table(found["head"], 7, "'head'", path))
    emotion = None if found.get("emotion") is None else table(found["emotion"], len(EMOTIONS), "'emotion'", path)
    seen = _seen(found.get("unseen"), len(weights), path)
    return make_clip(found, names, path, weights=weights, head=head, emotion=emotion, seen=seen)


def check_format(found: dict[str, Any], name: str, newest: int, path: str | Path) -> None:
    """Raises: ClipError: the object is no file of this format, or of a version newer than this program."""
    if found.get("format") != name:
        refuse(path, f"'format' must be {name!r}; got {str(found.get('format'))[:80]!r}.")
    version = field(found, "version", int, path)
    if not 1 <= version <= newest:
        refuse(path, f"version {version} of {name}; this voxface reads up to {newest}.", "Install a newer voxface.")


def make_clip(found: dict[str, Any], names: tuple[str, ...], path: str | Path, **parts: Any) -> FaceClip:
    """The clip of a header and its arrays, errors with the name of the file.

    Raises: ClipError: fps out of range, arrays of different lengths, unobserved channels that are no list of names.
    """
    unobserved = channel_names(found.get("unobserved", []), path)
    start_s = number(found, "start_s", path) if "start_s" in found else 0.0
    observed = np.array([name not in unobserved for name in names], bool)
    try:
        return FaceClip(channels=names, fps=number(found, "fps", path), start_s=start_s, observed=observed, **parts)
    except VoxfaceError as error:
        refuse(path, error.message.removeprefix(f"{path}: "), error.hint)


def _seen(unseen: Any, frames: int, path: str | Path) -> Array:
    seen = np.ones(frames, bool)
    if unseen is None:
        return seen
    if not isinstance(unseen, list):
        refuse(path, f"'unseen' must be a list of [first, end] pairs; got {kind(unseen)}.")
    for pair in unseen:
        whole = isinstance(pair, list) and len(pair) == 2 and all(type(end) is int for end in pair)
        if not whole or not 0 <= pair[0] <= pair[1] <= frames:
            refuse(path, f"'unseen' must hold [first, end] pairs of frames within 0 to {frames}.")
        seen[pair[0] : pair[1]] = False
    return seen
