"""Faces that arrive now: Live Link packets on a UDP port, for the page, with how evenly and how late they came."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxface.errors import UsageError
from voxface.export.livelink_csv import HEAD_SIGNS
from voxface.export.livelink_timecode import DAY_S
from voxface.face.axes import quaternion_from_euler
from voxface.face.rig import ARKIT, LIVELINK_ANGLES, LIVELINK_UDP, columns
from voxface.live.livelink import Packet, decode
from voxface.live.udp import Receiver

WATCHED_S = 5.0
"""How far back the numbers look."""

TOLD_S, ALIVE_S = 0.25, 1.0
_KEPT = 4  # frames that a slow page may lag behind; older ones nobody would see
_SAME_CLOCK_S = 10.0  # an age beyond this says that the sender's clock is another one, not that the frame is old
_PORT = 11111
_FACE = columns(LIVELINK_UDP, ARKIT, "the page")
_HEAD = columns(LIVELINK_UDP, LIVELINK_ANGLES[:3], "the page")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet and when it came: seconds of a clock that only runs on, and the time of day by which it is judged."""

    number: int
    arrived_s: float
    age_s: float
    packet: Packet


class LiveFeed:
    """Listens for Live Link packets in a thread of its own; use it in a `with` statement.

    Args:
        where: PORT, HOST:PORT or livelink://HOST:PORT; only this machine may send without a HOST.
        time_of_day_s: seconds since midnight, of this machine.
    Raises: UsageError: it is no such place. OutputError: the port is in use, or not ours to take.
    """

    def __init__(self, where: str, time_of_day_s: Callable[[], float] | None = None) -> None:
        self.host, port = _place(where)
        self._time_of_day_s = time_of_day_s or _local_time_of_day_s
        self._receiver = Receiver(decode, self.host, port)
        self.port = self._receiver.port
        self.where = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        self._change = threading.Condition()
        self._arrivals: deque[Arrival] = deque()
        self._count, self._over = 0, False
        self._thread = threading.Thread(target=self._listen, name="voxface-view-live", daemon=True)
        self._thread.start()

    def __enter__(self) -> LiveFeed:
        return self

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._over = True
            self._change.notify_all()
        self._thread.join()
        self._receiver.close()

    def info(self) -> dict[str, Any]:
        """What the page needs to know, for JSON."""
        return {"where": self.where, "channels": list(ARKIT)}

    def events(self) -> Iterator[str]:
        """Server-sent events for one page: "frame" as they come, "timing" four times a second, and at least one event
        per second, so that a page that left is noticed. Ends with the feed."""
        seen, told_s = self._count, -ALIVE_S
        while not self._over:
            if (now_s := time.monotonic()) - told_s >= TOLD_S:
                told_s = now_s
                yield _event("timing", self.timing(now_s))
            with self._change:
                if self._count == seen and not self._over:
                    self._change.wait(ALIVE_S)
                fresh = [one for one in list(self._arrivals)[-_KEPT:] if one.number > seen]
                seen = self._count
            if fresh:
                yield "".join(_event("frame", frame(one)) for one in fresh)

    def timing(self, now_s: float) -> dict[str, Any]:
        """How the packets of the last WATCHED_S came, for JSON.

        frames: since the start · fps: as they come · jitter_ms: so much later than by an even clock come 95 of 100 ·
        lost: frames whose numbers never came · age_ms: between timecode and arrival, the middle of all, or None where
        sender and receiver have different clocks · subject: the sender's name
        """
        with self._change:
            known = [one for one in self._arrivals if now_s - one.arrived_s <= WATCHED_S]
        said: dict[str, Any] = {"frames": self._count, "ignored": self._receiver.ignored}
        said |= {"fps": 0.0, "jitter_ms": None, "lost": 0, "age_ms": None}
        if len(known) < 2:
            return said
        came = np.array([one.arrived_s for one in known])
        frames = np.array([one.packet.moment.frame for one in known])
        rate = float(known[-1].packet.moment.rate)
        apart = came - (frames + [one.packet.moment.sub_frame for one in known]) / rate
        steps = np.diff(frames)
        age_s = float(np.median([one.age_s for one in known]))
        return said | {
            "subject": known[-1].packet.subject,
            "fps": round((len(known) - 1) / max(came[-1] - came[0], 1e-6), 1),
            "jitter_ms": round(float(np.percentile(apart, 95) - apart.min()) * 1000, 1),
            "lost": int((steps[(steps > 1) & (steps < 2 * rate)] - 1).sum()),
            "age_ms": round(age_s * 1000, 1) if abs(age_s) < _SAME_CLOCK_S else None,
        }

    def _listen(self) -> None:
        while not self._over:
            packet = self._receiver.receive(0.1)
            if packet is None:
                continue
            now_s, moment = time.monotonic(), packet.moment
            sent_s = (moment.frame + moment.sub_frame) / float(moment.rate)
            age_s = (self._time_of_day_s() - sent_s + DAY_S / 2) % DAY_S - DAY_S / 2
            with self._change:
                self._count += 1
                self._arrivals.append(Arrival(self._count, now_s, age_s, packet))
                while now_s - self._arrivals[0].arrived_s > WATCHED_S:
                    self._arrivals.popleft()
                self._change.notify_all()


def frame(one: Arrival) -> dict[str, Any]:
    """A packet for the page: weights over ARKIT and the head's turn (SPEC C4), or None where no face was found."""
    values = one.packet.values
    if values is None:
        return {"n": one.number, "weights": None, "head": None}
    head = quaternion_from_euler(values[_HEAD] * HEAD_SIGNS)
    weights = [round(float(weight), 4) for weight in np.clip(values[_FACE], 0, 1)]
    return {"n": one.number, "weights": weights, "head": [0, 0, 0, *(round(float(part), 5) for part in head)]}


def _event(kind: str, value: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(value, allow_nan=False)}\n\n"


def _place(where: str) -> tuple[str, int]:
    """Host and port of `--live`."""
    host, _, port = where.removeprefix("livelink://").rstrip("/").rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        hint = f"Write a port, as --live {_PORT}, or an address and a port, as --live 0.0.0.0:{_PORT}."
        raise UsageError(f"--live {where}: no place to listen at.", hint=hint)
    return host.strip("[]") or "127.0.0.1", int(port)


def _local_time_of_day_s() -> float:
    now = time.time()
    local = time.localtime(now)
    return local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec + now % 1
