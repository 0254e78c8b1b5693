"""How large the steps of a training are."""

from __future__ import annotations

import math


def cosine_rate(highest: float, step: int, warmup_steps: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth of the highest rate."""
    if step < warmup_steps:
        return highest * (step + 1) / warmup_steps
    share = (step - warmup_steps) / max(1, steps - warmup_steps)
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
