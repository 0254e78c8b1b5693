"""Closures, classes of phones and best lags: numbers against cases whose answer is known."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.test_evaluation import Still, predicted, recording
from voxface.articulation.curves import ARTICULATED, curves
from voxface.articulation.phones import PHONES, Phone
from voxface.dataset.recording import Recording
from voxface.evaluation.classes import PHONE_CLASSES
from voxface.evaluation.closures import Minima, auc, closures, pooled, smallest_gaps
from voxface.evaluation.evaluate import captured, compare
from voxface.evaluation.events import Events, phone_events
from voxface.evaluation.metrics import best_lag, r_at_lag
from voxface.evaluation.plot import draw_curves
from voxface.evaluation.predictor import Prediction
from voxface.evaluation.scores import gather, score_clip
from voxface.evaluation.sheet import draw_sheet, sheet_groups
from voxface.face.compare import pearson, stands_still
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.timebase import row_count

WORDS = ("m", "aa", "t", "iy", "b", "uw", "s", "f", "ow", "p", "ae", "k", "eh", "sh")


def spoken(seed: int = 0, words: int = 3) -> tuple[Phone, ...]:
    """Phones of 110 to 200 ms one after the other, from 0.3 s on, with a pause after each round."""
    random = np.random.default_rng(seed)
    phones, at = [], 0.3
    for _ in range(words):
        for symbol in random.permutation(WORDS):
            end = at + random.uniform(0.11, 0.2)
            phones.append(Phone(str(symbol), at, end))
            at = end
        at += 0.3
    return tuple(phones)


@cache
def synthetic(name: str = "machine", seed: int = 0) -> Recording:
    """A recording as `voxface synth` makes it: curves of its phones; its sound does not matter here."""
    phones = spoken(seed)
    samples = 0.1 * np.random.default_rng(seed).standard_normal(int((phones[-1].end_s + 0.3) * 16_000))
    rows = row_count(len(samples))
    face = curves(phones, rows)
    return recording(
        name, samples=samples.astype(np.float32), weights=face, gap=rig_gap(face, ARKIT), gap_scale=1.0, gap_offset=0.0,
        valid=np.ones(rows, bool), observed=np.array([channel in ARTICULATED for channel in ARKIT]), synthetic=True,
        phones=phones,
    )  # fmt: skip


class Told:
    """Says the face of the recordings it knows, `late` rows late; a closed mouth to all other sound."""

    name = "told"

    def __init__(self, *known: Recording, late: int = 0) -> None:
        self.known, self.late = known, late

    def predict(self, samples: np.ndarray) -> Prediction:
        one = next((one for one in self.known if np.array_equal(one.samples, samples)), None)
        if one is None:
            return predicted(np.zeros(row_count(len(samples))))
        return Prediction(np.roll(one.weights, self.late, axis=0), np.roll(rig_gap(one.weights, ARKIT), self.late))


def test_pearson_of_small_cases() -> None:
    """Same shape 1, upside down -1, a hand-counted 0.5; 0 where either stands still or has fewer than 3 rows."""
    a = np.array([1.0, 2.0, 3.0])
    assert pearson(a, 5 - 2 * a) == pytest.approx(-1)
    assert pearson(np.array([1.0, 3.0, 2.0]), a) == pytest.approx(0.5)
    assert (pearson(a, np.full(3, 0.7)), pearson(np.full(3, 0.7), a), pearson(a[:2], a[:2])) == (0, 0, 0)
    assert stands_still(np.full(100, 1e9))
    assert not stands_still(a.astype(np.float32))


@pytest.mark.parametrize("late", [-13, 0, 8, 20])
def test_a_curve_that_is_shifted_by_80_ms_is_found_80_ms_late(late: int) -> None:
    """Each clip's own lag is found, r there is 1, and the group tells both beside the numbers at lag 0."""
    clips = [synthetic("a", 1), synthetic("b", 2)]
    report = compare("x", "", [Told(*clips, late=late), Still()], {"synthetic": clips})
    judged = report.to_json()["groups"]["synthetic"]["predictors"][0]
    for name in ("a", "b"):
        assert judged["clips"][name]["lag_ms"] == 10 * late
        assert judged["clips"][name]["aligned_r"] == pytest.approx(1, abs=1e-4)
    assert judged["aligned_r"]["mean"] == pytest.approx(1, abs=1e-4)
    assert judged["aligned_speech_r"]["mean"] == pytest.approx(1, abs=1e-4)
    assert late == 0 or judged["r"]["mean"] < 0.9
    assert f"{10 * late:+d}" in report.to_markdown()


def test_a_face_without_correlation_keeps_lag_zero() -> None:
    """A face that stands still gains nothing by a lag: r 0, lag unknown."""
    scores = score_clip(recording(), predicted(np.full(201, 0.3)))
    assert (scores.aligned.lag_ms, scores.aligned.r, scores.aligned.speech_r) == (None, 0, 0)
    assert best_lag([0.2, None, 0.2, 0.1, 0.0]) == 0
    assert best_lag([None, 0.0, None]) is None


def test_at_a_lag_speech_stays_with_the_sound() -> None:
    """Rows of sound that count move with the prediction: what is wrong outside of them never shows."""
    random = np.random.default_rng(3)
    truth = random.standard_normal(200)
    prediction, heard = np.roll(truth, 8), np.arange(200) % 100 < 50
    prediction[~heard] = 9.0
    assert r_at_lag(prediction, truth, np.ones(200, bool), 8, heard) == pytest.approx(1)
    assert r_at_lag(prediction, truth, np.ones(200, bool), 8) < 0.9  # type: ignore[operator]


def test_smallest_gaps_look_twenty_milliseconds_around() -> None:
    """Two rows beside a moment count, three do not; rows without a face never; a moment without any is left out."""
    gap, valid = np.full(100, 0.3), np.ones(100, bool)
    gap[12] = 0.05
    np.testing.assert_array_equal(smallest_gaps(gap, valid, [0.10, 0.14, 0.09, 0.15]), [0.05, 0.05, 0.3, 0.3])
    np.testing.assert_array_equal(smallest_gaps(gap, np.arange(100) != 12, [0.10]), [0.3])
    assert not len(smallest_gaps(gap, np.arange(100) > 50, [0.10, 7.0]))


def test_auc_of_perfect_inverted_random_and_tied_separation() -> None:
    """1 where all positives lie above, 0 where below, a half by chance and where all are equal; a counted case 2/3."""
    random = np.random.default_rng(1)
    assert auc(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1
    assert auc(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 0
    assert auc(random.standard_normal(4000), random.standard_normal(3000)) == pytest.approx(0.5, abs=0.02)
    assert auc(np.ones(5), np.ones(7)) == 0.5
    assert auc(np.array([2.0]), np.array([1.0, 2.0, 2.5, 0.0, 2.0, 1.5])) == pytest.approx(4 / 6)
    assert auc(np.zeros(0), np.ones(3)) is None


def test_closures_are_pooled_over_clips() -> None:
    """Recall and false rate count moments of all clips below 0.06, 0.06 itself is open; no moment, no number."""
    first = Minima(closed=np.array([0.0, 0.05, 0.06]), open=np.array([0.3, 0.02]))
    second = Minima(closed=np.array([0.01]), open=np.zeros(0))
    found = closures([first, second])
    assert (found.recall.value, found.recall.count) == (0.75, 4)
    assert (found.false_rate.value, found.false_rate.count) == (0.5, 2)
    assert found.margin == 0.25
    assert found.auc.value == pytest.approx(6 / 8)
    assert found.false_rate.error is None  # without the first clip there is no rate
    assert closures([]).recall.value is None


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    """Pooling one number per clip gives the formula for means, std(ddof=1) / sqrt(n)."""
    values = [0.2, 0.5, 0.1, 0.9]
    found = pooled(values, lambda some: sum(some) / len(some) if some else None, 4)
    assert found.error == pytest.approx(np.std(values, ddof=1) / 2)


def test_phones_give_moments_at_their_centres() -> None:
    """p b m close at their centre; vowels and k t s d sh are open there, unless a p b m is within 50 ms."""
    phones = [
        Phone("m", 0.0, 0.1), Phone("ae", 0.1, 0.3), Phone("t", 0.3, 0.36), Phone("n", 0.36, 0.4),
        Phone("ax", 0.4, 0.44), Phone("b", 0.44, 0.5),
    ]  # fmt: skip
    found = phone_events(phones)
    assert found.closed == pytest.approx((0.05, 0.47))
    assert found.open == pytest.approx((0.2, 0.33))
    assert phone_events(()) == Events()


def test_every_phone_has_one_class() -> None:
    """The classes share no phone and leave none out."""
    listed = [phone for symbols in PHONE_CLASSES.values() for phone in symbols]
    assert sorted(listed) == sorted(PHONES)


def test_the_curves_themselves_have_perfect_closures_and_classes() -> None:
    """The truth of synthetic speech: recall 1, hardly a false closure (a short ih or d between closed lips may be one),
    AUC 1, r 1 in every class that moves."""
    one = synthetic()
    scores = gather("truth", [score_clip(one, captured(one))])
    found = scores.closures
    assert (found.recall.value, found.auc.value) == (1, 1)
    assert found.false_rate.value < 0.05  # type: ignore[operator]
    assert (found.recall.count, found.false_rate.count > 10) == (9, True)
    assert scores.jaw_r.value == pytest.approx(1)
    bilabials, vowels = scores.classes["bilabials (p b m)"], scores.classes["other vowels (spread, open)"]
    assert (bilabials.phones, bilabials.closed) == (9, 1)
    assert (vowels.phones, vowels.gap_r.value) == (12, pytest.approx(1))
    assert vowels.opening > 3 * bilabials.opening  # type: ignore[operator]


def test_lips_that_never_close_are_found_out_by_class() -> None:
    """A face that is right but for its closures loses recall and the class of p b m, not the vowels."""
    one = synthetic()
    weights = one.weights.copy()
    weights[:, ARKIT.index("jawOpen")] += 0.2
    scores = gather("open", [score_clip(one, Prediction(weights, rig_gap(weights, ARKIT)))])
    assert scores.closures.recall.value == 0
    assert scores.closures.auc.value == 1
    assert scores.jaw_r.value == pytest.approx(1)
    assert scores.classes["bilabials (p b m)"].closed == 0


def test_words_overrule_phones_and_real_clips_without_either_have_no_closures() -> None:
    """Events that are given count; a clip without words and phones gives none and no classes."""
    one = synthetic()
    given = score_clip(one, captured(one), Events((0.5,), ()))
    assert (len(given.closures.closed), len(given.closures.open)) == (1, 0)
    plain = gather("x", [score_clip(recording(), captured(recording()))])
    assert (plain.closures.recall.count, dict(plain.classes)) == (0, {})


def test_the_report_tells_closures_classes_and_rest_of_synthetic_groups() -> None:
    """Markdown and finite JSON hold the tables of lips, of classes, of clips at their lag, of sounds without speech."""
    clips = [synthetic("a", 1), synthetic("b", 2)]
    report = compare("x", "", [Still()], {"ked": clips, "real": [recording()]})
    text, value = report.to_markdown(), json.loads(json.dumps(report.to_json(), allow_nan=False))
    for part in (
        "closure AUC",
        "bilabials (p b m)",
        "at each clip's best lag",
        "white noise -60 dB",
        "laughter -20 dB",
    ):
        assert part in text
    ked, real = value["groups"]["ked"], value["groups"]["real"]
    assert (ked["synthetic"], real["synthetic"]) == (True, False)
    assert ked["predictors"][-1]["classes"]["labiodentals (f v)"]["phones"] == 6
    assert real["predictors"][0]["classes"] == {}
    assert value["headline"]["ked"]["closure_auc"] == 0.5
    assert value["rest"][0]["sounds"]["silence"]["opening"] == pytest.approx(0.4)


def test_a_sheet_shows_every_clip_of_small_groups_of_captured_faces(tmp_path: Path) -> None:
    """One PNG with one panel per clip, taller for more clips; synthetic and long groups stay out of it."""
    image = pytest.importorskip("matplotlib.image", reason="the plot extra is not installed")
    groups = {
        "near": [recording("a", 1), recording("b", 2)],
        "far": [recording("c", 3, valid=np.arange(201) > 50)],
        "machine": [synthetic()],
        "many": 25 * [recording("r", 4)],
    }
    report = compare("x", "", [Still()], groups)
    shown = sheet_groups(report.groups)
    assert [group.name for group in shown] == ["near", "far"]
    draw_sheet(shown, tmp_path / "sheet.png")
    draw_sheet(shown[:1], tmp_path / "two.png")
    draw_curves(report.groups[2], tmp_path / "machine.png")
    three, two = (image.imread(tmp_path / f"{name}.png")[:, :, :3] for name in ("sheet", "two"))
    assert three.shape[0] > 1.3 * two.shape[0]
    for picture in (three, two, image.imread(tmp_path / "machine.png")[:, :, :3]):
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
