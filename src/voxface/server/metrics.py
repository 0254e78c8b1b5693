"""The server's numbers, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_DELAYS_S = (0.002, 0.005, 0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Metrics:
    """Counters of one server; `text` is the answer to /metrics."""

    def __init__(self, open_sessions: Callable[[], int]) -> None:
        self._all = CollectorRegistry()
        ProcessCollector(registry=self._all)  # memory, processor time, open files
        Gauge("voxface_sessions_open", "WebSocket sessions.", registry=self._all).set_function(open_sessions)
        self.sessions = Counter("voxface_sessions", "Sessions that were opened.", registry=self._all)
        self.frames = Counter("voxface_frames", "Frames sent in sessions that have ended.", registry=self._all)
        self.dropped = Counter(
            "voxface_frames_dropped", "Frames that clients did not take in time.", registry=self._all
        )
        self.bytes_in = Counter("voxface_sound_bytes", "Sound that came through WebSockets.", registry=self._all)
        self.bytes_out = Counter("voxface_sent_bytes", "What was sent through WebSockets.", registry=self._all)
        self.errors = Counter("voxface_errors", "Errors that callers were told.", ["code"], registry=self._all)
        self.requests = Counter("voxface_requests", "HTTP requests.", ["status"], registry=self._all)
        self.delay = Histogram(
            "voxface_frame_delay_seconds", "How late frames were sent, after their sound.", registry=self._all,
            buckets=_DELAYS_S,
        )  # fmt: skip

    def text(self) -> bytes:
        return generate_latest(self._all)
