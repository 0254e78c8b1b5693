"""The program: verbs, flags, defaults from environment and file, several inputs, standard output."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import SAMPLE
from voxface.bundle import load_bundle


def voxface(
    *arguments: str | Path, cwd: Path, env: dict[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run the program as a user would."""
    command = [sys.executable, "-m", "voxface.cli.main", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, timeout=120
    )


def test_help_names_every_verb(tmp_path: Path) -> None:
    """`voxface --help` lists the verbs; each verb has its help."""
    done = voxface("--help", cwd=tmp_path)
    assert done.returncode == 0
    for verb in (
        "animate",
        "capture",
        "dataset",
        "synth",
        "articulation",
        "train",
        "evaluate",
        "model",
        "demo",
        "doctor",
    ):
        assert verb in done.stdout.decode()


def test_animate_writes_beside_and_says_so(tmp_path: Path) -> None:
    """One input, no -o: the CSV lies in the current folder under the input's name; --json describes it."""
    done = voxface("animate", SAMPLE, "--json", cwd=tmp_path)
    summary = json.loads(done.stdout)
    assert done.returncode == 0
    assert (tmp_path / "hello.csv").is_file()
    lines = (tmp_path / "hello.csv").read_text().splitlines()
    assert len(lines) == 1 + summary["frames"]
    assert summary["latency_ms"] > 0


def test_a_stream_on_standard_input_and_output(tmp_path: Path) -> None:
    """Bare samples in, JSON lines out: a header, then one line per frame, the same as the file's."""
    import numpy as np
    import soundfile

    sound, rate = soundfile.read(SAMPLE, dtype="int16")
    done = voxface(
        "animate", "-", "--raw", f"s16le:{rate}:1", "-o", "-", "--format", "jsonl", "--fps", "30", cwd=tmp_path,
        stdin=np.asarray(sound, "<i2").tobytes(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) - 1 == -(-len(sound) * 30 // rate)


def test_frames_leave_while_sound_still_comes(tmp_path: Path) -> None:
    """On a pipe that stays open, the frames of the sound so far come out, but for the declared latency and 20 ms."""
    command = [
        sys.executable,
        "-m",
        "voxface.cli.main",
        "animate",
        "-",
        "--raw",
        "s16le:16000:1",
        "-o",
        "-",
        "--fps",
        "50",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(60, process.kill)  # frames that never come end the test, not the suite
        watchdog.start()
        process.stdin.write(bytes(2 * 16_000))
        process.stdin.flush()
        known_s = 1 - load_bundle("default").latency_ms(16_000) / 1000 - 0.02  # pipes are read in pieces of 20 ms
        expected = 1 + math.floor(known_s * 50)
        frames = [json.loads(process.stdout.readline()) for _ in range(1 + expected)][1:]
        assert process.poll() is None
        assert known_s - 0.02 < frames[-1]["t"] <= known_s
        process.stdin.close()
        rest = process.stdout.read()  # communicate() would lose what readline() has read ahead
        assert process.wait(60) == 0
        watchdog.cancel()
    assert len(frames) + len(rest.splitlines()) == 50


def test_several_inputs_and_one_bad_one(tmp_path: Path) -> None:
    """A bad input does not stop the others: exit code 5, the bad one is named; with --jobs too."""
    (tmp_path / "bad.wav").write_bytes(b"no sound at all")
    for extra in ([], ["--jobs", "2"]):
        out = tmp_path / f"out{len(extra)}"
        done = voxface("animate", SAMPLE, "bad.wav", "-o", out, "--json", *extra, cwd=tmp_path)
        answer = json.loads(done.stdout)
        assert done.returncode == 5
        assert [entry["input"] for entry in answer["failed"]] == ["bad.wav"]
        assert sorted(path.name for path in out.iterdir()) == ["hello.csv"]


def test_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    """The frame rate comes from the flag, else the environment, else voxface.toml, else it is 60."""

    def frames(*flags: str, env: dict[str, str] | None = None) -> float:
        done = voxface("animate", SAMPLE, "-o", "x.csv", "--json", *flags, cwd=tmp_path, env=env)
        return float(json.loads(done.stdout)["fps"])

    assert frames() == 60
    (tmp_path / "voxface.toml").write_text("[animate]\nfps = 24\n")
    assert frames() == 24
    assert frames(env={"VOXFACE_ANIMATE_FPS": "25"}) == 25
    assert frames("--fps", "30", env={"VOXFACE_ANIMATE_FPS": "25"}) == 30
    (tmp_path / "voxface.toml").write_text("[anmate]\nfps = 24\n")
    done = voxface("animate", SAMPLE, cwd=tmp_path)
    assert done.returncode == 2
    assert b"anmate" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["animate", "nothing.wav"], 3, "nothing.wav"),
        (["animate", str(SAMPLE), "--fps", "0"], 2, "frame rate"),
        (["animate", str(SAMPLE), "-o", "x.abc"], 2, "abc"),
        (["animate", str(SAMPLE), "--bundle", "nobody"], 4, "nobody"),
        (["animate", str(SAMPLE), "--channel", "7"], 2, "channel"),
        (["animate", str(SAMPLE), "--gains", "none.toml"], 3, "none.toml"),
    ],
)
def test_errors_are_one_line_with_a_code(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    """A mistake gives one line with its code, the right exit status, no traceback and no file."""
    done = voxface(*arguments, cwd=tmp_path)
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert text.count("\n") == 1
    assert text.startswith("error[E-")
    assert words in text
    assert list(tmp_path.iterdir()) == []


def test_errors_for_machines(tmp_path: Path) -> None:
    """With --json an error is one object on standard output, with the same code and exit status."""
    done = voxface("animate", "nothing.wav", "--json", cwd=tmp_path)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 3
    assert error["code"] == "E-INPUT"
    assert error["input"] == "nothing.wav"
    done = voxface("animate", SAMPLE, "-o", "-", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert "standard output" in json.loads(done.stdout)["error"]["message"]
