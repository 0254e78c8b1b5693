"""Numbers by chance that depend on nothing but a seed, a part of the face and a count: the same for any packet size."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from voxface.stream import Array

PARTS = ("blinks", "fixations", "glances", "drift", "sway")
"""Who draws; each has numbers of its own, so that turning one part off does not change the others."""

WIDTH = 8  # numbers in a row
BLOCK = 64  # rows drawn at a time


def draw(seed: int, part: str, number: int) -> list[float]:
    """Row `number` of a part: 8 numbers, even in [0, 1)."""
    row: list[float] = _block(seed, part, number // BLOCK)[number % BLOCK].tolist()
    return row


def draws(seed: int, part: str, first: int, count: int) -> Array:
    """Rows `first` ... `first + count - 1` of a part: (count, 8) float64, even in [0, 1)."""
    return gather(lambda block: _block(seed, part, block), first, count)


def gather(block_of: Callable[[int], Array], first: int, count: int) -> Array:
    """Rows first ... first + count - 1 of a table that comes in blocks of BLOCK rows."""
    low, high = first // BLOCK, (first + count - 1) // BLOCK
    blocks = [block_of(block) for block in range(low, high + 1)]
    table = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return table[first - low * BLOCK : first - low * BLOCK + count]


@lru_cache(maxsize=256)
def _block(seed: int, part: str, block: int) -> Array:
    """64 rows at a time, since making a generator costs as much as 1000 numbers; kept, and read-only."""
    table = np.random.default_rng([seed, PARTS.index(part), block]).random((BLOCK, WIDTH))
    table.flags.writeable = False
    return table
