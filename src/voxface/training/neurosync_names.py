"""What the tensors of our Transformer are called in a NeuroSync checkpoint (neurosync.md N2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from voxface.neurosync.generations import Generation


class Place(NamedTuple):
    """Where a tensor of ours stands in a file: its key there; which third of it, where three share one, else None."""

    key: str
    third: int | None = None


_ENDS = {
    "enter": "encoder.embedding",
    "encoder_norm": "encoder.layer_norm",
    "decoder_norm": "decoder.layer_norm",
    "leave": "decoder.fc_output",
}
_PARTS = {"own": "self_attn", "across": "multihead_attn", "bridge": "decoder.cross_attention"}
_THIRDS = ("query", "key", "value")
_LINEARS = {"query": "q_linear", "key": "k_linear", "value": "v_linear", "out": "out_linear"}
_NORMS = {
    "encoder": {"own_norm": "norm1", "feed_norm": "norm2"},
    "decoder": {"own_norm": "norm1", "across_norm": "norm2", "feed_norm": "norm3"},
}
_FEED = {"wide": "linear1", "narrow": "linear2"}
UNUSED_NORMS = tuple(f"{side}.layer_norm.{end}" for side in ("encoder", "decoder") for end in ("weight", "bias"))
"""In torch-named files, whose forward pass never came by them."""


def places(names: Iterable[str], generation: Generation) -> dict[str, Place]:
    """Name of ours -> where the tensor stands in a file of this generation."""
    return {name: _place(name.split("."), generation.torch_names) for name in names}


def _place(name: list[str], torch_names: bool) -> Place:
    *path, end = name
    if path[0] in _ENDS:
        return Place(f"{_ENDS[path[0]]}.{end}")
    if path[0] == "bridge":
        return Place(f"{_PARTS['bridge']}.{_LINEARS[path[1]]}.{end}")
    side, layer, part, *inner = path
    before = f"{side}.transformer_{side}.{'layers.' if torch_names else ''}{layer}"
    if part in _NORMS[side]:
        return Place(f"{before}.{_NORMS[side][part]}.{end}")
    if part == "feed":
        return Place(f"{before}.{'' if torch_names else 'ffn.'}{_FEED[inner[0]]}.{end}")
    before = f"{before}.{_PARTS[part]}"
    if not torch_names:
        return Place(f"{before}.{_LINEARS[inner[0]]}.{end}")
    if inner[0] == "out":
        return Place(f"{before}.out_proj.{end}")
    return Place(f"{before}.in_proj_{end}", _THIRDS.index(inner[0]))
