"""`voxface capture`: learn from video how a face moves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, Progress, report, running
from voxface.errors import InputError, InputWarning, SomeFailedError, UsageError

if TYPE_CHECKING:
    from voxface.capture.job import Runner, VideoJob, VideoResult

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts")
"""What is taken from a folder; a file that is named is taken whatever it is called."""

RUNNERS = ("local", "ray")


def capture(
    videos: Annotated[
        list[str], typer.Argument(help="Videos, or folders of them; also s3://BUCKET/*.mp4.", show_default=False)
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder for the captures; also s3://BUCKET/NAME.", show_default=False)
    ],
    fps_limit: Annotated[float, typer.Option(help="Look at no more frames per second than this.")] = 30.0,
    tracker: Annotated[
        str | None, typer.Option(help="What finds the face: light or mediapipe.", show_default=False)
    ] = None,
    mirrored: Annotated[
        bool, typer.Option("--mirrored", help="The videos are mirror images, as of a selfie camera.")
    ] = False,
    audio_track: Annotated[int, typer.Option(help="Which sound track to take, counted from 0.")] = 0,
    face_model: Annotated[
        Path | None, typer.Option(help="MediaPipe's face_landmarker.task; fetched once if it is nowhere.")
    ] = None,
    json_pair: Annotated[bool, typer.Option("--json-pair", help="Also write capture JSON and audio JSON.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Capture again what is already done.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also try videos that crashed or hung in an earlier run.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Videos at a time; default: one per core.", show_default=False)
    ] = None,
    timeout: Annotated[float, typer.Option(help="Give up a video after so many seconds without progress.")] = 60.0,
    memory_limit: Annotated[
        float | None, typer.Option(help="GB of memory that the process of a video may take.", show_default=False)
    ] = None,
    no_network_worker: Annotated[
        bool, typer.Option("--no-network-worker", help="Take the network away from the processes that read videos.")
    ] = False,
    runner: Annotated[str, typer.Option(help="Where the work is done: local or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Address of the Ray cluster; default: Ray's own.", show_default=False)
    ] = None,
    shards: Annotated[
        str | None,
        typer.Option(help="Folder in which to pack the captures into few large files too.", show_default=False),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Find the face in each frame of VIDEOS and keep its motion and the sound, one file per video.

    A second run skips videos that are done (same content, same options). A run can be stopped at any time.
    """
    with running(quiet, verbose, debug, json) as out:
        from voxface.capture.job import VideoJob
        from voxface.capture.options import CaptureOptions
        from voxface.capture.runs import fetch_face_model
        from voxface.capture.trackers import DEFAULT_TRACKER, check_tracker
        from voxface.places import is_remote

        if shards and (is_remote(shards) or is_remote(output)):
            raise UsageError("--shards packs a folder of this machine into another.", hint="Copy the shards then.")
        options = CaptureOptions(fps_limit, check_tracker(tracker or DEFAULT_TRACKER), mirrored, audio_track)
        work = _runner(runner, address, jobs, timeout, memory_limit, no_network_worker)
        files, model = video_files(videos), str(face_model) if face_model else None
        todo = [
            VideoJob(file, target, options, model, json_pair, force)
            for file, target in zip(files, _targets(files, output), strict=True)
        ]
        fetch_face_model(model)
        failed = _run(out, todo, output, work, retry_failed)
        if shards:
            _pack(out, output, shards)
        if failed:
            raise SomeFailedError(f"{failed} of {len(files)} videos failed.", hint="The others are done.")


def _runner(
    name: str, address: str | None, jobs: int | None, timeout_s: float, memory_gb: float | None, no_network: bool
) -> Runner:
    """Who does the work. Raises: UsageError: an option is out of range, or not for this runner."""
    for flag, value in (("--jobs", jobs), ("--timeout", timeout_s)):
        if value is not None and not value > 0:
            raise UsageError(f"{flag} must be above 0; got {value}.")
    if memory_gb is not None and not memory_gb >= 1:
        raise UsageError(f"--memory-limit must be 1 GB or more, which a tracker takes for itself; got {memory_gb}.")
    if name not in RUNNERS:
        raise UsageError(f"there is no runner {name!r}.", hint=f"Runners: {', '.join(RUNNERS)}.")
    if name == "ray":
        from voxface.capture.ray_runner import run_on_ray

        if jobs or memory_gb or no_network:
            text = "--jobs, --memory-limit and --no-network-worker are for the local runner."
            raise UsageError(text, hint="Ray decides what its machines take on.")
        return partial(run_on_ray, address=address, timeout_s=timeout_s)
    if address is not None:
        raise UsageError("--address is the address of a Ray cluster.", hint="Add --runner ray.")
    from voxface.capture.confine import Confines
    from voxface.capture.local_runner import run_local

    memory_bytes = None if memory_gb is None else int(memory_gb * 1e9)
    return partial(run_local, workers=jobs, timeout_s=timeout_s, confines=Confines(memory_bytes, not no_network))


def video_files(places: Sequence[str]) -> list[str]:
    """The files named and the videos in the folders named, those sorted by name, each once.

    Raises: InputError: a folder without videos, or one that cannot be read. UsageError: an address that is refused.
    """
    from voxface.places import is_remote, list_files

    files: dict[str, None] = {}
    for place in places:
        files.update(dict.fromkeys(list_files(place, VIDEO_SUFFIXES) if is_remote(place) else _near_files(Path(place))))
    return list(files)


def _near_files(place: Path) -> list[str]:
    if not place.is_dir():
        return [str(place)]
    try:
        inside = sorted(f for f in place.iterdir() if f.suffix.lower() in VIDEO_SUFFIXES and f.is_file())
    except OSError as error:
        raise InputError(f"cannot read the folder {place}: {error.strerror}.", source=str(place)) from error
    if not inside:
        raise InputError(f"there is no video in the folder {place}.", source=str(place))
    return [str(file) for file in inside]


def _targets(files: Sequence[str], folder: str) -> list[str]:
    from voxface.capture.store import SUFFIX
    from voxface.places import is_remote

    there = f"{folder.rstrip('/')}/" if is_remote(folder) else ""
    places: dict[str, str] = {}
    for file in files:
        name = f"{Path(file).stem}{SUFFIX}"
        target = there + name if there else str(Path(folder) / name)
        if target in places:
            text = f"{places[target]} and {file} would both become {target}."
            raise UsageError(text, hint="Capture them into different folders.", source=file)
        places[target] = file
    return list(places)


def _run(out: Output, todo: Sequence[VideoJob], folder: str, work: Runner, retry_failed: bool) -> int:
    """Do the jobs, show what happens, give the number of videos that failed. A video on its own raises its error."""
    from voxface.capture.runs import run_jobs
    from voxface.places import journal_folder

    began_s, done = time.monotonic(), []
    try:
        with out.progress("capture", len(todo), "videos") as bar:
            moved = _Moved(out, bar)
            with closing(run_jobs(todo, journal_folder(folder), work, moved, retry_failed=retry_failed)) as results:
                for result in results:
                    done.append(result)
                    moved.to(result.job, 1.0)
                    _tell(out, result, alone=len(todo) == 1)
    finally:
        text = _sum(out, done, todo, folder, time.monotonic() - began_s)
    out.result(text)
    return sum(result.status == "failed" for result in done)


def _pack(out: Output, folder: str, place: str) -> None:
    from voxface.capture.journal import open_journal
    from voxface.capture.shards import pack

    with open_journal(folder):
        packed = pack(folder, place)
    count = sum(len(shard.captures) for shard in packed)
    out.result(f"{place}: {count} captures in {len(packed)} shards", shards=len(packed))


class _Moved:
    """Moves the bar by what was done of each video since the last call; before the first tracker starts, its notice."""

    def __init__(self, out: Output, bar: Progress) -> None:
        self._out, self._bar, self._told = out, bar, False
        self._shares: dict[str, float] = {}

    def __call__(self, job: VideoJob, frames: int, expected: int) -> None:
        from voxface.capture.trackers import notice

        said = None if self._told else notice(job.options.tracker)
        self._told = True
        if said:
            self._out.say(said)
        self._bar.describe(Path(job.source).name)
        self.to(job, frames / max(1, expected))

    def to(self, job: VideoJob, share: float) -> None:
        self._bar.advance(share - self._shares.get(job.source, 0.0))
        self._shares[job.source] = share


def _tell(out: Output, result: VideoResult, alone: bool) -> None:
    for code, text in result.warnings:
        out.warn(InputWarning(code, text))
    if result.error and alone:
        raise result.error
    if result.error and not out.json:
        report(result.error, out)
    if result.status == "kept":
        out.detail(f"{result.job.source}: done before")
    if result.status == "captured":
        share = result.faces / max(1, result.frames)
        out.detail(f"{result.job.target}: {result.frames} frames, face in {share:.1%}")


def _sum(out: Output, done: Sequence[VideoResult], todo: Sequence[VideoJob], folder: str, seconds: float) -> str:
    """What the run did, for machines into the results of `out`, for people as a line."""
    count = Counter(result.status for result in done)
    frames, faces = sum(result.frames for result in done), sum(result.faces for result in done)
    out.result(
        "", folder=folder, captured=count["captured"], kept=count["kept"], frames=frames, faces=faces,
        frames_per_second=round(frames / seconds, 1), failed=_failures(done, todo),
    )  # fmt: skip
    parts = [f"{count['captured']} captured", f"{count['kept']} done before"]
    parts += [f"{count['failed']} failed"] if count["failed"] else []
    text = f"{folder}: {', '.join(parts)}"
    if count["captured"]:
        text += f"; {frames} frames, face in {faces / max(1, frames):.1%}, {frames / seconds:.0f} frames a second"
    return text


def _failures(done: Sequence[VideoResult], todo: Sequence[VideoJob]) -> list[dict[str, str]]:
    """The errors in the order of the videos, whichever came first."""
    errors = {result.job.source: result.error for result in done if result.error}
    return [
        {"input": job.source, "code": error.code, "message": error.message, "hint": error.hint}
        for job in todo
        if (error := errors.get(job.source))
    ]
