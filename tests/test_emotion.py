"""Emotions: heard as a stream beside the face, wanted by name and time, and shown without harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxface
from tests.conftest import SAMPLE
from voxface.bundle import load_bundle
from voxface.cli import animate as verb
from voxface.errors import InputError, UsageError, VoxfaceError
from voxface.face.gap import CLOSED_BELOW, rig_gap
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.runtime.animate import join, open_animator
from voxface.runtime.animator import Animator
from voxface.runtime.emotion import SETTLE_S, EmotionTrack, open_emotion, settled
from voxface.runtime.emotion_input import BLEND_S, wanted
from voxface.runtime.feeling import Feeling
from voxface.runtime.polish import Polish
from voxface.runtime.session import Session
from voxface.stream import run, run_whole

HAPPY, NEUTRAL, SAD = (EMOTIONS.index(name) for name in ("Happy", "Neutral", "Sad"))


def packets(sound: np.ndarray, size: int) -> list[np.ndarray]:
    return [sound[at : at + size] for at in range(0, len(sound), size)]


@pytest.mark.parametrize("look_ahead", [0, 6, 21])
@pytest.mark.parametrize("size", [37, 1_024, 30_000])
def test_packet_size_never_changes_the_emotion(look_ahead: int, size: int, speech: np.ndarray) -> None:
    """Sound cut into packets of any size gives the emotions of the whole, to 1e-5: one row for every 10 ms, each row
    seven numbers from 0 to 1 that sum to 1. Beside a net that looks ahead, a row knows as much of what comes."""
    sound = speech[: 8_000 if size == 37 else 50_123]
    track = EmotionTrack(open_emotion(), look_ahead)
    whole = run_whole(track, sound)
    cut = np.concatenate(list(run(track, packets(sound, size))))
    assert whole.shape == (1 + len(sound) // 160, len(EMOTIONS))
    np.testing.assert_allclose(cut, whole, atol=1e-5)
    at_once = run_whole(EmotionTrack(open_emotion()), sound)
    np.testing.assert_allclose(whole[: -look_ahead - 2], at_once[look_ahead:-2], atol=1e-5)
    assert whole.min() >= 0
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("bundle", ["default", "live"])
def test_an_emotion_comes_with_its_face(bundle: str, speech: np.ndarray) -> None:
    """Packet by packet, the track gives as many rows as the animator beside it: no frame waits for its emotion."""
    animator = Animator(load_bundle(bundle))
    track = EmotionTrack(open_emotion(), animator.bundle.look_ahead_rows)
    states: list[Any] = [animator.start(), track.start()]
    for packet in packets(speech[:24_000], 170):
        counts = []
        for place, stage in enumerate((animator, track)):
            states[place], rows = stage.step(states[place], packet)
            counts.append(len(rows))
        assert counts[0] == counts[1]


def test_nobody_feels_anything_in_silence(speech: np.ndarray) -> None:
    """Digital silence is neutral from the first row on; some seconds after speech the face is calm again; nobody is
    ever surprised, since no recording taught it."""
    track = EmotionTrack(open_emotion())
    assert track.whole(np.zeros(32_000, np.float32))[:, NEUTRAL].min() > 0.9999
    after = track.whole(np.concatenate([speech[:64_000], np.zeros(16 * 16_000, np.float32)]))
    assert after[-1, NEUTRAL] > 0.9
    assert not after[:, EMOTIONS.index("Surprised")].any()


def test_the_track_moves_slowly(shared: Path) -> None:
    """What shows of an emotion comes and goes over a second or so: within a frame of a 60th it moves by 0.05 at most,
    even where somebody is angry."""
    clip = voxface.animate(shared / "speech" / "a2f_Claire_anger.flac")
    assert clip.emotion is not None
    assert clip.emotion.max(axis=0)[EMOTIONS.index("Angry")] > 0.3
    assert np.abs(np.diff(clip.emotion, axis=0)).max() < 0.05


def test_without_emotion_it_is_the_net_alone(speech: np.ndarray) -> None:
    """`emotion=None` is bit for bit the face of net and idle motion, and the clip holds no emotions; strength 0 and
    `--mouth-only` have the same face, and the emotion in the clip."""
    session = Session(open_animator("default", 1), 16_000, feeling=None)
    state, first = session.step(session.start(), speech)
    plain = join([first, session.finish(state)])
    clip = voxface.animate(speech, 16_000, emotion=None, threads=1)
    assert clip.emotion is None
    np.testing.assert_array_equal(clip.weights, plain.weights)
    unmoved = voxface.animate(speech, 16_000, emotion=Feeling(strength=0), threads=1)
    np.testing.assert_array_equal(unmoved.weights, plain.weights)
    assert unmoved.emotion is not None
    only = Polish(mouth_only=True)
    still, happy = (voxface.animate(speech, 16_000, emotion=e, polish=only, threads=1) for e in (None, "happy=1"))
    np.testing.assert_array_equal(happy.weights, still.weights)


def test_a_stream_with_emotions_is_the_file(speech: np.ndarray) -> None:
    """Sessions that show a wanted and a heard emotion together give the same frames for any packets, to 1e-5."""
    feeling = Feeling(wanted=wanted({"sad": 0.5}), mix=1.0)
    session = Session(open_animator("live", 1), 16_000, feeling=feeling)

    def clip(size: int) -> voxface.FaceClip:
        state, parts = session.start(), []
        for packet in packets(speech[:64_000], size):
            state, part = session.step(state, packet)
            parts.append(part)
        return join([*parts, session.finish(state)])

    whole, cut = clip(64_000), clip(333)
    np.testing.assert_allclose(cut.weights, whole.weights, atol=1e-5)
    np.testing.assert_allclose(cut.emotion, whole.emotion, atol=1e-5)
    assert whole.emotion is not None
    assert whole.emotion[:, SAD].min() >= 0.5


def test_lips_stay_closed() -> None:
    """Where the lips of plain speech are closed, a laughing face keeps them closed, and its mouth smiles."""
    plain, happy = (voxface.animate(SAMPLE, emotion=emotion) for emotion in (None, "happy=1"))
    gap, with_it = (rig_gap(clip.weights, clip.channels) for clip in (plain, happy))
    closed = gap < CLOSED_BELOW
    assert closed.sum() > 50
    assert (with_it[closed] <= gap[closed] + 1e-4).all()
    assert happy.channel("mouthSmileLeft").mean() > plain.channel("mouthSmileLeft").mean() + 0.1


def test_doubt_shows_nothing() -> None:
    """A probability of a half never shows, one of 0.725 in part, one of 0.95 as it is, after a while; what shows sums
    to 1 and is two thirds there after the time that is declared."""
    for probability, expected in ((0.5, 0.0), (0.725, 0.3625), (0.95, 0.95)):
        heard = np.zeros((600, 7), np.float32)
        heard[:, HAPPY], heard[:, NEUTRAL] = probability, 1 - probability
        shown = settled(heard, 100)
        assert shown[-1, HAPPY] == pytest.approx(expected, abs=1e-3)
        assert shown[round(100 * SETTLE_S) - 1, HAPPY] == pytest.approx(expected * (1 - np.exp(-1)), abs=1e-3)
        np.testing.assert_allclose(shown.sum(axis=1), 1, atol=1e-5)


TRACKS = {
    "t.csv": "time_s,Happy,sad\n1,0.8,\n2,0.4,0.2\n3,,\n",
    "t.json": '[{"at": 1, "happy": 0.8}, {"at": 2, "HAPPY": 0.4, "sad": 0.2}, {"at": 3}]',
    "t.toml": "[[emotion]]\nat=1\nhappy=0.8\n[[emotion]]\nat=2\nhappy=0.4\nsad=0.2\n[[emotion]]\nat=3\n",
}


@pytest.mark.parametrize("name", TRACKS)
def test_tracks_of_all_kinds_say_the_same(name: str, tmp_path: Path) -> None:
    """A track is linear between its keys; what is heard counts before it and after a key without emotions, and neither
    begins nor ends with a jump."""
    path = tmp_path / name
    path.write_text(TRACKS[name])
    feeling = Feeling(wanted=wanted(str(path))).over(ARKIT)
    times = np.arange(0, 5, 0.01)
    heard = np.tile(np.eye(7, dtype=np.float32)[SAD], (len(times), 1))
    emotion = feeling.emotion(heard, times)
    np.testing.assert_allclose(emotion[[100, 150, 200], HAPPY], (0.8, 0.6, 0.4), atol=1e-6)
    np.testing.assert_allclose(emotion[200, [SAD, NEUTRAL]], (0.2, 0.4), atol=1e-6)
    outside = (times <= 1 - BLEND_S) | (times >= 3)
    np.testing.assert_array_equal(emotion[outside, SAD], 1)
    assert np.abs(np.diff(emotion, axis=0)).max() < 0.03


def test_mixing_fills_what_is_left() -> None:
    """Half happy and mixed: the other half is what is heard; not mixed: it is neutral."""
    heard = np.eye(7, dtype=np.float32)[[SAD]]
    for mix, expected in ((0.0, (0.5, 0.5, 0.0)), (1.0, (0.5, 0.0, 0.5)), (0.5, (0.5, 0.25, 0.25))):
        show = Feeling(wanted=wanted("happy=0.5"), mix=mix).over(ARKIT)
        np.testing.assert_allclose(show.emotion(heard, np.zeros(1))[0, [HAPPY, NEUTRAL, SAD]], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hapy=1", "'hapy' is no emotion.*Did you mean happy"),
        ("happy=1.2", "from 0 to 1; got '1.2'"),
        ("happy=nan", "from 0 to 1; got 'nan'"),
        ("happy=much", "from 0 to 1; got 'much'"),
        ("happy", "neither NAME=NUMBER nor"),
        ("happy=1,Happy=0", "names an emotion twice"),
        ("no-such.csv", "cannot read the emotion track"),
    ],
)
def test_what_cannot_be_felt(text: str, message: str) -> None:
    """Unknown emotions, numbers outside 0 to 1 and missing files are one sentence each."""
    with pytest.raises((UsageError, InputError), match=message):
        wanted(text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "time_s,happy\n1,0.5\n1,0.6\n", "key 2: its time 1 s is not after 1 s"),
        ("a.csv", "happy\n0.5\n", "key 1 has no time"),
        ("a.csv", "time_s,happy\nnan,0.5\n", "its time must be a number"),
        ("a.csv", "time_s,happy\n1,0.5,9\n", "more cells than there are columns"),
        ("a.csv", "", "no list of keys"),
        ("a.json", '[{"at": 0, "happy": true}]', "from 0 to 1; got True"),
        ("a.json", '{"at": 0}', "no list of keys"),
        ("a.json", "[1, 2", "no emotion track"),
        ("a.toml", "[happy]\nat=1", "not .*emotion"),
        ("a.toml", "x = = 1", "no emotion track"),
    ],
)
def test_tracks_that_are_none(name: str, text: str, message: str, tmp_path: Path) -> None:
    """A damaged track is refused with its name and what is wrong, never with a traceback."""
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        wanted(tmp_path / name)


@pytest.mark.parametrize("given", [{"mix": 1.5}, {"strength": -1}, {"strength": float("nan")}])
def test_feelings_out_of_range(given: dict[str, float]) -> None:
    """Shares and factors out of range are refused."""
    with pytest.raises(UsageError, match="emotion"):
        Feeling(**given)  # type: ignore[arg-type]


def test_a_bundle_with_a_face_is_no_emotion_bundle() -> None:
    """The two kinds are not mistaken for each other."""
    with pytest.raises(UsageError, match="gives no emotions"):
        open_emotion("live")
    with pytest.raises(VoxfaceError, match="emotion"):
        voxface.animate(SAMPLE, bundle="emotion")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--emotion goes into the clip and onto the face, --no-emotion leaves neither, a wrong name ends with code 2."""

    def clip(**flags: Any) -> voxface.FaceClip:
        verb.animate([str(SAMPLE)], str(tmp_path / "x.json"), bundle="live", quiet=True, **flags)
        return voxface.read(tmp_path / "x.json")

    happy, none = clip(emotion="happy=0.6"), clip(no_emotion=True)
    assert happy.emotion is not None
    np.testing.assert_allclose(happy.emotion[:, HAPPY], 0.6, atol=1e-3)
    assert none.emotion is None
    assert (happy.channel("mouthSmileLeft") - none.channel("mouthSmileLeft")).mean() > 0.05
    with pytest.raises(SystemExit) as stop:
        clip(emotion="glad=1")
    assert stop.value.code == 2
    assert "'glad' is no emotion" in capsys.readouterr().err
