"""NeuroSync checkpoints become bundles: recognised by what is in them, strict, never run."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="torch is not installed: checkpoints cannot be read")
pytest.importorskip("onnx", reason="onnx is not installed: export cannot be tested")

from tests.neurosync_files import ALL, Slow, random_file  # noqa: E402
from voxface.bundle import load_bundle  # noqa: E402
from voxface.cli.model import app  # noqa: E402
from voxface.errors import CheckpointError, InputError, OutputError, UsageError  # noqa: E402
from voxface.neurosync.generations import GENERATIONS, ORIGINAL  # noqa: E402
from voxface.runtime.window_net import WindowNet  # noqa: E402
from voxface.training.neurosync_import import choose, import_neurosync, read_facts, read_state  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
State = dict[str, Any]


def state_of(generation: str, outputs: int = 68) -> State:
    return {name: torch.from_numpy(value) for name, value in random_file(generation, outputs=outputs).items()}


def first_layers(count: int, state: State) -> State:
    """A training of one's own with fewer layers."""
    return {name: tensor for name, tensor in state.items() if not re.search(rf"er\.[{count}-9]\.", name)}


def saved(value: Any, path: Path) -> Path:
    torch.save(value, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the trainer: its weights are one dict among others."""
    value = {"model_state_dict": state_of("g2"), "optimizer_state_dict": {"state": {}}, "epoch": 3, "config": {}}
    return saved(value, tmp_path_factory.mktemp("trained") / "checkpoint.pth")


def test_a_checkpoint_becomes_a_bundle_that_computes_the_same(checkpoint: Path, tmp_path: Path) -> None:
    """`voxface model import neurosync`: the bundle gives what the slow reference gives and says what it is; `voxface
    model show` opens it."""
    folder = tmp_path / "mine.voxface"
    done = CliRunner().invoke(app, ["import", "neurosync", str(checkpoint), "-o", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert (answer["imported"]["generation"], answer["imported"]["heads"]) == ("g2", 4)
    assert answer["difference"] <= 1e-4
    bundle = load_bundle(folder)
    assert (bundle.feature.kind, bundle.feature.rows, bundle.rate_hz) == ("mfcc", 256, 60)
    assert bundle.window == replace(ORIGINAL, overlap=16)
    rows = np.random.default_rng(3).standard_normal((6, 256)).astype(np.float32)
    found = WindowNet(bundle).forward(rows[None])[0]
    np.testing.assert_allclose(found / 100, Slow(random_file("g2"), "g2")(rows) / 100, atol=1e-4)
    shown = CliRunner().invoke(app, ["show", str(folder)])
    assert shown.exit_code == 0, shown.output
    assert "cannot stream" in shown.stdout


def test_61_outputs_are_told_and_taken_on_request(tmp_path: Path) -> None:
    """A model without emotions, of one layer: refused with the flag that takes it; with it the emotions are 0."""
    path = saved(first_layers(1, state_of("g2", outputs=61)), tmp_path / "face.pth")
    own: dict[str, Any] = {"generation": "g4", "heads": 4}
    with pytest.raises(CheckpointError, match=r"gives 61 values .* --without-emotions"):
        import_neurosync(path, tmp_path / "x.voxface", **own)
    bundle, _ = import_neurosync(path, tmp_path / "x.voxface", without_emotions=True, **own)
    weights, emotion = WindowNet(bundle).whole(np.ones((20, 256), np.float32))
    assert weights.std() > 0.01
    assert not emotion.any()
    with pytest.raises(CheckpointError, match="gives 52 values"):
        import_neurosync(saved(state_of("g2", outputs=52), path), tmp_path / "y.voxface", without_emotions=True)


ASKS = {
    "g1a": ("--generation g1a", "--generation g1b"), "g1b": ("--generation g1a", "--generation g1b"),
    "g2-lag0": ("--generation g2-lag0", "--generation g2-sinusoid"),
    "g2-sinusoid": ("--generation g2-lag0", "--generation g2-sinusoid"),
    "g3": ("--position global_rope", "--position attention_rope"),
    "g4": ("--position global_rope", "--position attention_rope"),
}  # fmt: skip


@pytest.mark.parametrize("generation", ALL)
def test_a_file_is_recognised_or_asked_about(generation: str, tmp_path: Path) -> None:
    """What a file's names and shapes tell is enough, or the error names the option and its choices."""
    path = saved(state_of(generation), tmp_path / "file.pth")
    facts = read_facts(read_state(path), path)
    if generation in ASKS:
        with pytest.raises(UsageError) as raised:
            choose(facts, "auto", None, path)
        assert all(choice in str(raised.value) for choice in ASKS[generation])
        assert "\n" not in str(raised.value)
    else:
        assert choose(facts, "auto", None, path) == generation
    assert choose(facts, generation, None, path) == generation
    if generation in ("g3", "g4"):
        assert choose(facts, "auto", GENERATIONS[generation].position, path) == generation
    with pytest.raises(UsageError, match=f"not of generation {generation}: it has 17 features"):
        choose(replace(facts, width=17), generation, None, path)
    with pytest.raises(UsageError, match="fits no known generation: it has 17 features"):
        choose(replace(facts, width=17), "auto", None, path)


def without_a_norm(state: State) -> None:
    del state["decoder.transformer_decoder.2.norm3.bias"]


def with_something_else(state: State) -> None:
    state["head.weight"] = torch.zeros(3)


def another_shape(state: State) -> None:
    state["encoder.layer_norm.weight"] = torch.zeros(65)


def not_finite(state: State) -> None:
    state["decoder.fc_output.bias"][3] = float("nan")


def whole_numbers(state: State) -> None:
    state["encoder.layer_norm.weight"] = torch.zeros(64, dtype=torch.int64)


def a_shape_without_numbers(state: State) -> None:
    state["encoder.embedding.weight"] = torch.zeros(1).expand(1_000_000_000, 256)


def no_embedding(state: State) -> None:
    del state["encoder.embedding.weight"]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (without_a_norm, "missing: decoder.transformer_decoder.2.norm3.bias"),
        (with_something_else, "unexpected: head.weight"),
        (another_shape, r"encoder.layer_norm.weight \(65,\) instead of \(64,\)"),
        (not_finite, "not finite, in decoder.fc_output.bias"),
        (whole_numbers, "no state dict"),
        (a_shape_without_numbers, "no state dict"),
        (no_embedding, "no NeuroSync checkpoint: encoder.embedding.weight is missing"),
    ],
)
def test_another_layout_is_named(damage: Callable[[State], None], named: str, tmp_path: Path) -> None:
    """A missing, unexpected or misshaped tensor, values that are none: one sentence, no bundle."""
    state = state_of("g2")
    damage(state)
    with pytest.raises(CheckpointError, match=named) as raised:
        import_neurosync(saved(state, tmp_path / "bad.pth"), tmp_path / "x.voxface")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "x.voxface").exists()


def test_other_positions_than_the_sinusoid_are_refused(tmp_path: Path) -> None:
    """A table of positions in a file must be the one that its generation adds."""
    state = state_of("g1b")
    state["decoder.global_pos_encoder.pe"] += 0.1
    with pytest.raises(CheckpointError, match=r"other positions in decoder\.global"):
        import_neurosync(saved(state, tmp_path / "bad.pth"), tmp_path / "x.voxface", generation="g1b")


def test_other_numbers_of_layers_need_the_heads(tmp_path: Path) -> None:
    """A training of one's own with 3 layers: no generation by itself; named, it asks for the heads."""
    path = saved(first_layers(3, state_of("g2")), tmp_path / "three.pth")
    with pytest.raises(UsageError, match=r"fits no known .* 3 layers"):
        import_neurosync(path, tmp_path / "x.voxface")
    with pytest.raises(UsageError, match="--heads"):
        import_neurosync(path, tmp_path / "x.voxface", generation="g4")
    with pytest.raises(UsageError, match="7 heads cannot share"):
        import_neurosync(path, tmp_path / "x.voxface", generation="g4", heads=7)


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"echo boom > '{self.canary}'",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(zipped: bool, tmp_path: Path) -> None:
    """The bomb is live, yet the import, through the command line too, is one sentence and makes no file."""
    canary, path = tmp_path / "canary", tmp_path / "evil.pth"
    value = {**state_of("g2"), "decoder.extra": Bomb(canary)}
    torch.save(value, path) if zipped else path.write_bytes(pickle.dumps({"decoder.extra": Bomb(canary)}))
    done = CliRunner().invoke(app, ["import", "neurosync", str(path), "-o", str(tmp_path / "x.voxface")])
    assert done.exit_code == 3
    assert done.stderr.count("error[E-CHECKPOINT]") == 1
    assert "Traceback" not in done.output
    assert not canary.exists()
    torch.load(path, weights_only=False) if zipped else pickle.loads(path.read_bytes())
    assert canary.exists(), "else the bomb was none"


def test_a_place_that_cannot_be_written_is_one_sentence(checkpoint: Path) -> None:
    """A bundle is a folder; a file in its place stays as it is."""
    before = checkpoint.read_bytes()
    for place in (checkpoint, checkpoint / "x.voxface"):
        with pytest.raises(OutputError, match="cannot write"):
            import_neurosync(checkpoint, place)
    assert checkpoint.read_bytes() == before


def test_files_that_are_no_checkpoints(checkpoint: Path, tmp_path: Path) -> None:
    """Cut short, empty, text, a list, a folder, nothing at all: one of our errors each."""
    bad = tmp_path / "bad.pth"
    for content in (checkpoint.read_bytes()[:5000], b"", b"hello", pickle.dumps([1, 2])):
        bad.write_bytes(content)
        with pytest.raises(CheckpointError):
            read_state(bad)
    for path in (tmp_path, tmp_path / "none.pth"):
        with pytest.raises(InputError, match="cannot read"):
            read_state(path)
