"""Clips in files: what is written comes back, and blocks give the bytes of the whole, in every format."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import as_bytes, make
from voxface.errors import (
    ClipError,
    OutputError,
    UsageError,
)
from voxface.export.formats import FORMATS, format_for, open_writer, read, write
from voxface.export.numbers import number_rows
from voxface.export.writing import ClipHeader
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT
from voxface.face.track import OBSERVED_BY_MEDIAPIPE


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("fps", [24, 29.97, 60])
@pytest.mark.parametrize("name", FORMATS)
def test_a_clip_comes_back(name: str, fps: float, head: bool, tmp_path: Path) -> None:
    """Two seconds written and read by content are the same clip to 1e-4: weights, head rotation, rate, channels."""
    clip = make(2 * round(fps) + 1, fps, head=head)
    path = tmp_path / f"clip{FORMATS[name].suffixes[0].upper()}"
    write(clip, path)
    back = read(path, fps=fps) if name == "csv" else read(path)
    assert back.channels == ARKIT
    assert back.fps == pytest.approx(fps)
    np.testing.assert_allclose(back.weights, clip.weights, atol=1e-4)
    assert (back.head is None) == (not head)
    if clip.head is not None and back.head is not None:
        same = np.abs(np.sum(back.head[:, 3:] * clip.head[:, 3:], axis=1))
        np.testing.assert_allclose(same, 1, atol=1e-6)
        if name != "csv":  # the CSV has no place for positions
            np.testing.assert_allclose(back.head, clip.head, atol=1e-4)
    assert back.seen.all()
    assert back.observed.all()


@pytest.mark.parametrize("frames", [0, 1])
@pytest.mark.parametrize("name", FORMATS)
def test_a_clip_of_no_or_one_frame_comes_back(name: str, frames: int, tmp_path: Path) -> None:
    """No frames and one frame are clips like any other."""
    clip = make(frames)
    path = tmp_path / "clip"
    write(clip, path, format=name)
    back = read(path, fps=60) if name == "csv" else read(path)
    assert len(back) == frames
    assert back.fps == 60
    np.testing.assert_allclose(back.weights, clip.weights, atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_blocks_give_the_bytes_of_the_whole(name: str) -> None:
    """A clip streamed in blocks of any size, empty ones among them, is one write, byte for byte."""
    clip = make(100, emotion=True, start_s=0.25)
    clip = replace(clip, seen=np.arange(100) % 7 != 0)
    whole = as_bytes(clip, name)
    for size in (1, 7, 64):
        file = io.BytesIO()
        with open_writer(file, name, ClipHeader.of(clip)) as writer:
            for at in range(0, 100, size):
                part = slice(at, at + size)
                block = replace(
                    clip, weights=clip.weights[part], head=clip.head[part], emotion=clip.emotion[part],
                    seen=clip.seen[part], start_s=0.25 + at / 60,
                )  # fmt: skip
                writer.add(block)
                writer.add(replace(make(0, emotion=True), start_s=9.0))
        assert file.getvalue() == whole, size


@pytest.mark.parametrize("name", ["json", "jsonl", "npz"])
def test_what_a_clip_knows_of_itself_comes_back(name: str, tmp_path: Path) -> None:
    """Start, emotions, placeholders and unobserved channels survive; so do other channels than ARKit's."""
    seen = np.ones(40, bool)
    seen[[0, 5, 6, 7, 39]] = False
    clip = replace(make(40, 25.0, emotion=True, start_s=-1.5), seen=seen, observed=OBSERVED_BY_MEDIAPIPE)
    clip = replace(clip, channels=(*ARKIT[:51], 'my "own" – channel %s'))
    path = tmp_path / f"clip.{name}"
    write(clip, path, audio={"name": "ü.wav"}, model={"sha256": "00"})
    back = read(path)
    assert (back.channels, back.fps, back.start_s) == (clip.channels, 25.0, -1.5)
    np.testing.assert_array_equal(back.seen, seen)
    np.testing.assert_array_equal(back.observed, OBSERVED_BY_MEDIAPIPE)
    np.testing.assert_allclose(back.emotion, clip.emotion, atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_weights_leave_within_zero_and_one(name: str, tmp_path: Path) -> None:
    """Weights that a gain pushed out of range are clipped on the way out; every number in the file is finite."""
    weights = np.tile(np.linspace(-1e30, 1e30, 52, dtype=np.float32), (30, 1))
    path = tmp_path / "clip"
    write(FaceClip(weights, ARKIT, 30.0), path, format=name)
    back = read(path, fps=30) if name == "csv" else read(path)
    assert back.weights.min() == 0
    assert back.weights.max() == 1


@pytest.mark.parametrize("name", FORMATS)
def test_not_a_number_never_reaches_a_file(name: str, tmp_path: Path) -> None:
    """NaN and infinity are refused at birth of the clip and of what is said about it."""
    with pytest.raises(ClipError, match="finite"):
        write(FaceClip(np.full((3, 52), np.nan), ARKIT, 30.0), tmp_path / "clip", format=name)
    with pytest.raises(UsageError, match="audio"):
        write(make(3), tmp_path / "clip", format=name, audio={"duration": math.nan})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_a_failure_leaves_no_file(name: str, tmp_path: Path) -> None:
    """If the frames stop with an error, nothing stands under the final name, and an older file stays as it was."""
    path = tmp_path / "clip"
    path.write_bytes(b"older")

    def stop() -> None:
        with open_writer(path, name, ClipHeader.of(make(1))) as writer:
            writer.add(make(5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert [file.name for file in tmp_path.iterdir()] == ["clip"]
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize("name", FORMATS)
def test_a_writer_takes_only_what_continues_its_clip(name: str) -> None:
    """Blocks with other channels, rate or parts, or with a gap before them, are refused with the reason."""
    clip = make(6)
    wrong = {
        "channels": replace(clip, channels=(*ARKIT[:-1], "other")),
        "frames per second": replace(clip, fps=30.0),
        "head": replace(clip, head=None),
        "starts at 1": replace(clip, start_s=1.0),
    }
    for reason, block in wrong.items():
        with pytest.raises(ClipError, match=reason), open_writer(io.BytesIO(), name, ClipHeader.of(clip)) as writer:
            writer.add(block)


@pytest.mark.parametrize("name", FORMATS)
def test_a_long_clip_takes_little_memory(name: str) -> None:
    """50 000 frames (14 minutes) written block by block: never a third of them is in memory, in no format."""
    clip, frames = make(1_000), 50_000
    tracemalloc.start()
    try:
        with tempfile.TemporaryFile() as file, open_writer(file, name, ClipHeader.of(clip)) as writer:
            while writer.frames < frames:
                writer.add(replace(clip, start_s=writer.frames / 60))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < frames * 59 * 4 / 3


def test_a_format_goes_by_name_or_suffix(tmp_path: Path) -> None:
    """Names win over suffixes, suffixes ignore case, `-` is for pipes; anything else is refused with what is known."""
    assert format_for("a.CSV") == "csv"
    assert format_for("a.csv", "NPZ") == "npz"
    assert format_for("-") == "jsonl"
    for target, name in [("a.fbx", None), ("a", None), ("a.csv", "fbx"), (io.BytesIO(), None)]:
        with pytest.raises(UsageError, match=r"csv \(\.csv\), json"):
            format_for(target, name)
    with pytest.raises(UsageError):
        write(make(1), tmp_path / "clip.fbx")
    assert not list(tmp_path.iterdir())


def test_text_streams_take_text_formats() -> None:
    """A text stream gets the text; a binary format says that it needs another stream."""
    file = io.StringIO()
    write(make(2), file, format="csv")
    assert file.getvalue().encode() == as_bytes(make(2), "csv")
    with pytest.raises(UsageError, match="not text"):
        write(make(2), io.StringIO(), format="npz")


def test_frames_reach_a_pipe_at_once() -> None:
    """The reader of a pipe has header and frames of a block before the writer goes on; `-` is standard output."""
    program = (
        "import sys; from tests.test_export import make, open_writer, ClipHeader\n"
        "with open_writer('-', None, ClipHeader.of(make(2))) as writer:\n"
        "    writer.add(make(2)); sys.stdin.read()\n"
    )
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as child:
        assert child.stdout is not None
        lines = [json.loads(child.stdout.readline()) for _ in range(3)]  # while the writer waits for us
        child.communicate(b"go on", timeout=60)
    assert [line.get("t") for line in lines] == [None, 0, 0.016667]
    assert lines[0]["format"] == "voxface-frames"


def test_a_folder_as_target_is_an_error(tmp_path: Path) -> None:
    """A place that cannot be written is told as such, and nothing is left in it."""
    (tmp_path / "clip").mkdir()
    with pytest.raises(OutputError, match="clip"):
        write(make(1), tmp_path / "clip", format="json")
    assert not list((tmp_path / "clip").iterdir())


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20),
    st.integers(1, 9),
    st.booleans(),
)
def test_numbers_are_those_that_were_meant(values: list[float], places: int, trim: bool) -> None:
    """Decimal text differs from the number by half of its last place at most, and says no more than it must."""
    (row,) = number_rows(np.array([values]), places, trim=trim)
    texts = row.decode().split(",")
    for text, value in zip(texts, values, strict=True):
        assert abs(float(text) - value) <= 0.5000001 * 10**-places + abs(value) * 1e-15
        assert not (text.startswith("-") and float(text) == 0)
        if trim:
            assert "." not in text or not text.endswith(("0", "."))
        else:
            assert len(text.split(".")[1]) == places
