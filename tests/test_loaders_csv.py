"""Every way in which a face may stand in a table or a JSON: found by name, or refused, never by position (M8)."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clips import SESSION, make, track
from voxface.errors import ClipError
from voxface.export.capture_json import load_capture_json, write_capture_json
from voxface.export.formats import read, write
from voxface.export.livelink_read import read_livelink_csv
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS

ONE_FOLDER = [HealthCheck.function_scoped_fixture]  # every example overwrites the same file
JAW = ARKIT.index("jawOpen")


def table(clip: FaceClip) -> list[list[str]]:
    """The cells of a clip as CSV."""
    file = io.BytesIO()
    write(clip, file, format="csv")
    return list(csv.reader(io.StringIO(file.getvalue().decode())))


def put(path: Path, rows: list[list[str]], separator: str = ",", newline: str = "\n", quote: int = 0) -> Path:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator=newline, quoting=quote).writerows(rows)
    path.write_bytes(file.getvalue().encode())
    return path


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=ONE_FOLDER)
@given(data=st.data())
def test_any_layout_of_a_csv_is_the_same_face(tmp_path: Path, data: st.DataObject) -> None:
    """M8: decode(encode(x)) == x for any order and spelling of columns, separator, decimal mark, quotes, line ends."""
    clip = make(data.draw(st.integers(2, 6)), data.draw(st.sampled_from([24.0, 29.97, 60.0])))
    rows = table(clip)
    order = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(len(rows[0]))
    spelling = data.draw(st.sampled_from([str, str.lower, str.upper, lambda name: f" {name} "]))
    separator = data.draw(st.sampled_from([",", ";", "\t"]))
    rows = [[row[i] for i in order] for row in rows]
    rows[0] = [spelling(name) for name in rows[0]]
    if data.draw(st.booleans()):
        rows[0] = ["BlendShapeCount" if name.strip().lower() == "blendshapecount" else name for name in rows[0]]
    if separator == ";" and data.draw(st.booleans()):
        rows[1:] = [[cell if ":" in cell else cell.replace(".", ",") for cell in row] for row in rows[1:]]
    for _ in range(data.draw(st.integers(0, 2))):
        rows.insert(data.draw(st.integers(1, len(rows))), data.draw(st.sampled_from([[], [""] * len(order)])))
    path = put(
        tmp_path / "any.csv", rows, separator, data.draw(st.sampled_from(["\n", "\r\n"])),
        data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )  # fmt: skip
    if data.draw(st.booleans()):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    back = read(path, fps=clip.fps)
    np.testing.assert_allclose(back.weights, clip.weights, atol=2e-6)
    assert back.seen.all()
    assert clip.head is not None
    assert back.head is not None
    np.testing.assert_allclose(np.abs(np.sum(back.head[:, 3:] * clip.head[:, 3:], axis=1)), 1, atol=1e-5)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=ONE_FOLDER)
@given(st.integers(0, 30), st.sampled_from([1.0, 23.976, 60.0, 120.0]), st.floats(-5, 5), st.booleans(), st.randoms())
def test_an_animation_json_comes_back(
    tmp_path: Path, frames: int, fps: float, start_s: float, emotion: bool, chance: object
) -> None:
    """decode(encode(x)) == x to the 5 decimals that are written, with start, head, emotions and lost frames."""
    seen = np.array([chance.random() > 0.3 for _ in range(frames)], bool)  # type: ignore[attr-defined]
    clip = replace(make(frames, fps, emotion=emotion, start_s=round(start_s, 6)), seen=seen)
    write(clip, tmp_path / "any.json")
    back = read(tmp_path / "any.json")
    for name in ("weights", "head", "emotion"):
        if getattr(clip, name) is None:
            assert getattr(back, name) is None
        else:
            np.testing.assert_allclose(getattr(back, name), getattr(clip, name), atol=2e-5)
    np.testing.assert_array_equal(back.seen, seen)
    assert (back.fps, back.start_s) == (pytest.approx(fps), pytest.approx(clip.start_s, abs=1e-6))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=ONE_FOLDER)
@given(st.integers(1, 40), st.floats(0.005, 0.2), st.sampled_from([30, 29.97, 60]), st.integers(1, 8))
def test_a_capture_json_comes_back(tmp_path: Path, frames: int, step_s: float, fps: float, interval: int) -> None:
    """decode(encode(x)) == x to the 6 decimals that are written, faces that were lost among them."""
    path, one = tmp_path / "any.json", track(frames, step_s)
    write_capture_json(path, one, SESSION, fps, fps * interval, interval)
    back = load_capture_json(path)
    assert (back.session_id, back.target_fps, back.frame_interval) == (SESSION, fps, interval)
    for name in ("times_s", "weights", "head"):
        np.testing.assert_allclose(getattr(back.track, name), getattr(one, name), atol=2e-6)
    for name in ("seen", "index", "observed"):
        np.testing.assert_array_equal(getattr(back.track, name), getattr(one, name))


def test_a_missing_column_is_unobserved(tmp_path: Path) -> None:
    """M8: a channel that the CSV lacks is 0 and unobserved; the others stay where they are."""
    clip = make(3)
    rows = table(clip)
    at = rows[0].index("MouthLeft")
    back = read(put(tmp_path / "a.csv", [row[:at] + row[at + 1 :] for row in rows]), fps=60)
    assert [ARKIT[i] for i in np.flatnonzero(~back.observed)] == ["mouthLeft"]
    expected = clip.weights.copy()
    expected[:, ARKIT.index("mouthLeft")] = 0
    np.testing.assert_allclose(back.weights, expected, atol=2e-6)


def test_a_header_that_two_columns_share_is_refused(tmp_path: Path) -> None:
    """M8: a column twice, or the count in both spellings, leaves open which one counts."""
    rows = table(make(3))
    for name in ("JawOpen", "jaw_open", "BlendShapeCount"):
        double = [[*row, name if k == 0 else "0.5"] for k, row in enumerate(rows)]
        with pytest.raises(ClipError, match="stand twice"):
            read(put(tmp_path / "a.csv", double), fps=60)


def test_a_table_without_names_is_refused(tmp_path: Path) -> None:
    """M8: 61 numbers without a header are no face, since only their position would say what they are."""
    path = put(tmp_path / "a.csv", table(make(3))[1:])
    for reader in (read, read_livelink_csv):
        with pytest.raises(ClipError):
            reader(path)


@pytest.mark.parametrize("cell", ["=cmd()", "+1+cmd|' /C calc'!A0", "@SUM(1)", "0x1", "1_0", "inf", "--1", "0,5", "٣"])
def test_a_cell_that_is_no_plain_number_is_refused_by_its_line(cell: str, tmp_path: Path) -> None:
    """M8: formulas and other words are never evaluated; the error names the line."""
    rows = table(make(3))
    rows[2][rows[0].index("JawOpen")] = cell
    with pytest.raises(ClipError, match="line 3"):
        read(put(tmp_path / "a.csv", rows, quote=csv.QUOTE_ALL), fps=60)


def neurosync(frames: int) -> list[list[str]]:
    """68 values as that family writes them: milliseconds of the second behind the dot, emotions of 0 to 100."""
    names = table(make(1))[0]
    rows = [[*names, *EMOTIONS]]
    for k in range(frames):
        second, frame = divmod(k, 60)
        values = ["0"] * 61
        values[names.index("JawOpen") - 2] = str(k / 1000)
        time = f"00:00:{second:02d}:{frame:02d}.{round(1000 * frame / 60):03d}"
        rows.append([time, "68", *values, *(["0"] * 3), "80", *(["0"] * 3)])
    return rows


def test_the_68_columns_of_neurosync_are_read(tmp_path: Path) -> None:
    """formats.md §3: 61 columns and 7 emotions with its own way of timecodes are 60 frames a second, in order."""
    clip = read(put(tmp_path / "n.csv", neurosync(150)))
    assert (clip.fps, len(clip)) == (60, 150)
    np.testing.assert_allclose(clip.weights[:, JAW], np.arange(150) / 1000, atol=1e-6)
    assert clip.emotion is not None
    np.testing.assert_allclose(clip.emotion[:, EMOTIONS.index("Happy")], 0.8)
    assert clip.seen.all()


def test_a_json_is_told_by_its_first_key_and_not_by_its_name(tmp_path: Path) -> None:
    """SPEC C2: capture and animation JSON are read alike; audio JSON and other JSON are named as what they are."""
    write_capture_json(tmp_path / "a.json", track(), SESSION, 30, 30.0, 1)
    write(make(3), tmp_path / "b.json")
    assert read(tmp_path / "a.json").channels == read(tmp_path / "b.json").channels == ARKIT
    (tmp_path / "c.json").write_text(json.dumps({"sample_rate": 16000}))
    with pytest.raises(ClipError, match="audio features"):
        read(tmp_path / "c.json")
