"""The light tracker beside MediaPipe's VIDEO mode: are the values equal, and which is faster?

    python benchmarks/tracker.py [--all] [--captures FOLDER] [--rounds 5]

Values: both trackers see the frames of the same videos (grid_dev, wild_dev, every 50th of grid_s1; --all: all of them).
With --captures, MediaPipe's side is read from captures that `voxface capture --tracker mediapipe` made before, one
folder per set. Speed: rounds in turn on frames in memory, process CPU time; each video opens a fresh tracker, once
counted in and once not. Exit code 1 where the values differ by more than the limits below.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxface.audio.video import Tally, VideoFrame, probe_video, video_frames
from voxface.capture.face_model import FaceModel, find_face_model
from voxface.capture.segments import assemble
from voxface.capture.store import SUFFIX, load_capture
from voxface.capture.trackers import open_tracker
from voxface.face.axes import rotation_matrix
from voxface.face.rig import ARKIT
from voxface.face.track import FaceTrack

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = {"grid_dev": 1, "wild_dev": 1, "grid_s1": 50}
"""Folder of videos -> every how manieth is looked at without --all."""

LIMITS = {"weights": 0.01, "head_degrees": 1.0, "gap_r": 0.99}
"""Mean absolute difference of a blendshape, mean angle between the heads, Pearson r of the lip gap (issue 4)."""


@dataclass(frozen=True)
class Compared:
    """Two tracks of one video. Per channel, in degrees, in millimetres; frames that both, or only one, found."""

    weights: np.ndarray
    degrees: np.ndarray
    position_mm: np.ndarray
    gap_r: float
    both: int
    only_light: int
    only_mediapipe: int


def compare(light: FaceTrack, mediapipe: FaceTrack) -> Compared:
    """Differences in the frames where both saw a face."""
    both = light.seen & mediapipe.seen
    turn = np.einsum("nij,nij->n", rotation_matrix(light.head[both, 3:]), rotation_matrix(mediapipe.head[both, 3:]))
    return Compared(
        np.abs(light.weights[both] - mediapipe.weights[both]).astype(np.float64),
        np.degrees(np.arccos(np.clip((turn - 1) / 2, -1, 1))),
        1000 * np.linalg.norm(light.head[both, :3] - mediapipe.head[both, :3], axis=1),
        float(np.corrcoef(light.lip_gap[both], mediapipe.lip_gap[both])[0, 1]) if both.sum() > 2 else float("nan"),
        int(both.sum()),
        int((light.seen & ~mediapipe.seen).sum()),
        int((mediapipe.seen & ~light.seen).sum()),
    )


def frames_of(video: Path) -> list[VideoFrame]:
    return list(video_frames(video, probe_video(video), 30.0, Tally()))


def track(name: str, model: FaceModel, frames: Sequence[VideoFrame]) -> FaceTrack:
    """What a fresh tracker sees in the frames."""
    with open_tracker(name)(model) as tracker:
        faces = [tracker.look(frame.time_s, frame.rgb) for frame in frames]
    times = np.array([frame.time_s for frame in frames])
    return assemble(
        times,
        np.array([frame.number for frame in frames], np.int64),
        faces,
        tracker.observed,
        np.zeros(len(faces), np.int32),
    )


def compared_videos(videos: Sequence[Path], model: FaceModel, captures: Path | None) -> Iterator[Compared]:
    for at, video in enumerate(videos):
        frames = frames_of(video)
        if captures:
            other = load_capture(captures / video.parent.name / f"{video.stem}{SUFFIX}")
            if "mediapipe" not in other.tracker["name"]:
                raise SystemExit(f"{video.stem} in {captures} was captured by {other.tracker['name']}")
            mediapipe = other.track
        else:
            mediapipe = track("mediapipe", model, frames)
        yield compare(track("light", model, frames), mediapipe)
        if sys.stderr.isatty() or at % 100 == 99:
            print(f"{video.parent.name}: {at + 1} of {len(videos)}", end="\r", file=sys.stderr)


def parity(name: str, found: Sequence[Compared]) -> bool:
    """Print one row for a set; is it within the limits?"""
    weights = np.concatenate([one.weights for one in found])
    degrees = np.concatenate([one.degrees for one in found])
    channel = weights.mean(axis=0)
    r = np.array([one.gap_r for one in found])
    frames = [sum(counts) for counts in zip(*((c.both, c.only_light, c.only_mediapipe) for c in found), strict=True)]
    print(
        f"{name:10}{len(found):>6}{frames[0]:>8}{frames[1]:>7}{frames[2]:>7}{weights[:, :-1].mean():>10.5f}"
        f"{channel.max():>9.5f} {ARKIT[int(channel.argmax())]:<16}{degrees.mean():>8.4f}{degrees.max():>8.3f}"
        f"{np.concatenate([one.position_mm for one in found]).mean():>8.3f}{r.mean():>9.5f}{r.min():>9.5f}"
    )
    return bool(
        channel.max() <= LIMITS["weights"] and degrees.mean() <= LIMITS["head_degrees"] and r.mean() >= LIMITS["gap_r"]
    )


def seconds(name: str, model: FaceModel, frames: Sequence[VideoFrame]) -> tuple[float, float]:
    """CPU seconds of looking at the frames, and of opening the tracker before."""
    begun = time.process_time()
    with open_tracker(name)(model) as tracker:
        opened = time.process_time()
        for frame in frames:
            tracker.look(frame.time_s, frame.rgb)
        looked = time.process_time()
    return looked - opened, opened - begun


def larger(frames: Sequence[VideoFrame], times: int) -> list[VideoFrame]:
    """The same pictures with each pixel repeated: what the size of a picture costs."""
    return [frame._replace(rgb=np.ascontiguousarray(frame.rgb.repeat(times, 0).repeat(times, 1))) for frame in frames]


def speed(label: str, model: FaceModel, frames: Sequence[VideoFrame], rounds: int) -> None:
    """Print one row: frames per CPU second of both, and the ratio over the rounds."""
    took = np.array([[seconds(name, model, frames) for name in ("light", "mediapipe")] for _ in range(rounds + 1)])[
        1:
    ]  # the first round warms up; (rounds, tracker, looking and opening)
    with_opening = took.sum(axis=2)
    looking = np.median(took[:, 1, 0] / took[:, 0, 0])
    ratios = with_opening[:, 1] / with_opening[:, 0]
    rates = len(frames) / np.median(took[:, :, 0], axis=0)
    height, width = frames[0].rgb.shape[:2]
    print(
        f"{label:14}{len(frames):>6}{f'{width}x{height}':>12}{rates[0]:>9.1f}{rates[1]:>11.1f}{looking:>8.2f}"
        f"{np.median(ratios):>14.2f} [{ratios.min():.2f}..{ratios.max():.2f}]"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every video of grid_s1")
    parser.add_argument("--captures", type=Path, help="folder with MediaPipe's captures, one folder per set")
    parser.add_argument("--rounds", type=int, default=5, help="of the speed; 0: values only")
    parser.add_argument("--face-model", type=Path, default=DATA / "face_landmarker.task")
    options = parser.parse_args()
    model, good = find_face_model(options.face_model), True
    print(f"{'set':10}{'clips':>6}{'both':>8}{'light':>7}{'mp':>7}{'mean |d|':>10}{'worst channel':>26}", end="")
    print(f"{'head °':>8}{'max °':>8}{'mm':>8}{'gap r':>9}{'least':>9}")
    for name, every in SETS.items():
        videos = sorted((DATA / name).glob("*.mp4"))[:: 1 if options.all else every]
        good &= parity(name, list(compared_videos(videos, model, options.captures)))
    if options.rounds:
        print(f"\n{'frames/CPU s':14}{'frames':>6}{'picture':>12}{'light':>9}{'mediapipe':>11}{'ratio':>8}", end="")
        print(f"{'with opening':>14}")
        for video in ("grid_dev/brbk7n", "wild_dev/talk_a", "wild_dev/tv_a"):
            speed(video.split("/")[1], model, frames_of(DATA / f"{video}.mp4"), options.rounds)
        speed("talk_a, x 3", model, larger(frames_of(DATA / "wild_dev" / "talk_a.mp4")[:75], 3), options.rounds)
    print(f"\nvalues within the limits {LIMITS}: {good}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
