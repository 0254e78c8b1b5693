"""Videos and captures in an object store: a local S3-compatible server, loopback only."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'voxface[s3]'")
pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")
pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")

import fsspec
from moto.server import ThreadedMotoServer

from tests.faulty_videos import do_faulty
from voxface.capture.job import VideoJob, VideoResult, do_video
from voxface.capture.options import CaptureOptions
from voxface.capture.remote import is_remote_job, through_copies
from voxface.capture.store import SUFFIX
from voxface.errors import InputError, MissingDependencyError, OutputError, UsageError
from voxface.places import SCHEMES, fetch, is_remote, journal_folder, list_files, remove, store

VIDEOS = (".mp4", ".mov")
KEYS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """The file system of an S3 server with an empty bucket "faces", found as a user's would be: by the environment."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (KEYS | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}).items():
            patch.setenv(name, value)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        found = fsspec.filesystem("s3")
        found.mkdir("s3://faces")
        yield found
        fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()


def content(s3: Any, folder: str) -> dict[str, bytes]:
    """Name -> bytes of what is in a remote folder now."""
    s3.invalidate_cache()
    return {name.rpartition("/")[2]: s3.cat_file(name) for name in s3.find(folder)}


def test_only_named_schemes_are_remote() -> None:
    """A26: object stores by scheme; the web and file: are refused; whatever else looks like an address is a path."""
    assert all(is_remote(f"{scheme}://b/v.mp4") for scheme in SCHEMES)
    for path in ("v.mp4", "/a/s3:/v.mp4", "s3:/b/v.mp4", "C:\\v.mp4", "concat:a|b", "subfile,,:", "-", "a b://c"):
        assert not is_remote(path)
    for address in ("http://127.0.0.1/v.mp4", "https://x/v.mp4", "file:///etc/passwd", "ftp://x/v", "S3://b/v.mp4"):
        with pytest.raises(UsageError, match="is not read"):
            is_remote(address)


def test_files_come_and_go(s3: Any, tmp_path: Path) -> None:
    """Listing a folder, a pattern, a file; fetching, storing over and removing; what is not there."""
    (tmp_path / "one").write_bytes(b"1" * 5_000_000)
    for name in ("c.mp4", "a b#é.MOV", "notes.txt", "deeper/d.mp4"):
        store(tmp_path / "one", f"s3://faces/in/{name}")
    assert list_files("s3://faces/in/", VIDEOS) == ["s3://faces/in/a b#é.MOV", "s3://faces/in/c.mp4"]
    assert list_files("s3://faces/in", VIDEOS) == list_files("s3://faces/in/", VIDEOS)
    assert list_files("s3://faces/in/*.mp4", VIDEOS) == ["s3://faces/in/c.mp4"]
    assert list_files("s3://faces/in/*/*.mp4", VIDEOS) == ["s3://faces/in/deeper/d.mp4"]
    assert list_files("s3://faces/in/notes.txt", VIDEOS) == ["s3://faces/in/notes.txt"]
    for nothing in ("s3://faces/in/*.avi", "s3://faces/empty/"):
        with pytest.raises(InputError, match=r"no video|cannot read"):
            list_files(nothing, VIDEOS)
    moves: list[int] = []
    assert fetch("s3://faces/in/a b#é.MOV", tmp_path / "x" / "back", lambda: moves.append(1))
    assert (tmp_path / "x" / "back").read_bytes() == (tmp_path / "one").read_bytes()
    assert len(moves) == 2
    (tmp_path / "two").write_bytes(b"22")
    store(tmp_path / "two", "s3://faces/in/c.mp4")
    assert content(s3, "s3://faces/in")["c.mp4"] == b"22"
    remove("s3://faces/in/c.mp4")
    remove("s3://faces/in/c.mp4")
    assert not fetch("s3://faces/in/c.mp4", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_a_store_cannot_do(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such bucket, a store whose library is not installed, an object cut short: our errors, with the place."""
    (tmp_path / "one").write_bytes(b"1")
    with pytest.raises(OutputError, match="cannot write s3://nobodys/x"):
        store(tmp_path / "one", "s3://nobodys/x")
    with pytest.raises(MissingDependencyError, match="gs://b/x needs a library"):
        fetch("gs://b/x", tmp_path / "y")
    store(tmp_path / "one", "memory://short")
    monkeypatch.setattr(fsspec.filesystem("memory"), "info", lambda path, **more: {"size": 7, "type": "file"})
    with pytest.raises(InputError, match="1 of its 7 bytes"):
        fetch("memory://short", tmp_path / "y")


def test_an_older_pair_never_stays_beside_a_newer_capture(s3: Any, tmp_path: Path) -> None:
    """What is stored for a job is the new capture; JSON files of the older one are gone, even if we die right after."""
    (tmp_path / "v").write_bytes(b"video")
    for name in ("fine.mp4", f"fine{SUFFIX}", "fine.capture.json", "fine.audio.json"):
        store(tmp_path / "v", f"s3://faces/again/{name}")
    job = VideoJob("s3://faces/again/fine.mp4", f"s3://faces/again/fine{SUFFIX}", json_pair=True)

    def do(near: VideoJob, progress: Any) -> VideoResult:
        assert Path(near.target).read_bytes() == b"video"  # the older one is at hand: it may be all that is needed
        return do_faulty(near, progress)

    result = through_copies(job, do, None)
    assert (result.status, result.job) == ("captured", job)
    assert content(s3, "s3://faces/again") == {"fine.mp4": b"video", f"fine{SUFFIX}": b"fine"}


def program(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """`voxface capture` as a user runs it, with folders of its own."""
    command = [sys.executable, "-m", "voxface.cli.main", "capture", *arguments, "--json"]
    env = {**os.environ, "XDG_CACHE_HOME": str(home), "XDG_STATE_HOME": str(home)}
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=home, check=False, timeout=120)


def test_capture_from_and_to_a_bucket(s3: Any, shared: Path, tmp_path: Path) -> None:
    """Videos in a bucket become captures in a bucket, the bytes of a local run; the second run keeps them; a text file
    called .mp4 fails under its own name; nothing is left on this machine but the journal."""
    for name in ("brbk7n.mp4", "sbia1a.mp4"):
        store(shared / "grid_dev" / name, f"s3://faces/videos/{name}")
    flags = ("--fps-limit", "5", "--face-model", str(shared / "face_landmarker.task"), "--jobs", "1")
    first = program("s3://faces/videos/", "-o", "s3://faces/captures", *flags, home=tmp_path)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["captured"] == 2
    made = content(s3, "s3://faces/captures")
    for name in ("brbk7n", "sbia1a"):
        job = VideoJob(str(shared / "grid_dev" / f"{name}.mp4"), str(tmp_path / f"{name}{SUFFIX}"), CaptureOptions(5.0))
        assert do_video(job.__class__(job.source, job.target, job.options, flags[3])).status == "captured"
        assert made.pop(f"{name}{SUFFIX}") == Path(job.target).read_bytes()
    assert not made
    (tmp_path / "text").write_text("no video")
    store(tmp_path / "text", "s3://faces/videos/text.mp4")
    again = program("s3://faces/videos/*.mp4", "-o", "s3://faces/captures/", *flags, home=tmp_path)
    assert again.returncode == 5, again.stderr
    summary = json.loads(again.stdout)
    assert (summary["captured"], summary["kept"]) == (0, 2)
    assert [entry["input"] for entry in summary["failed"]] == ["s3://faces/videos/text.mp4"]
    assert "s3://faces/videos/text.mp4" in summary["failed"][0]["message"]
    assert not (tmp_path / "s3:").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path))
        assert len((journal_folder("s3://faces/captures") / "capture-journal.jsonl").read_text().splitlines()) == 5


def test_the_web_is_no_place_for_videos(tmp_path: Path) -> None:
    """http:// as a video or as output is a wrong call: exit 2, no connection, no file."""
    for arguments in (("http://127.0.0.1:9/v.mp4", "-o", "out"), ("v.mp4", "-o", "https://127.0.0.1:9/out")):
        done = program(*arguments, home=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "is not read" in json.loads(done.stdout)["error"]["message"]
    done = program("v.mp4", "-o", "s3://faces/x", "--shards", "packed", home=tmp_path)
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())
    assert is_remote_job(VideoJob("v.mp4", f"s3://faces/v{SUFFIX}"))
