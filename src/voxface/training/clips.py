"""Clips of lengths that people send, made of many recordings: for features that are normalised over the whole clip.

Mean and deviation over three seconds of one sentence are not those of twenty seconds with pauses; a net that shall
bear both must hear both. Clip number k is a pure function of the seed and of k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from voxface.audio.features import FeatureSpec
from voxface.audio.resample import Resampler
from voxface.face.interpolate import interpolate_values
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.stream import Array, run_whole
from voxface.timebase import COLUMN_SAMPLE_RATE_HZ, PAIR_RATE_HZ, ROW_HOP, ROW_RATE_HZ, SAMPLE_RATE_HZ
from voxface.training.disturb import DisturbSpec, disturb, widen
from voxface.training.speech_table import CAPTURED, NOBODY, SYNTHETIC, SpeechTable


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """What clips are like; shares are probabilities, ranges uniform.

    seconds:  length of a clip; short ones are as likely as long ones (uniform in its logarithm)
    pause_s:  between two recordings, digital silence
    speed:    speech and face go up to this much faster or slower
    kinds:    share of clips with (nobody, a human being, a machine) speaking
    nobody_share: recordings in which nobody speaks, among those of a clip in which somebody does
    empty_share:  clips of noise alone; one in five of them is digital silence
    babble_share, babble_db: somebody else talks, so much softer
    """

    seconds: tuple[float, float] = (2.2, 20.0)
    pause_s: tuple[float, float] = (0.0, 0.8)
    speed: float = 0.12
    kinds: tuple[float, float, float] = (0.07, 0.46, 0.47)
    nobody_share: float = 0.08
    empty_share: float = 0.03
    babble_share: float = 0.1
    babble_db: tuple[float, float] = (8.0, 30.0)
    disturb: DisturbSpec = field(default_factory=DisturbSpec)


_STILL = np.zeros(len(ARKIT), np.float32)
_CALM = np.array([name == "Neutral" for name in EMOTIONS], np.float32)


class Piece(NamedTuple):
    """A part of a recording and the pause behind it, in samples at 16 kHz; number -1: nothing but the pause."""

    number: int
    first: int
    length: int
    pause: int


def make_clip(
    speech: SpeechTable, spec: ClipSpec, feature: FeatureSpec, seed: int, number: int
) -> tuple[Array, Array, Array]:
    """Clip `number`: (frames, width) features, (frames, 52) weights in canonical order, (frames, 7) emotions."""
    random = np.random.default_rng([0x636C6970, seed, number])
    pieces, speed = _plan(speech, spec, random)
    samples = np.concatenate([_sound(speech, piece) for piece in pieces])
    if speed != 1:
        samples = run_whole(Resampler(round(SAMPLE_RATE_HZ * speed), SAMPLE_RATE_HZ), samples)
    if not samples.any() and random.random() < 0.8:
        samples = random.standard_normal(len(samples)).astype(np.float32) * 0.01
    if random.random() < spec.babble_share:
        samples = samples + _babble(speech, spec, samples, random)
    wide = widen(disturb(samples, spec.disturb, random), COLUMN_SAMPLE_RATE_HZ, spec.disturb, random)
    rows = feature.whole(wide)
    face = (_rows(column, speech, pieces, rest) for column, rest in ((speech.weights, _STILL), (speech.emotion, _CALM)))
    weights, emotion = (at_frames(column, len(rows), speed) for column in face)
    return rows, weights, emotion


def at_frames(rows: Array, frames: int, speed: float = 1.0) -> Array:
    """(rows, columns) at 100 a second -> (frames, columns) float32, 60 a second.

    Frame k is the face at k / 60 s, as everybody counts it; its features are the mean of what is heard there and 1/120
    s later, a shift that the net learns.
    """
    times_s = np.arange(len(rows)) / (ROW_RATE_HZ * speed)
    return interpolate_values(times_s, rows, np.arange(frames) / PAIR_RATE_HZ)


def _plan(speech: SpeechTable, spec: ClipSpec, random: np.random.Generator) -> tuple[list[Piece], float]:
    """Which parts of which recordings, and how fast."""
    length = int(np.exp(random.uniform(*np.log(spec.seconds))) * SAMPLE_RATE_HZ)
    if random.random() < spec.empty_share:
        return [Piece(-1, 0, 0, length)], 1.0
    shares = np.array(spec.kinds) * np.isin([NOBODY, CAPTURED, SYNTHETIC], speech.kinds)
    kind = random.choice([NOBODY, CAPTURED, SYNTHETIC], p=shares / shares.sum())
    silent = np.flatnonzero(speech.kinds == NOBODY)
    spoken = np.flatnonzero(speech.kinds == kind)
    at = int(random.integers(len(spoken)))
    pieces = [Piece(-1, 0, 0, _hops(random.uniform(*spec.pause_s) * random.integers(2)))]
    while (left := length - sum(piece.length + piece.pause for piece in pieces)) > ROW_HOP:
        quiet = len(silent) and random.random() < spec.nobody_share
        chosen = int(random.choice(silent) if quiet else spoken[at % len(spoken)])
        at += not quiet  # neighbours are mostly of one speaker
        whole = int(np.diff(speech.starts[chosen : chosen + 2, 0])[0]) // ROW_HOP * ROW_HOP
        most = min(whole, -(-left // ROW_HOP) * ROW_HOP, _hops(random.uniform(1, 4)) if quiet else whole)
        first = int(random.integers((whole - most) // ROW_HOP + 1)) * ROW_HOP
        pieces.append(Piece(chosen, first, most, _hops(random.uniform(*spec.pause_s))))
    return pieces, float(1 + random.uniform(-spec.speed, spec.speed) * random.integers(2))


def _hops(seconds: float) -> int:
    """Samples of a whole number of rows."""
    return int(seconds * ROW_RATE_HZ) * ROW_HOP


def _sound(speech: SpeechTable, piece: Piece) -> Array:
    heard = np.zeros(piece.length + piece.pause, np.float32)
    if piece.number >= 0:
        heard[: piece.length] = speech.sound(piece.number)[piece.first : piece.first + piece.length]
    return heard


def _rows(column: Array, speech: SpeechTable, pieces: Sequence[Piece], rest: Array) -> Array:
    """(rows, columns) float32 of a clip; in pauses the rest."""
    parts = []
    for piece in pieces:
        rows = np.tile(rest, ((piece.length + piece.pause) // ROW_HOP, 1))
        if piece.number >= 0:
            own = column[speech.rows(piece.number)][piece.first // ROW_HOP :][: piece.length // ROW_HOP]
            rows[: len(own)] = own
        parts.append(rows)
    return np.concatenate(parts)


def _babble(speech: SpeechTable, spec: ClipSpec, samples: Array, random: np.random.Generator) -> Array:
    other = speech.sound(int(random.choice(np.flatnonzero(speech.kinds != NOBODY))))
    other = np.resize(other, len(samples))
    loud = np.sqrt(np.mean(np.square(samples)) / max(float(np.mean(np.square(other))), 1e-12))
    mixed: Array = other * np.float32(loud * 10 ** (-random.uniform(*spec.babble_db) / 20))
    return mixed
