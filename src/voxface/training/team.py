"""The processes that train one net together, and the device of each: placed by Lightning Fabric."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import Tensor
from torch.overrides import TorchFunctionMode

import voxface
from voxface.errors import MissingDependencyError, TrainingError, UsageError

DEVICES = ("cpu", "cuda", "auto")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run is computed on. It does not change what is learned, but for the last bits.

    device:      "cpu", "cuda", or "auto": a GPU where there is one
    loaders:     threads that make batches
    patience_s:  a batch that is not made within this time ends the run
    tensorboard: log for TensorBoard too
    """

    device: str = "cpu"
    loaders: int = 1
    patience_s: float = 300.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise UsageError(f"device is one of {', '.join(DEVICES)}; got {self.device!r}.")
        if self.loaders < 1 or self.patience_s <= 0:
            raise UsageError(f"there is at least one loader, and patience; got {self}.")


@dataclass(frozen=True, slots=True)
class Team:
    """This process among those of a run.

    Every process makes the same batches and keeps the same weights; each computes the gradient of its crops, and the
    gradients are added. That needs no more than sums over all processes, so the net is not wrapped in
    DistributedDataParallel: its methods stay its own, and one process and several run the same lines.
    """

    fabric: Any
    device: torch.device
    precision: str
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """The one process that writes and validates."""
        return self.rank == 0

    def place(self) -> dict[str, Any]:
        """What the last bits of a result depend on, as it stands in checkpoints."""
        versions = {"voxface": voxface.__version__, "torch": torch.__version__}
        return {"device": self.device.type, "precision": self.precision, "processes": self.size} | versions

    def leave(self) -> None:
        """End the connection to the other processes; its threads must not outlive Python."""
        if self.size > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of all processes' tensors, the same for each. Raises: TrainingError: one of them has ended."""
        if self.size == 1:
            return tensor
        try:
            summed: Tensor = self.fabric.all_reduce(tensor, reduce_op="sum")
            return summed
        except RuntimeError as error:
            raise _alone() from error

    def told(self, value: Any) -> Any:
        """What the leading process says. Raises: TrainingError: one of them has ended."""
        if self.size == 1:
            return value
        try:
            return self.fabric.broadcast(value)
        except RuntimeError as error:
            raise _alone() from error

    def sum_gradients(self, net: torch.nn.Module) -> None:
        """Replace the gradients of this process's crops by those of the whole batch."""
        if self.size == 1:
            return
        gradients = [weight.grad for weight in net.parameters() if weight.grad is not None]
        flat = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    @contextmanager
    def computing(self, crops: int) -> Iterator[None]:
        """Around the forward pass: mixed precision, and dropout of a batch of `crops` drawn alike by all processes."""
        with self.fabric.autocast():
            if self.size == 1:
                yield
            else:
                with _WholeBatch(crops, self.rank, self.size):
                    yield


class _WholeBatch(TorchFunctionMode):
    """torch.rand(crops of this process, ...) draws for all crops and gives this process its own.

    So the draws of several processes are those of one, and their generators stay in step.
    """

    def __init__(self, crops: int, rank: int, size: int) -> None:
        super().__init__()
        self.crops, self.mine = crops, slice(rank, None, size)
        self.own = len(range(rank, crops, size))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.rand and args and args[0] == self.own:
            return func(self.crops, *args[1:], **(kwargs or {}))[self.mine]
        return func(*args, **(kwargs or {}))


def _alone() -> TrainingError:
    return TrainingError(
        "another process of this run has ended.", hint="The state before this step is kept: go on with --resume."
    )


def open_team(machine: Machine, precision: str, crops: int) -> Team:
    """Join the processes that were started for this run (processes.py, or torchrun); alone where there are none.

    Args:
        precision: see Recipe. crops: of a batch, all processes together.
    Raises: MissingDependencyError: there is no such device. UsageError: more processes than crops.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    size, local = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if "LOCAL_RANK" not in os.environ:
        size = local = 1
    if size > crops:
        raise UsageError(f"{size} processes share a batch of {crops} crops: some would have none.")
    kind = _device(machine.device)
    precision = _precision(precision, kind)
    several: dict[str, Any] = {"strategy": "ddp", "num_nodes": size // local} if size > 1 else {}
    fabric = Fabric(accelerator=kind, devices=local, **several, **_plugin(precision, kind))
    if size > 1:
        threads = torch.get_num_threads()
        fabric.launch()
        torch.set_num_threads(threads)  # it has taken another number
    return Team(fabric, fabric.device, precision, fabric.global_rank, fabric.world_size)


def _device(name: str) -> str:
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise MissingDependencyError(
            f"torch {torch.__version__} finds no CUDA device here.",
            hint="Train with --device cpu, or install the CUDA build of torch and the driver.",
        )
    return "cuda" if name == "cuda" or (name == "auto" and found) else "cpu"


def _precision(name: str, kind: str) -> str:
    """What "auto" means here: bfloat16 where the device multiplies it fast."""
    if name != "auto":
        return name
    fast = torch.cuda.is_bf16_supported() if kind == "cuda" else torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if fast else "32-true"


def _plugin(precision: str, kind: str) -> dict[str, Any]:
    """As Fabric takes it; it knows float16 on GPUs only, where torch can do it on the CPU too, slowly."""
    if precision == "16-mixed":
        return {"plugins": [MixedPrecision("16-mixed", kind)]}
    return {"precision": precision}
