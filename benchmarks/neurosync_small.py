"""The bundle neurosync-small: how long 10 s take from bytes to frames, and how closely it follows its teacher.

    python -m benchmarks.neurosync --only small

What it is worth beside captured faces says `voxface evaluate --bundle neurosync-small` (docs/model.md).
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from voxface.audio.decode import read_audio
from voxface.audio.resample import Resampler, to_16k
from voxface.bundle import load_bundle
from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.evaluation.baselines import loudness_db
from voxface.face.compare import pearson
from voxface.face.gap import rig_gap
from voxface.face.interpolate import interpolate_values
from voxface.face.rig import ARKIT, LIVELINK_61
from voxface.neurosync import extract_audio_features, process_audio_features
from voxface.runtime.animator import Animator
from voxface.runtime.threads import offline_threads
from voxface.runtime.window_net import WindowNet
from voxface.stream import run_whole
from voxface.training.disturb import DisturbSpec, widen

Sound = np.ndarray
SECONDS = 10
RATE_HZ = 16_000


def small(options: argparse.Namespace) -> None:
    """Both tables."""
    speed(options.rounds)
    quality(options.data / "speech")


def speed(rounds: int) -> None:
    """Milliseconds of the wall clock (CPU time of all threads), median over rounds, for WAVs of several rates."""
    net = WindowNet(load_bundle("neurosync-small"), offline_threads())
    feature = net.bundle.feature
    print(
        f"10 s, {offline_threads()} threads: milliseconds of the wall clock (of the CPU), median of {rounds} rounds\n"
    )
    print("| WAV | decode | resample | 78 MFCC rows | net | bytes to 68 numbers a frame |")
    print("|---|---|---|---|---|---|")
    for rate in (16_000, 22_050, 44_100, 48_000):
        data = wave(rate)
        samples, _ = read_audio(data)
        wide = run_whole(Resampler(rate, feature.sample_rate_hz), samples)
        rows = feature.whole(wide)
        calls = (
            partial(read_audio, data),
            partial(run_whole, Resampler(rate, feature.sample_rate_hz), samples),
            partial(feature.whole, wide),
            partial(net.whole, rows),
            partial(answer, data),
        )
        print(f"| {rate} Hz | {' | '.join(timed(call, rounds) for call in calls)} |")


def answer(data: bytes) -> Sound:
    """What the HTTP route does with a body."""
    return process_audio_features(extract_audio_features(data))


def timed(call: Callable[[], object], rounds: int) -> str:
    """Wall clock (CPU) of a call in ms, medians; one call before does not count."""
    call()
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    return f"{statistics.median(walls):.1f} ({statistics.median(cpus):.1f})"


def wave(rate_hz: int) -> bytes:
    """Ten seconds of the shipped sample, repeated, as a WAV of 16-bit samples."""
    import soundfile

    samples, own_hz = read_audio(Path(__file__).parents[1] / "src" / "voxface" / "samples" / "hello.flac")
    file = io.BytesIO()
    sound = np.resize(run_whole(Resampler(own_hz, rate_hz), samples), SECONDS * rate_hz)
    soundfile.write(file, sound, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


def quality(folder: Path) -> None:
    """Lip-gap r against `default` on real recordings that nothing was trained on, all frames / frames with speech."""
    net, teacher = WindowNet(load_bundle("neurosync-small")), Animator(load_bundle("default"))
    random, spec = np.random.default_rng(48), DisturbSpec(wide_share=1.0)
    ways: dict[str, Callable[[Sound], Sound]] = {
        "as recorded, 16 kHz": lambda x: to_88k(x, net),
        "with made-up sound from 8 to 11...24 kHz": lambda x: widen(x, net.bundle.feature.sample_rate_hz, spec, random),
        "white noise, 30 dB": lambda x: to_88k(noisy(x, 30, random), net),
        "white noise, 15 dB": lambda x: to_88k(noisy(x, 15, random), net),
        "the first 3 s alone": lambda x: to_88k(x[: 3 * RATE_HZ], net),
    }
    clips = [to_16k(*read_audio(path)) for path in sorted(folder.glob("*.flac"))]
    print(f"\nr of the lip gap with that of `default` on the clean recording, {len(clips)} recordings\n")
    print("| heard | neurosync-small | log energy | mean face |\n|---|---|---|---|")
    for name, way in ways.items():
        found = [against(clip, way(clip), net, teacher) for clip in clips]
        cells = [" / ".join(f"{value:.3f}" for value in np.mean(column, axis=0)) for column in zip(*found, strict=True)]
        print(f"| {name} | {' | '.join(cells)} | 0 / 0 |")


def to_88k(samples: Sound, net: WindowNet) -> Sound:
    """Samples at 16 kHz as the features want them."""
    return run_whole(Resampler(RATE_HZ, net.bundle.feature.sample_rate_hz), samples)


def noisy(samples: Sound, db: float, random: np.random.Generator) -> Sound:
    """Samples with white noise so much below them."""
    noise = random.standard_normal(len(samples)) * np.std(samples) * 10 ** (-db / 20)
    mixed: Sound = (samples + noise).astype(np.float32)
    return mixed


def against(clean: Sound, heard: Sound, net: WindowNet, teacher: Animator) -> list[tuple[float, float]]:
    """(r over all frames, over those with speech) of the small net, and of loudness."""
    gap = rig_gap(net.whole(net.bundle.feature.whole(heard))[0], LIVELINK_61)
    times_s = np.arange(len(gap)) / net.bundle.rate_hz
    told = rig_gap(run_whole(teacher, clean), ARKIT)
    level = relative_level_db(clean)
    rows = np.stack([told, loudness_db(clean), level], axis=1)
    wanted, energy, level = interpolate_values(np.arange(len(rows)) / 100, rows, times_s).T
    spoken = level >= -SPEECH_DB
    return [(pearson(one, wanted), pearson(one[spoken], wanted[spoken])) for one in (gap, energy)]
