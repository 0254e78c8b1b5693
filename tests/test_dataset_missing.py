"""Datasets whose files have gone or changed, and splits that would leak (faults.md M9, M10)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="datasets on disk need the library safetensors")

from tests.captured import make_capture, put
from voxface.dataset.build import BuildOptions, build_dataset
from voxface.dataset.dataset import Dataset, load_dataset
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.split import Item, parse_rule, split
from voxface.errors import DatasetError, InputWarning


def build(folder: Path, *names: str, factor: float = 1.0) -> Dataset:
    """A dataset of one speaker with these recordings; the factor makes it another one of the same names."""
    captures = [make_capture(name, 1.0, seed) for seed, name in enumerate(names)]
    loud = [replace(one, samples=one.samples * np.float32(factor)) for one in captures]
    options = BuildOptions(SpeakerRule("name", "s"), parse_rule("all:test"))
    return build_dataset([put(folder / "captures", *loud)], folder / "set", options).dataset


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A dataset with a good, a missing, a torn, and a changed recording."""
    dataset, other = build(tmp_path, *"abcd"), build(tmp_path / "other", *"abcd", factor=0.5)
    files = {entry.name: dataset.folder / entry.facts.file for entry in dataset.manifest.entries}
    files["b"].unlink()
    files["c"].write_bytes(files["c"].read_bytes()[:-1])
    shutil.copy(other.folder / other.entries("test")[3].facts.file, files["d"])
    return dataset.folder


def test_what_is_missing_torn_or_changed_is_named(spoilt: Path) -> None:
    """Opening the dataset names every such recording and what is wrong with it."""
    with pytest.raises(DatasetError, match=r"3 of 4 recordings.*b \(missing\), c \(damaged\), d \(changed\)") as caught:
        load_dataset(spoilt)
    assert "--skip-missing" in str(caught.value)
    assert caught.value.exit_code == 3


def test_skip_missing_leaves_them_out(spoilt: Path) -> None:
    """What is left is read, with a warning that names the others; with nothing left it is an error all the same."""
    with pytest.warns(InputWarning, match=r"W-SKIPPED.*3 of 4"):
        dataset = load_dataset(spoilt, skip_missing=True)
    assert [recording.name for recording in dataset.recordings("test")] == ["a"]
    for path in (spoilt / "recordings").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="4 of 4"):
        load_dataset(spoilt, skip_missing=True)


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    """Of many lost recordings twenty are named, and how many more there are."""
    folder = build(tmp_path, *(f"r{k:02}" for k in range(25))).folder
    for path in (folder / "recordings").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"r19 \(missing\) and 5 more"):
        load_dataset(folder)


def test_the_command_line_exits_with_3_or_goes_on(spoilt: Path) -> None:
    """`voxface evaluate` refuses a dataset with holes by exit code 3; with --skip-missing it gets further."""

    def evaluate(*more: str) -> tuple[int, dict[str, object]]:
        command = [
            sys.executable,
            "-m",
            "voxface.cli.main",
            "evaluate",
            "--dataset",
            str(spoilt),
            "--baselines-only",
            "--json",
        ]
        done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, json.loads(done.stdout)

    code, said = evaluate()
    assert code == 3
    assert "b (missing)" in str(said["error"])
    _, said = evaluate("--skip-missing")
    assert "missing" not in str(said.get("error"))
    assert "W-SKIPPED" in str(said["warnings"])


def test_training_refuses_or_leaves_out_likewise(spoilt: Path) -> None:
    """What a run learns from is gathered from whole datasets, or with skip_missing from what is left of them."""
    pytest.importorskip("torch", reason="what is gathered for training needs torch")
    from voxface.training.gather import gather

    manifest = spoilt / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"split": "test"', '"split": "train"'))
    with pytest.raises(DatasetError, match="--skip-missing"):
        gather([spoilt])
    with pytest.warns(InputWarning, match="W-SKIPPED"):
        found = gather([spoilt], skip_missing=True)
    assert [recording.name for recording in found.recordings] == ["a"]


def test_a_build_makes_good_what_was_lost(spoilt: Path) -> None:
    """The hint holds: building again gives the whole dataset back."""
    build_dataset([spoilt.parent / "captures"], spoilt, BuildOptions(SpeakerRule("name", "s"), parse_rule("all:test")))
    assert len(load_dataset(spoilt).recordings("test")) == 4


@pytest.mark.parametrize("rule", ["sha256:6,3", "sha256:0.5,0.25"])
def test_a_speaker_among_several_never_stands_in_two_splits(rule: str) -> None:
    """M10: the build of such a split fails and names the speakers; one speaker alone may be dealt out by recording."""
    items = [Item(f"{who}{k}", who, f"{who}{k}") for who in "ab" for k in range(6)]
    with pytest.raises(DatasetError, match=r"2 of 2 speakers would stand in more than one split: a, b") as caught:
        split(items, parse_rule(rule))
    assert caught.value.exit_code == 3
    assert set(split(items[:6], parse_rule("sha256:3,2"))) == {"train", "validate", "test"}


def test_leaving_recordings_out_cannot_make_a_leak(tmp_path: Path) -> None:
    """The split is made of what is kept: a speaker whose bad recordings are left out stays in one split."""
    good = [make_capture(f"{who}{k}", 2.0, seed=k) for who in "abc" for k in range(3)]
    silent = [replace(one, samples=np.zeros_like(one.samples)) if one.name.endswith("1") else one for one in good]
    for one in silent:
        put(tmp_path / "captures" / one.name[0], one)
    places = sorted((tmp_path / "captures").iterdir())
    built = build_dataset(places, tmp_path / "set", BuildOptions(split=parse_rule("speaker:1,1")))
    found = {(entry.speaker, entry.split) for entry in built.dataset.manifest.entries}
    assert len(found) == 3
    assert len(built.failures) == 3
