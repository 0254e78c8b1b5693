"""Live Link Face CSV: the bytes the app would write, and every way its imitators write them."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.clips import as_bytes, make
from voxface.errors import (
    ClipError,
    InputWarning,
    RigMismatchError,
)
from voxface.export.formats import read, write
from voxface.export.livelink_csv import LiveLinkCsvWriter
from voxface.export.livelink_timecode import timecode
from voxface.export.writing import ClipHeader
from voxface.face.axes import quaternion_from_euler
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS, LIVELINK_CSV

# The app's first line, typed from formats.md §1 and §3, on purpose not made from our own tables.
CSV_HEADER = (
    "Timecode,BlendshapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,EyeSquintLeft,"
    "EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,EyeSquintRight,"
    "EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,"
    "MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,MouthStretchLeft,"
    "MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,MouthShrugUpper,MouthPressLeft,MouthPressRight,"
    "MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,"
    "BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,TongueOut,"
    "HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
)
COLUMNS = CSV_HEADER.split(",")


def of_channel(value: float = 1.0, **angles: float) -> FaceClip:
    """One frame with one channel at `value`; names as keywords."""
    weights = np.zeros((1, 52), np.float32)
    for name, weight in angles.items():
        weights[0, ARKIT.index(name)] = weight * value
    return FaceClip(weights, ARKIT, 60.0)


def cells(clip: FaceClip) -> dict[str, str]:
    """The cells of the first row of a clip as CSV, by column."""
    file = io.BytesIO()
    write(clip, file, format="csv")
    return dict(zip(COLUMNS, file.getvalue().decode().splitlines()[1].split(","), strict=True))


def test_the_csv_has_the_columns_of_the_app() -> None:
    """First line as the app writes it, right before left for jaw and mouth; LF, no quotes, count 61 in every row."""
    lines = as_bytes(make(3), "csv").split(b"\n")
    assert lines[0].decode() == CSV_HEADER
    assert len(lines) == 5
    assert lines[4] == b""
    assert all(line.split(b",")[1] == b"61" and line.count(b",") == 62 for line in lines[1:4])


def test_the_csv_is_mapped_by_name() -> None:
    """Every channel lands in the column of its own name, and in no other."""
    for name in LIVELINK_CSV:
        row = cells(of_channel(0.25, **{name: 1.0}, **({"jawOpen": 1.0} if name == "mouthClose" else {})))
        moved = {column for column in COLUMNS[2:54] if float(row[column])}
        assert moved == {name[0].upper() + name[1:]} | ({"JawOpen"} if name == "mouthClose" else set())


def test_golden_bytes_of_a_csv_row() -> None:
    """One row, digit by digit: a smile at a quarter, the jaw fully open, the lips no more closed than that."""
    clip = of_channel(jawOpen=0.5, mouthClose=0.75, mouthSmileLeft=0.25)
    zeros = ",".join(["0.000000"] * 17)
    weights = f"{zeros},0.500000,0.500000,{','.join(['0.000000'] * 4)},0.250000"
    rest = ",".join(["0.000000"] * (61 - 17 - 2 - 4 - 1))
    assert as_bytes(clip, "csv").decode() == f"{CSV_HEADER}\n00:00:00:00.000,61,{weights},{rest}\n"


@pytest.mark.parametrize(
    ("position", "rate", "text"),
    [
        (0, 60, "00:00:00:00.000"),
        (1_000, 60, "00:00:00:01.000"),
        (59_500, 60, "00:00:00:59.500"),
        (60_000, 60, "00:00:01:00.000"),
        (60_000, 30, "00:00:02:00.000"),
        (119_001, 120, "00:00:00:119.001"),
        ((13 * 3600 + 7 * 60 + 9) * 24_000 + 23_999, 24, "13:07:09:23.999"),
        (24 * 3600 * 60_000 + 2_000, 60, "00:00:00:02.000"),
        (-1_000, 60, "23:59:59:59.000"),
    ],
)
def test_golden_timecodes(position: int, rate: int, text: str) -> None:
    """HH:MM:SS:FF.mmm, where mmm is thousandths of a frame; a day later it begins again."""
    assert timecode(position, rate) == text


@pytest.mark.parametrize(
    ("fps", "start_s", "first", "second"),
    [
        (60, 0.0, "00:00:00:00.000", "00:00:00:01.000"),
        (59.94, 0.0, "00:00:00:00.000", "00:00:00:01.000"),
        (29.97, 1000 / 29.97, "00:00:33:10.000", "00:00:33:11.000"),
        (30, 0.05, "00:00:00:01.500", "00:00:00:02.500"),
        (25, 24 * 3600 - 0.04, "23:59:59:24.000", "00:00:00:00.000"),
    ],
)
def test_timecode_counts_frames_at_the_rounded_rate(fps: float, start_s: float, first: str, second: str) -> None:
    """Non-drop at the rounded rate: frame 1000 at 29.97 is frame 10 of second 33; midnight wraps."""
    rows = as_bytes(make(2, fps, start_s=start_s), "csv").decode().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == [first, second]


def test_a_million_frames_keep_their_timecode() -> None:
    """Timecodes are counted, not summed: frame 1 000 000 at 60 fps is 4 h 37 min 46 s and 40 frames."""
    file = io.BytesIO()
    writer = LiveLinkCsvWriter(file, ClipHeader(ARKIT, 60.0))
    writer.frames = 1_000_000
    writer.add(replace(make(1, head=False), start_s=1_000_000 / 60))
    assert file.getvalue().splitlines()[1].startswith(b"04:37:46:40.000,61,")


@pytest.mark.parametrize(
    ("angles", "column", "value"),
    [((0.3, 0, 0), "HeadYaw", -0.3), ((0, 0.2, 0), "HeadPitch", 0.2), ((0, 0, 0.1), "HeadRoll", 0.1)],
)
def test_golden_head_angles(angles: tuple[float, ...], column: str, value: float) -> None:
    """SPEC C4: to the subject's left is a negative CSV yaw, down a positive pitch, in radians; roll as ours."""
    head = np.concatenate([np.zeros((1, 3)), quaternion_from_euler(np.array([angles]))], axis=1)
    row = cells(FaceClip(np.zeros((1, 52)), ARKIT, 60.0, head=head))
    for name in ("HeadYaw", "HeadPitch", "HeadRoll"):
        assert float(row[name]) == pytest.approx(value if name == column else 0, abs=1e-6)


@pytest.mark.parametrize(
    ("channel", "column", "degrees"),
    [
        ("eyeLookOutLeft", "LeftEyeYaw", -36),
        ("eyeLookInLeft", "LeftEyeYaw", 32),
        ("eyeLookDownLeft", "LeftEyePitch", 32),
        ("eyeLookUpLeft", "LeftEyePitch", -23),
        ("eyeLookOutRight", "RightEyeYaw", 36),
        ("eyeLookInRight", "RightEyeYaw", -32),
        ("eyeLookDownRight", "RightEyePitch", 32),
        ("eyeLookUpRight", "RightEyePitch", -23),
    ],
)
def test_golden_eye_angles(channel: str, column: str, degrees: float) -> None:
    """Eyes turn as measured on the app: 36° out, 32° in and down, 23° up; left is negative, down positive."""
    row = cells(of_channel(**{channel: 1.0}))
    for name in COLUMNS[57:]:
        assert float(row[name]) == pytest.approx(math.radians(degrees) if name == column else 0, abs=1e-6)


def test_a_csv_needs_arkit_channels() -> None:
    """Channels that the app does not have are left out; a clip with none of its channels is refused."""
    assert cells(FaceClip(np.full((1, 2), 0.5), ("jawOpen", "viseme_aa"), 60.0))["JawOpen"] == "0.500000"
    with pytest.raises(RigMismatchError, match="ARKit"):
        write(FaceClip(np.zeros((1, 1)), ("viseme_aa",), 60.0), io.BytesIO(), format="csv")


def csv_file(
    folder: Path, rows: list[str], header: str = CSV_HEADER, *, newline: str = "\n", bom: bool = False
) -> Path:
    path = folder / "take.csv"
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + newline.join([header, *rows, ""]).encode())
    return path


def values(jaw: float, columns: int = 61) -> str:
    return ",".join(str(jaw) if i == COLUMNS.index("JawOpen") - 2 else "0" for i in range(columns))


def test_the_apps_own_ways_are_read(tmp_path: Path) -> None:
    """The older spelling BlendShapeCount, a BOM, CRLF and empty lines change nothing."""
    rows = [f"13:05:59:{k:02d}.250,61,{values(k / 100)}" for k in range(60)]
    rows += [f"13:06:00:{k:02d}.250,61,{values(0.5)}" for k in range(5)]
    header = CSV_HEADER.replace("BlendshapeCount", "BlendShapeCount")
    plain = read(csv_file(tmp_path, rows))
    odd = read(csv_file(tmp_path, [*rows[:9], "", *rows[9:]], header, newline="\r\n", bom=True))
    assert plain.fps == odd.fps == 60
    assert plain.start_s == 0
    np.testing.assert_array_equal(plain.weights, odd.weights)
    np.testing.assert_allclose(plain.channel("jawOpen")[:3], [0, 0.01, 0.02])


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    """Reversed columns, semicolons with decimal commas and quotes give the same clip."""
    rows = [f"00:00:0{k // 30}:{k % 30:02d}.000,61,{values(k / 64)}" for k in range(61)]
    plain = read(csv_file(tmp_path, rows))
    turned = [",".join(reversed(row.split(","))) for row in rows]
    back = read(csv_file(tmp_path, turned, ",".join(reversed(COLUMNS))))
    np.testing.assert_array_equal(back.weights, plain.weights)
    german = [";".join(row.split(",")[:1] + [cell.replace(".", ",") for cell in row.split(",")[1:]]) for row in rows]
    back = read(csv_file(tmp_path, german, CSV_HEADER.replace(",", ";")))
    np.testing.assert_array_equal(back.weights, plain.weights)
    quoted = [",".join(f'"{cell}"' for cell in row.split(",")) for row in rows]
    np.testing.assert_array_equal(read(csv_file(tmp_path, quoted)).weights, plain.weights)


@pytest.mark.parametrize("scale", [1, 100])
def test_seven_emotions_are_read(tmp_path: Path, scale: int) -> None:
    """68 columns: the 7 emotions come along, whether the writer meant 0 to 1 or 0 to 100."""
    rows = [f"00:00:0{k // 60}:{k % 60:02d}.000,68,{values(0.1)},{','.join([str(0.5 * scale)] * 7)}" for k in range(70)]
    clip = read(csv_file(tmp_path, rows, f"{CSV_HEADER},{','.join(EMOTIONS)}"))
    assert clip.emotion is not None
    np.testing.assert_allclose(clip.emotion, 0.5)


def test_a_lost_face_and_dropped_rows_are_not_seen(tmp_path: Path) -> None:
    """Count 0 or a missing tail is no face; dropped rows are filled in linearly. All of them say so in `seen`."""
    rows = [f"00:00:0{k // 60}:{k % 60:02d}.000,61,{values(k / 200)}" for k in range(130)]
    rows[10], rows[11] = rows[10].split(",")[0] + ",0", rows[11][:40]
    del rows[50:53]
    clip = read(csv_file(tmp_path, rows))
    assert len(clip) == 130
    assert np.flatnonzero(~clip.seen).tolist() == [10, 11, 50, 51, 52]
    np.testing.assert_allclose(clip.channel("jawOpen"), np.arange(130) / 200, atol=1e-6)


@pytest.mark.parametrize(
    ("rate", "step", "drift", "fps"),
    [(60, 1, 0.0, 60), (60, 2, 0.0, 30), (30, 1, 0.0, 30), (24, 1, 0.0, 24), (60, 1, 0.001, 59.94), (12, 1, 0.0, 12)],
)
def test_the_rate_of_a_take_is_inferred(rate: int, step: int, drift: float, fps: float, tmp_path: Path) -> None:
    """From the wrap of FF and the steps: 30 Hz in 60 fps timecode, and sub-frame drift, as measured on real takes."""
    positions = [round(k * (step + drift) * 1000) + 967 for k in range(3 * rate // step + 1500 * bool(drift))]
    rows = [f"{timecode(at, rate)},61,{values(0.5)}" for at in positions]
    assert read(csv_file(tmp_path, rows)).fps == pytest.approx(fps, rel=3e-4)


def test_midnight_is_no_gap(tmp_path: Path) -> None:
    """A take across midnight is one clip."""
    first = (24 * 3600 - 1) * 60_000
    rows = [f"{timecode(first + 1000 * k, 60)},61,{values(0.5)}" for k in range(120)]
    clip = read(csv_file(tmp_path, rows))
    assert (len(clip), clip.fps) == (120, 60)


def test_a_take_too_short_to_tell_its_rate_warns(tmp_path: Path) -> None:
    """Ten frames do not show where FF wraps: the guess comes with a warning, a stated rate without one."""
    path = csv_file(tmp_path, [f"00:00:00:{k:02d}.000,61,{values(0.5)}" for k in range(10)])
    with pytest.warns(InputWarning, match="W-FPS"):
        assert read(path).fps == 24
    assert read(path, fps=59.94).fps == 59.94


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        (["00:00:00:00.000,61," + values(0.1).replace("0.1", "=cmd()")], CSV_HEADER, "line 2"),
        (["00:00:00:00.000,61," + values(0.1).replace("0.1", "nan")], CSV_HEADER, "line 2"),
        (["00:00:00:00.000,61," + values(0.1).replace("0.1", "1e300")], CSV_HEADER, "line 2"),
        (["later,61," + values(0.1)], CSV_HEADER, "no timecode"),
        ([], CSV_HEADER.replace("MouthLeft", "MouthRight"), "mouthRight"),
        ([], "Timecode,BlendshapeCount,A,B", "ARKit"),
        ([f"00:00:0{s}:00.000,61,{values(0.1)}" for s in (3, 2)], CSV_HEADER, "goes back"),
        (
            [f"{t}:00.000,61,{values(0.1)}" for t in ("00:00:00", "00:00:01", "00:00:02", "11:00:00")],
            CSV_HEADER,
            "reach",
        ),
    ],
    ids=["formula", "nan", "huge", "timecode", "twice", "names", "back", "jump"],
)
def test_a_wrong_csv_is_told_with_its_line(rows: list[str], header: str, said: str, tmp_path: Path) -> None:
    """faults.md M8: what cannot be read by name is a clear error, with the file and the line or column."""
    path = csv_file(tmp_path, rows, header)
    with pytest.raises(ClipError, match=said) as caught:
        read(path, fps=60)
    assert str(path) in str(caught.value)
