"""A checkpoint becomes a bundle: the net with its resting face built in, as ONNX, checked against its source."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voxface.bundle import SUFFIX, Bundle, OutputSpec, StateSpec, save_bundle
from voxface.errors import BundleError, CheckpointError
from voxface.face.rig import ARKIT, HEAD
from voxface.models.emotion import EmotionNet
from voxface.models.registry import MODELS
from voxface.runtime.net import Net
from voxface.stream import Array
from voxface.training.checkpoint import CheckpointHeader, load_checkpoint, under
from voxface.training.recipes import Recipe
from voxface.training.request import OTHER_RECIPES
from voxface.training.shipped import Shipped, Smoothed, Together

OPSET = 17
LARGEST_DIFFERENCE = 1e-4
Shippable = Shipped | Together | Smoothed | EmotionNet
_GRID = {0: "batch", 1: "rows"}
_UNITS = {"weights": (ARKIT, "1"), "head": (HEAD, "m, quaternion wxyz")}


def export_bundle(
    checkpoint: Path | Sequence[Path],
    folder: Path,
    *,
    name: str | None = None,
    metrics: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
) -> tuple[Bundle, float]:
    """Make a bundle of a checkpoint's mean weights.

    Args:
        checkpoint: a run folder, or its checkpoint.safetensors; several: the mean of what they say.
        folder: of the bundle, `<name>.voxface`.
        name: of the bundle; default: the folder's.
        metrics: of an evaluation, kept in the bundle.
        about: added to what the checkpoint says of its data.
    Returns: the bundle, and the largest difference between torch and onnxruntime, at most 1e-4.
    Raises: CheckpointError: a checkpoint cannot be read, or several do not go together. BundleError: too large, or the
        two differ by more.
    """
    sources = [checkpoint] if isinstance(checkpoint, Path) else list(checkpoint)
    loaded = [load_checkpoint(source) for source in sources]
    if other := OTHER_RECIPES.get(str(loaded[0][0].recipe.get("name"))):
        return _export_other(other, sources, folder, name, metrics, about)
    recipes = [Recipe.from_json(header.recipe) for header, _ in loaded]
    nets = [
        shipped_net(recipe, under("mean", tensors), source)
        for recipe, (_, tensors), source in zip(recipes, loaded, sources, strict=True)
    ]
    header, recipe = loaded[0][0], recipes[0]
    answer = nets[0] if len(nets) == 1 else together(recipes, nets, sources)
    shipped = smoothed(answer, recipe.smoothing, sources[0]) if recipe.smoothing else answer
    others = [_training(other) for other, _ in loaded[1:]]
    parts: dict[str, Any] = {
        "model": to_onnx(shipped),
        "name": name or folder.name.removesuffix(SUFFIX),
        "feature": recipe.feature,
        "look_ahead_rows": recipe.config.look_ahead_rows + recipe.smoothing // 2,
        "states": state_specs(shipped),
        "outputs": [OutputSpec(name, *_UNITS[name]) for name in shipped.outputs],
        "drives": (*recipe.drives, *(HEAD if shipped.has_pose else ())),
        "training": _training(header) | ({"together_with": others} if others else {}) | dict(about or {}),
        "metrics": dict(metrics or {"validation": header.validated}),
    }
    return save_checked(shipped, folder, **parts)


def save_checked(shipped: Shippable, folder: Path, rows: Array | None = None, **parts: Any) -> tuple[Bundle, float]:
    """Save a bundle if it says what the trained net says.

    Args:
        shipped: the net.
        rows: as parity.
        parts: as bundle.save_bundle.
    Returns, raises: as export_bundle.
    """
    with tempfile.TemporaryDirectory() as trial:
        difference = parity(shipped, save_bundle(Path(trial) / f"trial{SUFFIX}", **parts), rows)
    if not difference <= LARGEST_DIFFERENCE:
        raise BundleError(
            f"the exported model differs from the trained one by {difference:.1e}, more than {LARGEST_DIFFERENCE:.0e}.",
            hint="This is a fault of the export; report it.",
        )
    return save_bundle(folder, **parts), difference


def _export_other(
    module: str,
    sources: Sequence[Path],
    folder: Path,
    name: str | None,
    metrics: Mapping[str, Any] | None,
    about: Mapping[str, Any] | None,
) -> tuple[Bundle, float]:
    """A run of a recipe of another kind. Raises: CheckpointError: several of them."""
    if len(sources) > 1:
        raise CheckpointError(f"{sources[0]} is of a kind that has no mean.", hint="Export runs one by one.")
    bundle, difference = import_module(module).export(sources[0], folder, name, metrics, about)
    return bundle, float(difference)


def together(recipes: Sequence[Recipe], nets: Sequence[Shipped], sources: Sequence[Path]) -> Together:
    """Several nets as one. Raises: CheckpointError: they take other features, look ahead differently, drive other
    channels, or give a head pose, which has no mean."""
    for recipe, source in zip(recipes, sources, strict=True):
        first = recipes[0]
        same = (recipe.feature, recipe.config.look_ahead_rows, recipe.drives, recipe.smoothing)
        if same != (first.feature, first.config.look_ahead_rows, first.drives, first.smoothing):
            raise CheckpointError(
                f"{source} does not go together with {sources[0]}: other features, look-ahead or driven channels.",
                hint="Export runs of one recipe, with other seeds.",
                source=str(source),
            )
    if any(net.has_pose for net in nets):
        raise CheckpointError(
            "runs that give a head pose cannot be exported together: rotations have no mean here.",
            hint="Export them one by one, or train with a recipe that drives the mouth only.",
            source=str(sources[0]),
        )
    return Together(nets).eval()


def smoothed(shipped: Shipped | Together, order: int, source: Path) -> Smoothed:
    """A net that does not tremble. Raises: CheckpointError: it gives a head pose, which is not averaged here."""
    if shipped.has_pose:
        raise CheckpointError(
            "a net that gives a head pose cannot be smoothed: rotations have no mean here.",
            hint="Set smoothing to 0 in its recipe.",
            source=str(source),
        )
    return Smoothed(shipped, order).eval()


def shipped_net(recipe: Recipe, weights: dict[str, Tensor], source: Path) -> Shipped:
    """The net of a recipe with given weights, ready to ship. Raises: CheckpointError: the weights do not fit."""
    net = MODELS[recipe.model][1](recipe.config)
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{source} holds weights of another net than its recipe: {str(error).splitlines()[-1].strip()}",
            source=str(source),
        ) from error
    return Shipped(net.eval(), recipe).eval()


def state_specs(shipped: Shippable) -> tuple[StateSpec, ...]:
    """The states of the net, by name, with a batch of 1."""
    return tuple(StateSpec(f"layer{i}", (1, *shape)) for i, shape in enumerate(shipped.state_shapes))


def to_onnx(shipped: Shippable) -> bytes:
    """The ONNX form: inputs "rows", "layer0", ...; outputs "weights", maybe "head", "layer0_next", ...; batch and rows
    are free."""
    states = [f"layer{i}" for i in range(len(shipped.state_shapes))]
    after = [f"{state}_next" for state in states]
    free = {name: {0: "batch"} for name in states + after} | dict.fromkeys(("rows", *shipped.outputs), _GRID)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the exporter by tracing will go one day; it is exact
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            shipped,
            (torch.zeros(1, 4, shipped.features), *shipped.start()),
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=["rows", *states],
            output_names=[*shipped.outputs, *after],
            dynamic_axes=free,
        )
        return file.read_bytes()


def parity(shipped: Shippable, bundle: Bundle, rows: Array | None = None) -> float:
    """The largest difference between torch and onnxruntime over (2, 500, width) rows, which are random if none are
    given, fed in packets of odd sizes."""
    if rows is None:
        rows = np.random.default_rng(7).uniform(*bundle.feature.clip_db, (2, 500, bundle.feature.rows))
    rows = rows.astype(np.float32)
    net = Net(bundle)
    states, at, worst = net.start(batch=2), 0, 0.0
    expected_states = shipped.start(2)
    for size in (1, 7, 100, 392):
        block = rows[:, at : at + size]
        at += size
        states, found = net.step(states, block)
        with torch.no_grad():
            expected = shipped(torch.from_numpy(block), *expected_states)
        expected_states = expected[len(shipped.outputs) :]
        ours = [*(found[name] for name in shipped.outputs), *states]
        worst = max([worst, *(float(np.abs(a - b.numpy()).max()) for a, b in zip(ours, expected, strict=True))])
    return worst


def _training(header: CheckpointHeader) -> dict[str, Any]:
    """What a bundle says of how it was trained."""
    kept = {"data": "", "licences": [], "commit": ""} | header.about
    return kept | {"data_sha256": header.data, "steps": header.step, "recipe": header.recipe}
