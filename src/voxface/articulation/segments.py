"""An utterance laid out for arithmetic: one segment per target, silence filled in, no gaps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voxface.articulation.phones import SILENCE, VOWELS, Phone
from voxface.articulation.table import Pauses, Table, target_names
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments in the order of time; they cover every row.

    target:    (n,) int64, column of table.target_names; silence has the column behind the last
    full_from, full_to: (n,) seconds between which the target has its full say
    strength:  by group: (n,) dominance
    stress:    by group: (n,) factor on the target
    """

    target: Array
    full_from: Array
    full_to: Array
    strength: Mapping[str, Array]
    stress: Mapping[str, Array]

    def near(self, rows: range, reach: float) -> tuple[Array, Array]:
        """Pairs (row, segment) that lie within `reach` seconds of each other: two (pairs,) int64."""
        first = np.ceil((self.full_from - reach) * ROW_RATE_HZ).clip(rows.start, rows.stop).astype(np.int64)
        last = np.floor((self.full_to + reach) * ROW_RATE_HZ + 1).clip(rows.start, rows.stop).astype(np.int64)
        count = np.maximum(last - first, 0)
        segment = np.repeat(np.arange(len(count)), count)
        ends = np.cumsum(count)
        row = np.arange(len(segment)) - np.repeat(ends - count, count) + np.repeat(first, count)
        return row, segment


def segments(phones: Sequence[Phone], rows: int, table: Table) -> Segments:
    """Lay out an utterance. Times may overlap: both phones then have their say."""
    spoken = list(_filled(phones, rows / ROW_RATE_HZ))
    names = {name: column for column, name in enumerate(table.target_names)}
    target, span, owner = [], [], []
    for i, phone in enumerate(spoken):
        sound = table.sound(phone.symbol)
        own = [len(names)] if phone.symbol == SILENCE else [names[name] for name in target_names(sound)]
        turn = phone.start_s + table.timing.turn * (phone.end_s - phone.start_s)
        cuts = [phone.start_s, *([turn] if len(own) == 2 else []), phone.end_s]
        target += own
        span += list(itertools.pairwise(cuts))
        owner += [i] * len(own)
    start, end = np.array(span, np.float64).reshape(-1, 2).T
    edge = np.minimum(table.timing.edge, table.timing.edge_share * (end - start))
    strength = {
        group.name: np.array([_strength(spoken[i], table, group.name, group.strength) for i in owner])
        for group in table.groups
    }
    stress = {
        group.name: np.array([group.stress[spoken[i].stress] if spoken[i].symbol in VOWELS else 1.0 for i in owner])
        for group in table.groups
    }
    return Segments(np.array(target, np.int64), start + edge, end - edge, strength, stress)


def _strength(phone: Phone, table: Table, group: str, usual: float) -> float:
    if phone.symbol != SILENCE:
        return table.sound(phone.symbol).strength.get(group, usual)
    return pause_strength(phone.end_s - phone.start_s, table.pauses) * table.sound(SILENCE).strength.get(group, 1.0)


def pause_strength(seconds: float, pauses: Pauses) -> float:
    """Dominance of a silence: weak in a short one, where the mouth waits, full in a long one, where it rests."""
    share = (seconds - pauses.short) / (pauses.long - pauses.short)
    return pauses.weak + (1 - pauses.weak) * min(max(share, 0.0), 1.0)


def _filled(phones: Sequence[Phone], end_s: float) -> Iterator[Phone]:
    """The phones by their start, with silence where there is none, a second of it before the first and after the last;
    silences that touch are one."""
    at, silent_from = -1.0, -1.0
    for phone in sorted(phones, key=lambda phone: phone.start_s):
        if phone.symbol == SILENCE:
            continue
        if phone.start_s > at + 1e-9:
            yield Phone(SILENCE, silent_from, phone.start_s)
        yield phone
        at = silent_from = max(at, phone.end_s)
    yield Phone(SILENCE, silent_from, max(at, end_s) + 1.0)
