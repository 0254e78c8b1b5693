"""Do the lips close where they must, and only there: over the moments of all clips of a group (SPEC C5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from voxface.evaluation.metrics import Mean
from voxface.face.gap import CLOSED_BELOW
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

CLOSURE_ROWS = 2
"""A closure is looked for within 20 ms of its moment."""

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True, eq=False)
class Minima:
    """The smallest rig gap within 20 ms of each moment of one clip: p b m, and phones at which the lips are apart."""

    closed: Array
    open: Array


@dataclass(frozen=True, slots=True)
class Closures:
    """How well closed lips are told from open ones, pooled over the moments of all clips.

    recall:     share of p b m at which the rig gap falls below 0.06
    false_rate: the same share of open phones
    auc:        chance that the gap of a random p b m is smaller than that of a random open phone: area under the curve
                of recall over false rate for all thresholds; 1 perfect, 0.5 what any face that never changes gets
    """

    recall: Mean
    false_rate: Mean
    auc: Mean

    @property
    def margin(self) -> float | None:
        """Recall minus false rate: 1 perfect, 0 what any face that never changes gets."""
        known = self.recall.value, self.false_rate.value
        return None if known[0] is None or known[1] is None else known[0] - known[1]


def smallest_gaps(gap: Array, valid: Array, times_s: Sequence[float]) -> Array:
    """(moments,) float64: the smallest gap within 20 ms of each moment; one without a valid row there is left out."""
    found = []
    for time_s in times_s:
        row = time_s * ROW_RATE_HZ
        near = slice(max(0, math.ceil(row - CLOSURE_ROWS - 1e-6)), max(0, math.floor(row + CLOSURE_ROWS + 1e-6) + 1))
        seen = gap[near][valid[near]]
        if len(seen):
            found.append(float(seen.min()))
    return np.array(found, np.float64)


def closures(clips: Sequence[Minima]) -> Closures:
    """The numbers of a group of clips; None where no clip has such a moment."""
    closed, apart = sum(len(clip.closed) for clip in clips), sum(len(clip.open) for clip in clips)
    return Closures(
        recall=pooled(clips, lambda some: closed_share(_joined([clip.closed for clip in some])), closed),
        false_rate=pooled(clips, lambda some: closed_share(_joined([clip.open for clip in some])), apart),
        auc=pooled(clips, _auc_of, min(closed, apart)),
    )


def closed_share(minima: Array) -> float | None:
    """Share of moments with closed lips: a gap below 0.06; None without any."""
    return float((minima < CLOSED_BELOW).mean()) if len(minima) else None


def auc(positive: Array, negative: Array) -> float | None:
    """Area under the ROC curve: the chance that a random positive is larger than a random negative, a tie counts half.

    None where either is empty.
    """
    if not len(positive) or not len(negative):
        return None
    order = np.sort(negative)
    below, up_to = (np.searchsorted(order, positive, side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(order)))


def pooled(clips: Sequence[_Part], number: Callable[[Sequence[_Part]], float | None], count: int) -> Mean:
    """A number of all clips together, and its error by the jackknife: how much it varies as one clip is left out.

    Source: B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans" (1982).
    """
    value = number(clips)
    others = [number([*clips[:i], *clips[i + 1 :]]) for i in range(len(clips))] if len(clips) > 1 else [None]
    known = [other for other in others if other is not None]
    if value is None or len(known) < len(others):
        return Mean(value, None, count)
    return Mean(value, math.sqrt((len(known) - 1) * float(np.var(known))), count)


def _auc_of(clips: Sequence[Minima]) -> float | None:
    return auc(-_joined([clip.closed for clip in clips]), -_joined([clip.open for clip in clips]))


def _joined(parts: Sequence[Array]) -> Array:
    return np.concatenate(parts) if parts else np.zeros(0)
