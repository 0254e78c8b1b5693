"""A dataset on disk: built, built again, read, broken, and through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.captured import JAW, make_capture, make_track, put
from voxface.capture.store import Capture
from voxface.dataset.align import align
from voxface.dataset.build import BuildOptions, Built, build_dataset
from voxface.dataset.dataset import load_dataset
from voxface.dataset.manifest import Manifest
from voxface.dataset.pairs import load_pair
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.split import SplitRule, parse_rule
from voxface.dataset.summary import summarize
from voxface.dataset.windows import window_count
from voxface.errors import DatasetError, InputError, InputWarning, OutputError, UsageError
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.face.track import OBSERVED_BY_MEDIAPIPE

pytest.importorskip("safetensors", reason="datasets on disk need the library safetensors")

# On disk


def build(tmp_path: Path, *captures: Capture, **options: Any) -> Built:
    """Build a dataset of one speaker from captures made for the test."""
    options.setdefault("speakers", SpeakerRule("name", "s1"))
    return build_dataset([put(tmp_path / "captures", *captures)], tmp_path / "set", BuildOptions(**options))


def test_what_is_read_is_what_was_made(tmp_path: Path) -> None:
    """A recording read back equals the aligned capture bit by bit, its sound included."""
    capture = make_capture("x", 1.3)
    build(tmp_path, capture, split=parse_rule("all:validate"))
    dataset = load_dataset(tmp_path / "set")
    (recording,) = dataset.recordings("validate")
    face = align(capture.track, 1 + len(capture.samples) // 160)
    for name in ("weights", "head", "gap", "width", "valid"):
        np.testing.assert_array_equal(getattr(recording, name), getattr(face, name), err_msg=name)
    sixteen_bit = np.round(capture.samples * np.float32(32767)).astype(np.int16).astype(np.float32) / np.float32(32767)
    np.testing.assert_array_equal(recording.samples, sixteen_bit)
    np.testing.assert_array_equal(recording.observed, OBSERVED_BY_MEDIAPIPE)
    assert (recording.name, recording.speaker, recording.split) == ("x", "s1", "validate")
    assert dataset.recordings("train") == []
    with pytest.raises(UsageError, match="no split 'dev'"):
        dataset.recordings("dev")


def test_a_second_build_keeps_what_is_done_and_gives_the_same_bytes(tmp_path: Path) -> None:
    """An interrupted build goes on: unchanged captures are kept, changed ones are made again, bytes are the same."""
    captures = [make_capture(f"c{i}", 1.0, i) for i in range(4)]
    build(tmp_path, *captures)
    files = sorted((tmp_path / "set").rglob("*.*"))
    before = {path: path.read_bytes() for path in files}
    (tmp_path / "set" / "manifest.json").unlink()
    files[-1].write_bytes(files[-1].read_bytes()[:-1000])  # torn
    again = build(tmp_path, *captures)
    assert again.kept == 3
    assert {path: path.read_bytes() for path in files} == before
    changed = build(tmp_path, replace(captures[0], samples=captures[0].samples * np.float32(0.5)))
    assert changed.kept == 3
    assert changed.dataset.manifest.to_json() != again.dataset.manifest.to_json()


def test_test_recordings_do_not_shape_the_calibration(tmp_path: Path) -> None:
    """A speaker who is learned from is calibrated on the train recordings alone."""
    captures = [make_capture(f"c{i}", 1.0, i) for i in range(4)]
    rule = parse_rule("sha256:2,1")
    first = build(tmp_path / "a", *captures, split=rule).dataset
    held = {entry.name for name in ("validate", "test") for entry in first.entries(name)}
    moved = [
        replace(c, track=make_track(c.track.times_s, 0.9)) if c.name in held else c for c in captures
    ]  # fmt: skip
    second = build(tmp_path / "b", *moved, split=rule, keep="all").dataset  # a mouth that never moves is left out
    one, two = first.manifest.speakers["s1"], second.manifest.speakers["s1"]
    np.testing.assert_array_equal(one.rest, two.rest)
    assert (one.gap_scale, one.gap_offset) == (two.gap_scale, two.gap_offset)


def test_the_same_video_twice_is_used_once(tmp_path: Path) -> None:
    """A second capture of the same video is left out with a warning and stands in the manifest."""
    first = make_capture("first")
    with pytest.warns(InputWarning, match="W-DUPLICATE"):
        built = build(tmp_path, first, replace(first, name="second"), split=parse_rule("all:test"))
    assert [entry.name for entry in built.dataset.entries("test")] == ["first"]
    assert list(built.dataset.manifest.duplicates.values()) == ["first"]


def test_two_videos_of_one_name_are_both_kept(tmp_path: Path) -> None:
    """Videos that share a stem get names that differ."""
    put(tmp_path / "a", make_capture("take", seed=1))
    put(tmp_path / "b", make_capture("take", seed=2))
    built = build_dataset([tmp_path / "a", tmp_path / "b"], tmp_path / "set", BuildOptions(split=SplitRule("all")))
    names = [entry.name for entry in built.dataset.entries("test")]
    assert len(set(names)) == 2
    assert all(name.startswith("take-") for name in names)
    assert built.dataset.speakers == ("a", "b")


def test_summary_counts_windows_and_agreement(tmp_path: Path) -> None:
    """The summary of a split: recordings, valid rows, windows, and r between measured and rig gap (here exact)."""
    built = build(tmp_path, make_capture("a", 2.0, 1), make_capture("b", 2.0, 2), split=parse_rule("all:train"))
    part = summarize(built.dataset)["train"]
    assert (part.recordings, part.speakers, part.rows) == (2, 1, 402)
    assert part.valid_rows == 2 * 197  # the last frame is at 1.96 s
    assert part.windows == 2 * window_count(201)
    assert part.gap_r == pytest.approx(1.0, abs=1e-4)
    assert summarize(built.dataset)["test"].gap_r is None


def test_no_captures_is_said(tmp_path: Path) -> None:
    """Nothing named, an empty folder, and a place that is not there are told apart."""
    with pytest.raises(DatasetError, match="none were named"):
        build_dataset([], tmp_path / "set")
    with pytest.raises(DatasetError, match="there is no capture"):
        build_dataset([tmp_path], tmp_path / "set")
    with pytest.raises(InputError):
        build_dataset([tmp_path / "nowhere"], tmp_path / "set")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"samples": np.zeros(0, np.float32)}, "has no sound"),
        ({"track": make_track(np.arange(50) / 25, seen=False)}, "no face in any frame"),
    ],
)
def test_a_capture_that_teaches_nothing_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """Alone it is the error; among others it is reported and the others are used."""
    bad = make_capture("bad", **changes)
    with pytest.raises(DatasetError, match=reason):
        build(tmp_path / "alone", bad)
    built = build(tmp_path / "two", bad, make_capture("good"))
    assert [reason in str(error) for error in built.failures] == [True]
    assert [entry.name for entry in built.dataset.manifest.entries] == ["good"]


def test_a_capture_of_another_version_or_no_capture_is_refused(tmp_path: Path) -> None:
    """A newer working form, and a file that is none, are dataset errors with a hint."""
    path = put(tmp_path, make_capture("c")) / "c.capture.safetensors"
    body = path.read_bytes()
    size = int.from_bytes(body[:8], "little")
    header = body[8 : 8 + size].replace(b'\\"version\\": 2', b'\\"version\\": 9')
    assert header != body[8 : 8 + size]
    path.write_bytes(body[:8] + header + body[8 + size :])
    with pytest.raises(DatasetError, match="version 9"):
        build_dataset([path], tmp_path / "set")
    path.write_bytes(b"no capture at all")
    with pytest.raises(DatasetError, match="not a capture"):
        build_dataset([path], tmp_path / "set")


def test_a_broken_dataset_is_said(tmp_path: Path) -> None:
    """No manifest, damaged, newer, missing files (M9), a hostile path: one error each, and what to do next."""
    with pytest.raises(InputError, match=r"manifest\.json"):
        load_dataset(tmp_path)
    folder = build(tmp_path, make_capture("c"), split=parse_rule("all:test")).dataset.folder
    manifest = folder / "manifest.json"
    text = manifest.read_text(encoding="utf-8")

    def refuse(changed: str, match: str) -> None:
        manifest.write_text(changed, encoding="utf-8")
        with pytest.raises(DatasetError, match=match):
            load_dataset(folder)

    refuse("{", "not JSON")
    refuse("[]", "not the manifest")
    refuse(text.replace('"version": 1', '"version": 2'), "version 2")
    refuse(text.replace('"split": "test"', '"split": "dev"'), "damaged")
    refuse(text.replace(make_capture("c").sha256, "../../../etc/passwd"), "damaged")
    manifest.write_text(text, encoding="utf-8")
    (recording,) = (folder / "recordings").iterdir()
    recording.write_bytes(b"x" * 100)
    with pytest.raises(DatasetError, match="damaged"):
        load_dataset(folder).recordings("test")
    recording.unlink()
    with pytest.raises(DatasetError, match=r"1 of 1 recordings.*missing"):
        load_dataset(folder)


def test_a_foreign_manifest_is_not_overwritten(tmp_path: Path) -> None:
    """A folder whose manifest.json belongs to something else is refused as output."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "manifest.json").write_text('{"name": "web app"}', encoding="utf-8")
    with pytest.raises(OutputError, match="not of a dataset"):
        build(tmp_path, make_capture("c"))
    assert "web app" in (tmp_path / "set" / "manifest.json").read_text(encoding="utf-8")


def test_manifest_survives_json(tmp_path: Path) -> None:
    """What is written is what is read."""
    manifest = build(tmp_path, make_capture("c")).dataset.manifest
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))).to_json() == manifest.to_json()


def test_capture_json_with_sound_beside_it_is_a_source(tmp_path: Path) -> None:
    """A capture JSON and a WAV of the same stem give the rows of the capture; the rig's gap stands in for the lips'."""
    soundfile = pytest.importorskip("soundfile")
    from voxface.export.capture_json import write_capture_json

    capture = make_capture("take")
    path = tmp_path / "take.capture.json"
    write_capture_json(path, capture.track, capture.session_id, 30, 25.0, 1)
    with pytest.raises(DatasetError, match="no sound stands beside"):
        load_pair(path)
    soundfile.write(tmp_path / "take.wav", capture.samples, 16_000, subtype="FLOAT")
    built = build_dataset([tmp_path], tmp_path / "set", BuildOptions(split=SplitRule("all")))
    (recording,) = built.dataset.recordings("test")
    expected = align(capture.track, recording.rows)
    np.testing.assert_array_equal(recording.valid, expected.valid)
    np.testing.assert_allclose(recording.weights[:, :51], expected.weights[:, :51], atol=2e-6)
    np.testing.assert_allclose(recording.gap, rig_gap(recording.weights, ARKIT), atol=1e-5)
    assert not recording.observed[ARKIT.index("tongueOut")]


def test_live_link_csv_with_sound_beside_it_is_a_source(tmp_path: Path) -> None:
    """A Live Link Face CSV and a WAV at 22.05 kHz of the same stem become a recording; what ARKit sees is observed."""
    soundfile = pytest.importorskip("soundfile")
    from voxface.export.formats import write
    from voxface.face.clip import FaceClip

    jaw = np.abs(np.sin(np.arange(120) / 9)).astype(np.float32)
    weights = np.zeros((120, len(ARKIT)), np.float32)
    weights[:, JAW] = jaw
    write(FaceClip(weights, ARKIT, 60.0), tmp_path / "take.csv")
    noise = 0.1 * np.random.default_rng(0).standard_normal(44_100)
    soundfile.write(tmp_path / "take.wav", noise, 22_050)
    built = build_dataset([tmp_path / "take.csv"], tmp_path / "set", BuildOptions(split=SplitRule("all")))
    (recording,) = built.dataset.recordings("test")
    assert recording.rows == 201
    valid = recording.valid
    assert valid.sum() == 199  # the last frame is at 119 / 60 s
    expected = np.interp(np.arange(201) / 100, np.arange(120) / 60, jaw)
    np.testing.assert_allclose(recording.weights[valid, JAW], expected[valid], atol=1e-4)
    assert recording.observed[ARKIT.index("tongueOut")]


# The command line


def run(*arguments: object) -> tuple[int, dict[str, Any], str]:
    """Run the verb in a process of its own, with --json: exit code, the object, stderr."""
    command = [sys.executable, "-m", "voxface.cli.main", "dataset", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_command_line_builds_a_dataset_and_its_windows(tmp_path: Path) -> None:
    """`voxface dataset` writes the dataset, says what is in it, and writes windows that safetensors itself reads."""
    from safetensors import safe_open

    captures = put(tmp_path / "captures", *(make_capture(f"c{i}", 1.0, i) for i in range(4)))
    out, sequences = tmp_path / "set", tmp_path / "windows.safetensors"
    code, said, _ = run(captures, "-o", out, "--speaker", "s1", "--split", "sha256:2,1", "--sequences", sequences)
    assert code == 0
    assert [said["splits"][name]["recordings"] for name in ("train", "validate", "test")] == [2, 1, 1]
    assert said["speakers"]["s1"]["rest"]["jawOpen"] == pytest.approx(0.05, abs=0.02)
    each = window_count(101)
    with safe_open(str(sequences), framework="np") as file:
        audio, target = file.get_tensor("audio_sequences"), file.get_tensor("target_sequences")
        mask, parts = file.get_tensor("mask"), file.get_tensor("split")
        where, starts = file.get_tensor("recording"), file.get_tensor("start")
        names = json.loads(file.metadata()["recordings"])
    assert audio.shape == (4 * each, 24, 80)
    assert target.shape == (4 * each, 24, 59)
    assert mask.shape == (4 * each, 24)
    assert np.bincount(parts).tolist() == [2 * each, each, each]
    assert audio.min() >= -80
    assert audio.max() <= 10
    dataset = load_dataset(out)
    recordings = {r.name: r for part in ("train", "validate", "test") for r in dataset.each(part)}
    for i in range(len(mask)):
        rows = slice(starts[i], starts[i] + 24)
        np.testing.assert_array_equal(target[i], recordings[names[where[i]]].targets()[rows])
        np.testing.assert_array_equal(mask[i], recordings[names[where[i]]].valid[rows])


def test_command_line_refuses_a_leak_with_exit_code_3(tmp_path: Path) -> None:
    """A split that would put one of several speakers into two splits fails and writes no manifest (M10)."""
    captures = [put(tmp_path / who, *(make_capture(f"{who}{i}", 0.5, i) for i in range(3))) for who in "ab"]
    code, said, _ = run(*captures, "-o", tmp_path / "set", "--split", "sha256:3,1")
    assert code == 3
    assert said["error"]["code"] == "E-DATASET"
    assert "more than one split" in said["error"]["message"]
    assert not (tmp_path / "set" / "manifest.json").exists()


def test_command_line_uses_the_good_and_names_the_bad(tmp_path: Path) -> None:
    """One bad capture among good ones: the dataset holds the good, exit code 5, the bad is named."""
    captures = put(tmp_path / "c", make_capture("good"), make_capture("mute", samples=np.zeros(0, np.float32)))
    code, said, _ = run(captures, "-o", tmp_path / "set", "--all", "test")
    assert code == 5
    assert said["splits"]["test"]["recordings"] == 1
    assert "mute.capture.safetensors" in said["failed"][0]["input"]
    assert len(load_dataset(tmp_path / "set").recordings("test")) == 1
