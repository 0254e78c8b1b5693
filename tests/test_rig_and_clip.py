"""The face as values: rigs, clips, tracks, axes, lip gap, interpolation."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import make, track
from voxface.errors import ClipError, RigMismatchError, UsageError, VoxfaceError
from voxface.face.axes import (
    euler_angles,
    quaternion_from_euler,
    quaternion_from_matrix,
    rotation_matrix,
    sign_continuous,
)
from voxface.face.clip import FaceClip
from voxface.face.gap import CLOSED_BELOW, gap_vector, map_to_rig, rig_gap, video_gap
from voxface.face.interpolate import interpolate_head, interpolate_values, unit_head
from voxface.face.rig import ARKIT, EMOTIONS, HEAD, MOUTH, canonical_name, columns
from voxface.face.track import OBSERVED_BY_MEDIAPIPE, FaceTrack

SIDES = st.floats(-1.4, 1.4)

# ---- rig --------------------------------------------------------------------------------------------------------


def test_canonical_order_is_alphabetical() -> None:
    """SPEC C2: the 52 names sorted; tongueOut last, so that index i is MediaPipe's i + 1."""
    assert len(ARKIT) == 52
    assert list(ARKIT) == sorted(ARKIT)
    assert (ARKIT[0], ARKIT[24], ARKIT[51]) == ("browDownLeft", "jawOpen", "tongueOut")
    assert len(HEAD) == len(EMOTIONS) == 7


def test_left_and_right_come_in_pairs() -> None:
    """Every name of one side has its twin on the other."""
    left = {name.removesuffix("Left") for name in ARKIT if name.endswith("Left")}
    right = {name.removesuffix("Right") for name in ARKIT if name.endswith("Right")}
    assert left == right
    assert len(left) == 20


def test_speech_moves_the_mouth_only() -> None:
    """The channels of speech: jaw, mouth, cheekPuff, tongue; no brow, no eye, no nose."""
    assert len(MOUTH) == 4 + 23 + 1 + 1
    assert not any(name.startswith(("brow", "eye", "nose", "cheekSquint")) for name in MOUTH)


@pytest.mark.parametrize("name", ARKIT)
def test_every_spelling_of_a_name_is_known(name: str) -> None:
    """As Unreal writes it, as Swift's raw strings do, with underscores, in any case, with spaces around."""
    short = name.replace("Left", "_L").replace("Right", "_R") if name.endswith(("Left", "Right")) else name
    if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        assert canonical_name(short) == name
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    for spelling in (name, name[0].upper() + name[1:], short, snake, name.upper(), f" {name} "):
        assert canonical_name(spelling) == name


@pytest.mark.parametrize("name", ["_neutral", "viseme_aa", "", "_L", "jawOpen2", "HeadYaw"])
def test_other_names_stay_as_they_are(name: str) -> None:
    """A name that is no ARKit channel comes back unchanged."""
    assert canonical_name(name) == name


def test_missing_channels_are_all_named() -> None:
    """`columns` finds places by name and names everything that is missing, with what to do."""
    assert columns(ARKIT, ["tongueOut", "browDownLeft"], "a test") == [51, 0]
    with pytest.raises(RigMismatchError, match=r"a test needs 2 .*: x, y\..*to_rig"):
        columns(ARKIT, ["x", "jawOpen", "y"], "a test")


# ---- clip -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weights": np.zeros((3, 51))}, r"weights must be \(frames, 52\).*\(3, 51\)"),
        ({"weights": np.zeros(52)}, "weights must be"),
        ({"weights": np.full((3, 52), np.inf)}, "finite"),
        ({"channels": ("jawOpen",) * 52}, "stand twice: jawOpen"),
        ({"start_s": math.nan}, "finite time"),
        ({"head": np.zeros((2, 7))}, r"head must be \(3, 7\)"),
        ({"head": np.zeros((3, 7))}, "length 1"),
        ({"head": np.full((3, 7), np.nan)}, "head must be finite"),
        ({"emotion": np.full((3, 7), 1.5)}, "0 to 1"),
        ({"emotion": np.zeros((3, 6))}, "emotion must be"),
        ({"seen": np.ones(4, bool)}, "seen must be"),
        ({"observed": np.ones(3, bool)}, "observed must be"),
    ],
)
def test_a_clip_is_valid_from_birth(wrong: dict[str, object], said: str) -> None:
    """What does not fit together, or is no number, is no clip; the message says what was needed."""
    with pytest.raises(ClipError, match=said):
        FaceClip(**{"weights": np.zeros((3, 52)), "channels": ARKIT, "fps": 30.0, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [0, -30, math.nan, math.inf, 1e-6, 1e6])
def test_a_clip_needs_a_frame_rate(fps: float) -> None:
    """A rate outside 0.01 to 1000 frames per second is refused."""
    with pytest.raises(UsageError, match="frame rate"):
        FaceClip(np.zeros((1, 52)), ARKIT, fps)


def test_a_clip_cannot_change() -> None:
    """Fields and arrays are read-only; float32 and bool inside, whatever came; the caller's array stays its own."""
    mine = np.zeros((3, 52), np.float32)
    clip = FaceClip(mine, list(ARKIT), 30.0)  # type: ignore[arg-type]
    for array in (clip.weights, clip.seen, clip.observed):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(FrozenInstanceError):
        clip.fps = 60.0  # type: ignore[misc]
    mine[0] = 1
    assert clip.channels == ARKIT
    assert clip.weights.dtype == np.float32
    assert clip.seen.all()
    assert clip.observed.all()


def test_frames_stand_at_their_times() -> None:
    """Frame k shows the face at start_s + k / fps, to the microsecond after a week."""
    clip = make(5, 29.97, start_s=2.0)
    np.testing.assert_allclose(clip.times_s, 2 + np.arange(5) * 100 / 2997)
    assert clip.duration_s == pytest.approx(500 / 2997)
    assert len(clip) == 5


def test_a_channel_is_found_by_name() -> None:
    """One channel by name; a name that the clip lacks is an error that shows what there is."""
    clip = make(4)
    np.testing.assert_array_equal(clip.channel("jawOpen"), clip.weights[:, 24])
    with pytest.raises(ClipError, match=r"'jawAjar'.*52"):
        clip.channel("jawAjar")


def test_another_rig_is_mapped_by_name() -> None:
    """`to_rig` moves columns by name; what is lacking is 0 and unobserved, what was unobserved stays so."""
    clip = replace(make(4, emotion=True), observed=OBSERVED_BY_MEDIAPIPE)
    turned = clip.to_rig(("viseme_aa", *reversed(ARKIT)))
    np.testing.assert_array_equal(turned.weights[:, 1:], clip.weights[:, ::-1])
    assert not turned.weights[:, 0].any()
    assert [name for name, known in zip(turned.channels, turned.observed, strict=True) if not known] == [
        "viseme_aa", "tongueOut",
    ]  # fmt: skip
    back = turned.to_rig()
    np.testing.assert_array_equal(back.weights, clip.weights)
    np.testing.assert_array_equal(back.observed, clip.observed)
    np.testing.assert_array_equal(back.head, clip.head)


@pytest.mark.parametrize(("old", "new", "frames"), [(30, 60, 60), (60, 30, 15), (30, 29.97, 30), (25, 24, 29)])
def test_resampling_keeps_begin_and_length(old: float, new: float, frames: int) -> None:
    """The same span at another rate: the frames k with k / fps < duration, linear between the old ones."""
    clip = replace(make(30, old, emotion=True), start_s=3.0)
    other = clip.resample(new)
    assert len(other) == frames
    assert other.start_s == 3.0
    assert other.times_s[-1] < 3 + clip.duration_s <= other.times_s[-1] + 1 / new + 1e-9
    expected = np.interp(other.times_s, clip.times_s, clip.channel("jawOpen"))
    np.testing.assert_allclose(other.channel("jawOpen"), expected, atol=1e-5)


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    """30 to 30 frames per second gives the same numbers."""
    clip = make(20, 30.0, emotion=True)
    other = clip.resample(30.0)
    for name in ("weights", "emotion", "head", "seen"):
        np.testing.assert_allclose(getattr(other, name), getattr(clip, name), atol=1e-6)


def test_placeholders_do_not_leak_when_resampled() -> None:
    """Frames without a face are zeros that nobody measured: values beside them come from seen frames only."""
    seen = np.arange(30) % 10 != 5
    weights = np.where(seen[:, None], 0.5, 0).astype(np.float32) * np.ones((1, 52), np.float32)
    other = FaceClip(weights, ARKIT, 30.0, seen=seen).resample(60.0)
    np.testing.assert_allclose(other.weights, 0.5)
    assert 0 < (~other.seen).sum() <= 9


@pytest.mark.parametrize("frames", [0, 1])
def test_the_smallest_clips_resample(frames: int) -> None:
    """No frames stay none, one frame at 30 becomes two at 60."""
    assert len(make(frames, 30.0).resample(60.0)) == 2 * frames


# ---- track ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weights": np.zeros((7, 51))}, r"weights must be \(7, 52\)"),
        ({"weights": np.full((7, 52), np.nan)}, "weights of a track must be finite"),
        ({"times_s": np.array([0, 1, 2, 2, 3, 4, 5.0])}, "rise"),
        ({"times_s": np.array([0, 1, math.nan, 3, 4, 5, 6])}, "finite"),
    ],
)
def test_a_track_is_valid_from_birth(wrong: dict[str, object], said: str) -> None:
    """Shapes that differ, times that do not rise and values that are no numbers are refused."""
    with pytest.raises(ClipError, match=said):
        replace(track(7), **wrong)  # type: ignore[arg-type]


def test_a_track_becomes_a_clip_from_second_zero() -> None:
    """Uneven times land on an even grid; the frame that was not seen is filled in and flagged."""
    measured = track(7)
    uneven = replace(measured, times_s=np.array([0.1, 0.2, 0.31, 0.4, 0.52, 0.6, 0.7]))
    clip = uneven.to_clip(10.0)
    assert len(clip) == 8
    assert clip.start_s == 0
    np.testing.assert_allclose(clip.weights[[0, 1, 2, 4, 7]], uneven.weights[[0, 0, 1, 3, 6]], atol=1e-6)
    share = 0.1 / 0.2
    np.testing.assert_allclose(clip.weights[3], (1 - share) * uneven.weights[1] + share * uneven.weights[3], atol=1e-6)
    assert np.flatnonzero(~clip.seen).tolist() == [3]
    assert not clip.observed[51]


def test_seen_comes_from_the_nearest_frame() -> None:
    """A grid point just behind an unseen frame is unseen, one just behind a seen frame is seen."""
    measured = replace(track(4, 1.0), seen=np.array([True, False, True, True]))
    assert measured.to_clip(5.0).seen.tolist() == [True] * 3 + [False] * 5 + [True] * 8


@pytest.mark.parametrize(("duration_s", "fps", "frames"), [(0.7, 10, 7), (0.3, 10, 3), (1.0, 29.97, 30), (0, 30, 0)])
def test_a_stated_duration_gives_the_frames_below_it(duration_s: float, fps: float, frames: int) -> None:
    """Frames k with k / fps < duration, not one more for the last bit of a float (0.7 · 10 > 7)."""
    assert len(track(7).to_clip(fps, duration_s)) == frames


def test_a_track_without_a_face_becomes_an_unseen_clip() -> None:
    """No face in any frame, or no frame at all: zeros, no head, nothing seen."""
    blind = replace(track(7), seen=np.zeros(7, bool))
    clip = blind.to_clip(30.0)
    assert clip.head is None
    assert not clip.seen.any()
    assert not clip.weights.any()
    nothing = FaceTrack(
        np.zeros(0), np.zeros((0, 52)), np.zeros((0, 7)), np.zeros(0, bool), np.zeros(0), np.zeros(0),
        np.zeros(0, np.int64), OBSERVED_BY_MEDIAPIPE,
    )  # fmt: skip
    assert len(nothing.to_clip(30.0)) == 0
    assert not nothing.to_clip(30.0, 1.0).seen.any()


# ---- axes -------------------------------------------------------------------------------------------------------


@given(SIDES, SIDES, st.floats(-3.1, 3.1))
def test_angles_come_back_from_quaternions_and_matrices(yaw: float, pitch: float, roll: float) -> None:
    """Yaw, pitch, roll → quaternion → matrix → quaternion → the same angles; quaternions have w ≥ 0 and length 1."""
    angles = np.array([yaw, pitch, roll])
    quaternion = quaternion_from_euler(angles)
    assert quaternion[0] >= 0
    assert np.linalg.norm(quaternion) == pytest.approx(1)
    np.testing.assert_allclose(euler_angles(quaternion), angles, atol=1e-9)
    again = quaternion_from_matrix(rotation_matrix(quaternion))
    assert abs(again @ quaternion) == pytest.approx(1)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_any_rotation_survives_its_matrix(values: list[float]) -> None:
    """All four branches: half turns and near-zero components included."""
    length = np.linalg.norm(values)
    if length < 1e-3:
        return
    quaternion = np.array(values) / length
    matrix = rotation_matrix(quaternion)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert abs(quaternion_from_matrix(matrix) @ quaternion) == pytest.approx(1)


@pytest.mark.parametrize(
    ("angles", "looks"),
    [
        ((0, 0, 0), (0, 0, 1)),
        ((math.pi / 2, 0, 0), (1, 0, 0)),
        ((-math.pi / 2, 0, 0), (-1, 0, 0)),
        ((0, math.pi / 4, 0), (0, -math.sqrt(0.5), math.sqrt(0.5))),
        ((math.pi / 2, math.pi / 4, 0), (math.sqrt(0.5), -math.sqrt(0.5), 0)),
        ((0, 0, 1.0), (0, 0, 1)),
    ],
    ids=["camera", "left", "right", "down", "left and down", "roll"],
)
def test_golden_directions(angles: tuple[float, ...], looks: tuple[float, ...]) -> None:
    """SPEC C4: identity looks into the camera (+Z), yaw turns to the subject's left (+X), pitch down (−Y)."""
    matrix = rotation_matrix(quaternion_from_euler(np.array(angles)))
    np.testing.assert_allclose(matrix @ [0, 0, 1], looks, atol=1e-12)


def test_golden_roll() -> None:
    """SPEC C4: roll = atan2(R10, R11); a positive roll turns the left ear (+X) up (+Y)."""
    matrix = rotation_matrix(quaternion_from_euler(np.array([0, 0, math.pi / 2])))
    np.testing.assert_allclose(matrix @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_golden_quaternion() -> None:
    """w first: a yaw of 90° is (√½, 0, √½, 0)."""
    np.testing.assert_allclose(
        quaternion_from_euler(np.array([math.pi / 2, 0, 0])), [math.sqrt(0.5), 0, math.sqrt(0.5), 0], atol=1e-12
    )


def test_signs_of_quaternions_are_made_continuous() -> None:
    """q and −q are one rotation: neighbours end up near each other, the first with w ≥ 0; rotations do not change."""
    yaw = np.linspace(-4, 4, 50)
    smooth = np.stack([np.cos(yaw / 2), 0 * yaw, np.sin(yaw / 2), 0 * yaw], axis=1)
    flipped = smooth * np.where(np.random.default_rng(3).random(50) < 0.5, -1, 1)[:, None]
    for given_signs in (flipped, -flipped):
        fixed = sign_continuous(given_signs)
        assert fixed[0, 0] >= 0
        assert (np.sum(fixed[1:] * fixed[:-1], axis=1) > 0.9).all()
        np.testing.assert_allclose(rotation_matrix(fixed), rotation_matrix(smooth), atol=1e-12)
    assert len(sign_continuous(np.zeros((0, 4)))) == 0


# ---- lip gap ----------------------------------------------------------------------------------------------------


def test_the_gap_of_a_rig_is_the_formula() -> None:
    """SPEC C5: jawOpen − mouthClose + an eighth of the four lip channels; any order of channels."""
    weights = np.zeros((1, 52), np.float32)
    for name, value in {"jawOpen": 0.6, "mouthClose": 0.2, "mouthUpperUpLeft": 0.4, "mouthLowerDownRight": 0.8}.items():
        weights[0, ARKIT.index(name)] = value
    assert rig_gap(weights, ARKIT)[0] == pytest.approx(0.6 - 0.2 + 0.05 + 0.1)
    assert rig_gap(weights[:, ::-1], ARKIT[::-1])[0] == pytest.approx(0.55)
    assert rig_gap(np.zeros((1, 52)), ARKIT)[0] < CLOSED_BELOW
    with pytest.raises(RigMismatchError, match="lip gap needs 5"):
        gap_vector(["jawOpen"])


def test_the_gap_of_a_video_is_relative_to_the_face() -> None:
    """Lips 10 px apart in a face 200 px high gap 0.05, however near the camera is; a face of no height gaps 0."""
    points = np.zeros((478, 2))
    points[[13, 14, 78, 308, 10, 152]] = [[100, 150], [100, 160], [80, 155], [120, 155], [100, 20], [100, 220]]
    assert video_gap(points) == pytest.approx((0.05, 0.2))
    assert video_gap(3 * points) == pytest.approx((0.05, 0.2))
    assert video_gap(0 * points) == (0, 0)


def test_a_measured_gap_is_mapped_onto_the_rig() -> None:
    """The 5th and 95th percentiles become those of the target; a gap that never moves becomes the target's median."""
    gap = np.random.default_rng(1).random(1000)
    scale, offset = map_to_rig(gap, 3 * gap + 0.25)
    assert (scale, offset) == pytest.approx((3, 0.25))
    assert map_to_rig(np.full(10, 0.3), np.linspace(0, 1, 11)) == (0, pytest.approx(0.5))


# ---- interpolation ----------------------------------------------------------------------------------------------


def test_golden_interpolation() -> None:
    """SPEC A3: 0.2 at 0.000 s and 0.8 at 0.033 s are 0.3818 at 0.010 s and 0.5636 at 0.020 s."""
    found = interpolate_values(np.array([0.0, 0.033]), np.array([[0.2], [0.8]]), np.array([0.0, 0.01, 0.02, 0.033]))
    np.testing.assert_allclose(found[:, 0], [0.2, 0.3818, 0.5636, 0.8], atol=5e-5)


@given(st.integers(1, 12), st.integers(0, 1000))
def test_interpolation_is_numpys(count: int, seed: int) -> None:
    """The same as np.interp for every channel, before, between, at and after the given times."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 1, count))
    values = rng.normal(size=(count, 3))
    to = np.concatenate([times, rng.uniform(-1, times[-1] + 1, 20)])
    expected = np.stack([np.interp(to, times, values[:, i]) for i in range(3)], axis=1)
    np.testing.assert_allclose(interpolate_values(times, values, to), expected, atol=1e-5)


def test_no_values_interpolate_to_zeros() -> None:
    """Nothing measured is zeros, not an error."""
    assert not interpolate_values(np.zeros(0), np.zeros((0, 3)), np.array([0.0, 1.0])).any()


def test_heads_interpolate_without_passing_through_zero() -> None:
    """q and −q as neighbours: the head between them stays where it is; positions are linear, quaternions unit."""
    q = quaternion_from_euler(np.array([0.4, -0.2, 0.1]))
    head = np.array([[0, 0, 0, *q], [1, 2, 3, *-q]])
    found = interpolate_head(np.array([0.0, 1.0]), head, np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(found, [[0, 0, 0, *q], [0.25, 0.5, 0.75, *q], [1, 2, 3, *q]], atol=1e-6)


def test_a_quaternion_of_no_length_becomes_the_identity() -> None:
    """Placeholders of zeros are made heads that look into the camera; others are scaled to length 1."""
    head = unit_head(np.array([[1, 2, 3, 0, 0, 0, 0], [0, 0, 0, 0, 3, 0, 4.0]]))
    np.testing.assert_allclose(head, [[1, 2, 3, 1, 0, 0, 0], [0, 0, 0, 0, 0.6, 0, 0.8]], atol=1e-6)


def test_errors_of_the_face_are_errors_that_people_can_mend() -> None:
    """Everything above is a VoxfaceError, which the command line prints as one line."""
    assert issubclass(ClipError, VoxfaceError)
    assert issubclass(RigMismatchError, VoxfaceError)
