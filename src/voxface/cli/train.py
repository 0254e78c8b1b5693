"""`voxface train`: a dataset in, a trained net out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxface.cli.flags import Debug, Json, Quiet, SkipMissing, Verbose
from voxface.cli.output import Output, Progress, running
from voxface.errors import MissingDependencyError, UsageError

if TYPE_CHECKING:
    from voxface.training.recipes import Recipe


def train(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the run: checkpoint and logs.")],
    dataset: Annotated[
        list[Path] | None, typer.Argument(help="Folders made by voxface dataset or voxface synth.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Name of the recipe.")] = "first",
    model: Annotated[str | None, typer.Option(help="Net to train, instead of the recipe's.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps in all, instead of the recipe's.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Crops per step, of all processes together.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, crops and augmentation.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Width of the net.")] = None,
    features: Annotated[int | None, typer.Option(help="Numbers per row of sound: 80 or 83.")] = None,
    look_ahead: Annotated[int | None, typer.Option(help="Rows of 10 ms the net may look ahead, 0 to 31.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many validations without a better lip gap r; 0: never.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="32-true, bf16-mixed, 16-mixed, or auto, instead of the recipe's.")
    ] = None,
    teacher: Annotated[
        list[str] | None, typer.Option(help="Bundle to learn from instead of the faces; several: their mean.")
    ] = None,
    sound: Annotated[
        list[Path] | None, typer.Option(help="Folder of recordings without faces; teachers say what theirs is.")
    ] = None,
    phones: Annotated[
        Path | None, typer.Option(help="Table of phones of the recordings, of voxface articulation align.")
    ] = None,
    rest_minutes: Annotated[
        float, typer.Option(min=0, help="Minutes of generated hum, tunes and breath over which the mouth rests.")
    ] = 0.0,
    start_from: Annotated[
        Path | None, typer.Option(help="Another run whose weights this one begins with: fine-tuning.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Resume with another recipe, dataset or machine too; the checkpoint says so."),
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")] = "cpu",
    processes: Annotated[int, typer.Option(min=1, help="Processes that share each batch, one per GPU.")] = 1,
    loaders: Annotated[int, typer.Option(min=1, help="Threads that make batches.")] = 1,
    threads: Annotated[
        int, typer.Option(min=1, help="Threads of a process; another number may change the last bits of the result.")
    ] = 2,
    skip_missing: SkipMissing = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Log for TensorBoard too.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Train a net on a dataset. Ctrl-C leaves a checkpoint; --resume goes on from it, exact to the last bit."""
    from voxface.training.processes import launch, launched, leads

    if processes > 1 and not launched():
        raise SystemExit(launch([sys.executable, "-m", "voxface.cli.main", *sys.argv[1:]], processes))
    with running(quiet, verbose, debug, json) as out, training_installed():
        from voxface.training.gather import gather
        from voxface.training.loop import train as run
        from voxface.training.loop import use_threads
        from voxface.training.request import OTHER_RECIPES
        from voxface.training.team import Machine

        if recipe in OTHER_RECIPES:
            names = ("model", "width", "features", "look_ahead", "patience", "precision", "batch", "phones")
            flags = (model, width, features, look_ahead, patience, precision, batch, phones)
            given = [name for name, value in zip(names, flags, strict=True) if value is not None]
            return train_other(
                out, recipe, given, folder=output, datasets=tuple(dataset or ()), sounds=tuple(sound or ()),
                teachers=tuple(teacher or ()), rest_minutes=rest_minutes, steps=steps, seed=seed, resume=resume,
                threads=threads,
            )  # fmt: skip
        if not dataset:
            raise UsageError(f"recipe {recipe!r} learns from datasets.", hint="Name a folder of voxface dataset.")
        chosen = choose(recipe, steps, seed, width, look_ahead, model, features, batch, patience, precision)
        machine = Machine(device, loaders, tensorboard=tensorboard)
        found = gather(dataset, teacher or [], sound or [], phones, rest_minutes, threads, skip_missing=skip_missing)
        out.quiet |= not leads()
        out.say(f"{found.about['data']}; {len(found.held_out)} to validate on; {chosen.steps} steps.")
        use_threads(threads)
        with out.progress("training", chosen.steps, "steps") as bar:
            meter = Meter(bar)
            values = run(
                found.recordings, found.held_out, chosen, output, about=found.about, resume=resume, force=force,
                start_from=start_from, machine=machine, report=meter.report,
            )  # fmt: skip
        if leads():
            text = f"{output}: {meter.text()}{validation_text(values)}"
            steps_done = meter.before or chosen.steps
            out.result(text, run=str(output), steps=steps_done, steps_per_s=meter.pace, validation=values)


def train_other(out: Output, recipe: str, unused: list[str], **wanted: Any) -> None:
    """Train a recipe that is no net of rows. Raises: UsageError: flags in `unused` mean nothing to it."""
    from voxface.training.loop import use_threads
    from voxface.training.request import OTHER_RECIPES, TrainRequest

    if unused:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        raise UsageError(f"recipe {recipe!r} has no {flags}.", hint="Leave that out.")
    request = TrainRequest(**wanted)
    use_threads(request.threads)
    with out.progress("training", 1, "steps") as bar:
        values = import_module(OTHER_RECIPES[recipe]).train(request, OtherMeter(bar).report)
    numbers = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    out.result(
        f"{request.folder}: {numbers or 'trained; nothing to validate on'}", run=str(request.folder), validation=values
    )


class OtherMeter:
    """Moves the bar of a training that says itself how many steps it has."""

    def __init__(self, bar: Progress) -> None:
        self.bar, self.before = bar, 0

    def report(self, step: int, steps: int, values: dict[str, float]) -> None:
        """Called after every step."""
        self.bar.expect(steps)
        self.bar.advance(step - self.before)
        self.before = step
        if values:
            self.bar.describe(", ".join(f"{name} {value:.3f}" for name, value in values.items()))


class Meter:
    """Moves the bar, and knows how fast training goes."""

    def __init__(self, bar: Progress) -> None:
        self.bar, self.before, self.done, self.began = bar, 0, 0, time.perf_counter()

    def report(self, step: int, values: dict[str, float]) -> None:
        """Called by the loop after every step; the first call of a resumed run jumps."""
        self.bar.advance(step - self.before)
        self.before, self.done = step, self.done + 1
        if "gap_r" in values:
            self.bar.describe(f"training, lip gap r {values['gap_r']:.3f}")

    @property
    def pace(self) -> float:
        """Steps per second."""
        return self.done / max(time.perf_counter() - self.began, 1e-9)

    def text(self) -> str:
        if not self.done:
            return "all its steps were done already"
        return f"{self.done} steps, {self.pace:.1f} per second"


def validation_text(found: dict[str, float]) -> str:
    """The validation numbers in words."""
    if not found:
        return "; nothing to validate on"
    return (
        f"; on held-out recordings: lip gap r {found['gap_r']:.3f} ± {found['gap_r_se']:.3f} "
        f"({found['gap_r_speech']:.3f} in speech), lip gap in silence {found['silence_gap']:.3f}"
    )


def choose(
    name: str,
    steps: int | None = None,
    seed: int | None = None,
    width: int | None = None,
    look_ahead: int | None = None,
    model: str | None = None,
    features: int | None = None,
    batch: int | None = None,
    patience: int | None = None,
    precision: str | None = None,
) -> Recipe:
    """The recipe of that name with what the flags say otherwise. Raises: UsageError: no such recipe or value."""
    from voxface.training.recipes import recipe_named, with_batch, with_features, with_model

    if seed is not None and seed < 0:
        raise UsageError(f"a seed is 0 or more; got {seed}.")
    recipe = recipe_named(name)
    recipe = recipe if model is None else with_model(recipe, model)
    recipe = recipe if features is None else with_features(recipe, features)
    recipe = recipe if batch is None else with_batch(recipe, batch)
    config = replace(recipe.config, **_given(width=width, look_ahead_rows=look_ahead))
    return replace(recipe, config=config, **_given(steps=steps, seed=seed, patience=patience, precision=precision))


def _given(**values: Any) -> dict[str, Any]:
    """Those that a flag was given for."""
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def training_installed() -> Iterator[None]:
    """Turn the lack of a training library into one sentence. Raises: MissingDependencyError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "voxface").split(".")[0] == "voxface":
            raise
        raise MissingDependencyError(
            f"training and export need {error.name}, which is not installed.",
            hint="Install: pip install 'voxface[train]' (on a machine without a GPU: torch for CPU first).",
            source=error.name or "",
        ) from error
