"""A NeuroSync checkpoint becomes a windowed bundle: read without running it, recognised, held against its layout.

A file is a pickle; only tensors, numbers and text are taken out of it (`weights_only`), anything else is refused before
it runs. Nothing of others is shipped or fetched: whoever has a checkpoint brings it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from voxface.bundle import Bundle
from voxface.errors import CheckpointError, InputError, UsageError, some_of
from voxface.face.rig import EMOTIONS, LIVELINK_61
from voxface.files import sha256_hex
from voxface.models.transformer import POSITIONS, Position, Transformer, TransformerConfig, sinusoid
from voxface.neurosync.generations import GENERATIONS, HEADS, Generation
from voxface.training.neurosync_names import UNUSED_NORMS, Place, places
from voxface.training.window_export import Precision, save_window_bundle

State = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]
_ALL, _FACE = len(LIVELINK_61) + len(EMOTIONS), len(LIVELINK_61)
_NAMED = 3  # of each kind, in an error


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file tells about its model by the names and shapes in it."""

    width: int
    hidden: int
    outputs: int
    layers: int
    feedforward: int
    torch_names: bool
    table: tuple[str, tuple[int, int]] | None

    def fits(self, generation: Generation) -> bool:
        """Whether such a file may be of a generation. Its layers are not asked: trainings of one's own vary them."""
        return (
            self.width in generation.widths
            and self.torch_names == generation.torch_names
            and self.table == generation.table
        )

    def __str__(self) -> str:
        table = f"positions {self.table[0]} {self.table[1]}" if self.table else "no table of positions"
        names = "torch's names" if self.torch_names else "NeuroSync's names"
        return f"{self.width} features, {self.layers} layers, {names}, {table}"


def import_neurosync(
    checkpoint: Path,
    folder: Path,
    *,
    generation: str = "auto",
    position: str | None = None,
    heads: int | None = None,
    precision: Precision = "fp32",
    without_emotions: bool = False,
    name: str | None = None,
) -> tuple[Bundle, float]:
    """Make a windowed bundle of a NeuroSync checkpoint.

    Args:
        checkpoint: a state dict written by torch.save, plain or as "model_state_dict" of a trainer's checkpoint.
        folder: of the bundle, `<name>.voxface`.
        generation: of GENERATIONS, or "auto": what the file's names and shapes say.
        position: of POSITIONS, where the file cannot tell it or was made with another one.
        heads: of each attention; default: as the number of layers says in all public builds.
        precision: "int8" for a quarter of the size and more speed at some error.
        without_emotions: accept 61 outputs instead of 68; the emotions are 0 then.
    Returns: the bundle, and the largest difference between torch and the bundle (see save_window_bundle).
    Raises: CheckpointError: no such checkpoint, damaged, more than tensors in it, other names or shapes.
        UsageError: the file fits several generations, or not the one that was named.
    """
    state = read_state(checkpoint)
    facts = read_facts(state, checkpoint)
    chosen = choose(facts, generation, position, checkpoint)
    if facts.outputs != _ALL and not (without_emotions and facts.outputs == _FACE):
        raise CheckpointError(
            f"{checkpoint} gives {facts.outputs} values a frame; 68 are needed: 61 of the face and 7 emotions.",
            hint="Import it with --without-emotions: they are 0 then." if facts.outputs == _FACE else "",
            source=str(checkpoint),
        )
    kind = GENERATIONS[chosen]
    module = build(state, facts, kind, cast(Position, position or kind.position), heads, checkpoint)
    about = {
        "data": "a NeuroSync checkpoint, imported; its licence is its maker's", "licences": [], "commit": "",
        "imported": {"generation": chosen, "position": module.config.position, "heads": module.config.heads,
                     "file": checkpoint.name, "sha256": sha256_hex(checkpoint)},
    }  # fmt: skip
    return save_window_bundle(
        module, folder, feature=kind.feature_spec(facts.width), window=kind.window(), training=about, name=name,
        precision=precision,
    )  # fmt: skip


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by their names; large files are mapped, not read.

    Raises: InputError: it cannot be opened. CheckpointError: damaged, more than tensors, numbers and text in it (which
        is found before anything of it runs), or no state dict.
    """
    try:
        with open(path, "rb") as file:
            zipped = file.read(4) == b"PK\x03\x04"
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", source=str(path)) from error
    try:
        value = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # damaged bytes make torch and its unpickler raise anything
        raise CheckpointError(
            f"{path} cannot be read without running it, so it was not: it is damaged, or holds more than tensors.",
            hint="Save it again: torch.save(model.state_dict(), path).",
            source=str(path),
        ) from error
    state = value.get("model_state_dict", value) if isinstance(value, dict) else None
    if not isinstance(state, dict) or not state or not all(_is_weight(tensor) for tensor in state.values()):
        raise CheckpointError(f"{path} holds no state dict: names with tensors of real numbers.", source=str(path))
    return {str(key): tensor for key, tensor in state.items()}


def _is_weight(value: Any) -> bool:
    """Real numbers that fill the memory of their shape: a small file cannot claim to be a large one."""
    dense = isinstance(value, Tensor) and value.layout == torch.strided and value.is_contiguous()
    return dense and value.is_floating_point()


def read_facts(state: State, path: Path) -> Facts:
    """What the names and shapes say. Raises: CheckpointError: they are those of something else."""
    torch_names = "encoder.transformer_encoder.layers.0.norm1.weight" in state
    inner = "layers.0.linear1.weight" if torch_names else "0.ffn.linear1.weight"
    needed = ("encoder.embedding.weight", "decoder.fc_output.weight", f"encoder.transformer_encoder.{inner}")
    odd = [key for key in needed if key not in state or state[key].ndim != 2 or not state[key].numel()]
    if odd:
        raise CheckpointError(
            f"{path} is no NeuroSync checkpoint: {some_of(odd, _NAMED)} is missing or no matrix; it begins with "
            f"{some_of(list(state), _NAMED)}.",
            source=str(path),
        )
    enter, leave, wide = (state[key] for key in needed)
    norms = [key for key in state if key.startswith("encoder.transformer_encoder.") and key.endswith(".norm1.weight")]
    return Facts(enter.shape[1], enter.shape[0], leave.shape[0], len(norms), wide.shape[0], torch_names, _table(state))


def _table(state: State) -> tuple[str, tuple[int, int]] | None:
    """The end of the name of the table of positions, and how its shape begins; None without one."""
    for key, tensor in state.items():
        if key.startswith("encoder.") and key.endswith(".pe") and tensor.ndim == 3:
            return key.removeprefix("encoder."), (tensor.shape[0], tensor.shape[1])
    return None


def choose(facts: Facts, generation: str, position: str | None, path: Path) -> str:
    """The generation of a file, as named or as the file says.

    Raises: UsageError: no such generation or position; it does not fit the file; the file fits none, or several.
    """
    if position is not None and position not in POSITIONS:
        raise UsageError(f"--position is one of {', '.join(POSITIONS)}; got {position!r}.")
    if generation not in ("auto", *GENERATIONS):
        raise UsageError(f"--generation is auto or one of {', '.join(GENERATIONS)}; got {generation!r}.")
    if generation != "auto":
        if not facts.fits(GENERATIONS[generation]):
            raise UsageError(f"{path} is not of generation {generation}: it has {facts}.", source=str(path))
        return generation
    fitting = [name for name, kind in GENERATIONS.items() if facts.fits(kind) and facts.layers == kind.layers]
    left = [name for name in fitting if position in (None, GENERATIONS[name].position)]
    if len(left) == 1:
        return left[0]
    if not left:
        raise UsageError(
            f"{path} fits no known generation{f' with --position {position}' if position else ''}: it has {facts}.",
            hint=f"Name the nearest with --generation: {', '.join(fitting or GENERATIONS)}.",
            source=str(path),
        )
    raise UsageError(_question(path, left), source=str(path))


def _question(path: Path, names: list[str]) -> str:
    """What to ask where a file fits several generations: for the position, if that is what sets them apart."""
    kinds = [GENERATIONS[name] for name in names]
    by_position = len({kind.position for kind in kinds}) == len(kinds)
    choices = "; ".join(
        f"{f'--position {kind.position}' if by_position else f'--generation {name}'} ({name}, {kind.about})"
        for name, kind in zip(names, kinds, strict=True)
    )
    return f"the files of {' and '.join(names)} look alike, so {path} cannot tell which it is; say: {choices}."


def build(
    state: State, facts: Facts, kind: Generation, position: Position, heads: int | None, path: Path
) -> Transformer:
    """The net of a file, with its weights. Raises: CheckpointError: other names or shapes than its generation has, or
    values that are not finite. UsageError: the number of heads is not known or does not divide the width."""
    heads = heads or HEADS.get(facts.layers)
    if heads is None:
        known = ", ".join(f"{n} heads with {layers} layers" for layers, n in HEADS.items())
        raise UsageError(f"{path} has {facts.layers} layers, and known are {known}; name the number with --heads.")
    if facts.hidden % (2 * heads):
        raise UsageError(
            f"{path} is {facts.hidden} numbers wide inside; {heads} heads cannot share them in pairs.",
            hint="Name a number with --heads that divides half of them.",
        )
    config = TransformerConfig(
        facts.width, facts.outputs, facts.hidden, heads, facts.layers, facts.feedforward, position,
        final_norm=not kind.torch_names, bridge=kind.torch_names, frames=kind.frames,
    )  # fmt: skip
    with torch.device("meta"):  # no memory until the file's tensors take their places
        module = Transformer(config)
    ours = places(module.state_dict(), kind)
    _compare(state, _layout(module, ours, facts), path)
    _check_values(state, config, path)
    weights = {name: _third(state[place.key].float(), place) for name, place in ours.items()}
    module.load_state_dict(weights, assign=True)
    return module.requires_grad_(False).eval()


def _third(tensor: Tensor, place: Place) -> Tensor:
    return tensor if place.third is None else tensor.chunk(3)[place.third]


def _layout(module: Transformer, ours: Mapping[str, Place], facts: Facts) -> Shapes:
    """Every name that a file of this kind has, with its shape."""
    shapes: Shapes = {}
    for name, tensor in module.state_dict().items():
        first, *rest = tensor.shape
        place = ours[name]
        shapes[place.key] = (first if place.third is None else 3 * first, *rest)
    if facts.torch_names:
        shapes |= dict.fromkeys(UNUSED_NORMS, (facts.hidden,))
    if facts.table:
        ending, (first, second) = facts.table
        shapes |= {f"{side}.{ending}": (first, second, facts.hidden) for side in ("encoder", "decoder")}
    return shapes


def _compare(state: State, expected: Shapes, path: Path) -> None:
    """Raises: CheckpointError: a name is missing or unknown, or a shape is another one; the first few are named."""
    other = [
        f"{key} {tuple(state[key].shape)} instead of {shape}"
        for key, shape in expected.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    lists = {
        "missing": [key for key in expected if key not in state],
        "unexpected": [key for key in state if key not in expected],
        "of another shape": other,
    }
    told = [f"{what}: {some_of(keys, _NAMED)}" for what, keys in lists.items() if keys]
    if told:
        raise CheckpointError(f"{path} has not the layout of its generation; {'; '.join(told)}.", source=str(path))


def _check_values(state: State, config: TransformerConfig, path: Path) -> None:
    """Raises: CheckpointError: values that are not finite, or positions that are not the sinusoid."""
    for key, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path} holds values that are not finite, in {key}.", source=str(path))
        if key.endswith(".pe"):
            table = tensor.reshape(-1, config.hidden)[: config.frames].float()
            if not torch.allclose(table, sinusoid(len(table), config.hidden), atol=2e-3):
                raise CheckpointError(f"{path} has other positions in {key} than the sinusoid.", source=str(path))
