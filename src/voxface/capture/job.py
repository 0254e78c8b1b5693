"""One video of a run: what is to be done, how it is done, and what came of it. Any runner can call `do_video`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from voxface.capture.options import CaptureOptions
from voxface.errors import InputWarning, OutputError, VoxfaceError

Status = Literal["captured", "kept", "failed"]
OnProgress = Callable[[int, int], None]
"""Called with (frames done, frames expected)."""


@dataclass(frozen=True, slots=True)
class VideoJob:
    """A video to capture; plain values, so that it can go to another process or machine.

    source, target: the video and its working form (store.SUFFIX). face_model: a file, or None to look for it
    (face_model.find_face_model). json_pair: also write capture JSON and audio JSON beside the target.
    force: capture again what is done.
    """

    source: str
    target: str
    options: CaptureOptions = field(default_factory=CaptureOptions)
    face_model: str | None = None
    json_pair: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class VideoResult:
    """What came of a job.

    status: captured now, kept from before (same content, same options), or failed with `error`.
    frames, faces: frames looked at now, and those with a face. seconds: it took, on this machine.
    warnings: (code, text) of what was mended. sha256: of the video; "" where it failed. tries: how often it was begun.
    """

    job: VideoJob
    status: Status
    frames: int = 0
    faces: int = 0
    seconds: float = 0.0
    warnings: tuple[tuple[str, str], ...] = ()
    error: VoxfaceError | None = None
    sha256: str = ""
    tries: int = 1


OnEvent = Callable[[VideoJob, int, int], None]
"""Called with (job, frames done, frames expected) now and then; a video that is tried again begins again at 0."""

Runner = Callable[[Sequence[VideoJob], OnEvent], Generator[VideoResult, None, None]]
"""Does jobs wherever it can and gives one result each, in the order in which they are done; closing it ends the work.

Raises what would stop every video: a missing library or model, a full disk (`stops_all`).
"""


def do_video(job: VideoJob, progress: OnProgress | None = None) -> VideoResult:
    """Capture one video into its target, or keep what is there. The same video and options give the same bytes.

    Can be killed at any instant: files are whole or absent, and doing the job again gives what one run would have
    given. Two at once on one target are harmless.

    Returns: "failed" with its error where the fault is the video's.
    Raises: VoxfaceError: the fault would stop every video (`stops_all`). MemoryError: it does not fit.
    """
    begun = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        try:
            result = _keep(job) or _capture(job, progress)
        except VoxfaceError as error:
            if stops_all(error):
                raise
            result = VideoResult(job, "failed", error=error)
    mended = [entry.message for entry in caught if isinstance(entry.message, InputWarning)]
    return replace(
        result,
        seconds=time.monotonic() - begun,
        warnings=tuple((warning.code, warning.message) for warning in mended),
    )


def stops_all(error: VoxfaceError) -> bool:
    """Would every other video fail like this one: for lack of a library, a model, a place or room to write?"""
    return error.exit_code != 3 or isinstance(error, OutputError)


def pair_paths(target: str | Path) -> tuple[Path, Path]:
    """Where the capture JSON and the audio JSON of a capture lie."""
    from voxface.capture.store import SUFFIX

    stem = Path(target).name.removesuffix(SUFFIX)
    return Path(target).with_name(f"{stem}.capture.json"), Path(target).with_name(f"{stem}.audio.json")


def done_sha256(job: VideoJob) -> str | None:
    """The SHA-256 of the video if this very content was captured into the target with the same options, else None.

    A damaged target is not done. Raises: InputError: the video cannot be read.
    """
    from voxface.capture.store import read_header
    from voxface.files import sha256_hex

    if not Path(job.target).exists():
        return None
    try:
        header = read_header(job.target)
    except VoxfaceError:
        return None
    if not _same_options(header, job.options):
        return None
    digest = sha256_hex(job.source)
    return digest if header.get("sha256") == digest else None


def _same_options(header: Mapping[str, Any], options: CaptureOptions) -> bool:
    """Do the settings in a capture's header say what is asked for? Captures of old say nothing of the newer ones."""
    from voxface.capture.face_model import SHA256

    tracker = header.get("tracker")
    if not isinstance(tracker, dict) or not str(tracker.get("name")).startswith(options.tracker):
        return False
    made = {"mirrored": False, "audio_track": 0} | tracker | {"fps_limit": header.get("target_fps")}
    asked = asdict(options) | {"model_sha256": SHA256}
    del asked["tracker"]
    return asked.items() <= made.items()


def _keep(job: VideoJob) -> VideoResult | None:
    digest = None if job.force else done_sha256(job)
    if digest is None:
        return None
    if job.json_pair and not all(path.exists() for path in pair_paths(job.target)):
        _write_pair(job.target)
    return VideoResult(job, "kept", sha256=digest)


def _capture(job: VideoJob, progress: OnProgress | None) -> VideoResult:
    from voxface.audio.video import probe_video
    from voxface.capture.capture import capture_video
    from voxface.capture.face_model import find_face_model
    from voxface.capture.store import save_capture

    probe_video(job.source)  # a file that is no video is said to be none before anything is fetched for it
    model = find_face_model(job.face_model)
    if progress:
        progress(0, 1)
    found = capture_video(job.source, face_model=model, options=job.options, progress=progress)
    for path in pair_paths(job.target):
        with suppress(OSError):
            path.unlink()  # of an older capture: were we killed below, a rerun would take it for the new one's
    save_capture(job.target, found)
    if job.json_pair:
        _write_pair(job.target)
    return VideoResult(job, "captured", len(found.track), int(found.track.seen.sum()), sha256=found.sha256)


def _write_pair(target: str) -> None:
    """Both JSON files, from the capture as it was saved: the same bytes whether they are written now or by a rerun."""
    from voxface.audio.audio_json import write_audio_json
    from voxface.capture.store import load_capture
    from voxface.export.capture_json import write_capture_json

    found, (face_path, audio_path) = load_capture(target), pair_paths(target)
    write_capture_json(
        face_path, found.track, found.session_id, found.target_fps, found.original_fps, found.frame_interval
    )
    write_audio_json(audio_path, found.samples)
