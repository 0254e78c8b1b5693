"""Checkpoints in the layouts that neurosync.md documents, with random numbers, and what they compute, slowly.

Written from the facts alone (N1 to N3), with the files' own names; it shares no line with models/ and training/.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

File = dict[str, np.ndarray]
HIDDEN, WIDE = 64, 48
SHARP = 3  # queries and keys are this much larger, else each frame looks at all alike and all become the same
WIDTHS = {"g0-october": 79, "g0": 79, "g1a": 69, "g1b": 69}
LAYERS = {"g3": 8, "g4": 8}
TABLES = {
    "g0-october": (1000, 1),
    "g0": (1, 1000),
    **dict.fromkeys(("g1a", "g1b", "g2-lag0", "g2-sinusoid"), (1, 10_000)),
}
ALL = ("g0-october", "g0", "g1a", "g1b", "g2-lag0", "g2-sinusoid", "g2", "g3", "g4")


def shapes(generation: str, hidden: int = HIDDEN, wide: int = WIDE, outputs: int = 68) -> dict[str, tuple[int, ...]]:
    """Every name in a file of a generation, with its shape."""
    torch_names = generation in ("g0-october", "g0")
    found: dict[str, tuple[int, ...]] = {}

    def linear(name: str, into: int, out: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (out, into), (out,)

    def attention(name: str, own_linears: bool) -> None:
        if own_linears:
            for part in "qkv":
                linear(f"{name}.{part}_linear", hidden, hidden)
            linear(f"{name}.out_linear", hidden, hidden)
        else:
            found[f"{name}.in_proj_weight"], found[f"{name}.in_proj_bias"] = (3 * hidden, hidden), (3 * hidden,)
            linear(f"{name}.out_proj", hidden, hidden)

    linear("encoder.embedding", WIDTHS.get(generation, 256), hidden)
    for side, attentions in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "multihead_attn"))):
        for i in range(LAYERS.get(generation, 4)):
            layer = f"{side}.transformer_{side}." + ("layers." if torch_names else "") + str(i)
            for name in attentions:
                attention(f"{layer}.{name}", own_linears=not torch_names)
            ffn = layer if torch_names else f"{layer}.ffn"
            linear(f"{ffn}.linear1", hidden, wide)
            linear(f"{ffn}.linear2", wide, hidden)
            for n in range(1, len(attentions) + 2):
                found[f"{layer}.norm{n}.weight"] = found[f"{layer}.norm{n}.bias"] = (hidden,)
        found[f"{side}.layer_norm.weight"] = found[f"{side}.layer_norm.bias"] = (hidden,)
        if generation in TABLES:
            name = "pos_encoder" if torch_names else "global_pos_encoder"
            found[f"{side}.{name}.pe"] = (*TABLES[generation], hidden)
    if torch_names:
        attention("decoder.cross_attention", own_linears=True)
    linear("decoder.fc_output", hidden, outputs)
    return found


def random_file(generation: str, seed: int = 1, outputs: int = 68) -> File:
    """A file of a generation with lively random numbers, and true tables of positions."""
    random, file = np.random.default_rng(seed), {}
    for name, shape in shapes(generation, outputs=outputs).items():
        if name.endswith(".pe"):
            count = max(shape[:2])
            file[name] = np.array([wave(k, shape[2]) for k in range(min(count, 300))], np.float32)
            file[name] = np.resize(file[name], (count, shape[2])).reshape(shape)
            continue
        spread = 1 / math.sqrt(shape[-1]) if len(shape) == 2 else 0.2
        one = 1 if "norm" in name and name.endswith("weight") else 0
        file[name] = (one + spread * random.standard_normal(shape)).astype(np.float32)
        if "q_linear" in name or "k_linear" in name:
            file[name] *= SHARP
        elif "in_proj" in name:
            file[name][: 2 * shape[-1] if len(shape) == 2 else 2 * shape[0] // 3] *= SHARP
    file["decoder.fc_output.weight"] *= 10  # faces in percent
    file["decoder.fc_output.bias"] *= 100
    return file


def wave(position: int, width: int) -> list[float]:
    """A row of the sinusoid: sine and cosine in turn."""
    row = []
    for j in range(width // 2):
        angle = position * math.exp(-math.log(10_000) * 2 * j / width)
        row += [math.sin(angle), math.cos(angle)]
    return row


def rotated(x: np.ndarray) -> np.ndarray:
    """(frames, width): each pair of neighbouring columns turned by position times its frequency."""
    out, width = np.empty_like(x), x.shape[1]
    for position in range(len(x)):
        for j in range(width // 2):
            angle = position * math.exp(-math.log(10_000) * 2 * j / width)
            even, odd = x[position, 2 * j], x[position, 2 * j + 1]
            out[position, 2 * j] = even * math.cos(angle) - odd * math.sin(angle)
            out[position, 2 * j + 1] = even * math.sin(angle) + odd * math.cos(angle)
    return out


class Slow:
    """What a file of a generation computes for one window, in float64, one head and one frame after the other."""

    def __init__(self, file: File, generation: str) -> None:
        self.file = {name: value.astype(float) for name, value in file.items()}
        self.generation, self.layers = generation, LAYERS.get(generation, 4)
        self.heads = 16 if self.layers == 8 else 4
        self.torch_names = generation in ("g0-october", "g0")
        self.rotates = generation in ("g2", "g3", "g4")

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(frames, width) -> (frames, outputs)."""
        x = self.placed(self.linear("encoder.embedding", rows.astype(float)))
        for i in range(self.layers):
            layer = self.layer("encoder", i)
            x = self.norm(f"{layer}.norm1", x + self.attention(f"{layer}.self_attn", x, x))
            x = self.norm(f"{layer}.norm2", x + self.feed(layer, x))
        memory = x if self.torch_names else self.norm("encoder.layer_norm", x)
        x = self.placed(memory)
        if self.torch_names:
            x = x + self.attention("decoder.cross_attention", x, memory)
        for i in range(self.layers):
            layer = self.layer("decoder", i)
            x = self.norm(f"{layer}.norm1", x + self.attention(f"{layer}.self_attn", x, x))
            x = self.norm(f"{layer}.norm2", x + self.attention(f"{layer}.multihead_attn", x, memory))
            x = self.norm(f"{layer}.norm3", x + self.feed(layer, x))
        x = x if self.torch_names else self.norm("decoder.layer_norm", x)
        return self.linear("decoder.fc_output", x)

    def layer(self, side: str, i: int) -> str:
        return f"{side}.transformer_{side}.layers.{i}" if self.torch_names else f"{side}.transformer_{side}.{i}"

    def placed(self, x: np.ndarray) -> np.ndarray:
        if self.generation == "g4":
            return x
        if self.rotates:
            return rotated(x)
        first_only = self.generation == "g0-october"
        return x + np.array([wave(0 if first_only else k, x.shape[1]) for k in range(len(x))])

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.file[f"{name}.weight"].T + self.file[f"{name}.bias"]

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        scaled = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        return scaled * self.file[f"{name}.weight"] + self.file[f"{name}.bias"]

    def feed(self, layer: str, x: np.ndarray) -> np.ndarray:
        ffn = layer if self.torch_names else f"{layer}.ffn"
        return self.linear(f"{ffn}.linear2", np.maximum(0, self.linear(f"{ffn}.linear1", x)))

    def attention(self, name: str, x: np.ndarray, memory: np.ndarray) -> np.ndarray:
        q, k, v = (project(source) for project, source in zip(self.projections(name), (x, memory, memory), strict=True))
        size = x.shape[1] // self.heads
        seen = np.empty_like(x)
        for head in range(self.heads):
            part = slice(head * size, (head + 1) * size)
            query, key = (rotated(q[:, part]), rotated(k[:, part])) if self.rotates else (q[:, part], k[:, part])
            for frame in range(len(x)):
                scores = np.exp([query[frame] @ other / math.sqrt(size) for other in key])
                seen[frame, part] = scores @ v[:, part] / scores.sum()
        return self.linear(f"{name}.out_proj" if f"{name}.in_proj_weight" in self.file else f"{name}.out_linear", seen)

    def projections(self, name: str) -> list[Callable[[np.ndarray], np.ndarray]]:
        """Functions to queries, keys and values."""
        if f"{name}.in_proj_weight" not in self.file:
            return [lambda x, part=part: self.linear(f"{name}.{part}_linear", x) for part in "qkv"]
        weights = np.split(self.file[f"{name}.in_proj_weight"], 3)
        biases = np.split(self.file[f"{name}.in_proj_bias"], 3)
        return [lambda x, w=w, b=b: x @ w.T + b for w, b in zip(weights, biases, strict=True)]
