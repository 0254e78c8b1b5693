"""Every net in MODELS as it ships: exported, opened by the runtime, streamed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: nets cannot be tested")
pytest.importorskip("onnx", reason="onnx is not installed: export cannot be tested")

from voxface.articulation.phones import PHONES  # noqa: E402
from voxface.audio.features import FeatureSpec  # noqa: E402
from voxface.audio.level import LevelSpec  # noqa: E402
from voxface.bundle import Bundle, OutputSpec, save_bundle  # noqa: E402
from voxface.face.rig import ARKIT  # noqa: E402
from voxface.models.registry import MODELS  # noqa: E402
from voxface.runtime.animator import Animator  # noqa: E402
from voxface.stream import run_whole  # noqa: E402
from voxface.training.export import LARGEST_DIFFERENCE, Shippable, parity, state_specs, to_onnx  # noqa: E402
from voxface.training.recipes import Recipe  # noqa: E402
from voxface.training.shipped import Shipped, Smoothed, Together  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe_of(name: str) -> Recipe:
    """A joint recipe with a small net: three heads, the level control, 30 ms of look-ahead."""
    config = MODELS[name][0](channels=52, articulated=52, phones=len(PHONES), width=16, look_ahead_rows=3)
    return Recipe("test", model=name, config=config, feature=FeatureSpec(level=LevelSpec()))


def shipped_of(name: str, seed: int) -> Shipped:
    """A net with lively random weights, as bundles hold it."""
    torch.manual_seed(seed)
    net: Any = MODELS[name][1](recipe_of(name).config)
    with torch.no_grad():
        for head in (net.captured, net.articulated):
            head.leave.weight.mul_(300)
    return Shipped(net.eval(), recipe_of(name)).eval()


def bundle_of(shipped: Shippable, folder: Path, feature: FeatureSpec) -> Bundle:
    return save_bundle(
        folder, model=to_onnx(shipped), name="test", feature=feature, look_ahead_rows=3, states=state_specs(shipped),
        outputs=[OutputSpec("weights", ARKIT, "1")], training={}, metrics={},
    )  # fmt: skip


@pytest.fixture(scope="module", params=MODELS)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("net") / f"{request.param}.voxface"
    return bundle_of(shipped_of(request.param, 1), folder, recipe_of(request.param).feature)


@pytest.mark.parametrize("packet", [160, 441, 30_000])
def test_a_bundle_streams_what_it_says_of_the_whole(bundle: Bundle, speech: np.ndarray, packet: int) -> None:
    """Sound cut into packets gives what the whole recording gives, to 1e-5, to the last row."""
    animator, samples = Animator(bundle), speech[:60_000]
    state, parts = animator.start(), []
    for at in range(0, len(samples), packet):
        state, rows = animator.step(state, samples[at : at + packet])
        parts.append(rows)
    parts.append(animator.finish(state))
    whole = run_whole(animator, samples)
    assert whole.shape == (1 + len(samples) // 160, 52)
    assert whole.std(axis=0).max() > 0.05, "a face that does not move proves nothing"
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_silence_is_one_still_face_from_the_first_row(bundle: Bundle) -> None:
    """Before the first sample the net has heard silence for as long as it can remember, ring and means included."""
    assert np.ptp(run_whole(Animator(bundle), np.zeros(48_000, np.float32)), axis=0).max() <= 1e-6


def test_a_stream_can_be_forked(bundle: Bundle, speech: np.ndarray) -> None:
    """The state of a stream is a value: the same packet twice from the same state gives the same bits."""
    animator = Animator(bundle)
    state, _ = animator.step(animator.start(), speech[:20_000])
    first, second = (animator.step(state, speech[20_000:24_000])[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", MODELS)
def test_nets_go_together_and_are_smoothed(name: str, tmp_path: Path) -> None:
    """Two nets of a kind as one bundle, smoothed, with all their states: onnxruntime says what torch says."""
    both = Smoothed(Together([shipped_of(name, 1), shipped_of(name, 2)]).eval(), 2).eval()
    bundle = bundle_of(both, tmp_path / "both.voxface", recipe_of(name).feature)
    assert len(bundle.states) == 2 * len(MODELS[name][0]().state_shapes) + 1
    assert parity(both, bundle) <= LARGEST_DIFFERENCE


@pytest.mark.parametrize("name", MODELS)
def test_recipes_of_every_model_come_back_from_json(name: str) -> None:
    """What a checkpoint says of its recipe makes the same recipe again."""
    recipe = recipe_of(name)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_json(recipe.to_json()) != replace(recipe, seed=2)
