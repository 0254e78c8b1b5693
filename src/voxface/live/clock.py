"""The clock of a sound that is heard right now, and how well frames keep to it."""

from __future__ import annotations

import math

import numpy as np

_WINDOW_S = 2.0  # the device is believed by its promptest block in so long
_SLEW = 0.002  # the clock is corrected by at most this share of the time, so that frames stay even
_JUMP_S = 0.25  # beyond this a device has begun anew, and the clock follows at once


class AudioClock:
    """Which second of a sound it is, on the machine's steady clock (time.monotonic).

    Second 0 is set once. Where a device gives or takes the sound, its own crystal is the truth (two of them differ by
    some 50 ms an hour): `observe` tells how far it is, and the clock follows it slowly. Blocks can only be late, never
    early, so what counts is the promptest of some seconds.
    """

    def __init__(self) -> None:
        self._zero_s = math.inf  # when second 0 was
        self._target_s = math.inf
        self._least_s = math.inf  # the promptest block of this window: when it says that second 0 was
        self._since_s = self._seen_s = 0.0

    @property
    def started(self) -> bool:
        return math.isfinite(self._zero_s)

    def start(self, at_s: float) -> None:
        """Second 0 is at `at_s`; only the first call counts."""
        if not self.started:
            self._zero_s = self._target_s = at_s
            self._since_s = self._seen_s = at_s

    def second(self, at_s: float) -> float:
        """Which second of the sound it is at a moment of the steady clock; -inf before the start."""
        return at_s - self._zero_s

    def moment(self, second: float) -> float:
        """When that second of the sound is; inf before the start."""
        return self._zero_s + second

    def jump(self, second: float, at_s: float) -> None:
        """It is `second` at `at_s`, whatever was before."""
        self._zero_s = self._target_s = self._least_s = at_s - second

    def observe(self, second: float, at_s: float) -> None:
        """A device says that at `at_s` the sound was at `second`. Called by one thread only."""
        zero_s = at_s - second
        self.start(zero_s)
        if abs(zero_s - self._zero_s) > _JUMP_S:
            self.jump(second, at_s)
        self._least_s = min(self._least_s, zero_s)
        if at_s - self._since_s >= _WINDOW_S:
            self._target_s, self._least_s, self._since_s = self._least_s, math.inf, at_s
        most_s = _SLEW * max(0.0, at_s - self._seen_s)
        self._zero_s += min(max(self._target_s - self._zero_s, -most_s), most_s)
        self._seen_s = at_s


class Lateness:
    """How long after its moment each frame went out, in constant memory: counts by tenths of a millisecond."""

    def __init__(self) -> None:
        self._counts = np.zeros(10_000, np.int64)
        self.most_ms = 0.0

    def add(self, seconds: float) -> None:
        ms = max(0.0, 1000 * seconds)
        self.most_ms = max(self.most_ms, ms)
        self._counts[min(len(self._counts) - 1, int(10 * ms))] += 1

    def summary(self) -> dict[str, float]:
        """Milliseconds: p50, p95, p99 and the longest; empty without frames."""
        total = np.cumsum(self._counts)
        if not total[-1]:
            return {}
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        found = {name: (1 + int(np.searchsorted(total, share * total[-1]))) / 10 for name, share in shares.items()}
        found = {name: min(ms, round(self.most_ms, 1)) for name, ms in found.items()}
        return found | {"most": round(self.most_ms, 1)}
