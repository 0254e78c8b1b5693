"""The demonstration: the shipped sample becomes files, a picture, and a mouth in letters."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import SAMPLE
from voxface.cli.demo import TEXT, demo
from voxface.cli.picture import MOUTHS, mouth_picture


def test_the_sample_is_what_its_page_says() -> None:
    """The shipped sample is 16 kHz mono FLAC of 4.5 s, and its hash stands in samples/README.md."""
    from voxface.files import sha256_hex

    info = soundfile.info(SAMPLE)
    assert (info.samplerate, info.channels, info.format, info.frames) == (16_000, 1, "FLAC", 71_760)
    assert sha256_hex(SAMPLE) in SAMPLE.with_name("README.md").read_text(encoding="utf-8")


def test_the_picture_shows_when_the_mouth_opens() -> None:
    """Closed, half and fully open seconds give their letters under the right second; loudness stands above them."""
    gap = np.repeat([0.0, 0.3, 0.9], 60).astype(np.float32)
    samples = np.repeat([0.0, 0.5, 0.005], 16_000).astype(np.float32)
    lines = mouth_picture(samples, 16_000, gap, 60.0).splitlines()
    assert lines[0].index("1") - lines[0].index("0") == 16
    assert lines[2] == "mouth  " + "-" * 16 + "o" * 16 + "@" * 16
    assert lines[1][7:23].strip() == ""
    assert set(lines[1][23:39]) == {"█"}
    assert "widest here: 0.90" in lines[-1]


@pytest.mark.parametrize("seconds", [0.001, 0.5, 4.5, 30.0])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "no-such-encoding"])
def test_the_picture_fits_any_terminal(seconds: float, encoding: str) -> None:
    """No line is longer than 80 letters, and a terminal without block letters gets ASCII."""
    samples = np.random.default_rng(1).standard_normal(max(1, int(seconds * 16_000))).astype(np.float32)
    text = mouth_picture(samples, 16_000, np.full(max(1, int(seconds * 25)), 0.2, np.float32), 25.0, encoding)
    assert max(map(len, text.splitlines())) < 80
    assert encoding == "utf-8" or text.isascii()


def test_a_closed_mouth_never_looks_open() -> None:
    """A clip that stays below the lip gap of closed lips shows closed lips only, however small its widest gap."""
    text = mouth_picture(np.ones(16_000, np.float32), 16_000, np.linspace(0, 0.059, 60, dtype=np.float32), 60.0)
    assert set(text.splitlines()[2].removeprefix("mouth  ")) == {MOUTHS[0]}


def test_the_demo_writes_curves_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`voxface demo` writes CSV, JSON and PNG, prints the mouth over time and where the files are."""
    pytest.importorskip("matplotlib", reason="the picture needs the extra `plot`")
    demo(output=tmp_path / "demo")
    printed = capsys.readouterr().out
    assert "mouth  " in printed
    for name in ("hello.csv", "hello.json", "curves.png"):
        assert str(tmp_path / "demo" / name) in printed
    clip = json.loads((tmp_path / "demo" / "hello.json").read_text(encoding="utf-8"))
    assert clip["format"] == "voxface-animation"
    assert len((tmp_path / "demo" / "hello.csv").read_text(encoding="utf-8").splitlines()) == 1 + 270
    assert (tmp_path / "demo" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_demo_works_without_matplotlib(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra `plot` one line says how to install it, and everything else is written."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    demo(output=tmp_path)
    assert "pip install 'voxface[plot]'" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hello.csv", "hello.json"]


def test_the_demo_speaks_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json one object on standard output names the files, and nothing else is printed there."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    demo(output=tmp_path, json=True)
    answer = json.loads(sys.stdout.getvalue())  # type: ignore[attr-defined]
    assert answer["frames"] == 270
    assert all(Path(name).is_file() for name in answer["files"])


def test_the_demo_shows_the_face_in_the_viewer(tmp_path: Path) -> None:
    """With --no-browser the viewer's address is printed; it serves the clip with its sound until Ctrl-C, which ends it
    cleanly. It needs no extra."""
    (tmp_path / "matplotlib.py").write_text("raise ImportError('as if not installed')", encoding="utf-8")
    command = [sys.executable, "-m", "voxface.cli.main", "demo", "-o", tmp_path, "--no-browser"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as program:
        assert program.stdout is not None
        address = next(line for line in program.stdout if line.startswith("look at it: ")).split()[-1]
        with urllib.request.urlopen(address + "api/session", timeout=60) as answer:
            session = json.load(answer)
        program.send_signal(signal.SIGINT)
        _, told = program.communicate(timeout=60)
    assert [clip["name"] for clip in session["clips"]] == ["hello.json"]
    assert session["clips"][0]["frames"] == 270
    assert session["audio"]["duration_s"] == pytest.approx(4.485)
    assert session["text"] == TEXT
    assert (program.returncode, "Traceback" in told) == (0, False)
