"""Video in, captured face and sound out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voxface.audio.container import HINT, Tally, audio_blocks
from voxface.audio.frame_rate import frame_interval
from voxface.audio.mix import ChannelMixer, Mend
from voxface.audio.resample import Resampler
from voxface.audio.video import VideoInfo, probe_video
from voxface.capture.face_model import FaceModel
from voxface.capture.options import CaptureOptions
from voxface.capture.pictures import choose
from voxface.capture.segments import OnProgress, Piece, capture_segment, expected_frames, join_tracks, plan_segments
from voxface.capture.store import Capture, session_id
from voxface.errors import InputWarning, VideoFormatError
from voxface.files import sha256_hex
from voxface.stream import Array, Chain, run

__all__ = ["CaptureOptions", "OnProgress", "capture_video", "join_pieces"]

_ALIVE_EVERY = 1000  # blocks of sound
_STANDING_SHARE = 0.8
"""Of the frames of a video with a standing picture are at least so many the same as the one before. In data/ at most
0.1 of them are, in pictures encoded by four encoders at least 0.86."""

_STANDING_LEAST = 25  # frames; fewer say nothing


def capture_video(
    path: str | Path,
    *,
    face_model: FaceModel,
    options: CaptureOptions = CaptureOptions(),
    progress: OnProgress | None = None,
) -> Capture:
    """Capture the face and the sound of one video (SPEC A1). A plain function of its arguments: a pool can call it.

    Frames without a face stay in the sequence with seen False, and so do damaged ones. What was mended or is to be
    known is warned of, see `_warnings`. A long video is captured in segments, one after the other: the same bytes as
    when they are captured side by side (segments.capture_segment) and joined (join_pieces).

    Args:
        path: the video. face_model: the landmarker (face_model.find_face_model).
        options: every choice that changes the values.
        progress: called after each frame that was looked at, and now and then while the sound is read.
    Raises: InputError, VideoFormatError: the video cannot be read. AudioFormatError: its sample rate is not taken.
        MissingDependencyError, FaceModelError: the tracker cannot be had. UsageError: there is no such tracker.
    """
    info = probe_video(path, options.audio_track)
    plan = plan_segments(info, options)
    expected = sum(expected_frames(info, segment, options.fps_limit) for segment in plan)
    pieces: list[Piece] = []
    for segment in plan:
        before = sum(len(piece.track) for piece in pieces)
        moved = _part_of(progress, before, expected) if progress else None
        pieces.append(capture_segment(path, info, segment, face_model=face_model, options=options, progress=moved))
    return join_pieces(path, info, pieces, options=options, progress=progress)


def _part_of(progress: OnProgress, before: int, expected: int) -> OnProgress:
    """Progress in one segment as progress in the whole."""

    def moved(frames: int, _: int) -> None:
        progress(before + frames, max(before + frames, expected))

    return moved


def join_pieces(
    path: str | Path,
    info: VideoInfo,
    pieces: Sequence[Piece],
    *,
    options: CaptureOptions,
    progress: OnProgress | None = None,
) -> Capture:
    """The capture of a video from the pieces of all its segments, in order; reads the sound.

    Raises: as capture_video. Warns: see `_warnings`.
    """
    track, digest = join_tracks([piece.track for piece in pieces]), sha256_hex(path)
    if not len(track):
        raise VideoFormatError(f"no frame of {info.source} can be decoded.", hint=HINT, source=info.source)
    sound, looked = Tally(), len(track)
    alive = (lambda: progress(looked, looked)) if progress else (lambda: None)
    samples = _samples(info, audio_blocks(path, options.audio_track, sound), alive)
    found = Capture(
        name=Path(path).stem,
        session_id=session_id(digest),
        sha256=digest,
        track=track,
        original_fps=info.rate.fps,
        target_fps=float(options.fps_limit),
        frame_interval=frame_interval(info.rate, options.fps_limit),
        samples=samples,
        tracker=_description(pieces, options) | {"sound_packets_broken": sound.broken_packets},
        pictures=choose([picture for piece in pieces for picture in piece.pictures]),
    )
    early = next((piece.ended_early for piece in pieces if piece.ended_early), sound.ended_early)
    for code, text in _warnings(info, found, early):
        warnings.warn(InputWarning(code, text), stacklevel=2)
    return found


def _samples(info: VideoInfo, blocks: Iterator[Array], alive: Callable[[], None]) -> Array:
    """(n,) finite float32 mono at 16 kHz; mixed and mended as audio files are. Calls `alive` now and then."""
    if info.audio_rate_hz is None:
        return np.zeros(0, np.float32)
    chain = Chain((Mend(info.source), ChannelMixer(info.audio_rate_hz, info.source), Resampler(info.audio_rate_hz)))
    parts = []
    for at, part in enumerate(run(chain, blocks)):
        parts.append(part)
        if at % _ALIVE_EVERY == 0:
            alive()
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _description(pieces: Sequence[Piece], options: CaptureOptions) -> dict[str, Any]:
    """Names, versions and settings of the tracker, the options, and what was counted on the way."""
    counts = {name: sum(piece.counts[name] for piece in pieces) for name in pieces[0].counts}
    width, height = pieces[0].size
    return {
        **pieces[0].description,
        "mirrored": options.mirrored,
        "audio_track": options.audio_track,
        "width": width,
        "height": height,
        "segments": len(pieces),
        "most_faces": max(piece.most_faces for piece in pieces),
        **counts,
    }


def _warnings(info: VideoInfo, found: Capture, ended_early: str) -> Iterator[tuple[str, str]]:
    """Code and text of all that was mended in a video, or that a person should know of it."""
    name, about, track = info.source, found.tracker, found.track
    damaged, broken = about["frames_damaged"], about["sound_packets_broken"]
    if info.missing_s:
        yield "W-TRUNCATED", f"{name} is cut short: the last {info.missing_s:.1f} s of video are missing."
    if ended_early or damaged or broken or about["packets_broken"]:
        text = f"{about['frames_decoded']} of {info.frames} frames could be decoded, {damaged} of these are masked"
        yield "W-DAMAGED", f"{name} is damaged: {text}; {broken} packets of sound are left out."
    if about["frames_not_rising"]:
        yield "W-NOT-RISING", f"{name}: {about['frames_not_rising']} frames left out, their times do not rise."
    if about["most_faces"] > 1:
        yield "W-SEVERAL-FACES", f"{name} shows up to {about['most_faces']} faces; the largest is followed."
    if len(info.sound_tracks) > 1:
        tracks = ", ".join(
            f"{at}{f' ({language})' if language else ''}" for at, language in enumerate(info.sound_tracks)
        )
        yield "W-SEVERAL-TRACKS", f"{name} has the sound tracks {tracks}; number {about['audio_track']} is taken."
    if not len(found.samples):
        yield "W-NO-AUDIO", f"{name} has no sound; times count from its first frame."
    if not track.seen.any():
        yield "W-NO-FACE", f"no face was found in {name}."
    if len(track) >= _STANDING_LEAST and about["frames_standing"] >= _STANDING_SHARE * (len(track) - 1):
        yield "W-STILL-PICTURE", f"{name} shows a still picture; a face that does not move teaches nothing."
