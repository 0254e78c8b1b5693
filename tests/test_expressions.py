"""Expressions: what an emotion adds to a face, and what it gives way to."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from voxface.errors import InputError, UsageError
from voxface.face.gap import CLOSED_BELOW, rig_gap
from voxface.face.rig import ARKIT, EMOTIONS, HEAD
from voxface.head.measure.openings import landmarks, mouth_seen
from voxface.head.measure.shape import shape
from voxface.head.shipped import load_head
from voxface.runtime.expressions import FELT, STRONGEST, Expressions, shipped_text
from voxface.stream import Array

SHIPPED = Expressions.load()
NEUTRAL = np.eye(7, dtype=np.float32)[[EMOTIONS.index("Neutral")]]
CLOSURE = {"jawOpen": 0.12, "mouthClose": 0.12, "mouthPressLeft": 0.25, "mouthPressRight": 0.25, "mouthRollLower": 0.15}
CLOSED_MM2 = 3
"""What `voxface head check` allows to be seen of a closed mouth."""


def felt(emotion: str, strength: float = 1.0) -> Array:
    """(1, 7): one emotion, the rest Neutral."""
    track = NEUTRAL * (1 - strength)
    track[0, EMOTIONS.index(emotion)] += strength
    return track


def shown(emotion: str, strength: float = 1.0, **speech: float) -> dict[str, float]:
    """The face of a moment of speech under an emotion, by name."""
    weights = np.array([[speech.get(name, 0.0) for name in ARKIT]], np.float32)
    return dict(zip(ARKIT, SHIPPED.apply(weights, ARKIT, felt(emotion, strength))[0].tolist(), strict=True))


def anything(seed: int, frames: int = 2000) -> tuple[Array, Array]:
    """Faces from rest to all channels full, closed lips among them, and emotions that sum to at most 7."""
    random = np.random.default_rng(seed)
    weights = random.random((frames, 52)) ** random.integers(1, 30, (frames, 1)) * (random.random((frames, 52)) < 0.7)
    return weights.astype(np.float32), random.random((frames, 7), np.float32)


def test_every_emotion_shows_on_brows_or_lids_alike_on_both_sides() -> None:
    """Each of the six moves the upper face of a resting head clearly, more the stronger it is, and left as right."""
    for emotion in FELT:
        half, full = shown(emotion, 0.5), shown(emotion)
        upper = [name for name in ARKIT if name.startswith(("brow", "eye", "cheek", "nose"))]
        assert max(full[name] for name in upper) > 0.5, emotion
        assert all(half[name] < full[name] for name in upper if full[name]), emotion
        pairs = [(name, name.replace("Left", "Right")) for name in ARKIT if name.endswith("Left")]
        assert all(full[left] == full[right] for left, right in pairs), emotion


def test_neutral_comes_back_bit_for_bit_and_so_does_what_is_no_weight() -> None:
    """Without an emotion, or at strength 0, nothing changes; columns of the head's pose never do."""
    weights, emotion = anything(1)
    calm = np.repeat(NEUTRAL, len(weights), axis=0)
    assert SHIPPED.apply(weights, ARKIT, calm).tobytes() == weights.tobytes()
    assert SHIPPED.apply(weights, ARKIT, 0 * calm).tobytes() == weights.tobytes()
    assert SHIPPED.apply(weights, ARKIT, emotion, strength=0).tobytes() == weights.tobytes()
    pose = np.random.default_rng(2).normal(size=(len(weights), 7)).astype(np.float32)
    both = SHIPPED.apply(np.hstack([weights, pose]), ARKIT + HEAD, emotion)
    np.testing.assert_array_equal(both[:, 52:], pose)
    np.testing.assert_array_equal(both[:, :52], SHIPPED.apply(weights, ARKIT, emotion))


@pytest.mark.parametrize("seed", range(5))
def test_any_face_under_any_emotion_stays_a_face_of_that_speech(seed: int) -> None:
    """Weights stay within 0 and 1, none sinks, closed lips do not part, mouthClose is speech's, a blink stays shut."""
    weights, emotion = anything(seed)
    weights[::7, [ARKIT.index("eyeBlinkLeft"), ARKIT.index("eyeBlinkRight")]] = 1
    for strength in (0.3, 1.0, STRONGEST):
        out = SHIPPED.apply(weights, ARKIT, emotion, strength)
        assert out.dtype == np.float32
        assert out.min() >= 0
        assert out.max() <= 1
        assert (out >= weights).all()
        before, after = rig_gap(weights, ARKIT), rig_gap(out, ARKIT)
        closed = before < CLOSED_BELOW
        assert closed.sum() > 100
        assert (after[closed] <= before[closed]).all()
        changed = (out != weights).any(axis=0)
        assert not changed[ARKIT.index("mouthClose")]
        wide = ARKIT.index("eyeWideLeft")
        np.testing.assert_array_equal(out[::7, wide], weights[::7, wide])


def test_a_small_change_of_speech_or_emotion_is_a_small_change_of_the_face() -> None:
    """No gate jumps: between faces that differ by 0.001 in every channel the expression differs by less than 0.02."""
    weights, emotion = anything(9)
    near = np.clip(weights + 0.001, 0, 1)
    there, here = (SHIPPED.apply(one, ARKIT, emotion) for one in (near, weights))
    assert np.abs(there - here).max() < 0.02
    assert np.abs(SHIPPED.apply(weights, ARKIT, np.clip(emotion + 0.001, 0, 1)) - here).max() < 0.02


def test_each_frame_is_for_itself() -> None:
    """Frames one by one give what all give at once."""
    weights, emotion = anything(3, 40)
    express = SHIPPED.over(ARKIT)
    single = np.concatenate([express(weights[k : k + 1], emotion[k : k + 1]) for k in range(40)])
    np.testing.assert_allclose(single, express(weights, emotion), atol=1e-6)


def test_speech_goes_first() -> None:
    """Rounding stops a smile, a spoken smile stops a frown, an open mouth is not pressed, surprise opens only an open
    jaw; and of two emotions that pull the corners apart the stronger one shows."""
    assert shown("Happy", mouthPucker=0.7)["mouthSmileLeft"] == 0 < shown("Happy", mouthPucker=0.2)["mouthSmileLeft"]
    assert shown("Sad", mouthSmileLeft=1.0)["mouthFrownLeft"] == 0 < shown("Sad")["mouthFrownLeft"]
    assert shown("Angry", jawOpen=0.4)["mouthPressLeft"] == 0 < shown("Angry")["mouthPressLeft"]
    assert shown("Surprised")["jawOpen"] == 0
    assert 0.3 < shown("Surprised", jawOpen=0.3)["jawOpen"] < 0.45
    torn = 0.6 * felt("Happy") + 0.4 * felt("Sad")
    face = SHIPPED.apply(np.zeros((1, 52), np.float32), ARKIT, torn)[0]
    assert face[ARKIT.index("mouthFrownLeft")] == 0 < face[ARKIT.index("mouthSmileLeft")] < 0.6 * 0.7


@pytest.mark.parametrize("emotion", FELT)
def test_lips_that_speech_closes_stay_closed_on_the_head(emotion: str, head_and_marks: HeadAndMarks) -> None:
    """Measured by rays on the shipped head: at rest and in a closure nothing of the mouth's inside is seen."""
    for speech in ({}, CLOSURE):
        assert 1e6 * head_and_marks(shown(emotion, **speech)) <= CLOSED_MM2


HeadAndMarks = Callable[[dict[str, float]], float]


@pytest.fixture(scope="module")
def head_and_marks() -> HeadAndMarks:
    """What is seen from the front of the inside of the shipped head's mouth under given weights, in square metres."""
    head = load_head()
    marks = landmarks(head)
    return lambda weights: mouth_seen(shape(head, weights), marks, 0)


def test_a_rig_without_some_channels_shows_the_rest() -> None:
    """What a rig lacks is not shown and taken as at rest; a rig that lacks all comes back."""
    emotion = felt("Happy")
    few = ("mouthSmileLeft", "jawOpen")
    np.testing.assert_allclose(SHIPPED.apply(np.zeros((1, 2), np.float32), few, emotion), [[0.7, 0.0]], atol=1e-6)
    other = np.full((1, 1), 0.3, np.float32)
    np.testing.assert_array_equal(SHIPPED.apply(other, ("tongueOut",), emotion), other)
    assert "browInnerUp" in SHIPPED.channels_of()
    assert "mouthClose" not in SHIPPED.channels_of()


def test_a_file_changes_single_entries_of_the_shipped_table(tmp_path: Path) -> None:
    """A copy of a line is enough: any spelling, both sides or one, 0 takes away; all else is as shipped."""
    mine = tmp_path / "mine.toml"
    mine.write_text("[Happy]\nmouthSmile = 0.9\nmouthSmile_R = 0.5\ncheek_squint = 0\n", encoding="utf-8")
    table = Expressions.load(mine).table
    changed = {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.5, "cheekSquintLeft": 0.0, "cheekSquintRight": 0.0}
    assert table == {**SHIPPED.table, "Happy": {**SHIPPED.table["Happy"], **changed}}
    mine.write_text(shipped_text(), encoding="utf-8")
    assert Expressions.load(mine) == SHIPPED
    assert set(tomllib.loads(shipped_text())) == set(FELT)


def test_the_wheel_carries_the_table() -> None:
    """Where voxface is installed from a wheel, the file is there."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert "runtime/*.toml" in project["tool"]["setuptools"]["package-data"]["voxface"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[Happpy]\nmouthSmile = 0.5", "'Happpy' is no emotion. The emotions: Angry"),
        ("[Neutral]\nmouthSmile = 0.5", "Neutral moves nothing"),
        ("Happy = 3", "Happy must be a table; got 3. Write [Happy]"),
        ("[Sad]\nmouthFrwn = 0.5", "[Sad] 'mouthFrwn' is no ARKit channel. Near it: mouthFrown"),
        ("[Sad]\nmouth = 0.5", "[Sad] 'mouth' is no ARKit channel."),
        ("[Sad]\nmouthFrown = 1.5", "[Sad] mouthFrownLeft must be a number from 0 to 1; got 1.5"),
        ("[Sad]\nmouthFrown = nan", "from 0 to 1; got nan"),
        ("[Sad]\nmouthFrown = true", "from 0 to 1; got True"),
        ("[Sad]\nmouthClose = 0.5", "mouthClose is speech's alone"),
        ("[Sad", "is not TOML"),
    ],
)
def test_a_wrong_file_is_told_by_name_and_place(text: str, says: str, tmp_path: Path) -> None:
    """One sentence: the file, the table, the entry, what is allowed."""
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as told:
        Expressions.load(path)
    assert says in str(told.value)
    assert str(told.value).startswith(str(path))
    assert told.value.source == str(path)


def test_other_misuse_is_told() -> None:
    """A missing file, and a strength out of range."""
    with pytest.raises(InputError, match=r"cannot read nowhere\.toml"):
        Expressions.load("nowhere.toml")
    for strength in (-0.1, 2.1, float("nan")):
        with pytest.raises(UsageError, match="factor from 0 to 2"):
            SHIPPED.over(ARKIT, strength)
