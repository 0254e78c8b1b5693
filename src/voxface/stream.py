"""What a stream is: state goes in, state and output come out. Nothing else remembers anything.

A `Stage` turns blocks of one thing into blocks of another. Its state is a plain value, so a server can hold one per
speaker and a test can fork it. `Chain` puts stages one behind the other and is itself a stage; the whole recording is
the same steps as the stream, so there is one algorithm to test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Whole(Protocol):
    """All of something, time being its first axis: an array, or what gives neighbours as one where they are read."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Array: ...


class Stage(Protocol):
    """One step of a stream. Arrays have time as their first axis."""

    def start(self) -> Any:
        """State before the first block."""

    def step(self, state: Any, block: Array) -> tuple[Any, Array]:
        """Take a block of any length; give (new state, what is ready)."""

    def finish(self, state: Any) -> Array:
        """The last outputs, which had waited for input that never came."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Stages one behind the other. State: the tuple of their states."""

    stages: tuple[Stage, ...]

    def start(self) -> tuple[Any, ...]:
        return tuple(stage.start() for stage in self.stages)

    def step(self, state: tuple[Any, ...], block: Array) -> tuple[tuple[Any, ...], Array]:
        after = []
        for stage, own in zip(self.stages, state, strict=True):
            own, block = stage.step(own, block)
            after.append(own)
        return tuple(after), block

    def finish(self, state: tuple[Any, ...]) -> Array:
        """Each stage in turn gives its rest to the stages behind it, then they finish."""
        states = list(state)
        parts = []
        for i, stage in enumerate(self.stages):
            block = stage.finish(states[i])
            for j in range(i + 1, len(self.stages)):
                states[j], block = self.stages[j].step(states[j], block)
            parts.append(block)
        return np.concatenate(parts)


def run(stage: Stage, blocks: Iterable[Array]) -> Iterator[Array]:
    """The outputs of a stage over an iterable of blocks, the last ones included; memory stays constant."""
    state = stage.start()
    for block in blocks:
        state, out = stage.step(state, block)
        if len(out):
            yield out
    out = stage.finish(state)
    if len(out):
        yield out


def run_whole(stage: Stage, whole: Whole, packet: int = 1 << 16) -> Array:
    """The outputs of a stage over one array, fed in packets of `packet` items."""
    state, parts = stage.start(), []
    for at in range(0, max(len(whole), 1), packet):
        state, out = stage.step(state, whole[at : at + packet])
        parts.append(out)
    return np.concatenate([*parts, stage.finish(state)])
