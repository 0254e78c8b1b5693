"""`voxface view` as a program: what it shows, where it listens, how it ends; and what the wheel carries."""

from __future__ import annotations

import json
import signal
import socket
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from tests.clips import as_bytes, make
from tests.conftest import ROOT, SAMPLE
from tests.test_faults_audio import run_program
from tests.viewers import ask, ended, viewing
from voxface.errors import ClipError, UsageError
from voxface.export.formats import write
from voxface.viewer.page import MARK, PAGE, page_files, source_mark
from voxface.viewer.server import open_server
from voxface.viewer.session import Session


def test_speech_is_shown_in_the_browser_until_ctrl_c(tmp_path: Path) -> None:
    """The usual port being in use, the next free one is taken; the browser gets the address; the sliders begin at the
    gains; Ctrl-C ends with 0 and leaves nothing behind."""
    gains, temporary = tmp_path / "gains.toml", tmp_path / "tmp"
    gains.write_text("[gain]\njaw_open = 1.5\n[idle]\nblinks = 0\n", encoding="utf-8")
    temporary.mkdir()
    told = tmp_path / "told"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {told}.part && mv {told}.part {told}\n', encoding="utf-8")
    browser.chmod(0o755)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a while ago do not count
        with suppress(OSError):  # somebody else may listen there already: as good
            taken.bind(("127.0.0.1", 8777))
            taken.listen()
        with viewing(
            SAMPLE, "--gains", gains, "--fps", "30", cwd=tmp_path, BROWSER=str(browser), TMPDIR=str(temporary)
        ) as (process, port):
            assert port != 8777
            found = ask(port, "/api/session").json
            assert found["gains"] == {"gain": {"jawOpen": 1.5}, "offset": {}}
            assert [(clip["label"], clip["fps"], clip["frames"]) for clip in found["clips"]] == [
                ("hello.flac", 30, 135)
            ]
            deadline = time.monotonic() + 60
            while not told.exists():
                assert process.poll() is None
                assert time.monotonic() < deadline, "the browser was never opened"
                time.sleep(0.01)
            assert told.read_text(encoding="utf-8").strip() == f"http://127.0.0.1:{port}/"
            assert len(list(temporary.glob("voxface*"))) == 1
            assert ended(process, signal.SIGINT)[0] == 0
    assert list(temporary.glob("voxface*")) == []


def test_without_a_browser_it_goes_on_and_says_so(tmp_path: Path) -> None:
    """No screen and no browser: one sentence with the address, and the page is there; SIGTERM ends it as Ctrl-C does.
    --json prints the address at once; --audio is the sound of the clips."""
    with viewing("--port", "0", cwd=tmp_path) as (process, port):
        assert ask(port, "/api/session").json["clips"] == []
        code, error = ended(process, signal.SIGTERM)
    assert code == 0
    assert f"no browser was found to open; open http://127.0.0.1:{port}/ in one yourself" in error
    (tmp_path / "clip.npz").write_bytes(as_bytes(make(60), "npz"))
    arguments = ("clip.npz", "--audio", SAMPLE, "--no-browser", "--json", "--port", "0")
    with viewing(*arguments, cwd=tmp_path) as (process, port):
        found = ask(port, "/api/session").json
        assert (found["clips"][0]["name"], found["audio"]["name"]) == ("clip.npz", "hello.flac")
        code, error = ended(process, signal.SIGINT)
    assert (code, error) == (0, "")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """A port that was asked for and is taken is one error that names port and flag; so is an address not ours."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_program("view", "--no-browser", "--port", str(port), "--json", cwd=tmp_path)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (2, "E-PORT")
    assert f"port {port} of 127.0.0.1 cannot be used (--port): address already in use." == error["message"]
    with Session() as session, pytest.raises(UsageError, match=r"no address '203\.0\.113\.7' \(--host\)"):
        open_server(session, "203.0.113.7", 0)


def test_files_that_cannot_be_shown_end_it_before_it_serves(tmp_path: Path) -> None:
    """NaN in a clip: the reader's sentence and exit code 3, no server."""
    (tmp_path / "nan.json").write_bytes(as_bytes(make(2), "json").replace(b'"frames": [\n[', b'"frames": [\n[NaN,', 1))
    done = run_program("view", "nan.json", "--no-browser", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith(b"error[E-CLIP]: nan.json: ")


def test_what_is_given_is_told_by_content(tmp_path: Path) -> None:
    """Sound, clip, neither: by their bytes; a clip's own sound is found beside it, in its folder only, else a
    note says that it is missing."""
    clip = make(90)
    (tmp_path / "hello.flac").write_bytes(SAMPLE.read_bytes())
    (tmp_path / "deep").mkdir()
    named = {"beside.txt": "/elsewhere/hello.flac", "deep/far.json": "../hello.flac", "none.json": "no.wav"}
    for name, said in named.items():
        write(clip, tmp_path / name, format="json", audio={"name": said, "sample_rate": 48_000})
    with Session() as session:
        assert session.open(tmp_path / "beside.txt").clip
        assert session.showing.common
        assert session.showing.common.name == "hello.flac"
        assert session.open(tmp_path / "hello.flac").sound
        assert [shown.label for shown in session.showing.clips] == ["beside.txt", "hello.flac"]
        assert session.open(tmp_path / "beside.txt").clip.label == "beside.txt (2)"  # type: ignore[union-attr]
        (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        with pytest.raises(ClipError, match=r"picture\.png: no clip in a format that is known"):
            session.open(tmp_path / "picture.png")
    for name, sound in (("deep/far.json", "hello.flac"), ("none.json", "no.wav")):
        with Session() as session:
            session.open(tmp_path / name)
            assert session.showing.common is None
            (note,) = session.showing.notes
            assert f"{Path(name).name} names the sound {sound}, which is not beside it" in note
    (tmp_path / "bad.toml").write_text("[gain]\nwings = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is no ARKit channel"):
        Session(gains=str(tmp_path / "bad.toml"))


def test_the_built_page_is_up_to_date() -> None:
    """The committed page carries the mark of its sources: changing web/ without building it fails here."""
    built = (PAGE / MARK).read_text(encoding="utf-8").strip()
    assert built == source_mark(ROOT / "web"), "web/ has changed: cd web && npm ci && npm run build"


def test_page_and_head_are_small_and_in_the_wheel() -> None:
    """Page and head are at most 2.5 MB together, and every file of them is among the package's data."""
    house = ROOT / "src" / "voxface"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    carried = {path for glob in project["tool"]["setuptools"]["package-data"]["voxface"] for path in house.glob(glob)}
    assert sum(path.stat().st_size for path in page_files().values()) <= 2_500_000
    assert set(page_files().values()) <= carried
