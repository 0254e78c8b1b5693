"""Targets of jaw and lips that bring the curves nearest to captured mouths: least squares towards the table before.

Between gestures the opening of the mouth is linear in the targets of both articulators,

    gap = D_jaw T_jaw + 1/2 D_lips T_lips,        T_lips the mean of mouthLowerDown and mouthUpperUp,

with their dominances D (articulation.curves.dominance), so targets are fitted by ridge regression. What it is drawn to
is not the old table itself but that times a factor plus a jaw offset, one pair for vowels and one for consonants,
fitted first: a phone that the captures lack then moves with its class.

Trackers from video hardly see mouthLowerDown and mouthUpperUp; to them it is all jaw (RESEARCH A5). Which part of the
opening is the jaw's is therefore taken from the table before, not from the capture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxface.articulation.curves import curves, dominance
from voxface.articulation.gestures import envelopes
from voxface.articulation.phones import VOWELS
from voxface.articulation.table import Table
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.synth.takes import Take

GROUPS = ("jaw", "lips")

_HALF = 0.5  # of the lips' targets in the lip gap: 0.125 on each of four channels, two of them alike in the mean
_TINY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """Captured openings, ready for least squares against any table like the one they were prepared for.

    free:     per take (rows,) bool: valid, and no gesture holds the lips
    gap, jaw: per take, of the free rows; jaw times the part of the opening that is the jaw's
    shares:   by group, per take (rows, targets) dominance
    """

    takes: tuple[Take, ...]
    gap: tuple[Array, ...]
    jaw: tuple[Array, ...]
    free: tuple[Array, ...]
    shares: dict[str, tuple[Array, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """table: with the fitted targets. cost: mean squared error of the opening, penalty included; smaller is better."""

    table: Table
    cost: float


def prepare(takes: Sequence[Take], table: Table) -> Opening:
    """Gather what does not depend on targets."""
    free = [
        take.valid & (envelopes(table.gestures, take.phones, take.rows).max(axis=0, initial=0) == 0) for take in takes
    ]
    part = _jaw_part(takes, table)
    return Opening(
        takes=tuple(takes),
        gap=tuple(take.gap[some].astype(np.float64) for take, some in zip(takes, free, strict=True)),
        jaw=tuple(part * take.jaw[some].astype(np.float64) for take, some in zip(takes, free, strict=True)),
        free=tuple(free),
        shares={group: _shares(takes, table, group) for group in GROUPS},
    )


def changed(opening: Opening, table: Table, group: str) -> Opening:
    """The same for a table whose dominances of one group are others."""
    shares = {**opening.shares, group: _shares(opening.takes, table, group)}
    return Opening(opening.takes, opening.gap, opening.jaw, opening.free, shares)


def _shares(takes: Sequence[Take], table: Table, group: str) -> tuple[Array, ...]:
    return tuple(dominance(take.phones, take.rows, table, group).astype(np.float32) for take in takes)


def _jaw_part(takes: Sequence[Take], table: Table) -> float:
    """What a captured jawOpen must be multiplied with to be the jaw's part of the opening, as the table has it."""
    ours = np.concatenate([curves(take.phones, take.rows, table) for take in takes])
    theirs = np.concatenate([take.weights for take in takes])
    parts = []
    for face in (ours, theirs):
        jaw, close = (face[:, ARKIT.index(name)].sum(dtype=np.float64) for name in ("jawOpen", "mouthClose"))
        parts.append(jaw / max(rig_gap(face, ARKIT).sum(dtype=np.float64) + close, _TINY))
    return float(min(parts[0] / max(parts[1], _TINY), 1.0))


def fit_opening(opening: Opening, table: Table, *, ridge: float, jaw_weight: float, reach: float) -> Fit:
    """The table with targets of jaw and lips fitted.

    Args:
        ridge: rows of speech that what is known before counts for, per target.
        jaw_weight: how much an error of jawOpen counts beside one of the gap.
        reach: no target leaves what is known before by more than this factor.
    """
    gram, moment, power, rows = _normal(opening, jaw_weight)
    before = np.concatenate([table.targets("jaw")[:, 0], table.targets("lips").mean(axis=1)])
    family = _family(table, before)
    start = family @ np.linalg.lstsq(family.T @ gram @ family, family.T @ moment, rcond=None)[0]
    start = np.clip(start, 0, 1)
    values = start + np.linalg.solve(gram + ridge * np.eye(len(start)), moment - gram @ start)
    cost = power - 2 * moment @ values + values @ gram @ values + ridge * ((values - start) ** 2).sum()
    values = np.clip(values, start / reach, np.minimum(start * reach, 1))
    return Fit(_with(table, values, before), float(cost) / max(rows, 1))


def _normal(opening: Opening, jaw_weight: float) -> tuple[Array, Array, float, int]:
    """Normal equations: gram (2 targets, 2 targets), moment (2 targets,), sum of squares, rows."""
    count = opening.shares["jaw"][0].shape[1]
    gram, moment, power, rows = np.zeros((2 * count, 2 * count)), np.zeros(2 * count), 0.0, 0
    for i in range(len(opening.takes)):
        jaw, lips = (opening.shares[group][i] for group in GROUPS)
        free, gap, jaw_truth = opening.free[i], opening.gap[i], opening.jaw[i]
        both, alone = np.hstack([jaw[free], _HALF * lips[free]]), jaw[free]
        gram += both.T @ both
        moment += both.T @ gap
        gram[:count, :count] += jaw_weight * (alone.T @ alone)
        moment[:count] += jaw_weight * (alone.T @ jaw_truth)
        power += float(gap @ gap + jaw_weight * jaw_truth @ jaw_truth)
        rows += len(gap)
    return gram, moment, power, rows


def _family(table: Table, before: Array) -> Array:
    """(2 targets, 4): a factor on all targets and an offset of the jaw, for vowels and for consonants."""
    count = len(before) // 2
    vowel = np.array([name.split(".")[0] in VOWELS for name in table.target_names])
    columns = []
    for some in (vowel, ~vowel):
        both, jaw = np.concatenate([some, some]), np.concatenate([some, np.zeros(count, bool)])
        columns += [before * both, jaw.astype(np.float64)]
    return np.stack(columns, axis=1)


def _with(table: Table, values: Array, before: Array) -> Table:
    """The table with new targets; mouthLowerDown and mouthUpperUp keep their ratio."""
    jaw, lips = np.split(values, 2)
    factor = lips / np.maximum(before[len(jaw) :], _TINY)
    table = table.with_targets("jaw", jaw[:, None])
    return table.with_targets("lips", np.clip(table.targets("lips") * factor[:, None], 0, 1))
