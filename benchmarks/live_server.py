"""How many callers `voxface serve` answers in time on one core, how soon, and whether it stays so.

    python -m benchmarks.live_server [--only latency|ramp|soak|churn] [--quick] [--steps 60,90] [--soak MINUTES]
        [--churn SESSIONS]

The server runs on core 0, all callers in one process on core 1; each speaks in real time, a packet of 20 ms each 20 ms.
A frame is late by how long after its declared time it came: the time it shows, the latency that the server declares,
and the packet that its last sample came in. "callers" is how late these themselves were to send (p99): what they could
not do is no fault of the server. "breaks": more than 1 % of the frames are later than 33 ms, or one is lost.

    latency  one session: frames, and the first frame after the first sound
    ramp     more and more sessions, up to where it breaks twice
    soak     sessions of 2 to 40 s that come and go, one of ten without a word; memory and open files every 10 s
    churn    many sessions of 200 ms, four at a time, a third of which leave without an end; memory after each eighth
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.live_clients import Caller, Health, Notes, Script

from voxface.audio.decode import read_audio
from voxface.audio.resample import Resampler
from voxface.client import connect
from voxface.stream import Array, run_whole

SAMPLE = Path(__file__).parents[1] / "src" / "voxface" / "samples" / "hello.flac"
RATE_HZ = 16_000
LATE_S, MOST_LATE = 0.033, 0.01
STEPS = "1,10,30,60,90,120,150,180,210,240,300,360,420,500,600"


@dataclass(frozen=True)
class Spent:
    """CPU seconds of a process. loop: its first thread · rest: all others, which are the engine's"""

    loop: float
    rest: float


class Server:
    """The process, as Linux sees it."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid, self.port = pid, port

    def spent(self) -> Spent:
        ticks = {thread.name: self._ticks(thread) for thread in Path(f"/proc/{self.pid}/task").iterdir()}
        first, second = ticks[str(self.pid)], os.sysconf("SC_CLK_TCK")
        return Spent(first / second, (sum(ticks.values()) - first) / second)

    def mib(self) -> float:
        """What of its memory is in RAM."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)

    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def _ticks(self, thread: Path) -> int:
        fields = (thread / "stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


@contextmanager
def served(cores: tuple[int, int], sessions: int) -> Iterator[Server]:
    """`voxface serve` on the first core; this process on the second."""
    command = ["serve", "--port", "0", "--sessions", str(sessions), "--calls", "0", "--quiet"]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores[0]})
    process = subprocess.Popen(
        [sys.executable, "-m", "voxface.cli.main", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    os.sched_setaffinity(0, {cores[1]})
    try:
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found
        until_ready(int(found[1]))
        yield Server(process.pid, int(found[1]))
    finally:
        process.terminate()
        process.wait(20)
        os.sched_setaffinity(0, before)


def until_ready(port: int) -> None:
    from urllib.error import URLError
    from urllib.request import urlopen

    for _ in range(600):
        with suppress(URLError), urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("the server did not become ready")


async def call(server: Server, script: Script, notes: Notes, speaks_s: float, dies: bool = False) -> Caller:
    """A new session."""
    at = random.randrange(len(script.packets))
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_connection(
        lambda: Caller(script, notes, speaks_s, at, dies), "127.0.0.1", server.port
    )
    return caller


# -- latency and ramp -------------------------------------------------------------------------------------------------


async def together(server: Server, script: Script, count: int, seconds: float) -> tuple[Notes, Spent, list[float]]:
    """So many sessions for so long, once all have begun. Returns also the server's CPU a second, and how soon /healthz
    was answered, in seconds."""
    notes, health, loop = Notes(), Health(server.port), asyncio.get_running_loop()
    opening_s = 0.5 + count / 100
    notes.since = loop.time() + opening_s + 1.0
    asking = asyncio.ensure_future(health.run())
    callers = []
    for _ in range(count):
        callers.append(await call(server, script, notes, opening_s + seconds + 3.0))
        await asyncio.sleep(random.random() * 2 * opening_s / count / 2)
    await asyncio.sleep(max(0.0, notes.since - loop.time()))
    before, began = server.spent(), loop.time()
    await asyncio.sleep(seconds)
    after, took = server.spent(), loop.time() - began
    asking.cancel()
    for caller in callers:
        caller.hang_up()
    await asyncio.gather(*(caller.over for caller in callers), return_exceptions=True)
    await asyncio.sleep(0.3)
    return notes, Spent((after.loop - before.loop) / took, (after.rest - before.rest) / took), list(health.took)


def latency(server: Server, script: Script, options: argparse.Namespace) -> None:
    """One session at a time."""
    print("\n### One session\n\n| | p50 ms | p95 ms | p99 ms | of |\n|---|---|---|---|---|")
    notes, _, _ = asyncio.run(together(server, script, 1, 5 if options.quick else 60))
    firsts = Notes()

    async def begin_often() -> None:
        for _ in range(5 if options.quick else 50):
            caller = await call(server, script, firsts, 0.4)
            await caller.over

    asyncio.run(begin_often())
    for what, one, name in (
        ("frame after its declared time", notes, "late"), ("first frame after the first sound", firsts, "first"),
        ("callers", notes, "own"),
    ):  # fmt: skip
        p50, p95, p99 = one.milliseconds(name)
        print(f"| {what} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {len(getattr(one, name)):,} |")
    print(f"\nlost {notes.lost + firsts.lost}, errors {notes.errors + firsts.errors}")


def ramp(server: Server, script: Script, options: argparse.Namespace) -> None:
    """More and more sessions."""
    print(
        "\n### Sessions on one core\n\n| sessions | late p50 ms | p95 | p99 | > 33 ms, % | lost | first p99 ms | "
        "cores: loop | engine | MiB | /healthz p99 ms | callers ms | |\n|---" + "|---" * 12 + "|"
    )
    broken = 0
    for count in map(int, ("1,10,30" if options.quick else options.steps).split(",")):
        gc.collect()
        notes, spent, health = asyncio.run(together(server, script, count, 4 if options.quick else options.seconds))
        p50, p95, p99 = notes.milliseconds("late")
        share = float((np.array(notes.late or [9.0]) > LATE_S).mean())
        breaks = share > MOST_LATE or notes.lost > 0 or bool(notes.errors)
        broken += breaks
        why = f"breaks {' '.join(sorted(set(notes.errors)))}" if breaks else ""
        print(
            f"| {count} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {100 * share:.2f} | {notes.lost} | "
            f"{notes.milliseconds('first')[2]:.0f} | {spent.loop:.2f} | {spent.rest:.2f} | {server.mib():.0f} | "
            f"{1000 * np.percentile(health, 99):.0f} | {notes.milliseconds('own')[2]:.1f} | {why} |",
            flush=True,
        )
        if broken == 2:
            break


# -- soak -------------------------------------------------------------------------------------------------------------


async def come_and_go(server: Server, script: Script, notes: Notes, until: float) -> None:
    """One place of the soak: a session after the other; one of ten dies without a word."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(2 * random.random())
    while loop.time() < until:
        left = max(1.0, until - loop.time())
        caller = await call(server, script, notes, min(random.uniform(2, 40), left), dies=random.random() < 0.1)
        await caller.over
        await asyncio.sleep(random.random())


async def soaked(server: Server, script: Script, options: argparse.Namespace) -> tuple[Notes, list[tuple[float, ...]]]:
    loop, notes = asyncio.get_running_loop(), Notes()
    began = loop.time()
    until = began + 60 * options.soak
    places = [asyncio.ensure_future(come_and_go(server, script, notes, until)) for _ in range(options.sessions)]
    samples, every = [], min(10.0, 6 * options.soak)
    while loop.time() < until:
        await asyncio.sleep(every)
        samples.append((loop.time() - began, server.mib(), float(server.files())))
        print(f"{samples[-1][0]:6.0f} s {samples[-1][1]:7.1f} MiB {samples[-1][2]:4.0f} files", file=sys.stderr)
    await asyncio.gather(*places)
    await asyncio.sleep(1.0)
    return notes, samples


def soak(server: Server, script: Script, options: argparse.Namespace) -> None:
    """Does anything grow, is anything lost?"""
    files = server.files()
    notes, samples = asyncio.run(soaked(server, script, options))
    seconds, mib, open_files = np.array([one for one in samples if one[0] > 0.2 * samples[-1][0]]).T
    slope = np.polyfit(seconds / 3600, mib, 1)[0] if len(seconds) > 2 else float("nan")
    p50, p95, p99 = notes.milliseconds("late")
    share = 100 * float((np.array(notes.late) > LATE_S).mean())
    print(
        f"\n### Soak: {options.soak:g} minutes, {options.sessions} sessions that come and go\n\n"
        f"sessions ended {notes.ended}, died {notes.died}, frames {len(notes.late):,}, lost {notes.lost}, "
        f"errors {sorted(set(notes.errors))}\n"
        f"late p50 {p50:.1f} ms, p95 {p95:.1f}, p99 {p99:.1f}, later than 33 ms {share:.2f} %\n"
        f"memory {mib[0]:.1f} to {mib[-1]:.1f} MiB, {slope:+.1f} MiB an hour, highest {mib.max():.1f} (after the first "
        f"fifth)\nopen files {files} before, {open_files.max():.0f} at most, {server.files()} after"
    )


# -- churn ------------------------------------------------------------------------------------------------------------


async def many(server: Server, script: Script, sound: Array, count: int) -> None:
    for number in range(count):
        async with connect(f"ws://127.0.0.1:{server.port}", bundle=script.bundle) as stream:
            await stream.send(sound)
            if number % 3:
                await stream.finish()


def churn(server: Server, script: Script, sound: Array, options: argparse.Namespace) -> None:
    """Does a session leave anything behind?"""

    async def together() -> None:
        await asyncio.gather(*(many(server, script, sound, options.churn // 32) for _ in range(4)))
        await asyncio.sleep(1.0)

    print(f"\n### Churn: {options.churn} sessions of 200 ms\n")
    for eighth in range(1, 9):
        asyncio.run(together())
        print(
            f"{eighth * options.churn // 8:6d} sessions {server.mib():7.1f} MiB {server.files():4d} files", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["latency", "ramp", "soak", "churn"])
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes, to see that it works")
    parser.add_argument("--bundle", default="live")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--packet-ms", type=float, default=20.0)
    parser.add_argument("--steps", default=STEPS, help="sessions of the ramp")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each step of the ramp")
    parser.add_argument("--soak", type=float, default=0.0, help="minutes; 0: none")
    parser.add_argument("--sessions", type=int, default=20, help="of the soak")
    parser.add_argument("--churn", type=int, default=0, help="sessions; 0: none")
    parser.add_argument("--cores", default="0,1", help="of the server, of the callers")
    options = parser.parse_args()
    samples, own_hz = read_audio(SAMPLE)
    sound = run_whole(Resampler(own_hz, RATE_HZ), samples)
    script = Script.of(sound, RATE_HZ, options.packet_ms / 1000, options.fps, options.bundle)
    first, second = map(int, options.cores.split(","))
    with served((first, second), 10_000) as server:
        print(
            f"{options.bundle}, packets of {options.packet_ms:g} ms, {options.fps:g} fps; {server.mib():.0f} MiB idle"
        )
        gc.freeze()
        if options.only in (None, "latency"):
            latency(server, script, options)
        if options.only in (None, "ramp"):
            ramp(server, script, options)
        if options.soak:
            soak(server, script, options)
        if options.churn:
            churn(server, script, sound[: RATE_HZ // 5], options)


if __name__ == "__main__":
    main()
