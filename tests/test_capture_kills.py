"""Runs that are ended at any instant, and disks that are full or broken (faults.md V11, V12); real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")
pytest.importorskip("safetensors", reason="safetensors is not installed: pip install 'voxface[capture]'")

from tests.capture_program import HELD, HOLD, SANE, SLOW
from tests.capture_runs import Folder, members
from tests.waiting import wait_for
from voxface.capture.journal import FILE

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through Linux' /proc")
NAMES = tuple("abc")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Three videos that take 0.4 s each, at least."""
    made = Folder(tmp_path)
    for name in NAMES:
        made.add(name, SLOW)
    return made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run that nobody disturbs makes of the three videos."""
    made = Folder(tmp_path_factory.mktemp("undisturbed"))
    for name in NAMES:
        made.add(name, SLOW)
    assert made.run("--json-pair").returncode == 0
    assert len(made.files()) == 9
    return made.files()


def traced(*injections: str) -> list[str]:
    """The program under strace, which makes system calls fail, or kills at them."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed: sudo apt-get install -y strace")
    if subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace processes here")
    return ["strace", "-f", "-qq", "-o", os.devnull, *(part for text in injections for part in ("-e", text))]


def deaf_to_interrupts(process: int) -> bool:
    """Does a process block or ignore SIGINT? It is up to the program what a Ctrl-C does to its workers."""
    status = Path(f"/proc/{process}/status").read_text()
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
    bit = 1 << (signal.SIGINT - 1)
    return bool((int(masks["SigBlk"], 16) | int(masks["SigIgn"], 16)) & bit)


def rerun_gives(folder: Folder, expected: dict[str, bytes]) -> None:
    """A run afterwards is done in peace, and leaves exactly the files of an undisturbed one."""
    done = folder.run("--json-pair", "--retry-failed")
    assert done.returncode == 0, done.stderr
    assert folder.files() == expected


def test_interrupted_from_the_keyboard(folder: Folder, undisturbed: dict[str, bytes]) -> None:
    """Ctrl-C reaches the program and its workers: exit 130 at once, finished videos stay, no process and no temporary
    file is left, one line."""
    run = folder.start("--jobs", "2", "--json-pair")
    wait_for(lambda: folder.captured())
    assert all(deaf_to_interrupts(number) for number in members(run.pid) if number != run.pid)
    os.killpg(run.pid, signal.SIGINT)
    began = time.monotonic()
    out, err = run.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert (run.returncode, out, err) == (130, "", "interrupted; what was finished is kept.\n")
    wait_for(lambda: not members(run.pid))  # Python's own helper needs a moment
    assert folder.captured()
    assert not [name for name in folder.files() if name.endswith(".part")]
    rerun_gives(folder, undisturbed)


def test_interrupted_while_a_worker_hangs(folder: Folder) -> None:
    """A worker inside native code that lets nothing else run does not keep Ctrl-C waiting, nor outlive its parent."""
    for path in folder.videos.iterdir():
        path.unlink()
    folder.add("a", HOLD)
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        held = folder.place / f"held{number}"
        run = folder.start(**{HELD: str(held)})
        wait_for(held.exists)
        os.kill(run.pid, number)
        assert run.wait(60) == code
        wait_for(lambda run=run: not members(run.pid))
        run.communicate()


@pytest.mark.parametrize("after_s", [0.6, 1.2])
def test_killed_at_some_instant(folder: Folder, undisturbed: dict[str, bytes], after_s: float) -> None:
    """V11: kill -9 of the program: its workers go too; a rerun gives the bytes of an undisturbed run, no temporary
    file stays. (benchmarks/kill_sweep.py does it at many instants.)"""
    run = folder.start("--jobs", "2", "--json-pair")
    time.sleep(after_s)
    run.kill()
    run.communicate()
    wait_for(lambda: not members(run.pid))
    rerun_gives(folder, undisturbed)


@pytest.mark.parametrize(
    "call", ["write:signal=SIGKILL:when=6", "fsync:signal=SIGKILL:when=2", "rename:signal=SIGKILL"]
)
def test_killed_inside_a_system_call(folder: Folder, undisturbed: dict[str, bytes], call: str) -> None:
    """V11: each process is killed when it comes to its write, flush or rename of that number, so the program or its
    workers die inside it; a rerun gives the bytes of an undisturbed run."""
    killed = folder.run(folder.videos / "a.mp4", "--json-pair", before=traced(f"inject={call}"))
    assert killed.returncode != 0
    rerun_gives(folder, undisturbed)


@pytest.mark.parametrize(("fault", "when"), [("ENOSPC", 1), ("EDQUOT", 2), ("EROFS", 4)])
def test_no_room_to_write(folder: Folder, undisturbed: dict[str, bytes], fault: str, when: int) -> None:
    """V12: the disk is full, the quota used up, the file system read-only from some flush on: exit 6, one line that
    says so, no half file; the journal is valid, and a run with room again finishes."""
    calls = [f"inject=fsync:error={fault}:when={when}+"]
    done = folder.run("--jobs", "1", "--json-pair", before=traced(*calls))
    assert done.returncode == 6, done.stderr
    assert "error[E-LIMIT]" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not [name for name in folder.files() if name.endswith(".part")]
    assert all(undisturbed[name] == content for name, content in folder.files().items())
    rerun_gives(folder, undisturbed)


def test_a_journal_line_cut_by_a_full_disk(folder: Folder, undisturbed: dict[str, bytes]) -> None:
    """V12: the line that tells of a capture cannot be written: exit 6; the capture stays and is kept by the rerun."""
    journal = folder.out / FILE
    done = folder.run("--jobs", "1", before=[*traced("inject=write:error=ENOSPC:when=3+"), "-P", str(journal)])
    assert done.returncode == 6, done.stderr
    assert folder.captured() == {"a", "b"}
    assert [Path(line["source"]).stem for line in folder.journal()] == ["a"]
    rerun_gives(folder, undisturbed)


def test_a_video_that_cannot_be_read(folder: Folder) -> None:
    """V12: EIO while one video is read: that video failed, the others are captured, exit 5."""
    bad = folder.videos / "b.mp4"
    done = folder.run(before=[*traced("inject=read:error=EIO"), "-P", str(bad)])
    assert done.returncode == 5, done.stderr
    assert "Input/output error" in done.stderr
    assert folder.captured() == set(NAMES) - {"b"}
    assert folder.run().returncode == 0


def test_the_workers_of_a_killed_run_do_no_harm(folder: Folder, undisturbed: dict[str, bytes]) -> None:
    """A run that begins the very moment the one before was killed finds the folder free and finishes."""
    first = folder.start("--json-pair")
    wait_for(lambda: folder.captured())
    first.kill()
    rerun_gives(folder, undisturbed)
    first.communicate()
    assert folder.run(**{SANE: str(folder.place)}).returncode == 0
