"""`voxface capture`: learn from video how a face moves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, Progress, report, running
from voxface.errors import InputError, OutputError, SomeFailedError, UsageError, VoxfaceError

if TYPE_CHECKING:
    from voxface.capture.face_model import FaceModel
    from voxface.capture.store import Capture

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts")
"""What is taken from a folder; a file that is named is taken whatever it is called."""


@dataclass
class _Sum:
    """What one run did."""

    captured: int = 0
    skipped: int = 0
    failed: int = 0
    frames: int = 0
    faces: int = 0
    seconds: float = 0.0


def capture(
    videos: Annotated[list[Path], typer.Argument(help="Videos, or folders of videos.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the captures.", show_default=False)],
    fps_limit: Annotated[float, typer.Option(help="Look at no more frames per second than this.")] = 30.0,
    face_model: Annotated[
        Path | None, typer.Option(help="MediaPipe's face_landmarker.task; fetched once if it is nowhere.")
    ] = None,
    json_pair: Annotated[bool, typer.Option("--json-pair", help="Also write capture JSON and audio JSON.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Capture again what is already done.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Find the face in each frame of VIDEOS and keep its motion and the sound, one file per video.

    A second run skips videos that are done (same content, same options).
    """
    with running(quiet, verbose, debug, json) as out:
        from voxface.audio.frame_rate import check_limit

        files = video_files(videos)
        targets = _targets(files, output)
        job = _Job(out, check_limit(fps_limit), face_model, json_pair, force)
        done = _capture_all(job, files, targets)
        _report(out, done, output)
        if done.failed:
            raise SomeFailedError(f"{done.failed} of {len(files)} videos failed.", hint="The others are done.")


@dataclass
class _Job:
    """What is done to every video."""

    out: Output
    fps_limit: float
    face_model: Path | None
    json_pair: bool
    force: bool
    model: FaceModel | None = None

    def found_model(self) -> FaceModel:
        """The face landmarker, looked for when the first video needs it."""
        from voxface.capture.face_model import find_face_model
        from voxface.capture.mediapipe_tracker import usage_notice

        if self.model is None:
            self.model = find_face_model(self.face_model)
            notice = usage_notice()
            if notice:
                self.out.say(notice)
        return self.model


def video_files(places: list[Path]) -> list[Path]:
    """The files named and the videos in the folders named, those sorted by name, each once.

    Raises: InputError: a folder without videos, or one that cannot be read.
    """
    files: dict[Path, None] = {}
    for place in places:
        if not place.is_dir():
            files[place] = None
            continue
        try:
            inside = sorted(f for f in place.iterdir() if f.suffix.lower() in VIDEO_SUFFIXES and f.is_file())
        except OSError as error:
            raise InputError(f"cannot read the folder {place}: {error.strerror}.", source=str(place)) from error
        if not inside:
            raise InputError(f"there is no video in the folder {place}.", source=str(place))
        files.update(dict.fromkeys(inside))
    return list(files)


def _targets(files: list[Path], folder: Path) -> list[Path]:
    from voxface.capture.store import SUFFIX

    places: dict[Path, Path] = {}
    for file in files:
        target = folder / f"{file.stem}{SUFFIX}"
        if target in places:
            text = f"{places[target]} and {file} would both become {target}."
            raise UsageError(text, hint="Capture them into different folders.", source=str(file))
        places[target] = file
    return list(places)


def _capture_all(job: _Job, files: list[Path], targets: list[Path]) -> _Sum:
    done = _Sum()
    with job.out.progress("capture", len(files), "videos") as bar:
        for file, target in zip(files, targets, strict=True):
            bar.describe(file.name)
            try:
                _capture_one(job, file, target, bar, done)
            except VoxfaceError as error:
                if len(files) == 1 or error.exit_code != 3 or isinstance(error, OutputError):
                    raise  # what stops one video for lack of a library, a model or room stops them all
                done.failed += 1
                job.out.results.setdefault("failed", []).append(_as_json(error, file))
                if not job.out.json:
                    report(error, job.out)
    return done


def _as_json(error: VoxfaceError, file: Path) -> dict[str, Any]:
    return {"input": str(file), "code": error.code, "message": error.message, "hint": error.hint}


def _capture_one(job: _Job, file: Path, target: Path, bar: Progress, done: _Sum) -> None:
    from voxface.audio.container import probe_video
    from voxface.capture.capture import CaptureOptions, capture_video
    from voxface.capture.store import load_capture, save_capture

    if not job.force and _is_done(file, target, job.fps_limit):
        done.skipped += 1
        job.out.detail(f"{file}: done before")
        if job.json_pair and not all(path.exists() for path in pair_paths(target)):
            _write_pair(load_capture(target), target)
        bar.advance(1)
        return
    probe_video(file)  # a file that is no video is said to be none before anything is fetched for it
    model, moved, begun = job.found_model(), _Moved(bar), time.monotonic()
    found = capture_video(file, face_model=model, options=CaptureOptions(job.fps_limit), progress=moved)
    done.seconds += time.monotonic() - begun
    save_capture(target, found)
    if job.json_pair:
        _write_pair(found, target)
    done.captured += 1
    done.frames += len(found.track)
    done.faces += int(found.track.seen.sum())
    job.out.detail(f"{target}: {len(found.track)} frames, face in {found.seen_share:.1%}")
    bar.advance(1 - moved.share)


@dataclass
class _Moved:
    """Moves the bar by the share of one video that was done since the last call."""

    bar: Progress
    share: float = 0.0

    def __call__(self, frames: int, expected: int) -> None:
        self.bar.advance(frames / expected - self.share)
        self.share = frames / expected


def _is_done(file: Path, target: Path, fps_limit: float) -> bool:
    """Was this very video captured into `target` with the same options? A damaged target is not."""
    from voxface.capture.face_model import SHA256
    from voxface.capture.store import read_header
    from voxface.files import sha256_hex

    if not target.exists():
        return False
    try:
        header = read_header(target)
    except VoxfaceError:
        return False
    same_options = header.get("target_fps") == fps_limit and header.get("tracker", {}).get("model_sha256") == SHA256
    return bool(same_options and header.get("sha256") == sha256_hex(file))


def pair_paths(target: Path) -> tuple[Path, Path]:
    """Where the capture JSON and the audio JSON of a capture lie."""
    from voxface.capture.store import SUFFIX

    stem = target.name.removesuffix(SUFFIX)
    return target.with_name(f"{stem}.capture.json"), target.with_name(f"{stem}.audio.json")


def _write_pair(found: Capture, target: Path) -> None:
    from voxface.audio.audio_json import write_audio_json
    from voxface.export.capture_json import write_capture_json

    face_path, audio_path = pair_paths(target)
    write_capture_json(
        face_path, found.track, found.session_id, found.target_fps, found.original_fps, found.frame_interval
    )
    write_audio_json(audio_path, found.samples)


def _report(out: Output, done: _Sum, folder: Path) -> None:
    rate = done.frames / done.seconds if done.seconds else 0.0
    share = done.faces / done.frames if done.frames else 0.0
    parts = [f"{done.captured} captured", f"{done.skipped} done before"]
    parts += [f"{done.failed} failed"] if done.failed else []
    text = f"{folder}: {', '.join(parts)}"
    if done.captured:
        text += f"; {done.frames} frames, face in {share:.1%}, {rate:.0f} frames a second"
    out.result(
        text, folder=str(folder), captured=done.captured, skipped=done.skipped, frames=done.frames, faces=done.faces,
        frames_per_second=round(rate, 1),
    )  # fmt: skip
