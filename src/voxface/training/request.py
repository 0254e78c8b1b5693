"""What `voxface train` asks of a recipe that is no net of rows: where the material lies, and where the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """One run of one of the recipes in OTHER_RECIPES.

    datasets, sounds, teachers, rest_minutes: as training.gather.gather takes them
    folder:      of the run; checkpoint.safetensors is left there
    steps, seed: instead of the recipe's
    resume:      go on from the checkpoint in the folder
    """

    folder: Path
    datasets: tuple[Path, ...] = ()
    sounds: tuple[Path, ...] = ()
    teachers: tuple[str, ...] = ()
    rest_minutes: float = 0.0
    steps: int | None = None
    seed: int | None = None
    resume: bool = False
    threads: int = 1


OTHER_RECIPES = {"neurosync-small": "voxface.training.neurosync_small", "emotion": "voxface.training.emotion"}
"""Recipes of other kinds than recipes.Recipe, and the module of each. It has train(request, report) -> numbers of the
last validation, report(step, steps, values) called after every step, and
export(run, folder, name, metrics, about) -> (bundle, largest difference to what was trained)."""
