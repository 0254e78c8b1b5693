"""`voxface doctor --to` and `--from`: is a receiver reached, and what arrives at one."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from voxface.cli.output import Output
from voxface.errors import OutputError, UsageError
from voxface.live.outputs import OUTPUTS, open_output, parse_target
from voxface.live.pattern import TOLD, pattern
from voxface.live.udp import Receiver

FPS = 60.0


def send_pattern(out: Output, url: str, seconds: float) -> None:
    """Send the test pattern and say what to look for.

    Raises: OutputError: most of it did not arrive. UsageError: the address is wrong.
    """
    kind = OUTPUTS[parse_target(url).scheme]
    output = open_output(url, FPS)
    try:
        out.say(f"For {seconds:g} s a test pattern goes to {url} ({kind.what}). It shows:")
        for line in TOLD:
            out.say(f"  - {line}")
        start_s = time.monotonic()
        for frame in pattern(FPS, seconds):
            time.sleep(max(0.0, start_s + frame.time_s - time.monotonic()))
            output.send(frame)
    finally:
        output.rest()
        output.close()
    lines = [f"frames sent: {output.sent}, lost: {output.dropped}.", *(f"  - {line}" for line in kind.look_for)]
    text = "\n".join(lines)
    if url == "jsonl:-":  # standard output belongs to the frames
        out.say(text)
    out.result(
        "" if url == "jsonl:-" else text,
        url=url,
        sent=output.sent,
        dropped=output.dropped,
        look_for=list(kind.look_for),
    )
    if output.dropped > output.sent:
        raise OutputError(f"{url}: most frames did not arrive.", hint=" ".join(kind.look_for[:1]), source=url)


def listen(out: Output, url: str, seconds: float) -> None:
    """Play the receiver, and say what came and how evenly.

    Raises: UsageError: this kind of output has no packets to listen for. OutputError: the port is in use.
    """
    target = parse_target(url)
    decode = OUTPUTS[target.scheme].decode
    if decode is None:
        names = ", ".join(name for name, kind in OUTPUTS.items() if kind.decode)
        raise UsageError(f"{url}: nothing to listen for.", hint=f"Listen for one of {names}.", source=url)
    arrivals, last = [], None
    with Receiver(decode, target.host or "127.0.0.1", target.port) as receiver:
        out.say(f"Listening at {url} for {seconds:g} s.")
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            found = receiver.receive(left_s)
            if found is not None:
                arrivals.append(time.monotonic())
                last = found
    gaps = _gaps(arrivals)
    text = f"{len(arrivals)} packets, {receiver.ignored} ignored."
    if gaps:
        text += " Milliseconds between them: " + ", ".join(f"{name} {value:.1f}" for name, value in gaps.items()) + "."
    if last is not None:
        text += f"\nThe last one: {last}"
    out.result(text, packets=len(arrivals), ignored=receiver.ignored, gaps_ms=gaps, why_ignored=receiver.last_ignored)


def _gaps(arrivals: list[float]) -> dict[str, Any]:
    """Milliseconds between packets: middle, 95th, 99th percentile, longest."""
    if len(arrivals) < 2:
        return {}
    gaps = np.diff(arrivals) * 1000
    found = {"p50": 50, "p95": 95, "p99": 99, "most": 100}
    return {name: round(float(np.percentile(gaps, share)), 2) for name, share in found.items()}


def check_seconds(seconds: float) -> None:
    """Raises: UsageError: not a time between a frame and a day."""
    if not (math.isfinite(seconds) and 0.02 <= seconds <= 86_400):
        raise UsageError(f"--seconds must be 0.02 to 86400; got {seconds}.")
