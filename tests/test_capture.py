"""Video in, captured face and sound out: with a stand-in tracker everywhere, with MediaPipe where it is at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")
pytest.importorskip("safetensors", reason="safetensors is not installed: pip install 'voxface[capture]'")

from tests.videos import make_video, number_of, tone
from voxface.audio.container import Tally, probe_video, video_frames
from voxface.capture import face_model, mediapipe_tracker
from voxface.capture.capture import capture_video
from voxface.capture.face_model import FaceModel, find_face_model
from voxface.capture.mediapipe_tracker import MediapipeTracker, usage_notice
from voxface.capture.store import SUFFIX, Capture, list_captures, load_capture, read_header, save_capture
from voxface.capture.tracker import Face
from voxface.errors import ClipError, FaceModelError, InputError, InputWarning, MissingDependencyError
from voxface.face.axes import euler_angles
from voxface.face.rig import ARKIT
from voxface.face.track import OBSERVED_BY_MEDIAPIPE
from voxface.files import sha256_hex

JAW = ARKIT.index("jawOpen")


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
def no_model(monkeypatch: pytest.MonkeyPatch) -> FaceModel:
    """A face model for trackers that need none."""
    monkeypatch.setattr(face_model, "SHA256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    return FaceModel(Path("none.task"), b"")


def test_frames_without_a_face_stay_in_the_sequence(tmp_path: Path, no_model: FaceModel) -> None:
    """No face: same structure, seen False, zero weights, zero position, identity rotation; the others keep theirs."""
    path = make_video(tmp_path / "v.mp4", np.arange(8) / 25, sound=tone(0.3), sound_codec="aac")
    track = capture_video(path, face_model=no_model, tracker=HalfBlind).track
    assert track.seen.tolist() == [False, True, True, False, False, True, True, True]
    np.testing.assert_array_equal(track.weights[~track.seen], 0)
    np.testing.assert_array_equal(track.head[~track.seen], [[0, 0, 0, 1, 0, 0, 0]] * 3)
    np.testing.assert_array_equal(track.lip_gap[~track.seen], 0)
    np.testing.assert_allclose(track.weights[5], 0.05, atol=1e-6)
    assert track.index.tolist() == list(range(8))
    np.testing.assert_allclose(track.times_s, np.arange(8) / 25, atol=1e-6)
    assert track.observed.tolist() == OBSERVED_BY_MEDIAPIPE.tolist()


def test_rotations_do_not_flip_their_sign(tmp_path: Path, no_model: FaceModel) -> None:
    """Neighbouring quaternions point the same way, w >= 0 at the first face, also across frames without one."""
    path = make_video(tmp_path / "v.mp4", np.arange(8) / 25)
    with pytest.warns(InputWarning, match="no sound"):
        head = capture_video(path, face_model=no_model, tracker=HalfBlind).track.head
    assert head[[1, 2, 5, 6, 7], 3:].tolist() == [pytest.approx([0.8, 0.6, 0, 0])] * 5


def test_the_limit_reaches_the_capture(tmp_path: Path, no_model: FaceModel) -> None:
    """60 frames a second: every second is looked at; the capture says so, and its session is named by content."""
    path = make_video(tmp_path / "v.mp4", np.arange(20) / 60, sound=tone(0.4, 44_100), rate_hz=44_100,
                      sound_codec="aac")  # fmt: skip
    seen: list[tuple[int, int]] = []
    found = capture_video(
        path, face_model=no_model, tracker=StandIn, progress=lambda done, expected: seen.append((done, expected))
    )
    assert (found.original_fps, found.target_fps, found.frame_interval) == (60.0, 30.0, 2)
    assert found.track.index.tolist() == list(range(0, 20, 2))
    assert found.session_id == f"session_{sha256_hex(path)[:10]}_extract"
    assert found.name == "v"
    assert seen[-1] == (10, 10)
    assert [done for done, _ in seen] == list(range(1, 11))
    assert abs(len(found.samples) - 0.4 * 16_000) < 1024
    assert found.samples.dtype == np.float32
    assert float(np.sqrt(np.mean(found.samples[2000:4000] ** 2))) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_mended_videos_are_warned_of(tmp_path: Path, no_model: FaceModel) -> None:
    """Cut short, times that go back, no face anywhere: the capture is there and a warning with a code names it."""

    class Blind(StandIn):
        blind = range(99)

    once = make_video(tmp_path / "once.ts", np.arange(9) / 25, sound=tone(0.4), sound_codec="mp2")
    twice = tmp_path / "twice.ts"
    twice.write_bytes(once.read_bytes() * 2)
    with pytest.warns(InputWarning) as caught:
        found = capture_video(twice, face_model=no_model, tracker=Blind)
    codes = {str(warning.message).split("]")[0].lstrip("[") for warning in caught}
    assert {"W-NOT-RISING", "W-NO-FACE"} <= codes
    assert found.seen_share == 0
    assert found.tracker["frames_not_rising"] == 9


def a_capture(loudest: float = 0.5) -> Capture:
    from voxface.capture.capture import assemble

    faces = [Face(np.full(52, 0.1 * k, np.float32), np.zeros(3), np.array([1.0, 0, 0, 0]), 0.1, 0.3) for k in range(3)]
    track = assemble(np.array([-0.02, 0.02, 0.06]), np.array([0, 2, 4]), [*faces[:2], None], OBSERVED_BY_MEDIAPIPE)
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
        with pytest.raises(MissingDependencyError, match=r"pip install 'voxface\[capture\]'"):
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


# From here on: MediaPipe on real faces.


@pytest.fixture(scope="session")
def model(shared: Path) -> FaceModel:
    """The real landmarker; skips by name where MediaPipe or its system libraries are missing."""
    try:
        mediapipe_tracker.load_mediapipe()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    return find_face_model(shared / face_model.FILE_NAME)


def pictures_of(path: Path, count: int) -> list[np.ndarray]:
    return [
        frame.rgb for frame, _ in zip(video_frames(path, probe_video(path), 30, Tally()), range(count), strict=False)
    ]


def beside(small: np.ndarray | None, large: np.ndarray | None) -> np.ndarray:
    """(432, 720) picture: a small face on the left, one half as large again on the right; None leaves it empty."""
    whole = np.full((432, 720, 3), 90, np.uint8)
    if small is not None:
        whole[72:360, :288] = small
    if large is not None:
        grown = np.arange(432) * 2 // 3
        whole[:, 288:] = large[grown][:, grown]
    return whole


def test_real_speech(shared: Path, model: FaceModel) -> None:
    """A talking face: seen in every frame, plausible distance and direction, jawOpen goes with the lip gap."""
    found = capture_video(shared / "wild_dev" / "talk_a.mp4", face_model=model)
    track = found.track
    assert found.seen_share == 1
    assert len(track) == 184
    assert ((track.weights >= 0) & (track.weights <= 1)).all()
    assert not track.weights[:, ARKIT.index("tongueOut")].any()
    assert (np.abs(track.head[:, :2]) < 0.3).all()
    assert ((track.head[:, 2] < -0.2) & (track.head[:, 2] > -1.5)).all()
    assert (np.abs(np.degrees(euler_angles(track.head[:, 3:]))) < 45).all()
    assert np.corrcoef(track.weights[:, JAW], track.lip_gap)[0, 1] > 0.8
    assert 0.2 < np.median(track.mouth_width) < 0.6
    assert len(found.samples) == pytest.approx(6.13 * 16_000, rel=0.01)
    assert found.tracker["most_faces"] == 1


def test_the_values_are_mediapipes_own(shared: Path, model: FaceModel) -> None:
    """Channel by channel the numbers of a bare FaceLandmarker loop, matched by name."""
    import mediapipe

    pictures = pictures_of(shared / "grid_dev" / "brbk7n.mp4", 6)
    with mediapipe_tracker.quiet_stderr():
        landmarker = mediapipe_tracker.open_landmarker(mediapipe, model)
        image = [mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture) for picture in pictures]
        bare = [landmarker.detect_for_video(picture, 40 * k) for k, picture in enumerate(image)]
        landmarker.close()
    with MediapipeTracker(model) as tracker:
        ours = [tracker.look(7.0 + 0.04 * k, picture) for k, picture in enumerate(pictures)]
    for face, result in zip(ours, bare, strict=True):
        assert face is not None
        scores = {category.category_name: category.score for category in result.face_blendshapes[0]}
        assert set(scores) == {*ARKIT[:-1], "_neutral"}
        np.testing.assert_allclose(face.weights[:-1], [scores[name] for name in ARKIT[:-1]], atol=1e-6)
        np.testing.assert_allclose(face.position, 0.01 * result.facial_transformation_matrixes[0][:3, 3], atol=1e-6)


def test_left_is_the_subjects_left(shared: Path, model: FaceModel) -> None:
    """Mirrored pictures swap left and right: position x and yaw change sign, left channels become right ones."""
    pictures = pictures_of(shared / "wild_dev" / "talk_a.mp4", 12)
    faces = []
    for flip in (False, True):
        with MediapipeTracker(model) as tracker:
            seen = [
                tracker.look(k / 30, np.ascontiguousarray(p[:, :: -1 if flip else 1])) for k, p in enumerate(pictures)
            ]
        faces.append(seen[-1])
    plain, mirrored = faces
    assert plain is not None
    assert mirrored is not None
    assert mirrored.position[0] == pytest.approx(-plain.position[0], abs=0.01)
    angles = np.degrees(euler_angles(np.stack([plain.rotation, mirrored.rotation])))
    assert angles[1] == pytest.approx(angles[0] * [-1, 1, -1], abs=3)
    right, left = ARKIT.index("eyeBlinkRight"), ARKIT.index("eyeBlinkLeft")
    assert mirrored.weights[left] == pytest.approx(float(plain.weights[right]), abs=0.15)


def test_the_largest_of_two_faces_is_followed(shared: Path, model: FaceModel) -> None:
    """V6: a small face from the start, a larger one comes: within a second the larger is followed; both are counted."""
    small = pictures_of(shared / "grid_dev" / "brbk7n.mp4", 36)
    large = pictures_of(shared / "grid_dev" / "lbbc2a.mp4", 36)
    shown = [beside(picture, None) for picture in small[:10]]
    shown += [beside(a, b) for a, b in zip(small, large, strict=True)]
    with MediapipeTracker(model) as tracker:
        faces = [tracker.look(k / 25, picture) for k, picture in enumerate(shown)]
    assert tracker.most_faces == 2
    x = np.array([np.nan if face is None else face.position[0] for face in faces])
    assert (x[3:10] < 0).all()
    assert (x[-8:] > 0).all()


def test_a_face_that_leaves_and_comes_back(shared: Path, model: FaceModel) -> None:
    """V6: where the picture is empty no face is reported, and it is found again."""
    pictures = pictures_of(shared / "grid_dev" / "sbia1a.mp4", 10)
    shown = pictures + [np.full_like(pictures[0], 90)] * 5 + pictures
    with MediapipeTracker(model) as tracker:
        seen = [tracker.look(k / 25, picture) is not None for k, picture in enumerate(shown)]
    assert seen[:10] == [True] * 10
    assert seen[11:15] == [False] * 4
    assert seen[-8:] == [True] * 8


def test_a_wrong_model_that_is_forced_through(model: FaceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """V19: bytes that are no landmarker are refused by MediaPipe as our error, not as a crash."""
    import hashlib

    junk = model.content[:200_000]
    monkeypatch.setattr(face_model, "SHA256", hashlib.sha256(junk).hexdigest())
    with pytest.raises(FaceModelError, match="refuses"):
        MediapipeTracker(FaceModel(Path("junk.task"), junk))


def program(*arguments: str | Path, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`voxface capture` as a user runs it, with a cache of its own."""
    command = [sys.executable, "-m", "voxface.cli.main", "capture", *map(str, arguments)]
    settings = {**os.environ, "XDG_CACHE_HOME": str(home), **env}
    return subprocess.run(command, capture_output=True, text=True, cwd=home, env=settings, timeout=120)


def test_capture_end_to_end(shared: Path, model: FaceModel, tmp_path: Path) -> None:
    """V6 through the program: a face, nobody, two faces: exit 0, a warning, the JSON pair; what is done is skipped."""
    faces = pictures_of(shared / "grid_dev" / "lbbc2a.mp4", 12)
    others = pictures_of(shared / "grid_dev" / "brbk7n.mp4", 12)
    shown = [beside(None, face) for face in faces] + [beside(None, None)] * 8
    shown += [beside(a, b) for a, b in zip(others, faces, strict=True)]
    video = make_video(tmp_path / "in.mp4", np.arange(32) / 25, pictures=shown, sound=tone(1.28), sound_codec="aac")
    flags = ("-o", tmp_path / "out", "--json-pair", "--face-model", model.path)
    done = program(video, *flags, "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["captured"], summary["skipped"], summary["frames"]) == (1, 0, 32)
    assert any("W-SEVERAL-FACES" in text for text in summary["warnings"])
    found = load_capture(tmp_path / "out" / f"in{SUFFIX}")
    assert not found.track.seen[14:20].any()
    assert found.track.seen[[5, 11, 28, 31]].all()
    face = json.loads((tmp_path / "out" / "in.capture.json").read_text())
    assert [frame["has_face"] for frame in face["frames"]] == found.track.seen.tolist()
    assert face["sessionInfo"]["sessionId"] == found.session_id
    sound = json.loads((tmp_path / "out" / "in.audio.json").read_text())
    assert sound["n_frames"] == 1 + len(found.samples) // 160 == len(sound["mel_features"])
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / "in.audio.json").unlink()
    again = program(video, *flags, home=tmp_path)
    assert again.returncode == 0
    assert "1 done before" in again.stdout
    assert before[f"in{SUFFIX}"] == (tmp_path / "out" / f"in{SUFFIX}").stat().st_mtime_ns
    assert (tmp_path / "out" / "in.audio.json").exists()
    assert program(video, *flags, "--fps-limit", "10", home=tmp_path).stdout.count("1 captured") == 1
    assert read_header(tmp_path / "out" / f"in{SUFFIX}")["frame_interval"] == 3


def test_one_bad_video_does_not_stop_the_others(shared: Path, model: FaceModel, tmp_path: Path) -> None:
    """A folder with a text file called .mp4: the good one is captured, the bad one is named, exit 5; the notice about
    usage metrics comes once."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_text("this is no video")
    pictures = pictures_of(shared / "grid_dev" / "sbia1a.mp4", 3)
    make_video(tmp_path / "in" / "b.mp4", np.arange(3) / 25, pictures=pictures, sound=tone(0.2), sound_codec="aac")
    settings = {face_model.ENVIRONMENT: str(model.path)}
    done = program(tmp_path / "in", "-o", tmp_path / "out", home=tmp_path, **settings)
    assert done.returncode == 5, done.stderr
    assert "error[E-VIDEO-FORMAT]" in done.stderr
    assert "a.mp4" in done.stderr
    assert "usage metrics" in done.stderr
    assert "1 captured" in done.stdout
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"b{SUFFIX}"]
    again = program(tmp_path / "in", "-o", tmp_path / "out", home=tmp_path, **settings)
    assert again.returncode == 5
    assert "usage metrics" not in again.stderr


def test_errors_of_the_program(tmp_path: Path) -> None:
    """One bad video: exit 3. A face model that is missing or cut (V19): exit 4 with the place to put it. No outputs."""
    video = make_video(tmp_path / "v.mp4", np.arange(3) / 25, sound=tone(0.2), sound_codec="aac")
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    cut = tmp_path / "cut.task"
    cut.write_bytes(b"PK\x03\x04" + bytes(5000))
    missing = tmp_path / "missing.task"
    for flags, code, says in [
        ((tmp_path / "nowhere.mp4", "--face-model", cut), 3, "error[E-INPUT]"),
        ((text, "--face-model", cut), 3, "error[E-VIDEO-FORMAT]"),
        ((video, "--face-model", cut), 4, "error[E-FACE-MODEL]"),
        ((video, "--face-model", missing), 4, "error[E-FACE-MODEL]"),
        ((video, "--face-model", cut, "--fps-limit", "0"), 2, "error[E-USAGE]"),
        ((tmp_path / "empty",), 3, "error[E-INPUT]"),
    ]:
        (tmp_path / "empty").mkdir(exist_ok=True)
        done = program(*flags, "-o", tmp_path / "out", home=tmp_path)
        assert done.returncode == code, (flags, done.stderr)
        assert says in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        if code == 4:
            assert str(tmp_path / "voxface" / "face_landmarker.task") in done.stderr
    assert not (tmp_path / "out").exists()
