"""The transformer: every generation's forward pass against a slow reference, sizes, parts, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: nets cannot be tested")
pytest.importorskip("onnx", reason="onnx is not installed: export cannot be tested")

from tests.neurosync_files import ALL, File, Slow, random_file, shapes  # noqa: E402
from voxface.audio.features import FeatureSpec  # noqa: E402
from voxface.bundle import WindowSpec  # noqa: E402
from voxface.errors import UsageError  # noqa: E402
from voxface.models.transformer import Transformer, TransformerConfig, on_arrays  # noqa: E402
from voxface.neurosync.generations import GENERATIONS  # noqa: E402
from voxface.runtime.window_net import WindowNet  # noqa: E402
from voxface.training.neurosync_import import build, read_facts  # noqa: E402
from voxface.training.window_export import save_window_bundle  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = TransformerConfig(78, hidden=32, heads=4, layers=1, feedforward=40, frames=16)


def net(file: File, generation: str) -> Transformer:
    state = {name: torch.from_numpy(value) for name, value in file.items()}
    kind, path = GENERATIONS[generation], Path("test.pth")
    return build(state, read_facts(state, path), kind, kind.position, None, path)


@pytest.mark.parametrize("generation", ALL)
def test_every_generation_computes_what_its_facts_say(generation: str) -> None:
    """Random weights in a file's layout: ours, two windows at once, is the slow reference, window by window.

    In float64, so that rounding does not hide a small fault: outputs are percent, and 1e-4 is a millionth of a weight.
    """
    file = random_file(generation)
    rows = np.random.default_rng(2).standard_normal((2, 5, GENERATIONS[generation].widths[0])).astype(np.float32)
    found, slow = net(file, generation).double()(torch.from_numpy(rows).double()).numpy(), Slow(file, generation)
    expected = np.stack([slow(window) for window in rows])
    assert expected.std(axis=1).max() > 0.1, "outputs that do not move prove nothing"
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_positions_make_a_difference() -> None:
    """One file, two position modes: other numbers, so the reference above would notice a wrong one."""
    file, rows = random_file("g4"), np.random.default_rng(2).standard_normal((1, 5, 256)).astype(np.float32)
    assert np.abs(on_arrays(net(file, "g4"))(rows) - on_arrays(net(file, "g3"))(rows)).max() > 0.1


@pytest.mark.parametrize(
    ("generation", "wide", "outputs", "tensors", "parameters"),
    [("g4", 4096, 68, 344, 235_480_132), ("g4", 4096, 61, 344, 235_472_957), ("g2", 4096, 68, 176, 117_908_548)],
)
def test_the_size_of_the_public_models(generation: str, wide: int, outputs: int, tensors: int, parameters: int) -> None:
    """Ours has as many tensors and parameters as neurosync.md counts for the files, and so has the tests' layout."""
    kind = GENERATIONS[generation]
    config = TransformerConfig(256, outputs, layers=kind.layers, feedforward=wide, position=kind.position)
    with torch.device("meta"):
        state = Transformer(config).state_dict()
    assert (len(state), sum(tensor.numel() for tensor in state.values())) == (tensors, parameters)
    assert sum(int(np.prod(shape)) for shape in shapes(generation, 1024, wide, outputs).values()) == parameters


def test_windows_do_not_see_each_other_and_may_be_short() -> None:
    """A window's answer does not depend on its neighbours in the batch; encode and decode are the two halves of it."""
    torch.manual_seed(3)
    module, rows = Transformer(SMALL).eval(), torch.randn(3, 11, 78)
    with torch.inference_mode():
        whole = module(rows)
        assert (module(rows[1:2]) - whole[1:2]).abs().max() <= 1e-5
        assert (module.decode(module.encode(rows)) - whole).abs().max() <= 1e-6
    assert whole.shape == (3, 11, 68)


def test_half_precision_is_near() -> None:
    """Linear layers in bfloat16: another answer, within a few percent, and float32 comes out."""
    torch.manual_seed(5)
    rows = np.random.default_rng(6).standard_normal((2, 16, 78)).astype(np.float32)
    module = Transformer(SMALL)
    exact = on_arrays(module)(rows)
    found = on_arrays(module, half=torch.bfloat16)(rows)
    assert found.dtype == np.float32
    assert 1e-5 < np.abs(found - exact).max() < 0.05


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_bundle_says_what_the_net_says(precision: str, tmp_path: Path) -> None:
    """ONNX = torch to 1e-4 for any batch and any length up to the window; int8 comes as near as it says itself."""
    torch.manual_seed(4)
    module = Transformer(replace(SMALL, position="global_rope")).eval()
    bundle, stated = save_window_bundle(
        module, tmp_path / "small.voxface", feature=FeatureSpec("mfcc", 78), window=WindowSpec(16, 4),
        training={"data": "noise"}, precision=precision,
    )  # fmt: skip
    found, expected = WindowNet(bundle).forward, on_arrays(module)
    worst = 0.0
    for shape in ((1, 16, 78), (5, 16, 78), (3, 7, 78), (2, 1, 78)):
        rows = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
        worst = max(worst, float(np.abs(found(rows) - expected(rows)).max()))
    assert bundle.training["difference"] == stated
    assert worst <= (1e-4 if precision == "fp32" else 3 * stated)
    assert (stated > 1e-3) == (precision == "int8")


@pytest.mark.parametrize(
    "wrong", [{"hidden": 36, "heads": 16}, {"layers": 0}, {"position": "learned"}, {"dropout": 1.0}]
)
def test_shapes_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    """Sizes that do not divide, no layers, an unknown position: one sentence with what came."""
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        replace(SMALL, **wrong)
