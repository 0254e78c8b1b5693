"""Capture on a Ray cluster: two nodes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'voxface[ray]'")
pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")

import ray.exceptions

from tests.faulty_videos import do_faulty
from tests.two_nodes import kill_at_work, two_nodes, until, workers
from voxface.capture import ray_runner
from voxface.capture.job import VideoJob, VideoResult, do_video
from voxface.capture.journal import FILE as JOURNAL
from voxface.capture.options import CaptureOptions
from voxface.capture.ray_runner import run_on_ray
from voxface.capture.store import SUFFIX
from voxface.capture.task import TRIES, Task
from voxface.errors import (
    CrashError,
    InputError,
    LimitError,
    MachineLostError,
    MissingDependencyError,
    OutOfMemoryError,
    OutputError,
)

SETS = ("grid_dev", "wild_dev")
FPS = "5"  # frames a second that are looked at: the values do not matter here


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("the processes of the nodes are looked up in /proc, which this system does not have")
    with two_nodes() as made:
        yield made


def start(output: Path, shared: Path, *more: str) -> subprocess.Popen[str]:
    """`voxface capture` of nine real clips, as a user runs it."""
    videos = [str(shared / name) for name in SETS]
    command = [sys.executable, "-m", "voxface.cli.main", "capture", *videos, "-o", str(output)]
    command += ["--fps-limit", FPS, "--face-model", str(shared / "face_landmarker.task"), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def journal(folder: Path) -> list[dict[str, Any]]:
    """The lines about videos."""
    lines = (folder / JOURNAL).read_text().splitlines() if (folder / JOURNAL).exists() else []
    return [line for line in map(json.loads, lines) if "source" in line]


def captures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(f"*{SUFFIX}")}


def test_interrupted_then_a_node_dies(cluster: Any, shared: Path, tmp_path: Path) -> None:
    """Nine videos on two nodes. Ctrl-C when the first capture is there: exit 130, no task goes on, no temporary file is
    left. Run again, and the second node dies with a video half done: nothing is lost, nothing stands in the journal
    twice, one video is told to have been tried twice, the bytes are those of a serial run here. Ray says nothing."""
    output, flags = tmp_path / "ray", ("--runner", "ray", "--address", cluster.address, "--json")
    run = start(output, shared, *flags)
    until(lambda: journal(output) or run.poll() is not None)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 130, errors
    assert errors == ""
    until(lambda: not any(map(workers, (cluster.head_node, *cluster.worker_nodes))))
    before = captures(output)
    assert 1 <= len(before) < 6
    assert {path.name for path in output.iterdir()} == {*before, JOURNAL}

    run = start(output, shared, *flags)
    until(lambda: len(captures(output)) > len(before) or run.poll() is not None)  # past what is kept
    kill_at_work(cluster)
    said, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert errors == ""
    summary = json.loads(said)
    assert (summary["captured"] + summary["kept"], summary["failed"]) == (9, [])
    assert summary["kept"] - len(before) in (0, 1)  # the one that died may just have put its capture in place
    assert len(summary["warnings"]) == 1
    assert "W-TRIED-AGAIN" in summary["warnings"][0]
    assert "E-MACHINE-LOST" in summary["warnings"][0]
    videos = [video for name in SETS for video in sorted((shared / name).glob("*.mp4"))]
    assert sorted(Path(line["source"]).name for line in journal(output)) == [video.name for video in videos]
    assert Counter(line["tries"] for line in journal(output)) == {1: 8, 2: 1}
    for video in videos:
        target, model = tmp_path / "serial" / f"{video.stem}{SUFFIX}", str(shared / "face_landmarker.task")
        assert do_video(VideoJob(str(video), str(target), CaptureOptions(float(FPS)), model)).status == "captured"
    assert captures(output) == captures(tmp_path / "serial")
    assert {path.name for path in output.iterdir()} == {*captures(output), JOURNAL}


def do_all(cluster: Any, folder: Path, *names: str, timeout_s: float = 60) -> dict[str, VideoResult]:
    """Name -> result of jobs that end as their names say; events are checked on the way."""
    begun: Counter[str] = Counter()
    model = str(Path(__file__).parents[2] / "shared" / "data" / "face_landmarker.task")
    jobs = [VideoJob(str(folder / f"{name}.mp4"), str(folder / f"{name}{SUFFIX}"), face_model=model) for name in names]

    def note(job: VideoJob, frames: int, expected: int) -> None:
        assert (frames, expected) == (0, 1)
        begun[job.source] += 1

    results = list(run_on_ray(jobs, note, address=cluster.address, timeout_s=timeout_s, do=do_faulty))
    assert Counter(result.job for result in results) == Counter(jobs)
    assert all(result.tries == begun[result.job.source] for result in results)
    return {Path(result.job.source).stem: result for result in results}


def tries(folder: Path, name: str) -> int:
    return len((folder / f"{name}{SUFFIX}").with_suffix(".tries").read_text())


def test_what_takes_its_process_down(cluster: Any, shared: Path, tmp_path: Path) -> None:
    """V9, V10 on Ray: a segmentation fault, a hang, a bug and a lack of memory cost their own video after two tries; a
    crash that happens once costs a try; a video that cannot be read is tried once; the others are done, slow or not."""
    names = ("crash", "fine", "hang", "once", "bug", "memory", "unreadable", "slow", *(f"fine-{k}" for k in range(12)))
    results = do_all(cluster, tmp_path, *names, timeout_s=2.5)
    errors = {name: type(result.error) for name, result in results.items() if result.error}
    assert errors == {
        "crash": CrashError, "hang": CrashError, "bug": CrashError, "memory": OutOfMemoryError,
        "unreadable": InputError,
    }  # fmt: skip
    assert {name: tries(tmp_path, name) for name in names if tries(tmp_path, name) > 1} == dict.fromkeys(
        ["crash", "hang", "bug", "memory", "once"], TRIES
    )
    assert results["once"].warnings[0][0] == "W-TRIED-AGAIN"
    assert "ZeroDivisionError" in str(results["bug"].error)
    assert not list(tmp_path.glob(ray_runner._MARK.format("*")))


def test_what_stops_every_video(cluster: Any, shared: Path, tmp_path: Path) -> None:
    """A full disk ends the run with its error; what waited is not begun."""
    with pytest.raises(LimitError, match="no space left"):
        do_all(cluster, tmp_path, "full", *(f"slow-{k}" for k in range(8)))
    assert len(list(tmp_path.glob("*.tries"))) <= 1 + ray_runner.AHEAD


def test_a_machine_that_lacks_the_code(
    cluster: Any, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that cannot even import what it is to do ends the run: exit 4, and the name of what is missing."""
    (tmp_path / "vanishing.py").write_text("def do(job, progress): ...")
    monkeypatch.syspath_prepend(tmp_path)
    import vanishing

    (tmp_path / "vanishing.py").unlink()
    job = VideoJob("in.mp4", str(tmp_path / f"in{SUFFIX}"), face_model=str(shared / "face_landmarker.task"))
    with pytest.raises(MissingDependencyError, match=r"cannot run voxface .*vanishing"):
        list(run_on_ray([job], lambda *moved: None, address=cluster.address, do=vanishing.do))


class Ended:
    """Stands in for the library where a task has ended in a way that cannot be had on purpose."""

    exceptions = ray.exceptions

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get(self, ref: object) -> None:
        raise self.error


def test_how_often_a_video_is_tried() -> None:
    """Lost machines are no fault of the video until there were MOST_LOST; two lacks of memory are, whenever."""
    lost, memory = ray.exceptions.NodeDiedError("gone"), ray.exceptions.OutOfMemoryError("killed")

    def ended(*errors: Exception) -> VideoResult | Task:
        task: VideoResult | Task = Task(VideoJob("in.mp4", "out"))
        for error in errors:
            assert isinstance(task, Task)
            task = ray_runner._came_of(Ended(error), None, task)
        return task

    assert isinstance(ended(*[lost] * (ray_runner.MOST_LOST - 1), memory), Task)
    given_up = ended(*[lost] * ray_runner.MOST_LOST)
    assert isinstance(given_up, VideoResult)
    assert isinstance(given_up.error, MachineLostError)
    assert given_up.tries == ray_runner.MOST_LOST
    out_of_memory = ended(lost, memory, lost, memory)
    assert isinstance(out_of_memory, VideoResult)
    assert (type(out_of_memory.error), out_of_memory.tries) == (OutOfMemoryError, 4)


def test_a_machine_that_does_not_belong(tmp_path: Path) -> None:
    """A machine that does not share the folder of the captures, or has another voxface, says so before any work."""
    job = VideoJob("in.mp4", str(tmp_path / f"in{SUFFIX}"))
    with pytest.raises(OutputError, match="does not see the folder"):
        ray_runner._check_machine(job, "token", ray_runner.__version__)
    with pytest.raises(MissingDependencyError, match="this run is of 0"):
        ray_runner._check_machine(job, "token", "0")


def test_no_cluster_and_no_ray(shared: Path, tmp_path: Path) -> None:
    """Nobody at the address, or no Ray on this machine: exit 4, one line that says what to do."""
    run = start(tmp_path / "out", shared, "--runner", "ray", "--address", "127.0.0.1:1")
    _, errors = run.communicate(timeout=100)
    assert run.returncode == 4, errors
    assert errors.startswith("error[E-MISSING]: cannot reach the Ray cluster 127.0.0.1:1")
    assert errors.count("\n") == 1
    (tmp_path / "ray.py").write_text("raise ImportError('not here')")
    command = [sys.executable, "-m", "voxface.cli.main", "capture", str(shared / "grid_dev"), "-o", str(tmp_path / "x")]
    done = subprocess.run(
        [*command, "--runner", "ray", "--face-model", str(shared / "face_landmarker.task")],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "pip install 'voxface[capture,ray]'" in done.stderr
    assert done.stderr.count("\n") == 1
