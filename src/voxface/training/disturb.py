"""Other rooms, microphones and bandwidths, made on the samples: for features that are no log-mel rows and so cannot be
varied as augment.py does it.

Everything that is linear happens in one spectrum of the whole clip. All our speech ends at 8 kHz, that of users at 11
to 24 kHz; what lies above is made of what lies below, copied upwards as codecs do it (spectral band replication: Dietz,
Liljeryd, Kjörling, Kunz, AES 112, 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.audio.resample import Resampler
from voxface.stream import Array, run_whole
from voxface.timebase import SAMPLE_RATE_HZ

_EDGE_HZ = 7_700.0  # where the speech of 16 kHz ends
_BAND_HZ = 3_700.0  # the width of what is copied


@dataclass(frozen=True, slots=True)
class DisturbSpec:
    """How much a clip varies; every share is a probability per clip, every range is uniform.

    plain_share: clips left as they were heard
    tilt_db:     a straight slope and one wave over 0 to 8 kHz of up to this much
    room_share, room_s, room_db: echo that falls by 60 dB in this time; its power against the direct sound
    phone_share: clips through a telephone, 300 Hz to 3.4 ... 4 kHz
    noise_share, noise_db: steady coloured noise, so much below the speech
    wide_share:  clips that go on above 8 kHz, to 11 ... 24 kHz
    wide_db:     the first band above 8 kHz against that below; fall_db: each further band against the one before
    hiss_share, hiss_db: white noise up to the end of the band, against the loudest sample
    """

    plain_share: float = 0.25
    tilt_db: float = 9.0
    room_share: float = 0.25
    room_s: tuple[float, float] = (0.1, 0.6)
    room_db: tuple[float, float] = (-15.0, 0.0)
    phone_share: float = 0.06
    noise_share: float = 0.5
    noise_db: tuple[float, float] = (5.0, 50.0)
    wide_share: float = 0.6
    wide_db: tuple[float, float] = (-18.0, 2.0)
    fall_db: tuple[float, float] = (2.0, 15.0)
    hiss_share: float = 0.5
    hiss_db: tuple[float, float] = (-95.0, -45.0)


def disturb(samples: Array, spec: DisturbSpec, random: np.random.Generator) -> Array:
    """(n,) float32 at 16 kHz in another room, through another microphone, with noise."""
    if random.random() < spec.plain_share or not samples.any():
        return samples
    count = len(samples)
    level = float(np.sqrt(np.mean(np.square(samples))))
    hz = np.fft.rfftfreq(_good(count), 1 / SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(samples, _good(count)) * _microphone(hz, spec, random)
    if random.random() < spec.room_share:
        spectrum *= np.fft.rfft(_room(spec, random), _good(count))
    if random.random() < spec.noise_share:
        noise = np.fft.rfft(random.standard_normal(_good(count))) * _slope(hz, random.uniform(-25, 5))
        power = 2 * np.sum(np.abs(noise) ** 2) / _good(count) ** 2  # Parseval: mean square of its samples
        spectrum += noise * (level * 10 ** (-random.uniform(*spec.noise_db) / 20) / np.sqrt(power))
    return np.fft.irfft(spectrum, _good(count))[:count].astype(np.float32)


def widen(samples: Array, rate_hz: int, spec: DisturbSpec, random: np.random.Generator) -> Array:
    """(n,) float32 at 16 kHz -> (m,) at `rate_hz`, at times with something above 8 kHz."""
    wide = run_whole(Resampler(SAMPLE_RATE_HZ, rate_hz), samples)
    if random.random() >= spec.wide_share or not samples.any():
        return wide
    count, end_hz = len(wide), random.uniform(11_000, 24_000)
    spectrum = np.fft.rfft(wide, _good(count))
    per_bin = rate_hz / _good(count)
    first, width = round(_EDGE_HZ / per_bin), round(_BAND_HZ / per_bin)
    last, gain_db = round(end_hz / per_bin), random.uniform(*spec.wide_db)
    for at in range(first, last, width):
        stop = min(at + width, last)
        spectrum[at:stop] += spectrum[first - width : first - width + stop - at] * np.float32(10 ** (gain_db / 20))
        gain_db -= random.uniform(*spec.fall_db)
    if random.random() < spec.hiss_share:
        size = float(np.abs(wide).max()) * 10 ** (random.uniform(*spec.hiss_db) / 20) * np.sqrt(_good(count) / 2)
        spectrum[:last] += size * (random.standard_normal(last) + 1j * random.standard_normal(last))
    return np.fft.irfft(spectrum, _good(count))[:count].astype(np.float32)


def _good(count: int) -> int:
    """A length that transforms fast: the next multiple of 6720 = 2^6 3 5 7, a tenth of a second or so."""
    return -(-count // 6720) * 6720


def _microphone(hz: Array, spec: DisturbSpec, random: np.random.Generator) -> Array:
    """(bins,) gains: a slope and a wave; at times a telephone."""
    place = hz / hz[-1]
    wave = np.sin(2 * np.pi * (random.uniform(0.5, 3) * np.sqrt(place) + random.random()))
    size_db = spec.tilt_db * (random.uniform(-1, 1) * (place - 0.5) * 2 + random.uniform(-0.5, 0.5) * wave)
    gains: Array = 10 ** (size_db / 20)
    if random.random() < spec.phone_share:
        gains *= 1 / (1 + (250 / np.maximum(hz, 1)) ** 4) / (1 + (hz / random.uniform(3400, 4000)) ** 24)
    return gains


def _slope(hz: Array, size_db: float) -> Array:
    """(bins,) gains of noise that has a tenfold frequency by `size_db` louder, level below 50 Hz."""
    slope: Array = (np.maximum(hz, 50) / 1000) ** (size_db / 20)
    return slope


def _room(spec: DisturbSpec, random: np.random.Generator) -> Array:
    """(n,) impulse response: the direct sound, then noise that dies away."""
    seconds = random.uniform(*spec.room_s)
    count = int(seconds * SAMPLE_RATE_HZ)
    tail = random.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    tail[: SAMPLE_RATE_HZ // 500] = 0  # the first wall is 70 cm away
    tail *= 10 ** (random.uniform(*spec.room_db) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1
    return tail
