"""The TCN beside coarser ones: means of 4 and of 16 rows have layers of their own, which reach further (SPEC A4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxface.errors import UsageError
from voxface.models.tcn import Layers, States, Tcn, TcnConfig, layer_states


@dataclass(frozen=True, slots=True)
class TcnMultiscaleConfig(TcnConfig):
    """The shape of a TcnMultiscale: that of its Tcn, and

    scales:           rows that are averaged, for each coarse branch; powers of 2
    coarse_dilations: of the layers of a branch, in units of its scale
    coarse_width:     channels inside a branch
    """

    scales: tuple[int, ...] = (4, 16)
    coarse_dilations: tuple[int, ...] = (1, 2)
    coarse_width: int = 64

    def __post_init__(self) -> None:
        super(TcnMultiscaleConfig, self).__post_init__()  # plain super() is lost where slots make the class anew
        for name in ("scales", "coarse_dilations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if min(len(self.scales), len(self.coarse_dilations), self.coarse_width, *self.coarse_dilations) < 1:
            raise UsageError(f"scales, coarse_dilations and coarse_width must be at least 1; got {self}.")
        if any(scale < 2 or scale & (scale - 1) for scale in self.scales):
            raise UsageError(f"a coarse branch averages 2, 4, 8, ... rows; got scales {self.scales}.")

    def dilations_of(self, scale: int) -> tuple[int, ...]:
        """In rows, of the branch with this scale: it knows a mean from the next only `scale` rows later."""
        return tuple(scale * dilation for dilation in self.coarse_dilations)

    @property
    def receptive_field(self) -> int:
        """Rows that one output sees, its own included: of the farthest branch."""
        coarse = (scale + (self.kernel - 1) * sum(self.dilations_of(scale)) for scale in self.scales)
        return max(super(TcnMultiscaleConfig, self).receptive_field, *coarse)

    @property
    def joined(self) -> int:
        """What the layers and the branches say."""
        return self.width + len(self.scales) * self.coarse_width

    @property
    def state_shapes(self) -> tuple[tuple[int, int], ...]:
        """(rows, width) of each state: of the layers, of each branch the rows that it averages, and of its layers."""
        shapes = list(super(TcnMultiscaleConfig, self).state_shapes)
        for scale in self.scales:
            shapes.append((scale - 1, self.features))
            shapes += layer_states(self.dilations_of(scale), self.kernel, self.coarse_width)
        return tuple(shapes)


class Branch(nn.Module):
    """Means over the last `scale` rows, through dilated layers `scale` rows apart: as if one row came in 10 * scale ms,
    but said anew each 10 ms."""

    def __init__(self, config: TcnMultiscaleConfig, scale: int) -> None:
        super().__init__()
        self.scale, self.states = scale, 1 + len(config.coarse_dilations)
        self.enter = nn.Linear(config.features, config.coarse_width)
        self.layers = Layers(config, config.dilations_of(scale), config.coarse_width)

    def step(self, states: States, rows: Tensor) -> tuple[States, Tensor]:
        """`states` states, (batch, n, features) scaled rows -> new states, (batch, n, coarse width)."""
        heard = torch.cat([states[0], rows], dim=1)
        after, hidden = self.layers.step(states[1:], self._entered(heard))
        return (heard[:, heard.shape[1] - self.scale + 1 :], *after), torch.relu(hidden)

    def thinned(self, rows: Tensor, every: int) -> Tensor:
        """What `step` gives from zeros on, but only each `every`-th row, the last one included."""
        before = rows.new_zeros(rows.shape[0], self.scale - 1, rows.shape[2])
        return torch.relu(self.layers.thinned(self._entered(torch.cat([before, rows], dim=1)), every))

    def _entered(self, heard: Tensor) -> Tensor:
        """(batch, scale - 1 + n, features) -> (batch, n, coarse width)."""
        return torch.relu(self.enter(running_mean(heard, self.scale)))


def running_mean(rows: Tensor, over: int) -> Tensor:
    """(batch, over - 1 + n, width) -> (batch, n, width): the mean of each row and those before it, `over` in all.

    `over` is a power of 2: means of two, of two of these, and so on. Nothing is added up and taken off again, so no
    packet leaves a trace in the last bits of the next.
    """
    span = 1
    while span < over:
        rows = (rows[:, span:] + rows[:, : rows.shape[1] - span]) / 2
        span *= 2
    return rows


class TcnMultiscale(Tcn):
    """A Tcn whose heads are given what its layers say, and beside it what coarser branches say of the same rows."""

    config: TcnMultiscaleConfig

    def __init__(self, config: TcnMultiscaleConfig) -> None:
        super().__init__(config)
        self.branches = nn.ModuleList(Branch(config, scale) for scale in config.scales)

    def step(self, states: States, rows: Tensor) -> tuple[States, Tensor]:
        """Take (batch, n, features) rows, any n >= 0; give (new states, (batch, n, outputs))."""
        scaled, fine = self._scaled(rows), len(self.layers)
        after, hidden = self.layers.step(states[:fine], self._enter(scaled))
        said, coming = [torch.relu(hidden)], iter(states[fine:])
        for branch in self._each_branch():
            own, coarse = branch.step(tuple(next(coming) for _ in range(branch.states)), scaled)
            after, said = after + own, [*said, coarse]
        return after, self._leave(torch.cat(said, dim=2))

    def thinned(self, rows: Tensor, every: int) -> Tensor:
        """See Tcn.thinned; a branch looks at as few rows as its scale allows."""
        scaled = self._scaled(rows)
        fine = torch.relu(self.layers.thinned(self._enter(scaled), every))
        coarse = [branch.thinned(scaled, every) for branch in self._each_branch()]
        return self._leave(torch.cat([fine, *coarse], dim=2))

    def _each_branch(self) -> Iterator[Branch]:
        yield from self.branches  # type: ignore[misc]  # torch knows them only as modules
