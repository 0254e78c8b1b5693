"""What the emotion net learns from: running statistics of sentences, as spoken and in other rooms and voices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from voxface.audio.features import FeatureSpec
from voxface.audio.resample import to_16k
from voxface.evaluation.degrade import room, telephone, with_noise
from voxface.evaluation.sounds import pink, white
from voxface.models.emotion import EmotionNet
from voxface.stream import Array, run_whole
from voxface.timebase import SAMPLE_RATE_HZ
from voxface.training.augment import AugmentSpec, augment

_LONGEST_S = 6.0  # of a recording without emotion
_ROWS = AugmentSpec(gain_db=3, tilt_share=0.8, tilt_db=10, warp_share=0.7, warp=0.06, noise_share=0, silence_share=0)


@dataclass(frozen=True, slots=True)
class VarySpec:
    """How sentences are varied; every range is uniform, every share a probability.

    times:      how often each sentence is taken beside itself
    speed:      speech goes up to this much faster and higher, or slower and deeper
    room_share, room_s:   heard in a room whose reverberation falls by 60 dB in this time
    noise_share, noise_db: steady noise, so far below the speech: a third of it white, the rest pink
    phone_share: heard through a telephone
    gain_db:    louder or softer
    rows:       what is done to the rows: slope of the spectrum, small shifts of pitch
    sure_s:     a moment by which so much voice is remembered counts half
    first, every: statistics are taken of every so many-th row, from that one on
    """

    times: int = 8
    speed: float = 0.06
    room_share: float = 0.25
    room_s: tuple[float, float] = (0.15, 0.6)
    noise_share: float = 0.5
    noise_db: tuple[float, float] = (8.0, 35.0)
    phone_share: float = 0.1
    gain_db: tuple[float, float] = (-20.0, 3.0)
    rows: AugmentSpec = _ROWS
    sure_s: float = 0.5
    first: int = 15
    every: int = 15


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Moments of speech.

    statistics: (n, statistics) float32 · emotion: (n,) int64, place in face.rig.EMOTIONS
    sure:       (n,) float32 how much the moment counts, 0 to 1: the more was heard by then, the more
    speaker:    (n,) names · calm: (n,) bool: of a dataset without emotion
    """

    statistics: Array
    emotion: Array
    sure: Array
    speaker: Array
    calm: Array

    def without(self, speaker: str) -> Examples:
        """Those of all others."""
        kept = self.speaker != speaker
        return Examples(*(getattr(self, name)[kept] for name in self.__slots__))

    def balanced(self, calm_share: float) -> Array:
        """(n,) float32 weights, mean 1: every emotion counts the same, all calm speakers together calm_share of one,
        each of them the same."""
        group = np.where(self.calm, self.speaker, self.emotion.astype(str))
        _, place = np.unique(group, return_inverse=True)
        weight = self.sure / np.bincount(place, self.sure)[place]
        weight[self.calm] *= calm_share / max(1, len(set(self.speaker[self.calm])))
        even: Array = (weight / weight.mean()).astype(np.float32)
        return even


def examples_of(
    spoken: Sequence[tuple[str, int, bool, Array]], net: EmotionNet, feature: FeatureSpec, vary: VarySpec, seed: int
) -> Examples:
    """Examples of (speaker, emotion, calm, samples at 16 kHz), each as it is and varied."""
    random = np.random.default_rng(seed)
    parts = []
    for speaker, emotion, calm, samples in spoken:
        samples = samples[: round(_LONGEST_S * SAMPLE_RATE_HZ)] if calm else samples
        for time in range(1 + (vary.times // 4 if calm else vary.times)):
            rows = run_whole(feature.extractor(), varied(samples, vary, random) if time else samples)
            rows = augment(rows[None], vary.rows, feature, random)[0] if time else rows[None]
            with torch.no_grad():
                heard = net.statistics(torch.from_numpy(rows))
            found, share = (value[0, vary.first :: vary.every].numpy() for value in heard)
            sure = share[:, 0] / (share[:, 0] + vary.sure_s / net.config.memory_s)
            count = len(found)
            parts.append((found, np.full(count, emotion), sure, np.full(count, speaker), np.full(count, calm)))
    return Examples(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def varied(samples: Array, vary: VarySpec, random: np.random.Generator) -> Array:
    """(n,) samples at 16 kHz -> (m,) the same sentence somewhere else."""
    rate_hz = round(SAMPLE_RATE_HZ * random.uniform(1 - vary.speed, 1 + vary.speed))
    samples = to_16k(samples, rate_hz)
    if random.random() < vary.room_share:
        samples = room(samples, random, random.uniform(*vary.room_s))
    if random.random() < vary.noise_share:
        noise = white if random.random() < 1 / 3 else pink
        samples = with_noise(samples, noise(len(samples), random), random.uniform(*vary.noise_db))
    if random.random() < vary.phone_share:
        samples = telephone(samples)
    louder: Array = (samples * 10 ** (random.uniform(*vary.gain_db) / 20)).astype(np.float32)
    return louder
