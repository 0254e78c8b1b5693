"""Training made small for tests: a recipe that trains in a second, recordings, losses of one head. Importing it skips a
file of tests where the libraries are missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training cannot be tested")
pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed: training cannot be tested")
pytest.importorskip("onnx", reason="onnx is not installed: export cannot be tested")

from tests.fake_recordings import fake_recordings  # noqa: E402
from voxface.models.tcn import TcnConfig  # noqa: E402
from voxface.training.losses import LossSpec, masked_terms, phone_term, total  # noqa: E402
from voxface.training.recipes import Recipe, first  # noqa: E402

TRAIN, HELD_OUT = fake_recordings(6), fake_recordings(2, "validate")


def tiny(**changes: Any) -> Recipe:
    """A recipe that trains in a second."""
    config = TcnConfig(width=16, look_ahead_rows=3)
    small = {"config": config, "crop_rows": 60, "batch": 4, "steps": 12, "warmup_steps": 2, "validate_every": 4}
    return replace(first(), **(small | changes))


def masked_loss(outputs: Any, targets: Any, mask: Any, scale: Any, spec: LossSpec, every: int = 1) -> Any:
    """The sum of masked_terms; 0 where nothing counts."""
    terms = masked_terms(outputs, targets, mask, scale, spec, every)
    return total(terms, torch.stack([term.share for term in terms]))


def phone_loss(logits: Any, phones: Any) -> Any:
    """The mean of phone_term; 0 where no phone is known."""
    term = phone_term(logits, phones)
    return total([term], term.share[None])
