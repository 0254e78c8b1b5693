"""Variety for the training rows, made on features in dB: other microphones, other voices, noise, silence.

Everything here is numpy on one batch, and a pure function of the random generator that comes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from voxface.audio.features import MEL_BANDS, FeatureSpec
from voxface.audio.mel import hz_from_mel, mel_from_hz
from voxface.stream import Array, run_whole
from voxface.timebase import ROW_HOP, ROW_RATE_HZ, SAMPLE_RATE_HZ

_NOISE_DB = -20.0  # RMS of the noise in the bank; low enough that no band reaches the ceiling
_NOISE_ROWS = 6000
_WARP_STEPS = 25


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How much the training rows vary; every share is a probability per crop, every range is uniform.

    plain_share: crops that only get their gain
    gain_db:     every crop is louder or softer by up to this much
    speed:       speech and face go up to this much faster or slower (data.make_batch)
    tilt_share, tilt_db:   spectral slope of up to ± tilt_db over the whole range, plus a smooth wave of half of it
    warp_share, warp:      frequencies stretched by up to ± warp: other heads and other pitches
    room_share, room_s, room_db: echo of a room whose reverberation falls by 60 dB in this time; its power against
                           that of the direct sound
    band_share:            nothing is heard above some frequency between 3.4 and 7 kHz: telephones, codecs
    babble_share, babble_db: somebody else talks, this much softer
    noise_share, noise_db: steady noise added, RMS in this range (dB re full scale), with a random slope
    silence_share, silence_db: the crop is nothing but noise, RMS in this range, and the mouth rests. It reaches up to
                           where the level control brings the noise of a room in which nobody has spoken yet
    """

    plain_share: float = 0.0
    gain_db: float = 6.0
    speed: float = 0.0
    tilt_share: float = 0.7
    tilt_db: float = 10.0
    warp_share: float = 0.7
    warp: float = 0.2
    room_share: float = 0.0
    room_s: tuple[float, float] = (0.1, 0.7)
    room_db: tuple[float, float] = (-15.0, 0.0)
    band_share: float = 0.0
    babble_share: float = 0.0
    babble_db: tuple[float, float] = (8.0, 30.0)
    noise_share: float = 0.5
    noise_db: tuple[float, float] = (-75.0, -32.0)
    silence_share: float = 0.07
    silence_db: tuple[float, float] = (-90.0, -12.0)

    def __post_init__(self) -> None:
        for name in ("room_s", "room_db", "babble_db", "noise_db", "silence_db"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


NO_AUGMENT = AugmentSpec(gain_db=0, tilt_share=0, warp_share=0, noise_share=0, silence_share=0)
"""Rows as they were heard."""


def augment(
    rows: Array, spec: AugmentSpec, feature: FeatureSpec, random: np.random.Generator, others: Array | None = None
) -> tuple[Array, Array]:
    """Vary a batch of crops.

    Args:
        rows: (batch, n, 80 | 83) float32 features; not changed.
        spec: how much.
        feature: what the rows are; its dB range is kept.
        random: draws the same numbers whatever the rows hold.
        others: rows like `rows`, of other people, for babble; None: nobody else talks.
    Returns: (batch, n, 80 | 83) float32 rows; (batch,) bool: crops that are silence now, where the mouth rests.
    """
    batch = len(rows)
    rows = np.array(rows, np.float32)
    mel = rows[:, :, :MEL_BANDS]
    varied = random.random(batch) >= spec.plain_share
    _warp(mel, varied & (random.random(batch) < spec.warp_share), spec, random)
    tilt = _tilt(batch, spec.tilt_db, random) * (varied & (random.random(batch) < spec.tilt_share))[:, None]
    gain = random.uniform(-spec.gain_db, spec.gain_db, (batch, 1))
    mel += (tilt + gain).astype(np.float32)[:, None, :]
    if rows.shape[2] > MEL_BANDS:
        rows[:, :, MEL_BANDS] = np.maximum(rows[:, :, MEL_BANDS] + gain, -80)
    silent = random.random(batch) < spec.silence_share
    _silence(rows, silent, feature, random)
    _babble(mel, varied & ~silent & (random.random(batch) < spec.babble_share), others, spec, random)
    _echo(mel, varied & ~silent & (random.random(batch) < spec.room_share), spec, random)
    noisy = silent | (varied & (random.random(batch) < spec.noise_share))
    _add_noise(rows, noisy, silent, spec, feature, random)
    _limit_band(mel, varied & (random.random(batch) < spec.band_share), random)
    np.clip(mel, *feature.clip_db, out=mel)
    return rows, silent


def _warp(mel: Array, chosen: Array, spec: AugmentSpec, random: np.random.Generator) -> None:
    """Stretch the frequencies of the chosen crops."""
    warps = np.where(chosen, random.integers(0, _WARP_STEPS, len(mel)), _WARP_STEPS // 2)
    warped = np.flatnonzero(warps != _WARP_STEPS // 2)
    mel[warped] = mel[warped] @ warp_matrices(spec.warp)[warps[warped]]


def _babble(mel: Array, chosen: Array, others: Array | None, spec: AugmentSpec, random: np.random.Generator) -> None:
    """Mix other people into the chosen crops, in the power domain."""
    softer = random.uniform(*spec.babble_db, len(mel)).astype(np.float32)
    some = np.flatnonzero(chosen)
    if others is not None and len(some):
        mel[some] = power_sum(mel[some], others[some, :, :MEL_BANDS] - softer[some, None, None])


def _echo(mel: Array, chosen: Array, spec: AugmentSpec, random: np.random.Generator) -> None:
    """Add to each row the decaying power of the rows before it: an exponentially falling reverberation."""
    fall = 10 ** (-6 / (ROW_RATE_HZ * random.uniform(*spec.room_s, len(mel))))
    share = 10 ** (random.uniform(*spec.room_db, len(mel)) / 10)
    some = np.flatnonzero(chosen)
    if not len(some):
        return
    power = np.exp(mel[some] * np.float32(np.log(10) / 10))
    fall, share = fall[some, None].astype(np.float32), share[some, None].astype(np.float32)
    ringing = np.zeros_like(power[:, 0])
    for row in range(power.shape[1]):
        direct = power[:, row].copy()
        power[:, row] += share * ringing
        ringing = fall * ringing + (1 - fall) * direct
    mel[some] = 10 * np.log10(power)


def _limit_band(mel: Array, chosen: Array, random: np.random.Generator) -> None:
    """Take away what lies above some frequency: 6 dB per band beyond it, 60 dB at most."""
    highest = mel_from_hz(random.uniform(3400, 7000, len(mel)))
    band = np.linspace(0, float(mel_from_hz(np.array(SAMPLE_RATE_HZ / 2))), MEL_BANDS + 2)[1:-1]
    beyond = np.clip((band - highest[:, None]) / (band[1] - band[0]), 0, 10) * chosen[:, None]
    mel -= (6 * beyond).astype(np.float32)[:, None, :]


def _tilt(batch: int, size_db: float, random: np.random.Generator) -> Array:
    """(batch, 80) dB: a straight slope over the bands and one smooth wave, mean about 0."""
    place = np.linspace(-0.5, 0.5, MEL_BANDS)
    slope = random.uniform(-size_db, size_db, (batch, 1)) * place
    waves = random.uniform(0.5, 2.0, (batch, 1)) * place + random.random((batch, 1))
    return slope + random.uniform(-size_db, size_db, (batch, 1)) / 2 * np.sin(2 * np.pi * waves)


def _silence(rows: Array, silent: Array, feature: FeatureSpec, random: np.random.Generator) -> None:
    """Empty the silent crops: the floor everywhere, no voice, a random zero-crossing rate."""
    crossings = random.uniform(0, 0.6, len(rows))
    rows[silent, :, :MEL_BANDS] = feature.clip_db[0]
    if rows.shape[2] > MEL_BANDS:
        rows[silent, :, MEL_BANDS] = -80
        rows[silent, :, MEL_BANDS + 1] = crossings[silent, None]
        rows[silent, :, MEL_BANDS + 2] = 0


def _add_noise(
    rows: Array, chosen: Array, silent: Array, spec: AugmentSpec, feature: FeatureSpec, random: np.random.Generator
) -> None:
    """Add steady noise in the power domain to the chosen crops, at any level to the silent ones."""
    batch, count = rows.shape[:2]
    level = np.where(silent, random.uniform(*spec.silence_db, batch), random.uniform(*spec.noise_db, batch))
    noisy = np.flatnonzero(chosen)
    bank = noise_bank(feature.rows)
    starts = random.integers(0, len(bank) - count, batch)
    colour = _tilt(batch, 20.0, random)
    if not len(noisy):
        return
    noise = bank[starts[noisy, None] + np.arange(count)] + (level[noisy] - _NOISE_DB).astype(np.float32)[:, None, None]
    noise[:, :, :MEL_BANDS] += colour[noisy, None, :].astype(np.float32)
    width = min(rows.shape[2], MEL_BANDS + 1)  # RMS in dB adds as the bands do; crossings and voice stay
    rows[noisy, :, :width] = power_sum(rows[noisy, :, :width], noise[:, :, :width])


def power_sum(a: Array, b: Array) -> Array:
    """dB of the sum of two powers given in dB, float32: 10 log10(10^(a/10) + 10^(b/10)), without overflow."""
    scale = np.float32(np.log(10) / 10)
    result: Array = np.logaddexp(np.float32(scale) * a, np.float32(scale) * b, dtype=np.float32) / scale
    return result


@lru_cache
def warp_matrices(warp: float) -> Array:
    """(25, 80, 80) float32, read-only: rows @ matrix k reads each band at its frequency times 1 - warp ... 1 + warp.

    Linear interpolation between band centres on the mel axis; beyond the ends the last band is held. The middle
    matrix changes nothing.
    """
    top = float(mel_from_hz(np.array(SAMPLE_RATE_HZ / 2)))
    centres = hz_from_mel(np.linspace(0, top, MEL_BANDS + 2)[1:-1])
    matrices = np.zeros((_WARP_STEPS, MEL_BANDS, MEL_BANDS), np.float32)
    for matrix, factor in zip(matrices, np.linspace(1 - warp, 1 + warp, _WARP_STEPS), strict=True):
        place = mel_from_hz(centres * factor) / top * (MEL_BANDS + 1) - 1
        place = np.clip(place, 0, MEL_BANDS - 1)
        below = np.minimum(place.astype(int), MEL_BANDS - 2)
        band = np.arange(MEL_BANDS)
        matrix[below, band] = 1 - (place - below)
        matrix[below + 1, band] = place - below
    matrices.flags.writeable = False
    return matrices


@lru_cache
def noise_bank(width: int) -> Array:
    """(6000, width) float32, read-only: the rows of one minute of white noise at -20 dB RMS.

    Real rows of real noise, so that neighbours overlap and narrow bands flicker as they do in a recording.
    """
    samples = np.random.default_rng(160).standard_normal(_NOISE_ROWS * ROW_HOP).astype(np.float32)
    rows = run_whole(FeatureSpec(rows=width).extractor(), samples * np.float32(10 ** (_NOISE_DB / 20)))
    rows = rows[2 : 2 + _NOISE_ROWS - 4]  # the first and last windows are part silence
    rows.flags.writeable = False
    return rows
