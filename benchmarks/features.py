"""Speed of the features against librosa, in one process, one thread, the candidates taking turns.

    python benchmarks/features.py [--rounds 7] [--long-hours 10]

Prints the median over rounds of our time, librosa's, and of the ratio round by round; then what a live hop costs, what
RMS, ZCR and VAD add, and the memory that a 10-hour stream needs.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import numpy as np  # noqa: E402

from voxface.audio.features import FeatureSpec  # noqa: E402
from voxface.audio.level import LevelSpec  # noqa: E402
from voxface.audio.mel import LogMel  # noqa: E402
from voxface.stream import run, run_whole  # noqa: E402


def noise(seconds: float) -> np.ndarray:
    """Sound to work on: what it is does not matter for the time it takes."""
    return (0.1 * np.random.default_rng(0).standard_normal(int(seconds * 16_000))).astype(np.float32)


def librosa_mel(samples: np.ndarray) -> np.ndarray:
    """The call that SPEC A2 names."""
    import librosa

    power = librosa.feature.melspectrogram(
        y=samples, sr=16000, n_fft=512, win_length=400, hop_length=160, window="hann", center=True,
        pad_mode="constant", power=2.0, n_mels=80, fmin=0, fmax=8000, htk=False, norm="slaney",
    )  # fmt: skip
    return 10 * np.log10(np.maximum(power, 1e-8))


def seconds(call: Callable[[], object]) -> float:
    """Process CPU time of one call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def compare(samples: np.ndarray, rounds: int, repeat: int) -> None:
    """Ours, ours with voice, ours with voice and level control, librosa: one after the other, `rounds` times."""
    stages = (LogMel(), FeatureSpec(rows=83).extractor(), FeatureSpec(rows=83, level=LevelSpec()).extractor())
    calls: list[Callable[[], object]] = [partial(run_whole, stage, samples) for stage in stages]
    calls.append(partial(librosa_mel, samples))
    for call in calls:
        call()
    times = [[min(seconds(call) for _ in range(repeat)) for call in calls] for _ in range(rounds)]
    ours, theirs = (1000 * statistics.median(row[i] for row in times) for i in (0, 3))
    ratio, voice, level = (statistics.median(row[i] / row[j] for row in times) for i, j in ((3, 0), (1, 0), (2, 1)))
    more = f"{100 * (voice - 1):+.0f} % | {100 * (level - 1):+.0f} %"
    print(f"| {len(samples) / 16000:.0f} s | {ours:.2f} ms | {theirs:.2f} ms | {ratio:.2f}× | {more} |")


def hop(rounds: int) -> None:
    """Median time of one live packet of 10 ms."""
    samples = noise(20)
    for name, stage in (
        ("log-mel", LogMel()),
        ("log-mel + level + RMS, ZCR, VAD", FeatureSpec(rows=83, level=LevelSpec()).extractor()),
    ):
        state, times = stage.start(), []
        for at in range(0, len(samples), 160):
            packet = samples[at : at + 160]
            began = time.perf_counter_ns()
            state, _ = stage.step(state, packet)
            times.append(time.perf_counter_ns() - began)
        times.sort()
        median, p99 = times[len(times) // 2] / 1000, times[-len(times) // 100] / 1000
        print(f"10 ms hop, {name}: median {median:.1f} µs, p99 {p99:.1f} µs")


def long_stream(hours: float) -> None:
    """Features of hours of sound that is made on the way: peak memory of the process."""
    block = noise(4)
    blocks = (block for _ in range(int(hours * 900)))
    began = time.perf_counter()
    rows = sum(len(out) for out in run(FeatureSpec(rows=83, level=LevelSpec()).extractor(), blocks))
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speed = hours * 3600 / took
    print(
        f"{hours:g} hours as a stream: {rows} rows in {took:.1f} s ({speed:.0f}× real time), peak memory {peak:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--long-hours", type=float, default=10.0)
    parser.add_argument("--only-long", action="store_true")
    options = parser.parse_args()
    if options.only_long:
        long_stream(options.long_hours)
        return
    if options.long_hours:  # first, and in a process of its own: a child inherits the peak memory of its parent
        subprocess.run([sys.executable, __file__, "--only-long", "--long-hours", str(options.long_hours)], check=True)
    print("| sound | voxface log-mel | librosa log-mel | ratio | RMS, ZCR and VAD add | level control adds |")
    print("|---|---|---|---|---|---|")
    compare(noise(10), options.rounds, 5)
    compare(noise(600), options.rounds, 1)
    hop(options.rounds)


if __name__ == "__main__":
    main()
