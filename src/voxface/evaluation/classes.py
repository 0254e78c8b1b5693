"""The numbers of a predictor by class of phone: what the mouth does at p b m, at f v, at rounded and other vowels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voxface.articulation.phones import CLOSURES, LABIODENTALS, PHONES, SILENCE, VOWELS, phone_rows
from voxface.dataset.recording import Recording
from voxface.evaluation.closures import closed_share, smallest_gaps
from voxface.evaluation.events import centre_s
from voxface.evaluation.metrics import Mean, channel_rs, clip_r, ratio
from voxface.evaluation.predictor import Prediction
from voxface.face.rig import ARKIT
from voxface.stream import Array

ROUNDED = ("ao", "ow", "oy", "uh", "uw", "ue", "oe", "w", "sh", "zh", "ch", "jh")
"""Vowels with rounded lips, w, and the sibilants that push the lips forward."""

PHONE_CLASSES: Mapping[str, tuple[str, ...]] = {
    "bilabials (p b m)": CLOSURES,
    "labiodentals (f v)": LABIODENTALS,
    "rounded (vowels, w, sh zh ch jh)": ROUNDED,
    "other vowels (spread, open)": tuple(phone for phone in VOWELS if phone not in ROUNDED),
    "other consonants": tuple(
        phone for phone in PHONES if phone not in (SILENCE, *CLOSURES, *LABIODENTALS, *ROUNDED, *VOWELS)
    ),
    "silence": (SILENCE,),
}
"""Every phone is in one class."""

LEAST_ROWS = 10
"""A clip with fewer rows of a class says nothing about r within it."""

_JAW = ARKIT.index("jawOpen")


@dataclass(frozen=True, slots=True, eq=False)
class ClipClass:
    """One class of phones in one clip.

    gap_r, jaw_r, mean_r: over the rows of these phones, of the lip gap, of jawOpen, and the mean over observed channels
    minima:       (phones,) the smallest gap within 20 ms of each centre
    opening, rows: sum of the lip gap over these rows, and how many they are
    """

    gap_r: float | None
    jaw_r: float | None
    mean_r: float | None
    minima: Array
    opening: float
    rows: int


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class of phones over a group. None: no clip could judge this.

    phones:       how many there were
    gap_r, jaw_r, mean_r: as in ClipClass, mean and standard error over clips
    closed:       share of the phones at whose centre, within 20 ms, the lip gap falls below 0.06
    opening:      mean lip gap
    """

    phones: int
    gap_r: Mean
    jaw_r: Mean
    mean_r: Mean
    closed: float | None
    opening: float | None


def clip_classes(recording: Recording, prediction: Prediction) -> dict[str, ClipClass]:
    """Every class of a clip by name; none where its phones are not known."""
    if not recording.phones:
        return {}
    spoken = phone_rows(recording.phones, recording.rows)
    return {name: _clip_class(recording, prediction, spoken, symbols) for name, symbols in PHONE_CLASSES.items()}


def _clip_class(recording: Recording, prediction: Prediction, spoken: Array, symbols: Sequence[str]) -> ClipClass:
    rows = recording.valid & np.isin(spoken, [PHONES.index(symbol) for symbol in symbols])
    own, truth = prediction.weights[rows], recording.calibrated()[rows]
    enough = len(own) >= LEAST_ROWS
    r = channel_rs(own, truth, recording.observed) if enough else np.full(len(ARKIT), np.nan)
    known = r[np.isfinite(r)]
    times = [centre_s(one) for one in recording.phones if one.symbol in symbols]
    return ClipClass(
        gap_r=clip_r(prediction.gap[rows], recording.gap[rows]) if enough else None,
        jaw_r=float(r[_JAW]) if np.isfinite(r[_JAW]) else None,
        mean_r=float(known.mean()) if len(known) else None,
        minima=smallest_gaps(prediction.gap, recording.valid, times),
        opening=float(prediction.gap[rows].sum(dtype=np.float64)),
        rows=int(rows.sum()),
    )


def gather_classes(clips: Sequence[Mapping[str, ClipClass]]) -> dict[str, ClassScores]:
    """The classes of a group from those of its clips; clips without known phones do not count."""
    known = [clip for clip in clips if clip]
    return {name: _gathered([clip[name] for clip in known]) for name in PHONE_CLASSES} if known else {}


def _gathered(clips: Sequence[ClipClass]) -> ClassScores:
    minima = np.concatenate([clip.minima for clip in clips])
    return ClassScores(
        phones=len(minima),
        gap_r=Mean.of([clip.gap_r for clip in clips]),
        jaw_r=Mean.of([clip.jaw_r for clip in clips]),
        mean_r=Mean.of([clip.mean_r for clip in clips]),
        closed=closed_share(minima),
        opening=ratio(sum(clip.opening for clip in clips), sum(clip.rows for clip in clips)),
    )
