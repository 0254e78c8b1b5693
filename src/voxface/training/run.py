"""What a run is: what stays the same, what changes from step to step, and how that goes to disk and comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voxface.errors import CheckpointError
from voxface.models.registry import MODELS
from voxface.training.checkpoint import (
    BEST_NAME,
    FILE_NAME,
    CheckpointHeader,
    Tensors,
    load_checkpoint,
    recipe_differences,
    require_same,
    save_checkpoint,
    under,
)
from voxface.training.data import Material
from voxface.training.recipes import Recipe
from voxface.training.table import Table
from voxface.training.team import Team


@dataclass
class Run:
    """What changes from step to step.

    net, optimizer: in training · mean: the running mean of the weights, which is what ships
    skipped: steps left out · blamed: how often a recording was in one of them
    validated: the last validation · best: the step of the best one and its watched number; empty before the first
    forced: what was different when the run was resumed by force, and at which step
    """

    net: Any
    optimizer: Any
    mean: Tensors
    step: int = 0
    skipped: int = 0
    blamed: dict[str, int] = field(default_factory=dict)
    validated: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    forced: list[dict[str, Any]] = field(default_factory=list)

    def done(self, recipe: Recipe) -> bool:
        """All steps were made, or the last `patience` validations brought nothing better."""
        stale = (self.step - self.best.get("step", self.step)) // recipe.validate_every
        return self.step >= recipe.steps or (recipe.patience > 0 and stale >= recipe.patience)


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same during a run."""

    recipe: Recipe
    data: str
    about: dict[str, Any]
    material: Material
    held_out: Table | None
    scales: tuple[Tensor | None, Tensor | None]  # of the captured and of the synthetic targets
    folder: Path
    team: Team


def start(recipe: Recipe, team: Team) -> Run:
    """A run before its first step, its weights drawn from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    net = MODELS[recipe.model][1](recipe.config).to(team.device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    mean = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    return Run(net, team.fabric.setup_optimizers(optimizer), mean)


def checkpoint(run: Run, setting: Setting) -> None:
    """Write the whole state of a run. Of several processes the leading one does."""
    if not setting.team.leads:
        return
    tensors = {f"model.{name}": tensor for name, tensor in run.net.state_dict().items()}
    tensors |= {f"mean.{name}": tensor for name, tensor in run.mean.items()}
    names = [name for name, _ in run.net.named_parameters()]
    for number, parts in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{names[number]}.{part}": tensor for part, tensor in parts.items()}
    tensors["random"] = torch.get_rng_state()
    save_checkpoint(setting.folder / FILE_NAME, _header(run, setting), tensors)


def keep_best(run: Run, setting: Setting, watched: float) -> None:
    """Note the best validation so far, and keep what would ship of it in best.safetensors."""
    if run.best and not watched > run.best["value"]:
        return
    run.best = {"step": run.step, "value": watched}
    if setting.team.leads:
        tensors = {f"mean.{name}": tensor for name, tensor in run.mean.items()}
        save_checkpoint(setting.folder / BEST_NAME, _header(run, setting), tensors)


def _header(run: Run, setting: Setting) -> CheckpointHeader:
    return CheckpointHeader(
        step=run.step,
        skipped=run.skipped,
        recipe=setting.recipe.to_json(),
        data=setting.data,
        about=setting.about,
        validated=run.validated,
        best=run.best,
        blamed=run.blamed,
        place=setting.team.place(),
        scaler=setting.team.fabric.strategy.precision.state_dict(),
        forced=run.forced,
    )


def restore(run: Run, recipe: Recipe, team: Team, path: Path, force: bool) -> str:
    """Take up a run where its checkpoint left it. Gives the hash of its data, which is still to be compared.

    Raises: CheckpointError: it cannot be read, or is of another recipe or machine and `force` is not set; by force,
        the net has another shape.
    """
    header, tensors = load_checkpoint(path)
    differences = [*recipe_differences(header, recipe), *_moved(header.place, team.place())]
    run.forced = [dict(one) for one in header.forced]
    run.step, run.skipped, run.blamed = header.step, header.skipped, dict(header.blamed)
    run.validated, run.best = dict(header.validated), dict(header.best)
    accept(run, differences, path, force)
    load_weights(run.net, under("model", tensors), path)
    run.mean = {name: tensor.to(team.device) for name, tensor in under("mean", tensors).items()}
    names = [name for name, _ in run.net.named_parameters()]
    parts = under("optimizer", tensors)
    state = run.optimizer.state_dict()
    state["state"] = {i: found for i, name in enumerate(names) if (found := under(name, parts))}
    run.optimizer.load_state_dict(state)
    if header.scaler:
        team.fabric.strategy.precision.load_state_dict(header.scaler)
    torch.set_rng_state(tensors["random"])
    return header.data


def accept(run: Run, differences: list[str], path: Path, force: bool) -> None:
    """Refuse to go on with differences, or note them for good. Raises: CheckpointError."""
    if force and differences:
        run.forced.append({"step": run.step, "differences": differences})
    else:
        require_same(differences, path)


def _moved(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """How the machine differs; a checkpoint of version 2 does not say."""
    return [f"{name} {old[name]!r} is now {new[name]!r}" for name in new if name in old and old[name] != new[name]]


def begin_with(run: Run, source: Path) -> None:
    """Take over the mean weights of another run. Raises: CheckpointError: it cannot be read, or is of another net."""
    load_weights(run.net, under("mean", load_checkpoint(source)[1]), source)
    run.mean = {name: tensor.clone() for name, tensor in run.net.state_dict().items()}


def load_weights(net: torch.nn.Module, weights: Tensors, source: Path) -> None:
    """Raises: CheckpointError: they are of another net."""
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{source} holds a net of another shape than the recipe's: {str(error).splitlines()[-1].strip()}",
            hint="Begin with a run of the same recipe, width and heads.",
            source=str(source),
        ) from error
