"""voxface doctor: it finds what is broken, names the line that mends it, and ends as scripts expect."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import voxface
from voxface.bundle import load_bundle, shipped_bundles
from voxface.cli import checks
from voxface.cli.doctor import report
from voxface.errors import BundleError

PACKAGE = Path(voxface.__file__).parent


def doctor(*options: str, package: Path = PACKAGE, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program on a copy of the package, or on the one under test."""
    return subprocess.run(
        [sys.executable, "-m", "voxface.cli.main", "doctor", *options],
        env={**os.environ, "PYTHONPATH": str(package.parent), "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip


def test_a_healthy_installation_says_so() -> None:
    """Exit code 0; versions, every extra, every shipped bundle and the self-test are there, for people."""
    done = doctor()
    assert done.returncode == 0, done.stderr
    told = "Python 3|onnxruntime: |libsndfile |capture: |train: |render: |OpenGL: |face landmarker: |60 frames"
    for said in told.split("|"):
        assert said in done.stdout
    for name in shipped_bundles():
        assert f"bundle {name}: " in done.stdout
        assert load_bundle(name).sha256[:16] in done.stdout


def test_machines_get_one_object() -> None:
    """--json: one object on stdout with every check, its state, and the whole hashes."""
    done = doctor("--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["works"] is True
    states = {check["name"]: check for check in found["checks"]}
    assert states["voxface"]["voxface"] == voxface.__version__
    assert states["numpy"]["version"] == np.__version__
    assert states["animate"]["frames"] == 60
    for name in shipped_bundles():
        assert states[f"bundle {name}"]["sha256"] == load_bundle(name).sha256


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_damaged_model_is_found(options: tuple[str, ...], tmp_path: Path) -> None:
    """One changed byte of a shipped model: exit code 4, the bundle named, no traceback."""
    copy = shutil.copytree(PACKAGE, tmp_path / "voxface", ignore=shutil.ignore_patterns("__pycache__"))
    model = copy / "bundles" / "default.voxface" / "model.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    done = doctor(*options, package=copy)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    if options:
        found = json.loads(done.stdout)
        assert found["error"]["code"] == "E-MISSING"
        assert "bundle default" in found["error"]["message"]
        assert found["works"] is False
        assert len(found["checks"]) > 10
    else:
        assert "BROKEN bundle default" in done.stdout
        assert done.stderr.startswith("error[E-MISSING]: voxface cannot animate: bundle default")
        assert done.stderr.count("\n") == 1


def test_a_package_without_models_is_broken(tmp_path: Path) -> None:
    """No bundle at all: exit code 4."""
    copy = shutil.copytree(PACKAGE, tmp_path / "voxface", ignore=shutil.ignore_patterns("__pycache__", "bundles"))
    done = doctor(package=copy)
    assert done.returncode == 4
    assert "the package holds no model" in done.stdout


def test_a_library_that_does_not_load_is_found(tmp_path: Path) -> None:
    """onnxruntime installed but broken, as with a wrong C library: the self-test says what it was, exit code 4."""
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libm.so.6: version GLIBC_2.38 not found')")
    done = doctor(PYTHONPATH=f"{tmp_path}{os.pathsep}{PACKAGE.parent}")
    assert done.returncode == 4
    assert "GLIBC_2.38" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_face_model_is_looked_for_where_capture_looks(tmp_path: Path) -> None:
    """The environment names it, else the cache; another file is told; none of this is a fault of the core."""
    other = tmp_path / "face_landmarker.task"
    other.write_bytes(b"<html>log in first</html>")
    for environment, said in (
        ({"VOXFACE_FACE_LANDMARKER": str(tmp_path / "none")}, "not at"),
        ({"VOXFACE_FACE_LANDMARKER": str(other)}, "SHA-256 differs"),
        ({"XDG_CACHE_HOME": str(tmp_path), "VOXFACE_FACE_LANDMARKER": ""}, "(cache)"),
    ):
        done = doctor(**environment)
        assert done.returncode == 0
        line = next(line for line in done.stdout.splitlines() if "face landmarker" in line)
        assert said in line
        assert line.split()[0] == "-"


def test_the_real_face_model_is_known(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that MediaPipe serves is recognised by its hash."""
    monkeypatch.setenv("VOXFACE_FACE_LANDMARKER", str(shared / "face_landmarker.task"))
    assert checks.face_model().state == "ok"


def test_the_light_tracker_is_opened(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With LiteRT and the face model it is tried and ready; without either, what is missing is named with its line."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'voxface[capture]'")
    monkeypatch.setenv("VOXFACE_FACE_LANDMARKER", str(shared / "face_landmarker.task"))
    found = checks.light_tracker(checks.face_model())
    assert (found.state, found.hint) == ("ok", "")
    assert "ready in" in found.text
    monkeypatch.setenv("VOXFACE_FACE_LANDMARKER", str(shared / "no.task"))
    found = checks.light_tracker(checks.face_model())
    assert found.state == "missing"
    assert "landmarker is missing" in found.text
    assert "VOXFACE_FACE_LANDMARKER" in found.hint
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    found = checks.light_tracker(checks.face_model())
    assert found.state == "missing"
    assert "LiteRT" in found.text
    assert "voxface[capture]" in found.hint


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A pretended set of installed packages."""
    packages: dict[str, str] = {}

    def version(name: str) -> str:
        if name not in packages:
            raise metadata.PackageNotFoundError(name)
        return packages[name]

    needs = ["numpy>=2.0", 'av>=14; extra == "capture"', 'mediapipe>=0.10.20; extra == "capture"', "rich"]
    monkeypatch.setattr(checks.metadata, "version", version)
    monkeypatch.setattr(checks.metadata, "requires", lambda name: needs)
    return packages


def test_a_missing_extra_comes_with_its_line(installed: dict[str, str]) -> None:
    """What is not there and what is too old are named, with the command that installs the extra."""
    installed |= {"av": "9.2.0"}
    (found,) = checks.extras()
    assert found.state == "missing"
    assert found.text == "av 9.2.0 is older than 14, mediapipe is not installed"
    assert found.hint == "pip install 'voxface[capture]'"
    installed |= {"av": "14.0.1", "mediapipe": "0.10.21"}
    (found,) = checks.extras()
    assert (found.state, found.hint) == ("ok", "")


def test_a_core_library_that_is_missing_or_old_is_broken(installed: dict[str, str]) -> None:
    """The core needs each of its libraries in a version that is new enough; 2.10 is newer than 2.9."""
    installed |= {"numpy": "1.26.4"}
    assert [check.state for check in checks.core_libraries()] == ["broken", "broken"]
    installed |= {"numpy": "2.10.0rc1", "rich": "13"}
    assert [check.state for check in checks.core_libraries()] == ["ok", "ok"]


def test_packages_over_each_other_are_told(installed: dict[str, str]) -> None:
    """faults.md E2: both runtimes, or a mixture of OpenCVs: both named, with the commands that mend it."""
    installed |= {"onnxruntime": "1.20", "opencv-python": "4.10"}
    assert list(checks.clashes()) == []
    installed |= {"onnxruntime-gpu": "1.19", "opencv-contrib-python": "4.9"}
    runtimes, opencv = checks.clashes()
    assert "onnxruntime 1.20 and onnxruntime-gpu 1.19" in runtimes.text
    assert runtimes.hint == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime"
    assert "opencv-python 4.10" in opencv.text
    assert "!" in report([opencv])


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.zeros((59, 52)), "59 frames instead of 60"),
        (np.full((60, 52), np.nan), "not finite"),
        (np.full((60, 52), 1.5), "outside 0 to 1"),
        (np.full((60, 52), -0.1), "outside 0 to 1"),
    ],
)
def test_a_face_that_cannot_be_is_found(weights: np.ndarray, said: str) -> None:
    """The self-test looks at the face: number of frames, finite, in range."""

    class Clip(SimpleNamespace):
        def __len__(self) -> int:
            return len(self.weights)

    found = checks.self_test(lambda samples, rate_hz: Clip(weights=weights))
    assert found.state == "broken"
    assert said in found.text


def test_an_error_of_ours_and_a_crash_are_both_told() -> None:
    """Whatever animating raises becomes the text of the check."""

    def ours(samples: np.ndarray, rate_hz: int) -> None:
        raise BundleError("the bundle is torn.")

    def crash(samples: np.ndarray, rate_hz: int) -> None:
        raise ZeroDivisionError("by zero")

    assert checks.self_test(ours).text == "the bundle is torn."
    assert checks.self_test(crash).text == "ZeroDivisionError: by zero"


def test_the_self_test_hears_a_second() -> None:
    """The real thing: 60 frames from the shipped model."""
    found = checks.self_test()
    assert found.state == "ok", found.text
    assert found.values["frames"] == 60
