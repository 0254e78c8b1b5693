"""Video in, captured face and sound out, with a stand-in for the tracker; the working form on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")
pytest.importorskip("safetensors", reason="safetensors is not installed: pip install 'voxface[capture]'")

from tests.videos import (
    copy_streams,
    encode,
    grey,
    make_video,
    number_of,
    one_after_the_other,
    overwrite_packet,
    tone,
)  # fmt: skip
from voxface.audio.frame_rate import FrameRate
from voxface.audio.video import Segment, VideoInfo
from voxface.capture import face_model, mediapipe_tracker, trackers
from voxface.capture.capture import CaptureOptions, capture_video
from voxface.capture.face_model import FaceModel
from voxface.capture.mediapipe_tracker import usage_notice
from voxface.capture.segments import plan_segments
from voxface.capture.store import SUFFIX, Capture, list_captures, load_capture, save_capture
from voxface.capture.tracker import Face, OpenTracker
from voxface.errors import ClipError, InputError, InputWarning, MissingDependencyError
from voxface.face.track import OBSERVED_BY_MEDIAPIPE
from voxface.files import sha256_hex

Use = Callable[[OpenTracker], CaptureOptions]


class StandIn:
    """A tracker that reads the number of the picture: no face in the pictures of `blind`, q and -q in turn."""

    observed = OBSERVED_BY_MEDIAPIPE
    description = {"name": "stand-in", "model_sha256": "0"}  # noqa: RUF012 - shared by all, never changed
    most_faces = 1
    blind: Sequence[int] = ()

    def __init__(self, model: FaceModel) -> None:
        self.model = model

    def __enter__(self) -> StandIn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.model = None

    def cut(self) -> None:
        pass

    def look(self, time_s: float, rgb: np.ndarray) -> Face | None:
        number = number_of(rgb)
        if number in self.blind:
            return None
        weights = np.full(52, 0.01 * number, np.float32)
        rotation = np.array([0.8, 0.6, 0, 0]) * (-1 if number % 2 else 1)
        return Face(weights, np.array([0.01 * number, 0, -0.4]), rotation, 0.1, 0.3)


class HalfBlind(StandIn):
    blind = (0, 3, 4)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Options with a tracker of the test's own."""

    def options(tracker: OpenTracker) -> CaptureOptions:
        monkeypatch.setitem(trackers.TRACKERS, "stand-in", lambda: tracker)
        return CaptureOptions(tracker="stand-in")

    return options


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> FaceModel:
    """A face model for trackers that need none."""
    monkeypatch.setattr(face_model, "SHA256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    return FaceModel(Path("none.task"), b"")


def test_frames_without_a_face_stay_in_the_sequence(tmp_path: Path, no_model: FaceModel, use: Use) -> None:
    """No face: same structure, seen False, zero weights, zero position, identity rotation; the others keep theirs."""
    path = make_video(tmp_path / "v.mp4", np.arange(8) / 25, sound=tone(0.3), sound_codec="aac")
    track = capture_video(path, face_model=no_model, options=use(HalfBlind)).track
    assert track.seen.tolist() == [False, True, True, False, False, True, True, True]
    np.testing.assert_array_equal(track.weights[~track.seen], 0)
    np.testing.assert_array_equal(track.head[~track.seen], [[0, 0, 0, 1, 0, 0, 0]] * 3)
    np.testing.assert_array_equal(track.lip_gap[~track.seen], 0)
    np.testing.assert_allclose(track.weights[5], 0.05, atol=1e-6)
    assert track.index.tolist() == list(range(8))
    np.testing.assert_allclose(track.times_s, np.arange(8) / 25, atol=1e-6)
    assert track.observed.tolist() == OBSERVED_BY_MEDIAPIPE.tolist()


def test_rotations_do_not_flip_their_sign(tmp_path: Path, no_model: FaceModel, use: Use) -> None:
    """Neighbouring quaternions point the same way, w >= 0 at the first face, also across frames without one."""
    path = make_video(tmp_path / "v.mp4", np.arange(8) / 25)
    with pytest.warns(InputWarning, match="no sound"):
        head = capture_video(path, face_model=no_model, options=use(HalfBlind)).track.head
    assert head[[1, 2, 5, 6, 7], 3:].tolist() == [pytest.approx([0.8, 0.6, 0, 0])] * 5


def test_the_limit_reaches_the_capture(tmp_path: Path, no_model: FaceModel, use: Use) -> None:
    """60 frames a second: every second is looked at; the capture says so, and its session is named by content."""
    path = make_video(tmp_path / "v.mp4", np.arange(20) / 60, sound=tone(0.4, 44_100), rate_hz=44_100,
                      sound_codec="aac")  # fmt: skip
    seen: list[tuple[int, int]] = []
    found = capture_video(
        path, face_model=no_model, options=use(StandIn), progress=lambda done, expected: seen.append((done, expected))
    )
    assert (found.original_fps, found.target_fps, found.frame_interval) == (60.0, 30.0, 2)
    assert found.track.index.tolist() == list(range(0, 20, 2))
    assert found.session_id == f"session_{sha256_hex(path)[:10]}_extract"
    assert found.name == "v"
    assert seen[-1] == (10, 10)
    assert [done for done, _ in seen] == [*range(1, 11), 10]  # once more for the sound
    assert abs(len(found.samples) - 0.4 * 16_000) < 1024
    assert found.samples.dtype == np.float32
    assert float(np.sqrt(np.mean(found.samples[2000:4000] ** 2))) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_mended_videos_are_warned_of(tmp_path: Path, no_model: FaceModel, use: Use) -> None:
    """Cut short, times that go back, no face anywhere: the capture is there and a warning with a code names it."""

    class Blind(StandIn):
        blind = range(99)

    once = make_video(tmp_path / "once.ts", np.arange(9) / 25, sound=tone(0.4), sound_codec="mp2")
    twice = tmp_path / "twice.ts"
    twice.write_bytes(once.read_bytes() * 2)
    with pytest.warns(InputWarning) as caught:
        found = capture_video(twice, face_model=no_model, options=use(Blind))
    codes = {str(warning.message).split("]")[0].lstrip("[") for warning in caught}
    assert {"W-NOT-RISING", "W-NO-FACE"} <= codes
    assert found.seen_share == 0
    assert found.tracker["frames_not_rising"] == 9


def test_several_sound_tracks_are_named(tmp_path: Path, no_model: FaceModel, use: Use) -> None:
    """V2: which of two tracks is taken is asked for, said, and kept in the header."""
    first = make_video(tmp_path / "1.mkv", np.arange(8) / 25, sound=0.2 * tone(0.4))
    second = make_video(tmp_path / "2.mkv", np.arange(8) / 25, sound=tone(0.9))
    path = copy_streams(tmp_path / "two.mkv", first, sound_of=second)
    for track, seconds in ((0, 0.4), (1, 0.9)):
        with pytest.warns(InputWarning, match=rf"W-SEVERAL-TRACKS.*tracks 0, 1; number {track} is taken"):
            found = capture_video(path, face_model=no_model, options=replace(use(StandIn), audio_track=track))
        assert len(found.samples) == pytest.approx(seconds * 16_000, abs=200)
        assert found.tracker["audio_track"] == track
        assert len(found.track) == 8


def test_damaged_frames_are_masked(tmp_path: Path, no_model: FaceModel, use: Use) -> None:
    """V5: what is wrong up to the next key frame is not looked at; it stays in the sequence, unseen, and is counted."""
    looked: list[int] = []

    class Counting(StandIn):
        def look(self, time_s: float, rgb: np.ndarray) -> Face | None:
            looked.append(round(25 * time_s))
            return super().look(time_s, rgb)

    noise = np.random.default_rng(2).integers(0, 255, (6, 8, 3)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
    path = encode(tmp_path / "v.mp4", [np.roll(noise, 3 * k, axis=1) for k in range(40)],
                  options={"g": "20", "bf": "0", "sc_threshold": "0"})  # fmt: skip
    overwrite_packet(path, 10)
    with pytest.warns(InputWarning) as caught:
        found = capture_video(path, face_model=no_model, options=use(Counting))
    assert any("W-DAMAGED" in str(warning.message) and "masked" in str(warning.message) for warning in caught)
    lost = 40 - len(found.track)
    assert found.track.index[found.track.seen].tolist() == looked == [*range(10), *range(20, 40)]
    assert (found.tracker["frames_damaged"], found.tracker["packets_broken"]) == (10 - lost, lost)


def test_another_size_is_another_shot(tmp_path: Path, no_model: FaceModel, use: Use) -> None:
    """Two recordings of different size in one stream: both are looked at, and the tracker is told of the cut."""
    cuts: list[int] = []

    class Told(StandIn):
        def cut(self) -> None:
            cuts.append(1)

    small = encode(tmp_path / "a.ts", [grey(9)] * 10, options={"bf": "0"})
    large = encode(tmp_path / "b.ts", [grey(9, (128, 96))] * 10, options={"bf": "0"})
    path = one_after_the_other(tmp_path / "both.ts", small, large, later_s=0.4)
    with pytest.warns(InputWarning, match="no sound"):
        found = capture_video(path, face_model=no_model, options=use(Told))
    assert found.track.shot.tolist() == [0] * 10 + [1] * 10
    assert len(cuts) == 1
    assert (found.tracker["width"], found.tracker["height"]) == (64, 48)


def test_sound_that_goes_on(tmp_path: Path, no_model: FaceModel, use: Use) -> None:
    """V2: sound that is longer than the pictures is kept whole; the pictures end where they end."""
    path = make_video(tmp_path / "v.mp4", np.arange(10) / 25, sound=tone(2.0), sound_codec="aac")
    found = capture_video(path, face_model=no_model, options=use(StandIn))
    assert len(found.samples) == pytest.approx(32_000, abs=1500)
    assert found.track.times_s[-1] == pytest.approx(9 / 25, abs=0.005)


@pytest.mark.parametrize(("fps", "seconds", "pieces"), [(25, 600, 1), (25, 601, 3), (59.94, 1500, 5), (50, 1501, 6)])
def test_the_plan_of_a_long_video(fps: float, seconds: float, pieces: int) -> None:
    """Up to ten minutes a video is whole, else pieces of five minutes with thirty frames of warm-up, whatever the rate;
    they follow each other without a gap. Frames that have no stamps cannot be numbered: such a video stays whole."""
    stamps = np.arange(round(seconds * fps), dtype=np.int64)
    info = VideoInfo("v", 64, 48, FrameRate(fps, True), len(stamps), None, (), 0.0, 0.0, stamps, 1 / fps)
    plan = plan_segments(info, CaptureOptions())
    assert len(plan) == pieces
    assert (plan[0].warm, plan[0].first, plan[-1].stop) == (0, 0, None)
    interval = 2 if fps > 30 else 1
    for one, two in pairwise(plan):
        assert one.stop == two.first
        assert (two.first - two.warm) / interval == 30
        assert (two.first - one.first) / fps == pytest.approx(300, abs=0.1)
        assert two.first % interval == 0
    assert plan_segments(replace(info, stamps=stamps[:0]), CaptureOptions()) == (Segment(),)


def a_capture(loudest: float = 0.5) -> Capture:
    from voxface.capture.segments import assemble

    faces = [Face(np.full(52, 0.1 * k, np.float32), np.zeros(3), np.array([1.0, 0, 0, 0]), 0.1, 0.3) for k in range(3)]
    track = assemble(np.array([-0.02, 0.02, 0.06]), np.array([0, 2, 4]), [*faces[:2], None], OBSERVED_BY_MEDIAPIPE,
                     np.array([0, 0, 1], np.int32))  # fmt: skip
    sound = (loudest * np.sin(np.arange(1600) / 9)).astype(np.float32)
    return Capture("clip", "session_0123456789_extract", "0123456789" + "0" * 54, track, 50.0, 30.0, 2, sound,
                   {"name": "stand-in", "most_faces": 1})  # fmt: skip


@pytest.mark.parametrize("loudest", [0.5, 1.0, 1.4])
def test_the_working_form_gives_back_what_it_got(tmp_path: Path, loudest: float) -> None:
    """Every field comes back; sound within 16 bits, also where a lossy codec went over full scale."""
    one, path = a_capture(loudest), tmp_path / f"clip{SUFFIX}"
    save_capture(path, one)
    two = load_capture(path)
    for name in ("times_s", "weights", "head", "seen", "lip_gap", "mouth_width", "index", "observed"):
        np.testing.assert_array_equal(getattr(two.track, name), getattr(one.track, name))
        assert getattr(two.track, name).dtype == getattr(one.track, name).dtype
    np.testing.assert_allclose(two.samples, one.samples, atol=2e-5 * max(1, loudest))
    for name in ("name", "session_id", "sha256", "original_fps", "target_fps", "frame_interval", "tracker"):
        assert getattr(two, name) == getattr(one, name)
    save_capture(tmp_path / "again", one)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert b"pickle" not in path.read_bytes()


def test_damaged_working_forms_are_refused(tmp_path: Path) -> None:
    """Junk, a cut file, a foreign safetensors file, a newer version, a missing tensor: one of our errors each."""
    import safetensors.numpy

    whole = tmp_path / f"clip{SUFFIX}"
    save_capture(whole, a_capture())
    content = whole.read_bytes()
    header = json.dumps({"kind": "voxface-capture", "version": 2})
    bad = {
        "junk": b"no capture" * 20,
        "empty": b"",
        "cut": content[: len(content) // 2],
        "foreign": safetensors.numpy.save({"a": np.zeros(3, np.float32)}),
        "newer": safetensors.numpy.save({"a": np.zeros(3, np.float32)}, {"voxface": header}),
        "lacks": safetensors.numpy.save({"a": np.zeros(3)}, {"voxface": header.replace("2", "1")}),
        "nested": safetensors.numpy.save({"a": np.zeros(3)}, {"voxface": "[" * 100_000}),
        "huge_header": (2**40).to_bytes(8, "little") + content[8:],
    }
    for name, body in bad.items():
        path = tmp_path / name
        path.write_bytes(body)
        with pytest.raises(ClipError, match=name):
            load_capture(path)
    with pytest.raises(InputError):
        load_capture(tmp_path / "missing")


def test_listing_captures(tmp_path: Path) -> None:
    """Folders give their captures in order, files give themselves; an empty or missing place is an error."""
    for name in ("b", "a"):
        save_capture(tmp_path / f"{name}{SUFFIX}", a_capture())
    (tmp_path / "other.json").write_text("{}")
    assert [path.name[0] for path in list_captures(tmp_path)] == ["a", "b"]
    assert list_captures([tmp_path / f"b{SUFFIX}"]) == [tmp_path / f"b{SUFFIX}"]
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(InputError):
            list_captures([tmp_path, place])


def test_nothing_heavy_on_import() -> None:
    """Importing capture loads neither MediaPipe nor PyAV nor pooch."""
    code = (
        "import sys, voxface.capture.capture, voxface.capture.mediapipe_tracker, voxface.cli.capture;"
        "print([m for m in ('mediapipe', 'av', 'pooch', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_mediapipe_and_system_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MediaPipe: the pip line; with it but without libEGL: the apt line. Exit code 4."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "mediapipe", None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'voxface\[capture,mediapipe\]'"):
            mediapipe_tracker.load_mediapipe()

    class NoEgl:
        def find_spec(self, name: str, path: Any, target: Any = None) -> None:
            if name == "mediapipe":
                raise OSError("libEGL.so.1: cannot open shared object file: No such file or directory")

    for name in [name for name in sys.modules if name.split(".")[0] == "mediapipe"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoEgl(), *sys.meta_path])
    with pytest.raises(MissingDependencyError, match=r"libEGL.*apt-get install") as caught:
        mediapipe_tracker.load_mediapipe()
    assert caught.value.exit_code == 4


def test_the_notice_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MediaPipe's usage metrics are mentioned at first use and not again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "usage metrics to Google" in (usage_notice() or "")
    assert usage_notice() is None
