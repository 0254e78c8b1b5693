"""What is in a recording and what had to be clipped: validate first, clip only what is out of range, say how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from voxface.audio.features import FeatureSpec, audio_rows
from voxface.dataset.align import FaceRows
from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.timebase import SAMPLE_RATE_HZ

MEL_CEILING_DB = FeatureSpec().clip_db[1]
"""Mel energies above this are clipped before they reach a net (SPEC A3)."""

SLACK = 0.1
"""A weight this far outside [0, 1] is clipped silently; beyond it is counted and named."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Counts over one recording, or summed over many.

    seconds:           of sound
    frames, faces:     frames of video, and those with a face
    rows, valid_rows:  rows of 10 ms, and those with a face on both sides
    speech_rows:       rows within 25 dB of their recording's loudest
    mel_cells_above:   mel cells (rows x 80) above the ceiling
    weights_clipped:   weights outside [0, 1], of valid_rows x 52
    positions_clipped: head positions beyond 1 m from the median, of valid_rows x 3
    far_outside:       channel -> weights outside (-0.1, 1.1); channels without any are left out
    """

    seconds: float = 0.0
    frames: int = 0
    faces: int = 0
    rows: int = 0
    valid_rows: int = 0
    speech_rows: int = 0
    mel_cells_above: int = 0
    weights_clipped: int = 0
    positions_clipped: int = 0
    far_outside: Mapping[str, int] = field(default_factory=dict)

    @property
    def shares(self) -> dict[str, float]:
        """The counts as shares of what they are counted among, 0 to 1."""
        return {
            "face": _share(self.faces, self.frames),
            "valid": _share(self.valid_rows, self.rows),
            "speech": _share(self.speech_rows, self.rows),
            "mel_above": _share(self.mel_cells_above, self.rows * 80),
            "weights_clipped": _share(self.weights_clipped, self.valid_rows * len(ARKIT)),
            "positions_clipped": _share(self.positions_clipped, self.valid_rows * 3),
        }

    def to_json(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Quality:
        """Read what to_json wrote. Raises: TypeError: a field is unknown."""
        return cls(**value)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def total(parts: Iterable[Quality]) -> Quality:
    """The sum of several counts."""
    sums: dict[str, Any] = asdict(Quality())
    far: dict[str, int] = {}
    for part in parts:
        for name in sums.keys() - {"far_outside"}:
            sums[name] += getattr(part, name)
        for channel, count in part.far_outside.items():
            far[channel] = far.get(channel, 0) + count
    return Quality(**sums | {"far_outside": far})


def check_and_clip(
    face: FaceRows, samples: Array, seen: Array, ceiling_db: float = MEL_CEILING_DB
) -> tuple[FaceRows, Quality]:
    """Count what is out of range, then clip it: weights to [0, 1], head positions to [-1, 1] m of their median.

    Args:
        face: rows as aligned. samples: (n,) of the same recording at 16 kHz.
        seen: (frames,) bool of the track it comes from.
        ceiling_db: mel energies above are counted; they are clipped where features are made, in the bundle's own way.
    """
    weights, valid = face.weights[face.valid], face.valid
    far = ((weights <= -SLACK) | (weights >= 1 + SLACK)).sum(axis=0)
    quality = Quality(
        seconds=len(samples) / SAMPLE_RATE_HZ,
        frames=len(seen),
        faces=int(seen.sum()),
        rows=len(valid),
        valid_rows=int(valid.sum()),
        speech_rows=int((relative_level_db(samples) > -SPEECH_DB).sum()),
        mel_cells_above=int((audio_rows(samples).mel_db > ceiling_db).sum()),
        weights_clipped=int(((weights < 0) | (weights > 1)).sum()),
        positions_clipped=int((np.abs(face.head[valid, :3]) > 1).sum()),
        far_outside={name: int(count) for name, count in zip(ARKIT, far, strict=True) if count},
    )
    head = np.clip(face.head, -1, 1)  # quaternions are of length 1 already
    return replace(face, weights=np.clip(face.weights, 0, 1), head=head), quality
