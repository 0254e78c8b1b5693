"""Sounds in which nobody speaks, made by arithmetic, for nets to learn that the mouth rests: hum, tunes, breath.

They differ from those of evaluation/sounds.py in pitch, tempo, timbre and level, which are drawn anew for every
recording, but not in kind: what is measured there says little about real music.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from voxface.dataset.recording import Recording
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.timebase import SAMPLE_RATE_HZ, row_count
from voxface.training.teach import faceless

NOBODY = "nobody"
"""The speaker of these recordings."""

SECONDS = 20.0
_COUNT = int(SECONDS * SAMPLE_RATE_HZ)
_TIME_S = np.arange(_COUNT) / SAMPLE_RATE_HZ


def rest_recordings(minutes: float, seed: int = 0) -> Iterator[Recording]:
    """Recordings of 20 s with a resting mouth, about `minutes` in all; the same seed gives the same ones."""
    makers = (("hum", _hum, (-65.0, -30.0)), ("tune", _tune, (-45.0, -12.0)), ("breath", _breath, (-60.0, -32.0)))
    for number in range(round(minutes * 60 / SECONDS)):
        random = np.random.default_rng([0x72657374, seed, number])
        name, make, levels_db = makers[number % len(makers)]
        sound = make(random)
        level = 10 ** (random.uniform(*levels_db) / 20) / max(float(np.std(sound)), 1e-9)
        yield _resting(f"rest/{name}{number}", np.clip(sound * level, -1, 1).astype(np.float32))


def _resting(name: str, samples: Array) -> Recording:
    rows = row_count(len(samples))
    return replace(
        faceless(name, samples), valid=np.ones(rows, bool), observed=np.ones(len(ARKIT), bool), speaker=NOBODY
    )


def _hum(random: np.random.Generator) -> Array:
    """Mains or a fan: harmonics of a steady tone, each as loud as it happens to be, and some noise."""
    first_hz = random.choice([50.0, 60.0, random.uniform(70, 140)])
    sound = random.uniform(0.02, 0.5) * random.standard_normal(_COUNT)
    for harmonic in range(1, 24):
        phase, size = random.uniform(0, 2 * np.pi), random.exponential() / harmonic ** random.uniform(0.3, 1.5)
        sound += size * np.sin(2 * np.pi * harmonic * first_hz * _TIME_S + phase)
    return sound


def _tune(random: np.random.Generator) -> Array:
    """Notes and chords of one timbre at an even pace, with a beat of noise."""
    beat = int(random.uniform(0.15, 0.9) * SAMPLE_RATE_HZ)
    timbre = random.exponential(size=8) / np.arange(1, 9) ** random.uniform(0.5, 2)
    fall_s, root_hz = random.uniform(0.1, 2.0), random.uniform(60, 400)
    sound = np.zeros(_COUNT)
    for start in range(0, _COUNT, beat):
        time_s = np.arange(min(2 * beat, _COUNT - start)) / SAMPLE_RATE_HZ
        envelope = np.minimum(time_s / random.uniform(0.005, 0.08), 1) * np.exp(-time_s / fall_s)
        for step in random.choice([0, 3, 4, 5, 7, 9, 10, 12], size=random.integers(1, 5)):
            hz = root_hz * 2 ** (step / 12)
            tone = sum(size * np.sin(2 * np.pi * k * hz * time_s) for k, size in enumerate(timbre, 1))
            sound[start : start + len(time_s)] += envelope * tone
        drum = random.uniform(0, 2) * random.standard_normal(len(time_s)) * np.exp(-time_s / 0.04)
        sound[start : start + len(time_s)] += drum
    return sound


def _breath(random: np.random.Generator) -> Array:
    """Noise that swells and dies away, low-passed somewhere; pauses between."""
    period_s, share = random.uniform(1.5, 5.0), random.uniform(0.2, 0.7)
    swell = np.sin(np.pi * np.clip((_TIME_S % period_s) / (share * period_s), 0, 1)) ** 2
    spectrum = np.fft.rfft(random.standard_normal(_COUNT))
    hz = np.fft.rfftfreq(_COUNT, 1 / SAMPLE_RATE_HZ)
    centre, width = random.uniform(500, 4000), random.uniform(400, 3000)
    result: Array = swell * np.fft.irfft(spectrum * (np.exp(-(((hz - centre) / width) ** 2)) + 0.05), _COUNT)
    return result
