"""Teachers: what trained nets say of a sound becomes the target of another net, on any sound, faces or none.

Several nets that learned the same with other seeds are right more often than each of them; one net that learns from
their mean keeps most of that (RESEARCH A8, ensemble; Hinton, Vinyals, Dean, "Distilling the knowledge in a neural
network", 2015).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from voxface.audio.decode import read_audio
from voxface.audio.resample import to_16k
from voxface.bundle import Bundle
from voxface.dataset.pairs import SOUNDS
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError
from voxface.face.axes import still_head
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT, HEAD
from voxface.runtime.animator import Animator
from voxface.stream import Array, run_whole
from voxface.timebase import row_count


class Teachers:
    """Bundles that are asked together; their answer is the mean of theirs.

    Raises: BundleError: a bundle cannot be opened.
    """

    def __init__(self, bundles: Sequence[Bundle], threads: int = 1) -> None:
        self._animators = [Animator(bundle, threads) for bundle in bundles]
        self.names = tuple(bundle.name for bundle in bundles)

    def weights(self, samples: Array) -> Array:
        """(n,) samples at 16 kHz -> (1 + n // 160, 52) float32; a channel that no teacher drives stays 0."""
        total = np.zeros((row_count(len(samples)), len(ARKIT)), np.float32)
        for animator in self._animators:
            rows = run_whole(animator, samples)
            for column, name in enumerate(animator.channels):
                if name in ARKIT:
                    total[:, ARKIT.index(name)] += rows[:, column]
        mean: Array = np.clip(total / len(self._animators), 0, 1)
        return mean

    def taught(self, recording: Recording) -> Recording:
        """The recording with what the teachers say of its sound instead of its own face."""
        weights = self.weights(recording.samples)
        return replace(
            recording,
            weights=weights,
            head=still_head(len(weights)),
            gap=rig_gap(weights, ARKIT),
            width=np.zeros(len(weights), np.float32),
            valid=np.ones(len(weights), bool),
            rest=np.zeros(len(ARKIT), np.float32),
            gap_scale=1.0,
            gap_offset=0.0,
            observed=np.ones(len(ARKIT), bool),
        )


def sound_recordings(folder: Path) -> Iterator[Recording]:
    """Every sound file of a folder as a recording without a face, for teachers to fill; in order of their names.

    Raises: DatasetError: there is none. The errors of audio.decode.read_audio: one cannot be read.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SOUNDS) if folder.is_dir() else []
    if not paths:
        raise DatasetError(
            f"there is no sound in {folder} ({', '.join(SOUNDS)}).",
            hint="Name a folder of recordings.",
            source=str(folder),
        )
    for path in paths:
        yield faceless(f"{folder.name}/{path.stem}", np.clip(to_16k(*read_audio(path)), -1, 1))


def faceless(name: str, samples: Array) -> Recording:
    """A recording of (n,) samples at 16 kHz without a face: no row is valid."""
    rows = row_count(len(samples))
    nothing = np.zeros(rows, np.float32)
    return Recording(
        name=name, speaker=name, split="train", samples=samples, weights=np.zeros((rows, len(ARKIT)), np.float32),
        head=np.zeros((rows, len(HEAD)), np.float32), gap=nothing, width=nothing, valid=np.zeros(rows, bool),
        rest=np.zeros(len(ARKIT), np.float32), gap_scale=1.0, gap_offset=0.0, observed=np.zeros(len(ARKIT), bool),
    )  # fmt: skip
