"""The training loop: small, exact, and always able to stop.

Lightning Fabric places the net and its precision; everything else is here. Step k depends only on the state after
step k - 1 and on k, so a run that was interrupted and resumed ends in the same bits as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voxface.dataset.recording import Recording
from voxface.errors import LimitError, OutputError, TrainingError, UsageError
from voxface.models.registry import MODELS
from voxface.training.checkpoint import FILE_NAME, require_new
from voxface.training.data import build_material, make_batch
from voxface.training.feed import Feed
from voxface.training.log import TrainingLog
from voxface.training.processes import orphaned
from voxface.training.recipes import Recipe
from voxface.training.run import Run, Setting, accept, begin_with, checkpoint, keep_best, restore, start
from voxface.training.step import one_step
from voxface.training.stop import stop_requested
from voxface.training.table import DataHash, Table, build_table, table_scale
from voxface.training.team import Machine, Team, open_team
from voxface.training.validate import Validation, validate

WATCHED = "gap_r"
"""The number of a validation by which runs are stopped early and the best checkpoint is kept; more is better."""

Report = Callable[[int, dict[str, float]], None]


def train(
    recordings: Iterable[Recording],
    held_out: Iterable[Recording],
    recipe: Recipe,
    folder: Path,
    *,
    about: dict[str, Any] | None = None,
    resume: bool = False,
    force: bool = False,
    start_from: Path | None = None,
    stop_at: int | None = None,
    machine: Machine | None = None,
    report: Report = lambda step, values: None,
) -> dict[str, float]:
    """Train a net and leave checkpoint.safetensors, best.safetensors, log.csv and validation.csv in `folder`.

    Args:
        recordings: to learn from; each is asked for once and forgotten, so they need not fit in memory.
        held_out: to validate on; may be empty.
        about: of the data, for the bundle (names, licences); only kept.
        resume: go on from the checkpoint in `folder`, if it has one.
        force: resume also with another recipe, dataset or machine; the checkpoint says so from then on.
        start_from: another run, whose shipped weights this one begins with; both nets must be of the same shape.
        stop_at: leave after this step, with a checkpoint, as if interrupted; default: the recipe's last.
        machine: what to compute on; default: one thread of batches and the CPU. Where this process was started as one
            of several (training/processes.py, torchrun), they share the batches, and one of them writes.
        report: called after every step with the step and {"loss", ...}, and validation numbers when there are new.
    Returns: the last validation, by name; empty without held-out recordings.
    Raises: DatasetError: no face in the recordings. CheckpointError: resume from another recipe or dataset, or a run
        is there already. TrainingError: more than 10 steps were not finite, a batch does not come, or another process
        has ended. LimitError: memory or disk are full; a checkpoint was written, or the last one stands.
        KeyboardInterrupt: SIGINT or SIGTERM came; a checkpoint was written.
    """
    path, machine = folder / FILE_NAME, machine or Machine()
    require_new(path, resume)
    team = open_team(machine, recipe.precision, recipe.batch)
    try:
        run, data = start(recipe, team), ""
        if path.exists():
            data = restore(run, recipe, team, path, force)
        elif start_from is not None:
            begin_with(run, start_from)
        setting = _prepare(recordings, held_out, recipe, folder, about or {}, team)
        if data and data != setting.data:
            accept(run, [f"dataset sha256 {data[:12]} is now {setting.data[:12]}"], path, force)
            run.best = {}  # it was the best on other recordings
        if not run.done(recipe):  # a run that is done keeps what its checkpoint says of its making
            with stop_requested() as asked, _log(run, setting, machine) as log:
                _steps(run, setting, machine, log, asked, min(stop_at or recipe.steps, recipe.steps), report)
        return run.validated
    finally:
        team.leave()


def use_threads(threads: int) -> None:
    """Let torch use this many threads; sums in another order may differ in their last bits."""
    torch.set_num_threads(threads)


def _prepare(
    recordings: Iterable[Recording],
    held_out: Iterable[Recording],
    recipe: Recipe,
    folder: Path,
    about: dict[str, Any],
    team: Team,
) -> Setting:
    """Read all recordings once: hash them, and lay out their tables in the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}.", hint="Choose another folder with -o.") from error
    seen = DataHash()
    material = build_material(seen.through(recordings), recipe, folder)
    judged = _held_out(list(seen.through(held_out)), recipe, folder)
    if recipe.patience and judged is None:
        raise UsageError("patience needs held-out recordings to watch.", hint="Train without --patience.")
    scales = (_scale(material.captured, recipe, team), _scale(material.synthetic, recipe, team))
    return Setting(recipe, seen.hex(), about, material, judged, scales, folder, team)


def _held_out(recordings: list[Recording], recipe: Recipe, folder: Path) -> Table | None:
    judged = [recording for recording in recordings if not recording.synthetic] or recordings
    return build_table(judged, recipe, folder) if any(r.valid.any() for r in judged) else None


def _scale(table: Table | None, recipe: Recipe, team: Team) -> Tensor | None:
    return None if table is None else torch.from_numpy(table_scale(table, recipe)).to(team.device)


def _log(run: Run, setting: Setting, machine: Machine) -> AbstractContextManager[TrainingLog | None]:
    return TrainingLog(setting.folder, run.step, machine.tensorboard) if setting.team.leads else nullcontext()


def _steps(
    run: Run, setting: Setting, machine: Machine, log: TrainingLog | None, asked: list[int], last: int, report: Report
) -> None:
    """Go on to step `last`; the next batches are made while the net works on this one."""
    recipe = setting.recipe

    def make(step: int) -> Any:
        return make_batch(setting.material, recipe, step)

    with Feed(make, run.step, machine.loaders, machine.patience_s) as feed:
        while run.step < last and not run.done(recipe):
            values = _guarded_step(run, setting, feed, asked)
            stops = values.pop("stops", 0)
            if log is not None:
                log.step(run.step, values)
            if run.step % recipe.validate_every == 0 or run.step == recipe.steps:
                values |= _validate(run, setting, log)
                checkpoint(run, setting)
            report(run.step, values)
            if stops:
                checkpoint(run, setting)
                raise KeyboardInterrupt
    checkpoint(run, setting)


def _guarded_step(run: Run, setting: Setting, feed: Feed, asked: list[int]) -> dict[str, float]:
    """A step; what ends a training leaves the state after the last whole step on disk."""
    before, random = run.step, torch.get_rng_state()
    try:
        return one_step(run, setting, feed.take(), bool(asked) or orphaned())
    except TrainingError:
        _keep(run, setting, before, random)
        raise
    except (MemoryError, RuntimeError) as error:
        problem = _machine_problem(error)
        if not problem:
            raise
    if not problem.startswith("out of memory") or run.step != before:  # a step half done is not kept
        text = f"{problem}; the checkpoint before stands."
    else:  # outside of the handler: what filled the memory is gone with the error's frames
        _keep(run, setting, before, random)
        text = f"{problem}; a checkpoint was written."
    raise LimitError(
        f"step {before + 1}: {text}",
        hint=f"Go on with --resume; with a smaller batch (now {setting.recipe.batch}): --resume --force --batch N.",
    )


def _keep(run: Run, setting: Setting, before: int, random: Tensor) -> None:
    """Write a checkpoint; of a step that did not come to its end, not even the dropout it drew remains."""
    run.optimizer.zero_grad()
    if run.step == before:
        torch.set_rng_state(random)
    checkpoint(run, setting)


def _machine_problem(error: BaseException) -> str:
    """What a machine lacks, in words; empty where the error is not the machine's."""
    text = str(error).splitlines()[0] if str(error) else ""
    lacking = ("can't allocate memory", "not enough memory")  # how torch says it on Linux and Windows
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in text for words in lacking):
        return f"out of memory ({text[:200] or type(error).__name__})"
    if isinstance(error, getattr(torch, "AcceleratorError", ())):
        return f"the device failed ({text[:200]})"
    return ""


def _validate(run: Run, setting: Setting, log: TrainingLog | None) -> dict[str, float]:
    """Validate the mean weights in the leading process, on its CPU, and tell all."""
    if setting.held_out is None:
        return {}
    found: dict[str, float] = {}
    net = MODELS[setting.recipe.model][1](setting.recipe.config)  # draws its weights: all generators stay in step
    if setting.team.leads:
        net.load_state_dict(run.mean)
        result: Validation = validate(net.eval(), setting.held_out, setting.recipe)
        found = result.to_json()
    run.validated = setting.team.told(found)
    if log is not None:
        log.validation(run.step, run.validated)
    keep_best(run, setting, run.validated[WATCHED])
    return run.validated
