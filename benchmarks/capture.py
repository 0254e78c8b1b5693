"""Speed of capture against a bare FaceLandmarker loop on the same frames, interleaved, in one process.

    python benchmarks/capture.py [VIDEO...] [--face-model FILE] [--rounds 5]

Ours is everything from the file to the captured value: hash, probe, decode, sound, resampler, tracker, scout. The bare
loop gets its pictures decoded and in memory; it is timed with and without opening the landmarker, which every video
needs once. Process CPU time is the measure, wall time stands beside it. Exit code 1 below 0.85 of the bare loop.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voxface.audio.container import Tally
from voxface.audio.video import VideoFrame, probe_video, video_frames
from voxface.capture.capture import capture_video
from voxface.capture.face_model import FaceModel, find_face_model
from voxface.capture.mediapipe_tracker import load_mediapipe, open_landmarker, quiet_stderr

DATA = Path(__file__).parents[2] / "shared" / "data"
NEEDED = 0.85


def bare_loop(model: FaceModel, frames: Sequence[VideoFrame]) -> tuple[float, float, float, float]:
    """CPU and wall seconds of detect_for_video over the frames; the same of opening the landmarker."""
    mediapipe = load_mediapipe()
    with quiet_stderr():
        cpu, wall = time.process_time(), time.perf_counter()
        landmarker = open_landmarker(mediapipe, model)
        opened_cpu, opened_wall = time.process_time() - cpu, time.perf_counter() - wall
        cpu, wall = time.process_time(), time.perf_counter()
        for frame in frames:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame.rgb)
            landmarker.detect_for_video(image, round(1000 * (frame.time_s - frames[0].time_s)))
        result = time.process_time() - cpu, time.perf_counter() - wall
        landmarker.close()
    return *result, opened_cpu, opened_wall


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """CPU and wall seconds of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def measure(video: Path, model: FaceModel, rounds: int) -> float:
    """Print one line per kind; give the ratio of frame rates, ours to the bare loop with its opening."""
    frames = list(video_frames(video, probe_video(video), 30.0, Tally()))
    bare, ours = [], []
    for at in range(rounds + 1):
        bare_times = bare_loop(model, frames)
        our_times = timed(lambda: capture_video(video, face_model=model))
        if at:  # the first round warms up
            bare.append(bare_times)
            ours.append(our_times)
    loop, own = np.array(bare), np.array(ours)
    rows = [("bare loop", loop[:, :2]), ("bare loop and opening", loop[:, :2] + loop[:, 2:]), ("voxface capture", own)]
    print(f"\n{video.name}: {len(frames)} frames of {frames[0].rgb.shape[1]}x{frames[0].rgb.shape[0]}")
    print(f"{'':24}{'frames/CPU s':>14}{'frames/s':>12}")
    for name, seconds in rows:
        rates = len(frames) / np.median(seconds, axis=0)
        print(f"{name:24}{rates[0]:>14.1f}{rates[1]:>12.1f}")
    ratios = [_ratios(rows[k][1], own) for k in (0, 1)]
    for name, (cpu, wall, low, high) in zip(("bare loop", "bare loop and opening"), ratios, strict=True):
        print(f"ratio to {name}: {cpu:.2f} [{low:.2f}..{high:.2f}] by CPU time, {wall:.2f} by wall time")
    return ratios[1][0]


def _ratios(bare: np.ndarray, ours: np.ndarray) -> tuple[float, float, float, float]:
    """Median ratio of frame rates by CPU and wall time over the rounds, smallest and largest by CPU time."""
    each = bare / ours
    cpu, wall = np.median(each, axis=0)
    return float(cpu), float(wall), float(each[:, 0].min()), float(each[:, 0].max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--face-model", type=Path, default=None)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    videos = options.videos or [DATA / "wild_dev" / "tv_a.mp4", DATA / "wild_dev" / "talk_a.mp4"]
    at_hand = DATA / "face_landmarker.task"
    model = find_face_model(options.face_model or (at_hand if at_hand.exists() else None))
    typical = statistics.median([measure(video, model, options.rounds) for video in videos])
    print(f"\nratio {typical:.2f}, needed {NEEDED}")
    return 0 if typical >= NEEDED else 1


if __name__ == "__main__":
    sys.exit(main())
