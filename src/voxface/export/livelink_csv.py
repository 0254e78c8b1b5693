"""Live Link Face CSV, as Epic's iPhone app writes it (formats.md §1 and §3).

One row per frame: timecode, count, 52 blendshapes in the app's order (mapped by name), head and eye angles in radians.
The file has no place for head position, emotions or frames without a face; what it says about time is the timecode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import IO

import numpy as np

from voxface.errors import RigMismatchError
from voxface.export.livelink_timecode import first_position, timecode, timecode_rate
from voxface.export.numbers import number_rows
from voxface.export.writing import ClipHeader, ClipWriter
from voxface.face.axes import euler_angles
from voxface.face.clip import FaceClip
from voxface.face.rig import LIVELINK_61, LIVELINK_CSV, canonical_name
from voxface.stream import Array

PLACES = 6

HEAD_SIGNS = (-1.0, 1.0, 1.0)
"""CSV yaw, pitch, roll = these times ours (SPEC C4). Pitch is positive down in both; yaw is negative to the subject's
left in the CSV (measured for the eyes); the sign of the roll is not verified."""

EYE_SLOPES: Mapping[str, float] = MappingProxyType(
    {"Down": math.radians(32), "Up": math.radians(23), "In": math.radians(32), "Out": math.radians(36)}
)
"""Radians that an eye turns at weight 1 of eyeLook*, measured on recordings of the app (formats.md §3)."""


def column_name(channel: str) -> str:
    """The app's spelling: `jawOpen` is `JawOpen`."""
    return channel[0].upper() + channel[1:]


class LiveLinkCsvWriter(ClipWriter):
    """Writes the 63 columns of the app, LF line ends, no quotes; 6 decimals.

    The timecode rate is fps rounded to a whole number (60 for 59.94, non-drop); fractions of a frame come from start_s.
    mouthClose is clamped to jawOpen, because rigs break above it. Channels that the clip lacks are 0, and so are head
    angles without a head pose. Eye angles follow from the eyeLook* weights; an eye has no roll.
    """

    def __init__(self, file: IO[bytes], header: ClipHeader) -> None:
        place = {canonical_name(name): i for i, name in enumerate(header.channels)}
        self._to = [i for i, name in enumerate(LIVELINK_CSV) if name in place]
        self._from = [place[LIVELINK_CSV[i]] for i in self._to]
        if not self._to:
            raise RigMismatchError(
                "Live Link Face CSV needs ARKit blendshapes; the clip has none of the 52.",
                hint="Write it as json, jsonl or npz, which take any channels.",
            )
        self._rate = timecode_rate(header.fps)
        self._first = first_position(header.start_s, header.fps)
        super().__init__(file, header)

    def _begin(self) -> None:
        columns = ("Timecode", "BlendshapeCount", *map(column_name, LIVELINK_61))
        self.file.write(",".join(columns).encode() + b"\n")

    def _frames(self, block: FaceClip) -> None:
        values = np.zeros((len(block), len(LIVELINK_61)))
        values[:, self._to] = block.weights[:, self._from]
        close, jaw = LIVELINK_CSV.index("mouthClose"), LIVELINK_CSV.index("jawOpen")
        values[:, close] = np.minimum(values[:, close], values[:, jaw])
        if block.head is not None:
            values[:, 52:55] = euler_angles(block.head[:, 3:]) * HEAD_SIGNS
        values[:, 55:] = eye_angles(values[:, :52])
        position, count = self._first + 1000 * self.frames, values.shape[1]
        rows = number_rows(values, PLACES, trim=False)
        self.file.write(
            b"".join(
                b"%b,%d,%b\n" % (timecode(position + 1000 * k, self._rate).encode(), count, row)
                for k, row in enumerate(rows)
            )
        )


def eye_angles(weights: Array) -> Array:
    """(frames, 52) weights in CSV order -> (frames, 6) yaw, pitch, roll of the left and the right eye in radians.

    Yaw is negative to the subject's left: the left eye looking out, the right eye looking in. Pitch is positive down.
    """

    def turn(name: str, side: str) -> Array:
        column: Array = weights[:, LIVELINK_CSV.index(f"eyeLook{name}{side}")] * EYE_SLOPES[name]
        return column

    none = np.zeros(len(weights))
    left_yaw = turn("In", "Left") - turn("Out", "Left")
    right_yaw = turn("Out", "Right") - turn("In", "Right")
    left_pitch, right_pitch = (turn("Down", side) - turn("Up", side) for side in ("Left", "Right"))
    return np.stack([left_yaw, left_pitch, none, right_yaw, right_pitch, none], axis=1)
