"""The training loop: small, exact, and always able to stop.

Lightning Fabric places the net and its precision; everything else is here. Step k depends only on the state after
step k - 1 and on k, so a run that was interrupted and resumed ends in the same bits as one that was not.
"""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from voxface.dataset.recording import Recording
from voxface.errors import CheckpointError, TrainingError
from voxface.models.registry import MODELS
from voxface.training.checkpoint import (
    FILE_NAME,
    CheckpointHeader,
    Tensors,
    load_checkpoint,
    require_same,
    save_checkpoint,
    under,
)
from voxface.training.data import (
    Batch,
    Material,
    Table,
    build_material,
    build_table,
    data_hash,
    make_batch,
    table_scale,
)
from voxface.training.log import TrainingLog
from voxface.training.losses import masked_loss, phone_loss
from voxface.training.recipes import Recipe
from voxface.training.shipped import split_heads
from voxface.training.validate import Validation, validate

MOST_SKIPPED = 10

Report = Callable[[int, dict[str, float]], None]


@dataclass
class Run:
    """What changes from step to step."""

    net: Any  # the module of models.registry, as Fabric wraps it
    optimizer: Any
    mean: Tensors
    step: int = 0
    skipped: int = 0
    validated: dict[str, float] = field(default_factory=dict)


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
    fabric: Any


def train(
    recordings: Sequence[Recording],
    held_out: Sequence[Recording],
    recipe: Recipe,
    folder: Path,
    *,
    about: dict[str, Any] | None = None,
    resume: bool = False,
    start_from: Path | None = None,
    stop_at: int | None = None,
    report: Report = lambda step, values: None,
) -> dict[str, float]:
    """Train a net and leave checkpoint.safetensors, log.csv and validation.csv in `folder`.

    Args:
        recordings: to learn from. held_out: to validate on; may be empty.
        about: of the data, for the bundle (names, licences); only kept.
        resume: go on from the checkpoint in `folder`, if it has one.
        start_from: another run, whose shipped weights this one begins with; both nets must be of the same shape.
        stop_at: leave after this step, with a checkpoint, as if interrupted; default: the recipe's last.
        report: called after every step with the step and {"loss", ...}, and validation numbers when there are new.
    Returns: the last validation, by name; empty without held-out recordings.
    Raises: DatasetError: no face in the recordings. CheckpointError: resume from another recipe or dataset, or a run
        is there already. TrainingError: more than 10 steps were not finite. KeyboardInterrupt: SIGINT or SIGTERM came;
        a checkpoint was written.
    """
    path = folder / FILE_NAME
    if path.exists() and not resume:
        raise CheckpointError(
            f"{folder} holds a training run already.",
            hint="Go on with --resume, or choose another folder.",
            source=str(folder),
        )
    torch.manual_seed(recipe.seed)
    setting = _prepare(recordings, held_out, recipe, folder, about or {})
    run = _start(setting)
    if path.exists():
        _restore(run, setting, path)
    elif start_from is not None:
        _begin_with(run, start_from)
    if run.step >= recipe.steps:  # done: what its checkpoint says of its making stays as it is
        return run.validated
    with _stop_requested() as asked, TrainingLog(folder, run.step) as log, ThreadPoolExecutor(1) as worker:
        _steps(run, setting, log, worker, asked, min(stop_at or recipe.steps, recipe.steps), report)
    return run.validated


def use_threads(threads: int) -> None:
    """Let torch use this many threads; sums in another order may differ in their last bits."""
    torch.set_num_threads(threads)


def _prepare(
    recordings: Sequence[Recording], held_out: Sequence[Recording], recipe: Recipe, folder: Path, about: dict[str, Any]
) -> Setting:
    material = build_material(recordings, recipe)
    judged = [recording for recording in held_out if not recording.synthetic] or held_out
    tables = (material.captured, material.synthetic)
    return Setting(
        recipe=recipe,
        data=data_hash([*recordings, *held_out]),
        about=about,
        material=material,
        held_out=build_table(judged, recipe) if any(r.valid.any() for r in judged) else None,
        scales=(_scale(tables[0], recipe), _scale(tables[1], recipe)),
        folder=folder,
        fabric=_fabric(recipe.precision),
    )


def _scale(table: Table | None, recipe: Recipe) -> Tensor | None:
    return None if table is None else torch.from_numpy(table_scale(table, recipe))


def _fabric(precision: Any) -> Fabric:
    """Fabric on the CPU; what it has to tell of its precision is for developers."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if precision == "auto":
        fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        precision = "bf16-mixed" if fast else "32-true"
    return Fabric(accelerator="cpu", devices=1, precision=precision)


def _start(setting: Setting) -> Run:
    recipe = setting.recipe
    module = MODELS[recipe.model][1](recipe.config)
    optimizer = torch.optim.AdamW(module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    mean = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    net, optimizer = setting.fabric.setup(module, optimizer)
    net.mark_forward_method("thinned")
    return Run(net, optimizer, mean)


def _steps(
    run: Run,
    setting: Setting,
    log: TrainingLog,
    worker: ThreadPoolExecutor,
    asked: list[int],
    last: int,
    report: Report,
) -> None:
    """Go on to step `last`; the next batch is made while the net works on this one."""
    coming = worker.submit(make_batch, setting.material, setting.recipe, run.step)
    while run.step < last:
        batch = coming.result()
        coming = worker.submit(make_batch, setting.material, setting.recipe, run.step + 1)
        values = one_step(run, setting, batch)
        log.step(run.step, values)
        if run.step % setting.recipe.validate_every == 0 or run.step == setting.recipe.steps:
            values |= _validate(run, setting, log)
            checkpoint(run, setting)
        report(run.step, values)
        if asked:
            checkpoint(run, setting)
            raise KeyboardInterrupt
    checkpoint(run, setting)


def one_step(run: Run, setting: Setting, batch: Batch) -> dict[str, float]:
    """Learn from one batch. A loss or gradient that is not finite changes nothing and is counted.

    Raises: TrainingError: that happened more than 10 times.
    """
    recipe = setting.recipe
    rate = learning_rate(recipe, run.step)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.net.train()
    rows = torch.from_numpy(batch.rows)
    out = run.net.thinned(rows, recipe.every)[:, -recipe.crop_rows // recipe.every :].float()
    loss = batch_loss(out, batch, setting)
    setting.fabric.backward(loss)
    norm = torch.nn.utils.clip_grad_norm_(run.net.parameters(), recipe.gradient_clip)
    run.step += 1
    if bool(torch.isfinite(loss)) and bool(torch.isfinite(norm)):
        run.optimizer.step()
        _follow(run, recipe)
    else:
        _skip(run, setting, batch)
    run.optimizer.zero_grad()
    return {"loss": loss.item(), "gradient": norm.item(), "learning_rate": rate, "skipped": run.skipped}


def batch_loss(out: Tensor, batch: Batch, setting: Setting) -> Tensor:
    """The loss of a batch: the captured head's over the captured crops, the articulated head's over the synthetic ones,
    and that of the phones. A net without an articulated head learns from all crops with the one that it has.

    Args:
        out: (batch, crop / every, outputs) of the net.
    """
    recipe, heads = setting.recipe, split_heads(out, setting.recipe.config)
    kept = slice(recipe.every - 1, None, recipe.every)
    targets, mask = torch.from_numpy(batch.targets)[:, kept], torch.from_numpy(batch.mask)[:, kept]
    first = batch.captured if recipe.config.articulated else len(targets)
    captured, synthetic = setting.scales
    loss = out.sum() * 0
    if first and captured is not None:
        error = masked_loss(heads.captured[:first], targets[:first], mask[:first], captured, recipe.loss, recipe.every)
        loss = loss + error
    if first < len(targets) and synthetic is not None:
        curves, spec = heads.articulated[first:], recipe.synthetic_loss
        error = masked_loss(curves, targets[first:], mask[first:], synthetic, spec, recipe.every)
        loss = loss + recipe.synthetic_weight * error
    if recipe.phone_weight and recipe.config.phones:
        loss = loss + recipe.phone_weight * phone_loss(heads.phones, torch.from_numpy(batch.phones)[:, kept])
    return loss


def learning_rate(recipe: Recipe, step: int) -> float:
    """Of step `step`, counted from 0: linear warm-up, then half a cosine down to a hundredth."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    share = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def _follow(run: Run, recipe: Recipe) -> None:
    """Move the running mean of the weights; at first it forgets faster, so that the beginning does not linger."""
    decay = min(recipe.ema_decay, run.step / (run.step + 10))
    with torch.no_grad():
        for name, tensor in run.net.module.state_dict().items():
            run.mean[name].lerp_(tensor, 1 - decay)


def _skip(run: Run, setting: Setting, batch: Batch) -> None:
    run.skipped += 1
    if run.skipped > MOST_SKIPPED:
        checkpoint(run, setting)
        raise TrainingError(
            f"{run.skipped} steps had a loss or gradient that is not finite; the last one used "
            f"{', '.join(sorted(set(batch.names))[:5])}.",
            hint="Look at these recordings, or lower the learning rate.",
        )


def _validate(run: Run, setting: Setting, log: TrainingLog) -> dict[str, float]:
    if setting.held_out is None:
        return {}
    module = MODELS[setting.recipe.model][1](setting.recipe.config)
    module.load_state_dict(run.mean)
    result: Validation = validate(module.eval(), setting.held_out, setting.recipe)
    run.validated = result.to_json()
    log.validation(run.step, run.validated)
    return run.validated


def checkpoint(run: Run, setting: Setting) -> None:
    """Write the whole state of a run."""
    header = CheckpointHeader(
        run.step, run.skipped, setting.recipe.to_json(), setting.data, setting.about, run.validated
    )
    tensors = {f"model.{name}": tensor for name, tensor in run.net.module.state_dict().items()}
    tensors |= {f"mean.{name}": tensor for name, tensor in run.mean.items()}
    names = [name for name, _ in run.net.module.named_parameters()]
    for number, parts in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{names[number]}.{part}": tensor for part, tensor in parts.items()}
    tensors["random"] = torch.get_rng_state()
    save_checkpoint(setting.folder / FILE_NAME, header, tensors)


def _restore(run: Run, setting: Setting, path: Path) -> None:
    header, tensors = load_checkpoint(path)
    require_same(header, setting.recipe, setting.data, path)
    run.step, run.skipped, run.validated = header.step, header.skipped, dict(header.validated)
    run.net.module.load_state_dict(under("model", tensors))
    run.mean = under("mean", tensors)
    names = [name for name, _ in run.net.module.named_parameters()]
    parts = under("optimizer", tensors)
    state = run.optimizer.state_dict()
    state["state"] = {i: found for i, name in enumerate(names) if (found := under(name, parts))}
    run.optimizer.load_state_dict(state)
    torch.set_rng_state(tensors["random"])


def _begin_with(run: Run, source: Path) -> None:
    """Take over the mean weights of another run. Raises: CheckpointError: it cannot be read, or is of another net."""
    weights = under("mean", load_checkpoint(source)[1])
    try:
        run.net.module.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{source} holds a net of another shape than the recipe's: {str(error).splitlines()[-1].strip()}",
            hint="Begin with a run of the same recipe, width and heads.",
            source=str(source),
        ) from error
    run.mean = {name: tensor.clone() for name, tensor in weights.items()}


@contextmanager
def _stop_requested() -> Iterator[list[int]]:
    """A list that holds the signal once SIGINT or SIGTERM came; the second one interrupts at once.

    Only the main thread of a process may listen to signals; elsewhere the list stays empty.
    """
    came: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        came.append(number)
        signal.signal(number, signal.default_int_handler)

    numbers: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
    try:
        for number in numbers:
            before[number] = signal.signal(number, note)
    except ValueError:
        before.clear()
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
