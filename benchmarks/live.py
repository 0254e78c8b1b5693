"""How many live voices one process can answer in time, and what it spends its time on.

    taskset -c 0,1 python benchmarks/live.py [--bundle live] [--sessions 1,60,150,300,450] [--seconds 10]

Every voice is speech in real time: a packet of 20 ms each 20 ms, at a moment of its own; its frames are pulled as soon
as the engine says that some are ready. A frame is late by how long after its declared time it was pulled: the time it
shows, the declared latency, and the packet that its last sample came in. Below 0 it was early: what is declared is the
worst moment of a packet. "breaks" is where more than 1 % of the frames are later than 33 ms; the first
1.5 s do not count: the voices begin within 1 s. CPU is that of the whole process, of which "feeding" is this program's
own pushing and pulling. Python changes threads every 0.1 ms here (--switch); by itself, and in `voxface serve`, it
does so every 5 ms.
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np

from voxface.audio.decode import read_audio
from voxface.audio.resample import Resampler
from voxface.runtime import choir
from voxface.runtime.ears import Ears
from voxface.runtime.engine import Engine
from voxface.runtime.feeling import Feeling
from voxface.runtime.idle import Idle
from voxface.runtime.live_session import LiveSession
from voxface.stream import run_whole
from voxface.timebase import SAMPLE_RATE_HZ, exact_rate

LATE_S, MOST_LATE = 0.033, 0.01
BEGIN_S, SETTLE_S = 1.0, 1.5


@dataclass(frozen=True)
class Found:
    """One run. late_s: of every frame · cores: CPU over time · parts: CPU of threads and steps, ms a voice-second"""

    late_s: np.ndarray
    missing: int
    cores: float
    parts: dict[str, float]

    @property
    def breaks(self) -> bool:
        return self.missing > 0 or float((self.late_s > LATE_S).mean()) > MOST_LATE


class Clocks:
    """CPU time of the steps of the engine, each by its own thread's clock."""

    STEPS: ClassVar = {
        "features": (Ears, "take"), "nets": (choir._States, "_run"), "idle motion": (choir.Choir, "_move"),
        "frames, expressions": (choir.Choir, "_frames"),
    }  # fmt: skip

    def __init__(self, stack: ExitStack) -> None:
        self.spent = dict.fromkeys(self.STEPS, 0.0)
        for name, (owner, method) in self.STEPS.items():
            stack.enter_context(patch.object(owner, method, self._timed(name, getattr(owner, method))))

    def _timed(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            begin = time.thread_time()
            result = method(*args)
            self.spent[name] += time.thread_time() - begin
            return result

        return timed


def run(engine: Engine, count: int, seconds: float, packet: int, options: argparse.Namespace) -> Found:
    """So many voices for so long; a packet has `packet` samples."""
    news: deque[int] = deque()
    sessions = opened(engine, count, news, options)
    random = np.random.default_rng(count)
    period, phase = packet / options.rate, np.sort(random.random(count))  # when in a turn it pushes
    begins = random.integers(0, round(BEGIN_S / period), count)  # in which turn it begins
    sound, at = options.sound, random.integers(0, len(options.sound), count)
    pulled: list[tuple[float, int, int, int]] = []

    def pull() -> None:
        while news:
            number = news.popleft()
            session = sessions[number]
            first, count = session.given, len(session.pull_faces())
            if count:
                pulled.append((time.monotonic(), number, first, count))

    gc.collect()
    gc.freeze()
    with ExitStack() as stack:
        clocks = Clocks(stack)
        before, lanes_before, own = time.process_time(), lane_time(engine), time.thread_time()
        start = time.monotonic()
        for turn in range(round(seconds / period)):
            for number in np.flatnonzero(begins <= turn).tolist():
                due = start + (turn + 1 + phase[number]) * period
                while due > time.monotonic():
                    pull()
                    time.sleep(0.001)
                begin = (at[number] + turn * packet) % (len(sound) - packet)
                sessions[number].push(sound[begin : begin + packet])
            pull()
        wall = time.monotonic() - start
        total = time.process_time() - before
        own, lanes = time.thread_time() - own, lane_time(engine) - lanes_before
    for _ in range(300):
        time.sleep(0.001)
        pull()
    rate, latency_s = float(exact_rate(options.fps)), sessions[0].latency_ms / 1000
    late = []
    for when, number, first, frames in pulled:
        shown = (first + np.arange(frames)) / rate
        declared = start + (begins[number] + phase[number] + 1) * period + latency_s
        late.append((when - declared - shown)[shown + begins[number] * period > SETTLE_S])
    heard_s = (round(seconds / period) - begins) * period - latency_s
    missing = sum(max(0, int(s * rate - 2) - session.given) for s, session in zip(heard_s, sessions, strict=True))
    for session in sessions:
        session.close()
    done = count * seconds / 1000
    steps = {name: spent / done for name, spent in clocks.spent.items()}
    elsewhere = steps["nets"] if options.threads > 1 else 0  # but for that of emotions
    steps["gathering, handing out"] = max(0, lanes / done - sum(steps.values()) + elsewhere)
    return Found(np.concatenate(late), missing, total / wall, steps | {"feeding": own / done})


def opened(engine: Engine, count: int, news: deque[int], options: argparse.Namespace) -> list[LiveSession]:
    """Sessions that put their number into `news` when frames are ready."""
    idle, emotion = (Idle(), Feeling()) if not options.mouth_only else (None, None)
    sessions: list[LiveSession] = []
    for number in range(count):
        parts = sessions[0].parts if sessions else None
        sessions.append(
            LiveSession(engine, options.rate, options.fps, idle=idle, emotion=emotion, parts=parts,
                        notify=lambda number=number: news.append(number))  # type: ignore[misc]
        )  # fmt: skip
    return sessions


def lane_time(engine: Engine) -> float:
    """CPU seconds of the engine's thread."""
    return time.clock_gettime(time.pthread_getcpuclockid(engine.lane.thread_id))


def show(count: int, found: Found) -> None:
    p50, p95, p99 = 1000 * np.percentile(found.late_s, [50, 95, 99])
    share = 100 * (found.late_s > LATE_S).mean()
    verdict = "breaks" if found.breaks else ""
    print(f"| {count} | {found.cores:.2f} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {share:.2f} | {found.missing} | "
          + " | ".join(f"{spent:.2f}" for spent in found.parts.values()) + f" | {verdict} |", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="live")
    parser.add_argument("--sessions", default="1,60,150,300,450")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2, help="that call the net")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=SAMPLE_RATE_HZ)
    parser.add_argument("--packet-ms", type=float, default=20.0)
    parser.add_argument("--mouth-only", action="store_true", help="without idle motion and emotion")
    parser.add_argument("--deadline-ms", type=float, default=5.0, help="of the engine; part of the declared latency")
    parser.add_argument("--switch", type=float, default=0.0001, help="seconds until Python lets another thread run")
    parser.add_argument("--sound", default="../shared/data/speech/jfk.flac")
    options = parser.parse_args()
    samples, rate_hz = read_audio(options.sound)
    options.sound = run_whole(Resampler(rate_hz, options.rate), samples)
    sys.setswitchinterval(options.switch)
    counts = [int(number) for number in options.sessions.split(",")]
    with Engine(options.bundle, options.threads, max(counts), options.deadline_ms) as engine:
        print(f"{options.bundle}, {options.rate} Hz, packets of {options.packet_ms:g} ms, {options.fps:g} fps, "
              f"{options.threads} threads, {engine.bytes_per_session / 1000:.0f} kB a session, "
              f"{'mouth only' if options.mouth_only else 'idle motion and emotion on'}; "
              f"{threading.active_count()} threads in all\n")  # fmt: skip
        names = [*Clocks.STEPS, "gathering, handing out", "feeding"]
        print("| sessions | cores | late p50 ms | p95 | p99 | > 33 ms, % | frames missing | "
              + " | ".join(names) + " (ms of CPU a voice-second) | |")  # fmt: skip
        print("|" + "---|" * (8 + len(names)))
        run(engine, 4, 1.0, round(options.rate * options.packet_ms / 1000), options)  # warm
        for count in counts:
            found = run(engine, count, options.seconds, round(options.rate * options.packet_ms / 1000), options)
            show(count, found)


if __name__ == "__main__":
    main()
