"""`voxface train` and `voxface model` as programs: a dataset in, a bundle out, interrupted and resumed on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: training cannot be tested")
pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed: training cannot be tested")
pytest.importorskip("onnx", reason="onnx is not installed: export cannot be tested")

from tests.captured import make_capture, put
from voxface.cli.model import export
from voxface.cli.train import train
from voxface.dataset.build import BuildOptions, build_dataset
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.split import parse_rule
from voxface.training.checkpoint import load_checkpoint

PROGRAM = [sys.executable, "-m", "voxface.cli.main"]
SMALL = ["--width", "8", "--threads", "1"]


def voxface(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program as a user would."""
    return subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=600)


def ended(verb: Callable[..., None], **arguments: Any) -> int:
    """Run a verb inside this process, which saves the seconds that torch takes to come; gives its exit code."""
    try:
        verb(**arguments)
    except SystemExit as left:
        return int(str(left.code))
    return 0


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings to learn from, one to validate on, one left over."""
    folder = tmp_path_factory.mktemp("made")
    captures = put(folder / "captures", *(make_capture(f"c{seed}", 1.2, seed) for seed in range(5)))
    options = BuildOptions(speakers=SpeakerRule("name", "s1"), split=parse_rule("sha256:3,1"))
    build_dataset([captures], folder / "set", options)
    return folder / "set"


def test_from_dataset_to_bundle(dataset: Path, tmp_path: Path) -> None:
    """train prints validation numbers, export makes a bundle with what was stated, show can open it."""
    run, bundle = tmp_path / "run", tmp_path / "made.voxface"
    done = voxface("train", dataset, "-o", run, *SMALL, "--steps", "3", "--look-ahead", "2", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] == 3
    assert set(told["validation"]) == {"gap_r", "gap_r_se", "gap_r_speech", "silence_gap"}
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"headline": {"gap_r": 0.5}, "groups": {}}))
    stated = ["--data", "made up", "--licence", "CC0", "--licence", "none", "--evaluation", report]
    done = voxface("model", "export", run, "-o", bundle, *stated)
    assert done.returncode == 0, done.stderr
    value = json.loads(voxface("model", "show", bundle, "--json").stdout)
    assert (value["name"], value["look_ahead_rows"], value["metrics"]) == ("made", 2, {"gap_r": 0.5})
    assert (value["training"]["data"], value["training"]["licences"]) == ("made up", ["CC0", "none"])


def test_a_run_is_never_overwritten(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Training into a run asks for --resume; resuming with another recipe says what differs; a finished one is done."""
    flags = {"dataset": [dataset], "output": tmp_path / "run", "width": 8, "threads": 1}
    assert ended(train, **flags, steps=2) == 0
    assert ended(train, **flags, steps=2) == 3
    assert "--resume" in capsys.readouterr().err
    assert ended(train, **flags, steps=4, resume=True) == 3
    assert "recipe.steps 2 is now 4" in capsys.readouterr().err
    assert ended(train, **flags, steps=2, resume=True) == 0
    assert "done already" in capsys.readouterr().out


def test_ctrl_c_leaves_a_run_to_resume(dataset: Path, tmp_path: Path) -> None:
    """SIGINT: exit 130 without a traceback, and a checkpoint with the steps that were done."""
    command = [*PROGRAM, "train", str(dataset), "-o", str(tmp_path / "run"), *SMALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        log = tmp_path / "run" / "log.csv"
        until = time.monotonic() + 60
        while not log.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    header, _ = load_checkpoint(tmp_path / "run")
    assert header.step > 0


@pytest.mark.parametrize(
    ("wrong", "named"), [({"recipe": "none"}, "first"), ({"look_ahead": 40}, "31"), ({"seed": -1}, "seed")]
)
def test_wrong_flags_are_usage_errors(
    wrong: dict[str, Any], named: str, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe or value that does not exist: exit 2, the way out is named, and no run folder is left."""
    assert ended(train, dataset=[dataset], output=tmp_path / "run", **wrong) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_is_no_dataset_or_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without a dataset, a folder without a run, a report that is no JSON: exit 3 and the path."""
    empty, bundle = tmp_path / "empty", tmp_path / "x.voxface"
    empty.mkdir()
    assert ended(train, dataset=[empty], output=tmp_path / "run") == 3
    assert str(empty) in capsys.readouterr().err
    assert ended(export, run=[empty], output=bundle) == 3
    assert f"error[E-CHECKPOINT]: there is no checkpoint at {empty}" in capsys.readouterr().err
    (tmp_path / "report.json").write_text("[1")
    assert ended(export, run=[empty], output=bundle, evaluation=tmp_path / "report.json") == 3
    assert "report.json" in capsys.readouterr().err
    assert not bundle.exists()


@pytest.mark.parametrize("library", ["torch", "safetensors"])
def test_without_the_training_libraries_one_sentence_says_what_to_install(library: str, tmp_path: Path) -> None:
    """An installation without the extra `train`: exit 4 and the pip line; looking at bundles does not need it."""
    block = f"import sys; sys.modules[{library!r}] = None; from voxface.cli.main import main; "
    arguments = ["voxface", "model", "export", str(tmp_path), "-o", "x.voxface"]
    code = f"{block} sys.argv = {arguments!r}; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done.stderr
    assert "pip install 'voxface[train]'" in done.stderr
    assert library in done.stderr
    code = f"{block} sys.argv = ['voxface', 'model', 'list']; main()"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0
