"""The net of `neurosync-small`: its recipe, what it is asked to minimise, and how it ships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from voxface.articulation.channels import ARTICULATED
from voxface.audio.features import FeatureSpec
from voxface.bundle import WindowSpec
from voxface.errors import CheckpointError
from voxface.face.rig import ARKIT, LIVELINK_61
from voxface.models.transformer import TransformerConfig
from voxface.training.clips import ClipSpec
from voxface.training.disturb import DisturbSpec
from voxface.training.losses import COLUMNS, LossSpec, Term, masked_terms, with_gap

DRIVES = tuple(name for name in LIVELINK_61 if name in ARTICULATED and name != "tongueOut")
"""What the net moves; everything else, columns 52 to 61 among them, is 0 (SPEC B)."""

MASK = tuple(name in DRIVES or name == "lipGap" for name in COLUMNS)
"""Which columns of losses.COLUMNS count."""

_ARKIT = [LIVELINK_61.index(name) for name in ARKIT]
_VALUES = len(LIVELINK_61)
_NET = TransformerConfig(width_in=78, hidden=128, heads=4, layers=2, feedforward=512)
_LOSS = LossSpec(closed=3.0, velocity=2.0, face=0.0, head=0.0, steadiness=0.5, velocity_rows=2)
_REST_MARGIN = 1e-4  # hides the last bits in which two runtimes differ, so that silence gives exact zeros


@dataclass(frozen=True, slots=True)
class SmallRecipe:
    """Everything that decides how the net comes out, except the data.

    files:         of 128 clips each to learn from
    short_share:   steps whose crops are shorter than a window, as the clips of a word or two are
    emotion_share: how much the emotions count beside the face
    mean_decay:    of the running mean of the weights, which is what ships
    """

    name: str = "neurosync-small"
    net: TransformerConfig = _NET
    window: WindowSpec = field(default_factory=WindowSpec)
    clips: ClipSpec = field(default_factory=ClipSpec)
    loss: LossSpec = _LOSS
    emotion_share: float = 0.3
    files: int = 48
    steps: int = 8000
    batch: int = 12
    short_share: float = 0.1
    learning_rate: float = 1e-3
    warmup_steps: int = 300
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    mean_decay: float = 0.998
    validate_every: int = 500
    seed: int = 1

    @property
    def feature(self) -> FeatureSpec:
        """What the net hears."""
        return FeatureSpec(kind="mfcc", rows=self.net.width_in)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SmallRecipe:
        """Read what stands in a checkpoint. Raises: CheckpointError: of another version, or not this recipe."""
        try:
            clips = _with_tuples(value["clips"])
            disturb = _with_tuples(clips.pop("disturb"))
            parts = {
                "net": TransformerConfig(**value["net"]),
                "window": WindowSpec(**value["window"]),
                "clips": ClipSpec(**clips, disturb=DisturbSpec(**disturb)),
                "loss": LossSpec(**value["loss"]),
            }
            return cls(**(dict(value) | parts))
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"the recipe in the checkpoint cannot be read: {error!r}.", hint="Train again with this version."
            ) from error


def _with_tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows lists only; ranges are tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def small_terms(
    values: Tensor, weights: Tensor, emotion: Tensor, scale: Tensor, spec: LossSpec, emotion_share: float
) -> list[Term]:
    """What training minimises: masked_terms of the channels that are driven and of the lip gap, and cross-entropy.

    Args:
        values: (batch, frames, 68) of the net. weights: (batch, frames, 52) wanted, in canonical order.
        emotion: (batch, frames, 7) wanted, summing to 1; zeros: not known. scale: (60,) of losses.column_scale.
    """
    mask = torch.tensor(MASK).float().expand(*weights.shape[:-1], len(COLUMNS))
    faces = masked_terms(values[..., _ARKIT], with_gap(weights), mask, scale, spec)
    error = -(emotion * torch.log_softmax(values[..., _VALUES:], dim=-1)).sum()
    return [*faces, Term(emotion_share, error, emotion.sum())]


class SmallFace(nn.Module):
    """The net as its bundle holds it: (batch, frames, 78) -> (batch, frames, 68).

    The face that it shows on digital silence (rows of zeros) is taken away, as in shipped.Shipped; weights come into
    [0, 1], what it does not drive is 0, and the seven emotions sum to 1.
    """

    rest: Tensor
    drives: Tensor

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net.eval()
        with torch.no_grad():
            silence: Tensor = net(torch.zeros(1, 4, net.config.width_in))[0, 0, :_VALUES]
        self.register_buffer("rest", (silence + _REST_MARGIN).clamp(-1, 0.9))
        self.register_buffer("drives", torch.tensor([float(name in DRIVES) for name in LIVELINK_61]))

    def forward(self, rows: Tensor) -> Tensor:
        values = self.net(rows)
        weights = ((values[..., :_VALUES] - self.rest) / (1 - self.rest)).clamp(0, 1) * self.drives
        return torch.cat([weights, torch.softmax(values[..., _VALUES:], dim=-1)], dim=-1)
