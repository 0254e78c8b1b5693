"""How good the net is on recordings it never saw, during training. The full report is `voxface evaluate`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch

from voxface.face.compare import pearson
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.training.losses import GAP_COLUMN
from voxface.training.recipes import Recipe
from voxface.training.shipped import Heads, Shipped, resting_output, split_heads
from voxface.training.table import Table, whole_rows


@dataclass(frozen=True, slots=True)
class Validation:
    """Numbers over held-out recordings, of the net as it would be shipped.

    gap_r:         Pearson r of shipped and true lip gap, mean over recordings; gap_r_se: its standard error
    gap_r_speech:  the same over speech rows only
    gap_r_captured: r of the captured head alone; gap_r_articulated: of the articulated one (absent without two heads)
    silence_gap:   lip gap on digital silence, before the export puts it to 0
    """

    gap_r: float
    gap_r_se: float
    gap_r_speech: float
    silence_gap: float
    gap_r_captured: float | None = None
    gap_r_articulated: float | None = None

    def to_json(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def validate(net: torch.nn.Module, table: Table, recipe: Recipe) -> Validation:
    """Run a net in eval mode over every recording of a table, whole."""
    shipped = Shipped(net, recipe).eval()
    whole, speech, captured, articulated = [], [], [], []
    for number in range(len(table.names)):
        features, place = whole_rows(table, number)
        weights, heads = predict(shipped, features, recipe)
        truth, valid = table.targets[place, GAP_COLUMN], table.valid[place]
        gap = rig_gap(weights, ARKIT)
        whole.append(_r(gap, truth, valid))
        speech.append(_r(gap, truth, valid & table.speech[place]))
        if recipe.config.articulated:
            captured.append(_r(rig_gap(heads.captured[:, : len(ARKIT)].numpy(), ARKIT), truth, valid))
            articulated.append(_r(rig_gap(heads.articulated.numpy(), ARKIT), truth, valid))
    error = float(np.std(whole) / np.sqrt(len(whole)))
    alone = [float(np.mean(values)) if values else None for values in (captured, articulated)]
    return Validation(float(np.mean(whole)), error, float(np.mean(speech)), silence_gap(net, recipe), *alone)


def predict(shipped: Shipped, features: Array, recipe: Recipe) -> tuple[Array, Heads]:
    """(context + rows + look-ahead, features) -> (rows, 52) weights as shipped, and what the heads say of each row."""
    with torch.inference_mode():
        out = shipped.net(torch.from_numpy(features)[None])[0]
        heads = split_heads(out[recipe.context_rows + recipe.config.look_ahead_rows :].float(), recipe.config)
        return shipped.weights(heads).numpy(), heads


def silence_gap(net: torch.nn.Module, recipe: Recipe) -> float:
    """The lip gap that the captured head shows on digital silence, before the export puts it to 0."""
    captured = split_heads(resting_output(net, recipe), recipe.config).captured
    return float(rig_gap(captured[: len(ARKIT)].numpy(), ARKIT))


def _r(a: Array, b: Array, counted: Array) -> float:
    return pearson(a[counted], b[counted])
