"""Training: it learns, resumes to the last bit, counts only what was seen, and its bundle says what the net says."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training cannot be tested")
pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed: training cannot be tested")
pytest.importorskip("onnx", reason="onnx is not installed: export cannot be tested")

from tests.fake_recordings import JAW, fake_recording, fake_recordings  # noqa: E402
from voxface.bundle import load_bundle  # noqa: E402
from voxface.errors import CheckpointError, DatasetError, InputWarning, TrainingError, UsageError  # noqa: E402
from voxface.face.axes import rotation_matrix  # noqa: E402
from voxface.face.gap import rig_gap  # noqa: E402
from voxface.face.rig import ARKIT, MOUTH  # noqa: E402
from voxface.models.tcn import TcnConfig  # noqa: E402
from voxface.runtime.animate import animate  # noqa: E402
from voxface.training import loop  # noqa: E402
from voxface.training.augment import NO_AUGMENT, augment, power_sum, warp_matrices  # noqa: E402
from voxface.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from voxface.training.data import Batch, Material, make_batch  # noqa: E402
from voxface.training.export import export_bundle  # noqa: E402
from voxface.training.losses import COLUMNS, GAP_COLUMN, LossSpec, masked_loss, with_gap  # noqa: E402
from voxface.training.recipes import Recipe, first, recipe_named  # noqa: E402
from voxface.training.shipped import conjugate_product  # noqa: E402
from voxface.training.table import build_table, feature_rows, silence_row, target_rows  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(**changes: Any) -> Recipe:
    """A recipe that trains in a second."""
    config = TcnConfig(width=16, look_ahead_rows=3)
    small = {"config": config, "crop_rows": 60, "batch": 4, "steps": 12, "warmup_steps": 2, "validate_every": 4}
    return replace(first(), **(small | changes))


TRAIN, HELD_OUT = fake_recordings(6), fake_recordings(2, "validate")


def test_it_learns(tmp_path: Path) -> None:
    """On sound whose loudness is the jaw, 150 steps bring the lip gap of unheard recordings to r > 0.8."""
    recipe = tiny(config=TcnConfig(width=32), steps=150, validate_every=50, batch=8, learning_rate=5e-3)
    losses: list[float] = []
    found = loop.train(TRAIN, HELD_OUT, recipe, tmp_path, report=lambda step, values: losses.append(values["loss"]))
    assert found["gap_r"] > 0.8
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0].startswith("step,loss,")
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(1, 151))


@pytest.mark.parametrize(("stop", "precision"), [(1, "32-true"), (4, "32-true"), (7, "32-true"), (5, "bf16-mixed")])
def test_resume_is_exact_to_the_last_bit(stop: int, precision: str, tmp_path: Path) -> None:
    """Stopped at step k and resumed: checkpoint and logs are the bytes of a run that was never stopped."""
    recipe = tiny(precision=precision)
    loop.train(TRAIN, HELD_OUT, recipe, tmp_path / "whole")
    loop.train(TRAIN, HELD_OUT, recipe, tmp_path / "cut", stop_at=stop)
    torch.manual_seed(12345)  # what the process did meanwhile must not matter
    torch.rand(7)
    loop.train(TRAIN, HELD_OUT, recipe, tmp_path / "cut", resume=True)
    for name in ("checkpoint.safetensors", "log.csv", "validation.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_checkpoint_to_resume(number: int, tmp_path: Path) -> None:
    """Ctrl-C or a polite kill ends after the current step with a checkpoint of it; resuming gives the same bytes."""

    def interrupt(step: int, values: dict[str, float]) -> None:
        if step == 5:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path / "cut", report=interrupt)
    assert signal.getsignal(number) == before
    header, _ = load_checkpoint(tmp_path / "cut")
    assert 5 <= header.step <= 6
    loop.train(TRAIN, HELD_OUT, tiny(), tmp_path / "cut", resume=True)
    loop.train(TRAIN, HELD_OUT, tiny(), tmp_path / "whole")
    name = "checkpoint.safetensors"
    assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_lines_past_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    """A run killed after its last checkpoint has written more log than it can remember; resuming mends that."""
    loop.train(TRAIN, HELD_OUT, tiny(), tmp_path / "whole")
    loop.train(TRAIN, HELD_OUT, tiny(), tmp_path / "cut", stop_at=4)
    with open(tmp_path / "cut" / "log.csv", "a") as file:
        file.write("5,0.1,0.1,0.1,0\n6,0.1,0.")
    loop.train(TRAIN, HELD_OUT, tiny(), tmp_path / "cut", resume=True)
    assert (tmp_path / "cut" / "log.csv").read_bytes() == (tmp_path / "whole" / "log.csv").read_bytes()


def test_another_recipe_or_dataset_is_refused(tmp_path: Path) -> None:
    """Resuming with a changed recipe or other data names what differs; a run is never overwritten unasked."""
    loop.train(TRAIN, [], tiny(steps=2), tmp_path)
    with pytest.raises(CheckpointError, match=r"recipe\.learning_rate 0\.002 is now 0\.1") as caught:
        loop.train(TRAIN, [], tiny(steps=2, learning_rate=0.1), tmp_path, resume=True)
    assert "recipe.steps" not in str(caught.value)
    with pytest.raises(CheckpointError, match=r"recipe\.config\.look_ahead_rows 3 is now 4"):
        loop.train(TRAIN, [], tiny(steps=2, config=TcnConfig(width=16, look_ahead_rows=4)), tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="dataset"):
        loop.train(TRAIN[:-1], [], tiny(steps=2), tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="--resume"):
        loop.train(TRAIN, [], tiny(steps=2), tmp_path)


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


def test_unseen_rows_and_channels_never_count() -> None:
    """Where the mask is 0 the target may be anything, NaN included: loss and gradient stay the same."""
    random = torch.Generator().manual_seed(0)
    out = torch.rand(2, 20, 59, generator=random, requires_grad=True)
    targets = torch.rand(2, 20, 60, generator=random)
    mask = torch.ones(2, 20, 60)
    mask[0, 5:9] = 0
    mask[:, :, 51] = 0
    scale, spec = torch.ones(60), LossSpec()
    masked_loss(out, targets, mask, scale, spec).backward()
    assert out.grad is not None
    gradient = out.grad.clone()
    assert float(gradient[0, 5:9].abs().max()) == 0
    assert float(gradient[:, :, 51].abs().max()) == 0
    assert float(gradient[1, 5:9, :51].abs().min()) > 0
    out.grad = None
    garbage = torch.where(mask > 0, targets, torch.tensor(float("nan")))
    masked_loss(out, garbage, mask, scale, spec).backward()
    assert torch.equal(out.grad, gradient)


@pytest.mark.parametrize(("closed", "share"), [(1.0, 1 / 2), (3.0, 3 / 4)])
def test_closed_lips_count_more(closed: float, share: float) -> None:
    """Rows whose true lip gap is shut have `closed` times the say of others in the mean."""
    out, targets, mask = torch.zeros(1, 4, 59), torch.zeros(1, 4, 60), torch.zeros(1, 4, 60)
    mask[..., GAP_COLUMN] = 1
    targets[:, 2:, GAP_COLUMN] = out[:, 2:, JAW] = 0.2  # two rows open, and rightly so
    out[:, :2, JAW] = 0.3  # two rows shut, shown open
    spec = LossSpec(velocity=0, steadiness=0, bend=10, closed=closed)
    found = float(masked_loss(out, targets, mask, torch.ones(60), spec))
    assert found == pytest.approx(share * 0.3**2 / (2 * spec.bend))


def test_trembling_costs_more_than_being_off() -> None:
    """An error that changes its sign from row to row costs several times as much as the same error held."""
    targets, mask = torch.zeros(1, 40, 60), torch.zeros(1, 40, 60)
    mask[..., JAW] = 1
    held, trembling = torch.zeros(1, 40, 59), torch.zeros(1, 40, 59)
    held[..., JAW] = 0.1
    trembling[..., JAW] = 0.1 * (-1.0) ** torch.arange(40)
    off, shaking = (float(masked_loss(out, targets, mask, torch.ones(60), LossSpec())) for out in (held, trembling))
    assert shaking > 5 * off


def test_nothing_seen_is_no_loss() -> None:
    """A batch without one valid row gives loss 0, not NaN."""
    loss = masked_loss(torch.ones(1, 9, 59), torch.zeros(1, 9, 60), torch.zeros(1, 9, 60), torch.ones(60), LossSpec())
    assert float(loss) == 0


def test_the_loss_and_the_metric_mean_the_same_lip_gap() -> None:
    """The lip gap column of the loss is face.gap.rig_gap of the weights as the rig would show them."""
    out = torch.randn(5, 59, generator=torch.Generator().manual_seed(1))
    expected = rig_gap(np.clip(out[:, :52].numpy(), 0, 1), ARKIT)
    np.testing.assert_allclose(with_gap(out)[:, GAP_COLUMN].numpy(), expected, atol=1e-6)


def test_tongue_and_unseen_rows_are_masked_in_batches() -> None:
    """tongueOut is unobserved and rows without a face are invalid: both are 0 in the mask of every batch."""
    holes = [replace(recording, valid=np.arange(len(recording.valid)) % 3 > 0) for recording in TRAIN]
    recipe = tiny(augment=NO_AUGMENT)
    batch = make_batch(Material(build_table(holes, recipe), None), recipe, 0)
    assert not batch.mask[:, :, COLUMNS.index("tongueOut")].any()
    assert 0.6 < batch.mask[:, :, JAW].mean() < 0.73
    with pytest.raises(DatasetError, match="valid"):
        build_table([replace(TRAIN[0], valid=np.zeros(len(TRAIN[0].valid), bool))], recipe)


def test_steps_that_are_not_finite_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step with a NaN is left out, counted and logged; the weights stay finite and training goes on."""
    _poison(monkeypatch, lambda step: step == 3)
    with pytest.warns(InputWarning, match=r"W-SKIPPED.*step 4 was left out.*train"):
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path)
    header, tensors = load_checkpoint(tmp_path)  # refuses weights that are not finite
    assert (header.step, header.skipped) == (12, 1)
    line = (tmp_path / "log.csv").read_text().splitlines()[4].split(",")
    assert (line[0], line[1], line[-1]) == ("4", "nan", "1")
    assert float(tensors["optimizer.enter.weight.step"]) == 11


def test_ten_bad_steps_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After more than ten bad steps training ends, names recordings of the last one, and leaves finite weights."""
    _poison(monkeypatch, lambda step: step >= 2)
    with pytest.warns(InputWarning), pytest.raises(TrainingError, match=r"train\d \(\d+ times\)"):
        loop.train(TRAIN, HELD_OUT, tiny(steps=50), tmp_path)
    header, _ = load_checkpoint(tmp_path)
    assert header.skipped == 11


def _poison(monkeypatch: pytest.MonkeyPatch, bad: Any) -> None:
    def poisoned(material: Material, recipe: Recipe, step: int) -> Batch:
        batch = make_batch(material, recipe, step)
        if bad(step):
            batch.rows[0, -1, 0] = np.nan
        return batch

    monkeypatch.setattr(loop, "make_batch", poisoned)


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


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training run on made-up recordings."""
    folder = tmp_path_factory.mktemp("run")
    torch.set_num_threads(1)
    loop.train(TRAIN, HELD_OUT, tiny(steps=40, learning_rate=5e-3), folder, about={"data": "made up"})
    return folder


def test_the_bundle_says_what_the_net_says(run: Path, tmp_path: Path) -> None:
    """Export checks torch against onnxruntime (1e-4), keeps recipe and validation, and stays below 9 MB."""
    bundle, difference = export_bundle(run, tmp_path / "tiny.voxface", about={"licences": ["none"]})
    assert difference <= 1e-4
    assert load_bundle(tmp_path / "tiny.voxface").name == "tiny"
    assert (bundle.look_ahead_rows, bundle.rig, len(bundle.states)) == (3, ARKIT, 5)
    assert bundle.training["data"] == "made up"
    assert bundle.training["licences"] == ["none"]
    assert Recipe.from_json(bundle.training["recipe"]) == tiny(steps=40, learning_rate=5e-3)
    assert bundle.metrics["validation"]["gap_r"] > 0


@pytest.mark.parametrize("seconds", [0.02, 1.0])
def test_silence_gives_an_exactly_resting_face(run: Path, seconds: float, tmp_path: Path) -> None:
    """Digital silence: every weight is 0 from the first frame to the last, the head looks into the camera."""
    bundle, _ = export_bundle(run, tmp_path / "tiny.voxface")
    clip = animate(np.zeros(int(16_000 * seconds), np.float32), 16_000, bundle=bundle)
    assert len(clip) > 0
    assert not clip.weights.any()
    assert clip.head is not None
    np.testing.assert_allclose(clip.head, np.tile([0, 0, 0, 1, 0, 0, 0], (len(clip), 1)), atol=1e-6)


def test_the_head_turns_from_where_it_rests() -> None:
    """The shipped rotation is what takes the resting head to the predicted one, as rotation matrices say it."""
    rest, pose = (q / np.linalg.norm(q) for q in np.random.default_rng(2).standard_normal((2, 4)))
    turn = conjugate_product(torch.from_numpy(rest)).numpy() @ pose
    np.testing.assert_allclose(rotation_matrix(turn), rotation_matrix(rest).T @ rotation_matrix(pose), atol=1e-6)


def test_a_bundle_is_in_time_with_its_sound(run: Path, tmp_path: Path) -> None:
    """The look-ahead is taken away again: the face follows the truth best within one row of no lag at all."""
    bundle, _ = export_bundle(run, tmp_path / "tiny.voxface")
    recording = fake_recording(3000, "test", seconds=4)
    jaw = animate(recording.samples, 16_000, fps=100, bundle=bundle).channel("jawOpen")
    truth = recording.weights[: len(jaw), JAW]
    scores = {lag: np.corrcoef(np.roll(jaw, -lag)[20:-20], truth[20:-20])[0, 1] for lag in range(-8, 9)}
    best = max(scores, key=lambda lag: scores[lag])
    assert scores[best] > 0.8
    assert abs(best) <= 2


def test_a_damaged_checkpoint_is_named(run: Path, tmp_path: Path) -> None:
    """Cut short, empty, without header, of a newer version, or with NaN: CheckpointError, never a guess."""
    whole = (run / "checkpoint.safetensors").read_bytes()
    path = tmp_path / "checkpoint.safetensors"
    for data in (whole[: len(whole) // 2], whole[:20], b""):
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
            load_checkpoint(tmp_path)
    header, tensors = load_checkpoint(run)
    save_checkpoint(path, replace(header, version=99), tensors)
    with pytest.raises(CheckpointError, match="version 99"):
        load_checkpoint(tmp_path)
    save_checkpoint(path, header, tensors | {"mean.enter.bias": torch.full((16,), float("nan"))})
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(tmp_path)
    save_checkpoint(path, header, {name: value for name, value in tensors.items() if "mean.captured.leave" not in name})
    with pytest.raises(CheckpointError, match="another net"):
        export_bundle(tmp_path, tmp_path / "x.voxface")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(tmp_path / "nowhere")
    assert not (tmp_path / "x.voxface").exists()


def test_a_recipe_survives_its_json() -> None:
    """What stands in checkpoints and bundles gives the recipe back; strangers are refused."""
    recipe = replace(tiny(), augment=NO_AUGMENT, feature=replace(first().feature, level=None))
    assert Recipe.from_json(recipe.to_json()) == recipe
    with pytest.raises(CheckpointError):
        Recipe.from_json(recipe.to_json() | {"config": {"colour": 3}})
    with pytest.raises(UsageError, match="first"):
        recipe_named("second")
    with pytest.raises(UsageError, match="80"):
        replace(recipe, config=TcnConfig(features=83))
