"""`voxface evaluate`, run as a user runs it on a dataset that the tests build."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.test_evaluation import JAW, sound
from tests.test_evaluation_phones import synthetic
from voxface.bundle import shipped_bundles
from voxface.dataset.recording import Recording
from voxface.evaluation.baselines import loudness_db
from voxface.evaluation.group import TRUTH


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset on disk, of twelve captures of 2 s whose jaw follows the loudness: 8 train, 2 validate, 2 test."""
    pytest.importorskip("safetensors", reason="the capture extra is not installed")
    from voxface.dataset.build import BuildOptions, build_dataset
    from voxface.dataset.speakers import SpeakerRule
    from voxface.dataset.split import parse_rule

    folder = tmp_path_factory.mktemp("evaluation")
    for seed in range(12):
        save_clip(folder / "captures", f"clip{seed:02d}", seed)
    save_clip(folder / "others", "stranger", 40)
    rule = SpeakerRule("name", "one")
    build_dataset([folder / "captures"], folder / "home", BuildOptions(rule, parse_rule("sha256:8,2")))
    build_dataset([folder / "others"], folder / "away", BuildOptions(rule, parse_rule("all:test")))
    return folder


def save_clip(folder: Path, name: str, seed: int) -> None:
    """Write a capture at 25 frames a second."""
    from voxface.capture.store import SUFFIX, Capture, save_capture, session_id
    from voxface.face.track import OBSERVED_BY_MEDIAPIPE, FaceTrack

    samples = 0.5 * sound(seed)
    times = np.arange(50) / 25
    jaw = np.clip((loudness_db(samples)[(times * 100).astype(int)] + 60) / 80, 0, 1).astype(np.float32)
    weights = np.zeros((50, 52), np.float32)
    weights[:, JAW] = jaw
    head = np.tile(np.array([0, 0, -0.5, 1, 0, 0, 0], np.float32), (50, 1))
    width = np.full(50, 0.3, np.float32)
    track = FaceTrack(times, weights, head, np.ones(50, bool), 0.1 * jaw, width, np.arange(50), OBSERVED_BY_MEDIAPIPE)
    sha256 = f"{seed:02x}" * 32
    save_capture(
        folder / f"{name}{SUFFIX}", Capture(name, session_id(sha256), sha256, track, 25.0, 30.0, 1, samples, {})
    )


def save_synthetic(folder: Path, *recordings: Recording) -> None:
    """Write a dataset of synthetic recordings, as `voxface synth` does, all in the test split."""
    from voxface.dataset.align import FaceRows
    from voxface.dataset.manifest import Entry, Manifest, save_manifest
    from voxface.dataset.quality import Quality
    from voxface.dataset.rest import Calibration
    from voxface.dataset.store import Facts, save_recording

    entries = []
    for one in recordings:
        digest = hashlib.sha256(one.name.encode()).hexdigest()
        facts = Facts(one.name, digest, one.name, digest, 10.0, (0, 0, 0), 0.0, 0.0, Quality(), synthetic=True)
        face = FaceRows(one.weights, one.head, one.gap, one.width, one.valid, np.zeros(3))
        save_recording(folder, facts, one.samples, face, one.observed, one.phones)
        entries.append(Entry(one.name, "machine", "test", facts))
    known = Calibration(np.zeros(52, np.float32), "percentile", 0, 0, 1.0, 0.0, 1.0)
    save_manifest(folder, Manifest(tuple(entries), {"machine": known}, "all:test", {}, {}))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`voxface evaluate` as a user runs it."""
    command = [sys.executable, "-m", "voxface.cli.main", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_program_judges_and_writes_its_report(dataset: Path) -> None:
    """One call gives the table, report.md, report.json and a picture per group; the ridge follows the planted jaw."""
    words = dataset / "words.tsv"
    words.write_text("clip\tstart_s\tend_s\tword\n" + "".join(f"clip{i:02d}\t1.2\t1.4\tbin\n" for i in range(12)))
    out = dataset / "out"
    also = f"far={dataset / 'away'}"
    done = run("--baselines-only", "--dataset", dataset / "home", "--also", also, "--words", words, "-o", out)
    assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr
    for name in ("mean face", "log energy", "ridge on log-mel", "ridge for strangers"):
        assert name in done.stdout
        assert name in (out / "report.md").read_text()
    groups = json.loads((out / "report.json").read_text())["groups"]
    assert {name: group["clips"] for name, group in groups.items()} == {"home test": 2, "far": 1}
    ridge = groups["far"]["predictors"][0]
    assert (ridge["predictor"], ridge["r"]["mean"] > 0.8) == ("ridge on log-mel", True)
    assert groups["home test"]["predictors"][0]["closures_judged"] == 2
    if importlib.util.find_spec("matplotlib"):
        assert {path.name for path in out.glob("*.png")} == {"curves_home_test.png", "curves_far.png", "sheet.png"}


def test_the_program_judges_synthetic_speech_and_worse_speech(dataset: Path) -> None:
    """A synthetic group brings its own phones: closures and classes without word times; --robust adds its table."""
    save_synthetic(dataset / "machine", synthetic("a", 1), synthetic("b", 2))
    done = run(
        "--baselines-only", "--robust", "--dataset", dataset / "home", "--also", f"ked={dataset / 'machine'}", "--json"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    truth = value["groups"]["ked"]["predictors"][-1]
    assert (truth["recall"], truth["auc"], truth["closures_judged"]) == (1, 1, 18)
    assert truth["false_rate"] < 0.05
    assert truth["classes"]["bilabials (p b m)"]["closed"] == 1
    assert set(value["robust"]) == {"home test", "ked"}
    assert len(value["robust"]["ked"]["conditions"]) == 7
    assert value["fitted"].startswith("Baselines fitted on 8 captured recordings")


def test_the_program_judges_the_shipped_bundle_in_json(dataset: Path) -> None:
    """With --json one object tells all, the bundle first, the baselines always."""
    if "default" not in shipped_bundles():
        pytest.skip("no bundle 'default' is shipped in this checkout")
    done = run("--dataset", dataset / "home", "--json")
    assert done.returncode == 0, done.stderr
    (group,) = json.loads(done.stdout)["groups"].values()
    names = [row["predictor"] for row in group["predictors"]]
    assert names[0].startswith("bundle ")
    assert names[1:] == ["mean face", "log energy", "ridge on log-mel", "ridge for strangers", TRUTH]


def test_the_program_refuses_to_judge_on_training_videos(dataset: Path) -> None:
    """A group that holds a video of the train split is a leak: exit 3 and the name of the recording."""
    done = run("--baselines-only", "--dataset", dataset / "home", "--also", f"again={dataset / 'home'}")
    assert done.returncode == 3
    assert "error[E-DATASET]" in done.stderr
    assert "'again'" in done.stderr


def test_the_program_names_what_is_missing(dataset: Path, tmp_path: Path) -> None:
    """No dataset, no such bundle, two groups of one name: one line each, with its exit code."""
    assert run("--baselines-only", "--dataset", tmp_path / "none").returncode == 3
    assert run("--bundle", "nobody", "--dataset", dataset / "home").returncode == 4
    twice = run("--baselines-only", "--dataset", dataset / "home", "--also", "a=x", "--also", "a=y")
    assert twice.returncode in (2, 3)
    assert len(twice.stderr.strip().splitlines()) == 1
