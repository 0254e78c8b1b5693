"""The TCN with attention over the last second: what a layer cannot know in advance, it can look up (SPEC A4).

Vaswani et al., "Attention is all you need" (2017), over a window that slides; distance counts by a learned number per
head, as in Raffel et al., "Exploring the limits of transfer learning" (2020), so that the time of day never matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxface.errors import UsageError
from voxface.models.tcn import States, Tcn, TcnConfig, each

_BLOCK = 400  # rows whose scores are computed at a time; their number grows with its square


@dataclass(frozen=True, slots=True)
class TcnAttentionConfig(TcnConfig):
    """The shape of a TcnAttention: that of its Tcn, and

    attention_heads: so many rows can be looked up at once; divides width
    window:          rows before its own that a row looks back at
    stride:          of these, only each so many-th: neighbours say nearly the same, and training on every fourth row
                     needs no rows in between (Tcn.thinned); divides window
    """

    attention_heads: int = 4
    window: int = 100
    stride: int = 1

    def __post_init__(self) -> None:
        super(TcnAttentionConfig, self).__post_init__()  # plain super() is lost where slots make the class anew
        if min(self.attention_heads, self.window, self.stride) < 1:
            raise UsageError(f"attention_heads, window and stride must be at least 1; got {self}.")
        if self.width % self.attention_heads or self.window % self.stride:
            raise UsageError(f"attention_heads must divide width, and stride window; got {self}.")

    @property
    def receptive_field(self) -> int:
        """Rows that one output sees, its own included: those that the farthest row it looks at has seen."""
        return super(TcnAttentionConfig, self).receptive_field + self.window

    @property
    def joined(self) -> int:
        """What the layers say, and what attention found."""
        return 2 * self.width

    @property
    def state_shapes(self) -> tuple[tuple[int, int], ...]:
        """(rows, width) of each state; the last is the ring of keys and values, and whether the row has been at all."""
        return (*super(TcnAttentionConfig, self).state_shapes, (self.window, 2 * self.width + 1))


class Attention(nn.Module):
    """Each row looks up the rows of its window."""

    def __init__(self, config: TcnAttentionConfig) -> None:
        super().__init__()
        self.heads, self.window, self.stride = config.attention_heads, config.window, config.stride
        self.head_width = config.width // config.attention_heads
        self.query = nn.Linear(config.width, config.width)
        self.key_value = nn.Linear(config.width, 2 * config.width)
        self.nearness = nn.Parameter(torch.zeros(self.heads, self.window // self.stride + 1))

    def forward(self, ring: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, window, 2 width + 1) ring, (batch, n, width) -> new ring, (batch, n, width)."""
        heard = torch.cat([ring, self._remembered(rows)], dim=1)
        at = torch.arange(heard.shape[1], device=rows.device)
        found = self._look_up(rows, at[self.window :], heard, at)
        return heard[:, heard.shape[1] - self.window :], found

    def thinned(self, rows: Tensor, apart: int, every: int) -> Tensor:
        """Rows from the start, `apart` rows of 10 ms apart -> what `forward` gives for each `every`-th of them."""
        at = apart * torch.arange(rows.shape[1], device=rows.device)
        return self._look_up(each(rows, every), each(at[None], every)[0], self._remembered(rows), at)

    def _remembered(self, rows: Tensor) -> Tensor:
        """(batch, n, 2 width + 1): key, value, and a 1, where the ring before the first row has 0."""
        both = self.key_value(rows)
        return torch.cat([both, torch.ones_like(both[:, :, :1])], dim=2)

    def _look_up(self, rows: Tensor, at: Tensor, heard: Tensor, heard_at: Tensor) -> Tensor:
        """(batch, n, width) rows at times (n,), (batch, m, 2 width + 1) at times (m,) -> (batch, n, width)."""
        query, key, value = (self._by_head(part) for part in (self.query(rows), *heard[:, :, :-1].chunk(2, dim=2)))
        back = at[:, None] - heard_at
        near = (back >= 0) & (back <= self.window) & (back % self.stride == 0)
        steps = torch.div(back.clamp(0, self.window), self.stride, rounding_mode="floor")
        scores = query @ key.transpose(2, 3) / math.sqrt(self.head_width) + self.nearness[:, steps]
        allowed = near & (heard[:, None, None, :, -1] > 0)
        shares = torch.softmax(scores.masked_fill(~allowed, -torch.inf), dim=3)
        return (shares @ value).transpose(1, 2).flatten(2)

    def _by_head(self, rows: Tensor) -> Tensor:
        """(batch, n, width) -> (batch, heads, n, width / heads)."""
        return rows.reshape(rows.shape[0], rows.shape[1], self.heads, self.head_width).transpose(1, 2)


class TcnAttention(Tcn):
    """A Tcn whose heads are given what its layers say, and beside it what attention found in the last second of it."""

    config: TcnAttentionConfig

    def __init__(self, config: TcnAttentionConfig) -> None:
        super().__init__(config)
        self.attention = Attention(config)

    def step(self, states: States, rows: Tensor) -> tuple[States, Tensor]:
        """Take (batch, n, features) rows, any n >= 0; give (new states, (batch, n, outputs))."""
        after, hidden = self.layers.step(states[:-1], self._enter(self._scaled(rows)))
        hidden = torch.relu(hidden)
        ring, found = self.attention(states[-1], hidden)
        return (*after, ring), self._leave(torch.cat([hidden, found], dim=2))

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, n, features) rows from the very start -> (batch, n, outputs)."""
        states, parts = self.start(rows.shape[0]), []
        for block in torch.split(rows, _BLOCK, dim=1):
            states, out = self.step(states, block)
            parts.append(out)
        return torch.cat(parts, dim=1)

    def thinned(self, rows: Tensor, every: int) -> Tensor:
        """See Tcn.thinned: only rows that are looked at are computed."""
        apart = math.gcd(every, self.config.stride)
        hidden = torch.relu(self.layers.thinned(self._enter(self._scaled(rows)), apart))
        found = self.attention.thinned(hidden, apart, every // apart)
        return self._leave(torch.cat([each(hidden, every // apart), found], dim=2))
