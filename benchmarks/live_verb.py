"""How evenly `voxface live` sends: a recording in real time to a Live Link receiver in another process.

    taskset -c 1 python -m benchmarks.live_verb [--sound ../shared/data/speech/jfk.flac] [--runs 3] [--core 0]

"late" is how long after their declared moment (the audio clock's second, the declared latency, the playout buffer) the
frames were handed to the output, by the sender's own count. "between packets" is what the receiver sees. "sleeping" is
how late a bare loop wakes that does nothing but sleep until 60 moments a second, on the same core at the same time:
what the machine itself is late by. "differs" compares weights with `voxface animate`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from voxface.face.rig import ARKIT, LIVELINK_UDP
from voxface.live import livelink
from voxface.live.clock import Lateness
from voxface.live.udp import Receiver
from voxface.runtime.animate import animate

NAMES = [name for name in LIVELINK_UDP if name in ARKIT and name != "mouthClose"]


def sleeping(core: int, line: Connection) -> None:
    """Tell, once asked, how late the machine wakes a process that only sleeps. Run in a process of its own."""
    os.sched_setaffinity(0, {core})
    lateness, begin_s, turn = Lateness(), time.monotonic(), 0
    while not line.poll():
        turn += 1
        due_s = begin_s + turn / 60
        time.sleep(max(0.0, due_s - time.monotonic()))
        lateness.add(time.monotonic() - due_s)
    line.send(lateness.summary())


def sent(sound: str, core: int) -> tuple[dict[str, Any], np.ndarray, list[livelink.Packet]]:
    """(the sender's summary, moments at which packets came, the packets)."""
    moments, packets = [], list[livelink.Packet]()
    with Receiver(livelink.decode) as receiver:
        command = [sys.executable, "-m", "voxface.cli.main", "live", "-i", sound, "--json",
                   "--to", f"livelink://127.0.0.1:{receiver.port}"]  # fmt: skip
        with subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.PIPE) as program:
            assert program.stdout
            while (packet := receiver.receive(0.2)) is not None or program.poll() is None:
                if packet is not None:
                    moments.append(time.monotonic())
                    packets.append(packet)
            return json.loads(program.stdout.read()), np.array(moments), packets


def largest_difference(sound: str, packets: list[livelink.Packet]) -> float:
    """Between what was received and `voxface animate`, frame by frame of the timecode.

    The first packet shows a face at rest, and so do some at the end; which frame the second is (0 where none was
    skipped) is found by trying.
    """
    clip = animate(sound, bundle="live", threads=1)
    expected = np.clip(clip.weights[:, [ARKIT.index(name) for name in NAMES]], 0, 1)
    numbers = np.array([packet.moment.frame for packet in packets[1:]]) - packets[1].moment.frame
    found = np.array([[packet.values[LIVELINK_UDP.index(name)] for name in NAMES] for packet in packets[1:]])
    return min(_difference(expected, numbers + first, found) for first in range(20))


def _difference(expected: np.ndarray, numbers: np.ndarray, found: np.ndarray) -> float:
    inside = numbers < len(expected)
    return float(np.abs(found[inside] - expected[numbers[inside]]).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sound", default=str(Path("../shared/data/speech/jfk.flac")))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--core", type=int, default=0)
    options = parser.parse_args()
    print("| load | frames | skipped | late p50 ms | p95 | p99 | most | sleeping p50 | p99 | most "
          "| between packets p50 | p99 | most | differs |")  # fmt: skip
    print("|" + "---|" * 14)
    for _ in range(options.runs):
        line, other_end = Pipe()
        beside = Process(target=sleeping, args=(options.core, other_end), daemon=True)
        beside.start()
        summary, moments, packets = sent(options.sound, options.core)
        line.send("enough")
        bare = line.recv()
        late = summary["late_ms"]
        gaps = 1000 * np.diff(moments[2:-1])  # not the face at rest before and after
        load = os.getloadavg()[0]
        numbers = [late[name] for name in ("p50", "p95", "p99", "most")]
        numbers += [bare["p50"], bare["p99"], bare["most"]]
        numbers += [np.percentile(gaps, 50), np.percentile(gaps, 99), gaps.max()]
        print(f"| {load:.1f} | {summary['frames']} | {summary['skipped']} | "
              + " | ".join(f"{number:.1f}" for number in numbers)
              + f" | {largest_difference(options.sound, packets):.1e} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
