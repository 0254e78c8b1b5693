"""From checkpoint to bundle: it says what the net says, rests on silence, is in time; damaged checkpoints are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fake_recordings import JAW, fake_recording
from tests.small_training import HELD_OUT, TRAIN, tiny, torch
from voxface.bundle import load_bundle
from voxface.errors import CheckpointError
from voxface.face.axes import rotation_matrix
from voxface.face.rig import ARKIT
from voxface.runtime.animate import animate
from voxface.training import loop
from voxface.training.checkpoint import load_checkpoint, save_checkpoint
from voxface.training.export import export_bundle
from voxface.training.recipes import Recipe
from voxface.training.shipped import conjugate_product


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training run on made-up recordings."""
    folder = tmp_path_factory.mktemp("run")
    torch.set_num_threads(1)
    loop.train(TRAIN, HELD_OUT, tiny(steps=40, learning_rate=5e-3), folder, about={"data": "made up"})
    return folder


def test_the_bundle_says_what_the_net_says(run: Path, tmp_path: Path) -> None:
    """Export checks torch against onnxruntime (1e-4), keeps recipe and validation, and stays below 9 MB."""
    bundle, difference = export_bundle(run, tmp_path / "tiny.voxface", about={"licences": ["none"]})
    assert difference <= 1e-4
    assert load_bundle(tmp_path / "tiny.voxface").name == "tiny"
    assert (bundle.look_ahead_rows, bundle.rig, len(bundle.states)) == (3, ARKIT, 5)
    assert bundle.training["data"] == "made up"
    assert bundle.training["licences"] == ["none"]
    assert Recipe.from_json(bundle.training["recipe"]) == tiny(steps=40, learning_rate=5e-3)
    assert bundle.metrics["validation"]["gap_r"] > 0


@pytest.mark.parametrize("seconds", [0.02, 1.0])
def test_silence_gives_an_exactly_resting_face(run: Path, seconds: float, tmp_path: Path) -> None:
    """Digital silence: every weight is 0 from the first frame to the last, the head looks into the camera."""
    bundle, _ = export_bundle(run, tmp_path / "tiny.voxface")
    clip = animate(np.zeros(int(16_000 * seconds), np.float32), 16_000, bundle=bundle)
    assert len(clip) > 0
    assert not clip.weights.any()
    assert clip.head is not None
    np.testing.assert_allclose(clip.head, np.tile([0, 0, 0, 1, 0, 0, 0], (len(clip), 1)), atol=1e-6)


def test_the_head_turns_from_where_it_rests() -> None:
    """The shipped rotation is what takes the resting head to the predicted one, as rotation matrices say it."""
    rest, pose = (q / np.linalg.norm(q) for q in np.random.default_rng(2).standard_normal((2, 4)))
    turn = conjugate_product(torch.from_numpy(rest)).numpy() @ pose
    np.testing.assert_allclose(rotation_matrix(turn), rotation_matrix(rest).T @ rotation_matrix(pose), atol=1e-6)


def test_a_bundle_is_in_time_with_its_sound(run: Path, tmp_path: Path) -> None:
    """The look-ahead is taken away again: the face follows the truth best within one row of no lag at all."""
    bundle, _ = export_bundle(run, tmp_path / "tiny.voxface")
    recording = fake_recording(3000, "test", seconds=4)
    jaw = animate(recording.samples, 16_000, fps=100, bundle=bundle).channel("jawOpen")
    truth = recording.weights[: len(jaw), JAW]
    scores = {lag: np.corrcoef(np.roll(jaw, -lag)[20:-20], truth[20:-20])[0, 1] for lag in range(-8, 9)}
    best = max(scores, key=lambda lag: scores[lag])
    assert scores[best] > 0.8
    assert abs(best) <= 2


def test_a_damaged_checkpoint_is_named(run: Path, tmp_path: Path) -> None:
    """Cut short, empty, without header, of a newer version, or with NaN: CheckpointError, never a guess."""
    whole = (run / "checkpoint.safetensors").read_bytes()
    path = tmp_path / "checkpoint.safetensors"
    for data in (whole[: len(whole) // 2], whole[:20], b""):
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
            load_checkpoint(tmp_path)
    header, tensors = load_checkpoint(run)
    save_checkpoint(path, replace(header, version=99), tensors)
    with pytest.raises(CheckpointError, match="version 99"):
        load_checkpoint(tmp_path)
    save_checkpoint(path, header, tensors | {"mean.enter.bias": torch.full((16,), float("nan"))})
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(tmp_path)
    save_checkpoint(path, header, {name: value for name, value in tensors.items() if "mean.captured.leave" not in name})
    with pytest.raises(CheckpointError, match="another net"):
        export_bundle(tmp_path, tmp_path / "x.voxface")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(tmp_path / "nowhere")
    assert not (tmp_path / "x.voxface").exists()
