"""Training made small for tests: a recipe that trains in a second, recordings, one thread. Importing it skips a file of
tests where the libraries are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training cannot be tested")
pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed: training cannot be tested")
pytest.importorskip("onnx", reason="onnx is not installed: export cannot be tested")

from tests.fake_recordings import fake_recordings  # noqa: E402
from voxface.models.tcn import TcnConfig  # noqa: E402
from voxface.training.recipes import Recipe, first  # noqa: E402

TRAIN, HELD_OUT = fake_recordings(6), fake_recordings(2, "validate")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Imported by a file of tests, it holds for all of them: sums in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(**changes: Any) -> Recipe:
    """A recipe that trains in a second."""
    config = TcnConfig(width=16, look_ahead_rows=3)
    small = {"config": config, "crop_rows": 60, "batch": 4, "steps": 12, "warmup_steps": 2, "validate_every": 4}
    return replace(first(), **(small | changes))
