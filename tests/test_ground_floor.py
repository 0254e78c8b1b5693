"""The ground floor: time, streams, files and errors."""

from __future__ import annotations

import errno
import os
import pickle
import stat
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import voxface.errors
from voxface.errors import InputError, InputWarning, LimitError, OutputError, UsageError, VoxfaceError
from voxface.files import atomic_write, sha256_hex
from voxface.stream import Chain, run, run_whole
from voxface.timebase import (
    clock_text,
    exact_rate,
    frame_count,
    frame_time_s,
    frames_before_row,
    likely_rate,
    row_count,
    row_time_s,
)

RATES = st.sampled_from([23.976, 24, 25, 29.97, 30, 50, 59.94, 60, 120, 12.5])

# ---- time -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fps", "exact"),
    [(29.97, Fraction(2997, 100)), (30_000 / 1001, Fraction(30_000, 1001)), (60, 60), (12.5, Fraction(25, 2))],
)
def test_a_rate_is_the_fraction_that_was_meant(fps: float, exact: Fraction) -> None:
    """29.97 is 2997/100 and 30000/1001 is itself, not the nearest binary float."""
    assert exact_rate(fps) == exact


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1001, 1e-5])
def test_a_rate_out_of_range_is_refused(fps: float) -> None:
    """Also rates so small that their fraction would be 0."""
    with pytest.raises(UsageError, match="frame rate"):
        exact_rate(fps)


@pytest.mark.parametrize(
    ("measured", "meant"),
    [
        (30.0004, 30),
        (29.9703, 30_000 / 1001),
        (23.9761, 24_000 / 1001),
        (59.9402, 60_000 / 1001),
        (25, 25),
        (14.2653, 14.265),
        (0.02, 0.02),
    ],
)
def test_a_measured_rate_becomes_the_likely_one(measured: float, meant: float) -> None:
    """Whole rates and their 1000/1001 are recognised within 0.02 %, others are kept."""
    assert likely_rate(measured) == pytest.approx(meant, abs=1e-9)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "fps", "frames"),
    [(0, 16_000, 60, 0), (1, 16_000, 60, 1), (16_000, 16_000, 60, 60), (16_001, 16_000, 60, 61),
     (266, 16_000, 60, 1), (267, 16_000, 60, 2), (44_100, 44_100, 29.97, 30), (44_100 * 600, 44_100, 29.97, 17_982)],
)  # fmt: skip
def test_frames_begin_within_the_sound(samples: int, rate_hz: int, fps: float, frames: int) -> None:
    """Frames k with k / fps < duration, exactly."""
    assert frame_count(samples, rate_hz, fps) == frames


@given(st.integers(1, 10**12), st.sampled_from([8_000, 16_000, 44_100, 48_000]), RATES)
def test_frame_count_is_its_definition(samples: int, rate_hz: int, fps: float) -> None:
    """The last frame begins before the end, the next one would not; in exact fractions, for years of sound."""
    frames, duration = frame_count(samples, rate_hz, fps), Fraction(samples, rate_hz)
    assert (frames - 1) / exact_rate(fps) < duration <= frames / exact_rate(fps)


@given(RATES)
def test_a_week_of_time_stamps_does_not_drift(fps: float) -> None:
    """After a week a frame still stands at its exact time, to a billionth of a second."""
    week = 7 * 24 * 3600
    frame = int(week * exact_rate(fps))
    assert abs(Fraction(frame_time_s(frame, fps)) - frame / exact_rate(fps)) < Fraction(1, 10**9)
    assert frame_time_s(frame + 1, fps) > frame_time_s(frame, fps)


@given(st.integers(0, 10**9), RATES)
def test_frames_before_a_row_are_those_with_rows_around_them(rows: int, fps: float) -> None:
    """Frames at or before the last row are counted, the next one lies behind it."""
    frames = frames_before_row(rows, fps)
    if not rows:
        assert frames == 0
        return
    last = Fraction(rows - 1, 100)
    assert (frames - 1) / exact_rate(fps) <= last < frames / exact_rate(fps)


def test_rows_of_a_recording() -> None:
    """n samples have 1 + n // 160 rows, 10 ms apart."""
    assert [row_count(n) for n in (0, 159, 160, 16_000)] == [1, 1, 2, 101]
    assert row_time_s(101) == 1.01


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.21, "3.2 s"), (245, "4 min 05 s"), (3600 * 2 + 185, "2 h 03 min"), (0, "0.0 s")]
)
def test_clock_text_is_for_people(seconds: float, text: str) -> None:
    """Short spans in tenths, long ones in minutes or hours."""
    assert clock_text(seconds) == text


# ---- streams ----------------------------------------------------------------------------------------------------


class Pairs:
    """Sums of two neighbours at a time; state: the one that waits for the other. An odd last one counts alone."""

    def start(self) -> np.ndarray:
        return np.zeros(0)

    def step(self, state: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        whole = np.concatenate([state, block])
        even = len(whole) // 2 * 2
        return whole[even:], whole[:even].reshape(-1, 2).sum(1)

    def finish(self, state: np.ndarray) -> np.ndarray:
        return state


@pytest.mark.parametrize("packet", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_a_chain_is_its_stages_in_a_row(stages: int, packet: int) -> None:
    """For any packet: each stage sees all that the one before it gave, also what that gave at its end."""
    values = np.arange(37.0)
    expected = values
    for _ in range(stages):
        expected = run_whole(Pairs(), expected)
    chain = Chain((Pairs(),) * stages)
    np.testing.assert_array_equal(run_whole(chain, values, packet), expected)
    blocks = [values[at : at + packet] for at in range(0, 37, packet)]
    np.testing.assert_array_equal(np.concatenate(list(run(chain, blocks))), expected)
    assert expected.sum() == values.sum()


def test_a_state_can_be_forked() -> None:
    """A step changes no state that was given: going on twice from one state gives the same twice."""
    chain = Chain((Pairs(), Pairs()))
    state, _ = chain.step(chain.start(), np.arange(5.0))
    first = chain.step(state, np.arange(9.0))[1]
    np.testing.assert_array_equal(chain.step(state, np.arange(9.0))[1], first)


def test_a_stream_of_nothing_gives_only_what_finish_gives() -> None:
    """No blocks, or an empty array: nothing comes out of a stage that holds nothing."""
    assert list(run(Pairs(), [])) == []
    assert len(run_whole(Pairs(), np.zeros(0))) == 0


# ---- files ------------------------------------------------------------------------------------------------------


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """Success puts all of it under its name at once, in new folders too; before that the name does not exist."""
    path = tmp_path / "new" / "folder" / "ä b.bin"
    with atomic_write(path) as file:
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert [p.name for p in path.parent.iterdir()] == ["ä b.bin"]
    with atomic_write(path, "w") as file:
        file.write("ü\n")
    assert path.read_bytes() == b"\xc3\xbc\n"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), VoxfaceError("no")])
def test_a_failure_leaves_nothing_behind(error: BaseException, tmp_path: Path) -> None:
    """An error while writing leaves the older file as it was and no temporary one, and comes through as it is."""
    path = tmp_path / "a"
    path.write_bytes(b"older")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write(b"newer")
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert path.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, LimitError), (errno.EDQUOT, LimitError), (errno.EIO, OutputError)]
)
def test_a_full_disk_is_a_limit(number: int, kind: type[VoxfaceError], tmp_path: Path) -> None:
    """No space and no quota are exit code 6, other trouble is an output error; nothing is left behind."""

    def fail() -> None:
        with atomic_write(tmp_path / "a") as file:
            file.write(b"newer")
            raise OSError(number, os.strerror(number))

    with pytest.raises(kind, match=str(tmp_path / "a")):
        fail()
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    """A folder in the way, or a file where a folder is needed."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder", tmp_path / "file" / "a"):
        with pytest.raises(OutputError, match="cannot write"), atomic_write(path) as file:
            file.write(b"x")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


@pytest.mark.skipif(os.name != "posix", reason="permissions, links and devices as POSIX has them")
def test_links_devices_and_permissions_are_respected(tmp_path: Path) -> None:
    """A link keeps pointing at its file; a device or pipe is written, not replaced; the umask decides who may read."""
    (tmp_path / "target").write_bytes(b"older")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"newer")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"newer"
    umask = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "private") as file:
            file.write(b"x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o640
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        with atomic_write(tmp_path / "pipe") as file:
            file.write(b"through")
        assert reader.communicate(timeout=60)[0] == b"through"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_a_killed_writer_leaves_the_older_file(tmp_path: Path) -> None:
    """Power may go while a file is written: the name still holds what it held."""
    path = tmp_path / "a"
    path.write_bytes(b"older")
    program = (
        "import os, signal, sys; from voxface.files import atomic_write\n"
        f"with atomic_write({str(path)!r}) as file:\n"
        "    file.write(b'newer' * 100_000); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert path.read_bytes() == b"older"


def test_sha256_of_a_file(tmp_path: Path) -> None:
    """The known digest of three letters; a file that cannot be read is an input error."""
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_hex(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="missing"):
        sha256_hex(tmp_path / "missing")


# ---- errors -----------------------------------------------------------------------------------------------------

KINDS: list[type[VoxfaceError]] = [
    kind for kind in vars(voxface.errors).values() if isinstance(kind, type) and issubclass(kind, VoxfaceError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_travel_between_processes(kind: type[VoxfaceError]) -> None:
    """Message, hint and source survive pickling; the text is message and hint."""
    error = pickle.loads(pickle.dumps(kind("what came.", hint="What next.", source="a.wav")))
    assert type(error) is kind
    assert (error.message, error.hint, error.source) == ("what came.", "What next.", "a.wav")
    assert str(error) == "what came. What next."
    assert str(kind("only this.")) == "only this."


def test_scripts_can_tell_errors_apart() -> None:
    """Every kind has a code of its own and one of the exit codes of faults.md §3."""
    codes: list[Any] = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert all(code.startswith("E-") for code in codes)
    assert {kind.exit_code for kind in KINDS} == {2, 3, 4, 5, 6}


def test_warnings_travel_and_say_their_code() -> None:
    """A warning for mended input shows its code and survives pickling."""
    warning = pickle.loads(pickle.dumps(InputWarning("W-TRUNCATED", "cut off.")))
    assert str(warning) == "[W-TRUNCATED] cut off."
    assert warning.code == "W-TRUNCATED"
