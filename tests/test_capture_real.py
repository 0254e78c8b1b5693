"""Capture with MediaPipe on real faces, in the process and through the program (faults.md V6, V19)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")
pytest.importorskip("safetensors", reason="safetensors is not installed: pip install 'voxface[capture]'")

from tests.faces import beside, pictures_of
from tests.videos import make_video, tone
from voxface.capture import face_model, journal, mediapipe_tracker
from voxface.capture.capture import capture_video
from voxface.capture.face_model import FaceModel, find_face_model
from voxface.capture.job import VideoJob, do_video
from voxface.capture.mediapipe_tracker import MediapipeTracker
from voxface.capture.options import CaptureOptions
from voxface.capture.store import SUFFIX, load_capture, read_header
from voxface.capture.trackers import TRACKERS
from voxface.errors import FaceModelError, MissingDependencyError
from voxface.face.axes import euler_angles
from voxface.face.rig import ARKIT

JAW = ARKIT.index("jawOpen")


@pytest.fixture(scope="session")
def model(shared: Path) -> FaceModel:
    """The real landmarker; skips by name where MediaPipe or its system libraries are missing."""
    try:
        mediapipe_tracker.load_mediapipe()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    return find_face_model(shared / face_model.FILE_NAME)


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
    assert (summary["captured"], summary["kept"], summary["frames"]) == (1, 0, 32)
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
    MediaPipe's usage metrics comes once."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_text("this is no video")
    pictures = pictures_of(shared / "grid_dev" / "sbia1a.mp4", 3)
    make_video(tmp_path / "in" / "b.mp4", np.arange(3) / 25, pictures=pictures, sound=tone(0.2), sound_codec="aac")
    settings = {face_model.ENVIRONMENT: str(model.path)}
    order = (tmp_path / "in", "--tracker", "mediapipe", "-o", tmp_path / "out")
    done = program(*order, home=tmp_path, **settings)
    assert done.returncode == 5, done.stderr
    assert "error[E-VIDEO-FORMAT]" in done.stderr
    assert "a.mp4" in done.stderr
    assert "usage metrics" in done.stderr
    assert "1 captured" in done.stdout
    assert "Traceback" not in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"b{SUFFIX}", journal.FILE}
    again = program(*order, home=tmp_path, **settings)
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
    assert not list(tmp_path.glob(f"out/*{SUFFIX}"))


@pytest.mark.parametrize("tracker", list(TRACKERS))
def test_workers_give_what_one_process_gives(shared: Path, model: FaceModel, tmp_path: Path, tracker: str) -> None:
    """Two workers that each saw other videos before give the bytes of a process that does one after the
    other."""
    names = ("sbia1a", "brbk7n", "lbbc2a")
    for name in names:
        pictures = pictures_of(shared / "grid_dev" / f"{name}.mp4", 8)
        make_video(tmp_path / f"{name}.mp4", np.arange(8) / 25, pictures=pictures, sound=tone(0.3), sound_codec="aac")
    flags = ("--tracker", tracker, "--face-model", model.path, "--jobs", "2", "-o", tmp_path / "out")
    done = program(*(tmp_path / f"{name}.mp4" for name in names), *flags, home=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in names:
        job = VideoJob(
            str(tmp_path / f"{name}.mp4"), str(tmp_path / f"{name}{SUFFIX}"), CaptureOptions(tracker=tracker),
            str(model.path),
        )  # fmt: skip
        assert do_video(job).status == "captured"
        assert (tmp_path / f"{name}{SUFFIX}").read_bytes() == (tmp_path / "out" / f"{name}{SUFFIX}").read_bytes()
        assert do_video(job).status == "kept"
