"""A causal temporal convolution net: rows of features in, rows of channels out, state in and out (SPEC A4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxface.errors import UsageError

States = tuple[Tensor, ...]

MEL_BANDS = 80
HEAD_W = 55  # of the 59 channels: 52 weights, position x, y, z, then the quaternion, w first
_OUTPUT_UNIT = 0.1  # a typical size of a blendshape weight; the last layer speaks in tenths
MAX_LOOK_AHEAD = 31  # rows; half of the receptive field, which makes the net a centred one


@dataclass(frozen=True, slots=True)
class TcnConfig:
    """The shape of a Tcn.

    features:        numbers per row in: 80 (mel dB) or 83 (mel dB, RMS in dB, zero-crossing rate, voice activity)
    channels:        numbers per row out, as learned from captured faces: 52 weights, and 7 of the head pose or none
    articulated:     numbers per row of a second head, learned from synthetic speech: 52 weights, or 0
    phones:          classes of a third head that tells phones apart, only a help in training; or 0
    trunk_gradient:  share of the first head's gradient that reaches the layers below it. One man's face must not shape
                     what the net hears: the less it does, the better on everybody else (RESEARCH A8)
    width:           channels inside
    kernel:          rows each layer combines, `dilation` rows apart
    dilations:       one layer for each; the defaults see 63 rows
    residual:        layers add to what they got, instead of replacing it
    dropout:         share of the inner channels left out in training, each for a whole crop
    look_ahead_rows: the output after row t describes row t - look_ahead_rows
    """

    features: int = MEL_BANDS
    channels: int = 59
    articulated: int = 0
    phones: int = 0
    trunk_gradient: float = 1.0
    width: int = 128
    kernel: int = 3
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    residual: bool = True
    dropout: float = 0.1
    look_ahead_rows: int = 6

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilations", tuple(self.dilations))
        if self.features not in (MEL_BANDS, MEL_BANDS + 3):
            raise UsageError(f"a net takes 80 or 83 features; got {self.features}.")
        if min(self.articulated, self.phones) < 0 or not 0 <= self.trunk_gradient <= 1:
            raise UsageError(f"articulated and phones are 0 or more, trunk_gradient is a share; got {self}.")
        if min(self.channels, self.width, self.kernel, len(self.dilations), *self.dilations) < 1:
            raise UsageError(f"channels, width, kernel and dilations must be at least 1; got {self}.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is a share from 0 to below 1; got {self.dropout}.")
        if not 0 <= self.look_ahead_rows <= MAX_LOOK_AHEAD:
            raise UsageError(f"the look-ahead is 0 to {MAX_LOOK_AHEAD} rows; got {self.look_ahead_rows}.")

    @property
    def receptive_field(self) -> int:
        """Rows that one output sees, its own included."""
        return 1 + (self.kernel - 1) * sum(self.dilations)

    @property
    def outputs(self) -> int:
        """Numbers per row that come out, all heads side by side: captured, articulated, phones."""
        return self.channels + self.articulated + self.phones

    @property
    def joined(self) -> int:
        """Numbers per row that the heads are given."""
        return self.width

    @property
    def state_shapes(self) -> tuple[tuple[int, int], ...]:
        """(rows, width) of each state: what a layer must remember of the rows before."""
        return layer_states(self.dilations, self.kernel, self.width)


def layer_states(dilations: Sequence[int], kernel: int, width: int) -> tuple[tuple[int, int], ...]:
    """(rows, width) of the state of each of several layers."""
    return tuple((dilation * (kernel - 1), width) for dilation in dilations)


class Layer(nn.Module):
    """One dilated causal convolution, then a mixing of channels.

    The convolution is written as a matrix product over the shifted rows laid side by side: torch, ONNX and int8
    arithmetic all run that form well (RESEARCH B3).
    """

    def __init__(self, config: TcnConfig, dilation: int, width: int) -> None:
        super().__init__()
        self.kernel, self.dilation, self.residual = config.kernel, dilation, config.residual
        self.gather = nn.Linear(config.kernel * width, width)
        self.mix = nn.Linear(width, width)
        self.dropout = config.dropout

    def forward(self, state: Tensor, rows: Tensor, every: int = 1) -> tuple[Tensor, Tensor]:
        """(batch, dilation * (kernel - 1), width) state, (batch, n, width) rows -> new state, (batch, n, width).

        With `every`, the rows are every so many-th of a longer sequence, and the state is as much shorter.
        """
        heard = torch.cat([state, rows], dim=1)
        dilation = self.dilation // every
        reach = dilation * (self.kernel - 1)
        shifts = range(0, reach, dilation)
        side_by_side = torch.cat([*(heard[:, at : at - reach] for at in shifts), heard[:, reach:]], dim=2)
        out = self.mix(torch.relu(self.gather(side_by_side)))
        if self.training and self.dropout:
            kept = torch.rand(out.shape[0], 1, out.shape[2], dtype=out.dtype) >= self.dropout
            out = out * (kept / (1 - self.dropout)).to(out)
        out = rows + out if self.residual else torch.relu(out)
        return heard[:, heard.shape[1] - reach :], out


class Layers(nn.ModuleList):
    """Layers one behind the other, one for each dilation."""

    def __init__(self, config: TcnConfig, dilations: Sequence[int], width: int) -> None:
        super().__init__(Layer(config, dilation, width) for dilation in dilations)
        self.dilations, self.reaches = tuple(dilations), config.kernel - 1

    def step(self, states: States, hidden: Tensor) -> tuple[States, Tensor]:
        """A state for each layer, (batch, n, width) -> new states, (batch, n, width)."""
        after = []
        for layer, state in zip(self, states, strict=True):
            state, hidden = layer(state, hidden)
            after.append(state)
        return tuple(after), hidden

    def thinned(self, hidden: Tensor, every: int) -> Tensor:
        """(batch, n, width) -> what `step` gives from zeros on, but only each `every`-th row, the last one included.

        A layer with dilation d never mixes rows whose distance is no multiple of d. Once all later dilations are
        multiples of 2, the rows in between can be left out: the same numbers for less work, for training.
        """
        step = 1
        for place, layer in enumerate(self):
            while step < every and all(d % (2 * step) == 0 for d in self.dilations[place:]):
                hidden, step = each(hidden, 2), 2 * step
            before = self.dilations[place] // step * self.reaches
            hidden = layer(hidden.new_zeros(hidden.shape[0], before, hidden.shape[2]), hidden, step)[1]
        return each(hidden, every // step)


def each(rows: Tensor, every: int) -> Tensor:
    """Each `every`-th row, the last one included: (batch, n, width) -> (batch, ceil(n / every), width)."""
    return rows[:, (rows.shape[1] - 1) % every :: every]


class Head(nn.Module):
    """(batch, n, joined) -> (batch, n, channels) through one layer of its own; begins near 0."""

    def __init__(self, config: TcnConfig, channels: int, unit: float) -> None:
        super().__init__()
        self.unit = unit
        self.own = nn.Linear(config.joined, config.width)
        self.leave = nn.Linear(config.width, channels)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            self.leave.bias.zero_()
            if channels > HEAD_W and unit != 1:
                self.leave.bias[HEAD_W] = 1 / unit  # looks into the camera

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.leave(torch.relu(self.own(hidden))) * self.unit
        return out


class Tcn(nn.Module):
    """Rows (batch, rows, features) -> (batch, rows, outputs), causal; see TcnConfig for the look-ahead.

    Outputs are in natural units: weights about 0 to 1, metres, a quaternion that is not yet of length 1, logits.
    """

    input_centre: Tensor
    input_scale: Tensor

    def __init__(self, config: TcnConfig) -> None:
        super().__init__()
        self.config = config
        centre, scale = input_affine(config.features)
        self.register_buffer("input_centre", centre, persistent=False)
        self.register_buffer("input_scale", scale, persistent=False)
        self.enter = nn.Linear(config.features, config.width)
        self.layers = Layers(config, config.dilations, config.width)
        self.captured = Head(config, config.channels, _OUTPUT_UNIT)
        self.articulated = Head(config, config.articulated, _OUTPUT_UNIT) if config.articulated else None
        self.phones = Head(config, config.phones, 1.0) if config.phones else None

    def start(self, batch: int = 1) -> States:
        """States before the first row: (batch, rows, width) zeros for each of config.state_shapes."""
        like = self.enter.weight
        return tuple(like.new_zeros(batch, *shape) for shape in self.config.state_shapes)

    def step(self, states: States, rows: Tensor) -> tuple[States, Tensor]:
        """Take (batch, n, features) rows, any n >= 0; give (new states, (batch, n, outputs))."""
        after, hidden = self.layers.step(states, self._enter(self._scaled(rows)))
        return after, self._leave(torch.relu(hidden))

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, n, features) rows from the very start -> (batch, n, outputs)."""
        return self.step(self.start(rows.shape[0]), rows)[1]

    def thinned(self, rows: Tensor, every: int) -> Tensor:
        """What `forward` gives, but only each `every`-th row, the last one included: (batch, ceil(n / every), outputs).

        For training; see Layers.thinned.
        """
        return self._leave(torch.relu(self.layers.thinned(self._enter(self._scaled(rows)), every)))

    def _scaled(self, rows: Tensor) -> Tensor:
        return (rows - self.input_centre) * self.input_scale

    def _enter(self, scaled: Tensor) -> Tensor:
        return torch.relu(self.enter(scaled))

    def _leave(self, hidden: Tensor) -> Tensor:
        """(batch, n, joined) -> (batch, n, outputs)."""
        share = self.config.trunk_gradient if self.training else 1.0
        below = hidden if share == 1 else share * hidden + (1 - share) * hidden.detach()
        heads = [self.captured(below)] + [head(hidden) for head in (self.articulated, self.phones) if head is not None]
        return torch.cat(heads, dim=-1) if len(heads) > 1 else heads[0]


def input_affine(features: int) -> tuple[Tensor, Tensor]:
    """(features,) centre and scale that bring rows to about -1 to 1: fixed numbers, not statistics of any data.

    Mel and RMS in dB: (x + 35) / 45, which covers -80 to 10. Zero crossings of speech lie between 0 and 0.5.
    """
    centre, scale = [-35.0] * MEL_BANDS, [1 / 45] * MEL_BANDS
    if features > MEL_BANDS:
        centre += [-35.0, 0.25, 0.5]
        scale += [1 / 45, 4.0, 2.0]
    return torch.tensor(centre), torch.tensor(scale)
