"""What training minimises: masked errors of weights, head and lip gap, and of how fast they move.

Everything is one table of 60 columns: 52 weights, 7 of the head, the lip gap of the rig.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from voxface.face.gap import CLOSED_BELOW, gap_vector
from voxface.face.rig import ARKIT, HEAD, MOUTH
from voxface.stream import Array

COLUMNS: tuple[str, ...] = (*ARKIT, *HEAD, "lipGap")
GAP_COLUMN = len(COLUMNS) - 1
_WEIGHTS = len(ARKIT)

Parts = Callable[[], Iterable[tuple[Array, Array]]]


class Term(NamedTuple):
    """One part of a loss: weight times the summed error over the summed share."""

    weight: float
    error: Tensor
    share: Tensor


@dataclass(frozen=True, slots=True)
class LossSpec:
    """How much each error counts.

    mouth, face, head, gap: share of one channel of the mouth, of the rest of the face, of the head, and of the gap
    closed:        factor on the lip gap where the lips are truly closed: a p without closure is what an eye sees first
    velocity:      share of the error of movement, beside the error of position
    velocity_rows: movement is measured over this many rows; 4 rows are one frame of video
    steadiness:    share of the error of acceleration from one looked-at row to the next: faces do not tremble, but a
                   video of 25 frames a second, interpolated, cannot say so, and windows of 25 ms flicker with the
                   pitch of the voice
    least_std:     a channel that moves less than this is not made more important by moving less
    bend:          errors beyond this many standard deviations count linearly (smooth L1)
    """

    mouth: float = 1.0
    face: float = 0.1
    head: float = 0.05
    gap: float = 6.0
    closed: float = 2.0
    velocity: float = 1.0
    velocity_rows: int = 4
    steadiness: float = 2.0
    least_std: float = 0.02
    bend: float = 1.0


def column_scale(parts: Parts, spec: LossSpec) -> Array:
    """(60,) float32: 1 / standard deviation of each column over the rows that count; of `least_std` where it moves
    less or is never seen.

    Args:
        parts: gives (rows, 60) targets and (rows, 60) bool masks, one after the other; called three times, so that no
            more than one part must be in memory.
    """
    count = np.maximum(_column_sums(mask for _, mask in parts()), 1)
    mean = _column_sums(targets * mask for targets, mask in parts()) / count
    variance = _column_sums(np.square(targets - mean) * mask for targets, mask in parts()) / count
    scale: Array = (1 / np.maximum(np.sqrt(variance), spec.least_std)).astype(np.float32)
    return scale


def _column_sums(parts: Iterable[Array]) -> Array:
    """(columns,) float64 sums, added row by row: where the parts are cut changes no bit."""
    total: Array = np.zeros((1, len(COLUMNS)))
    for part in parts:
        total = np.concatenate([total, part.astype(np.float64)]).sum(axis=0, keepdims=True)
    sums: Array = total[0]
    return sums


def column_importance(spec: LossSpec) -> Array:
    """(60,) float32: how much each column counts in the mean."""
    mouth = [spec.mouth if name in MOUTH else spec.face for name in ARKIT]
    return np.array([*mouth, *[spec.head] * len(HEAD), spec.gap], np.float32)


def with_gap(outputs: Tensor) -> Tensor:
    """(..., 52 or 59) outputs of a head -> (..., 60): without a head pose it rests; then the lip gap that the rig would
    show, after its clip to [0, 1]."""
    vector = torch.from_numpy(gap_vector(ARKIT)).to(outputs)
    gap = outputs[..., :_WEIGHTS].clamp(0, 1) @ vector
    pose = outputs.new_zeros(*outputs.shape[:-1], len(COLUMNS) - 1 - outputs.shape[-1])
    return torch.cat([outputs, pose, gap[..., None]], dim=-1)


def masked_terms(
    outputs: Tensor, targets: Tensor, mask: Tensor, scale: Tensor, spec: LossSpec, every: int = 1
) -> list[Term]:
    """Errors of position, movement and acceleration over the rows and columns that count, in standard deviations.

    Args:
        outputs: (batch, rows, 52 or 59) of a head. targets: (batch, rows, 60). mask: (batch, rows, 60) 0 or 1.
        scale: (60,) of column_scale.
        every: the rows are every so many-th of 100 a second.
    """
    importance = torch.from_numpy(column_importance(spec)).to(targets)
    error = (with_gap(outputs) - targets) * scale
    share = mask * importance
    closed = targets[..., GAP_COLUMN:] < CLOSED_BELOW
    emphasis = torch.where(closed, spec.closed, 1.0)
    share = torch.cat([share[..., :GAP_COLUMN], share[..., GAP_COLUMN:] * emphasis], dim=-1)
    terms = [_term(1.0, error, share, spec.bend)]
    step = spec.velocity_rows // every
    moved = error[:, step:] - error[:, :-step]
    terms.append(_term(spec.velocity, moved, mask[:, step:] * mask[:, :-step] * importance, spec.bend))
    bent = error[:, 2:] - 2 * error[:, 1:-1] + error[:, :-2]
    known = mask[:, 2:] * mask[:, 1:-1] * mask[:, :-2]
    return [*terms, _term(spec.steadiness, bent, known * importance, spec.bend)]


def _term(weight: float, error: Tensor, share: Tensor, bend: float) -> Term:
    """Smooth L1 of the error; rows without a share may hold anything, NaN included."""
    counted = torch.where(share > 0, error, torch.zeros_like(error))
    size = counted.abs()
    bent = torch.where(size < bend, counted.square() / (2 * bend), size - bend / 2)
    return Term(weight, (bent * share).sum(), share.sum())


def phone_term(logits: Tensor, phones: Tensor) -> Term:
    """Cross-entropy of (batch, rows, classes) logits against (batch, rows) phones; -1 does not count."""
    known = phones >= 0
    error = torch.nn.functional.cross_entropy(logits[known], phones[known], reduction="sum")
    return Term(1.0, error, known.sum().to(error))


def total(terms: Sequence[Term], shares: Tensor) -> Tensor:
    """The weighted sum of the terms' means.

    Args:
        shares: (terms,) what each term's error is divided by: its own share, or, where several processes have a part
            of a batch each, the sum of theirs. Then the losses of the processes add up to that of the whole batch, and
            so do their gradients: sum_r grad(E_r / S) = grad(sum_r E_r / S), as S depends on no weight.
    """
    means = [term.weight * (term.error / shares[i].clamp_min(1e-6)) for i, term in enumerate(terms)]
    loss = means[0]
    for mean in means[1:]:
        loss = loss + mean
    return loss
