"""The light tracker on real faces: equal to MediaPipe, and what it does when faces, files or libraries go wrong."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")
pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'voxface[capture]'")

from tests.faces import beside, pictures_of
from voxface.capture import face_model
from voxface.capture.face_model import FaceModel, find_face_model
from voxface.capture.light import nets
from voxface.capture.light.tracker import LightTracker
from voxface.capture.tracker import Face
from voxface.capture.trackers import DEFAULT_TRACKER, TRACKERS, notice, open_tracker
from voxface.errors import FaceModelError, MissingDependencyError, UsageError
from voxface.face.axes import euler_angles, rotation_matrix
from voxface.face.rig import ARKIT


@pytest.fixture(scope="module")
def model(shared: Path) -> FaceModel:
    """The real landmarker."""
    return find_face_model(shared / face_model.FILE_NAME)


@pytest.fixture(scope="module")
def one(shared: Path) -> list[np.ndarray]:
    """A second of a face, 288 x 288."""
    return pictures_of(shared / "grid_dev" / "brbk7n.mp4", 25)


@pytest.fixture(scope="module")
def other(shared: Path) -> list[np.ndarray]:
    """A second of another face, 288 x 288."""
    return pictures_of(shared / "grid_dev" / "lbbc2a.mp4", 25)


def seen_by(name: str, model: FaceModel, pictures: list[np.ndarray]) -> list[Face | None]:
    """What a fresh tracker sees at 25 pictures a second."""
    with open_tracker(name)(model) as tracker:
        return [tracker.look(7 + k / 25, picture) for k, picture in enumerate(pictures)]


def values(faces: list[Face | None]) -> np.ndarray:
    """(n, 61): everything that was measured; a row of NaN where no face was seen."""
    rows = [
        np.full(61, np.nan) if f is None else np.array([*f.weights, *f.position, *f.rotation, *f[3:5]]) for f in faces
    ]
    return np.stack(rows)


def wide(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """The pictures turned by a quarter, at the right of a black picture: not square, the head lies."""
    return [np.concatenate([np.zeros_like(p), np.rot90(p)], axis=1) for p in pictures]


def leaving(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """The face moves out of the picture at its left edge."""
    return [np.pad(p[:, 4 * k :], ((0, 0), (0, 4 * k), (0, 0)), constant_values=60) for k, p in enumerate(pictures)]


@pytest.mark.parametrize(
    ("clip", "change"),
    [("grid_dev/pwij3p.mp4", list), ("wild_dev/talk_b.mp4", list), ("wild_dev/talk_a.mp4", wide),
     ("wild_dev/tv_b.mp4", leaving)],
)  # fmt: skip
def test_the_values_are_mediapipes(
    shared: Path, model: FaceModel, clip: str, change: Callable[[list[np.ndarray]], list[np.ndarray]]
) -> None:
    """MediaPipe's VIDEO mode is the oracle, on the same pictures: found in the same ones; every blendshape within 0.01
    and all within 0.002 on average, the head within 0.5 degrees, its place within 2 mm, the gap r above 0.99. So it is
    where a head lies in a wide picture, and where a face leaves the picture."""
    from voxface.capture.mediapipe_tracker import load_mediapipe

    try:
        load_mediapipe()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    pictures = change(pictures_of(shared / clip, 45))
    light, wanted = (values(seen_by(name, model, pictures)) for name in ("light", "mediapipe"))
    seen = ~np.isnan(light[:, 0])
    assert seen.sum() > 30
    assert np.array_equal(seen, ~np.isnan(wanted[:, 0]))
    light, wanted = light[seen], wanted[seen]
    apart = np.abs(light - wanted)
    assert apart[:, :52].mean(axis=0).max() < 0.01
    assert apart[:, :52].mean() < 0.002
    turn = rotation_matrix(light[:, 55:59]).swapaxes(1, 2) @ rotation_matrix(wanted[:, 55:59])
    assert np.degrees(np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1))).max() < 0.5
    assert apart[:, 52:55].max() < 0.002
    assert np.corrcoef(light[:, 59], wanted[:, 59])[0, 1] > 0.99


def test_the_same_pictures_give_the_same_bytes(model: FaceModel, one: list[np.ndarray]) -> None:
    """A fresh tracker repeats itself bit by bit; two that take turns do not disturb each other."""
    one = one[:10]
    first, again = values(seen_by("light", model, one)), values(seen_by("light", model, one))
    assert first.tobytes() == again.tobytes()
    a, b = LightTracker(model), LightTracker(model)
    turns = [(a.look(7 + k / 25, picture), b.look(7 + k / 25, picture[:, ::-1])) for k, picture in enumerate(one)]
    assert values([face for face, _ in turns]).tobytes() == first.tobytes()


def test_a_cut_forgets(model: FaceModel, one: list[np.ndarray], other: list[np.ndarray]) -> None:
    """After `cut`, pictures give bit for bit what a fresh tracker gives; without it the old face still pulls."""
    one, other = one[:10], other[:10]
    fresh = values(seen_by("light", model, other))
    found = {}
    for told in (True, False):
        tracker = LightTracker(model)
        for k, picture in enumerate(one):
            tracker.look(k / 25, picture)
        if told:
            tracker.cut()
        found[told] = values([tracker.look(7 + k / 25, picture) for k, picture in enumerate(other)])
    assert found[True].tobytes() == fresh.tobytes()
    assert not np.array_equal(found[False], fresh)


def test_left_is_the_subjects_left(model: FaceModel, shared: Path) -> None:
    """Mirrored pictures swap left and right: place and yaw change sign, left channels become right ones."""
    pictures = pictures_of(shared / "wild_dev" / "talk_a.mp4", 12)
    plain, mirrored = (seen_by("light", model, [p[:, ::step] for p in pictures])[-1] for step in (1, -1))
    assert plain is not None
    assert mirrored is not None
    assert mirrored.position[0] == pytest.approx(-plain.position[0], abs=0.01)
    angles = np.degrees(euler_angles(np.stack([plain.rotation, mirrored.rotation])))
    assert angles[1] == pytest.approx(angles[0] * [-1, 1, -1], abs=3)
    right, left = ARKIT.index("eyeBlinkRight"), ARKIT.index("eyeBlinkLeft")
    assert mirrored.weights[left] == pytest.approx(float(plain.weights[right]), abs=0.15)
    assert mirrored.weights[ARKIT.index("tongueOut")] == 0


def test_the_box_holds_the_face(model: FaceModel, one: list[np.ndarray]) -> None:
    """The box lies in the picture, is taller than wide, and its middle is the nose's third of the picture."""
    face = seen_by("light", model, one[:3])[-1]
    assert face is not None
    assert face.box is not None
    left, top, width, height = face.box
    assert 0 < left < left + width < 288
    assert 0 < top < top + height < 300
    assert 0.6 < width / height < 1.1


def test_the_largest_face_is_followed(model: FaceModel, one: list[np.ndarray], other: list[np.ndarray]) -> None:
    """V6: a small face from the start, a larger one comes: within a second it is followed; both are counted. Where both
    are there from the start the larger is followed at once; where it goes, the small one."""
    shown = [beside(small, None) for small in one[:10]] + [beside(*pair) for pair in zip(one, other, strict=True)] * 2
    shown += [beside(small, None) for small in one[:10]]
    with LightTracker(model) as tracker:
        faces = [tracker.look(k / 25, picture) for k, picture in enumerate(shown)]
    assert tracker.most_faces == 2
    x = np.array([np.nan if face is None else face.position[0] for face in faces])
    assert (x[:10] < 0).all()
    assert (x[26:60] > 0).all()
    assert (x[-8:] < 0).all()
    at_once = seen_by("light", model, [beside(one[0], other[0])])[0]
    assert at_once is not None
    assert at_once.position[0] > 0


def test_a_face_that_leaves_and_comes_back(model: FaceModel, one: list[np.ndarray]) -> None:
    """V6: where the picture is empty no face is reported; the first picture with a face again reports it, and with the
    values of a fresh tracker: nothing is remembered."""
    one, empty = one[:10], [np.full_like(one[0], 90)] * 5
    found = values(seen_by("light", model, one + empty + one))
    gone = np.isnan(found[:, 0])
    assert gone.nonzero()[0].tolist() == list(range(10, 15))
    assert np.array_equal(found[15:, :52], values(seen_by("light", model, [*empty, *one]))[5:, :52])


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (16, 16), (50, 3), (720, 1280)])
def test_pictures_without_a_face(model: FaceModel, shape: tuple[int, int]) -> None:
    """Of any size, black, white or noise: no face, no warning, no error."""
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert seen_by("light", model, [np.zeros_like(noise), np.full_like(noise, 255), noise]) == [None] * 3


def test_pictures_that_change_their_size(model: FaceModel, one: list[np.ndarray]) -> None:
    """A stream that becomes smaller or larger on the way does not end in an error; the face is found again."""
    halves, doubles = [p[::2, ::2] for p in one[:8]], [p.repeat(2, 0).repeat(2, 1) for p in one[:8]]
    faces = seen_by("light", model, one[:8] + halves + doubles)
    assert all(face is not None for face in faces[-4:])


def task_file(model: FaceModel, **changes: bytes | None) -> bytes:
    """The landmarker file with some of what lies in it changed, or left out (None)."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(model.content)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            content = changes.get(name.split(".")[0], old.read(name))
            if content is not None:
                new.writestr(name, content)
    return made.getvalue()


def member(model: FaceModel, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(model.content)) as inside:
        return inside.read(name)


@pytest.mark.parametrize(
    "fault",
    ["junk", "cut short", "no net", "other net", "net cut short", "net of zeros", "landmark net of zeros", "geometry"],
)
def test_a_wrong_model_that_is_forced_through(model: FaceModel, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """V19: a file that passes for the landmarker and is none, or holds other or damaged networks, is refused as our
    error with its name, never by a crash."""
    detector, blendshapes = member(model, "face_detector.tflite"), member(model, "face_blendshapes.tflite")
    content = {
        "junk": b"PK" + bytes(5000),
        "cut short": model.content[:200_000],
        "no net": task_file(model, face_blendshapes=None),
        "other net": task_file(model, face_blendshapes=detector),
        "net cut short": task_file(model, face_blendshapes=blendshapes[:20_000]),
        "net of zeros": task_file(model, face_detector=bytes(20_000)),
        "landmark net of zeros": task_file(model, face_landmarks_detector=bytes(20_000)),
        "geometry": task_file(model, geometry_pipeline_metadata_landmarks=b"\x0a\x05abc"),
    }[fault]
    monkeypatch.setattr(face_model, "SHA256", hashlib.sha256(content).hexdigest())
    with pytest.raises(FaceModelError, match=r"wrong\.task") as caught:
        LightTracker(FaceModel(Path("wrong.task"), content))
    assert caught.value.exit_code == 4


class BrokenLibrary(ModuleType):
    """A package whose native part does not load."""

    def __getattr__(self, name: str) -> object:
        raise OSError("libLiteRt.so: cannot open shared object file")


@pytest.mark.parametrize("library", [None, BrokenLibrary("ai_edge_litert")], ids=["missing", "broken"])
def test_without_litert(model: FaceModel, monkeypatch: pytest.MonkeyPatch, library: ModuleType | None) -> None:
    """Where LiteRT is not installed, or does not load: E-MISSING with the line that installs it."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert", library)
    with pytest.raises(MissingDependencyError, match="LiteRT") as caught:
        LightTracker(model)
    assert "pip install 'voxface[capture]'" in caught.value.hint


def test_trackers_by_name(model: FaceModel) -> None:
    """Each name opens its tracker, whose description begins with the name; another name is refused with the names; only
    MediaPipe has something to tell."""
    assert DEFAULT_TRACKER in TRACKERS
    with open_tracker("light")(model) as tracker:
        assert tracker.description["name"].startswith("light")
        assert tracker.description["version"] == nets.litert_version()
    with pytest.raises(UsageError, match="heavy") as caught:
        open_tracker("heavy")
    assert "light, mediapipe" in caught.value.hint
    assert notice("light") is None


PROGRAM = """
import sys
import numpy as np
import voxface.capture.trackers as trackers
assert not {"ai_edge_litert", "flatbuffers", "mediapipe"} & set(sys.modules), "imported before a tracker was opened"
from voxface.capture.face_model import find_face_model
with trackers.open_tracker("light")(find_face_model(sys.argv[1])) as tracker:
    assert tracker.look(0.0, np.load(sys.argv[2])) is not None
assert not {"cv2", "mediapipe", "tensorflow"} & set(sys.modules)
"""


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed: apt install strace")
def test_no_socket_is_opened(shared: Path, one: list[np.ndarray], tmp_path: Path) -> None:
    """From the import to the face, no process or thread asks the kernel for a socket of any kind; neither MediaPipe nor
    OpenCV is imported, and nothing at all before a tracker is opened."""
    np.save(tmp_path / "face.npy", one[0])
    log = tmp_path / "calls.txt"
    command = ["strace", "-f", "-qq", "-e", "trace=socket,connect,sendto,execve", "-o", str(log), sys.executable]
    command += ["-c", PROGRAM, str(shared / face_model.FILE_NAME), str(tmp_path / "face.npy")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=dict(os.environ), check=False)
    if "ptrace" in done.stderr.lower() and done.returncode:
        pytest.skip(f"processes cannot be traced here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    calls = log.read_text(encoding="utf-8", errors="replace")
    assert "execve(" in calls
    assert [line for line in calls.splitlines() if "execve(" not in line and "(" in line] == []
