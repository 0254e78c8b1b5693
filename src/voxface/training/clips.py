"""Clips of lengths that people send, made of many recordings: for features that are normalised over the whole clip.

Mean and deviation over three seconds of one sentence are not those of twenty seconds with pauses; a net that shall
bear both must hear both. Clip number k is a pure function of the seed and of k.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from voxface.audio.features import FeatureSpec
from voxface.audio.resample import Resampler
from voxface.stream import Array, run_whole
from voxface.timebase import ROW_HOP, ROW_RATE_HZ, SAMPLE_RATE_HZ
from voxface.training.disturb import DisturbSpec, disturb, widen
from voxface.training.speech_table import CAPTURED, NOBODY, SYNTHETIC, SpeechTable

WIDE_HZ = 88_200
FRAMES_HZ = 60
FRAME_CENTRE_S = 1 / 240
"""A frame is the mean of two columns 1/120 s apart, the first at k / 60 seconds: it stands for their middle."""


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


class Piece(NamedTuple):
    """A part of a recording and the pause behind it, in samples at 16 kHz; number -1: nothing but the pause."""

    number: int
    first: int
    count: int
    pause: int


def clip_frames(samples: int) -> int:
    """Frames of a clip of so many samples at 88.2 kHz (neurosync.md N4.7)."""
    return (2 + samples // (WIDE_HZ // 120)) // 2


def make_clip(speech: SpeechTable, spec: ClipSpec, feature: FeatureSpec, seed: int, number: int) -> tuple[Array, Array]:
    """Clip `number`: (frames, width) float32 features, and (frames, 52) float32 weights in canonical order."""
    random = np.random.default_rng([0x636C6970, seed, number])
    pieces, speed = _plan(speech, spec, random)
    samples = np.concatenate([_sound(speech, piece) for piece in pieces])
    weights = np.concatenate([_face(speech.weights, speech, piece) for piece in pieces])
    if speed != 1:
        samples = run_whole(Resampler(round(SAMPLE_RATE_HZ * speed), SAMPLE_RATE_HZ), samples)
    if not samples.any() and random.random() < 0.8:
        samples = random.standard_normal(len(samples)).astype(np.float32) * 0.01
    if random.random() < spec.babble_share:
        samples = samples + _babble(speech, spec, samples, random)
    wide = widen(disturb(samples, spec.disturb, random), WIDE_HZ, spec.disturb, random)
    return feature.whole(wide), at_frames(weights, clip_frames(len(wide)), speed)


def at_frames(rows: Array, frames: int, speed: float = 1.0) -> Array:
    """(rows, columns) at 100 a second -> (frames, columns) float32 at the moments that frames stand for."""
    place = (np.arange(frames) / FRAMES_HZ + FRAME_CENTRE_S) * ROW_RATE_HZ * speed
    place = np.clip(place, 0, len(rows) - 1)
    before = np.minimum(place.astype(int), max(len(rows) - 2, 0))
    share = (place - before)[:, None]
    after = np.minimum(before + 1, len(rows) - 1)
    result: Array = (rows[before] * (1 - share) + rows[after] * share).astype(np.float32)
    return result


def _plan(speech: SpeechTable, spec: ClipSpec, random: np.random.Generator) -> tuple[list[Piece], float]:
    """Which parts of which recordings, and how fast."""
    length = int(np.exp(random.uniform(*np.log(spec.seconds))) * SAMPLE_RATE_HZ)
    if random.random() < spec.empty_share:
        return [Piece(-1, 0, 0, length)], 1.0
    kind = random.choice([NOBODY, CAPTURED, SYNTHETIC], p=spec.kinds)
    silent = np.flatnonzero(speech.kinds == NOBODY)
    spoken = np.flatnonzero(speech.kinds == kind)
    at = int(random.integers(len(spoken)))
    pieces = [Piece(-1, 0, 0, _hops(random.uniform(*spec.pause_s) * random.integers(2)))]
    while (left := length - sum(piece.count + piece.pause for piece in pieces)) > ROW_HOP:
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
    heard = np.zeros(piece.count + piece.pause, np.float32)
    if piece.number >= 0:
        heard[: piece.count] = speech.sound(piece.number)[piece.first : piece.first + piece.count]
    return heard


def _face(face: Array, speech: SpeechTable, piece: Piece) -> Array:
    """(rows, columns) float32 of a piece; in its pause the face is at rest."""
    rows = np.zeros(((piece.count + piece.pause) // ROW_HOP, face.shape[1]), np.float32)
    if piece.number >= 0:
        own = face[speech.rows(piece.number)][piece.first // ROW_HOP :][: piece.count // ROW_HOP]
        rows[: len(own)] = own
    return rows


def _babble(speech: SpeechTable, spec: ClipSpec, samples: Array, random: np.random.Generator) -> Array:
    other = speech.sound(int(random.choice(np.flatnonzero(speech.kinds != NOBODY))))
    other = np.resize(other, len(samples))
    loud = np.sqrt(np.mean(np.square(samples)) / max(float(np.mean(np.square(other))), 1e-12))
    mixed: Array = other * np.float32(loud * 10 ** (-random.uniform(*spec.babble_db) / 20))
    return mixed
