"""What happens to speech on its way to us: noise, a telephone, a room, a distant microphone.

All are pure functions of samples at 16 kHz and the random generator that comes in; sounds keep their length and their
time.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.evaluation.sounds import at_level, babble, filtered, pink, transform_size, white
from voxface.stream import Array
from voxface.timebase import ROW_HOP, SAMPLE_RATE_HZ

SNR_DB = 10.0
ROOM_RT60_S = 0.4
QUIET_DB = -30.0
_BAND_HZ = (300.0, 3400.0)
_EDGE_HZ = 100.0  # width of the slopes at the ends of the band
_MU = 255.0
_DIRECT_DB = 3.0  # the direct sound over all echoes together: a metre or two away in a small room


def speech_level_db(samples: Array) -> float:
    """RMS in dB re full scale, of the samples whose row is within 25 dB of the loudest: without the pauses."""
    spoken = np.repeat(relative_level_db(samples) >= -SPEECH_DB, ROW_HOP)[: len(samples)]
    chosen = samples[: len(spoken)][spoken]
    power = float(np.mean(np.square(chosen, dtype=np.float64))) if len(chosen) else 0.0
    return 10 * math.log10(max(power, 1e-12))


def with_noise(samples: Array, noise: Array, snr_db: float = SNR_DB) -> Array:
    """(n,) float32: speech with (n,) noise whose RMS is `snr_db` below that of the speech."""
    return (samples + at_level(noise, speech_level_db(samples) - snr_db)).astype(np.float32)


def telephone(samples: Array) -> Array:
    """(n,) float32 as heard through a telephone: 300 to 3400 Hz, 8 kHz, 8 bits by the mu-law (ITU-T G.711)."""
    narrow = filtered(samples, _band)[::2]
    level = np.log1p(_MU * np.minimum(np.abs(narrow), 1)) / np.log1p(_MU)
    coded = np.round(level * 127) / 127
    heard = np.sign(narrow) * np.expm1(coded * np.log1p(_MU)) / _MU
    wide = np.zeros(len(samples))
    wide[::2] = 2 * heard
    return filtered(wide, lambda hz: (hz < SAMPLE_RATE_HZ / 4).astype(float)).astype(np.float32)


def _band(hz: Array) -> Array:
    low, high = (np.clip(side / _EDGE_HZ, 0, 1) for side in (hz - _BAND_HZ[0] + _EDGE_HZ, _BAND_HZ[1] + _EDGE_HZ - hz))
    result: Array = np.sin(np.pi / 2 * np.minimum(low, high)) ** 2
    return result


def room_response(random: np.random.Generator, rt60_s: float = ROOM_RT60_S) -> Array:
    """Impulse response of 1.5 rt60_s: the direct sound, and from 3 ms on echoes that fall by 60 dB in rt60_s."""
    time_s = np.arange(round(1.5 * rt60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    echoes = white(len(time_s), random) * 10 ** (-3 * time_s / rt60_s) * (time_s >= 0.003)
    echoes *= 10 ** (-_DIRECT_DB / 20) / np.sqrt(np.sum(echoes**2))
    echoes[0] = 1
    return echoes


def room(samples: Array, random: np.random.Generator, rt60_s: float = ROOM_RT60_S) -> Array:
    """(n,) float32 as heard in a small room."""
    response = room_response(random, rt60_s)
    size = transform_size(len(samples) + len(response) - 1)
    heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]
    result: Array = heard.astype(np.float32)
    return result


Change = Callable[[Array, np.random.Generator], Array]


@dataclass(frozen=True, slots=True)
class Condition:
    """One way in which speech is worse than it was: a name, and what it does to (n,) samples."""

    name: str
    change: Change

    def apply(self, samples: Array, clip: str) -> Array:
        """The samples of the clip of that name; the same clip always meets the same noise and the same room."""
        return self.change(samples, np.random.default_rng([zlib.crc32(self.name.encode()), zlib.crc32(clip.encode())]))


NOISES = (f"white noise {SNR_DB:g} dB", f"pink noise {SNR_DB:g} dB", f"babble {SNR_DB:g} dB")
"""The names of the noisy conditions."""


def conditions(voices: Sequence[Array]) -> tuple[Condition, ...]:
    """All conditions but clean speech.

    Args:
        voices: recordings of other people, for the babble.
    """
    return (
        Condition(NOISES[0], lambda samples, random: with_noise(samples, white(len(samples), random))),
        Condition(NOISES[1], lambda samples, random: with_noise(samples, pink(len(samples), random))),
        Condition(NOISES[2], lambda samples, random: with_noise(samples, babble(voices, len(samples), random))),
        Condition("telephone", lambda samples, random: telephone(samples)),
        Condition(f"small room, {ROOM_RT60_S:g} s", room),
        Condition(f"{QUIET_DB:g} dB", lambda samples, random: (samples * 10 ** (QUIET_DB / 20)).astype(np.float32)),
    )
