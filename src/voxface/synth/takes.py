"""What fitting and judging the articulation table looks at: phones, and the mouth that was captured beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voxface.articulation.channels import places
from voxface.articulation.curves import curves
from voxface.articulation.phones import SILENCE, Phone
from voxface.articulation.table import Table
from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError, InputWarning
from voxface.face.compare import pearson
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

_JAW = ARKIT.index("jawOpen")
_NEAR_ROWS = 12  # around the centre of a p b m in which its smallest gap is looked for
_LEAST_CLOSURES = 20
_MOST_LAG_ROWS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One captured recording whose phones are known, at 100 rows a second.

    weights: (rows, 52) float32 calibrated capture
    gap:     (rows,) float32 measured lip gap on the scale of the calibrated rig's
    valid:   (rows,) bool, a face was seen
    speech:  (rows,) bool, the sound is within 25 dB of the recording's loudest
    """

    name: str
    phones: tuple[Phone, ...]
    weights: Array
    gap: Array
    valid: Array
    speech: Array

    @property
    def rows(self) -> int:
        """Rows of the recording."""
        return len(self.gap)

    @property
    def jaw(self) -> Array:
        """(rows,) captured jawOpen."""
        found: Array = self.weights[:, _JAW]
        return found


def read_takes(recordings: Iterable[Recording], phones: Mapping[str, tuple[Phone, ...]]) -> list[Take]:
    """The captured recordings whose phones are known; those without are left out, with one InputWarning (W-PHONES).

    Raises: DatasetError: none has phones and a face.
    """
    found, missing = [], []
    for one in recordings:
        if one.name in phones and one.valid.any():
            loud = relative_level_db(one.samples) > -SPEECH_DB
            found.append(
                Take(one.name, phones[one.name], one.calibrated(), one.rig_gap_target(), one.valid, loud)
            )  # fmt: skip
        else:
            missing.append(one.name)
    if not found:
        hint = "Make the phones of this very dataset first: voxface articulation align."
        raise DatasetError(f"none of {len(missing)} recordings has phones and a face.", hint=hint)
    if missing:
        text = f"{len(missing)} recordings have no phones or no face and are left out: {', '.join(missing[:5])}."
        warnings.warn(InputWarning("W-PHONES", text), stacklevel=2)
    return found


def capture_lag(takes: Sequence[Take], hold: Mapping[str, float]) -> int:
    """Rows by which the captured face comes after the sound: the median distance from the middle of a closure inside
    speech to the smallest gap within 120 ms. Trackers smooth over time, and so are late. 0 with fewer than 20 closures.

    Args:
        hold: by p b m, the share of the phone, from its start, in which the lips are closed.
    """
    found = []
    for take in takes:
        for before, phone in zip(take.phones, take.phones[1:], strict=False):
            if phone.symbol in hold and before.symbol != SILENCE:
                closed_s = hold[phone.symbol] * (phone.end_s - phone.start_s)
                middle = round((phone.start_s + closed_s / 2) * ROW_RATE_HZ)
                near = slice(middle - _NEAR_ROWS, middle + _NEAR_ROWS + 1)
                if near.start >= 0 and near.stop <= take.rows and take.valid[near].all():
                    found.append(_bottom(take.gap[near]) - _NEAR_ROWS)
    if len(found) < _LEAST_CLOSURES:
        return 0
    return int(np.clip(np.ceil(np.median(found) - 0.5), 0, _MOST_LAG_ROWS))  # in doubt the smaller


def _bottom(gap: Array) -> float:
    """The middle of the rows in which a gap is smallest, within a tenth of its range."""
    low, high = gap.min(), gap.max()
    return float(np.flatnonzero(gap <= low + 0.1 * (high - low)).mean())


def earlier(take: Take, rows: int) -> Take:
    """The same with its face moved earlier by some rows; the sound stays, the last rows are no longer valid."""
    if not rows:
        return take
    moved = {name: np.roll(getattr(take, name), -rows, axis=0) for name in ("weights", "gap", "valid")}
    moved["valid"][-rows:] = False
    return Take(take.name, take.phones, speech=take.speech, **moved)


@dataclass(frozen=True, slots=True)
class Oracle:
    """How well the curves of the true phones follow the captured mouth: Pearson's r, mean over takes and its standard
    error; of the lip gap and of other channels, over all rows and over speech."""

    table: str
    takes: int
    r: Mapping[str, tuple[float, float]]

    def __str__(self) -> str:
        return f"{self.table}: " + ", ".join(
            f"{name} {mean:.3f} ± {error:.3f}" for name, (mean, error) in self.r.items()
        )


JUDGED = ("jawOpen", "mouthPucker", "mouthSmile")
"""Channels that are judged beside the lip gap."""


def oracle(takes: Sequence[Take], table: Table, name: str) -> Oracle:
    """Judge a table on takes, all of which must have been captured at their true time or moved there (earlier)."""
    found = [_rs(take, curves(take.phones, take.rows, table)) for take in takes]
    r = {}
    for key in found[0]:
        values = np.array([one[key] for one in found])
        error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
        r[key] = (float(values.mean()), error)
    return Oracle(name, len(takes), r)


def _rs(take: Take, face: Array) -> dict[str, float]:
    pairs = {"lip gap": (rig_gap(face, ARKIT), take.gap)}
    pairs |= {name: (face[:, places(name)[0]], take.weights[:, places(name)].mean(axis=1)) for name in JUDGED}
    loud = take.valid & take.speech
    rows = {"": take.valid, " in speech": loud}
    return {name + where: pearson(a[some], b[some]) for name, (a, b) in pairs.items() for where, some in rows.items()}
