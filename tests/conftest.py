"""What several tests share: where the data is, and a small bundle made for the tests."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded, else it is too late

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
SAMPLE = ROOT / "src" / "voxface" / "samples" / "hello.flac"


LONGEST = tuple(
    f"test_{name}.py"
    for name in (
        "capture_runs", "training_processes", "viewer_browser", "capture_kills", "ray", "capture_long",
        "faults_audio", "containerfile", "ray_serve", "faults_audio_sources", "synth", "capture_real",
        "client_browser", "doctor", "cli", "server_faults", "viewer_live", "faults_model", "training",
        "evaluate_verb", "cli_live", "joint_training", "training_table", "places", "train_verb",
        "synth_labels", "head", "quality_real",
    )
)  # fmt: skip
"""Files of tests that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: so processes that share the suite (`make test`) end at about the same time."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_report_header() -> list[str]:
    """Says loudly what is not at hand, since tests that need it are skipped."""
    return [f"shared data: {SHARED if SHARED.is_dir() else 'MISSING, tests that need it are skipped'}"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings; the test is skipped where it is missing."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"real recordings are not at hand: {SHARED}/data")
    return SHARED / "data"


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """Ten seconds that behave like speech: bursts of a buzz with moving formants, pauses, a little noise."""
    rng = np.random.default_rng(5)
    n = 160_000
    t = np.arange(n) / 16_000
    pitch = 110 + 25 * np.sin(2 * np.pi * 0.4 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    tilt = 3 + 2 * np.sin(2 * np.pi * 1.3 * t)
    buzz = sum(np.sin(k * phase) * np.exp(-k / tilt / 3) for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * 2.1 * t) + 0.6 * np.sin(2 * np.pi * 0.31 * t), 0, None)
    return (0.1 * envelope * buzz + 0.001 * rng.standard_normal(n)).astype(np.float32)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch computes with one thread: sums in one order. `pytestmark = pytest.mark.usefixtures("one_thread")`."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
