"""What the page shows, as values: clips with names and notes, sounds with their peaks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT
from voxface.stream import Array

PEAKS_HZ = 200
"""Stretches of a sound per second in its picture: 5 ms each."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A sound on the page.

    id:      what the page calls it, such as "s1"
    name:    of the file that it came from
    path:    a WAV file, mono, 16 bit
    rate_hz: of its samples
    samples: how many
    peaks:   as `audio_peaks` gives them, as bytes
    """

    id: str
    name: str
    path: Path
    rate_hz: int
    samples: int
    peaks: bytes

    def info(self) -> dict[str, Any]:
        """What the page needs to know, for JSON."""
        seconds = self.samples / self.rate_hz
        return {"id": self.id, "name": self.name, "duration_s": seconds, "peaks_hz": PEAKS_HZ}


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A clip on the page.

    id:    what the page calls it, such as "c1"
    name:  of its file
    label: what people read; differs from the labels of the other clips
    notes: sentences about what is odd in it
    sound: that it was made from, or None
    """

    id: str
    name: str
    label: str
    clip: FaceClip
    notes: tuple[str, ...] = ()
    sound: Sound | None = None

    def info(self) -> dict[str, Any]:
        """All but the numbers, for JSON."""
        clip = self.clip
        return {
            "id": self.id, "name": self.name, "label": self.label, "fps": float(clip.fps), "start_s": clip.start_s,
            "frames": len(clip), "channels": list(clip.channels), "head": clip.head is not None,
            "emotion": clip.emotion is not None, "unknown": [name for name in clip.channels if name not in ARKIT],
            "observed": clip.observed.tolist(), "notes": list(self.notes),
            "audio": self.sound.info() if self.sound else None,
        }  # fmt: skip

    def data(self) -> bytes:
        """Little-endian float32: weights (frames, channels) row by row, then head and emotion (frames, 7) each."""
        parts = (self.clip.weights, self.clip.head, self.clip.emotion)
        return b"".join(part.astype("<f4").tobytes() for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class Showing:
    """Everything that the page can ask for at one moment.

    clips:  oldest first
    common: the sound of clips that have none of their own, or None
    notes:  sentences about what is odd in it
    made:   how many clips and sounds there ever were, so that no id comes twice
    """

    clips: tuple[Shown, ...] = ()
    common: Sound | None = None
    notes: tuple[str, ...] = ()
    made: int = 0

    @property
    def sounds(self) -> tuple[Sound, ...]:
        """Those of the clips, and the common one."""
        own = tuple(clip.sound for clip in self.clips if clip.sound)
        return (*own, self.common) if self.common else own


def audio_peaks(samples: Array, rate_hz: int) -> bytes:
    """Lowest and highest of each 1 / PEAKS_HZ seconds of (n,) int16 samples: little-endian int16, in turn."""
    if not len(samples):
        return b""
    edges = np.arange(-(-len(samples) * PEAKS_HZ // rate_hz)) * rate_hz // PEAKS_HZ
    pairs = np.stack([np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)], axis=1)
    return pairs.astype("<i2").tobytes()
