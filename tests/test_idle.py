"""Idle motion: eyes, brows and head live as people's do, by chance that can be repeated, and in time with the voice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxface.errors import UsageError
from voxface.face.axes import euler_angles
from voxface.face.rig import HEAD
from voxface.runtime.gaze import EYES, IN_DEG, OUT_DEG
from voxface.runtime.idle import IDLE, Idle, IdleMotion, load_idle
from voxface.runtime.polish import load_polish
from voxface.runtime.prosody import Prosody
from voxface.stream import run_whole


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
