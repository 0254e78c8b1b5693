"""System B beside the straightforward way: features (and what the other tables measure), in one process, one thread.

    python -m benchmarks.neurosync [--only features|running|small|http|large] [--rounds 7] [--data ../shared/data]

Candidates take turns; each cell is the median over rounds, each ratio the median of the ratios round by round, with the
lowest and the highest. Times are CPU times of this process, so that other work on the machine counts little; `small`
and `http` measure by the clock, too.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import numpy as np  # noqa: E402
from tests.neurosync_recipe import recipe  # noqa: E402

from voxface.audio import mfcc, mfcc_running  # noqa: E402
from voxface.audio.columns import peak_gain  # noqa: E402
from voxface.audio.decode import read_audio  # noqa: E402
from voxface.audio.features import FeatureSpec  # noqa: E402
from voxface.audio.resample import Resampler  # noqa: E402
from voxface.neurosync import extract_audio_features  # noqa: E402
from voxface.stream import run_whole  # noqa: E402

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "src" / "voxface" / "samples" / "hello.flac"
SECONDS = 10


def speech(rate_hz: int) -> np.ndarray:
    """Ten seconds: the shipped sample, repeated."""
    samples, own_hz = read_audio(SAMPLE)
    wide = run_whole(Resampler(own_hz, rate_hz), samples)
    return np.resize(wide, SECONDS * rate_hz)


def take_turns(calls: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Milliseconds of CPU time of each call, for each round; after one round that does not count."""
    for call in calls:
        call()
    times = []
    for _ in range(rounds):
        row = []
        for call in calls:
            began = time.process_time()
            call()
            row.append(1000 * (time.process_time() - began))
        times.append(row)
    return times


def compared(times: list[list[float]]) -> str:
    """Three cells: ours (first), theirs (second), how many times longer theirs takes."""
    ours, theirs = (statistics.median(row[i] for row in times) for i in (0, 1))
    ratios = [row[1] / row[0] for row in times]
    spread = f"{statistics.median(ratios):.2f}× [{min(ratios):.2f}…{max(ratios):.2f}]"
    return f"{ours:.1f} ms | {theirs:.1f} ms | {spread}"


def features(options: argparse.Namespace) -> None:
    """Rows of 10 s, resampling before them, both from bytes, and the memory of a long clip."""
    sound = speech(88_200)
    print("| rows of 10 s | voxface | librosa + np.correlate | ratio | largest difference |")
    print("|---|---|---|---|---|")
    for spec in (FeatureSpec("mfcc", width) for width in (78, 69, 79, 256)):
        times = take_turns([partial(spec.whole, sound), partial(recipe, spec, sound)], options.rounds)
        off = np.abs(spec.whole(sound) - recipe(spec, sound)).max()
        print(f"| {spec.rows} | {compared(times)} | {off:.1e} |")
    to_88k(options.rounds)
    wav = wave_bytes(16_000)
    for width in (78, 256):
        times = take_turns([partial(extract_audio_features, wav, width=width)], options.rounds)
        print(
            f"bytes of a 16 kHz WAV of 10 s to {width} numbers a row: {statistics.median(t[0] for t in times):.1f} ms"
        )
    command = [sys.executable, "-m", "benchmarks.neurosync", "--only", "long"]
    subprocess.run(command, check=True, cwd=ROOT)  # a process of its own: only its own peak memory counts


def to_88k(rounds: int) -> None:
    """10 s from usual rates to 88.2 kHz, beside the library that librosa takes for it."""
    import soxr

    print("\n| 10 s to 88.2 kHz from | voxface | soxr HQ | ratio |")
    print("|---|---|---|---|")
    for rate in (16_000, 22_050, 24_000, 44_100, 48_000):
        sound = speech(rate)
        calls = [partial(run_whole, Resampler(rate, 88_200), sound), partial(soxr.resample, sound, rate, 88_200)]
        print(f"| {rate} Hz | {compared(take_turns(calls, rounds))} |")
    print()


def wave_bytes(rate_hz: int) -> bytes:
    """The ten seconds as a WAV file of 16-bit samples."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, speech(rate_hz), rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


def long(_: argparse.Namespace) -> None:
    """Half an hour at 16 kHz: time, and the most memory beside the clip itself."""
    clip = np.tile(speech(16_000), 180)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for width in (78, 256):  # the wider one needs more, so the peak of the first does not hide its own
        began = time.process_time()
        extract_audio_features(clip, sample_rate=16_000, width=width)
        took, peak = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        more = f"{(peak - before) / 1024:.0f} MB more at the most than the {clip.nbytes / 2**20:.0f} MB of the clip"
        print(f"30 min to {width} numbers a row: {took:.1f} s, {more}")


def running(options: argparse.Namespace) -> None:
    """How far the normalisation by what was heard is from that of the whole clip, and the numbers of its prior."""
    clips = []
    for path in sorted((options.data / "speech").glob("*.flac")):
        samples, rate = read_audio(path)
        wide = run_whole(Resampler(rate, 88_200), samples)
        whole = mfcc.normalised(mfcc.cepstra(wide, peak_gain(wide), 26))
        clips.append((mfcc.cepstra(wide, 1.0, 26), whole))
    means, stds = (np.stack([what(clip[0], axis=0) for clip in clips]) for what in (np.mean, np.std))
    print(f"MFCC of {len(clips)} recordings: mean, deviation")
    print(
        *(f"{mean:.1f}, {std:.1f}" for mean, std in zip(means.mean(axis=0), stds.mean(axis=0), strict=True)), sep=" · "
    )
    errors = []
    for i, (cepstra, whole) in enumerate(clips):
        prior = mfcc_running.average_speech(*(np.delete(table, i, 0).mean(axis=0) for table in (means, stds)))
        errors.append(mfcc_running.normalised(prior, cepstra)[1] - whole)
    print("| seconds of the clip | RMS difference of a normalised MFCC (deviation 1), prior from the other clips |")
    print("|---|---|")
    for first, last in ((0, 0.5), (0.5, 1), (1, 2), (2, 5), (5, None)):
        parts = [error[int(120 * first) : last and int(120 * last)] for error in errors]
        off = np.mean([np.sqrt(np.mean(part**2)) for part in parts if len(part) > 10])
        print(f"| {first}…{last or 'end'} | {off:.2f} |")


def serving(options: argparse.Namespace) -> None:
    """The program `voxface serve`: wall time from bytes sent to bytes received, alone and with twenty callers."""
    import http.client
    from concurrent.futures import ThreadPoolExecutor

    sound = wave_bytes(16_000)
    command = [sys.executable, "-m", "voxface.cli.main", "serve", "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout
        host = server.stdout.readline().split("/")[2]

        def post(_: int = 0) -> float:
            began = time.perf_counter()
            line = http.client.HTTPConnection(host)
            line.request("POST", "/audio_to_blendshapes", sound)
            reply = line.getresponse()
            assert reply.status == 200
            reply.read()
            return 1000 * (time.perf_counter() - began)

        post()
        alone = statistics.median(post() for _ in range(options.rounds))
        began = time.perf_counter()
        with ThreadPoolExecutor(20) as callers:
            times = sorted(callers.map(post, range(60)))
        rate = 60 / (time.perf_counter() - began)
        server.terminate()
    print(
        f"POST of a 16 kHz WAV of 10 s: {alone:.0f} ms alone; with 20 callers {rate:.1f} answers a second, "
        f"the middle one after {times[30]:.0f} ms, the slowest after {times[-1]:.0f} ms"
    )


def large(options: argparse.Namespace) -> None:
    """A net of 235 million parameters; needs torch, 5 GB of memory and 4 GB of disk."""
    from benchmarks.neurosync_large import large as table

    table(options)


def small(options: argparse.Namespace) -> None:
    """The shipped model: bytes to frames by the clock, and how closely it follows its teacher (neurosync_small.py)."""
    from benchmarks.neurosync_small import small as table

    table(options)


TABLES: dict[str, Callable[[argparse.Namespace], None]] = {
    "features": features, "running": running, "small": small, "http": serving, "long": long, "large": large,
}  # fmt: skip
"""What --only names; without it, all but `long`, which `features` starts itself, and `large`, which takes minutes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TABLES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="of the nets of `large`")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    for table in [options.only] if options.only else [name for name in TABLES if name not in ("long", "large")]:
        TABLES[table](options)


if __name__ == "__main__":
    main()
