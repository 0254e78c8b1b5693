"""Training: it learns, resumes to the last bit, stops when nothing gets better, and never overwrites a run."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.small_training import HELD_OUT, TRAIN, tiny, torch
from voxface.errors import CheckpointError, InputWarning, MissingDependencyError, UsageError
from voxface.models.registry import MODELS
from voxface.models.tcn import TcnConfig
from voxface.training import loop, team
from voxface.training.augment import NO_AUGMENT
from voxface.training.checkpoint import load_checkpoint
from voxface.training.data import build_material, make_batch
from voxface.training.export import export_bundle
from voxface.training.log import TrainingLog
from voxface.training.recipes import Recipe, first, joint, recipe_named, with_batch, with_features, with_model
from voxface.training.run import Run, Setting
from voxface.training.step import own_loss
from voxface.training.team import Machine, MixedPrecision, open_team

pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_training_ends_when_nothing_gets_better(tmp_path: Path) -> None:
    """With patience 2 and a net that stands still, the run ends two validations after its best one, which is kept and
    can be exported; interrupted and resumed on the way, it ends in the same bytes; resuming it does nothing."""
    recipe = tiny(steps=20, validate_every=2, patience=2, learning_rate=0.0)
    loop.train(TRAIN, HELD_OUT, recipe, tmp_path / "whole")
    header, _ = load_checkpoint(tmp_path / "whole")
    assert (header.step, header.best["step"]) == (6, 2)
    best, weights = load_checkpoint(tmp_path / "whole" / "best.safetensors")
    assert (best.step, best.validated["gap_r"]) == (2, best.best["value"])
    assert {name.split(".")[0] for name in weights} == {"mean"}
    export_bundle(tmp_path / "whole" / "best.safetensors", tmp_path / "best.voxface")
    loop.train(TRAIN, HELD_OUT, recipe, tmp_path / "cut", stop_at=3)
    for _ in range(2):
        loop.train(TRAIN, HELD_OUT, recipe, tmp_path / "cut", resume=True)
    for name in ("checkpoint.safetensors", "best.safetensors", "log.csv", "validation.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    with pytest.raises(UsageError, match="held-out"):
        loop.train(TRAIN, [], recipe, tmp_path / "blind")


def test_the_best_checkpoint_is_that_of_the_best_validation(tmp_path: Path) -> None:
    """best.safetensors is of the validation with the highest lip gap r in validation.csv, the first such."""
    loop.train(TRAIN, HELD_OUT, tiny(steps=24, validate_every=2, learning_rate=0.05), tmp_path)
    names, *lines = [line.split(",") for line in (tmp_path / "validation.csv").read_text().splitlines()]
    scores = {int(line[0]): float(line[names.index("gap_r")]) for line in lines}
    assert len(set(scores.values())) > 1
    assert load_checkpoint(tmp_path / "best.safetensors")[0].step == max(scores, key=lambda step: scores[step])


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_is_in_effect_and_resumes(precision: str, tmp_path: Path) -> None:
    """In 16 bits the losses differ from those in 32, by little; stopped and resumed, the scale of the loss included,
    the bytes are those of a run that was never stopped."""
    losses: dict[str, list[float]] = {"32-true": [], precision: []}
    for name, found in losses.items():
        recipe, folder = tiny(precision=name), tmp_path / name
        loop.train(TRAIN, HELD_OUT, recipe, folder, report=lambda step, values, to=found: to.append(values["loss"]))
    assert losses[precision] != losses["32-true"]
    np.testing.assert_allclose(losses[precision], losses["32-true"], rtol=0.05)
    header, _ = load_checkpoint(tmp_path / precision)
    assert (header.skipped, header.place["precision"]) == (0, precision)
    assert bool(header.scaler) == (precision == "16-mixed")
    for how in ({"stop_at": 5}, {"resume": True}):
        loop.train(TRAIN, HELD_OUT, tiny(precision=precision), tmp_path / "cut", **how)
    name = "checkpoint.safetensors"
    assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / precision / name).read_bytes()


def test_a_scale_that_is_too_high_falls_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With float16 a gradient may overflow because the loss was scaled too high: the scale is halved, and nobody is
    blamed."""
    high = partial(MixedPrecision, scaler=torch.amp.GradScaler("cpu", init_scale=2.0**40))
    monkeypatch.setattr(team, "MixedPrecision", high)
    loop.train(TRAIN, HELD_OUT, tiny(precision="16-mixed", steps=20), tmp_path)
    header, tensors = load_checkpoint(tmp_path)
    assert (header.skipped, header.blamed) == (0, {})
    assert header.scaler["scale"] < 2.0**40
    assert 0 < float(tensors["optimizer.enter.weight.step"]) < 20


def test_without_a_gpu_cuda_is_refused(tmp_path: Path) -> None:
    """`auto` takes the CPU where there is no GPU; asked for by name it is exit 4, with the way out."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert open_team(Machine("auto"), "32-true", 4).device.type == "cpu"
    with pytest.raises(MissingDependencyError, match="--device cpu"):
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path / "run", machine=Machine("cuda"))
    with pytest.raises(UsageError, match="auto"):
        Machine("abacus")


@pytest.mark.parametrize("name", MODELS)
def test_a_step_follows_the_device_of_its_net(name: str) -> None:
    """Rows, targets, masks, scales and dropout go where the net is. Shown on torch's "meta" device, which, like a GPU,
    refuses what lies elsewhere; the phones of a batch it cannot tell apart, so they are left out."""
    recipe = with_model(tiny(), name)
    place = replace(open_team(Machine(), "32-true", 4), device=torch.device("meta"))
    material = build_material(TRAIN, recipe)
    scales = (loop._scale(material.captured, recipe, place), None)
    setting = Setting(recipe, "", {}, material, None, scales, Path(), place)
    run = Run(MODELS[name][1](recipe.config).to("meta").train(), None, {})
    loss = own_loss(run, setting, make_batch(material, recipe, 0))
    loss.backward()
    assert {weight.grad.device.type for weight in run.net.parameters() if weight.grad is not None} == {"meta"}
    with pytest.raises(RuntimeError, match="device"):
        run.net(torch.zeros(1, 70, 80))


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    """With --tensorboard, what stands in the CSV files is in an event file beside them; a disk that fails it does not
    end training."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    machine = Machine(tensorboard=True)
    loop.train(TRAIN, HELD_OUT, tiny(steps=4, validate_every=2), tmp_path, machine=machine)
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    lines = [line.split(",") for line in (tmp_path / "log.csv").read_text().splitlines()[1:]]
    scalars = board.Scalars("train/loss")
    assert [(one.step, pytest.approx(one.value, rel=1e-4)) for one in scalars] == [
        (int(a), float(b)) for a, b, *_ in lines
    ]
    assert [one.step for one in board.Scalars("validation/gap_r")] == [2, 4]
    with TrainingLog(tmp_path / "other", 0, tensorboard=True) as log:
        log._board._writer.add_scalar = _no_space
        with pytest.warns(InputWarning, match="TensorBoard gets no more numbers"):
            log.step(1, {"loss": 0.5})
        log.step(2, {"loss": 0.25})
    assert (tmp_path / "other" / "log.csv").read_text() == "step,loss\n1,0.5\n2,0.25\n"


def _no_space(*arguments: object) -> None:
    raise OSError("No space left on device")


def test_a_recipe_takes_another_net_features_and_batch() -> None:
    """Another net keeps the shape that both know, 83 features change both sides, and a smaller batch keeps its share of
    synthetic speech; what is not there is a usage error that names what is."""
    recipe = joint()
    for name in MODELS:
        other = with_model(recipe, name)
        assert (other.model, type(other.config)) == (name, MODELS[name][0])
        assert (other.config.width, other.config.articulated) == (recipe.config.width, recipe.config.articulated)
    wide = with_features(recipe, 83)
    assert (wide.feature.rows, wide.config.features) == (83, 83)
    assert (with_batch(recipe, 4).batch, with_batch(recipe, 4).synthetic_crops) == (4, 2)
    with pytest.raises(UsageError, match="tcn"):
        with_model(recipe, "transistor")
    with pytest.raises(UsageError, match="80 or 83"):
        with_features(recipe, 81)
