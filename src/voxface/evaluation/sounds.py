"""Sounds in which nobody speaks, all made here by arithmetic: noise, hum, and artificial music, breath and laughter.

Everything is a pure function of its arguments and the random generator that comes in; samples at 16 kHz, levels in dB
of RMS re full scale (a square wave of amplitude 1 has 0 dB).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

import numpy as np

from voxface.stream import Array
from voxface.timebase import SAMPLE_RATE_HZ

SECONDS = 6.0
"""Length of each of SOUNDS."""

_NYQUIST_HZ = SAMPLE_RATE_HZ / 2


def at_level(sound: Array, level_db: float) -> Array:
    """A sound scaled so that its RMS is `level_db`: (n,) float32."""
    rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))
    result: Array = (sound * (10 ** (level_db / 20) / max(rms, 1e-12))).astype(np.float32)
    return result


def filtered(sound: Array, gain: Callable[[Array], Array]) -> Array:
    """A sound through a filter without delay, given as its gain over frequency.

    Args:
        gain: (bins,) Hz -> (bins,) factors. At least 0.1 s of silence behind the sound takes what rings on.
    """
    padded = transform_size(len(sound) + SAMPLE_RATE_HZ // 10)
    spectrum = np.fft.rfft(sound, padded)
    result: Array = np.fft.irfft(spectrum * gain(np.fft.rfftfreq(padded, 1 / SAMPLE_RATE_HZ)), padded)[: len(sound)]
    return result


def transform_size(least: int) -> int:
    """A length that is at least this and fast to transform: a power of two."""
    return 1 << (least - 1).bit_length()


def white(count: int, random: np.random.Generator) -> Array:
    """(count,) noise of equal power at every frequency; RMS about 1."""
    return random.standard_normal(count)


def pink(count: int, random: np.random.Generator) -> Array:
    """(count,) noise of equal power in every octave above 20 Hz; RMS about 1."""
    sound = filtered(white(count, random), lambda hz: np.where(hz < 20, 0, 1 / np.sqrt(np.maximum(hz, 20))))
    return _even(sound)


def _even(sound: Array) -> Array:
    result: Array = sound / np.std(sound)
    return result


def hum(count: int, random: np.random.Generator) -> Array:
    """(count,) of mains at 50 Hz with harmonics up to 1 kHz, each of a random phase."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    parts = [np.sin(2 * np.pi * 50 * k * time_s + random.uniform(0, 2 * np.pi)) / k for k in range(1, 21)]
    return _sum(parts)


def music(count: int, random: np.random.Generator) -> Array:
    """(count,) artificial music: 110 beats a minute, each a plucked chord, a bass note, a drum and a hiss."""
    sound, beat = np.zeros(count), round(SAMPLE_RATE_HZ * 60 / 110)
    roots = (220.0, 174.6, 261.6, 196.0)
    for number, start in enumerate(range(0, count, beat)):
        length = min(2 * beat, count - start)
        time_s = np.arange(length) / SAMPLE_RATE_HZ
        root = roots[number // 2 % len(roots)]
        chord = [_plucked(root * ratio * random.uniform(0.999, 1.001), time_s) for ratio in (1, 1.26, 1.498)]
        drum = 2 * np.sin(2 * np.pi * 60 * time_s) * np.exp(-time_s / 0.08)
        hiss = 0.5 * np.diff(white(length + 1, random)) * np.exp(-time_s / 0.03)
        sound[start : start + length] += _sum(chord) + _plucked(root / 4, time_s) + drum + hiss
    return sound


def _sum(parts: Sequence[Array]) -> Array:
    result: Array = np.sum(parts, axis=0)
    return result


def _plucked(hz: float, time_s: Array) -> Array:
    """A note whose higher harmonics die sooner."""
    parts = [np.sin(2 * np.pi * k * hz * time_s) * np.exp(-time_s * (1 + k)) / k for k in range(1, 13)]
    return _sum(parts)


def breath(count: int, random: np.random.Generator) -> Array:
    """(count,) artificial breathing: noise through the mouth, 1 s in and 1.4 s out, a pause of 0.6 s after either."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ % 3.6
    inwards = np.sin(np.pi * np.clip(time_s, 0, 1)) ** 2
    outwards = np.sin(np.pi * np.clip((time_s - 1.6) / 1.4, 0, 1)) ** 2
    source = white(count, random)
    drawn, let_go = (_formants((1500, 3200, 5500), 900), _formants((700, 1600, 2600), 500))
    return _sum([inwards * filtered(source, drawn), outwards * filtered(source, let_go)])


def laughter(count: int, random: np.random.Generator) -> Array:
    """(count,) artificial laughter: five voiced bursts a second, each "ha" begins with breath and falls in pitch."""
    sound, burst = np.zeros(count), SAMPLE_RATE_HZ // 5
    for number, start in enumerate(range(0, count - burst, burst)):
        if number % 10 >= 8:  # a pause of two bursts to draw breath
            continue
        time_s = np.arange(burst) / SAMPLE_RATE_HZ
        pitch_hz = random.uniform(240, 300) * (1 - 0.6 * time_s)
        phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
        voice = _sum([np.sin(k * phase) for k in range(1, 25)])
        opening = np.sin(np.pi * np.clip((time_s - 0.06) / 0.14, 0, 1)) ** 2
        aspiration = 0.5 * white(burst, random) * np.sin(np.pi * time_s / 0.2)
        sound[start : start + burst] = voice * opening + aspiration
    return filtered(sound, _formants((750, 1300, 2600), 200))


def _formants(centres_hz: Sequence[float], width_hz: float) -> Callable[[Array], Array]:
    """Resonances of equal width, the higher ones softer."""

    def gain(hz: Array) -> Array:
        parts = [np.exp(-(((hz - centre) / width_hz) ** 2)) / (1 + i) for i, centre in enumerate(centres_hz)]
        return _sum(parts)

    return gain


def babble(voices: Sequence[Array], count: int, random: np.random.Generator, talkers: int = 8) -> Array:
    """(count,) of several people who talk at once, equally loud; RMS about 1.

    Args:
        voices: recordings to draw `talkers` from, each started anywhere and repeated; the same one may talk twice.
    """
    sound = np.zeros(count)
    for number in random.integers(len(voices), size=talkers):
        voice = np.roll(voices[number], -int(random.integers(len(voices[number]))))
        sound += at_level(np.resize(voice, count), 0)
    return _even(sound)


Sound = Callable[[int, np.random.Generator], Array]

_LEVELLED: tuple[tuple[str, Sound, tuple[float, ...]], ...] = (
    ("white noise", white, (-60, -50, -40)),
    ("pink noise", pink, (-60, -50, -40)),
    ("hum", hum, (-60, -50, -40)),
    ("music", music, (-20,)),
    ("breath", breath, (-40,)),
    ("laughter", laughter, (-20,)),
)

ROOM = ("silence", *(f"{name} {level:g} dB" for name, _, levels in _LEVELLED[:3] for level in levels))
"""Silence and the noise of rooms: names of SOUNDS."""


@lru_cache(maxsize=32)
def _made(sound: Sound, level_db: float, seed: int) -> Array:
    """Shared, therefore read-only."""
    made = at_level(sound(round(SECONDS * SAMPLE_RATE_HZ), np.random.default_rng(seed)), level_db)
    made.flags.writeable = False
    return made


SOUNDS: Mapping[str, Callable[[int], Array]] = {
    "silence": lambda seed: np.zeros(round(SECONDS * SAMPLE_RATE_HZ), np.float32),
    **{f"{name} {level:g} dB": partial(_made, sound, level) for name, sound, levels in _LEVELLED for level in levels},
}
"""Six seconds of sound in which nobody speaks, by name; the argument is the seed."""
