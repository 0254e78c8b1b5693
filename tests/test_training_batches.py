"""Batches: a pure function of the step, on one clock with their targets, varied without leaving the range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fake_recordings import JAW, fake_recording
from tests.small_training import TRAIN, tiny
from voxface.errors import DatasetError
from voxface.face.rig import MOUTH
from voxface.models.tcn import TcnConfig
from voxface.training.augment import NO_AUGMENT, augment, power_sum, warp_matrices
from voxface.training.data import Material, make_batch
from voxface.training.losses import COLUMNS
from voxface.training.recipes import first
from voxface.training.table import build_table, feature_rows, silence_row, target_rows


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    """The batch of a step is the same whenever it is made; another step or seed gives another one."""
    recipe = tiny()
    table = build_table(TRAIN, recipe)
    first_time = make_batch(Material(table, None), recipe, 3)
    make_batch(Material(table, None), recipe, 9)
    again = make_batch(Material(build_table(TRAIN, recipe), None), recipe, 3)
    for name in ("rows", "targets", "mask"):
        np.testing.assert_array_equal(getattr(first_time, name), getattr(again, name))
    assert not np.array_equal(first_time.rows, make_batch(Material(table, None), recipe, 4).rows)
    assert not np.array_equal(first_time.rows, make_batch(Material(table, None), replace(recipe, seed=2), 3).rows)


@pytest.mark.parametrize("look_ahead", [0, 6, 31])
def test_crops_are_on_one_clock_with_their_targets(look_ahead: int) -> None:
    """The output after row t describes row t - look-ahead: each target row stands under the features that late, with
    the whole receptive field before the first, and silence before the recording."""
    recipe = tiny(config=TcnConfig(width=16, look_ahead_rows=look_ahead), augment=NO_AUGMENT, crop_rows=40, batch=64)
    table = build_table(TRAIN, recipe)
    batch = make_batch(Material(table, None), recipe, 0)
    context, by_name = recipe.context_rows, {recording.name: recording for recording in TRAIN}
    assert batch.rows.shape == (64, context + 40, 80)
    for rows, targets, name in zip(batch.rows, batch.targets, batch.names, strict=True):
        recording = by_name[name]
        heard = feature_rows(recording.samples, recipe.feature, look_ahead)
        heard = np.concatenate([np.tile(silence_row(recipe.feature), (context, 1)), heard])
        truth = target_rows(recording)
        starts = [s for s in range(len(truth) - 39) if np.array_equal(truth[s : s + 40], targets)]
        assert any(np.array_equal(heard[s + look_ahead : s + look_ahead + context + 40], rows) for s in starts)


def test_a_recording_shorter_than_a_crop_counts_to_its_end_only() -> None:
    """Rows beyond a short recording are masked; they never come from its neighbour."""
    short = [fake_recording(50, seconds=0.3), fake_recording(51, seconds=0.3)]
    recipe = tiny(augment=NO_AUGMENT)
    batch = make_batch(Material(build_table(short, recipe), None), recipe, 0)
    assert batch.mask[:, :31, JAW].all()
    assert not batch.mask[:, 31:].any()


def test_tongue_and_unseen_rows_are_masked_in_batches() -> None:
    """tongueOut is unobserved and rows without a face are invalid: both are 0 in the mask of every batch."""
    holes = [replace(recording, valid=np.arange(len(recording.valid)) % 3 > 0) for recording in TRAIN]
    recipe = tiny(augment=NO_AUGMENT)
    batch = make_batch(Material(build_table(holes, recipe), None), recipe, 0)
    assert not batch.mask[:, :, COLUMNS.index("tongueOut")].any()
    assert 0.6 < batch.mask[:, :, JAW].mean() < 0.73
    with pytest.raises(DatasetError, match="valid"):
        build_table([replace(TRAIN[0], valid=np.zeros(len(TRAIN[0].valid), bool))], recipe)


def test_augmentation_keeps_shapes_range_and_its_input() -> None:
    """Augmented rows stay in the feature's range, and the table they came from is not touched."""
    recipe = first()
    table = build_table(TRAIN, recipe)
    before = table.features.copy()
    for step in range(5):
        rows = make_batch(Material(table, None), recipe, step).rows
        assert rows.dtype == np.float32
        assert rows.min() >= -80
        assert rows.max() <= 10
    np.testing.assert_array_equal(before, table.features)


@pytest.mark.parametrize("width", [80, 83])
def test_crops_of_silence_ask_for_a_resting_mouth(width: int) -> None:
    """With every crop silenced the mouth's targets are 0 and count, other channels do not count, and rows are noise
    of any level: no recording is left in them."""
    base = first()
    recipe = tiny(
        config=TcnConfig(features=width, width=16),
        feature=replace(base.feature, rows=width),
        augment=replace(base.augment, silence_share=1.0),
        batch=32,
    )
    table = build_table(TRAIN, recipe)
    batch = make_batch(Material(table, None), recipe, 1)
    mouth = [name in (*MOUTH, "lipGap") and name != "tongueOut" for name in COLUMNS]
    assert not batch.targets.any()
    assert (batch.mask == np.array(mouth)).all()
    loudness = batch.rows[:, :, 40].mean(axis=1)
    assert loudness.min() < -60
    assert loudness.max() > -30
    assert np.ptp(batch.rows[:, :, 40], axis=1).max() < 25


def test_noise_adds_as_power_and_the_middle_warp_is_none() -> None:
    """0 dB + 0 dB = 3.01 dB; a power far below adds nothing; warps are averages, the middle one is the identity."""
    a = np.array([0.0, -80.0, 10.0], np.float32)
    np.testing.assert_allclose(power_sum(a, np.array([0.0, 10.0, -80.0], np.float32)), [3.0103, 10, 10], atol=1e-4)
    matrices = warp_matrices(0.12)
    np.testing.assert_allclose(matrices[12], np.eye(80), atol=1e-5)
    np.testing.assert_allclose(matrices.sum(axis=1), 1, atol=1e-6)
    assert (matrices >= 0).all()


def test_warping_moves_a_tone_by_its_factor() -> None:
    """Stretched by 12 %, the peak of a 2 kHz tone stands where that of a tone 12 % lower stands."""
    recipe = first()

    def peak(hertz: float) -> np.ndarray:
        tone = 0.1 * np.sin(2 * np.pi * hertz * np.arange(8000) / 16_000)
        return feature_rows(tone.astype(np.float32), recipe.feature, 0)[20]

    warped = peak(2000) @ warp_matrices(0.12)[-1]
    assert abs(int(warped.argmax()) - int(peak(2000 / 1.12).argmax())) <= 1


def test_no_augmentation_is_none() -> None:
    """With every share at 0 the rows come out as they went in."""
    rows = np.random.default_rng(0).uniform(-80, 10, (3, 70, 83)).astype(np.float32)
    out, silent = augment(rows, NO_AUGMENT, replace(first().feature, rows=83), np.random.default_rng(0))
    np.testing.assert_allclose(out, rows, atol=1e-5)
    assert not silent.any()
