"""How long a streaming resampler holds its sound back, and what it costs: ours beside soxr's stream.

    python benchmarks/resample.py

Fed with packets of 10 ms; "held back" is sound fed minus sound given, the worst packet after the first 20.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import soxr

from voxface.audio.resample import Resampler
from voxface.stream import run_whole

RATES = (4_000, 8_000, 22_050, 44_100, 48_000, 96_000)


def held_back_ms(rate: int, give: Callable[[np.ndarray], int]) -> float:
    """The worst packet of 4 s."""
    packet, given, worst = rate // 100, 0, 0.0
    for n in range(1, 400):
        given += give(np.zeros(packet, np.float32))
        if n > 20:
            worst = max(worst, 1000 * (n * packet / rate - given / 16_000))
    return worst


def ours(rate: int) -> float:
    resampler = Resampler(rate)
    states = [resampler.start()]

    def give(samples: np.ndarray) -> int:
        states[0], out = resampler.step(states[0], samples)
        return len(out)

    return held_back_ms(rate, give)


def theirs(rate: int, quality: str) -> float:
    stream = soxr.ResampleStream(rate, 16_000, 1, dtype="float32", quality=quality)
    return held_back_ms(rate, lambda samples: len(stream.resample_chunk(samples)))


def milliseconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(9):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return 1000 * statistics.median(times)


def main() -> None:
    print("| rate | voxface held back | soxr HQ | soxr LQ | voxface, 10 s | soxr HQ, 10 s |")
    print("|---|---|---|---|---|---|")
    for rate in RATES:
        sound = np.random.default_rng(0).standard_normal(10 * rate).astype(np.float32)
        own = milliseconds(lambda r=rate, s=sound: run_whole(Resampler(r), s))  # type: ignore[misc]
        other = milliseconds(lambda r=rate, s=sound: soxr.resample(s, r, 16_000))  # type: ignore[misc]
        lags = [ours(rate), theirs(rate, "HQ"), theirs(rate, "LQ")]
        cells = [f"{lag:.0f} ms" for lag in lags] + [f"{own:.1f} ms", f"{other:.1f} ms"]
        print(f"| {rate} Hz | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
