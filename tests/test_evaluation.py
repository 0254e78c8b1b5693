"""Evaluation: every number against a case small enough to count by hand, baselines always there, nothing leaks."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from voxface.bundle import load_bundle, shipped_bundles
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError, InputError, MissingDependencyError
from voxface.evaluation.baselines import fit_baselines, fit_log_energy, fit_mean_face, loudness_db
from voxface.evaluation.evaluate import BundlePredictor, captured, compare, evaluate
from voxface.evaluation.events import FIRST_PHONE, Events, read_events, word_events
from voxface.evaluation.group import TRUTH, GroupReport
from voxface.evaluation.metrics import Mean, best_lag_ms, clip_r, lag_curve, opening, spread, third_difference
from voxface.evaluation.plot import draw_curves
from voxface.evaluation.predictor import Prediction
from voxface.evaluation.ridge import MelRidge, RidgeConfig, fit_ridge, mel_context, normal_equations, solve
from voxface.evaluation.scores import gather, score_clip, speech_rows
from voxface.face.gap import RIG_GAP, rig_gap
from voxface.face.rig import ARKIT
from voxface.timebase import row_count

JAW = ARKIT.index("jawOpen")
SMALL = RidgeConfig(context=2, step=1, penalties=(1e-6, 1e-3))


def sound(seed: int, seconds: float = 2.0) -> np.ndarray:
    """Noise in bursts, a second of them, then half a second of near silence, over and over."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16_000)) / 16_000
    loud = np.where(t % 1.5 < 1.0, 10 ** (0.5 * np.sin(2 * np.pi * 3 * t + seed) - 1), 1e-4)
    return (loud * rng.standard_normal(len(t))).astype(np.float32)


def recording(name: str = "clip", seed: int = 0, split: str = "test", **changes: object) -> Recording:
    """A synthetic recording whose jaw, and measured gap with it, follows the energy of mel band 40 two rows ago."""
    samples = changes.pop("samples", sound(seed))
    rows = row_count(len(samples))
    from voxface.audio.features import FeatureSpec
    from voxface.stream import run_whole

    band = run_whole(FeatureSpec().extractor(), samples)[:, 40]
    jaw = np.clip((np.roll(band, 2) + 80) / 100, 0, 1).astype(np.float32)
    weights = np.zeros((rows, len(ARKIT)), np.float32)
    weights[:, JAW] = jaw
    parts: dict[str, object] = {
        "weights": weights, "head": np.tile([0, 0, 0, 1, 0, 0, 0], (rows, 1)), "gap": 0.1 * jaw + 0.01,
        "width": np.zeros(rows), "valid": np.ones(rows, bool), "rest": np.zeros(52), "gap_scale": 10.0,
        "gap_offset": -0.1, "observed": np.array([n != "tongueOut" for n in ARKIT]),
    }  # fmt: skip
    return Recording(name=name, speaker="one", split=split, samples=samples, **(parts | changes))  # type: ignore[arg-type]


def predicted(gap: Sequence[float] | np.ndarray) -> Prediction:
    """A prediction whose lip gap is the jaw alone."""
    weights = np.zeros((len(gap), len(ARKIT)), np.float32)
    weights[:, JAW] = gap
    return Prediction(weights, np.asarray(gap, np.float32))


def test_correlation_of_small_cases() -> None:
    """Same shape 1, upside down -1, a hand-counted 0.5; still prediction 0, still truth and too few rows none."""
    truth = np.array([1.0, 2.0, 3.0])
    assert clip_r(10 * truth - 3, truth) == pytest.approx(1)
    assert clip_r(-truth, truth) == pytest.approx(-1)
    assert clip_r(np.array([1.0, 3.0, 2.0]), truth) == pytest.approx(0.5)
    assert clip_r(np.full(3, 0.2), truth) == 0
    assert clip_r(truth, np.full(3, 0.2)) is None
    assert clip_r(truth[:2], truth[:2]) is None


def test_mean_and_standard_error_follow_the_formula() -> None:
    """Mean of 1, 2, 6 is 3; their error is sqrt(7 / 3); clips without a value do not count; one clip has no error."""
    assert Mean.of([1.0, None, 2.0, 6.0]) == Mean(3.0, pytest.approx(math.sqrt(7 / 3)), 3)
    assert Mean.of([0.5]) == Mean(0.5, None, 1)
    assert Mean.of([None]) == Mean(None, None, 0)


@pytest.mark.parametrize("late", [-7, 0, 3, 20])
def test_a_shifted_prediction_tells_its_lag(late: int) -> None:
    """A prediction that comes n rows late has its best lag at +10 n ms, early ones at a negative lag."""
    truth = np.random.default_rng(1).standard_normal(300)
    curve = lag_curve(np.roll(truth, late), truth, np.ones(300, bool))
    assert best_lag_ms([curve]) == 10 * late
    assert curve[20 + late] == pytest.approx(1)


def test_lag_counts_valid_rows_of_the_truth_only_and_none_without_motion() -> None:
    """Placeholders at invalid rows never count; a face that stands still has no best lag."""
    truth = np.random.default_rng(2).standard_normal(200)
    valid = np.arange(200) < 150
    broken = np.where(valid, truth, 1e3)
    assert best_lag_ms([lag_curve(np.roll(truth, 4), broken, valid)]) == 40
    assert best_lag_ms([lag_curve(np.zeros(200), truth, valid)]) is None
    assert best_lag_ms([]) is None


def test_third_difference_of_a_cubic_and_across_holes() -> None:
    """The third difference of k^3 is 6 everywhere; four rows with an invalid one among them do not count."""
    cubic = (np.arange(10.0) ** 3)[:, None]
    assert third_difference(cubic, np.ones(10, bool)) == pytest.approx(6)
    broken = cubic.copy()
    broken[5] = 1e6
    assert third_difference(broken, np.arange(10) != 5) == pytest.approx(6)
    assert third_difference(cubic, np.arange(10) % 3 != 0) is None


def test_spread_and_opening_of_counted_cases() -> None:
    """0...100 spreads over 90 between its percentiles; negative gaps count as closed, not as the opposite of open."""
    assert spread(np.arange(101.0)) == pytest.approx(90)
    assert opening(np.array([0.4, -0.2, 9.0]), np.array([True, True, False])) == (pytest.approx(0.4), 2)


def test_speech_is_what_lies_within_25_db_of_the_loudest() -> None:
    """Tones 24 dB below the loudest are speech, 26 dB below are not."""
    tone = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    samples = np.concatenate([tone, tone * 10 ** (-24 / 20), tone * 10 ** (-26 / 20)]).astype(np.float32)
    speech = speech_rows(recording(samples=samples))
    assert speech[10:90].all()
    assert speech[110:190].all()
    assert not speech[210:290].any()


def test_a_perfect_prediction_has_perfect_numbers() -> None:
    """The captured face, judged as a prediction: r 1, no error, no lag, jitter and range 1."""
    one = recording()
    scores = gather("self", [score_clip(one, captured(one))])
    assert scores.r.value == pytest.approx(1)
    assert scores.speech_r.value == pytest.approx(1)
    assert scores.mouth_r.value == pytest.approx(1)
    assert scores.mouth_mae.value == 0
    assert (scores.lag_ms, scores.jitter) == (0, 1)
    assert scores.range_ratio == pytest.approx(1, abs=1e-4)


def test_invalid_rows_never_change_a_number() -> None:
    """Rows without a face hold placeholders: whatever stands there, all numbers stay."""
    valid = np.arange(201) % 50 < 35
    one = recording(valid=valid)
    rubbish = recording(valid=valid, gap=np.where(valid, one.gap, 5), weights=np.where(valid[:, None], one.weights, 1))
    guess = predicted(np.random.default_rng(3).uniform(0, 1, one.rows).astype(np.float32))
    times = Events(tuple(np.arange(0, 2, 0.1)), (0.33, 0.4))
    first, second = (gather("x", [score_clip(r, guess, times)]).to_json() for r in (one, rubbish))
    assert first == second


def test_unobserved_channels_never_count() -> None:
    """A channel that the tracker cannot measure has no error, however wrong the prediction of it is."""
    one = recording()
    face = captured(one).weights.copy()
    face[:, ARKIT.index("tongueOut")] = 1
    scores = gather("x", [score_clip(one, Prediction(face, rig_gap(face, ARKIT)))])
    assert scores.all_mae.value == 0
    assert scores.channel_mae["tongueOut"] is None


def test_silence_opening_and_range_and_mae_of_a_constant_face() -> None:
    """A face that stands open by 0.2: r 0, silence 0.2, no range, no jitter; its MAE is the mean distance."""
    one = recording()
    scores = gather("still", [score_clip(one, predicted(np.full(one.rows, 0.2, np.float32)))])
    assert (scores.r.value, scores.speech_r.value, scores.range_ratio, scores.jitter) == (0, 0, 0, 0)
    assert scores.silence == pytest.approx(0.2)
    assert scores.channel_mae["jawOpen"] == pytest.approx(float(np.abs(one.weights[:, JAW] - 0.2).mean()), rel=1e-5)
    assert scores.lag_ms is None


def test_a_prediction_of_another_length_is_refused() -> None:
    """One row per 10 ms, no more and no less: else the clock would be wrong."""
    one = recording()
    with pytest.raises(DatasetError, match="201 rows, the prediction 200"):
        score_clip(one, predicted(np.zeros(200)))


def test_words_give_events_at_their_first_phone() -> None:
    """b p m begin closed; vowels k t s d must be open, but not after silence or the letter m."""
    words = [(0.0, "sil"), (0.5, "set"), (0.7, "blue"), (0.9, "at"), (1.0, "m"), (1.2, "two"), (1.4, "please")]
    found = word_events(words)
    assert found == Events(closed=(0.7, 1.4), open=(0.9, 1.0))
    assert len(FIRST_PHONE) == 51
    assert sorted(w for w, phone in FIRST_PHONE.items() if phone in "pbm") == [
        "b",
        "bin",
        "blue",
        "by",
        "p",
        "place",
        "please",
    ]


def test_word_times_are_read_and_bad_ones_refused(tmp_path: Path) -> None:
    """Times are found by clip; a missing column, a time that is no number or a missing file is one clear error."""
    table = tmp_path / "words.tsv"
    table.write_text("clip\tstart_s\tend_s\tword\na\t0.5\t0.7\tbin\nb\t0.1\t0.2\tsil\na\t0.7\t0.9\tat\n")
    assert read_events(table) == {"a": Events((0.5,), (0.7,)), "b": Events()}
    for text in (
        "clip\tword\na\tbin\n",
        "clip\tstart_s\tend_s\tword\na\tnan\t1\tbin\n",
        "clip\tstart_s\tend_s\tword\na\n",
    ):
        table.write_text(text)
        with pytest.raises(InputError, match=r"words\.tsv"):
            read_events(table)
    with pytest.raises(InputError, match="nowhere"):
        read_events(tmp_path / "nowhere.tsv")


def test_every_grid_word_of_the_corpus_has_a_first_phone(shared: Path) -> None:
    """No word of the real table is forgotten, and the corpus gives hundreds of closures."""
    words = {line.split("\t")[3] for line in (shared / "grid_words.tsv").read_text().splitlines()[1:]}
    assert words - set(FIRST_PHONE) == {"sil", "sp"}
    events = read_events(shared / "grid_words.tsv")
    assert sum(len(clip.closed) for clip in events.values()) > 1000


def test_normal_equations_and_their_solution_are_least_squares() -> None:
    """Without penalty and over one recording the closed form is numpy's own least squares."""
    one = recording(samples=sound(4, 12))
    design, cross, rows = normal_equations([one], SMALL)
    inputs = mel_context(one.samples, SMALL)[::2]
    faces = np.concatenate([one.calibrated(), one.rig_gap_target()[:, None]], axis=1)[::2]
    assert rows == len(inputs)
    wanted = inputs @ np.linalg.lstsq(inputs.astype(np.float64), faces, rcond=None)[0]
    np.testing.assert_allclose(inputs @ solve(design, cross, 1e-6), wanted, atol=2e-3)


def test_the_ridge_finds_a_planted_line() -> None:
    """A gap that is a straight line of one mel band two rows ago is found on sound that was never heard."""
    train = [recording(f"t{i}", i, "train") for i in range(6)]
    ridge = fit_ridge(train, [recording("v", 50, "validate")], SMALL)
    unseen = recording("u", 99)
    assert clip_r(ridge.predict(unseen.samples).gap, unseen.gap) == pytest.approx(1, abs=0.005)
    assert ridge.matrix[40, -1] > 10 * np.abs(np.delete(ridge.matrix[:-1, -1], 40)).max()


def test_the_ridge_is_chosen_on_the_validation_recordings_alone() -> None:
    """The penalty is the one with the highest r there; without any moving mouth there it cannot be chosen."""
    train, validate = [recording("t", 1, "train")], [recording("v", 2, "validate"), recording("w", 3, "validate")]
    chosen = fit_ridge(train, validate, SMALL)
    design, cross, rows = normal_equations(train, SMALL)
    r = {}
    for penalty in SMALL.penalties:
        ridge = MelRidge(SMALL, solve(design, cross, penalty * rows), penalty)
        r[penalty] = Mean.of([clip_r(ridge.predict(v.samples).gap, v.gap) for v in validate]).value
    assert r[chosen.penalty] == max(filter(None, r.values()))
    with pytest.raises(DatasetError, match="validation"):
        fit_ridge(train, [], SMALL)


def test_simple_baselines_are_what_they_say() -> None:
    """The mean face is the mean of valid rows; log energy is the least-squares line over loudness."""
    one = recording(valid=np.arange(201) > 20)
    still = fit_mean_face([one]).predict(one.samples)
    assert still.weights[:, JAW] == pytest.approx(float(one.weights[21:, JAW].mean()), rel=1e-5)
    assert len(still) == one.rows
    level = loudness_db(one.samples)
    slope, offset = np.polyfit(level[21:], one.rig_gap_target()[21:], 1)
    np.testing.assert_allclose(fit_log_energy([one]).predict(one.samples).gap, slope * level + offset, atol=1e-4)
    with pytest.raises(DatasetError, match="no valid row"):
        fit_mean_face([recording(valid=np.zeros(201, bool))])


@pytest.fixture(scope="module")
def report_groups() -> tuple[dict[str, list[Recording]], list[Recording], list[Recording]]:
    """Two groups to judge on, training and validation recordings."""
    train = [recording(f"t{i}", i, "train") for i in range(3)]
    groups = {"near test": [recording("a", 10), recording("b", 11)], "far": [recording("c", 12)]}
    return groups, train, [recording("v", 20, "validate")]


def test_the_report_always_holds_every_baseline(
    report_groups: tuple[dict[str, list[Recording]], list[Recording], list[Recording]],
) -> None:
    """Mean face, log energy, ridge and the capture stand in every group, in Markdown and in finite JSON."""
    groups, train, validate = report_groups
    report = compare("x", "fitted", [Still(), *fit_baselines(train, validate)], groups, {"a": Events((0.2,), (0.4,))})
    text, value = report.to_markdown(), json.loads(json.dumps(report.to_json(), allow_nan=False))
    for group in report.groups:
        names = [row["predictor"] for row in value["groups"][group.name]["predictors"]]
        assert names == ["still", "mean face", "log energy", "ridge on log-mel", "ridge for strangers", TRUTH]
    assert text.count("ridge on log-mel") >= 6
    assert "| near test (2) all" in text
    assert (report.groups[0].judged.closures.recall.count, report.groups[0].judged.closures.false_rate.count) == (1, 1)
    assert report.groups[1].judged.closures.recall.value is None
    assert report.headline()["far"]["gap_r"] == 0
    assert report.headline()["far"]["ridge on log-mel gap_r"] > 0.5  # type: ignore[operator]


class Still:
    """A face that never moves, 0.4 open."""

    name = "still"

    def predict(self, samples: np.ndarray) -> Prediction:
        return predicted(np.full(row_count(len(samples)), 0.4, np.float32))


def test_the_report_says_where_a_model_loses(
    report_groups: tuple[dict[str, list[Recording]], list[Recording], list[Recording]],
) -> None:
    """A face that stands open loses r and silence to the baselines by name; the captured face loses nothing to them."""
    groups, train, validate = report_groups
    baselines = fit_baselines(train, validate)
    group = compare("x", "", [Still(), *baselines], groups).groups[0]
    lost = {(loss.measure, loss.baseline) for loss in group.losses()}
    assert {("lip-gap r", "ridge on log-mel"), ("lip-gap r", "log energy")} <= lost
    assert ("lip-gap r", "mean face") not in lost
    ridge = next(row for row in group.rows if row.predictor == "ridge on log-mel")
    assert group.margin("ridge on log-mel").value == pytest.approx(-ridge.r.value)  # type: ignore[operator]
    truth = GroupReport("g", 2, 1.0, (group.rows[-1], *group.rows[1:]))
    assert not [loss for loss in truth.losses() if loss.measure != "opening in silence"]


def test_empty_groups_are_refused(
    report_groups: tuple[dict[str, list[Recording]], list[Recording], list[Recording]],
) -> None:
    """A group without recordings is an error, not a row of dashes."""
    groups, train, validate = report_groups
    with pytest.raises(DatasetError, match="'none' has no recordings"):
        evaluate(None, groups | {"none": []}, train, validate)


def test_curves_are_drawn_as_a_picture(
    report_groups: tuple[dict[str, list[Recording]], list[Recording], list[Recording]], tmp_path: Path
) -> None:
    """A PNG per group, gaps in the capture left out."""
    pytest.importorskip("matplotlib", reason="the plot extra is not installed")
    groups, train, validate = report_groups
    report = compare("x", "", fit_baselines(train, validate)[2:], groups)
    draw_curves(report.groups[0], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_curves_without_matplotlib_say_what_to_install(
    report_groups: tuple[dict[str, list[Recording]], list[Recording], list[Recording]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the plot extra the error names it."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    groups, _, _ = report_groups
    with pytest.raises(MissingDependencyError, match=r"voxface\[plot\]"):
        draw_curves(compare("x", "", [Still()], groups).groups[0], tmp_path / "curves.png")


def test_the_bundle_is_judged_as_it_ships() -> None:
    """Its prediction is the runtime's: one row per 10 ms, weights in [0, 1], the lip gap that of these weights."""
    if not shipped_bundles():
        pytest.skip("no bundle is shipped in this checkout")
    samples = sound(3)
    found = BundlePredictor(load_bundle(shipped_bundles()[0])).predict(samples)
    assert found.weights.shape == (row_count(len(samples)), 52)
    assert found.weights.min() >= 0
    assert found.weights.max() <= 1
    formula = sum(found.weights[:, ARKIT.index(name)] * share for name, share in RIG_GAP.items())
    np.testing.assert_allclose(found.gap, formula, atol=1e-6)
