"""Quality of captures: pictures, numbers, verdicts, what a dataset keeps (faults.md V7, V8)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="captures on disk need the library safetensors")

from tests.captured import JAW, make_capture, make_track, put
from tests.test_dataset_sync import rows_of, talking
from voxface.capture.store import Capture, load_capture, save_capture
from voxface.dataset.build import BuildOptions, Built, build_dataset
from voxface.dataset.quality_numbers import measure
from voxface.dataset.quality_verdict import GOOD, LEAVE_OUT, LOOK, RULES, judge
from voxface.dataset.quick_sync import quick_sync
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.split import parse_rule
from voxface.dataset.sync import Offset
from voxface.errors import ClipError, DatasetError, InputWarning, UsageError
from voxface.face.axes import quaternion_from_euler
from voxface.face.rig import ARKIT
from voxface.face.track import FaceTrack
from voxface.stream import Array

# Pictures


def test_an_album_holds_pictures_at_even_distances() -> None:
    """A video of any length leaves few small pictures, six are chosen, evenly; frames without a face leave none."""
    pytest.importorskip("av", reason="pictures need PyAV: pip install 'voxface[capture]'")
    from voxface.capture.pictures import MOST_BYTES, Album, choose
    from voxface.capture.tracker import Face

    rgb = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)  # noise: the largest JPEG
    face = Face(np.zeros(52), np.zeros(3), np.array([1.0, 0, 0, 0]), 0.1, 0.3, (40, 20, 60, 70))
    album = Album()
    for k in range(25 * 60):
        album.offer(k / 25, rgb, None if k < 250 else face)
    assert len(album.pictures) < 12
    chosen = choose(album.pictures)
    times = [time_s for time_s, _ in chosen]
    assert len(chosen) == 6
    assert times[0] >= 10
    assert max(np.diff(times)) < 2.1 * min(np.diff(times))  # seven are at even distances; six leave a gap
    assert all(body[:2] == b"\xff\xd8" and len(body) <= MOST_BYTES for _, body in chosen)
    assert choose(chosen[:2]) == chosen[:2]


def test_a_picture_is_cut_around_the_face() -> None:
    """The face is in the middle with room, the cut stays inside the picture, and without a box all of it is shown."""
    pytest.importorskip("av", reason="pictures need PyAV: pip install 'voxface[capture]'")
    from voxface.capture.pictures import around

    rgb = np.zeros((200, 300, 3), np.uint8)
    rgb[50:100, 200:240] = 255
    cut = around(rgb, (200, 50, 40, 50))
    assert cut.shape == (80, 64, 3)
    inside = np.argwhere(cut[..., 0])
    np.testing.assert_allclose(inside.mean(axis=0), [39.5, 31.5], atol=1)
    assert around(rgb, (280, 180, 60, 60)).shape[0] <= 200
    assert around(rgb, (-900, -900, 0, 0)).size > 0
    assert around(rgb, None) is rgb


def test_pictures_and_shots_are_kept_with_the_capture(tmp_path: Path) -> None:
    """Version 2 gives both back; version 1, which has neither, still reads; a list that lies is refused."""
    track = replace(make_track(np.arange(50) / 25), shot=np.repeat([0, 1], 25).astype(np.int32))
    capture = make_capture("c", track=track, pictures=((0.1, b"one"), (1.5, b"three")))
    path = put(tmp_path, capture) / "c.capture.safetensors"
    found = load_capture(path)
    assert found.pictures == capture.pictures
    np.testing.assert_array_equal(found.track.shot, track.shot)

    rewrite(path, lambda header: header.update(pictures=[[0.1, 3], [1.5, 9]]))
    with pytest.raises(ClipError, match="pictures"):
        load_capture(path)
    save_capture(path, capture)
    rewrite(path, lambda header: (header.pop("pictures"), header.update(version=1)), drop=("pictures", "shot"))
    old = load_capture(path)
    assert old.pictures == ()
    assert not old.track.shot.any()
    np.testing.assert_array_equal(old.track.weights, found.track.weights)


def rewrite(path: Path, change: Any, drop: tuple[str, ...] = ()) -> None:
    """Change the header of a capture, and leave arrays out."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(str(path), framework="np") as file:
        header = json.loads(file.metadata()["voxface"])
        arrays = {name: file.get_tensor(name) for name in file.keys() if name not in drop}  # noqa: SIM118 - no dict
    change(header)
    save_file(arrays, str(path), {"voxface": json.dumps(header)})


# Numbers and verdicts


def turned(track: FaceTrack, degrees: float) -> FaceTrack:
    """The same face, turned to the subject's left."""
    head = track.head.copy()
    head[:, 3:] = quaternion_from_euler(np.radians([degrees, 0, 0]))
    return replace(track, head=head)


def test_numbers_are_what_was_made() -> None:
    """Size, direction, lips, speech and level of a made capture come out as they were put in."""
    capture = make_capture(seconds=4.0, tracker={"name": "made", "height": 500, "most_faces": 3})
    found = measure(replace(capture, track=turned(capture.track, 20)))
    assert (found.seconds, found.face_share, found.cuts, found.most_faces) == (4.0, 1.0, 0, 3)
    assert found.yaw_deg == pytest.approx(20, abs=0.1)
    assert found.face_height == pytest.approx(0.146)
    assert found.face_pixels == pytest.approx(73)
    assert found.gap_r == pytest.approx(1.0, abs=1e-3)
    assert found.jitter_deg < 0.01
    assert found.sound_r is None, "four seconds are too few to compare"
    assert 0.3 < found.speech_share < 0.8
    speech = 10 * np.log10(0.3**2 / 2)  # noise of deviation 0.3 under half a sine
    assert found.level_db == pytest.approx(speech, abs=2)
    assert judge(found).verdict == LOOK, "three faces in one picture"


def still(capture: Capture) -> Capture:
    return replace(capture, track=make_track(capture.track.times_s, 0.2))


def noisy(capture: Capture) -> Capture:
    noise = 0.15 * np.random.default_rng(1).standard_normal(len(capture.samples))
    return replace(capture, samples=(capture.samples + noise).astype(np.float32))


def trembling(capture: Capture) -> Capture:
    head = capture.track.head.copy()
    head[:, 3:] = quaternion_from_euler(np.radians(np.random.default_rng(0).normal(0, 2, (len(head), 3))))
    return replace(capture, track=replace(capture.track, head=head))


def with_track(**changes: Any) -> Any:
    return lambda capture: replace(capture, track=replace(capture.track, **changes))


FRAMES = np.arange(100)
FAULTS: dict[str, tuple[Any, str, str]] = {
    "no face": (with_track(seen=FRAMES < 5), LEAVE_OUT, "few frames with a face: 5%"),
    "rarely a face": (with_track(seen=FRAMES < 60), LOOK, "few frames with a face: 60%"),
    "away": (lambda c: replace(c, track=turned(c.track, 50)), LEAVE_OUT, "turned away: 100%"),
    "at times away": (lambda c: replace(c, track=turned(c.track, 50 * 0.5)), GOOD, ""),
    "still": (still, LEAVE_OUT, "a still picture?"),
    "covered": (with_track(lip_gap=np.random.default_rng(0).uniform(0, 0.1, 100).astype("f4")), LOOK, "covered"),
    "trembling": (trembling, LOOK, "trembles"),
    "silent": (lambda c: replace(c, samples=np.zeros_like(c.samples)), LEAVE_OUT, "little speech: 0%"),
    "quiet": (lambda c: replace(c, samples=c.samples * np.float32(0.01)), LOOK, "quiet speech"),
    "noisy": (noisy, LOOK, "never quiet"),
    "loud": (lambda c: replace(c, samples=c.samples * 9), LOOK, "too loud"),
    "cut": (with_track(shot=(FRAMES > 50).astype(np.int32)), LOOK, "cuts: 1"),
    "small": (lambda c: replace(c, tracker={"height": 200}), LOOK, "small face: 29 pixels"),
    "tiny": (lambda c: replace(c, tracker={"height": 100}), LEAVE_OUT, "small face: 15 pixels"),
    "damaged": (lambda c: replace(c, tracker={"packets_broken": 10}), LOOK, "damaged frames: 9.1%"),
    "crowded": (lambda c: replace(c, tracker={"most_faces": 2}), LOOK, "several faces: up to 2"),
    "plain": (lambda c: c, GOOD, ""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_and_named(name: str) -> None:
    """What is wrong with a capture is its verdict's worst reason; a plain one has none."""
    spoil, verdict, reason = FAULTS[name]
    found = judge(measure(spoil(make_capture(seconds=4.0))))
    assert found.verdict == verdict
    assert reason in " | ".join(found.reasons)
    assert bool(found.reasons) == (verdict != GOOD)


def test_every_rule_is_tried() -> None:
    """No rule of the table stands there without a test that breaks it."""
    numbers = [measure(spoil(make_capture(seconds=4.0))) for spoil, _, _ in FAULTS.values()]
    assert {
        rule.number for rule in RULES if all(rule.verdict(getattr(n, rule.number)) == GOOD for n in numbers)
    } == set()


def test_samples_beyond_full_scale_are_counted() -> None:
    """What a dataset clips at full scale is counted, not clipped in silence."""
    loud = make_capture(samples=np.full(16_000, 0.1, np.float32))
    loud.samples[100:120] = 1.5
    loud.samples[200:207] = -1.01
    loud.samples[300] = 1.0
    found = measure(loud)
    assert found.samples_clipped == 27
    assert found.full_scale_share == pytest.approx(28 / 16_000)


# Sound and lips


@pytest.mark.parametrize("late_ms", [-160.0, 0.0, 120.0])
def test_a_few_seconds_give_a_hint_of_the_offset(late_ms: float) -> None:
    """Eight seconds, too few for an estimate, tell a lag of some frames to within one; in sync they tell nothing."""
    found = quick_sync(rows_of(talking(8, late_ms)))
    assert found is not None
    assert found.hint_ms == (pytest.approx(late_ms, abs=40) if late_ms else None)
    assert found.best_r > 0.5
    judgement = judge(measure(talking(8, late_ms)))
    assert judgement.verdict == (LOOK if late_ms else GOOD)
    if late_ms:
        assert ("ahead of" if late_ms < 0 else "behind") in judgement.reasons[0]
        assert "too short to be sure" in judgement.reasons[0]


def test_too_little_sound_gives_no_hint() -> None:
    """Less than five seconds of face, or a mouth that is never seen for long: nothing is said."""
    assert quick_sync(rows_of(talking(4.5, 120))) is None
    rows = rows_of(talking(8, 120))
    assert quick_sync(replace(rows, valid=np.arange(len(rows.valid)) % 70 > 0)) is None


def dubbed(seconds: float) -> Capture:
    """The face of one talk with the sound of another."""
    return replace(talking(seconds, 0), samples=talking(seconds, 0, seed=8).samples)


def test_a_dubbed_video_is_left_out() -> None:
    """V7: with 20 s of face a sound that tells nothing about the lips is another face's; with less it is doubtful."""
    assert judge(measure(dubbed(30))).verdict == LEAVE_OUT
    assert judge(measure(dubbed(12))).verdict == LOOK
    assert "dubbed" in judge(measure(dubbed(30))).reasons[0]


def test_a_known_offset_decides_over_the_hint() -> None:
    """V8: what was estimated from 20 s or from many recordings is believed; once corrected it is no reason to look."""
    numbers = measure(talking(8, 120))
    known = Offset("known", 120.0, 120.0, 0.7, 0.4, 60.0, 9)
    assert "(r 0.70, 0.40 as it is)" in judge(numbers, known).reasons[0]
    assert judge(numbers, known, corrected=True).verdict == GOOD
    assert judge(numbers, replace(known, offset_ms=240.0)).verdict == LEAVE_OUT
    short = replace(known, verdict="too short", offset_ms=None)
    assert "probably" in judge(numbers, short).reasons[0]


# What a dataset keeps


def build(tmp_path: Path, *captures: Capture, **options: Any) -> Built:
    options.setdefault("split", parse_rule("all:train"))
    options.setdefault("speakers", SpeakerRule("name", "s"))
    return build_dataset([put(tmp_path / "captures", *captures)], tmp_path / "set", BuildOptions(**options))


@pytest.mark.parametrize(("keep", "names"), [("good", "plain"), ("look", "cut plain"), ("all", "cut plain still")])
def test_keep_says_which_verdicts_are_kept(tmp_path: Path, keep: str, names: str) -> None:
    """What is not kept is a failure with its reasons and stands in the manifest; what is kept carries its verdict."""
    captures = [FAULTS[name][0](make_capture(name, 4.0)) for name in ("cut", "plain", "still")]
    built = build(tmp_path, *captures, keep=keep)
    entries = {entry.name: entry for entry in built.dataset.manifest.entries}
    assert sorted(entries) == names.split()
    assert entries["plain"].judged["verdict"] == GOOD
    assert entries["plain"].judged["numbers"]["face_share"] == 1.0
    assert len(built.failures) == len(built.dataset.manifest.left_out) == 3 - len(entries)
    for source, reason in built.dataset.manifest.left_out.items():
        assert FAULTS[Path(source).name.split(".")[0]][2] in reason


def test_keep_is_one_of_three() -> None:
    """Another word is a usage error with the words that are."""
    with pytest.raises(UsageError, match="good, look, all"):
        BuildOptions(keep="best")


def test_a_corrected_offset_is_kept_also_by_good(tmp_path: Path) -> None:
    """A face that comes late is to be looked at; moved into place it is good."""
    talk = talking(25, 120)
    with pytest.raises(DatasetError, match="behind the sound by 120 ms"):
        build(tmp_path / "a", talk, keep="good")
    built = build(tmp_path / "b", talk, keep="good", sync="correct")
    assert built.dataset.manifest.entries[0].facts.offset_ms == pytest.approx(120)
    with pytest.warns(InputWarning, match="W-SYNC"):
        reported = build(tmp_path / "c", talk)
    assert reported.judged[0].judgement.verdict == LOOK


def person(name: str, pucker: float, seed: int) -> Capture:
    """Somebody whose tracker shows puckered lips at rest, and who rests before and after speaking."""
    capture = make_capture(name, 4.0, seed)
    weights, t = capture.track.weights.copy(), capture.track.times_s
    speaks = (t > 1) & (t < 3)
    weights[:, JAW] *= speaks
    weights[:, ARKIT.index("mouthPucker")] = pucker + 0.2 * weights[:, JAW]
    weights[:, ARKIT.index("mouthPressLeft")] = pucker / 2
    samples: Array = capture.samples * np.repeat(speaks, 640)
    gap = (0.1 * weights[:, JAW]).astype(np.float32)
    return replace(capture, track=replace(capture.track, weights=weights, lip_gap=gap), samples=samples)


def test_each_person_has_a_rest_of_their_own(tmp_path: Path) -> None:
    """Offsets of pucker and press at rest are found per person, stand in the manifest, and are taken away."""
    built = build(tmp_path, person("a", 0.3, 1), person("b", 0.1, 2), speakers=SpeakerRule("stem"))
    known = json.loads((tmp_path / "set" / "manifest.json").read_text(encoding="utf-8"))["speakers"]
    for name, pucker in (("a", 0.3), ("b", 0.1)):
        assert known[name]["method"] == "quiet"
        assert known[name]["rest"]["mouthPucker"] == pytest.approx(pucker, abs=1e-3)
        assert known[name]["rest"]["mouthPressLeft"] == pytest.approx(pucker / 2, abs=1e-3)
    for recording in built.dataset.each("train"):
        rows = recording.calibrated()[:90]  # before anybody speaks
        assert rows[:, [ARKIT.index("mouthPucker"), ARKIT.index("mouthPressLeft")]].max() < 1e-3
