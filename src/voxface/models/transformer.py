"""A transformer from windows of feature rows to windows of faces, encoder and decoder (SPEC B, neurosync.md N3).

The decoder is not autoregressive: it is given the encoder's memory both as its input and to attend to. Every sub-layer
is post-norm, x = norm(x + f(x)), and nothing is masked: a window is heard as a whole, so this net cannot stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from voxface.errors import UsageError
from voxface.stream import Array

Position = Literal["attention_rope", "global_rope", "sinusoid", "constant"]
POSITIONS: tuple[Position, ...] = get_args(Position)


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """The shape of a Transformer; the defaults are those of the largest known checkpoints.

    width_in:    features of a frame
    width_out:   values of a frame: 61 weights and angles, 7 emotions
    hidden:      numbers that stand for a frame inside; a multiple of 2 * heads
    heads:       of each attention
    layers:      of the encoder, and again of the decoder
    feedforward: width inside the feed-forward parts
    position:    how a layer knows where in the window a frame stands. "attention_rope": queries and keys are rotated;
                 "global_rope": frames too, after `enter` and before the decoder; "sinusoid": waves are added to the
                 frames at these two places; "constant": likewise, but every frame is told that it is the first
    final_norm:  encoder and decoder end with a norm
    bridge:      one more attention to the memory, with no norm, before the decoder's first layer
    frames:      of the longest window
    dropout:     share of the numbers left out behind each sub-layer in training
    """

    width_in: int = 256
    width_out: int = 68
    hidden: int = 1024
    heads: int = 16
    layers: int = 8
    feedforward: int = 4096
    position: Position = "attention_rope"
    final_norm: bool = True
    bridge: bool = False
    frames: int = 128
    dropout: float = 0.0

    def __post_init__(self) -> None:
        sizes = (self.width_in, self.width_out, self.hidden, self.heads, self.layers, self.feedforward, self.frames)
        if min(sizes) < 1 or self.hidden % (2 * self.heads):
            raise UsageError(f"sizes are at least 1 and hidden is a multiple of 2 * heads; got {self}.")
        if self.position not in POSITIONS:
            raise UsageError(f"position is one of {', '.join(POSITIONS)}; got {self.position!r}.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is a share from 0 to below 1; got {self.dropout}.")


def angles(frames: int, width: int) -> Tensor:
    """(frames, width / 2) radians: position * 10000^(-2j / width), for sinusoids and rotations alike.

    On the CPU even where a net is made without memory (torch's "meta" device), since no file brings these numbers.
    """
    speed = torch.exp(-math.log(10_000) * torch.arange(0, width, 2, device="cpu") / width)
    return torch.arange(frames, device="cpu")[:, None] * speed


def sinusoid(frames: int, width: int) -> Tensor:
    """(frames, width) waves: even columns sines, odd ones cosines."""
    turned = angles(frames, width)
    return torch.stack([turned.sin(), turned.cos()], dim=-1).flatten(-2)


Turn = tuple[Tensor, Tensor]
"""Cosines and sines of a rotation, (frames, width / 2) each."""


def turned(x: Tensor, turn: Turn | None) -> Tensor:
    """Pairs of columns (2j, 2j + 1) of (..., frames, width), rotated by the angle of their frame."""
    if turn is None:
        return x
    cos, sin = turn
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).view_as(x)


class Rotation(nn.Module):
    """Angles that grow with the frame, for each pair of `width` columns."""

    cos: Tensor
    sin: Tensor

    def __init__(self, frames: int, width: int) -> None:
        super().__init__()
        by_frame = angles(frames, width)
        self.register_buffer("cos", by_frame.cos(), persistent=False)
        self.register_buffer("sin", by_frame.sin(), persistent=False)

    def turn(self, frames: int) -> Turn:
        """The rotation of the first frames of a window."""
        return self.cos[:frames], self.sin[:frames]

    def forward(self, x: Tensor) -> Tensor:
        return turned(x, self.turn(x.shape[-2]))


class Waves(nn.Module):
    """Adds the sinusoid to (batch, frames, width); with `moving` False the first frame's to all."""

    waves: Tensor

    def __init__(self, frames: int, width: int, moving: bool) -> None:
        super().__init__()
        waves = sinusoid(frames, width)
        self.register_buffer("waves", waves if moving else waves[:1].repeat(frames, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.waves[: x.shape[1]]


def placed(config: TransformerConfig) -> nn.Module:
    """What tells the frames where they stand, before the layers."""
    if config.position == "attention_rope":
        return nn.Identity()
    if config.position == "global_rope":
        return Rotation(config.frames, config.hidden)
    return Waves(config.frames, config.hidden, moving=config.position == "sinusoid")


class Attention(nn.Module):
    """Each frame of x looks at every frame of the memory, with several heads: -> (batch, frames, hidden)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.size = config.heads, config.hidden // config.heads
        self.query, self.key, self.value, self.out = (nn.Linear(config.hidden, config.hidden) for _ in range(4))

    def forward(self, x: Tensor, memory: Tensor, turn: Turn | None) -> Tensor:
        apart = (x.shape[0], x.shape[1], self.heads, self.size)
        query, key, value = (
            layer(source).view(apart).transpose(1, 2)  # (batch, heads, frames, size)
            for layer, source in ((self.query, x), (self.key, memory), (self.value, memory))
        )
        seen = scaled_dot_product_attention(turned(query, turn), turned(key, turn), value, scale=self.size**-0.5)
        joined: Tensor = self.out(seen.transpose(1, 2).reshape(x.shape))
        return joined


class FeedForward(nn.Module):
    """Each frame for itself: wide, ReLU, narrow again."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.wide = nn.Linear(config.hidden, config.feedforward)
        self.narrow = nn.Linear(config.feedforward, config.hidden)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.narrow(torch.relu(self.wide(x)))
        return out


class EncoderLayer(nn.Module):
    """Attention of the window to itself, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.own, self.feed = Attention(config), FeedForward(config)
        self.own_norm, self.feed_norm = (nn.LayerNorm(config.hidden) for _ in range(2))
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, turn: Turn | None) -> Tensor:
        x = self.own_norm(x + self.drop(self.own(x, x, turn)))
        out: Tensor = self.feed_norm(x + self.drop(self.feed(x)))
        return out


class DecoderLayer(nn.Module):
    """Attention to itself, attention to the memory, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.own, self.across, self.feed = Attention(config), Attention(config), FeedForward(config)
        self.own_norm, self.across_norm, self.feed_norm = (nn.LayerNorm(config.hidden) for _ in range(3))
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, memory: Tensor, turn: Turn | None) -> Tensor:
        x = self.own_norm(x + self.drop(self.own(x, x, turn)))
        x = self.across_norm(x + self.drop(self.across(x, memory, turn)))
        out: Tensor = self.feed_norm(x + self.drop(self.feed(x)))
        return out


class Transformer(nn.Module):
    """Windows (batch, frames, width_in) -> (batch, frames, width_out); any number of frames up to config.frames."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Linear(config.width_in, config.hidden)
        self.place = placed(config)
        rotates = config.position in ("attention_rope", "global_rope")
        self.rotation = Rotation(config.frames, config.hidden // config.heads) if rotates else None
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.encoder_norm = nn.LayerNorm(config.hidden) if config.final_norm else nn.Identity()
        self.bridge = Attention(config) if config.bridge else None
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.decoder_norm = nn.LayerNorm(config.hidden) if config.final_norm else nn.Identity()
        self.leave = nn.Linear(config.hidden, config.width_out)

    def encode(self, rows: Tensor) -> Tensor:
        """(batch, frames, width_in) -> the memory (batch, frames, hidden)."""
        x, turn = self.place(self.enter(rows)), self._turn(rows)
        for layer in self.encoder:
            x = layer(x, turn)
        memory: Tensor = self.encoder_norm(x)
        return memory

    def decode(self, memory: Tensor) -> Tensor:
        """The memory (batch, frames, hidden) -> (batch, frames, width_out)."""
        x, turn = self.place(memory), self._turn(memory)
        if self.bridge is not None:
            x = x + self.bridge(x, memory, turn)
        for layer in self.decoder:
            x = layer(x, memory, turn)
        values: Tensor = self.leave(self.decoder_norm(x))
        return values

    def forward(self, rows: Tensor) -> Tensor:
        return self.decode(self.encode(rows))

    def _turn(self, x: Tensor) -> Turn | None:
        """The rotation inside every attention to windows as long as x; None: there is none."""
        return self.rotation.turn(x.shape[1]) if self.rotation is not None else None


def on_arrays(
    module: nn.Module, device: str | None = None, half: torch.dtype | None = None
) -> Callable[[Array], Array]:
    """A net as a function of float32 arrays, as runtime/windows.py wants it; the module itself is moved and changed.

    It is given numbers of the type that its first weight has, so nets that were made half or double work as they are.

    device: where it goes; None: it stays where its weights are
    half: torch.float16 (on CUDA) or torch.bfloat16 (on CPUs too): linear layers are kept and computed in it; None: not.
    """
    first = next(module.parameters(), torch.zeros(()))
    place, kind = torch.device(device) if device else first.device, first.dtype
    module = module.to(place).eval()
    for layer in module.modules():
        if half is not None and isinstance(layer, nn.Linear):
            layer.to(half)

    def forward(rows: Array) -> Array:
        with torch.inference_mode(), torch.autocast(place.type, half, enabled=half is not None):
            answer: Array = module(torch.from_numpy(rows).to(place, kind)).float().cpu().numpy()
        return answer

    return forward
