"""Several processes share a batch: they end where one process would, stop together, and none waits for a dead one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_training import HELD_OUT, TRAIN, tiny, torch
from voxface.errors import CheckpointError, UsageError
from voxface.training import loop
from voxface.training.checkpoint import load_checkpoint
from voxface.training.processes import launch
from voxface.training.team import Machine, open_team

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[1]
LEFT = ("checkpoint.safetensors", "best.safetensors", "log.csv", "validation.csv")
PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.small_training import HELD_OUT, TRAIN, tiny, torch
from voxface.training import loop
torch.set_num_threads(1)
folder, rank, number = Path(sys.argv[1]), os.environ["RANK"], int(sys.argv[2])
def disturb(step, values):
    if step == 5 and rank == "1" and number:
        os.kill(os.getpid(), number)
try:
    loop.train(TRAIN, HELD_OUT, tiny(batch=5), folder, resume=True, report=disturb)
except KeyboardInterrupt:
    sys.exit(130)
"""


def two(folder: Path, number: int = 0) -> int:
    """Train with two processes, the second of which gets a signal at step 5; gives the exit code of both."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + PROGRAM
    return launch([sys.executable, "-c", code, str(folder), str(number)], 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by two processes that nothing disturbed. They share five crops as three and two."""
    folder = tmp_path_factory.mktemp("two")
    assert two(folder) == 0
    return folder


def test_two_processes_learn_what_one_learns(whole: Path, tmp_path: Path) -> None:
    """Same weights, running mean, optimizer and losses up to the order of float sums (1e-6 after 12 steps, where
    weights move by 0.02), the same dropout, and the very same state of its generator."""
    loop.train(TRAIN, HELD_OUT, tiny(batch=5), tmp_path)
    (_, alone), (header, shared) = load_checkpoint(tmp_path), load_checkpoint(whole)
    assert header.place["processes"] == 2
    assert torch.equal(alone["random"], shared["random"])
    assert max(float((alone[name].float() - shared[name].float()).abs().max()) for name in alone) < 1e-6
    lines, others = ((folder / "log.csv").read_text().splitlines() for folder in (tmp_path, whole))
    assert len(lines) == len(others) == 13
    for line, other in zip(lines[1:], others[1:], strict=True):
        assert list(map(float, line.split(","))) == pytest.approx(list(map(float, other.split(","))), rel=1e-4)


def test_a_signal_to_one_stops_all_at_the_same_step(whole: Path, tmp_path: Path) -> None:
    """SIGTERM to the second process: both leave after the same step with 130 and one checkpoint; two processes resume
    it to the bytes of an undisturbed run. One process may not, unless by force."""
    assert two(tmp_path, signal.SIGTERM) == 130
    assert load_checkpoint(tmp_path)[0].step == 6
    with pytest.raises(CheckpointError, match="processes 2 is now 1"):
        loop.train(TRAIN, HELD_OUT, tiny(batch=5), tmp_path, resume=True)
    assert two(tmp_path) == 0
    for name in LEFT:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_process_that_dies_ends_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """SIGKILL of the second process: the first one notices, keeps the state before the step, and all end."""
    assert two(tmp_path, signal.SIGKILL) == 128 + signal.SIGKILL
    assert "another process of this run has ended" in capfd.readouterr().err
    assert load_checkpoint(tmp_path)[0].step == 5


def test_more_processes_than_crops_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a crop would learn nothing: one sentence, before any connection is made."""
    for name, value in {"LOCAL_RANK": "0", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="8 processes share a batch of 4"):
        open_team(Machine(), "32-true", 4)


def test_the_command_starts_them(tmp_path: Path) -> None:
    """`voxface train --processes 2` gives the exit code and the sentence of its processes, once."""
    command = [sys.executable, "-m", "voxface.cli.main", "train", str(tmp_path), "-o", str(tmp_path / "run")]
    done = subprocess.run([*command, "--processes", "2"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("error[") == 1
    assert "manifest.json" in done.stderr
