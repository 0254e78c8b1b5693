"""Clips as JSON and capture JSON: what the pages say, and clear words for what is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.clips import SESSION, as_bytes, make, track
from voxface.errors import (
    ClipError,
    InputWarning,
)
from voxface.export.capture_json import load_capture_json, read_capture_json, write_capture_json
from voxface.export.formats import read
from voxface.face.rig import ARKIT


def test_animation_json_is_what_the_page_says() -> None:
    """The document of formats.md §18: first key `format`, names, rows of weights, head with w first; plain JSON."""
    clip = replace(make(2), head=np.array([[0.01, -0.02, -0.5, 1, 0, 0, 0]] * 2))
    found = json.loads(as_bytes(clip, "json"), parse_constant=pytest.fail)
    assert list(found) == ["format", "version", "fps", "start_s", "names", "angle_unit", "frames", "head"]
    assert (found["format"], found["version"], found["fps"]) == ("voxface-animation", 1, 60)
    assert found["names"] == list(ARKIT)
    assert found["head"] == [[0.01, -0.02, -0.5, 1, 0, 0, 0]] * 2
    assert found["frames"][0] == pytest.approx(clip.weights[0].tolist(), abs=5.1e-6)


GOOD = {"format": "voxface-animation", "version": 1, "fps": 30, "names": ["jawOpen"], "frames": [[0.5]]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(GOOD).replace("0.5", "NaN"), "NaN"),
        (json.dumps(GOOD).replace("0.5", "-Infinity"), "Infinity"),
        (json.dumps(GOOD).replace("0.5", "1e999"), "finite"),
        (json.dumps(GOOD).replace("0.5", "9" * 400), "too large"),
        (json.dumps(GOOD).replace("0.5", "9" * 5000), "JSON"),
        (json.dumps(GOOD).replace("0.5", '"0.5"'), "no numbers"),
        (json.dumps(GOOD).replace("0.5", "true"), "no numbers"),
        (json.dumps(GOOD).replace("[[0.5]]", "[[0.5], [1, 2]]"), "longer or shorter"),
        (json.dumps(GOOD).replace("[[0.5]]", "[0.5]"), "no lists"),
        (json.dumps(GOOD).replace("[[0.5]]", '"x"'), "'frames' must be a list; got a text"),
        (json.dumps(GOOD).replace("0.5", "[" * 200_000), "nested too deeply"),
        (json.dumps(GOOD).replace('"fps": 30', '"fps": true'), "'fps' must be a number; got true or false"),
        (json.dumps(GOOD).replace('"fps": 30', '"fps": 0'), "frame rate"),
        (json.dumps(GOOD).replace('"fps": 30', '"fps": 30, "fps": 60'), "twice"),
        (json.dumps(GOOD).replace('"fps": 30, ', ""), "'fps' is missing"),
        (json.dumps(GOOD).replace('"version": 1', '"version": 2'), "reads up to 1"),
        (json.dumps(GOOD).replace('["jawOpen"]', '["a", "a"]'), "twice"),
        (json.dumps(GOOD).replace('["jawOpen"]', "[1]"), "names"),
        (json.dumps({**GOOD, "head": [[0, 0, 0, 1, 0, 0, 0]] * 2}), "head"),
        (json.dumps({**GOOD, "unseen": [[0, 10**20]]}), "unseen"),
        (json.dumps({**GOOD, "unobserved": 3}), "list of texts"),
        (json.dumps(GOOD)[:-5], "JSON"),
        ('{"sample_rate": 16000, "mel_features": []}', "audio features"),
        ('{"sessions": []}', "'sessions'"),
        ("", "empty"),
        ("[1, 2]", "no clip"),
    ],
)  # fmt: skip
def test_a_wrong_json_is_told_with_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    """faults.md M7: NaN, wrong types, double keys, deep nesting and newer versions are clear errors with the file."""
    path = tmp_path / "clip.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ClipError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_encodings_that_are_not_utf8_are_told(tmp_path: Path) -> None:
    """A BOM is read over; UTF-16 and other bytes are named."""
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(GOOD), encoding="utf-8-sig")
    assert read(path).channel("jawOpen") == 0.5
    path.write_text(json.dumps(GOOD), encoding="utf-16")
    with pytest.raises(ClipError, match="UTF-16"):
        read(path)
    path.write_bytes(json.dumps(GOOD).encode().replace(b"jawOpen", b"jaw\xe4"))
    with pytest.raises(ClipError, match="UTF-8"):
        read(path)


def test_a_stream_that_was_cut_gives_its_whole_frames(tmp_path: Path) -> None:
    """A JSONL file whose last line is torn is read up to there, with a warning; a bad line before that is an error."""
    data = as_bytes(make(10), "jsonl")
    path = tmp_path / "clip.jsonl"
    path.write_bytes(data[:-30])
    with pytest.warns(InputWarning, match="W-TRUNCATED"):
        assert len(read(path)) == 9
    path.write_bytes(data.replace(b'{"t":0.05,', b'{"t"0.05,'))
    with pytest.raises(ClipError, match="line 5"):
        read(path)


def test_capture_json_is_what_the_spec_shows(tmp_path: Path) -> None:
    """Keys, order and placeholders of SPEC C2; the same track gives the same bytes."""
    path = tmp_path / "a.json"
    write_capture_json(path, track(3), SESSION, 30, 60.0, 2)
    found = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert list(found) == ["sessionInfo", "frameCount", "frames"]
    assert found["sessionInfo"] == {
        "sessionId": SESSION, "targetFPS": 30, "originalFPS": 60.0, "frameInterval": 2,
    }  # fmt: skip
    assert found["frameCount"] == 3
    keys = [
        "frame_index", "timestamp", "sessionId", "blendshapes", "headPosition", "headRotation", "has_face",
    ]  # fmt: skip
    assert all(list(frame) == keys for frame in found["frames"])
    assert all(list(frame["blendshapes"]) == list(ARKIT) for frame in found["frames"])
    lost = found["frames"][2]
    assert (lost["frame_index"], lost["timestamp"], lost["has_face"]) == (4, 0.066667, False)
    assert set(lost["blendshapes"].values()) == {0}
    assert lost["headPosition"] == {"x": 0, "y": 0, "z": 0}
    assert lost["headRotation"] == {"w": 1, "x": 0, "y": 0, "z": 0}
    first = path.read_bytes()
    write_capture_json(path, track(3), SESSION, 30, 60.0, 2)
    assert path.read_bytes() == first


@pytest.mark.parametrize("frames", [0, 1, 7, 1500])
def test_a_capture_comes_back(frames: int, tmp_path: Path) -> None:
    """A track written as capture JSON is the same track to 1e-5, with its session; lip gaps are not in the file."""
    path, before = tmp_path / "a.json", track(frames)
    write_capture_json(path, before, SESSION, 29.97, 59.94, 2)
    found = load_capture_json(path)
    assert (found.session_id, found.target_fps, found.original_fps, found.frame_interval) == (SESSION, 29.97, 59.94, 2)
    for name in ("times_s", "weights", "head", "seen", "index", "observed"):
        np.testing.assert_allclose(getattr(found.track, name), getattr(before, name), atol=1e-5)


@pytest.mark.parametrize(("step_s", "fps"), [(1 / 25, 25), (1 / 29.97, 29.97), (1 / 30, 30), (0.0701, 14.265)])
def test_a_capture_is_a_clip_at_its_own_rate(step_s: float, fps: float, tmp_path: Path) -> None:
    """`read` gives a clip at the mean rate of the frames, whatever the target was; unseen frames stay unseen."""
    path = tmp_path / "a.json"
    write_capture_json(path, track(101, step_s), SESSION, 30, 60.0, 2)
    clip = read(path)
    assert clip.fps == pytest.approx(fps, rel=1e-5)
    assert len(clip) == 101
    assert np.flatnonzero(~clip.seen).tolist() == [2]
    assert not clip.observed[ARKIT.index("tongueOut")]
    np.testing.assert_allclose(clip.weights[50], track(101).weights[50], atol=5e-3)


def test_names_in_a_capture_are_read_in_any_order_and_spelling(tmp_path: Path) -> None:
    """Mapped by name, `_neutral` dropped, what is missing unobserved."""
    path = tmp_path / "a.json"
    write_capture_json(path, track(4), SESSION, 30, 60.0, 2)
    found = json.loads(path.read_text())
    for frame in found["frames"]:
        shapes = frame["blendshapes"]
        del shapes["cheekPuff"]
        frame["blendshapes"] = {"_neutral": 0.9} | {
            name.replace("Left", "_L").replace("Right", "_R"): shapes[name] for name in reversed(shapes)
        }
    path.write_text(json.dumps(found))
    back = read_capture_json(path)
    lost = ARKIT.index("cheekPuff")
    np.testing.assert_allclose(np.delete(back.weights, lost, 1), np.delete(track(4).weights, lost, 1), atol=1e-5)
    assert np.flatnonzero(~back.observed).tolist() == [lost, ARKIT.index("tongueOut")]


def test_a_wrong_capture_is_told(tmp_path: Path) -> None:
    """Counts that disagree, frames that go back, missing or wrong values are named with the frame."""
    path = tmp_path / "a.json"
    write_capture_json(path, track(3), SESSION, 30, 60.0, 2)
    text = path.read_text()
    cases = {
        "frameCount": text.replace('"frameCount": 3', '"frameCount": 4'),
        "times of a track must rise": text.replace('"timestamp": 0.066667', '"timestamp": 0.01'),
        "'timestamp' must be a number; got a text": text.replace('"timestamp": 0.066667', '"timestamp": "0.06"'),
        "frame 2: 'headRotation' lacks 'w'": text.replace('"w": 1,', '"v": 1,'),
        "frame 2: 'blendshapes' lacks 'jawOpen'": text.replace('"jawOpen": 0,', '"jawAjar": 0,'),
        "reach": re.sub('"timestamp": ', '"timestamp": 9000000', text),
        "'sessionInfo' must be an object": text.replace('{"sessionInfo": {', '{"sessionInfo": 1, "was": {'),
    }  # fmt: skip
    for said, wrong in cases.items():
        assert wrong != text, said
        path.write_text(wrong)
        with pytest.raises(ClipError, match=said):
            read(path)
