"""Long videos in pieces that workers share; real processes, pieces of half a second instead of five minutes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")
pytest.importorskip("safetensors", reason="safetensors is not installed: pip install 'voxface[capture]'")

from tests.capture_program import CRASH, LOOKS, SANE, SEGMENT, SLOW
from tests.capture_runs import Folder
from tests.waiting import wait_for
from voxface.capture.store import load_capture


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A short video, and one of 2.9 s: six pieces, each with a frame that takes a while."""
    made = Folder(tmp_path)
    made.add("a")
    made.add("long", *[*range(1, 12), SLOW] * 6, frames=0)
    return made


def pieces(folder: Folder) -> list[Path]:
    return sorted(folder.out.glob(".long.*.piece"))


def test_pieces_on_many_workers(folder: Folder) -> None:
    """Three workers share the pieces of a long video: the bytes are those of one worker, no piece is left; a short
    video is not touched by it."""
    looks, settings = folder.place / "looks", {SEGMENT: "0.5"}
    assert folder.run("--jobs", "1", "--json-pair", **settings).returncode == 0
    one = folder.files()
    assert load_capture(folder.out / "long.capture.safetensors").tracker["segments"] == 6
    done = folder.run("--jobs", "3", "--json-pair", "--force", **settings, **{LOOKS: str(looks)})
    assert done.returncode == 0, done.stderr
    assert "2 captured" in done.stdout
    assert folder.files() == one
    assert len(one) == 6
    workers = looks.read_text().split()
    assert len(workers) == 7
    assert len(set(workers)) > 1


def test_a_killed_run_goes_on_from_its_pieces(folder: Folder) -> None:
    """kill -9 in the middle of a long video: the next run makes only the pieces that are missing; same bytes."""
    settings, video, looks = {SEGMENT: "0.5"}, folder.videos / "long.mp4", folder.place / "looks"
    assert folder.run(video, **settings).returncode == 0
    undisturbed = folder.files()
    shutil.rmtree(folder.out)
    run = folder.start(video, "--jobs", "1", **settings)
    wait_for(lambda: len(pieces(folder)) >= 3)
    run.kill()
    run.communicate()
    there = len(pieces(folder))
    assert 3 <= there < 6
    assert folder.run(video, **settings, **{LOOKS: str(looks)}).returncode == 0
    assert len(looks.read_text().split()) == 6 - there
    assert folder.files() == undisturbed


def test_pieces_of_other_options_are_not_taken(folder: Folder) -> None:
    """Pieces of this video that lie there with other options, or damaged, are made anew."""
    settings, video = {SEGMENT: "0.5"}, folder.videos / "long.mp4"
    assert folder.run(video, "--fps-limit", "10", **settings).returncode == 0
    undisturbed = folder.files()
    shutil.rmtree(folder.out)
    for flags, count in (((), 1), (("--fps-limit", "10"), 3)):
        run = folder.start(video, "--jobs", "1", *flags, **settings)
        wait_for(lambda count=count: len(pieces(folder)) >= count)
        run.kill()
        run.communicate()
    for path in folder.out.glob(".*.000.piece"):
        path.write_bytes(b"torn")
    assert folder.run(video, "--fps-limit", "10", **settings).returncode == 0
    assert folder.files() == undisturbed


def test_a_piece_that_kills_its_process(folder: Folder) -> None:
    """A long video one piece of which crashes twice fails as a whole, once; what of it is done is kept for the next
    try, and the other video is captured."""
    calm = [*range(1, 20), *range(1, 11)]
    folder.add("long", *calm, CRASH, *calm, frames=0)
    looks, settings = folder.place / "looks", {SEGMENT: "0.5"}
    done = folder.run("--jobs", "2", **settings)
    assert done.returncode == 5
    assert done.stderr.count("E-CRASH") == 1
    assert folder.captured() == {"a"}
    assert [line["status"] for line in folder.journal()] == ["captured", "failed"]
    there = len(pieces(folder))
    healed = folder.run("--retry-failed", **settings, **{SANE: str(folder.place), LOOKS: str(looks)})
    assert healed.returncode == 0, healed.stderr
    assert len(looks.read_text().split()) == 5 - there
    assert set(folder.files()) == {"a.capture.safetensors", "long.capture.safetensors"}


def test_a_long_video_that_is_kept(folder: Folder) -> None:
    """Killed between the capture and the removal of its pieces: the next run keeps the capture and removes them."""
    settings = {SEGMENT: "0.5"}
    folder.run(**settings)
    left = folder.out / ".long.capture.safetensors.0123456789.000.piece"
    left.write_bytes(b"left")
    assert "2 done before" in folder.run(**settings).stdout
    assert not left.exists()
