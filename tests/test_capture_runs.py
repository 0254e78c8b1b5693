"""Runs over many videos: what happens to one costs one (faults.md V9, V10, V12 to V18). Real processes throughout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")
pytest.importorskip("safetensors", reason="safetensors is not installed: pip install 'voxface[capture]'")

from tests.capture_program import BUG, CALL, CLOCK, CRASH, DIE, EAT, HANG, LOOKS, MODEL, ONCE, PORT, SANE, SLOW
from tests.capture_runs import Folder, members
from tests.waiting import wait_for
from voxface.capture.face_model import ENVIRONMENT, ENVIRONMENT_URL
from voxface.capture.journal import FILE

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through Linux' /proc")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_what_kills_its_process_costs_one_video(folder: Folder) -> None:
    """V9, V10: a native crash, a bug, no memory, a kill, a hang: each tried twice, then failed with its code; the
    others are captured; exit 5. The next run leaves them out, unless it is asked to try them again."""
    for name in ("a", "z"):
        folder.add(name)
    bad = {"crash": CRASH, "bug": BUG, "eat": EAT, "die": DIE, "hang": HANG}
    for name, happens in bad.items():
        folder.add(name, happens)
    codes = {"crash": "E-CRASH", "bug": "E-CRASH", "eat": "E-OOM", "die": "E-OOM", "hang": "E-HANG"}
    done = folder.run("--timeout", "4", "--memory-limit", "4")
    assert done.returncode == 5, done.stderr
    assert folder.captured() == {"a", "z"}
    assert "2 captured, 0 done before, 5 failed" in done.stdout
    assert "SIGSEGV" in done.stderr
    assert "a bug of ours" in done.stderr
    lines = {Path(line["source"]).stem: (line["code"], line["tries"]) for line in folder.journal()}
    assert lines == {name: (code, 2) for name, code in codes.items()} | {"a": ("", 1), "z": ("", 1)}
    again = folder.run("--json", **{SANE: str(folder.place)})
    assert again.returncode == 5
    summary = json.loads(again.stdout)
    assert [Path(entry["input"]).stem for entry in summary["failed"]] == sorted(bad)
    assert all("left out after 2 tries" in entry["message"] for entry in summary["failed"])
    assert len(folder.journal()) == 7
    healed = folder.run("--retry-failed", **{SANE: str(folder.place)})
    assert healed.returncode == 0, healed.stderr
    assert folder.captured() == {"a", "z", *bad}


def test_a_video_is_tried_once_more(folder: Folder) -> None:
    """A crash that does not happen again: the video is captured by a fresh process, and the run tells of it."""
    folder.add("a", CRASH)
    done = folder.run(**{ONCE: "1", SANE: str(folder.place / "sane")})
    assert done.returncode == 0
    assert "W-TRIED-AGAIN" in done.stderr
    assert folder.journal()[0]["tries"] == 2


def test_another_try_where_the_video_or_the_options_changed(folder: Folder) -> None:
    """The poison list knows videos by content: a mended file under the old name is tried, as are other options."""
    folder.add("a", CRASH)
    folder.add("b", CRASH)
    assert folder.run().returncode == 5
    folder.add("b", frames=6)
    assert "left out" in folder.run().stderr
    assert folder.captured() == {"b"}
    assert "its process crashed" in folder.run("--mirrored").stderr.replace("left out", "")
    assert all(line["options"]["mirrored"] for line in folder.journal()[-2:])


def test_the_trace_of_a_bug_is_for_debug(folder: Folder) -> None:
    """One video with a bug: exit 3, one line; with --debug the trace out of the worker."""
    video = folder.add("a", BUG)
    plain = folder.run(video)
    assert (plain.returncode, plain.stderr.count("\n")) == (3, 1)
    assert "capture_program.py" not in plain.stderr
    assert "in obey" in folder.run(video, "--retry-failed", "--debug").stderr


def test_the_number_of_workers_changes_nothing(folder: Folder) -> None:
    """One worker, three workers, other order: the same bytes; the JSON pair of a capture kept is the one of a new."""
    for name in "abcde":
        folder.add(name)
    assert folder.run("--jobs", "1", "--json-pair").returncode == 0
    one = folder.files()
    assert len(one) == 15
    for path in folder.out.glob("*.json"):
        path.unlink()
    assert "0 captured, 5 done before" in folder.run("--json-pair").stdout
    assert folder.files() == one
    assert "5 captured" in folder.run("--jobs", "3", "--force", "--json-pair").stdout
    assert folder.files() == one


def test_a_json_pair_never_belongs_to_another_capture(folder: Folder) -> None:
    """Captured again with other options, the pair of the old capture goes: no later run takes it for the new one's."""
    folder.add("a", frames=12)
    folder.run("--json-pair")
    assert folder.run("--fps-limit", "10").returncode == 0
    assert set(folder.files()) == {"a.capture.safetensors"}
    folder.run("--fps-limit", "10", "--json-pair")
    assert json.loads(folder.files()["a.capture.json"])["sessionInfo"]["targetFPS"] == 10


def test_torn_lines_of_the_journal(folder: Folder) -> None:
    """V13: half a line, bytes that are no text, JSON that is no object: ignored; new lines stand on lines of their
    own; what was torn is found out again."""
    for name in "ab":
        folder.add(name)
    folder.add("c", CRASH)
    folder.run()
    journal = folder.out / FILE
    whole = journal.read_bytes().splitlines(keepends=True)
    mangled = b"".join(line for line in whole if b"c.mp4" not in line)
    journal.write_bytes(mangled + b'\xff\xfe\n[1]\n{"run": 3}\n{"source": [], "code": []}\n' + whole[1][:40])
    done = folder.run()
    assert done.returncode == 5
    assert "2 done before" in done.stdout
    assert "its process crashed" in done.stderr
    assert "left out" not in done.stderr
    assert json.loads(journal.read_bytes().splitlines()[-1])["code"] == "E-CRASH"


def test_the_same_video_under_two_names(folder: Folder) -> None:
    """V14: both are captured, and the run says that they are one; so does a run that keeps both."""
    shutil.copy(folder.add("a"), folder.videos / "b.mp4")
    for _ in range(2):
        done = folder.run("--jobs", "1")
        assert done.returncode == 0
        assert f"warning[W-DUPLICATE]: {folder.videos}/b.mp4 is the same video as {folder.videos}/a.mp4" in done.stderr


@linux
def test_two_runs_on_one_folder(folder: Folder) -> None:
    """V15: the second exits 3 at once and says who has the folder; a lock whose owner was killed is none."""
    folder.add("a", HANG)
    first = folder.start()
    wait_for(lambda: len(members(first.pid)) > 1 and (folder.out / FILE).exists())
    wait_for(lambda: (folder.out / FILE).read_bytes().endswith(b"\n"))
    second = folder.run()
    assert second.returncode == 3
    assert f"process {first.pid} on {socket.gethostname()}" in second.stderr
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert folder.run(**{SANE: str(folder.place)}).returncode == 0


def test_clocks_may_jump(folder: Folder) -> None:
    """V16: a clock on the wall that jumps by days, and another time zone, change nothing: no time-out, same bytes."""
    folder.add("a", SLOW)
    assert folder.run("--timeout", "20").returncode == 0
    calm = folder.files()
    mad = folder.run("--force", "--timeout", "20", **{CLOCK: "mad", "TZ": "Pacific/Kiritimati"})
    assert mad.returncode == 0, mad.stderr
    assert folder.files() == calm


@linux
def test_a_stopped_run_goes_on(folder: Folder) -> None:
    """Ctrl-Z for longer than the time-out: nothing hung meanwhile, so nothing is given up."""
    folder.add("a", *[SLOW] * 4)
    looks = folder.place / "looks"
    run = folder.start("--timeout", "4", **{LOOKS: str(looks)})
    wait_for(looks.exists)  # past the start of the worker, which on a busy machine is a long silence of its own
    os.killpg(run.pid, signal.SIGSTOP)
    threading.Event().wait(5)
    os.killpg(run.pid, signal.SIGCONT)
    assert run.communicate(timeout=60)[1] == ""
    assert folder.journal()[0]["tries"] == 1


def test_a_source_that_goes_away(folder: Folder) -> None:
    """V17: a video deleted while another is captured: failed, the rest goes on, exit 5."""
    folder.add("a", *[SLOW] * 4)
    gone = folder.add("b")
    folder.add("c")
    run = folder.start("--jobs", "1")
    wait_for((folder.out / FILE).exists)
    gone.unlink()
    assert run.wait(60) == 5
    assert "error[E-INPUT]" in run.communicate()[1]
    assert folder.captured() == {"a", "c"}


def test_workers_without_network(folder: Folder) -> None:
    """V18: with --no-network-worker a tracker that calls somebody reaches nobody; everything else is the same."""
    folder.add("a", CALL)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = {PORT: str(server.getsockname()[1])}
        assert "face in 100.0%" in folder.run(**port).stdout
        done = folder.run("--force", "--no-network-worker", **port)
    if done.returncode == 4:
        assert "--no-network-worker needs" in done.stderr
        pytest.skip(f"this system cannot isolate: {done.stderr}")
    assert "face in 80.0%" in done.stdout, done.stderr


def test_the_model_is_fetched_once(folder: Folder) -> None:
    """V18: the program fetches the landmarker, once and before it starts workers, also where they have no network."""
    asked = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(MODEL)

        def log_message(self, *_: object) -> None:
            pass

    for name in "abc":
        folder.add(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever).start()
        url = {ENVIRONMENT: "", ENVIRONMENT_URL: f"http://127.0.0.1:{server.server_port}"}
        done = folder.run("--no-network-worker", "--jobs", "3", **url)
        server.shutdown()
    if "--no-network-worker needs" in done.stderr:
        pytest.skip(f"this system cannot isolate: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert asked == ["/face_landmarker.task"]


def test_the_program_itself_reads_no_video(tmp_path: Path) -> None:
    """What can crash is loaded by workers alone: neither PyAV nor a tracker is in the process that you started."""
    text = tmp_path / "a.mp4"
    text.write_text("no video")
    code = (
        "import atexit, sys; from voxface.cli.main import main;"
        "atexit.register(lambda: print([m for m in ('av', 'mediapipe', 'ai_edge_litert') if m in sys.modules]));"
        f"sys.argv = ['voxface', 'capture', {str(text)!r}, '-o', {str(tmp_path / 'out')!r}]; main()"
    )
    settings = {**os.environ, ENVIRONMENT: str(tmp_path / "nowhere")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=settings, check=False)
    assert (done.returncode, done.stdout) == (3, "[]\n"), done.stderr
    assert "E-VIDEO-FORMAT" in done.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--jobs", "0"), "--jobs must be above 0"),
        (("--timeout", "nan"), "--timeout must be above 0"),
        (("--memory-limit", "0.5"), "--memory-limit must be 1 GB or more"),
        (("--runner", "cloud"), "Runners: local, ray"),
        (("--address", "auto"), "Add --runner ray"),
        (("--runner", "ray", "--jobs", "2"), "for the local runner"),
        (("--tracker", "psychic"), "Trackers: "),
        (("--audio-track", "-1"), "counted from 0"),
    ],
)
def test_flags_that_cannot_be(folder: Folder, flags: tuple[str, ...], says: str) -> None:
    """One line each, the right exit code; also for a memory limit in which nothing runs."""
    done = folder.run(folder.add("a"), *flags)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error[")
