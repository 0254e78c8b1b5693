"""How good the net is on recordings it never saw, during training. The full report is `voxface evaluate`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from voxface.dataset.rest import pearson
from voxface.stream import Array
from voxface.training.data import Table, silence_row, whole_rows
from voxface.training.losses import GAP_COLUMN, masked_loss, with_gap
from voxface.training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Validation:
    """Numbers over held-out recordings.

    held_out_loss: masked loss, mean over recordings
    gap_r:         Pearson r of predicted and true lip gap, mean over recordings; gap_r_se: its standard error
    gap_r_speech:  the same over speech rows only
    silence_gap:   lip gap on digital silence, before the export puts it to 0
    """

    held_out_loss: float
    gap_r: float
    gap_r_se: float
    gap_r_speech: float
    silence_gap: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def validate(net: torch.nn.Module, table: Table, recipe: Recipe, scale: Tensor) -> Validation:
    """Run a net in eval mode over every recording of a table, whole."""
    losses, all_r, speech_r = [], [], []
    mask = table.mask()
    for number in range(len(table.names)):
        features, place = whole_rows(table, number)
        out = predict(net, features, recipe)
        targets, counted = table.targets[place], mask[place]
        truth, shares = torch.from_numpy(targets), torch.from_numpy(counted.astype(np.float32))
        losses.append(float(masked_loss(out[None], truth[None], shares[None], scale, recipe.loss)))
        gap, valid = with_gap(out)[:, GAP_COLUMN].numpy(), table.valid[place]
        all_r.append(_r(gap, targets[:, GAP_COLUMN], valid))
        speech_r.append(_r(gap, targets[:, GAP_COLUMN], valid & table.speech[place]))
    error = float(np.std(all_r) / np.sqrt(len(all_r)))
    return Validation(_mean(losses), _mean(all_r), error, _mean(speech_r), silence_gap(net, recipe))


def predict(net: torch.nn.Module, features: Array, recipe: Recipe) -> Tensor:
    """(context + rows + look-ahead, features) -> (rows, 59): what the net says of each row."""
    with torch.inference_mode():
        out: Tensor = net(torch.from_numpy(features)[None])[0]
    return out[recipe.context_rows + recipe.config.look_ahead_rows :].float()


def silence_gap(net: torch.nn.Module, recipe: Recipe) -> float:
    """The lip gap that the net shows on digital silence."""
    rows = np.tile(silence_row(recipe.feature), (recipe.context_rows + recipe.config.look_ahead_rows + 1, 1))
    return float(with_gap(predict(net, rows, recipe))[-1, GAP_COLUMN])


def _r(a: Array, b: Array, counted: Array) -> float:
    return pearson(a[counted], b[counted])


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
