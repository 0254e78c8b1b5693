"""All predictors on one group of clips: the bundle beside its baselines, and where it loses to them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from voxface.evaluation.metrics import Mean
from voxface.evaluation.scores import ClipScores, Scores
from voxface.stream import Array

TRUTH = "truth"
"""The row of the truth itself: what the metrics say about the captured face, or the curves of synthetic speech, that
everything is compared with."""

_Number = Callable[[Scores], float | None]

COMPARED: tuple[tuple[str, _Number, str], ...] = (
    ("lip-gap r", lambda s: s.r.value, "high"),
    ("lip-gap r in speech", lambda s: s.speech_r.value, "high"),
    ("mouth r", lambda s: s.mouth_r.value, "high"),
    ("mouth MAE", lambda s: s.mouth_mae.value, "low"),
    ("overall r", lambda s: s.all_r.value, "high"),
    ("overall MAE", lambda s: s.all_mae.value, "low"),
    ("|lag|", lambda s: None if s.lag_ms is None else abs(s.lag_ms), "low"),
    ("jitter", lambda s: s.jitter, "one"),
    ("range", lambda s: s.range_ratio, "one"),
    ("opening in silence", lambda s: s.silence, "low"),
    ("closure recall minus false rate", lambda s: s.closures.margin, "high"),
    ("closure AUC", lambda s: s.closures.auc.value, "high"),
)
"""What is compared with the baselines: name, number, and whether high, low or near one is good."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One clip for the eye. All (rows,) at 100 Hz but samples (n,) at 16 kHz; gaps in the rig's units.

    scores:    of the judged predictor
    captured:  the true gap on the rig's scale, which counts only where `valid`
    predicted: by the judged predictor
    closed_s:  where p b m are known to be, in seconds
    faces:     captured and predicted weights, (rows, 52) each, of the clips that are kept to be looked at (kept.py)
    """

    scores: ClipScores
    samples: Array
    captured: Array
    valid: Array
    predicted: Array
    closed_s: tuple[float, ...] = ()
    faces: tuple[Array, Array] | None = None

    @property
    def name(self) -> str:
        """Of the clip."""
        return self.scores.name


@dataclass(frozen=True, slots=True)
class Loss:
    """Where the judged predictor is worse than a baseline."""

    measure: str
    baseline: str
    own: float
    other: float


@dataclass(frozen=True, slots=True)
class GroupReport:
    """All predictors on one group of clips; the first is the one that is judged, the last the truth.

    synthetic: the clips are synthetic speech, and their truth are the curves of its phones
    curves:    one per clip, for the eye
    """

    name: str
    clips: int
    seconds: float
    rows: tuple[Scores, ...]
    curves: tuple[Curve, ...] = ()
    synthetic: bool = False

    @property
    def judged(self) -> Scores:
        """The bundle, where there is one."""
        return self.rows[0]

    @property
    def baselines(self) -> tuple[Scores, ...]:
        """What the judged predictor must beat."""
        return tuple(row for row in self.rows[1:] if row.predictor != TRUTH)

    def losses(self) -> tuple[Loss, ...]:
        """Every measure in which a baseline is better, on this group."""
        found = []
        for measure, number, good in COMPARED:
            own = number(self.judged)
            for other in self.baselines:
                value = number(other)
                if own is not None and value is not None and _badness(own, good) > _badness(value, good):
                    found.append(Loss(measure, other.predictor, own, value))
        return tuple(found)

    def margin(self, baseline: str, speech: bool = False) -> Mean:
        """Lip-gap r of the judged predictor minus that of a baseline, clip by clip; mean and standard error."""
        other = next(row for row in self.baselines if row.predictor == baseline)
        pairs = [_pair(a, b, speech) for a, b in zip(self.judged.clips, other.clips, strict=True)]
        return Mean.of([None if own is None or base is None else own - base for own, base in pairs])


def _pair(own: ClipScores, other: ClipScores, speech: bool) -> tuple[float | None, float | None]:
    return (own.speech_r, other.speech_r) if speech else (own.r, other.r)


def _badness(value: float, good: str) -> float:
    if good == "one":
        return abs(math.log(value)) if value > 0 else math.inf
    return value if good == "low" else -value
