"""Idle motion in sessions: it moves what the bundle does not drive, costs no latency, and can be switched off."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import voxface
from tests.conftest import SAMPLE
from voxface.audio.features import FeatureSpec
from voxface.bundle import Bundle, OutputSpec, load_bundle, save_bundle
from voxface.errors import BundleSchemaError
from voxface.face.rig import ARKIT, HEAD, MOUTH
from voxface.runtime.animate import join, open_animator
from voxface.runtime.gaze import EYES
from voxface.runtime.idle import IDLE, Idle
from voxface.runtime.polish import Polish
from voxface.runtime.session import Session

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the bundle of these tests cannot be made")

Maker = Callable[..., Bundle]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Makes bundles without memory: every weight is a little of the loudest band, and the head is turned."""

    def make(drives: tuple[str, ...] | None = MOUTH, head: bool = False, look_ahead: int = 6) -> Bundle:
        folder = tmp_path_factory.mktemp("bundle") / "tiny.voxface"
        outputs = [OutputSpec("weights", ARKIT, "weight")] + [OutputSpec("head", HEAD, "metres, quaternion")] * head
        return save_bundle(
            folder, model=linear_model(head), name="tiny", feature=FeatureSpec(), look_ahead_rows=look_ahead, states=(),
            outputs=outputs, training={}, metrics={}, drives=drives,
        )  # fmt: skip

    return make


def linear_model(head: bool) -> bytes:
    """An ONNX model: weights = rows / 400 + .2 of one band each; head = the identity, 1 cm to the left."""
    from onnx import TensorProto, helper, numpy_helper

    matrix = np.zeros((80, 52), np.float32)
    matrix[np.arange(52) % 12, np.arange(52)] = 1 / 400
    nodes = [
        helper.make_node("MatMul", ["rows", "matrix"], ["part"]),
        helper.make_node("Add", ["part", "offset"], ["weights"]),
    ]
    values = {"matrix": matrix, "offset": np.array(0.2, np.float32)}
    outputs = [helper.make_tensor_value_info("weights", TensorProto.FLOAT, [None, None, 52])]
    if head:
        pose = np.array([0.01, 0, 0, 1, 0, 0, 0], np.float32)
        values |= {"none": np.zeros((80, 7), np.float32), "pose": pose}
        nodes += [
            helper.make_node("MatMul", ["rows", "none"], ["still"]),
            helper.make_node("Add", ["still", "pose"], ["head"]),
        ]
        outputs.append(helper.make_tensor_value_info("head", TensorProto.FLOAT, [None, None, 7]))
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, None, 80])], outputs,
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def stream(session: Session, sound: np.ndarray, packet: int) -> voxface.FaceClip:
    state, clips = session.start(), []
    for at in range(0, len(sound), packet):
        state, clip = session.step(state, sound[at : at + packet])
        clips.append(clip)
    return join([*clips, session.finish(state)])


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("look_ahead", [0, 4, 31])
def test_packet_size_never_changes_the_face(rate: int, look_ahead: int, tiny: Maker, speech: np.ndarray) -> None:
    """With idle motion too, sound cut into packets of any size gives the frames of the whole recording, to 1e-5."""
    session = Session(open_animator(tiny(look_ahead=look_ahead), 1), rate)
    whole = stream(session, speech, len(speech))
    for packet in (37, 160, 1_024, 30_000):
        sound = speech[:20_000] if packet == 37 else speech
        cut = stream(session, sound, packet)
        begun = len(cut) if packet != 37 else int((len(sound) / rate - 0.35) * 60)  # before the end is heard
        np.testing.assert_allclose(cut.weights[:begun], whole.weights[:begun], atol=1e-5)
        assert cut.head is not None
        assert whole.head is not None
        np.testing.assert_allclose(cut.head[:begun], whole.head[:begun], atol=1e-5)
        assert np.ptp(cut.head[:, 4]) > 0.001


def test_no_frame_comes_later_for_it(tiny: Maker, speech: np.ndarray) -> None:
    """Packet by packet, a session with idle motion gives as many frames as one without."""
    animator = open_animator(tiny(), 1)
    still, alive = Session(animator, 16_000, idle=None), Session(animator, 16_000)
    states = [still.start(), alive.start()]
    for at in range(0, 30_000, 120):
        counts = []
        for i, session in enumerate((still, alive)):
            states[i], clip = session.step(states[i], speech[at : at + 120])
            counts.append(len(clip))
        assert counts[0] == counts[1]


def test_chance_can_be_repeated(tiny: Maker, speech: np.ndarray) -> None:
    """Same seed and same sound: same bytes. Another seed: other blinks, another way of the head, the same mouth."""
    bundle = tiny()
    first, again, other = (voxface.animate(speech, 16_000, bundle=bundle, idle=Idle(seed=s)) for s in (3, 3, 4))
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.head is not None
    assert other.head is not None
    assert first.head.tobytes() == again.head.tobytes()
    assert np.abs(first.channel("eyeBlinkLeft") - other.channel("eyeBlinkLeft")).max() > 0.5
    assert np.abs(first.head - other.head).max() > 0.005
    for name in MOUTH:
        np.testing.assert_array_equal(first.channel(name), other.channel(name))


def test_the_frame_rate_changes_no_time(tiny: Maker, speech: np.ndarray) -> None:
    """Every second frame at 100 fps is a frame at 50 fps: events stand on the clock of the sound."""
    bundle = tiny()
    fine, coarse = (voxface.animate(speech, 16_000, bundle=bundle, fps=fps) for fps in (100, 50))
    np.testing.assert_array_equal(fine.weights[::2], coarse.weights)


def test_what_the_bundle_does_not_drive_rests_without_idle(tiny: Maker, speech: np.ndarray) -> None:
    """A bundle that drives the mouth: without idle motion everything else is exactly 0 and there is no head; with it
    the mouth is the same, and eyes and head live; --mouth-only stills them again."""
    bundle = tiny()
    still, alive = (voxface.animate(speech, 16_000, bundle=bundle, idle=idle, emotion=None) for idle in (None, Idle()))
    mouth = voxface.animate(speech, 16_000, bundle=bundle, polish=Polish(mouth_only=True))
    assert still.head is None
    assert mouth.head is None
    assert alive.head is not None
    for name in ARKIT:
        if name in MOUTH:
            assert still.channel(name).max() > 0
            np.testing.assert_array_equal(still.channel(name), alive.channel(name))
        else:
            assert not still.channel(name).any()
            assert not mouth.channel(name).any()
            assert alive.channel(name).any() == (name in IDLE)


def test_a_bundle_that_drives_everything_is_left_alone(tiny: Maker, speech: np.ndarray) -> None:
    """Where the bundle drives all channels and the head, idle motion changes no byte; a bundle file without `drives`
    is such a one."""
    bundle = tiny(drives=None, head=True)
    assert "drives" not in json.loads((bundle.folder / "bundle.json").read_text())
    assert load_bundle(bundle.folder).drives == ARKIT + HEAD
    assert json.loads((tiny().folder / "bundle.json").read_text())["drives"] == list(MOUTH)
    still, alive = (voxface.animate(speech, 16_000, bundle=bundle, idle=idle) for idle in (None, Idle()))
    assert still.weights.tobytes() == alive.weights.tobytes()
    assert still.head is not None
    assert alive.head is not None
    assert still.head.tobytes() == alive.head.tobytes()
    assert still.head[0, 0] == np.float32(0.01)


def test_a_head_that_is_not_driven_moves_by_itself(tiny: Maker, speech: np.ndarray) -> None:
    """A bundle may give a head and say that it does not drive it: idle motion replaces it, without idle there is
    none."""
    bundle = tiny(drives=ARKIT, head=True)
    still, alive = (voxface.animate(speech, 16_000, bundle=bundle, idle=idle) for idle in (None, Idle()))
    assert still.head is None
    assert alive.head is not None
    assert np.ptp(alive.head[:, 4]) > 0.005
    assert still.weights.tobytes() == alive.weights.tobytes()


def test_bundles_cannot_drive_what_they_do_not_give(tiny: Maker) -> None:
    """`drives` names channels of the bundle's outputs, and the head as a whole."""
    with pytest.raises(BundleSchemaError, match="headW"):
        tiny(drives=(*MOUTH, *HEAD))
    with pytest.raises(BundleSchemaError, match="part of the head"):
        tiny(drives=(*MOUTH, *HEAD[:3]), head=True)
    with pytest.raises(BundleSchemaError, match="jawOpn"):
        tiny(drives=("jawOpn",))


def test_the_command_line(tiny: Maker, tmp_path: Path) -> None:
    """`voxface animate` blinks by default; --no-idle (an emotion would still show),
    --idle-seed and [idle] do what the library does; a seed below 0
    is refused with exit code 2."""
    bundle = tiny().folder
    (tmp_path / "calm.toml").write_text("[idle]\nblinks = 0\ngaze = 0\nhead = 0\n")

    def clip(*flags: str) -> voxface.FaceClip:
        command = [sys.executable, "-m", "voxface.cli.main", "animate", str(SAMPLE), "--bundle", str(bundle)]
        done = subprocess.run([*command, "-o", "x.json", *flags], cwd=tmp_path, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return voxface.read(tmp_path / "x.json")

    plain, still, other = clip(), clip("--no-idle", "--no-emotion"), clip("--idle-seed", "9")
    calm = clip("--gains", "calm.toml")
    direct = voxface.animate(SAMPLE, bundle=bundle)
    np.testing.assert_allclose(plain.weights, direct.weights, atol=1e-4)
    assert plain.channel("eyeBlinkLeft").max() > 0.4
    assert not any(still.channel(name).any() for name in ARKIT if name not in MOUTH)
    assert np.abs(plain.weights - other.weights).max() > 0.3
    assert not any(calm.channel(name).any() for name in (*EYES, "eyeBlinkLeft"))
    command = [sys.executable, "-m", "voxface.cli.main", "animate", str(SAMPLE), "--idle-seed", "-1", "--json"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    assert refused.returncode == 2
    assert b"seed" in refused.stdout + refused.stderr
