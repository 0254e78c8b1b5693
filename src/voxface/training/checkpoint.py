"""A training run on disk: one safetensors file, written at once or not at all, that resumes to the last bit.

Tensors: `model.*` trained weights, `mean.*` their running mean (what is exported), `optimizer.<parameter>.<part>`,
`random` (the generator of dropout). The header holds one JSON text: version, step, recipe, data hash, and so on. Beside
it best.safetensors has the `mean.*` of the best validation.
Pickle is never read: a checkpoint is data.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from voxface.errors import CheckpointError
from voxface.files import atomic_write
from voxface.training.recipes import Recipe

FILE_NAME = "checkpoint.safetensors"
BEST_NAME = "best.safetensors"
VERSION = 3
_OLDEST = 2  # lacks best, blamed, place, scaler, forced: they read as empty
_KEY = "voxface"
_PICKLE_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # zip of torch.save; raw pickle

Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class CheckpointHeader:
    """What a checkpoint says of itself.

    step:      steps done · skipped: steps left out because their loss or gradient was not finite
    recipe:    Recipe.to_json() · data: sha256 over the recordings
    about:     of the data and the source: names, hours, licences, commit
    validated: the last validation, by name; empty before the first
    best:      step and value of the best validation's watched number; empty before the first
    blamed:    how often each recording was in a step that was left out
    place:     device, precision, processes, versions: what the last bits depend on
    scaler:    of the loss, with float16
    forced:    {"step", "differences"} of each time that the run was resumed by force
    """

    step: int
    skipped: int
    recipe: dict[str, Any]
    data: str
    about: dict[str, Any]
    validated: dict[str, float]
    best: dict[str, float] = field(default_factory=dict)
    blamed: dict[str, int] = field(default_factory=dict)
    place: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    forced: list[dict[str, Any]] = field(default_factory=list)
    version: int = VERSION


def save_checkpoint(path: Path, header: CheckpointHeader, tensors: Tensors) -> None:
    """Write a checkpoint atomically. Raises: OutputError, LimitError: the place cannot be written."""
    text = json.dumps(asdict(header), allow_nan=False, sort_keys=True)
    data = save({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, {_KEY: text})
    with atomic_write(path) as file:
        file.write(data)


def load_checkpoint(path: Path) -> tuple[CheckpointHeader, Tensors]:
    """Read a checkpoint, or the one inside a run folder.

    Raises: CheckpointError: missing, damaged, a pickle, of a newer version, or with NaN weights.
    """
    path = path / FILE_NAME if path.is_dir() else path
    _refuse_pickle(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY, "")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a readable checkpoint: {error}.",
            hint="Delete it and train again, or resume from a copy.",
            source=str(path),
        ) from error
    header = _header(path, text)
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor.float()).all()]
    if broken:
        raise CheckpointError(f"{path} holds values that are not finite, in {broken[0]}.", source=str(path))
    return header, tensors


def _refuse_pickle(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise CheckpointError(
            f"there is no checkpoint at {path}: {error.strerror}.",
            hint="Train first: voxface train DATASET -o RUN.",
            source=str(path),
        ) from error
    if path.suffix.lower() in _PICKLE_SUFFIXES or start.startswith(_PICKLE_STARTS):
        raise CheckpointError(
            f"{path} is a pickle or torch file; reading one can run any program, so voxface never does.",
            hint=f"Give the run folder or its {FILE_NAME}.",
            source=str(path),
        )


def _header(path: Path, text: str) -> CheckpointHeader:
    try:
        value = json.loads(text)
        version = int(value["version"])
        header = CheckpointHeader(**(value | ({"version": VERSION} if version == _OLDEST else {})))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} has no header of a voxface checkpoint.", source=str(path)) from error
    if version < _OLDEST:
        raise CheckpointError(
            f"{path} has version {version}, whose nets are built differently; this voxface reads {_OLDEST} and "
            f"{VERSION}.",
            hint="Train again: voxface train DATASET -o RUN.",
            source=str(path),
        )
    if version > VERSION:
        raise CheckpointError(
            f"{path} has version {version}; this voxface reads up to {VERSION}.",
            hint="Update voxface.",
            source=str(path),
        )
    return header


def recipe_differences(header: CheckpointHeader, recipe: Recipe) -> list[str]:
    """Every field in which a checkpoint's recipe differs; what it does not know yet has its default."""
    old = Recipe.from_json(header.recipe).to_json()
    return differences(*(json.loads(json.dumps(value)) for value in (old, recipe.to_json())))


def require_new(path: Path, resume: bool) -> None:
    """Check that a run may begin here. Raises: CheckpointError: one lies there, and nobody asked to go on with it."""
    if path.exists() and not resume:
        raise CheckpointError(
            f"{path.parent} holds a training run already.",
            hint="Go on with --resume, or choose another folder.",
            source=str(path.parent),
        )


def require_same(found: list[str], path: Path) -> None:
    """Check that a checkpoint belongs to this run. Raises: CheckpointError: names everything that differs."""
    if found:
        raise CheckpointError(
            f"{path} belongs to another run: {'; '.join(found)}.",
            hint="Resume with the same recipe, dataset and machine, or train into a new folder; with --force it goes "
            "on all the same, and its checkpoint says so.",
            source=str(path),
        )


def differences(old: Any, new: Any, name: str = "recipe") -> list[str]:
    """Every field in which two JSON values differ, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{name}.{key}")]
    return [] if old == new else [f"{name} {old!r} is now {new!r}"]


def under(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names begin with `prefix.`, without it."""
    return {name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
