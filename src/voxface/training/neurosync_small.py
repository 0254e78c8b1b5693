"""The recipe `neurosync-small`: a transformer on whole-clip MFCC that learns what streaming bundles say (SPEC B).

It hears clips of lengths that people send (clips.py), in other rooms and bandwidths (disturb.py), in windows of 128
frames; its teachers heard the clean recordings. small_net.py has the recipe, small_run.py the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from voxface.bundle import Bundle, load_bundle
from voxface.errors import CheckpointError, UsageError
from voxface.files import atomic_write, sha256_hex
from voxface.runtime.emotion import EmotionTrack
from voxface.runtime.net import Net
from voxface.stream import run_whole
from voxface.training.checkpoint import BEST_NAME, FILE_NAME, differences, load_checkpoint, require_same, under
from voxface.training.clip_table import clip_table
from voxface.training.clips import make_clip
from voxface.training.gather import gather
from voxface.training.request import TrainRequest
from voxface.training.small_net import DRIVES, SmallRecipe
from voxface.training.small_run import Material, begin, judged, learn, restore, shipped
from voxface.training.speech_table import speech_table
from voxface.training.window_export import save_window_bundle


def train(request: TrainRequest, report: Callable[[int, int, dict[str, float]], None]) -> dict[str, float]:
    """Train, and leave checkpoint.safetensors, best.safetensors and logs in the request's folder.

    report: called after every step with the step, the last step, and numbers.
    Returns: the last validation, by name.
    Raises: CheckpointError: resumed with another recipe or other material, or a run is there already. UsageError: not
        two kinds of teachers. DatasetError, InputError, BundleError: something cannot be read. KeyboardInterrupt:
        SIGINT or SIGTERM came; a checkpoint was written.
    """
    recipe, path = chosen(request), request.folder / FILE_NAME
    faces, feelings = teachers(request)
    run = begin(recipe)
    if path.exists() and not request.resume:
        raise CheckpointError(f"{request.folder} holds a training run already.", hint="Go on with --resume.")
    if path.exists():
        restore(run, recipe, path)
    found = gather(request.datasets, faces, request.sounds, None, request.rest_minutes, request.threads)
    require_material(made_of(request, recipe, found.about), request.folder / "material.json")
    feeling = partial(run_whole, EmotionTrack(Net(feelings), as_heard=True))
    speech = speech_table(found.recordings, feeling, request.folder / "speech")
    make = partial(make_clip, speech, recipe.clips, recipe.feature, recipe.seed)
    clips = clip_table(make, recipe.files, request.folder / "clips")
    heard = [judged(recording, recipe.feature) for recording in found.held_out]
    about = found.about | {"teachers": [*faces, feelings.name]}
    learn(run, recipe, Material(clips, heard, about), request.folder, report)
    return run.validated


def made_of(request: TrainRequest, recipe: SmallRecipe, about: Mapping[str, Any]) -> dict[str, Any]:
    """What the clips of a run follow from: the data, the teachers, and how clips are drawn."""
    return {
        "data": about["data"],
        "datasets": [sha256_hex(folder / "manifest.json") for folder in request.datasets],
        "teachers": {name: load_bundle(name).sha256 for name in request.teachers},
        "seed": recipe.seed,
        "feature": recipe.feature.to_json(),
        "clips": asdict(recipe.clips),
    }


def require_material(material: Mapping[str, Any], path: Path) -> None:
    """Note what clips are made of, or compare it with the note of those that lie there already.

    Raises: CheckpointError: they were made of something else; it names everything that differs.
    """
    now = json.loads(json.dumps(material))
    if path.exists():
        require_same(differences(json.loads(path.read_text(encoding="utf-8")), now, "material"), path)
        return
    with atomic_write(path, "w") as file:
        json.dump(now, file, indent=1)


def chosen(request: TrainRequest) -> SmallRecipe:
    """The recipe with what the request says otherwise."""
    recipe = SmallRecipe()
    given: dict[str, Any] = {"steps": request.steps, "seed": request.seed}
    return replace(recipe, **{name: value for name, value in given.items() if value is not None})


def teachers(request: TrainRequest) -> tuple[list[str], Bundle]:
    """Bundles that know faces, by name, and the one that knows emotions. Raises: UsageError: one kind is missing."""
    bundles = {name: load_bundle(name) for name in request.teachers}
    feelings = [bundle for bundle in bundles.values() if not bundle.rig]
    faces = [name for name, bundle in bundles.items() if bundle.rig]
    if not faces or len(feelings) != 1:
        raise UsageError(
            f"neurosync-small learns faces and emotions from other bundles; got {', '.join(bundles) or 'none'}.",
            hint="Name both: --teacher default --teacher emotion.",
        )
    return faces, feelings[0]


def export(
    run: Path,
    folder: Path,
    name: str | None = None,
    metrics: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
) -> tuple[Bundle, float]:
    """Make a bundle of the best weights of a run.

    Returns: the bundle, and the largest difference between torch and onnxruntime.
    Raises: CheckpointError: it cannot be read. BundleError: the two differ by more than 1e-4.
    """
    header, tensors = load_checkpoint(run / BEST_NAME if run.is_dir() else run)
    recipe = SmallRecipe.from_json(header.recipe)
    training = {"data": "", "licences": [], "commit": ""} | header.about | {"steps": header.step} | dict(about or {})
    return save_window_bundle(
        shipped(recipe, under("mean", tensors)), folder, feature=recipe.feature, window=recipe.window,
        training=training | {"recipe": header.recipe}, metrics=metrics or {"validation": header.validated},
        name=name, drives=DRIVES,
    )  # fmt: skip
