"""Speed of the whole way from sound to animation, warm and cold.

    python benchmarks/animate.py [--rounds 15] [--bundle default]

10 s of speech as 16 kHz and 48 kHz WAV: file in, clip out, with and without emotion, and written as Live Link CSV; one
live step of 10 ms; idle motion by itself; `voxface animate` from a cold start. Process CPU time and wall time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the program does; before numpy is imported

import numpy as np
import soundfile

import voxface
from voxface.runtime.animate import open_animator
from voxface.runtime.idle import Idle, IdleMotion
from voxface.runtime.session import Session
from voxface.stream import run_whole

SAMPLE = Path(voxface.__file__).parent / "samples" / "hello.flac"
FIELD_MARK_MS = 100.0  # "10 s of audio in 100 ms" is what systems of this kind promise, on a GPU


def ten_seconds(rate_hz: int, folder: Path) -> Path:
    """The shipped sample, repeated to 10 s, at a rate."""
    sound, rate = soundfile.read(SAMPLE, dtype="float32")
    whole = np.tile(sound, 1 + 10 * rate // len(sound))[: 10 * rate]
    at = np.arange(10 * rate_hz) * rate / rate_hz
    path = folder / f"ten_{rate_hz}.wav"
    soundfile.write(path, np.interp(at, np.arange(len(whole)), whole), rate_hz)
    return path


def measure(call: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median CPU and wall milliseconds of a warm call."""
    call()
    cpu, wall = [], []
    for _ in range(rounds):
        began, clock = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - began)
        wall.append(time.perf_counter() - clock)
    return 1000 * statistics.median(cpu), 1000 * statistics.median(wall)


def step_times(bundle: str, rate_hz: int = 16_000) -> tuple[list[float], list[float]]:
    """Sorted CPU and wall milliseconds of 2900 packets of 10 ms through a session, after 100 that warm up."""
    session = Session(open_animator(bundle, 1), rate_hz)
    sound = soundfile.read(SAMPLE, dtype="float32")[0]
    packet = rate_hz // 100
    state, cpu, wall = session.start(), [], []
    for n in range(3000):
        at = n * packet % (len(sound) - packet)
        block = sound[at : at + packet]
        began, clock = time.process_time_ns(), time.perf_counter_ns()
        state, _ = session.step(state, block)
        cpu.append((time.process_time_ns() - began) / 1e6)
        wall.append((time.perf_counter_ns() - clock) / 1e6)
    return sorted(cpu[100:]), sorted(wall[100:])


def steps(bundle: str) -> None:
    """Print how long one step takes."""
    for name, times in zip(("CPU", "wall"), step_times(bundle), strict=True):
        print(f"one 10 ms step, {name}: median {times[len(times) // 2]:.3f} ms, p99 {times[-len(times) // 100]:.3f} ms")


def idle(rounds: int) -> None:
    """What idle motion costs by itself, where a bundle leaves everything but the mouth to it."""
    sound = np.resize(soundfile.read(SAMPLE, dtype="float32")[0], 160_000)
    motion = IdleMotion(Idle(), look_ahead_rows=6)
    cpu, wall = measure(lambda: run_whole(motion, sound), rounds)
    print(f"idle motion for 10 s: CPU {cpu:.2f} ms, wall {wall:.2f} ms")

    def live() -> None:
        state = motion.start()
        for at in range(0, len(sound), 160):
            state, _ = motion.step(state, sound[at : at + 160])

    cpu, wall = measure(live, rounds)
    print(f"idle motion in one 10 ms step, mean: CPU {cpu / 1000:.4f} ms, wall {wall / 1000:.4f} ms")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--bundle", default="default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("| 10 s of speech, warm | CPU | wall | the field's mark |")
        print("|---|---|---|---|")
        for rate_hz in (16_000, 48_000):
            path = ten_seconds(rate_hz, folder)
            for threads in (1, None):
                label = f"{rate_hz // 1000} kHz WAV -> clip, {threads or 'default'} thread(s)"
                cpu, wall = measure(
                    lambda p=path, t=threads: voxface.animate(p, bundle=options.bundle, threads=t), options.rounds
                )  # type: ignore[misc]
                print(f"| {label} | {cpu:.1f} ms | {wall:.1f} ms | {FIELD_MARK_MS:.0f} ms |")
            cpu, wall = measure(
                lambda p=path: voxface.animate(p, bundle=options.bundle, emotion=None),  # type: ignore[misc]
                options.rounds,
            )
            label = f"{rate_hz // 1000} kHz WAV -> clip, default thread(s), no emotion"
            print(f"| {label} | {cpu:.1f} ms | {wall:.1f} ms | {FIELD_MARK_MS:.0f} ms |")
            cpu, wall = measure(
                lambda p=path: voxface.write(voxface.animate(p, bundle=options.bundle), folder / "x.csv"),  # type: ignore[misc]
                options.rounds,
            )
            print(f"| {rate_hz // 1000} kHz WAV -> CSV file | {cpu:.1f} ms | {wall:.1f} ms | {FIELD_MARK_MS:.0f} ms |")
        steps(options.bundle)
        idle(options.rounds)
        command = [
            sys.executable,
            "-m",
            "voxface.cli.main",
            "animate",
            str(ten_seconds(16_000, folder)),
            "-o",
            str(folder / "cold.csv"),
            "-q",
        ]
        wall_times = []
        for _ in range(6):
            clock = time.perf_counter()
            subprocess.run([*command, "--bundle", options.bundle], check=True)
            wall_times.append(time.perf_counter() - clock)
        help_times = []
        for _ in range(6):
            clock = time.perf_counter()
            subprocess.run([*command[:3], "--help"], check=True, stdout=subprocess.DEVNULL)
            help_times.append(time.perf_counter() - clock)
        print(f"cold `voxface animate` of 10 s: median {statistics.median(wall_times[1:]):.2f} s wall")
        print(f"`voxface --help`: median {statistics.median(help_times[1:]):.2f} s wall")


if __name__ == "__main__":
    main()
