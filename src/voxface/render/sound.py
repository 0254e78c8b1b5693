"""A sound as it is drawn: the outline of its wave and its mel energies, in constant memory however long it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from voxface.audio.mel import FLOOR_DB, LogMel
from voxface.audio.resample import Resampler
from voxface.stream import Array, run
from voxface.timebase import ROW_HOP, SAMPLE_RATE_HZ

MOST_COLUMNS = 2400
"""About twice what a picture is wide; of longer sounds, several samples or rows make one column."""


@dataclass(frozen=True, slots=True, eq=False)
class SoundPicture:
    """What a picture shows of a sound between two moments.

    start_s: on the audio clock
    heard_s: how long it is heard from there
    wave:    (columns, 2) float32: lowest and highest sample of each stretch of `wave_s` seconds
    mel_db:  (columns, 80) float32: loudest row of each stretch of `mel_s` seconds, from 0 to 8 kHz; the first row is
             centred on the start
    """

    start_s: float
    heard_s: float
    wave: Array
    wave_s: float
    mel_db: Array
    mel_s: float


def sound_picture(blocks: Iterable[Array], rate_hz: int, first_s: float, last_s: float) -> SoundPicture:
    """Gather the sound between two moments; it may end before.

    Args:
        blocks: (n,) float32 samples each, from second 0.
        first_s, last_s: seconds, rising; before second 0 there is no sound.
    """
    first = max(round(first_s * SAMPLE_RATE_HZ), 0)
    last = max(round(last_s * SAMPLE_RATE_HZ), first)
    stretch = math.ceil(max(last - first, 1) / MOST_COLUMNS)
    wave = np.zeros((-(-(last - first) // stretch), 2), np.float32)
    mel = np.full((1 + (last - first) // ROW_HOP, LogMel().bands), FLOOR_DB, np.float32)
    group = math.ceil(len(mel) / MOST_COLUMNS)
    mel = mel[::group]
    at, row = 0, 0

    def outlined() -> Iterator[Array]:
        """The samples between the moments, on their way to the mels."""
        nonlocal at
        for block in _between(run(Resampler(rate_hz), iter(blocks)), first, last):
            column = (at + np.arange(len(block))) // stretch
            np.minimum.at(wave[:, 0], column, block)
            np.maximum.at(wave[:, 1], column, block)
            at += len(block)
            yield block

    for rows in run(LogMel(), outlined()):
        np.maximum.at(mel, (row + np.arange(len(rows))) // group, rows)
        row += len(rows)
    columns = [-(-at // stretch), -(-row // group) if at else 0]
    second = 1 / SAMPLE_RATE_HZ
    return SoundPicture(
        first * second, at * second, wave[: columns[0]], stretch * second, mel[: columns[1]], group * ROW_HOP * second
    )


def _between(blocks: Iterable[Array], first: int, last: int) -> Iterator[Array]:
    """Samples first to last of blocks that begin at 0; what comes later is not even read."""
    at = 0
    for block in blocks:
        wanted = block[max(0, first - at) : max(0, last - at)]
        at += len(block)
        if len(wanted):
            yield wanted
        if at >= last:
            return
