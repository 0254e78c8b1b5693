"""What training minimises: masked errors of weights, head and lip gap, and of how fast they move.

Everything is one table of 60 columns: 52 weights, 7 of the head, the lip gap of the rig.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from voxface.face.gap import CLOSED_BELOW, gap_vector
from voxface.face.rig import ARKIT, HEAD, MOUTH
from voxface.stream import Array

COLUMNS: tuple[str, ...] = (*ARKIT, *HEAD, "lipGap")
GAP_COLUMN = len(COLUMNS) - 1
_WEIGHTS = len(ARKIT)


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


def column_scale(targets: Array, mask: Array, spec: LossSpec) -> Array:
    """(60,) float32: 1 / standard deviation of each column over the rows that count; of `least_std` where it moves
    less or is never seen.

    Args:
        targets: (rows, 60). mask: (rows, 60) bool or 0/1.
    """
    count = np.maximum(mask.sum(axis=0, dtype=np.float64), 1)
    mean = (targets * mask).sum(axis=0, dtype=np.float64) / count
    variance = (np.square(targets - mean) * mask).sum(axis=0, dtype=np.float64) / count
    scale: Array = (1 / np.maximum(np.sqrt(variance), spec.least_std)).astype(np.float32)
    return scale


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


def masked_loss(
    outputs: Tensor, targets: Tensor, mask: Tensor, scale: Tensor, spec: LossSpec, every: int = 1
) -> Tensor:
    """Weighted mean error over the rows and columns that count, in standard deviations; 0 where nothing counts.

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
    loss = _mean(error, share, spec.bend)
    step = spec.velocity_rows // every
    moved = error[:, step:] - error[:, :-step]
    loss = loss + spec.velocity * _mean(moved, mask[:, step:] * mask[:, :-step] * importance, spec.bend)
    bent = error[:, 2:] - 2 * error[:, 1:-1] + error[:, :-2]
    known = mask[:, 2:] * mask[:, 1:-1] * mask[:, :-2]
    return loss + spec.steadiness * _mean(bent, known * importance, spec.bend)


def _mean(error: Tensor, share: Tensor, bend: float) -> Tensor:
    """Mean smooth L1 of the error; rows without a share may hold anything, NaN included."""
    counted = torch.where(share > 0, error, torch.zeros_like(error))
    size = counted.abs()
    bent = torch.where(size < bend, counted.square() / (2 * bend), size - bend / 2)
    return (bent * share).sum() / share.sum().clamp_min(1e-6)


def phone_loss(logits: Tensor, phones: Tensor) -> Tensor:
    """Mean cross-entropy of (batch, rows, classes) logits against (batch, rows) phones; -1 does not count."""
    known = phones >= 0
    if not known.any():
        return logits.sum() * 0
    return torch.nn.functional.cross_entropy(logits[known], phones[known])
