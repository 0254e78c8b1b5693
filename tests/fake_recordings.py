"""Recordings made up for tests: noise whose loudness drives the jaw, so that a tiny net learns it in seconds."""

from __future__ import annotations

import numpy as np

from voxface.dataset.recording import Recording
from voxface.face.rig import ARKIT
from voxface.timebase import ROW_HOP, row_count

JAW = ARKIT.index("jawOpen")


def fake_recording(number: int, split: str = "train", seconds: float = 1.5) -> Recording:
    """One recording; the same number gives the same bytes."""
    random = np.random.default_rng([17, number])
    samples = int(seconds * 16_000)
    times = np.arange(samples) / 16_000
    loud = np.clip(np.sin(2 * np.pi * random.uniform(1.5, 3) * times + random.uniform(0, 6)), 0, None)
    sound = 0.1 * loud * random.standard_normal(samples) + 5e-4 * random.standard_normal(samples)
    rows = row_count(samples)
    opening = np.interp(np.arange(rows) * ROW_HOP, np.arange(samples), loud).astype(np.float32)
    weights = np.zeros((rows, len(ARKIT)), np.float32)
    weights[:, JAW] = 0.5 * opening
    head = np.zeros((rows, 7), np.float32)
    head[:, 3] = 1
    return Recording(
        name=f"{split}{number}",
        speaker="nobody",
        split=split,
        samples=sound.astype(np.float32),
        weights=weights,
        head=head,
        gap=0.3 * opening,
        width=np.zeros(rows, np.float32),
        valid=np.ones(rows, bool),
        rest=np.zeros(len(ARKIT), np.float32),
        gap_scale=0.5 / 0.3,
        gap_offset=0.0,
        observed=np.array([name != "tongueOut" for name in ARKIT]),
    )


def fake_recordings(count: int, split: str = "train") -> list[Recording]:
    """`count` of them; those of another split are other recordings."""
    first = {"train": 0, "validate": 1000, "test": 2000}[split]
    return [fake_recording(first + number, split) for number in range(count)]
