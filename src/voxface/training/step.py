"""One step of training: a batch in, better weights out."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor

from voxface.errors import InputWarning, TrainingError, some_of
from voxface.training.data import Batch
from voxface.training.losses import Term, masked_terms, phone_term, total
from voxface.training.rate import cosine_rate
from voxface.training.recipes import Recipe
from voxface.training.run import Run, Setting
from voxface.training.shipped import split_heads

MOST_SKIPPED = 10


def one_step(run: Run, setting: Setting, batch: Batch, asked: bool = False) -> dict[str, float]:
    """Learn from one batch, of which each process takes its crops. A loss or gradient that is not finite changes
    nothing and is counted.

    Args:
        batch: the whole one. asked: this process was asked to stop.
    Returns: loss and norm of the gradient (before it is cut) of the whole batch, learning rate, skipped steps, and how
        many processes were asked to stop.
    Raises: TrainingError: more than 10 steps were not finite, or another process has ended.
    """
    recipe, team = setting.recipe, setting.team
    rate = learning_rate(recipe, run.step)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.net.train()
    own = batch if team.size == 1 else batch.share(team.rank, team.size)
    loss = own_loss(run, setting, own)
    team.fabric.backward(loss)
    team.sum_gradients(run.net)
    norm = team.fabric.clip_gradients(run.net, run.optimizer, max_norm=recipe.gradient_clip, error_if_nonfinite=False)
    told, stops = team.sum(torch.stack([loss.detach(), loss.new_tensor(float(asked))])).tolist()
    run.step += 1
    finite = math.isfinite(told)
    if (finite and bool(torch.isfinite(norm))) or (finite and _scale_falls(team.fabric)):
        run.optimizer.step()
        _follow(run, recipe)
    else:
        _skip(run, batch)
    run.optimizer.zero_grad()
    values = {"loss": told, "gradient": norm.item(), "learning_rate": rate, "skipped": run.skipped}
    return values | ({"stops": stops} if stops else {})


def own_loss(run: Run, setting: Setting, batch: Batch) -> Tensor:
    """This process's part of the loss of a batch; the parts of all processes add up to it."""
    recipe, team = setting.recipe, setting.team
    rows = torch.from_numpy(batch.rows).to(team.device)
    with team.computing(recipe.batch):
        out = run.net.thinned(rows, recipe.every)[:, -recipe.crop_rows // recipe.every :].float()
    return batch_loss(out, batch, setting)


def batch_loss(out: Tensor, batch: Batch, setting: Setting) -> Tensor:
    """The loss of a batch: the captured head's over the captured crops, the articulated head's over the synthetic ones,
    and that of the phones. A net without an articulated head learns from all crops with the one that it has.

    Args:
        out: (batch, crop / every, outputs) of the net.
    """
    groups = _groups(out, batch, setting)
    shares = setting.team.sum(torch.stack([term.share for _, terms in groups for term in terms]))
    loss, at = out.sum() * 0, 0
    for weight, terms in groups:
        loss = loss + weight * total(terms, shares[at:])
        at += len(terms)
    return loss


def _groups(out: Tensor, batch: Batch, setting: Setting) -> list[tuple[float, list[Term]]]:
    """What is added up, and how much it counts. Which groups there are is the recipe's say, so that all processes have
    the same, also one whose crops are all of one kind."""
    recipe, heads = setting.recipe, split_heads(out, setting.recipe.config)
    kept = slice(recipe.every - 1, None, recipe.every)
    targets, mask, phones = (
        torch.from_numpy(array)[:, kept].to(out.device) for array in (batch.targets, batch.mask, batch.phones)
    )
    two = recipe.config.articulated > 0
    first = batch.captured if two else len(targets)
    captured, synthetic = setting.scales
    groups: list[tuple[float, list[Term]]] = []
    if captured is not None:
        part = (heads.captured[:first], targets[:first], mask[:first])
        groups.append((1.0, masked_terms(*part, captured, recipe.loss, recipe.every)))
    if two and synthetic is not None:
        part = (heads.articulated[first:], targets[first:], mask[first:])
        groups.append((recipe.synthetic_weight, masked_terms(*part, synthetic, recipe.synthetic_loss, recipe.every)))
    if recipe.phone_weight and recipe.config.phones:
        groups.append((recipe.phone_weight, [phone_term(heads.phones, phones)]))
    return groups


def learning_rate(recipe: Recipe, step: int) -> float:
    """Of step `step`, counted from 0."""
    return cosine_rate(recipe.learning_rate, step, recipe.warmup_steps, recipe.steps)


def _scale_falls(fabric: Any) -> bool:
    """With float16, a gradient that is not finite mostly means that the loss was scaled too high: the optimizer then
    leaves the step out by itself and halves the scale. Below a scale of 1 it is no excuse any more."""
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    return scaler is not None and scaler.get_scale() >= 1


def _follow(run: Run, recipe: Recipe) -> None:
    """Move the running mean of the weights; at first it forgets faster, so that the beginning does not linger."""
    decay = min(recipe.ema_decay, run.step / (run.step + 10))
    with torch.no_grad():
        for name, tensor in run.net.state_dict().items():
            run.mean[name].lerp_(tensor, 1 - decay)


def _skip(run: Run, batch: Batch) -> None:
    """Count a step that is left out, and blame the recordings whose crops are not finite, or all where none is."""
    run.skipped += 1
    names = batch.broken() or tuple(sorted(set(batch.names)))
    for name in names:
        run.blamed[name] = run.blamed.get(name, 0) + 1
    text = f"step {run.step} was left out, its loss or gradient is not finite: {some_of(names, 5)}."
    warnings.warn(InputWarning("W-SKIPPED", text), stacklevel=2)
    if run.skipped > MOST_SKIPPED:
        often = sorted(run.blamed, key=lambda name: (-run.blamed[name], name))[:5]
        counts = ", ".join(f"{name} ({run.blamed[name]} times)" for name in often)
        raise TrainingError(
            f"{run.skipped} steps had a loss or gradient that is not finite; most often with {counts}.",
            hint="Their steps changed nothing: the checkpoint is good. Look at these recordings, or lower the learning "
            "rate.",
        )
