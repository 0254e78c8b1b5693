"""The largest known generation, 235 million parameters with random values: imported, then ten seconds of speech."""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tests.neurosync_files import shapes

from voxface.face.rig import LIVELINK_61
from voxface.models.transformer import on_arrays
from voxface.neurosync import extract_audio_features
from voxface.neurosync.generations import GENERATIONS, ORIGINAL
from voxface.runtime.window_net import WindowNet, Windows
from voxface.stream import Array
from voxface.training.neurosync_import import build, import_neurosync, read_facts, read_state

SPREAD = 0.02  # of the weights, as the trainer begins (neurosync.md N9)
FRAMES = 601  # of ten seconds
EXACT = "torch fp32, windows one by one"
MOVED = [i for i, name in enumerate(LIVELINK_61) if name not in ORIGINAL.zeroed]


def large(options: argparse.Namespace) -> None:
    """How long a net of this size takes for 10 s of features: as the original runs it, and as we do."""
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        calls = candidates(Path(folder), options.threads)
        speech = Path(__file__).parents[1] / "src" / "voxface" / "samples" / "hello.flac"
        rows = np.resize(extract_audio_features(speech, width=256), (FRAMES, 256)).astype(np.float32)
        print(f"\n{FRAMES} frames, {options.threads} thread(s), median of {min(options.rounds, 3)} rounds")
        print("| | CPU s | wall s | times as fast (CPU) | largest error | RMS error, share of the motion |")
        print("|---|---|---|---|---|---|")
        answers = {name: call(rows) for name, call in calls.items()}
        told = measured(calls, rows, min(options.rounds, 3))
        first = told[next(iter(calls))]
        for name, (cpu, wall) in told.items():
            ratio = statistics.median(a / b for a, b in zip(first[0], cpu, strict=True))
            times = f"{statistics.median(cpu):.2f} | {statistics.median(wall):.2f} | {ratio:.2f}×"
            print(f"| {name} | {times} | {errors(answers[name], answers[EXACT])} |", flush=True)


def candidates(folder: Path, threads: int) -> dict[str, Callable[[Array], Array]]:
    """Ways to run one and the same checkpoint, the original's first; it is made and imported here."""
    checkpoint = folder / "g4.pth"
    torch.save(random_state(), checkpoint)
    kind = GENERATIONS["g4"]
    state = read_state(checkpoint)
    net = build(state, read_facts(state, checkpoint), kind, "attention_rope", None, checkpoint)
    plain = on_arrays(net)
    half = on_arrays(copy.deepcopy(net), half=torch.bfloat16)

    def one_by_one(windows: Array) -> Array:
        return np.concatenate([plain(windows[i : i + 1]) for i in range(len(windows))])

    alone, together, fewer_bits = (Windows(forward, 256, kind.window()) for forward in (one_by_one, plain, half))
    ways = {
        "the original's way: torch fp32, 7 windows one by one": lambda rows: alone.whole(rows, compat=True)[0],
        EXACT: lambda rows: alone.whole(rows)[0],
        "torch fp32, windows together": lambda rows: together.whole(rows)[0],
        "torch bf16, windows together": lambda rows: fewer_bits.whole(rows)[0],
    }
    for precision in ("fp32", "int8"):
        began, cpu = time.perf_counter(), time.process_time()
        bundle, _ = import_neurosync(
            checkpoint, folder / f"{precision}.voxface", position="attention_rope", precision=precision
        )
        size = (bundle.folder / "model.onnx").stat().st_size
        took = f"{time.process_time() - cpu:.0f} s of CPU, {time.perf_counter() - began:.0f} s by the clock"
        print(f"import as {precision}: {took}, {size / 1e6:.0f} MB")
        opened = WindowNet(bundle, threads)
        ways[f"bundle {precision}, windows together"] = lambda rows, net=opened: net.whole(rows)[0]
    return ways


def random_state() -> dict[str, torch.Tensor]:
    """A state dict in the documented layout, with the trainer's first values."""
    random = torch.Generator().manual_seed(1)
    state = {name: SPREAD * torch.randn(shape, generator=random) for name, shape in shapes("g4", 1024, 4096).items()}
    norms = [name for name in state if "norm" in name and name.endswith("weight")]
    return state | {name: 1 + state[name] for name in norms}


Times = tuple[list[float], list[float]]


def measured(calls: dict[str, Callable[[Array], Array]], rows: Array, rounds: int) -> dict[str, Times]:
    """Seconds of CPU and by the clock of each call, for each round; they take turns, and ran once before."""
    told: dict[str, Times] = {name: ([], []) for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            cpu, wall = time.process_time(), time.perf_counter()
            call(rows)
            told[name][0].append(time.process_time() - cpu)
            told[name][1].append(time.perf_counter() - wall)
    return told


def errors(found: Array, exact: Array) -> str:
    """Two cells: the largest error (weights 0...1), and the RMS error as a share of the RMS of the exact motion."""
    off, motion = (found - exact)[:, MOVED], (exact - exact.mean(axis=0))[:, MOVED]
    return f"{np.abs(off).max():.1e} | {np.sqrt((off**2).mean() / (motion**2).mean()):.1%}"
