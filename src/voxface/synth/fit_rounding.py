"""How far each rounded phone puckers the lips, from captures: the other half of the fit.

Trackers from video see mouthPucker, at a scale of their own, and mouthFunnel hardly at all. Which phones are rounded is
known; what the captures say is how much, one against the other: targets that are 0 stay 0, and the scale stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxface.articulation.channels import places
from voxface.articulation.curves import dominance
from voxface.articulation.table import Table
from voxface.stream import Array
from voxface.synth.takes import Take

_GROUP, _CHANNEL = "round", "mouthPucker"
_LEAST_GAIN = 0.02
"""A capture whose mouthPucker follows the curves by less than this says nothing about it."""


def fit_rounding(takes: Sequence[Take], table: Table, *, ridge: float, reach: float) -> Table:
    """The table with the pucker of rounded phones fitted by ridge regression.

    Args:
        ridge: rows that the old targets count for, each. reach: no target changes by more than this factor.
    """
    values = table.targets(_GROUP)
    column = table.group(_GROUP).channels.index(_CHANNEL)
    before, gram, moment = values[:, column], *_normal(takes, table)
    rounded = before > 0
    gain = float(before @ moment) / max(float(before @ gram @ before), 1e-9)
    if gain < _LEAST_GAIN:
        return table
    start = gain * before[rounded]
    inside = gram[np.ix_(rounded, rounded)]
    fitted = start + np.linalg.solve(inside + ridge * np.eye(len(start)), moment[rounded] - inside @ start)
    values[rounded, column] = np.clip(np.clip(fitted, start / reach, start * reach) / gain, 0, 1)
    return table.with_targets(_GROUP, values)


def _normal(takes: Sequence[Take], table: Table) -> tuple[Array, Array]:
    """Normal equations of the captured pucker: (targets, targets) and (targets,)."""
    count = len(table.target_names)
    gram, moment = np.zeros((count, count)), np.zeros(count)
    place = places(_CHANNEL)[0]
    for take in takes:
        share = dominance(take.phones, take.rows, table, _GROUP)[take.valid]
        gram += share.T @ share
        moment += share.T @ take.weights[take.valid, place]
    return gram, moment
