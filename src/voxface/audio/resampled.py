"""A recording at another rate, computed where it is read: half an hour at 88.2 kHz would be 635 MB."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from voxface.audio.resample import Resampler
from voxface.stream import Array

_HELD = 1 << 23  # samples, 95 s at 88.2 kHz: of a shorter recording all is computed once, since it is read twice


class Resampled:
    """A whole recording as (m,) float32 samples at rate_out, of which neighbours may be read: `sound[first:last]`.

    Sample k stands at second k / rate_out of the recording's clock, as a Resampler gives it, to 1e-6.

    Args: blocks: (n,) float32 samples at rate_in, one after the other; they are kept.
    """

    def __init__(self, blocks: Iterable[Array], rate_in: int, rate_out: int) -> None:
        self._resampler = Resampler(rate_in, rate_out)
        self._blocks = [np.asarray(block, np.float32) for block in blocks if len(block)]
        self._begins = np.cumsum([0, *map(len, self._blocks)]).tolist()
        self._count = self._resampler.count(self._begins[-1])
        self._held = self._read(0, self._count) if self._count <= _HELD else None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, part: slice) -> Array:
        start, stop, _ = part.indices(self._count)
        return self._read(start, stop) if self._held is None else self._held[start:stop]

    def _read(self, start: int, stop: int) -> Array:
        if stop <= start:
            return np.zeros(0, np.float32)
        first, last = self._resampler.reach(start, stop)
        return self._resampler.part(self._heard(first, last), first, start, stop)

    def _heard(self, first: int, last: int) -> Array:
        """Samples first ... last - 1 of the recording; outside it is silence."""
        heard = np.zeros(last - first, np.float32)
        number = max(0, int(np.searchsorted(self._begins, first, "right")) - 1)
        while number < len(self._blocks) and self._begins[number] < last:
            begin, block = self._begins[number], self._blocks[number]
            low, high = max(first, begin), min(last, begin + len(block))
            heard[low - first : high - first] = block[low - begin : high - begin]
            number += 1
        return heard
