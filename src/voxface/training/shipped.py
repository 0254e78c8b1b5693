"""A trained net as bundles hold it: heads combined, the face at rest where nothing is heard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from voxface.articulation.phones import CLOSURES, PHONES
from voxface.face.gap import RIG_GAP, gap_vector
from voxface.face.rig import ARKIT, HEAD
from voxface.models.tcn import TcnConfig
from voxface.training.recipes import Recipe
from voxface.training.table import silence_row

_WEIGHTS = len(ARKIT)
_JAW, _CLOSE = ARKIT.index("jawOpen"), ARKIT.index("mouthClose")
_REST_MARGIN = 1e-4  # hides the last bits in which two runtimes differ, so that silence gives exact zeros


class Heads(NamedTuple):
    """The outputs of a net, head by head: (..., channels), (..., articulated), (..., phones), the last two maybe 0."""

    captured: Tensor
    articulated: Tensor
    phones: Tensor


def split_heads(outputs: Tensor, config: TcnConfig) -> Heads:
    """Cut what a net gives into what its heads gave."""
    first, second = config.channels, config.channels + config.articulated
    return Heads(outputs[..., :first], outputs[..., first:second], outputs[..., second:])


class Shipped(nn.Module):
    """A trained net as bundles hold it: (rows, *states) -> (weights, [head,] *new states).

    weights: clip((y - rest) / (1 - rest), 0, 1), where rest is what a head says of digital silence: the face rests
    exactly when nothing is heard. Where there are two heads, the mouth is the articulated head's, and its jaw opens so
    far that the lip gap is `captured_share` of the captured head's gap and the rest of its own: the captured head knows
    how real mouths move in time, the articulated one closures and rounding (RESEARCH A8). Where phones are told apart,
    the gap shrinks by the probability of p, b or m: a curve that is learned as a mean closes half where it is half
    sure, and lips that close late are what an eye sees first.
    head: only of a net with one head that has learned it: the pose relative to that of silence, its quaternion of
    length 1.
    """

    rest: Tensor
    own_rest: Tensor
    drives: Tensor
    gap: Tensor
    bilabial: Tensor
    jaw: Tensor
    close: Tensor
    lips: Tensor
    head_rest: Tensor
    head_turn: Tensor

    def __init__(self, net: Any, recipe: Recipe) -> None:
        super().__init__()
        self.net, self.share, self.closing = net, recipe.captured_share, recipe.closing
        self.has_pose = recipe.config.channels == _WEIGHTS + len(HEAD) and not recipe.config.articulated
        self.outputs = ("weights", "head") if self.has_pose else ("weights",)
        captured, articulated, _ = split_heads(resting_output(net, recipe), recipe.config)
        self.register_buffer("rest", _resting(captured))
        self.register_buffer("own_rest", _resting(articulated))
        self.register_buffer("drives", torch.tensor([float(name in recipe.drives) for name in ARKIT]))
        self.register_buffer("bilabial", torch.tensor([float(name in CLOSURES) for name in PHONES]))
        self.register_buffer("jaw", torch.tensor([float(name == "jawOpen") for name in ARKIT]))
        self.register_buffer("close", torch.tensor([float(name == "mouthClose") for name in ARKIT]))
        self.register_buffer("lips", 1 - self.jaw - self.close)
        self.register_buffer("gap", torch.from_numpy(gap_vector(ARKIT)))
        pose = captured[_WEIGHTS:] if self.has_pose else torch.tensor([0.0, 0, 0, 1, 0, 0, 0])
        self.register_buffer("head_rest", pose[:3])
        self.register_buffer("head_turn", conjugate_product(pose[3:]))

    @property
    def features(self) -> int:
        """Numbers per row in."""
        return int(self.net.config.features)

    @property
    def state_shapes(self) -> tuple[tuple[int, int], ...]:
        """(rows, width) of each state."""
        return tuple(self.net.config.state_shapes)

    def start(self, batch: int = 1) -> tuple[Tensor, ...]:
        """The states before the first row: zeros."""
        return tuple(self.net.start(batch))

    def forward(self, rows: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """(batch, n, features) rows -> (batch, n, 52) weights, maybe (batch, n, 7) head, the new states."""
        after, out = self.net.step(states, rows)
        heads = split_heads(out, self.net.config)
        weights = self.weights(heads)
        return (weights, self._pose(heads.captured), *after) if self.has_pose else (weights, *after)

    def weights(self, heads: Heads) -> Tensor:
        """What the heads say -> (batch, n, 52) weights as shipped."""
        weights = _relaxed(heads.captured, self.rest)
        if self.net.config.articulated:
            weights = self._combined(weights, _relaxed(heads.articulated, self.own_rest), self._apart(heads.phones))
        return weights * self.drives

    def _apart(self, phones: Tensor) -> Tensor | float:
        """(batch, n) probability that the lips are apart: not p, b or m; 1 without a head for phones."""
        if not self.net.config.phones:
            return 1.0
        return (1 - self.closing * (torch.softmax(phones, dim=-1) @ self.bilabial)).clamp_min(0)

    def _combined(self, captured: Tensor, articulated: Tensor, apart: Tensor | float) -> Tensor:
        """(batch, n, 52) of either head -> the articulated mouth, its jaw opened to the common lip gap; what the phones
        take off the gap is added to mouthClose, so that lips close over an open jaw, as they do."""
        gap = self.share * (captured @ self.gap) + (1 - self.share) * (articulated @ self.gap)
        lips = articulated @ self.gap - articulated[..., _JAW]  # what the gap is without the jaw
        jaw = ((gap - lips) / RIG_GAP["jawOpen"]).clamp(0, 1)
        close = torch.minimum(articulated[..., _CLOSE] + (1 - apart) * gap.clamp_min(0), jaw)
        return articulated * self.lips + jaw[..., None] * self.jaw + close[..., None] * self.close

    def _pose(self, out: Tensor) -> Tensor:
        position = out[..., _WEIGHTS : _WEIGHTS + 3] - self.head_rest
        turn = out[..., _WEIGHTS + 3 :] @ self.head_turn.T
        turn = turn / turn.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        return torch.cat([position, turn], dim=-1)


class Together(nn.Module):
    """Several trained nets as one bundle: the mean of their weights, all their states behind one another.

    Nets that learned the same with other seeds err in other places (RESEARCH A8: an ensemble gains .03 to .05 of r).
    """

    outputs = ("weights",)
    has_pose = False

    def __init__(self, parts: Sequence[Shipped]) -> None:
        super().__init__()
        self.each = tuple(parts)
        self.parts = nn.ModuleList(parts)  # which makes their weights known to torch
        self.features = parts[0].features
        self.state_shapes = tuple(shape for part in parts for shape in part.state_shapes)

    def start(self, batch: int = 1) -> tuple[Tensor, ...]:
        """The states before the first row: zeros."""
        return tuple(state for part in self.each for state in part.start(batch))

    def forward(self, rows: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """(batch, n, features) rows -> (batch, n, 52) mean weights, the new states."""
        weights: list[Tensor] = []
        after: list[Tensor] = []
        for part in self.each:
            own = part(rows, *states[len(after) : len(after) + len(part.state_shapes)])
            weights.append(own[0])
            after += own[1:]
        return torch.stack(weights).mean(dim=0), *after


class Smoothed(nn.Module):
    """Weights averaged over neighbouring rows by binomial shares; one more state holds the rows before.

    A net that is trained on 25 frames a second and hears windows of 25 ms trembles with the pitch of the voice; three
    rows take four fifths of it away and no measurable movement (docs/model.md). Order m delays by m / 2 rows.
    """

    shares: Tensor

    def __init__(self, inner: Shipped | Together, order: int) -> None:
        super().__init__()
        self.inner, self.order = inner, order
        self.outputs, self.has_pose, self.features = inner.outputs, inner.has_pose, inner.features
        self.state_shapes = (*inner.state_shapes, (order, _WEIGHTS))
        shares = torch.tensor([math.comb(order, i) / 2**order for i in range(order + 1)])
        self.register_buffer("shares", shares)

    def start(self, batch: int = 1) -> tuple[Tensor, ...]:
        """The states before the first row: zeros; the face was at rest."""
        return (*self.inner.start(batch), torch.zeros(batch, self.order, _WEIGHTS))

    def forward(self, rows: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """(batch, n, features) rows -> (batch, n, 52) weights, what else the net gives, the new states."""
        weights, *rest = self.inner(rows, *states[:-1])
        heard = torch.cat([states[-1], weights], dim=1)
        count = weights.shape[1]
        smooth = sum(self.shares[i] * heard[:, i : i + count] for i in range(self.order + 1))
        return smooth, *rest, heard[:, count:]


def _resting(head: Tensor) -> Tensor:
    return (head[:_WEIGHTS] + _REST_MARGIN).clamp(-1, 0.9)


def _relaxed(head: Tensor, rest: Tensor) -> Tensor:
    return ((head[..., :_WEIGHTS] - rest) / (1 - rest)).clamp(0, 1)


def resting_output(net: Any, recipe: Recipe) -> Tensor:
    """(outputs,): what a net says once it has heard digital silence for as long as it can remember."""
    silence = torch.from_numpy(silence_row(recipe.feature))
    rows = silence.expand(1, net.config.receptive_field, -1)
    with torch.no_grad():
        out: Tensor = net.eval()(rows)[0, -1]
    return out


def conjugate_product(rest: Tensor) -> Tensor:
    """(4, 4) matrix M with M q = conj(rest) q, for unit quaternions w, x, y, z: the rotation beyond the resting one."""
    w, x, y, z = (rest / rest.norm().clamp_min(1e-6)).tolist()
    return torch.tensor([[w, x, y, z], [-x, w, z, -y], [-y, -z, w, x], [-z, y, -x, w]])
