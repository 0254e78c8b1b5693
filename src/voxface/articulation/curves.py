"""Phones become curves: every articulator moves between the targets of the phones around it, then hard gestures.

Each phone pulls each articulator towards its target with a dominance that is full in the phone and fades before and
after it; the articulator is where the dominances balance:

    value(t) = sum_i D_i(t) T_i / sum_i D_i(t)

so a phone with a weak say takes the shape of its neighbours, and rounding begins before its vowel is heard.

Sources: M. M. Cohen, D. W. Massaro, "Modeling coarticulation in synthetic visual speech", Models and Techniques in
Computer Animation (1993): the dominance functions. A. Löfqvist, "Speech as audible gestures", Speech Production and
Speech Modelling (1990): segments as overlapping gestures with a rise and a fall per articulator. A. P. Benguerel,
H. A. Cowan, "Coarticulation of upper lip protrusion in French", Phonetica 30 (1974): rounding ahead of its vowel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxface.articulation.channels import ARTICULATED, places
from voxface.articulation.gestures import apply_gestures, envelopes
from voxface.articulation.phones import Phone
from voxface.articulation.segments import Segments, segments
from voxface.articulation.table import Group, Table, load_table
from voxface.errors import UsageError
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

__all__ = ["ARTICULATED", "LOUDNESS", "curves", "dominance", "smooth_curves"]

LOUDNESS = (0.8, 1.2)
"""The loudness factor lies in this range: soft speech opens the mouth a fifth less, loud speech a fifth more."""

_BLOCK = 6000  # rows worked on at a time: what is needed beside the answer does not grow with its length


def curves(
    phones: Sequence[Phone], rows: int, table: Table | None = None, *, loudness: float | Array | None = None
) -> Array:
    """The face of an utterance: (rows, 52) float32 in [0, 1], in the order of face.rig.ARKIT, row i at i / 100 s.

    Only ARTICULATED channels move; mouthClose never exceeds jawOpen; where nobody speaks the face rests at 0.

    Args:
        phones: in the order of time; what lies between them is silence.
        rows: how many rows of 10 ms to give.
        table: None is the one that comes with voxface.
        loudness: 1 is a normal voice; a number or (rows,), held within LOUDNESS.
    """
    table = table or load_table()
    factor = np.clip(np.asarray(1.0 if loudness is None else loudness, np.float64), *LOUDNESS)
    if factor.shape not in ((), (rows,)):
        raise UsageError(f"loudness must be a number or ({rows},); got {factor.shape}.")
    factor = np.broadcast_to(factor, rows)
    parts, reached = segments(phones, rows, table), envelopes(table.gestures, phones, rows)
    face = np.zeros((rows, len(ARKIT)), np.float32)
    for at in range(0, rows, _BLOCK):
        part = range(at, min(at + _BLOCK, rows))
        block = _smooth(parts, part, table, factor[at : part.stop])
        apply_gestures(block, table.gestures, reached[:, at : part.stop])
        face[at : part.stop] = np.clip(block, 0, 1)
    return face


def smooth_curves(phones: Sequence[Phone], rows: int, table: Table | None = None) -> Array:
    """`curves` without gestures and loudness: linear in the targets. (rows, 52) float64."""
    table = table or load_table()
    return _smooth(segments(phones, rows, table), range(rows), table, np.ones(rows))


def dominance(phones: Sequence[Phone], rows: int, table: Table, group: str) -> Array:
    """How much each target counts in each row: (rows, targets) float64, columns as table.target_names.

    `dominance(...) @ table.targets(group)` are the curves of the group's channels between gestures, so targets can be
    fitted to captures by least squares. A row sums to at most 1: silence and lack of stress take the rest.
    """
    return _shares(segments(phones, rows, table), range(rows), table.group(group), len(table.target_names))


def _smooth(parts: Segments, rows: range, table: Table, loudness: Array) -> Array:
    face = np.zeros((len(rows), len(ARKIT)))
    names = len(table.target_names)
    for group in table.groups:
        values = _shares(parts, rows, group, names) @ table.targets(group.name)
        values *= 1 + group.loudness * (loudness[:, None] - 1)
        for i, channel in enumerate(group.channels):
            face[:, places(channel)] = values[:, i : i + 1]
    return face


def _shares(parts: Segments, rows: range, group: Group, names: int) -> Array:
    """(rows, names): normalised dominance of every target, stress included."""
    row, part = parts.near(rows, group.reach)
    times = row / ROW_RATE_HZ
    row -= rows.start
    before = np.maximum(parts.full_from[part] - times, 0)
    after = np.maximum(times - parts.full_to[part], 0)
    pull = _fade(before, group.rise, group.reach) * _fade(after, group.fall, group.reach)
    pull *= parts.strength[group.name][part]
    total = np.bincount(row, pull, len(rows))
    share = pull * parts.stress[group.name][part] / total[row]
    target = parts.target[part]  # the last column gathers silence
    table = np.bincount(row * (names + 1) + target, share, len(rows) * (names + 1))
    return table.reshape(len(rows), names + 1)[:, :names]


def _fade(seconds: Array, rate: float, reach: float) -> Array:
    """exp(-rate * seconds), bent so that it is exactly 0 from `reach` seconds on; 1 at 0 seconds."""
    rest = np.exp(-rate * reach)
    faded: Array = (np.exp(-rate * np.minimum(seconds, reach)) - rest) / (1 - rest)
    return faded
