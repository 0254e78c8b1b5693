"""What engines say of their phones, mended: names become ours, times those of the sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from voxface.articulation.phones import SILENCE, Phone, canonical_phone
from voxface.audio.resample import to_16k
from voxface.stream import Array
from voxface.synth.voices import Voice
from voxface.synth.wire import Answer, Label
from voxface.timebase import SAMPLE_RATE_HZ

STAND_IN = "ax"
"""What an unknown phone becomes: the mouth of a schwa is nearest to all others."""

SILENT_BELOW = 4e-3
"""Sound below this share of an utterance's peak is the closure of a stop."""

BREATH_BELOW = 0.15
"""So is sound below this share of the phone before it, up to BREATH_MOST of the peak: some timbres always breathe."""

BREATH_MOST = 0.05

_STOPS = ("p", "b", "t", "d", "k", "g", "ch", "jh")
_LONGEST_CLOSURE_S = 0.12
_STEP = SAMPLE_RATE_HZ // 500  # 2 ms: how finely silence is walked
_LEAST_S = 1e-3

_RUSSIAN: Mapping[str, str] = {
    "ii": "iy", "yy": "ix", "uu": "uw", "ee": "eh", "oo": "ao", "aa": "aa", "a": "ah", "e": "eh", "i": "ih", "y": "ix",
    "u": "uh", "ae": "ax", "ay": "ax", "ur": "ax", "c": "s", "ch": "ch", "sch": "sh", "h": "kh", "hh": "kh", "j": "y",
    "pp": "p", "bb": "b", "tt": "t", "dd": "d", "kk": "k", "gg": "g", "ff": "f", "vv": "v", "ss": "s", "zz": "z",
    "mm": "m", "nn": "n", "ll": "l", "r": "rr", "rr": "rr",
}  # fmt: skip
"""Phones of festvox-ru that mean something else in ARPAbet: a double letter is a stressed vowel or a soft consonant."""


_ESPEAK: Mapping[str, str] = {
    "əɪ": "ey", "ʌɪ": "ay", "ʌʉ": "ow", "əʉ": "ow", "æʊ": "aw", "ɑə": "aa", "oə": "ao",
    "əɹ": "er", "ʌɹ": "er", "ʉɹ": "uw", "a:": "aa", "ʲ": "y",
}  # fmt: skip
"""Sounds of espeak-ng's accents that are no IPA of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """One text, said: (n,) float32 samples at 16 kHz, phones within them, and how often unknown names came."""

    samples: Array
    phones: tuple[Phone, ...]
    unknown: Counter[str]


def mended(answer: Answer, voice: Voice) -> Speech:
    """What an engine answered, with the pitfalls of its labels taken care of.

    Labels beyond the end of the sound are clipped, not rescaled: flite kal16 cuts its closing silence and the others
    are right. espeak-ng marks a stop where it bursts: its silent closure is added to it. All human voices sound a
    little later than their labels.
    """
    samples = to_16k(np.frombuffer(answer.samples, np.int16).astype(np.float32) / 32768, answer.rate_hz)
    labels = _with_closures(samples, answer.labels) if voice.engine == "espeak" else list(answer.labels)
    unknown: Counter[str] = Counter()
    phones: list[Phone] = []
    for name, start_s, end_s, stress in labels:
        start, end = (min(max(time + voice.late_s, 0.0), len(samples) / SAMPLE_RATE_HZ) for time in (start_s, end_s))
        if end - start >= _LEAST_S:
            phones.append(Phone(_named(name, voice, unknown), round(start, 4), round(end, 4), stress))
    return Speech(samples, tuple(phone for phone in phones if phone.symbol != SILENCE), unknown)


def _named(name: str, voice: Voice, unknown: Counter[str]) -> str:
    """Our name of a phone; one that nobody knows is counted."""
    own = _ESPEAK if voice.engine == "espeak" else _RUSSIAN if voice.language == "ru" else {}
    known = own.get(name) or canonical_phone(name, "ipa" if voice.engine == "espeak" else "arpabet")
    if known is None:
        unknown[name] += 1
    return known or STAND_IN


def _with_closures(samples: Array, labels: tuple[Label, ...]) -> list[Label]:
    """Labels with the start of every stop walked back over the near-silence before it, taken from the phone before."""
    peaks = _step_peaks(samples)
    result: list[Label] = []
    for name, start_s, end_s, stress in labels:
        if result and canonical_phone(name, "ipa") in _STOPS:
            before, from_s, _, before_stress = result[-1]
            earliest_s = max(start_s - _LONGEST_CLOSURE_S, (from_s + start_s) / 2)
            begun_s = _closed_since(_quiet(peaks, from_s, start_s), start_s, earliest_s)
            result[-1] = (before, from_s, begun_s, before_stress)
            start_s = begun_s
        result.append((name, start_s, end_s, stress))
    return result


def _step_peaks(samples: Array) -> Array:
    """(steps,) float32: the loudest sample in every 2 ms, as a share of the utterance's."""
    steps = len(samples) // _STEP
    peaks: Array = np.abs(samples[: steps * _STEP]).reshape(steps, _STEP).max(axis=1, initial=0)
    return peaks / max(float(peaks.max(initial=0)), 1e-9)


def _quiet(peaks: Array, from_s: float, to_s: float) -> Array:
    """(steps,) bool: which steps may be the closure of a stop behind a phone that is spoken from from_s to to_s."""
    step_s = _STEP / SAMPLE_RATE_HZ
    before = peaks[int(from_s / step_s) : int((from_s + to_s) / 2 / step_s) + 1]
    loud = float(np.median(before)) if len(before) else 0.0
    quiet: Array = peaks < max(SILENT_BELOW, min(BREATH_BELOW * loud, BREATH_MOST))
    return quiet


def _closed_since(quiet: Array, burst_s: float, earliest_s: float) -> float:
    """When the silence before a burst began, not before earliest_s; the burst itself where there is none."""
    step_s = _STEP / SAMPLE_RATE_HZ
    place = min(int(burst_s / step_s), len(quiet)) - 1
    while place >= 0 and quiet[place] and place * step_s > earliest_s:
        place -= 1
    return max(min((place + 1) * step_s, burst_s), earliest_s)
