"""One video of a run: what is to be done, how it is done, and what came of it. Any runner can call `do_video`.

A long video is done in pieces, which lie beside the target until they are joined (pieces.py).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from voxface.capture.options import CaptureOptions
from voxface.capture.remote import is_remote_job, through_copies
from voxface.errors import InputError, InputWarning, OutputError, VoxfaceError

if TYPE_CHECKING:
    from voxface.audio.video import VideoInfo
    from voxface.capture.segments import Piece

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
    frames, faces: frames looked at now, and those with a face. seconds: it took, on this machine; of a long video, its
    joining.
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


@dataclass(frozen=True, slots=True)
class Part:
    """A job, or one piece of its video. number None: all of it, or, once its pieces lie there, their joining."""

    job: VideoJob
    number: int | None = None


class Divided(NamedTuple):
    """The answer to a job whose video is long: do so many pieces first, in any order, then the job again."""

    pieces: int


class PieceMade(NamedTuple):
    """The answer to a piece: it lies beside the target."""

    number: int


def do_video(job: VideoJob, progress: OnProgress | None = None) -> VideoResult:
    """Capture one video into its target, or keep what is there. The same video and options give the same bytes.

    Can be killed at any instant: files are whole or absent, and doing the job again gives what one run would have
    given; a long video goes on at the piece where it was. Two at once on one target are harmless.

    Returns: "failed" with its error where the fault is the video's.
    Raises: VoxfaceError: the fault would stop every video (`stops_all`). MemoryError: it does not fit.
    """
    answer = do_part(Part(job), progress)
    if isinstance(answer, Divided):
        for number in range(answer.pieces):
            moved = _part_of(progress, number, answer.pieces) if progress else None
            failed = do_part(Part(job, number), moved)
            if isinstance(failed, VideoResult):
                return failed
        answer = do_part(Part(job), progress)
    return answer if isinstance(answer, VideoResult) else changing(job)


def do_part(part: Part, progress: OnProgress | None = None) -> VideoResult | Divided | PieceMade:
    """The step that `do_video` is made of; other processes may do other pieces at the same time. Raises: as there."""
    if part.number is None and is_remote_job(part.job):
        return through_copies(part.job, do_video, progress)
    began_s = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        try:
            answer = _keep(part) or _capture(part, progress)
        except VoxfaceError as error:
            if stops_all(error):
                raise
            answer = VideoResult(part.job, "failed", error=error)
    if not isinstance(answer, VideoResult):
        return answer
    mended = [entry.message for entry in caught if isinstance(entry.message, InputWarning)]
    told = tuple((warning.code, warning.message) for warning in mended)
    return replace(answer, seconds=time.monotonic() - began_s, warnings=told)


def changing(job: VideoJob) -> VideoResult:
    """What came of a video whose pieces never fit together."""
    error = InputError(f"{job.source} changes while it is captured.", hint="Copy it first.", source=job.source)
    return VideoResult(job, "failed", error=error)


def _part_of(progress: OnProgress, number: int, count: int) -> OnProgress:
    """Progress in one piece as progress in the whole, in thousandths of a piece."""
    return lambda frames, expected: progress(round(1000 * (number + frames / max(1, expected))), 1000 * count)


def stops_all(error: VoxfaceError) -> bool:
    """Would every other video fail like this one: for lack of a library, a model, a place or room to write?"""
    return error.exit_code != 3 or isinstance(error, OutputError)


def pair_paths(target: str | Path) -> tuple[Path, Path]:
    """Where the capture JSON and the audio JSON of a capture lie."""
    from voxface.capture.store import SUFFIX

    stem = Path(target).name.removesuffix(SUFFIX)
    return Path(target).with_name(f"{stem}.capture.json"), Path(target).with_name(f"{stem}.audio.json")


def _done(job: VideoJob) -> Mapping[str, Any] | None:
    """The header of the target if it was made from this very content with the same options, else None.

    A damaged target is not done. Raises: InputError: the video cannot be read.
    """
    from voxface.capture.store import read_header
    from voxface.files import sha256_hex

    if job.force or not Path(job.target).exists():
        return None
    try:
        header = read_header(job.target)
    except VoxfaceError:
        return None
    same = _same_options(header, job.options) and header.get("sha256") == sha256_hex(job.source)
    return header if same else None


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


def _keep(part: Part) -> VideoResult | None:
    from voxface.capture.pieces import drop_pieces

    header = _done(part.job) if part.number is None else None
    if header is None:
        return None
    if header["tracker"].get("segments", 1) > 1:
        drop_pieces(part.job)
    if part.job.json_pair and not all(path.exists() for path in pair_paths(part.job.target)):
        _write_pair(part.job.target)
    return VideoResult(part.job, "kept", sha256=header["sha256"])


def _capture(part: Part, progress: OnProgress | None) -> VideoResult | Divided | PieceMade:
    from voxface.audio.video import probe_video
    from voxface.capture.face_model import find_face_model
    from voxface.capture.pieces import load_pieces, make_piece
    from voxface.capture.segments import capture_segment, plan_segments

    job = part.job
    info = probe_video(job.source, job.options.audio_track)  # before a model is fetched for what is no video
    plan, model = plan_segments(info, job.options), find_face_model(job.face_model)
    if progress:
        progress(0, 1)
    look = partial(capture_segment, job.source, info, face_model=model, options=job.options, progress=progress)
    if part.number is not None:
        if part.number < len(plan):  # else the video is another one by now, which the joining will find out
            make_piece(job, part.number, lambda number: look(plan[number]))
        return PieceMade(part.number)
    pieces = load_pieces(job, len(plan)) if len(plan) > 1 else [look(plan[0])]
    return _join(job, info, pieces, progress) if pieces else Divided(len(plan))


def _join(job: VideoJob, info: VideoInfo, pieces: Sequence[Piece], progress: OnProgress | None) -> VideoResult:
    from voxface.capture.capture import join_pieces
    from voxface.capture.pieces import drop_pieces
    from voxface.capture.store import save_capture

    found = join_pieces(job.source, info, pieces, options=job.options, progress=progress)
    for path in pair_paths(job.target):
        with suppress(OSError):
            path.unlink()  # of an older capture: were we killed below, a rerun would take it for the new one's
    save_capture(job.target, found)
    if job.json_pair:
        _write_pair(job.target)
    if len(pieces) > 1:
        drop_pieces(job)
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
