"""Where sound comes from and where faces go: long, strangely named, slow, shared places (faults.md A23-A32)."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

import voxface
from tests.faults import audio_cases as cases
from tests.test_faults_audio import PROGRAM, run_program
from voxface.timebase import frame_count

posix = pytest.mark.skipif(os.name == "nt", reason="pipes as on POSIX")
linux = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from Linux' /proc")

_PEAK = """
def peak_kb():  # not ru_maxrss, which begins with that of the process that started this one
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""

_MEASURED = (
    _PEAK
    + """
import sys
from voxface.cli.main import main
try:
    sys.argv[0] = "voxface"
    main()
finally:
    print(peak_kb(), file=sys.stderr)
"""
)


def peak_mb(*arguments: str | Path, cwd: Path) -> tuple[int, str, float]:
    """Run the program; give its exit code, what it said, and its peak memory in MB."""
    command = [sys.executable, "-c", _MEASURED, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    said, peak = done.stderr.rstrip("\n").rpartition("\n")[::2]
    return done.returncode, said, int(peak) / 1024


def bomb(minutes: int) -> bytes:
    """Digital silence as FLAC, about 3 kB a minute."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 16_000, 1, format="FLAC") as sound:
        for _ in range(minutes):
            sound.write(np.zeros(960_000, np.float32))
    return file.getvalue()


@linux
def test_a_flac_bomb_stays_small(tmp_path: Path) -> None:
    """A23: ten minutes of silence in 30 kB are animated below 300 MB, or refused by --max-duration (exit code 6)."""
    data = bomb(10)
    assert len(data) < 50_000
    (tmp_path / "bomb.flac").write_bytes(data)
    code, said, peak = peak_mb("animate", "bomb.flac", "-o", "out.npz", "--bundle", "live", cwd=tmp_path)
    assert code == 0, said
    assert len(voxface.read(tmp_path / "out.npz")) == 10 * 60 * 60
    assert peak < 300
    code, said, peak = peak_mb("animate", "bomb.flac", "-o", "no.npz", "--max-duration", "60", cwd=tmp_path)
    assert code == 6
    assert "error[E-LIMIT]: bomb.flac lasts 10 min" in said
    assert not (tmp_path / "no.npz").exists()


def sparse_wav(path: Path, seconds: int, rate: int = 16_000) -> None:
    """A WAV of silence that takes no space on the disk."""
    size = 2 * rate * seconds
    header = cases.riff(cases.chunk(b"fmt ", cases.fmt(rate=rate)), cases.chunk(b"data", b"", size), size=36 + size)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)


_FEATURES = (
    _PEAK
    + """
import sys
from voxface.audio.decode import open_audio
from voxface.audio.mel import LogMel
from voxface.audio.resample import Resampler
from voxface.stream import Chain, run
with open_audio(sys.argv[1]) as audio:
    rows = sum(map(len, run(Chain((Resampler(audio.rate_hz), LogMel())), audio.blocks())))
print(rows, peak_kb())
"""
)


@linux
def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    """A24: an hour of sound needs no more memory than a minute (10 h by hand: docs/reliability.md)."""
    peaks = []
    for seconds in (60, 3600):
        path = tmp_path / f"{seconds}.wav"
        sparse_wav(path, seconds, 8_000)
        said = subprocess.run([sys.executable, "-c", _FEATURES, path], capture_output=True, check=True).stdout.split()
        assert int(said[0]) == 100 * seconds + 1
        peaks.append(int(said[1]) / 1024)
    assert peaks[1] < peaks[0] + 16


def test_a_long_recording_shows_its_progress(tmp_path: Path) -> None:
    """A24: on a terminal, sound above a minute has a bar in seconds of sound; elsewhere nothing is printed."""
    pty = pytest.importorskip("pty", reason="terminals as on POSIX")
    sparse_wav(tmp_path / "long.wav", 90)
    command = [*PROGRAM, "animate", "long.wav", "-o", "long.npz", "--bundle", "live"]
    terminal, program = pty.openpty()
    process = subprocess.Popen(command, cwd=tmp_path, stderr=program, env={**os.environ, "TERM": "xterm"})
    os.close(program)
    shown = b""
    while part := _read(terminal):
        shown += part
    os.close(terminal)
    assert process.wait(timeout=60) == 0
    assert b"s of sound" in shown
    quiet = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
    assert b"s of sound" not in quiet.stderr


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the program has closed its side
        return b""


NAMES = {
    "emoji": "🙂 sprich.wav",
    "255 bytes": "ü" * 125 + "x.wav",
    "trailing space": "trailing.wav ",
    "reserved on Windows": "CON.wav",
    "composed": unicodedata.normalize("NFC", "käse é.wav"),
    "decomposed": unicodedata.normalize("NFD", "käse é.wav"),
    "newline": "two\nlines.wav",
    "terminal code": "\x1b[31mred.wav",
    "quotes": "a'b\"c;$(touch owned)`x`.wav",
    "an address": "file:http:",
    "leading dash": "-dash.wav",
    "no letters": "...wav",
}
if os.name != "nt":
    NAMES["not UTF-8"] = os.fsdecode(b"\xff\xfe.wav")


def test_names_are_only_names(tmp_path: Path) -> None:
    """A26, A27: files of strange names are animated, never evaluated; what is printed has one line per file."""
    for name in NAMES.values():
        (tmp_path / name).write_bytes(cases.wav(cases.speech_like(0.1)))
    done = run_program("animate", "-o", "out/", "--", *NAMES.values(), cwd=tmp_path)
    said = done.stderr.decode().splitlines()
    assert done.returncode == 0, said
    assert len(said) == len(NAMES)
    assert b"\x1b[31m" not in done.stderr
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {f"{Path(name).stem}.csv" for name in NAMES.values()}
    assert not (tmp_path / "owned").exists()


def test_a_name_that_gives_no_output_name_is_told(tmp_path: Path) -> None:
    """A27: 255 bytes and a longer suffix on top are too many for any file system: one error, no traceback."""
    name = "x" * 251 + ".wav"
    (tmp_path / name).write_bytes(cases.wav(cases.speech_like(0.1)))
    done = run_program("animate", name, "--format", "jsonl", cwd=tmp_path)
    assert done.returncode == 3
    assert b"error[E-OUTPUT]" in done.stderr
    assert b"too long" in done.stderr


@posix
def test_a_slow_writer_is_waited_for_and_answered_as_it_speaks(tmp_path: Path) -> None:
    """A29: samples that trickle in give frames before the end; an odd last byte is told, and all frames come."""
    command = [*PROGRAM, "animate", "-", "--raw", "s16le:16000:1", "-o", "-", "--bundle", "live"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, cwd=tmp_path, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        data = cases.pcm16(cases.speech_like(0.5))
        process.stdin.write(data[:1])  # half a sample
        process.stdin.write(data[1:])
        header, first = process.stdout.readline(), process.stdout.readline()  # while the pipe is still open
        for byte in data[:40]:
            process.stdin.write(bytes([byte]))
            time.sleep(0.001)
        process.stdin.write(b"\x01")  # odd
        process.stdin.close()
        rest = process.stdout.read().splitlines()
        said = process.stderr.read()
        assert process.wait(timeout=60) == 0
    assert json.loads(header)["fps"] == 60
    assert json.loads(first)["t"] == 0
    assert len(rest) + 1 == frame_count(8_020, 16_000, 60.0)
    assert b"W-TRUNCATED" in said


def test_a_pipe_that_is_closed_before_the_first_sample(tmp_path: Path) -> None:
    """A29: a header and nothing more: an error of its own, and no output."""
    sent = cases.wav(data_size=0xFFFFFFFF)[:44]
    done = run_program("animate", "-", "-o", "out.csv", cwd=tmp_path, stdin=sent)
    assert done.returncode == 3
    assert b"error[E-AUDIO-EMPTY]" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_garbage_behind_a_wav_is_no_sound(tmp_path: Path) -> None:
    """A29: bytes behind the data chunk change nothing, in a file and through a pipe."""
    data = cases.wav(cases.speech_like(0.3))
    spoiled = data + np.random.default_rng(0).bytes(9_999)
    (tmp_path / "clean.wav").write_bytes(data)
    (tmp_path / "spoiled.wav").write_bytes(spoiled)
    assert run_program("animate", "clean.wav", "spoiled.wav", cwd=tmp_path).returncode == 0
    assert run_program("animate", "-", "-o", "piped.csv", cwd=tmp_path, stdin=spoiled).returncode == 0
    clean = (tmp_path / "clean.csv").read_bytes()
    assert (tmp_path / "spoiled.csv").read_bytes() == clean
    assert (tmp_path / "piped.csv").read_bytes() == clean


def test_two_writers_of_one_output_leave_one_whole_file(tmp_path: Path) -> None:
    """A31: two processes write the same file at the same time: it is one of theirs from end to end, nothing is left."""
    for name, seconds in (("a", 20.0), ("b", 21.0)):
        (tmp_path / f"{name}.wav").write_bytes(cases.wav(cases.speech_like(seconds)))
    command = [*PROGRAM, "animate", "--bundle", "live", "-o", "same.csv"]
    both = [subprocess.Popen([*command, f"{name}.wav"], cwd=tmp_path, stderr=-3) for name in "ab"]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    frames = len(voxface.read(tmp_path / "same.csv"))
    assert frames in (1200, 1260)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav", "same.csv"]
    name = "a" if frames == 1200 else "b"
    assert run_program("animate", f"{name}.wav", "--bundle", "live", "-o", "alone.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "same.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


@pytest.mark.parametrize("way", ["name", "link", "hard link", "detour"])
def test_the_input_is_never_overwritten(way: str, tmp_path: Path) -> None:
    """A32: an output that is the input, by its own or another name, is refused before anything is touched."""
    data = cases.wav(cases.speech_like(0.1))
    (tmp_path / "sub").mkdir()
    (tmp_path / "speech.csv").write_bytes(data)  # the name of an output, the content of an input
    target = {"name": "speech.csv", "detour": "sub/../speech.csv"}.get(way, "other.csv")
    if way == "link":
        (tmp_path / target).symlink_to("speech.csv")
    elif way == "hard link":
        os.link(tmp_path / "speech.csv", tmp_path / target)
    done = run_program("animate", "speech.csv", "-o", target, cwd=tmp_path)
    assert done.returncode == 2
    assert b"is the input itself" in done.stderr
    assert (tmp_path / "speech.csv").read_bytes() == data
