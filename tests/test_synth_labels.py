"""Labels of speech engines: every voice's phones are where its sound is; the pitfalls of RESEARCH A1 are mended."""

from __future__ import annotations

import numpy as np
import pytest

from voxface.articulation.phones import PHONES, VOWELS, Phone
from voxface.synth.engines import find_voices, speak
from voxface.synth.labels import STAND_IN, Speech, mended
from voxface.synth.text import RUSSIAN
from voxface.synth.voices import VOICES, Voice, choose_voices
from voxface.synth.wire import Answer, Label, Request

TEXTS = (
    "the baby sat on a big wooden boat", "put the paper back in my pocket please", "people like to keep a happy puppy",
    "they talked about music in the garden", "she bought a cup of tea and a cake", "we measure the path to the beach",
    "my brother makes very good bread", "a pretty picture hangs above the table", "the cook put pepper on top of it",
)  # fmt: skip
"""Own sentences with many vowels beside stops."""

STEP_S = 0.005


def spoken(voice: Voice) -> list[Speech]:
    """What a voice makes of some sentences; skips, loudly, where it is not installed."""
    missing = find_voices([voice])[1]
    if missing:
        pytest.skip("; ".join(missing))
    said = speak(voice, [Request(text) for text in (RUSSIAN[:10] if voice.language == "ru" else TEXTS)])
    assert not said.faults
    return [mended(answer, voice) for answer in said.answers if answer]


def energy_db(samples: np.ndarray) -> np.ndarray:
    """(steps,) energy from 300 to 3500 Hz of the 20 ms around every 5 ms, dB below the loudest, at least -40."""
    around = np.pad(samples, 160)
    windows = np.lib.stride_tricks.sliding_window_view(around, 320)[::80] * np.hanning(320)
    power = np.abs(np.fft.rfft(windows, 512)[:, 10:112]) ** 2
    level = 10 * np.log10(power.sum(axis=1) + 1e-12)
    return np.maximum(level - level.max(), -40)


def best_lag_s(speeches: list[Speech], symbols: tuple[str, ...], sign: int) -> tuple[float, float]:
    """The lag, of -80 to 80 ms, at which energy and "one of these phones is spoken" go together best (sign 1) or
    against each other (-1), positive where the sound comes later than its labels; and the Pearson r there."""
    lags = np.arange(-16, 17)
    energy, masks = [], []
    for speech in speeches:
        level = energy_db(speech.samples)
        times = np.arange(len(level)) * STEP_S
        spoken_at = np.zeros(len(level))
        for phone in speech.phones:
            if phone.symbol in symbols:
                spoken_at[(times >= phone.start_s) & (times < phone.end_s)] = 1
        within = (times > speech.phones[0].start_s - 0.1) & (times < speech.phones[-1].end_s + 0.1)
        energy.append(level[within])
        masks.append(np.stack([np.roll(spoken_at, lag)[within] for lag in lags]))
    found = np.corrcoef(np.concatenate(energy), np.concatenate(masks, axis=1))[0, 1:]
    best = int(np.argmax(sign * found))
    return float(lags[best] * STEP_S), float(found[best])


@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: voice.speaker)
def test_phones_are_where_the_sound_says(voice: Voice) -> None:
    """The best lag between labelled vowels and energy, and between p, t, k and its lack (lips must close before the
    burst), is within 20 ms; names are known (99.5 %) and phones lie in the sound."""
    speeches = spoken(voice)
    lag_s, r = best_lag_s(speeches, VOWELS, 1)
    assert abs(lag_s) <= 0.0201
    assert r > 0.4
    if voice.language == "en":
        lag_s, r = best_lag_s(speeches, ("p", "t", "k"), -1)
        assert abs(lag_s) <= 0.0201
        assert r < -0.2
    assert sum(sum(speech.unknown.values()) for speech in speeches) <= 0.005 * sum(len(s.phones) for s in speeches)
    assert all(phone.end_s <= len(s.samples) / 16_000 for s in speeches for phone in s.phones)
    assert all(phone.symbol != "sil" for s in speeches for phone in s.phones)


def test_stress_is_known_of_every_english_engine() -> None:
    """Of "PApa" and "baNAna", the stressed vowel and no other: also from espeak-ng, whose events have no marks."""
    for name in ("slt", "kal", "espeak-en-us+m3"):
        voice = choose_voices(name)[0]
        if find_voices([voice])[1]:
            continue
        answer = speak(voice, [Request("banana")]).answers[0]
        assert answer is not None
        vowels = [phone.stress for phone in mended(answer, voice).phones if phone.symbol in VOWELS]
        assert vowels == [0, 1, 0], name


def answer(labels: list[Label], samples: np.ndarray) -> Answer:
    return Answer(16_000, np.round(samples * 32767).astype(np.int16).tobytes(), tuple(labels))


def voice(engine: str, language: str = "en") -> Voice:
    return Voice(engine, "test", "", 0.1, language=language)


def test_labels_beyond_the_sound_are_clipped_and_not_rescaled() -> None:
    """flite kal16 cuts 105 ms of its closing silence; the labels before it are right as they are."""
    labels: list[Label] = [("aa", 0.0, 0.5, 1), ("m", 0.5, 1.04, 0), ("pau", 1.04, 1.2, 0), ("s", 1.3, 1.4, 0)]
    phones = mended(answer(labels, np.full(16_000, 0.1)), voice("flite")).phones
    assert phones == (Phone("aa", 0.0, 0.5, 1), Phone("m", 0.5, 1.0))


@pytest.mark.parametrize("breath", [0.0, 0.01])
def test_a_stop_of_espeak_begins_with_its_silent_closure(breath: float) -> None:
    """Its event is at the burst (0.50 s); the closure from 0.44 s on is taken from the vowel, also where the timbre
    breathes all along. Other engines' labels, and sounds that are no stops, stay."""
    rng = np.random.default_rng(3)
    samples = 0.5 * np.sin(np.arange(16_000) * 0.1)
    samples[round(0.44 * 16_000) : 8_000] = breath * rng.uniform(-1, 1, 8_000 - round(0.44 * 16_000))
    labels: list[Label] = [("ɑː", 0.3, 0.5, 0), ("p", 0.5, 0.6, 0), ("a", 0.6, 0.9, 0)]
    vowel, stop, _ = mended(answer(labels, samples), voice("espeak")).phones
    assert stop.start_s == vowel.end_s == pytest.approx(0.44, abs=0.003)
    other: list[Label] = [("aa", 0.3, 0.5, 0), ("p", 0.5, 0.6, 0)]
    assert mended(answer(other, samples), voice("flite")).phones[1].start_s == 0.5
    no_stop: list[Label] = [("ɑː", 0.3, 0.5, 0), ("s", 0.5, 0.6, 0)]
    assert mended(answer(no_stop, samples), voice("espeak")).phones[1].start_s == 0.5


def test_a_closure_takes_at_most_half_of_the_phone_before() -> None:
    """A stop after a pause, or in total silence, does not swallow what came before."""
    labels: list[Label] = [("ɑː", 0.3, 0.36, 0), ("p", 0.36, 0.5, 0)]
    vowel, stop = mended(answer(labels, np.zeros(16_000)), voice("espeak")).phones
    assert (vowel.end_s, stop.start_s) == (0.33, 0.33)


def test_unknown_names_become_a_schwa_and_are_counted() -> None:
    """No label can stop a run."""
    labels: list[Label] = [("xyzzy", 0.0, 0.1, 0), ("aa", 0.1, 0.2, 0), ("xyzzy", 0.2, 0.3, 0)]
    speech = mended(answer(labels, np.full(16_000, 0.1)), voice("festival"))
    assert [phone.symbol for phone in speech.phones] == [STAND_IN, "aa", STAND_IN]
    assert speech.unknown == {"xyzzy": 2}


def test_russian_names_mean_russian_sounds() -> None:
    """festvox-ru: "y" is ы and no glide, "ay" a reduced vowel and no diphthong, "h" the sound of хлеб."""
    names = ["y", "ay", "h", "j", "r", "pp", "sch"]
    labels: list[Label] = [(name, 0.1 * place, 0.1 * place + 0.1, 0) for place, name in enumerate(names)]
    phones = mended(answer(labels, np.full(16_000, 0.1)), voice("festival", "ru")).phones
    assert [phone.symbol for phone in phones] == ["ix", "ax", "kh", "y", "rr", "p", "sh"]
    assert {phone.symbol for phone in phones} <= set(PHONES)


def test_an_answer_without_sound_or_labels_is_no_speech() -> None:
    """Nothing said is no error here; the recording leaves it out."""
    for engine in ("flite", "espeak"):
        assert mended(Answer(16_000, b"", ()), voice(engine)).phones == ()
        assert mended(answer([("pau", 0.0, 0.5, 0)], np.zeros(8_000)), voice(engine)).phones == ()
