"""The shipped bundle `neurosync-small`, and the road on which it is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.conftest import SAMPLE
from voxface.audio.decode import read_audio
from voxface.audio.features import FeatureSpec
from voxface.audio.resample import Resampler, to_16k
from voxface.bundle import load_bundle
from voxface.cli.train import train
from voxface.errors import CheckpointError, UsageError
from voxface.face.compare import pearson
from voxface.face.rig import ARKIT, EMOTIONS, LIVELINK_61
from voxface.runtime.window_net import WindowNet
from voxface.stream import run_whole

torch = pytest.importorskip("torch", reason="torch is not installed")

from voxface.evaluation.evaluate import evaluate, predictor_of  # noqa: E402
from voxface.models.transformer import TransformerConfig  # noqa: E402
from voxface.training import neurosync_small  # noqa: E402
from voxface.training.clip_table import CLIPS, ClipTable, clip_table  # noqa: E402
from voxface.training.clips import ClipSpec, make_clip  # noqa: E402
from voxface.training.export import export_bundle  # noqa: E402
from voxface.training.request import TrainRequest  # noqa: E402
from voxface.training.small_net import DRIVES, SmallRecipe, small_terms  # noqa: E402
from voxface.training.small_run import Material, begin, learn, restore  # noqa: E402
from voxface.training.speech_table import CAPTURED, NOBODY, SYNTHETIC, SpeechTable  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = SmallRecipe(
    net=TransformerConfig(width_in=78, hidden=16, heads=2, layers=1, feedforward=16), steps=4, batch=2, warmup_steps=1
)


@pytest.fixture(scope="module")
def net() -> WindowNet:
    """The shipped bundle, opened."""
    return WindowNet(load_bundle("neurosync-small"))


@pytest.fixture(scope="module")
def hello() -> np.ndarray:
    """The shipped sample at 16 kHz."""
    return to_16k(*read_audio(SAMPLE))


def rows_of(net: WindowNet, samples: np.ndarray) -> np.ndarray:
    """Features of samples at 16 kHz."""
    return net.bundle.feature.whole(run_whole(Resampler(16_000, 88_200), samples))


def test_a_recording_becomes_68_finite_values_a_frame(net: WindowNet, hello: np.ndarray) -> None:
    """Weights within 0...1, columns 52 to 61 exactly 0, what is not driven exactly 0, emotions that sum to 1."""
    weights, emotion = net.whole(rows_of(net, hello))
    assert weights.shape[1:] == (61,)
    assert emotion.shape == (len(weights), len(EMOTIONS))
    assert np.isfinite(weights).all()
    assert weights.min() >= 0
    assert weights.max() <= 1
    still = [i for i, name in enumerate(LIVELINK_61) if name not in net.bundle.drives]
    assert set(range(51, 61)) <= set(still)
    assert not weights[:, still].any()
    np.testing.assert_allclose(emotion.sum(axis=1), 1, atol=1e-5)


def test_its_mouth_follows_the_default_bundle(hello: np.ndarray) -> None:
    """On the shipped sample, heard by neither in training, the lip gaps go together; loudness alone gives less."""
    small, default = (predictor_of(load_bundle(name)).predict(hello).gap for name in ("neurosync-small", "default"))
    assert len(small) == len(default) == 1 + len(hello) // 160
    assert pearson(small, default) > 0.8


def test_what_gives_no_face_is_not_judged() -> None:
    """A bundle of emotions is refused with one sentence, before anything is fitted."""
    with pytest.raises(UsageError, match="gives emotions and no face"):
        evaluate(load_bundle("emotion"), {}, [], [])


def test_digital_silence_is_the_resting_face(net: WindowNet) -> None:
    """No sound, no movement: not even a little, in windows of any length."""
    for frames in (20, 300):
        assert not net.whole(rows_of(net, np.zeros(frames * 267, np.float32)))[0].any()


def test_channels_are_learned_by_name() -> None:
    """Values that stand at their names in Live Link's order cost nothing against the same in canonical order; left and
    right exchanged cost something."""
    random = np.random.default_rng(3)
    wanted = {name: random.random((1, 30)).astype(np.float32) for name in ARKIT}

    def cost(told: dict[str, np.ndarray]) -> float:
        values = torch.zeros(1, 30, 68)
        for column, name in enumerate(LIVELINK_61[:52]):
            values[..., column] = torch.from_numpy(told[name])
        weights = torch.from_numpy(np.stack([wanted[name] for name in ARKIT], axis=-1))
        terms = small_terms(values, weights, torch.zeros(1, 30, 7), torch.ones(60), TINY.loss, 0.0)
        return float(sum(term.error for term in terms))

    exchanged = wanted | {"mouthSmileLeft": wanted["mouthSmileRight"], "mouthSmileRight": wanted["mouthSmileLeft"]}
    assert cost(wanted) == 0 < cost(exchanged)
    assert {"mouthSmileLeft", "mouthSmileRight", "jawOpen"} <= set(DRIVES)
    assert "tongueOut" not in DRIVES


def speech() -> SpeechTable:
    """Three recordings of two seconds: nobody, a human being, a machine; the jaw says which."""
    rows, count = 201, 32_000
    random = np.random.default_rng(1)
    weights = np.repeat(np.eye(3, len(ARKIT))[:, None], rows, axis=1)
    return SpeechTable(
        samples=(random.standard_normal(3 * count) * 3000).astype(np.int16),
        weights=weights.reshape(-1, len(ARKIT)).astype(np.float16),
        emotion=np.tile(np.eye(7, dtype=np.float16)[3], (3 * rows, 1)),
        kinds=np.array([NOBODY, CAPTURED, SYNTHETIC], np.int8),
        starts=np.arange(4)[:, None] * [count, rows],
    )


def test_a_clip_is_a_pure_function_of_its_number() -> None:
    """The same number gives the same bytes, another one another clip; faces and emotions are as long as the rows."""
    spec, feature = ClipSpec(seconds=(2.2, 3.0), speed=0), FeatureSpec(kind="mfcc", rows=78)
    first, again, other = (make_clip(speech(), spec, feature, 1, number) for number in (4, 4, 5))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0][:50], other[0][:50])
    rows, weights, emotion = first
    assert len(rows) == len(weights) == len(emotion) >= 128
    assert rows.shape[1] == 78
    np.testing.assert_allclose(emotion.sum(axis=1), 1, atol=2e-3)


def test_clips_are_made_once(tmp_path: Path) -> None:
    """A second start reads the files that lie there and makes the rest; crops never reach over the edge of a clip."""
    made = []

    def make(number: int) -> list[np.ndarray]:
        made.append(number)
        return [np.full((8 + number % 3, 1), number, np.float32)]

    clip_table(make, 1, tmp_path)
    table = clip_table(make, 2, tmp_path)
    assert made == list(range(2 * CLIPS))
    (crops,) = table.crops(8, 50, np.random.default_rng(0))
    assert crops.shape == (50, 8, 1)
    assert (crops == crops[:, :1]).all()


def material() -> Material:
    """Two clips of noise."""
    random = np.random.default_rng(2)
    columns: list[Any] = [random.standard_normal((600, 78)), random.random((600, 52)), np.tile(np.eye(7)[4], (600, 1))]
    return Material(ClipTable(tuple(c.astype(np.float16) for c in columns), np.array([0, 300, 600])), [], {"data": ""})


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """Two steps, a stop, and two more give the bits of four; a run of another recipe is refused."""
    whole, stopped = begin(TINY), begin(TINY)
    learn(whole, TINY, material(), tmp_path / "whole", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        learn(stopped, TINY, material(), tmp_path / "part", signal_at(2))
    again = begin(TINY)
    restore(again, TINY, tmp_path / "part" / "checkpoint.safetensors")
    learn(again, TINY, material(), tmp_path / "part", lambda *_: None)
    assert again.step == 4
    assert all(torch.equal(whole.mean[name], again.mean[name]) for name in whole.mean)
    with pytest.raises(CheckpointError, match="learning_rate"):
        restore(begin(TINY), replace(TINY, learning_rate=1.0), tmp_path / "part" / "checkpoint.safetensors")


def signal_at(step: int) -> Any:
    """A report that interrupts, as Ctrl-C does, after a step."""
    import os
    import signal

    return lambda done, *_: os.kill(os.getpid(), signal.SIGINT) if done == step else None


def test_from_sound_to_bundle(tmp_path: Path, hello: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb asks the teachers, makes clips, trains; the run's best weights become a bundle of the recipe's shape."""
    monkeypatch.setattr("voxface.training.clip_table.CLIPS", 2)
    recipe = replace(TINY, steps=2, files=1, validate_every=1, clips=ClipSpec(seconds=(2.2, 2.4), speed=0))
    monkeypatch.setattr(neurosync_small, "chosen", lambda request: recipe)
    (tmp_path / "sound").mkdir()
    soundfile.write(tmp_path / "sound" / "hello.wav", hello[:24_000], 16_000)
    teachers = ["default", "emotion"]
    train(tmp_path / "run", recipe="neurosync-small", sound=[tmp_path / "sound"], teacher=teachers, quiet=True)
    bundle, difference = export_bundle(tmp_path / "run", tmp_path / "made.voxface", about={"licences": ["mine"]})
    assert difference < 1e-4
    assert bundle.drives == DRIVES
    assert bundle.training["teachers"] == teachers
    assert bundle.training["recipe"]["net"]["hidden"] == 16
    (tmp_path / "run" / "checkpoint.safetensors").unlink()  # stopped before the first one: its clips still lie there
    monkeypatch.setattr(neurosync_small, "chosen", lambda request: replace(recipe, seed=8))
    with pytest.raises(CheckpointError, match=r"material\.seed 1 is now 8"):
        neurosync_small.train(TrainRequest(tmp_path / "run", (), (tmp_path / "sound",), ("default", "emotion")), print)


def test_it_needs_both_kinds_of_teachers(tmp_path: Path) -> None:
    """Without a bundle that knows faces or one that knows emotions, one sentence says which flags to give."""
    with pytest.raises(UsageError, match="--teacher default --teacher emotion"):
        neurosync_small.train(TrainRequest(tmp_path, teachers=("default",)), lambda *_: None)


def test_flags_that_mean_nothing_to_it_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A width or a table of phones is for other recipes: one sentence, and nothing is begun."""
    with pytest.raises(SystemExit):
        train(tmp_path / "run", recipe="neurosync-small", width=8)
    assert "recipe 'neurosync-small' has no --width" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
