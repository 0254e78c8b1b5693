"""Training: it learns, resumes to the last bit, stops when nothing gets better, and never overwrites a run."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.small_training import HELD_OUT, TRAIN, one_thread, tiny, torch  # noqa: F401
from voxface.errors import CheckpointError, UsageError
from voxface.models.tcn import TcnConfig
from voxface.training import loop
from voxface.training.augment import NO_AUGMENT
from voxface.training.checkpoint import load_checkpoint
from voxface.training.recipes import Recipe, first, recipe_named


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
