"""How it is said: pitch, voicing and loudness of the sound, and what of it stands out; 25 times a second, causal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from voxface.audio.mel import hann
from voxface.stream import Array
from voxface.timebase import ROW_HOP, ROW_RATE_HZ, ROW_WINDOW, SAMPLE_RATE_HZ

TICK_ROWS = 4
TICK_S = TICK_ROWS / ROW_RATE_HZ
TICK_HOP = TICK_ROWS * ROW_HOP  # samples
_DOWN = 4  # samples added up before the pitch is sought: at 4 kHz
_FFT = 256  # of 160 such samples
_TOP_BIN = 64  # 1 kHz: above lie formants, and what adding up has folded
_LOWEST_HZ, _SEMITONES, _STEPS = 75.0, 30, 2  # pitch is sought from 75 to 424 Hz, in half semitones
_SHARP, _OCTAVE = 300.0, 0.04
_FLOOR_DB = -80.0


@dataclass(frozen=True, slots=True)
class Prosody:
    """A stage from (n,) samples at 16 kHz to (ticks, 3): pitch in semitones above 75 Hz, voicing, level in dB.

    Tick k describes the 40 ms that end 12.5 ms after row 4 k, so it needs no more sound than that row of the features.
    Pitch is the lag of the highest autocorrelation of the part below 1 kHz, divided by that of the window, the octave
    above slightly preferred: P. Boersma, "Accurate short-term analysis of the fundamental frequency", IFA Proceedings
    17 (1993). Instead of the one best lag it is the mean of all, weighted by exp(300 r): two lags that are equally good
    up to rounding must not give one pitch in a stream and another in a file. Without voicing the pitch means nothing.

    together: ticks are given so many at a time, which costs less where there is time to wait
    """

    together: int = 1

    def start(self) -> Array:
        """Silence as long as the first window reaches back before the first sample."""
        return np.zeros(TICK_HOP - ROW_WINDOW // 2, np.float32)

    def step(self, state: Array, samples: Array) -> tuple[Array, Array]:
        """Take (n,) float32 samples; give (new state, (ticks, 3) float64)."""
        heard = np.concatenate([state, samples])
        ticks = len(heard) // (self.together * TICK_HOP) * self.together
        used = ticks * TICK_HOP
        return heard[used:], measure(heard[:used].reshape(ticks, TICK_HOP)) if ticks else np.zeros((0, 3))

    def finish(self, state: Array) -> Array:
        """The ticks that waited for the samples after their row."""
        return self.step(state, np.zeros(ROW_WINDOW // 2, np.float32))[1]


def measure(windows: Array) -> Array:
    """(ticks, 640) samples -> (ticks, 3)."""
    slow = windows[:, 0::4] + windows[:, 1::4] + windows[:, 2::4] + windows[:, 3::4]
    spectrum = np.fft.rfft(slow * hann(TICK_HOP // _DOWN), _FFT)[:, 1 : _TOP_BIN + 1]
    power = spectrum.real**2 + spectrum.imag**2
    similar = (power @ _lags()) / np.maximum(power.sum(axis=1, keepdims=True), 1e-12)
    best = similar.max(axis=1, keepdims=True)
    weight = np.exp(_SHARP * (similar - best))
    out = np.empty((len(windows), 3))
    out[:, 0] = (weight @ _candidates()) / weight.sum(axis=1)
    out[:, 1] = best[:, 0]
    out[:, 2] = 10 * np.log10(np.maximum(np.einsum("ij,ij->i", windows, windows) / TICK_HOP, 10 ** (_FLOOR_DB / 10)))
    return out


@lru_cache
def _candidates() -> Array:
    """(candidates,) semitones above the lowest pitch."""
    return np.arange(_SEMITONES * _STEPS + 1) / _STEPS


@lru_cache
def _lags() -> Array:
    """(bins, candidates): from a power spectrum to autocorrelations at the candidates' lags, over the window's own.

    The window's own autocorrelation is that of a Hann window of length T at lag x T (Boersma 1993, eq. 8):
    (1 - x) (2/3 + 1/3 cos 2 pi x) + 1 / (2 pi) sin 2 pi x.
    """
    lag_s = 1 / (_LOWEST_HZ * 2 ** (_candidates() / 12))
    x = lag_s / TICK_S
    window = (1 - x) * (2 / 3 + np.cos(2 * np.pi * x) / 3) + np.sin(2 * np.pi * x) / (2 * np.pi)
    hz = np.arange(1, _TOP_BIN + 1)[:, None] * SAMPLE_RATE_HZ / (_DOWN * _FFT)
    bonus = _OCTAVE * np.log2(1 / (lag_s * _LOWEST_HZ))  # a tone of 200 Hz also repeats at 100 Hz
    matrix: Array = np.cos(2 * np.pi * hz * lag_s) / window + bonus
    return matrix


class SpeakerState(NamedTuple):
    """What is known of room and speaker: the room's level, how much is spoken, and decaying sums over voiced speech.

    floor_db: level of the room · talk: share of speech lately · mass, pitch, level: sums of weight, of pitch, of level
    """

    floor_db: float
    talk: float
    mass: float
    pitch: float
    level: float


class Emphasis:
    """A stage from the ticks of Prosody to (ticks, 3): talk, stress, tone.

    talk:   how much somebody speaks, in [0, 1]; rises within 0.15 s and falls within 0.6 s
    stress: how far this moment stands out from the speaker's mean in pitch and loudness, in [0, 1]
    tone:   pitch against the speaker's mean, in [-1, 1]; 1 is half an octave up

    Everything is a continuous function of the sound (no thresholds that jump), see Timer. The level of the room is the
    running minimum, which rises 3 dB/s (as audio.voice); the speaker's means forget with a time constant of 4 s of
    voiced speech. Stressed syllables are louder and higher than their neighbours (D. Fry, "Experiments in the
    perception of stress", Language and Speech 1, 1958).
    """

    def start(self) -> SpeakerState:
        """A quiet room, nobody has spoken; the pitch between a man's and a woman's counts as a little heard."""
        return SpeakerState(-45.0, 0.0, 0.5, 0.5 * 12.0, 0.5 * -30.0)

    def step(self, state: SpeakerState, ticks: Array) -> tuple[SpeakerState, Array]:
        """Take (n, 3) ticks; give (new state, (n, 3) float64)."""
        floor, talk, mass, pitches, levels = state
        out = []
        for pitch, voicing, level in ticks.tolist():
            sound = 1.0 if level > -70 else (level + 80) / 10  # digital silence says nothing of the room
            floor = max(min(floor + RISE_DB * sound, level + 60 * (1 - sound)), LOWEST_ROOM_DB)
            over = (level - floor - 6) / 12
            active = 0.0 if over < 0 else 1.0 if over > 1 else over
            talk += (active - talk) * (ATTACK if active > talk else RELEASE)
            sure = active * (0.0 if voicing < 0.5 else 1.0 if voicing > 0.75 else 4 * voicing - 2)  # no mere rustle
            keep = 1 - FORGET * sure
            mass, pitches, levels = keep * mass + sure, keep * pitches + sure * pitch, keep * levels + sure * level
            higher, louder = (pitch - pitches / mass) / 6, (level - levels / mass) / 12
            stress = higher + louder
            stress = 0.0 if stress < 0 else 1.0 if stress > 1 else stress
            tone = -1.0 if higher < -1 else 1.0 if higher > 1 else higher
            out.append((talk, sure * stress, sure * tone))
        return SpeakerState(floor, talk, mass, pitches, levels), np.array(out).reshape(len(out), 3)


RISE_DB, LOWEST_ROOM_DB = 3.0 * TICK_S, -65.0
FORGET = TICK_S / 4.0
ATTACK, RELEASE = TICK_S / 0.15, TICK_S / 0.6
