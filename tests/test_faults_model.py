"""Bad model files, through the command line (faults.md M1, M4): refused by name, never executed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the bundle of these tests cannot be made")
pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed: training cannot be tested")
pytest.importorskip("onnx", reason="onnx is not installed: the bundle of these tests cannot be made")

from tests.fake_recordings import fake_recordings  # noqa: E402
from voxface.models.tcn import TcnConfig  # noqa: E402
from voxface.training.export import export_bundle  # noqa: E402
from voxface.training.loop import train  # noqa: E402
from voxface.training.recipes import first  # noqa: E402


def voxface(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the program as a user would."""
    command = [sys.executable, "-m", "voxface.cli.main", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def refused(done: subprocess.CompletedProcess[str], code: str) -> str:
    """The run ended with exit code 3 and one error line of that code; gives the line."""
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("error[") == 1
    assert "Traceback" not in done.stderr
    line = done.stderr[done.stderr.index("error[") :].strip()
    assert line.startswith(f"error[{code}]: ")
    assert "\n" not in line
    return line


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound bundle: of a training run of two steps."""
    folder = tmp_path_factory.mktemp("run")
    torch.set_num_threads(1)
    recipe = replace(first(), config=TcnConfig(width=8), crop_rows=20, batch=2, steps=2)
    train(fake_recordings(2), [], recipe, folder)
    export_bundle(folder, folder / "tiny.voxface")
    return folder / "tiny.voxface"


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    """A copy of the sound bundle, for a test to damage."""
    return Path(shutil.copytree(exported, tmp_path / "tiny.voxface"))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A second of noise as a WAV file."""
    import soundfile

    path = tmp_path / "noise.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(16_000), 16_000)
    return path


class Bomb:
    """Unpickled, it makes a file: the canary that says a program was run."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"echo boom > '{self.canary}'",)


def plant(path: Path, canary: Path, zipped: bool) -> Path:
    """Write a checkpoint that runs a command when it is unpickled: bare, or as torch.save writes it."""
    if zipped:
        torch.save({"model": Bomb(canary)}, path)
    else:
        path.write_bytes(pickle.dumps(Bomb(canary)))
    return path


def test_the_bomb_is_live(tmp_path: Path) -> None:
    """The planted files do run a command when they are unpickled: the tests below can fail."""
    canary = tmp_path / "canary"
    pickle.loads(plant(tmp_path / "evil.pt", canary, zipped=False).read_bytes())
    assert canary.exists()
    canary.unlink()
    torch.load(plant(tmp_path / "evil.pt", canary, zipped=True), weights_only=False)
    assert canary.exists()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", ["evil.pt", "evil.pth", "evil.bin", "evil.ckpt", "checkpoint.safetensors"])
def test_m1_a_pickle_is_refused_and_never_run(name: str, zipped: bool, tmp_path: Path) -> None:
    """M1: a pickle under any name is refused as checkpoint and no command is run."""
    from voxface.errors import CheckpointError
    from voxface.training.checkpoint import load_checkpoint

    canary = tmp_path / "canary"
    evil = plant(tmp_path / name, canary, zipped)
    with pytest.raises(CheckpointError, match="pickle"):
        load_checkpoint(evil)
    assert not canary.exists()


def test_m1_through_the_command_line(tmp_path: Path, sound: Path, bundle: Path) -> None:
    """M1: as checkpoint to export, as bundle to animate, as model.onnx within a bundle: exit 3 and no command run."""
    canary = tmp_path / "canary"
    evil = plant(tmp_path / "evil.pth", canary, zipped=True)
    line = refused(voxface("model", "export", evil, "-o", "x.voxface", cwd=tmp_path), "E-CHECKPOINT")
    assert "evil.pth" in line
    assert not (tmp_path / "x.voxface").exists()
    line = refused(voxface("animate", sound, "--bundle", evil, cwd=tmp_path), "E-MODEL-FORMAT")
    assert "evil.pth" in line
    described = json.loads((bundle / "bundle.json").read_text())
    plant(bundle / "model.onnx", canary, zipped=True)
    refused(voxface("model", "show", bundle, cwd=tmp_path), "E-MODEL-FORMAT")
    import hashlib

    described["sha256"] = hashlib.sha256((bundle / "model.onnx").read_bytes()).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(described))
    refused(voxface("animate", sound, "--bundle", bundle, cwd=tmp_path), "E-MODEL-FORMAT")
    assert not canary.exists()
    assert not (tmp_path / "noise.csv").exists()


def one_channel_less(value: dict[str, Any]) -> None:
    value["rig"] = value["rig"][:-1]
    value["outputs"][0]["channels"] = value["outputs"][0]["channels"][:-1]


def rig_in_another_order(value: dict[str, Any]) -> None:
    value["rig"] = value["rig"][::-1]


def another_rate(value: dict[str, Any]) -> None:
    value["rate_hz"] = 60


def wider_rows(value: dict[str, Any]) -> None:
    value["feature"]["rows"] = 83


def another_state(value: dict[str, Any]) -> None:
    value["states"][1]["name"] = "memory"


def a_longer_state(value: dict[str, Any]) -> None:
    value["states"][4]["shape"] = [1, 64, 8]


def a_state_too_few(value: dict[str, Any]) -> None:
    del value["states"][2]


def no_look_ahead_stated(value: dict[str, Any]) -> None:
    del value["look_ahead_rows"]


def a_strange_channel(value: dict[str, Any]) -> None:
    value["rig"][3] = value["outputs"][0]["channels"][3] = "tailWag"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (one_channel_less, ("51", "52")),
        (rig_in_another_order, ("order",)),
        (another_rate, ("60", "100")),
        (wider_rows, ("80", "83")),
        (another_state, ("memory", "layer1")),
        (a_longer_state, ("layer4",)),
        (a_state_too_few, ("layer2",)),
        (no_look_ahead_stated, ("look_ahead_rows",)),
        (a_strange_channel, ("tailWag",)),
    ],
)
def test_m4_a_model_that_does_not_fit_its_description(
    damage: Callable[[dict[str, Any]], None], named: tuple[str, ...], bundle: Path, tmp_path: Path
) -> None:
    """M4: model and description disagree: E-MODEL-SCHEMA, exit 3, both sides named."""
    value = json.loads((bundle / "bundle.json").read_text())
    damage(value)
    (bundle / "bundle.json").write_text(json.dumps(value))
    line = refused(voxface("model", "show", bundle, cwd=tmp_path), "E-MODEL-SCHEMA")
    for part in named:
        assert part in line


def test_m4_animate_refuses_too_and_leaves_nothing(bundle: Path, sound: Path, tmp_path: Path) -> None:
    """M4: `animate` with such a bundle ends the same way, as one JSON object with --json, and writes no clip."""
    value = json.loads((bundle / "bundle.json").read_text())
    one_channel_less(value)
    (bundle / "bundle.json").write_text(json.dumps(value))
    refused(voxface("animate", sound, "--bundle", bundle, cwd=tmp_path), "E-MODEL-SCHEMA")
    done = voxface("animate", sound, "--bundle", bundle, "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (3, "E-MODEL-SCHEMA")
    assert not (tmp_path / "noise.csv").exists()


def test_a_newer_bundle_is_refused_with_one_sentence(bundle: Path, tmp_path: Path) -> None:
    """A bundle of a version to come says so (SPEC C6)."""
    value = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps(value | {"version": 2}))
    assert "version 2" in refused(voxface("model", "show", bundle, cwd=tmp_path), "E-MODEL-FORMAT")


def test_show_says_what_a_bundle_is(bundle: Path, tmp_path: Path) -> None:
    """A sound bundle: its card for people, its description and size for machines."""
    done = voxface("model", "show", bundle, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "59 channels" in done.stdout  # 52 weights and 7 of the head
    done = voxface("model", "show", bundle, "--json", cwd=tmp_path)
    value = json.loads(done.stdout)
    assert (value["look_ahead_rows"], value["latency_ms"]) == (6, 82.5)
    assert value["bytes"] == (bundle / "model.onnx").stat().st_size
