"""Joint training: synthetic speech beside captured faces, teachers, and what a bundle makes of two heads."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: training cannot be tested")
pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed: training cannot be tested")
pytest.importorskip("onnx", reason="onnx is not installed: export cannot be tested")
soundfile = pytest.importorskip("soundfile")

from tests.fake_recordings import JAW, fake_recordings  # noqa: E402
from tests.small_training import phone_loss  # noqa: E402
from voxface.articulation.channels import ARTICULATED  # noqa: E402
from voxface.articulation.curves import curves  # noqa: E402
from voxface.articulation.phones import CLOSURES, PHONES, Phone  # noqa: E402
from voxface.bundle import load_bundle  # noqa: E402
from voxface.dataset.recording import Recording  # noqa: E402
from voxface.errors import CheckpointError, DatasetError, UsageError  # noqa: E402
from voxface.face.gap import rig_gap  # noqa: E402
from voxface.face.rig import ARKIT  # noqa: E402
from voxface.models.tcn import Tcn, TcnConfig  # noqa: E402
from voxface.runtime.animator import Animator  # noqa: E402
from voxface.stream import run_whole  # noqa: E402
from voxface.training import loop  # noqa: E402
from voxface.training.augment import NO_AUGMENT, AugmentSpec, augment  # noqa: E402
from voxface.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from voxface.training.data import build_material, make_batch  # noqa: E402
from voxface.training.export import export_bundle  # noqa: E402
from voxface.training.gather import Source, gather, with_phones  # noqa: E402
from voxface.training.recipes import Recipe, joint  # noqa: E402
from voxface.training.rest import rest_recordings  # noqa: E402
from voxface.training.shipped import Shipped, split_heads  # noqa: E402
from voxface.training.teach import Teachers, sound_recordings  # noqa: E402

CLOSE = ARKIT.index("mouthClose")


pytestmark = pytest.mark.usefixtures("one_thread")


def tiny(**changes: Any) -> Recipe:
    """The joint recipe, small enough to train in a second or two."""
    config = replace(joint().config, width=16, look_ahead_rows=3)
    small = {"config": config, "crop_rows": 64, "batch": 6, "synthetic_crops": 3, "steps": 8, "warmup_steps": 2}
    return replace(
        joint(), **(small | {"validate_every": 4, "precision": "32-true", "smoothing": 0, "closing": 1.0} | changes)
    )


def spoken(recording: Recording) -> Recording:
    """A fake recording as if a machine had said "p" while it is silent and "aa" while it is loud."""
    jaw = recording.weights[:, JAW] > 0.1
    turns = np.flatnonzero(np.diff(jaw.astype(int))) + 1
    edges = [0, *turns.tolist(), len(jaw)]
    pairs = itertools.pairwise(edges)
    phones = tuple(Phone("aa" if jaw[a] else "p", a / 100, b / 100) for a, b in pairs)
    return replace(recording, name=f"said-{recording.name}", synthetic=True, phones=phones)


CAPTURED, HELD_OUT = fake_recordings(4), fake_recordings(2, "validate")
SYNTHETIC = [spoken(recording) for recording in fake_recordings(3, "test")]


def test_a_batch_holds_both_kinds() -> None:
    """The first crops are of captured faces without known phones, the others of synthetic speech with its phones."""
    recipe = tiny(augment=NO_AUGMENT)
    batch = make_batch(build_material([*CAPTURED, *SYNTHETIC], recipe), recipe, 0)
    assert batch.captured == 3
    assert all(name.startswith("said-") == (i >= 3) for i, name in enumerate(batch.names))
    assert (batch.phones[:3] == -1).all()
    said = batch.phones[3:]
    assert set(np.unique(said)) <= {-1, PHONES.index("aa"), PHONES.index("p")}
    open_rows = batch.targets[3:, :, JAW] > 0.15
    assert (said[open_rows & (said >= 0)] == PHONES.index("aa")).all()
    assert open_rows.any()


def test_both_heads_learn_their_own(tmp_path: Path) -> None:
    """150 joint steps bring the captured head, the articulated head and the shipped mix of both to r > 0.8."""
    recipe = tiny(steps=150, validate_every=150, learning_rate=5e-3, config=replace(tiny().config, width=32))
    found = loop.train([*CAPTURED, *SYNTHETIC], HELD_OUT, recipe, tmp_path)
    assert min(found["gap_r"], found["gap_r_captured"], found["gap_r_articulated"]) > 0.8


def test_a_net_with_one_head_learns_from_both_kinds(tmp_path: Path) -> None:
    """A student has no articulated head: synthetic crops teach the head that it has, as captured ones do."""
    recipe = tiny(config=TcnConfig(channels=52, width=32, look_ahead_rows=3), phone_weight=0.0)
    few = replace(recipe, synthetic_crops=5, steps=120, validate_every=120, learning_rate=5e-3)
    silent = [replace(CAPTURED[0], weights=np.zeros_like(CAPTURED[0].weights), gap=np.zeros_like(CAPTURED[0].gap))]
    assert loop.train([*silent, *SYNTHETIC], HELD_OUT, few, tmp_path)["gap_r"] > 0.7


def test_joint_training_resumes_to_the_last_bit(tmp_path: Path) -> None:
    """Stopped in the middle and resumed: the bytes of a run that was never stopped."""
    data = [*CAPTURED, *SYNTHETIC]
    loop.train(data, HELD_OUT, tiny(), tmp_path / "whole")
    loop.train(data, HELD_OUT, tiny(), tmp_path / "cut", stop_at=3)
    loop.train(data, HELD_OUT, tiny(), tmp_path / "cut", resume=True)
    for name in ("checkpoint.safetensors", "log.csv", "validation.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_run_may_begin_with_the_weights_of_another(tmp_path: Path) -> None:
    """Fine-tuning: step 0 is the other run's net; a net of another shape is refused and leaves nothing behind."""
    data = [*CAPTURED, *SYNTHETIC]
    loop.train(data, HELD_OUT, tiny(steps=30, validate_every=30), tmp_path / "first")
    still = tiny(steps=1, validate_every=1, learning_rate=0.0, seed=9)
    found = loop.train(data, HELD_OUT, still, tmp_path / "second", start_from=tmp_path / "first")
    before, after = (load_checkpoint(tmp_path / name) for name in ("first", "second"))
    for name, tensor in before[1].items():
        if name.startswith("mean."):
            torch.testing.assert_close(after[1][name], tensor)
    assert found["gap_r"] == pytest.approx(before[0].validated["gap_r"], abs=1e-6)
    wider = tiny(config=replace(tiny().config, width=24))
    with pytest.raises(CheckpointError, match="another shape"):
        loop.train(data, [], wider, tmp_path / "third", start_from=tmp_path / "first")
    assert not (tmp_path / "third").exists()


def test_known_phones_teach_twice() -> None:
    """Recordings named in a table of phones keep their face and get their phones, and come once more with the curves
    of these; a table that names none is refused."""
    said = {CAPTURED[1].name: SYNTHETIC[0].phones, "somebody else": SYNTHETIC[1].phones}
    found = [source.read() for source in with_phones([*map(Source.of, CAPTURED)], said)]
    assert [one.synthetic for one in found] == [False] * 4 + [True]
    assert [bool(one.phones) for one in found] == [False, True, False, False, True]
    spoken = found[-1]
    np.testing.assert_array_equal(spoken.weights, curves(SYNTHETIC[0].phones, spoken.rows))
    np.testing.assert_array_equal(spoken.samples, CAPTURED[1].samples)
    assert {name for name, seen in zip(ARKIT, spoken.observed, strict=True) if seen} == set(ARTICULATED)
    with pytest.raises(DatasetError, match="names none"):
        with_phones([*map(Source.of, CAPTURED)], {"somebody else": SYNTHETIC[1].phones})


def test_without_synthetic_speech_the_recipe_says_so(tmp_path: Path) -> None:
    """A recipe that wants synthetic speech names the command that makes it."""
    with pytest.raises(DatasetError, match="voxface synth"):
        loop.train(CAPTURED, [], tiny(), tmp_path)


@pytest.mark.parametrize("speed", [0.0, 0.15])
def test_a_crop_at_another_speed_keeps_sound_and_face_together(speed: float) -> None:
    """Where the sound is loud the jaw is open, also in crops that run faster or slower; speeds do differ."""
    recipe = tiny(
        augment=replace(NO_AUGMENT, speed=speed), synthetic_crops=0, batch=32, crop_rows=96,
        config=TcnConfig(width=16, look_ahead_rows=5),
    )  # fmt: skip
    batch = make_batch(build_material(CAPTURED, recipe), recipe, 1)
    loud = batch.rows.mean(axis=2)[:, recipe.context_rows :]
    jaw, counted = batch.targets[:, :, JAW], batch.mask[:, :, JAW] > 0
    assert together(loud[:, :-5], jaw[:, 5:], counted[:, 5:]) > 0.85
    assert together(loud[:, 7:], jaw[:, :-7], counted[:, :-7]) < 0.6  # the test can tell 120 ms


def together(loud: Any, jaw: Any, counted: Any) -> float:
    """Mean correlation of loudness and jaw over crops with enough rows and movement."""
    pairs = [(a[m], b[m]) for a, b, m in zip(loud, jaw, counted, strict=True) if m.sum() > 60]
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))


def test_rooms_ring_and_bands_end() -> None:
    """Echo fills the silence behind a sound and never takes power away; a band limit empties only the high bands."""
    rows = np.full((8, 60, 80), -70.0, np.float32)
    rows[:, 20:30] = -10
    feature = joint().feature
    room = replace(NO_AUGMENT, room_share=1.0, room_s=(0.3, 0.5), room_db=(-3.0, 0.0))
    out, _ = augment(rows, room, feature, np.random.default_rng(1))
    assert (out >= rows - 1e-3).all()
    assert out[:, 33].min() > -45
    np.testing.assert_allclose(out[:, :20], rows[:, :20], atol=3.1)  # a floor that rings is at most twice itself
    narrow, _ = augment(rows, replace(NO_AUGMENT, band_share=1.0), feature, np.random.default_rng(1))
    np.testing.assert_array_equal(narrow[:, :, :30], rows[:, :, :30])
    assert (narrow[:, 25, 79] <= -40).all()


def test_babble_is_softer_than_the_speaker() -> None:
    """Other people are mixed in at the drawn distance: never louder, and only where they are asked for."""
    rows = np.full((4, 50, 80), -20.0, np.float32)
    others = np.full((4, 50, 80), -20.0, np.float32)
    spec = replace(NO_AUGMENT, babble_share=1.0, babble_db=(3.0, 10.0))
    out, _ = augment(rows, spec, joint().feature, np.random.default_rng(3), others)
    assert ((out > -20) & (out < -18.2)).all()
    np.testing.assert_array_equal(augment(rows, spec, joint().feature, np.random.default_rng(3))[0], rows)


def test_plain_crops_are_left_alone() -> None:
    """With plain_share 1 nothing but the gain changes a crop, whatever else the recipe asks for."""
    rows = np.random.default_rng(0).uniform(-60, 0, (6, 40, 80)).astype(np.float32)
    spec = replace(joint().augment, plain_share=1.0, gain_db=0.0, silence_share=0.0)
    np.testing.assert_array_equal(augment(rows, spec, joint().feature, np.random.default_rng(2), rows)[0], rows)
    assert AugmentSpec().plain_share == 0


def test_phones_that_are_not_known_do_not_count() -> None:
    """The cross-entropy is over known rows only: -1 changes nothing, and none known at all costs nothing."""
    logits = torch.randn(2, 5, len(PHONES), generator=torch.Generator().manual_seed(1))
    phones = torch.tensor([[1, 2, -1, -1, 3], [-1, 4, 4, -1, 0]])
    known = torch.nn.functional.cross_entropy(logits[phones >= 0], phones[phones >= 0])
    torch.testing.assert_close(phone_loss(logits, phones), known)
    assert float(phone_loss(logits, torch.full((2, 5), -1))) == 0


def shipped_pair(share: float) -> tuple[Shipped, torch.Tensor, torch.Tensor]:
    """A lively two-headed net as shipped, its weights, and what its heads say, over random rows."""
    torch.manual_seed(2)
    recipe = tiny(captured_share=share)
    net = Tcn(recipe.config).eval()
    with torch.no_grad():
        for head in (net.captured, net.articulated):
            head.leave.weight.mul_(10)
            head.leave.bias.fill_(2.0)
    rows = torch.randn(1, 200, 80, generator=torch.Generator().manual_seed(4)) * 20 - 35
    shipped = Shipped(net, recipe).eval()
    with torch.no_grad():
        return shipped, shipped(rows, *net.start())[0][0], net(rows)[0]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_jaw_brings_the_lips_to_the_common_gap(share: float) -> None:
    """The shipped lip gap is the weighted mean of both heads' gaps, less the probability of p, b and m, wherever the
    jaw can reach it; mouthClose never exceeds the jaw; channels that are not driven are 0."""
    shipped, weights, out = shipped_pair(share)
    heads = split_heads(out, shipped.net.config)
    relaxed = [((head[:, :52] - rest) / (1 - rest)).clamp(0, 1) for head, rest in
               ((heads.captured, shipped.rest), (heads.articulated, shipped.own_rest))]  # fmt: skip
    gaps = [torch.from_numpy(rig_gap(head.numpy(), ARKIT)) for head in relaxed]
    bilabial = torch.tensor([name in CLOSURES for name in PHONES])
    apart = 1 - torch.softmax(heads.phones, dim=-1)[:, bilabial].sum(dim=-1)
    wanted = apart * (share * gaps[0] + (1 - share) * gaps[1])
    own = torch.from_numpy(rig_gap(weights.numpy(), ARKIT))
    reached = (weights[:, JAW] > 0) & (weights[:, JAW] < 1) & (weights[:, CLOSE] < weights[:, JAW])
    assert reached.sum() >= 10
    torch.testing.assert_close(own[reached], wanted[reached], atol=1e-4, rtol=0)
    assert (weights[:, CLOSE] <= weights[:, JAW] + 1e-6).all()
    still = [i for i, name in enumerate(ARKIT) if name not in ARTICULATED]
    assert not weights[:, still].any()


def test_a_bundle_of_two_heads_rests_on_silence(tmp_path: Path) -> None:
    """The exported joint net gives the 52 weights and no head pose, and exactly rests on digital silence."""
    loop.train([*CAPTURED, *SYNTHETIC], [], tiny(steps=3), tmp_path / "run")
    bundle, difference = export_bundle(tmp_path / "run", tmp_path / "two.voxface")
    assert difference <= 1e-4
    assert [out.name for out in bundle.outputs] == ["weights"]
    assert not run_whole(Animator(bundle), np.zeros(8000, np.float32)).any()


def test_runs_exported_together_say_their_mean(tmp_path: Path) -> None:
    """Two runs as one bundle give the mean of what they give alone, as a stream too; runs that do not go together, or
    give a head pose, are refused."""
    runs, alone = [], []
    for seed in (1, 2):
        runs.append(tmp_path / f"run{seed}")
        loop.train([*CAPTURED, *SYNTHETIC], [], tiny(steps=3, seed=seed), runs[-1])
        alone.append(export_bundle(runs[-1], tmp_path / f"t{seed}.voxface")[0])
    both, difference = export_bundle(runs, tmp_path / "both.voxface")
    assert difference <= 1e-4
    own, *parts = (run_whole(Animator(bundle), SYNTHETIC[0].samples, 1000) for bundle in (both, *alone))
    np.testing.assert_allclose(own, (parts[0] + parts[1]) / 2, atol=1e-5)
    assert both.training["together_with"][0]["recipe"]["seed"] == 2
    loop.train(
        [*CAPTURED, *SYNTHETIC], [], tiny(steps=1, config=replace(tiny().config, look_ahead_rows=4)), tmp_path / "x"
    )
    with pytest.raises(CheckpointError, match="go together"):
        export_bundle([runs[0], tmp_path / "x"], tmp_path / "no.voxface")
    posed = tiny(steps=1, config=TcnConfig(width=16, look_ahead_rows=3), synthetic_crops=0, phone_weight=0.0)
    loop.train(CAPTURED, [], posed, tmp_path / "posed")
    with pytest.raises(CheckpointError, match="head pose"):
        export_bundle([tmp_path / "posed", tmp_path / "posed"], tmp_path / "no.voxface")
    assert not (tmp_path / "no.voxface").exists()


def test_a_smoothed_bundle_is_the_same_face_averaged(tmp_path: Path) -> None:
    """Order 2 averages each row with its neighbours (1 2 1), on the right clock by one more row of look-ahead, as a
    stream too; a net with a head pose is refused."""
    loop.train([*CAPTURED, *SYNTHETIC], [], tiny(steps=20, learning_rate=5e-3), tmp_path / "run")
    header, tensors = load_checkpoint(tmp_path / "run")
    bundles = []
    for order in (0, 2):
        save_checkpoint(
            tmp_path / f"{order}.safetensors", replace(header, recipe=header.recipe | {"smoothing": order}), tensors
        )
        bundles.append(export_bundle(tmp_path / f"{order}.safetensors", tmp_path / f"{order}.voxface")[0])
    assert [bundle.look_ahead_rows for bundle in bundles] == [3, 4]
    plain, smooth = (run_whole(Animator(bundle), SYNTHETIC[0].samples, 777) for bundle in bundles)
    expected = (plain[:-2] + 2 * plain[1:-1] + plain[2:]) / 4
    np.testing.assert_allclose(smooth[1:-1], expected, atol=1e-5)
    assert smooth[1:-1].any()
    posed = replace(tiny(), config=TcnConfig(width=16), synthetic_crops=0, phone_weight=0.0, smoothing=2, steps=1)
    loop.train(CAPTURED, [], posed, tmp_path / "posed")
    with pytest.raises(CheckpointError, match="head pose"):
        export_bundle(tmp_path / "posed", tmp_path / "posed.voxface")


def test_teachers_answer_with_their_mean(tmp_path: Path) -> None:
    """What is learned from teachers is the mean of what their bundles say of the same sound, every row of it."""
    bundles = []
    for seed in (1, 2):
        loop.train([*CAPTURED, *SYNTHETIC], [], tiny(steps=3, seed=seed), tmp_path / f"run{seed}")
        bundles.append(export_bundle(tmp_path / f"run{seed}", tmp_path / f"t{seed}.voxface")[0])
    taught = Teachers(bundles).taught(SYNTHETIC[0])
    own = [run_whole(Animator(bundle), SYNTHETIC[0].samples) for bundle in bundles]
    np.testing.assert_allclose(taught.weights, (own[0] + own[1]) / 2, atol=1e-6)
    assert taught.valid.all()
    assert taught.synthetic  # what it is does not change, so that recipes can mix kinds of sound
    np.testing.assert_allclose(taught.rig_gap_target(), rig_gap(taught.weights, ARKIT), atol=1e-6)


def test_rest_is_many_sounds_and_one_mouth() -> None:
    """Generated sounds without speech: the length asked for, three kinds at many levels, the same for a seed, finite;
    the mouth rests in every row and every row counts."""
    found = list(rest_recordings(2))
    assert len(found) == 6
    assert {one.name.rstrip("0123456789") for one in found} == {"rest/hum", "rest/tune", "rest/breath"}
    assert sum(one.duration_s for one in found) == pytest.approx(120)
    assert all(one.valid.all() and not one.calibrated().any() for one in found)
    levels = [20 * np.log10(one.samples.std()) for one in found]
    assert max(levels) - min(levels) > 10
    np.testing.assert_array_equal(found[4].samples, list(rest_recordings(2))[4].samples)
    assert not np.array_equal(found[0].samples, next(rest_recordings(1, seed=1)).samples)


def test_sound_without_faces_needs_a_teacher(tmp_path: Path) -> None:
    """A folder of recordings becomes material with a teacher, and is refused with one sentence without."""
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    with pytest.raises(DatasetError, match="no sound"):
        list(sound_recordings(sounds))
    soundfile.write(sounds / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(22_050), 22_050)
    found = list(sound_recordings(sounds))
    assert [(one.name, one.rows) for one in found] == [("sounds/a", 101)]
    with pytest.raises(UsageError, match="--teacher"):
        gather([], [], [sounds])
    taught = gather([], [str(load_bundle("default").folder)], [sounds])
    assert taught.recordings[0].valid.all()
    assert taught.about["teachers"] == ["default"]
    assert taught.about["data"] == "sounds: 1.0 s of speech in 1 recordings without faces"
