"""How much of something may come: some at once, then so much a second."""

from __future__ import annotations

from collections import OrderedDict

_MOST_CALLERS = 4096


class Bucket:
    """Fills with `rate` a second up to `size`; what is taken beyond that must wait.

    Args:
        rate: a second. size: at once. now: any clock in seconds.
    """

    __slots__ = ("_at", "_left", "rate", "size")

    def __init__(self, rate: float, size: float, now: float) -> None:
        self.rate, self.size = rate, size
        self._left, self._at = size, now

    def left(self, now: float) -> float:
        """What may be taken now; negative where more was taken than was there."""
        self._left = min(self.size, self._left + (now - self._at) * self.rate)
        self._at = now
        return self._left

    def take(self, amount: float, now: float) -> float:
        """Take it all the same. Returns: seconds until the bucket is no longer overdrawn, 0 if it is not."""
        self._left = self.left(now) - amount
        return max(0.0, -self._left / self.rate)


class Callers:
    """A bucket for every address that calls; those that have not called for longest are forgotten.

    Args:
        rate: calls a second; 0: as many as they like. size: at once.
    """

    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size = rate, size
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """How long this caller must wait; 0: come in, and the call is counted."""
        if not self._rate:
            return 0.0
        bucket = self._buckets.setdefault(address, Bucket(self._rate, self._size, now))
        self._buckets.move_to_end(address)
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        missing = 1 - bucket.left(now)
        return missing / self._rate if missing > 0 else bucket.take(1, now)


def network_of(address: str) -> str:
    """Whom a call is counted for: an IPv4 address, or the /64 network that one caller with IPv6 has for itself."""
    if ":" not in address:
        return address
    from ipaddress import IPv6Address

    return str(IPv6Address(int(IPv6Address(address.partition("%")[0])) >> 64 << 64))
