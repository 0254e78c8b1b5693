"""Idle motion: eyes, brows and head live where the bundle leaves them, by chance that can be repeated, and in time."""

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
from voxface.errors import BundleSchemaError, UsageError
from voxface.face.axes import euler_angles
from voxface.face.rig import ARKIT, HEAD, MOUTH
from voxface.runtime.animate import join, open_animator
from voxface.runtime.gaze import EYES, IN_DEG, OUT_DEG
from voxface.runtime.idle import IDLE, Idle, IdleMotion, load_idle
from voxface.runtime.polish import Polish, load_polish
from voxface.runtime.prosody import Prosody
from voxface.runtime.session import Session
from voxface.stream import run_whole

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


def moving(sound: np.ndarray, idle: Idle | None = None, look_ahead: int = 6) -> dict[str, np.ndarray]:
    """The rows of idle motion for a sound at 16 kHz, by channel."""
    rows = run_whole(IdleMotion(idle or Idle(), look_ahead), sound)
    assert len(rows) == 1 + len(sound) // 160
    return dict(zip(IDLE, rows.T, strict=True))


def angles(face: dict[str, np.ndarray]) -> np.ndarray:
    """(rows, 3) degrees of yaw, pitch, roll."""
    return np.degrees(euler_angles(np.stack([face[name] for name in HEAD[3:]], axis=1).astype(np.float64)))


@pytest.fixture(scope="module")
def ten_minutes(speech: np.ndarray) -> np.ndarray:
    return np.tile(speech, 60)


@pytest.fixture(scope="module")
def talking(ten_minutes: np.ndarray) -> dict[str, np.ndarray]:
    """The idle face over ten minutes of speech."""
    return moving(ten_minutes)


@pytest.fixture(scope="module")
def unmoved(ten_minutes: np.ndarray) -> dict[str, np.ndarray]:
    """The same without the head."""
    return moving(ten_minutes, Idle(head=0))


@pytest.fixture(scope="module")
def silent() -> dict[str, np.ndarray]:
    """The idle face over ten minutes of silence, gaze and head off."""
    return moving(np.zeros(9_600_000, np.float32), Idle(gaze=0, head=0))


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("look_ahead", [0, 6, 31])
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


def test_rounding_cannot_make_or_lose_an_event(ten_minutes: np.ndarray, talking: dict[str, np.ndarray]) -> None:
    """Sound that differs by 1e-6, as a resampler's rounding does, moves no channel by more than 1e-3 in ten minutes:
    no decision hangs on the sound, it only shifts times and sizes."""
    noise = 1e-6 * np.random.default_rng(1).uniform(-1, 1, len(ten_minutes)).astype(np.float32)
    other = moving(ten_minutes * (1 + noise))
    for name in IDLE:
        np.testing.assert_allclose(other[name], talking[name], atol=1e-3, err_msg=name)


@pytest.mark.parametrize("look_ahead", [0, 6, 31])
def test_it_hears_no_more_than_the_net(look_ahead: int, speech: np.ndarray) -> None:
    """A row does not change with sound later than half a window and the look-ahead behind it."""
    row = 500
    heard = 160 * (row + look_ahead) + 200
    other = np.concatenate([speech[:heard], 0.3 * np.random.default_rng(2).standard_normal(40_000)])
    before, after = moving(speech, look_ahead=look_ahead), moving(other.astype(np.float32), look_ahead=look_ahead)
    for name in IDLE:
        np.testing.assert_array_equal(before[name][: row + 1], after[name][: row + 1])
    assert any((before[name][row + 1 : 750] != after[name][row + 1 : 750]).any() for name in HEAD)


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


def blinks_of(lids: np.ndarray) -> list[np.ndarray]:
    """The rows of each blink from first to last motion."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], lids > 0, [0]]).astype(int)))
    return [lids[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def test_blinks_come_as_people_blink(ten_minutes: np.ndarray, silent: dict[str, np.ndarray]) -> None:
    """About 17 a minute in silence and more, up to 26, in speech (Bentivoglio 1997); intervals are skewed."""
    lids = silent["eyeBlinkLeft"]
    quiet, speaking = len(blinks_of(lids)), len(blinks_of(moving(ten_minutes, Idle(gaze=0))["eyeBlinkLeft"]))
    assert 14 < quiet / 10 < 20
    assert 1.15 * quiet < speaking < 310
    starts = np.flatnonzero((lids[1:] > 0) & (lids[:-1] == 0))
    between = np.diff(starts) / 100
    assert np.mean(between) > 1.1 * np.median(between)
    assert between.min() > 0.3


def test_lids_move_as_lids_do(silent: dict[str, np.ndarray]) -> None:
    """Both lids close alike, in 75 to 100 ms, open in 150 to 200 ms; four of five blinks close the eye, at 33 fps
    too."""
    lids = silent["eyeBlinkLeft"]
    np.testing.assert_array_equal(lids, silent["eyeBlinkRight"])
    blinks = blinks_of(lids)
    full = [blink for blink in blinks if blink.max() == 1]
    assert 0.7 < len(full) / len(blinks) < 0.9
    assert all(blink.max() > 0.45 for blink in blinks)
    for blink in full:
        shut = np.flatnonzero(blink == 1)
        assert 6 <= shut[0] <= 11
        assert 13 <= len(blink) - 1 - shut[-1] <= 21
        assert 3 <= len(shut) <= 5
    assert sum(blink.max() > 0.95 for blink in blinks_of(lids[::3])) == len(full)


def test_eyes_look_one_way(talking: dict[str, np.ndarray]) -> None:
    """No eye looks in and out, or up and down, at once; both look the same way; every direction is used, none fully."""
    face = talking
    for side in ("Left", "Right"):
        for one, other in (("In", "Out"), ("Up", "Down")):
            assert (face[f"eyeLook{one}{side}"] * face[f"eyeLook{other}{side}"]).max() == 0
    np.testing.assert_allclose(face["eyeLookOutLeft"] * OUT_DEG, face["eyeLookInRight"] * IN_DEG, atol=1e-4)
    np.testing.assert_allclose(face["eyeLookOutRight"] * OUT_DEG, face["eyeLookInLeft"] * IN_DEG, atol=1e-4)
    np.testing.assert_array_equal(face["eyeLookDownLeft"], face["eyeLookDownRight"])
    assert all(0.05 < face[name].max() < 0.9 for name in EYES)


def looking(face: dict[str, np.ndarray]) -> np.ndarray:
    """(rows,) degrees of yaw of the eyes in the head."""
    return face["eyeLookOutLeft"] * OUT_DEG - face["eyeLookInLeft"] * IN_DEG


def test_eyes_jump_and_rest(talking: dict[str, np.ndarray], unmoved: dict[str, np.ndarray]) -> None:
    """Eyes jump within 80 ms and rest between: at most one row in eight moves; while the head turns the eyes hold on to
    what they look at."""
    moves = np.abs(np.diff(looking(unmoved))) > 1e-3
    assert 0.01 < moves.mean() < 1 / 8
    edges = np.flatnonzero(np.diff(np.concatenate([[0], moves, [0]]).astype(int)))
    assert np.percentile(edges[1::2] - edges[::2], 99) <= 8
    np.testing.assert_allclose(looking(talking) + angles(talking)[:, 0], looking(unmoved), atol=1e-3)


def test_glances_away_are_more_often_while_talking(unmoved: dict[str, np.ndarray]) -> None:
    """A speaker looks away (beyond the listener's face) more than one who is silent, and for less than a third of the
    time."""
    shares = []
    for face in (unmoved, moving(np.zeros(9_600_000, np.float32), Idle(head=0))):
        down = 32 * face["eyeLookDownLeft"] - 23 * face["eyeLookUpLeft"]
        shares.append(np.mean(np.hypot(looking(face), down) > 4))
    assert 0.08 < shares[0] < 0.3
    assert 0.02 < shares[1] < 0.7 * shares[0]


def test_lids_follow_the_eyes(speech: np.ndarray) -> None:
    """Looking down lowers the lids a little, looking up widens them; without gaze they only blink."""
    face = moving(np.tile(speech, 6), Idle(blinks=0))
    np.testing.assert_allclose(face["eyeBlinkLeft"], 0.3 * face["eyeLookDownLeft"], atol=1e-6)
    np.testing.assert_allclose(face["eyeWideRight"], 0.3 * face["eyeLookUpRight"], atol=1e-6)
    assert 0.02 < face["eyeBlinkLeft"].max() < 0.3


def test_the_head_stays_within_its_limits(talking: dict[str, np.ndarray]) -> None:
    """In ten minutes of speech: unit quaternions that never flip, angles below 6 degrees, positions below 1 cm, no
    faster than 40 degrees a second and without jerks."""
    face = talking
    turn = np.stack([face[name] for name in HEAD[3:]], axis=1)
    np.testing.assert_allclose(np.linalg.norm(turn, axis=1), 1, atol=1e-6)
    assert (np.sum(turn[1:] * turn[:-1], axis=1) > 0.999).all()
    assert turn[0, 0] > 0
    assert np.abs(angles(face)).max() < 6
    assert max(np.abs(face[name]).max() for name in HEAD[:3]) < 0.01
    speed = 100 * np.diff(angles(face), axis=0)
    assert np.abs(speed).max() < 40
    assert np.abs(np.diff(speed, axis=0)).max() < 6  # degrees a second from one row to the next


def accented() -> np.ndarray:
    """Twenty seconds of a voice at 110 Hz, four syllables a second, one in eight louder and a fourth higher."""
    times = np.arange(320_000) / 16_000
    syllable = np.floor(times * 4)
    stress = (syllable % 8 == 4) * np.sin(np.pi * (times * 4 % 1)) ** 2
    phase = 2 * np.pi * np.cumsum(110 * 2 ** (5 * stress / 12)) / 16_000
    buzz = sum(np.sin(k * phase) / k for k in range(1, 15))
    return (0.05 * (1 + 1.5 * stress) * np.sin(np.pi * (times * 4 % 1)) * buzz).astype(np.float32)


def test_stress_nods_the_head_and_lifts_the_brows() -> None:
    """After a stressed syllable the head goes down within 0.4 s and brows go up, on the mean over seeds; silence moves
    the head far less."""
    sound = accented()
    nods, brows, moved = [], [], []
    for seed in range(6):
        face = moving(sound, Idle(seed), look_ahead=31)
        down = angles(face)[:, 1]
        for second in range(5, 19, 2):  # stressed from second to second + 0.25
            nods.append(down[100 * second : 100 * second + 40].max() - down[100 * second - 10])
            brows.append(face["browInnerUp"][100 * second : 100 * second + 60].max())
        moved.append(np.std(np.diff(angles(face), axis=0)))
    assert np.mean(nods) > 0.8
    assert np.mean(brows) > 0.05
    assert 0.15 < np.max(brows) < 0.6
    still = moving(np.zeros(320_000, np.float32))
    assert np.mean(moved) > 3 * np.std(np.diff(angles(still), axis=0))
    assert still["browInnerUp"].max() == 0


@pytest.mark.parametrize("hz", [85.0, 120.0, 200.0, 310.0])
def test_pitch_is_heard(hz: float) -> None:
    """A voice with harmonics is voiced and its pitch is right to half a semitone; noise is not voiced."""
    times = np.arange(16_000) / 16_000
    voice = sum(np.sin(2 * np.pi * k * hz * times) / k for k in range(1, 12)).astype(np.float32)
    ticks = run_whole(Prosody(), 0.05 * voice)[3:-3]
    np.testing.assert_allclose(ticks[:, 0], 12 * np.log2(hz / 75), atol=0.5)
    assert ticks[:, 1].min() > 0.8
    noise = np.random.default_rng(4).standard_normal(160_000).astype(np.float32)
    assert np.mean(run_whole(Prosody(), noise)[:, 1] > 0.6) < 0.05


def test_what_the_bundle_does_not_drive_rests_without_idle(tiny: Maker, speech: np.ndarray) -> None:
    """A bundle that drives the mouth: without idle motion everything else is exactly 0 and there is no head; with it
    the mouth is the same, and eyes and head live; --mouth-only stills them again."""
    bundle = tiny()
    still, alive = (voxface.animate(speech, 16_000, bundle=bundle, idle=idle) for idle in (None, Idle()))
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


def test_each_part_has_its_strength(speech: np.ndarray) -> None:
    """0 stills a part and leaves the others as they were; the strength scales gaze, head and brows, and how often the
    eyes blink."""
    sound = np.concatenate([accented(), speech])
    whole = moving(sound)
    for part, names in {"gaze": EYES, "brows": ("browInnerUp", "browOuterUpLeft"), "head": HEAD[:3]}.items():
        off, double = moving(sound, Idle(**{part: 0})), moving(sound, Idle(**{part: 2.0}))
        assert not any(off[name].any() for name in names)
        assert sum(np.ptp(double[name]) for name in names) > 1.5 * sum(np.ptp(whole[name]) for name in names)
    assert not moving(sound, Idle(blinks=0, gaze=0))["eyeBlinkLeft"].any()
    np.testing.assert_array_equal(moving(sound, Idle(blinks=0))["headX"], whole["headX"])
    often, seldom = (len(blinks_of(moving(sound, Idle(blinks=b, gaze=0))["eyeBlinkLeft"])) for b in (2.0, 0.5))
    assert often > 2 * seldom
    assert Idle(blinks=0, gaze=0, brows=0).channels == HEAD
    assert Idle(head=0, gaze=0, brows=0).channels == ("eyeBlinkLeft", "eyeBlinkRight")


def test_the_table_of_strengths(tmp_path: Path) -> None:
    """[idle] stands in the file of the gains; what is not there is as by default; a seed on the command line beats
    it."""
    path = tmp_path / "gains.toml"
    path.write_text("[gain]\njawOpen = 1.5\n[idle]\nseed = 5\nhead = 0.5\nblinks = 2\n")
    assert load_idle(path) == Idle(seed=5, head=0.5, blinks=2)
    assert load_idle(path, seed=7).seed == 7
    assert load_polish(path).gain == {"jawOpen": 1.5}
    assert load_idle(None) == Idle()


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("[idle]\nblink = 1\n", "'blink'"),
        ("[idle]\nhead = 9\n", "idle head"),
        ("[idle]\nhead = 'much'\n", "idle head"),
        ("[idle]\ngaze = nan\n", "idle gaze"),
        ("[idle]\nseed = -1\n", "seed"),
        ("[idle]\nseed = 0.5\n", "seed"),
        ("idle = 3\n", "no table"),
        ("[idel]\nhead = 1\n", "'idel'"),
    ],
)
def test_a_wrong_table_is_named(table: str, named: str, tmp_path: Path) -> None:
    """What [idle] cannot be is refused in one sentence that names it."""
    path = tmp_path / "gains.toml"
    path.write_text(table)
    with pytest.raises(UsageError, match=named):
        load_idle(path)


def test_the_command_line(tiny: Maker, tmp_path: Path) -> None:
    """`voxface animate` blinks by default; --no-idle, --idle-seed and [idle] do what the library does; a seed below 0
    is refused with exit code 2."""
    bundle = tiny().folder
    (tmp_path / "calm.toml").write_text("[idle]\nblinks = 0\ngaze = 0\nhead = 0\n")

    def clip(*flags: str) -> voxface.FaceClip:
        command = [sys.executable, "-m", "voxface.cli.main", "animate", str(SAMPLE), "--bundle", str(bundle)]
        done = subprocess.run([*command, "-o", "x.json", *flags], cwd=tmp_path, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return voxface.read(tmp_path / "x.json")

    plain, still, other = clip(), clip("--no-idle"), clip("--idle-seed", "9")
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
