"""Worse speech, and sounds in which nobody speaks: each is what its name says, and decided by its seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.test_evaluation import Still, predicted, recording
from voxface.evaluation.degrade import (
    NOISES,
    conditions,
    room_response,
    speech_level_db,
    telephone,
    with_noise,
)
from voxface.evaluation.evaluate import compare
from voxface.evaluation.predictor import Prediction
from voxface.evaluation.resting import gain_changes, resting
from voxface.evaluation.robust import CLEAN, other_voices, spread_over, within
from voxface.evaluation.sounds import ROOM, SOUNDS, at_level, babble, breath, hum, laughter, music, pink, white
from voxface.timebase import row_count

SECOND = 16_000


def tone(hz: float, seconds: float = 2.0, size: float = 0.5) -> np.ndarray:
    """A sine."""
    return (size * np.sin(2 * np.pi * hz * np.arange(int(seconds * SECOND)) / SECOND)).astype(np.float32)


def level_db(sound: np.ndarray) -> float:
    """RMS in dB re full scale."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-20))


def band_db(sound: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Power in a band of frequencies, dB."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / SECOND)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum() + 1e-20))


class Loud:
    """A jaw that opens with the absolute level of the sound, so that every gain moves it."""

    name = "loud"

    def predict(self, samples: np.ndarray) -> Prediction:
        jaw = np.full(row_count(len(samples)), np.abs(samples).max(initial=0))
        return predicted(jaw)


@pytest.mark.parametrize("kind", [white, pink])
def test_noise_lies_ten_decibels_below_the_speech(kind: object) -> None:
    """The noise that was added has an RMS 10 dB below that of the spoken half, whatever the pause beside it."""
    speech = np.concatenate([tone(440), np.zeros(4 * SECOND, np.float32)])
    noise = kind(len(speech), np.random.default_rng(1))  # type: ignore[operator]
    noisy = with_noise(speech, noise)
    assert speech_level_db(speech) == pytest.approx(level_db(tone(440)), abs=0.1)
    assert level_db(tone(440)) - level_db(noisy - speech) == pytest.approx(10, abs=0.1)
    assert noisy.dtype == np.float32


def test_white_and_pink_noise_have_their_colours() -> None:
    """White noise has twice the power in each next octave, pink the same; neither drifts below 20 Hz."""
    for kind, step_db in ((white, 3.01), (pink, 0.0)):
        sound = kind(20 * SECOND, np.random.default_rng(2))
        octaves = [band_db(sound, hz, 2 * hz) for hz in (250, 500, 1000, 2000)]
        np.testing.assert_allclose(np.diff(octaves), step_db, atol=0.4)
    assert band_db(sound, 0, 19) < band_db(sound, 20, 40) - 20


def test_babble_is_made_of_the_voices_it_was_given() -> None:
    """Eight tones of other people sound at the frequencies of these people and nowhere else, however loud they were."""
    voices = [tone(300, size=0.9), tone(700, size=0.01)]
    sound = babble(voices, 3 * SECOND, np.random.default_rng(3))
    assert np.std(sound) == pytest.approx(1)
    inside = [band_db(sound, hz - 20, hz + 20) for hz in (300, 700)]
    assert min(inside) > band_db(sound, 1000, 8000) + 15
    assert abs(inside[0] - inside[1]) < 15


def test_a_telephone_removes_what_lies_outside_its_band() -> None:
    """Above 4 kHz more than 30 dB are lost, at 100 Hz as well; speech at 1 kHz passes with its size and time."""
    noise = at_level(white(4 * SECOND, np.random.default_rng(4)), -20)
    heard = telephone(noise)
    assert band_db(noise, 4000, 8000) - band_db(heard, 4000, 8000) > 30
    assert band_db(noise, 600, 3000) - band_db(heard, 600, 3000) == pytest.approx(0, abs=0.3)
    rumble = telephone(noise + 10 * tone(100, 4.0))
    assert band_db(10 * tone(100, 4.0), 90, 110) - band_db(rumble, 90, 110) > 30
    middle = slice(1000, -1000)
    error = telephone(tone(1000))[middle] - tone(1000)[middle]
    assert level_db(error) < level_db(tone(1000)) - 30  # 8 bits of the mu-law: about 38 dB
    assert level_db(error) > level_db(tone(1000)) - 50  # and no better: it is coded


def test_a_room_rings_for_its_reverberation_time() -> None:
    """The backward integral of the response falls by 60 dB in 0.4 s; the direct sound comes first, unchanged."""
    response = room_response(np.random.default_rng(5), 0.4)
    assert response[0] == 1
    assert not response[1:48].any()
    left = np.cumsum(response[::-1] ** 2)[::-1]
    left_db = 10 * np.log10(left[1:] / left[1])
    at_5, at_35 = (int(np.argmax(left_db < -fall)) for fall in (5, 35))
    assert 2 * (at_35 - at_5) / SECOND == pytest.approx(0.4, rel=0.1)
    assert 10 * np.log10(left[1]) == pytest.approx(-3, abs=0.01)


def test_conditions_are_decided_by_name_and_clip_alone() -> None:
    """The same clip always sounds the same, another clip meets other noise, nothing changes length or the original."""
    speech = (0.1 * tone(200) + 0.1 * tone(900)).astype(np.float32)
    before = speech.copy()
    for condition in conditions([tone(500), tone(350)]):
        once, again = condition.apply(speech, "a"), condition.apply(speech, "a")
        np.testing.assert_array_equal(once, again)
        assert (once.shape, once.dtype) == (speech.shape, np.float32)
        if condition.name in NOISES:
            assert not np.array_equal(once, condition.apply(speech, "b"))
    np.testing.assert_array_equal(speech, before)


def test_minus_thirty_decibels_are_minus_thirty_decibels() -> None:
    """The quiet condition is the same sound, 30 dB softer."""
    quiet = next(one for one in conditions([tone(500)]) if one.name == "-30 dB").apply(tone(440), "a")
    np.testing.assert_allclose(quiet, tone(440) * 10**-1.5, atol=1e-7)


def test_sounds_without_speech_have_the_level_they_are_called_by() -> None:
    """Six seconds each, at the RMS in its name, the same for the same seed, another for another; silence is zeros."""
    assert set(ROOM) < set(SOUNDS)
    assert not SOUNDS["silence"](1).any()
    for name, sound in SOUNDS.items():
        made = sound(1)
        assert (len(made), made.dtype) == (6 * SECOND, np.float32)
        if name != "silence":
            assert level_db(made) == pytest.approx(float(name.split()[-2]), abs=0.01)
    for kind in (white, pink, hum, music, laughter, breath):
        one, same, other = (kind(SECOND, np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)


def test_artificial_laughter_comes_in_five_bursts_a_second_and_hum_at_the_mains() -> None:
    """The envelope of laughter peaks at 5 Hz; hum is strongest at 50 Hz; music has a beat of 110 a minute."""
    random = np.random.default_rng(6)
    assert strongest_hz(envelope(laughter(8 * SECOND, random)), 1, 20, 100) == pytest.approx(5, abs=0.2)
    assert strongest_hz(hum(4 * SECOND, random), 10, 2000, SECOND) == pytest.approx(50, abs=0.5)
    beat = strongest_hz(envelope(music(24 * SECOND, random)), 1.2, 2.5, 100)
    assert beat == pytest.approx(110 / 60, abs=0.06)


def envelope(sound: np.ndarray) -> np.ndarray:
    """Power in steps of 10 ms."""
    power = np.square(sound[: len(sound) // 160 * 160]).reshape(-1, 160).mean(axis=1)
    return power - power.mean()


def strongest_hz(curve: np.ndarray, low_hz: float, high_hz: float, rate_hz: float) -> float:
    """The frequency of the largest bin between two."""
    hz, power = np.fft.rfftfreq(len(curve), 1 / rate_hz), np.abs(np.fft.rfft(curve))
    inside = (hz >= low_hz) & (hz <= high_hz)
    return float(hz[inside][np.argmax(power[inside])])


def test_resting_measures_the_opening_of_every_sound() -> None:
    """A mouth that stands open by 0.4 has an opening of 0.4 everywhere; a loud one opens with the level alone."""
    still, loud = resting([Still(), Loud()])
    assert {round(opening.mean, 6) for opening in still.openings.values()} == {0.4}
    assert still.worst_room == pytest.approx(0.4)
    assert loud.openings["silence"].mean == 0
    sixty, forty = (loud.openings[f"hum {level} dB"].mean for level in (-60, -40))
    assert forty == pytest.approx(10 * sixty, rel=1e-3)
    assert loud.to_json()["sounds"]["hum -60 dB"]["jaw_max"] == pytest.approx(sixty, abs=1e-5)


def test_gain_changes_are_told_for_the_channel_that_changes_most() -> None:
    """A jaw as open as the sound is loud moves by 1 - 10^(-30/20) at -30 dB; one that stands still by nothing."""
    found = gain_changes(Loud(), 0.2 * tone(440), (-30, -20))
    assert found == {-30: pytest.approx(1 - 10**-1.5, abs=1e-4), -20: pytest.approx(0.9, abs=1e-4)}
    assert set(gain_changes(Still(), tone(440)).values()) == {0.0}


def test_long_groups_are_judged_on_clips_spread_over_them() -> None:
    """Of ten clips of 2 s, six seconds are three, the first and the last among them; a short group is taken whole."""
    clips = [recording(f"r{i}", i) for i in range(10)]
    assert within(clips, 6.0) == [0, 4, 9]
    assert within(clips, 600) == list(range(10))
    assert within(clips, 0.1) == [0]
    assert spread_over(3, 5) == [0, 1, 2]


def test_nobody_talks_in_the_babble_over_himself() -> None:
    """Voices come from the other groups and the training; a group that is all there is must do with its own."""
    one, two, train = recording("a", 1), recording("b", 2), recording("t", 3)
    groups = {"one": [one], "two": [two]}
    assert [id(voice) for voice in other_voices(groups, [train], "one")] == [id(two.samples), id(train.samples)]
    assert [id(voice) for voice in other_voices({"one": [one]}, [], "one")] == [id(one.samples)]


def test_the_robustness_table_stands_in_the_report() -> None:
    """Every group under every condition, all predictors, in JSON and Markdown; clean is what the group scored."""
    groups = {"near": [recording("a", 10), recording("b", 11)]}
    report = compare("x", "", [Loud(), Still()], groups, voices=[recording("t", 1)])
    value, text = report.to_json()["robust"]["near"], report.to_markdown()
    assert list(value["conditions"]) == [CLEAN, *(one.name for one in conditions([]))]
    assert [row["predictor"] for row in value["conditions"]["telephone"]] == ["loud", "still"]
    assert value["conditions"][CLEAN][1]["r"] == report.to_json()["groups"]["near"]["predictors"][1]["r"]
    for name in value["conditions"]:
        assert name in text
    assert compare("x", "", [Still()], groups).to_json()["robust"] == {}
