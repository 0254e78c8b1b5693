"""The numbers of one predictor on one group of clips (SPEC C5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError
from voxface.evaluation.events import Events
from voxface.evaluation.metrics import (
    Mean,
    best_lag_ms,
    closed_near,
    lag_curve,
    opening,
    pearson,
    ratio,
    spread,
    third_difference,
)
from voxface.evaluation.predictor import Prediction
from voxface.face.rig import ARKIT, MOUTH
from voxface.stream import Array

MOVES = 0.005
"""A captured channel whose standard deviation over a clip is below this does not move there: its r would be noise."""

_MOUTH = np.array([name in MOUTH for name in ARKIT])


@dataclass(frozen=True, slots=True)
class ClipScores:
    """What one clip adds to the numbers of a group. None: the clip cannot judge this.

    r, speech_r:  of the lip gap, over all valid rows and over those of speech
    lags:         r of the lip gap at lags of -200...+200 ms
    mae, channel_r: (52,) per channel against the calibrated captured weights; NaN where not observed or not moving
    jitter:       mean |third difference| of the mouth channels: prediction, truth
    ranges:       95th - 5th percentile of the lip gap: prediction, truth
    silence:      sum of max(gap, 0) over valid rows without speech, and how many those are
    closed, open: (events at which the lips were closed, events judged) for p b m, and for vowels k t s d sh
    """

    name: str
    r: float | None
    speech_r: float | None
    lags: tuple[float | None, ...]
    mae: Array
    channel_r: Array
    jitter: tuple[float, float] | None
    ranges: tuple[float, float] | None
    silence: tuple[float, int]
    closed: tuple[int, int]
    open: tuple[int, int]


def score_clip(recording: Recording, prediction: Prediction, events: Events | None = None) -> ClipScores:
    """Compare one prediction with one recording.

    Raises: DatasetError: they differ in length.
    """
    if len(prediction) != recording.rows:
        raise DatasetError(
            f"recording {recording.name!r} has {recording.rows} rows, the prediction {len(prediction)}; "
            "a predictor must give one row per 10 ms of sound."
        )
    valid, speech, events = recording.valid, speech_rows(recording), events or Events()
    target = recording.rig_gap_target()
    mae, channel_r = _channels(recording, prediction)
    return ClipScores(
        name=recording.name,
        r=pearson(prediction.gap[valid], recording.gap[valid]),
        speech_r=pearson(prediction.gap[valid & speech], recording.gap[valid & speech]),
        lags=tuple(lag_curve(prediction.gap, recording.gap, valid)),
        mae=mae,
        channel_r=channel_r,
        jitter=_jitter(recording, prediction),
        ranges=(spread(prediction.gap[valid]), spread(target[valid])) if valid.any() else None,
        silence=opening(prediction.gap, valid & ~speech),
        closed=closed_near(prediction.gap, valid, events.closed),
        open=closed_near(prediction.gap, valid, events.open),
    )


def speech_rows(recording: Recording) -> Array:
    """(rows,) bool: the 50 ms RMS around the row is within 25 dB of the clip's loudest (SPEC C5)."""
    found: Array = relative_level_db(recording.samples) >= -SPEECH_DB
    return found


def _channels(recording: Recording, prediction: Prediction) -> tuple[Array, Array]:
    truth, own = recording.calibrated()[recording.valid], prediction.weights[recording.valid]
    mae, r = np.full(len(ARKIT), np.nan), np.full(len(ARKIT), np.nan)
    if len(truth):
        mae = np.where(recording.observed, np.abs(own - truth).mean(axis=0, dtype=np.float64), np.nan)
        for i in np.flatnonzero(recording.observed & (truth.std(axis=0) >= MOVES)):
            r[i] = pearson(own[:, i], truth[:, i])
    return mae, r


def _jitter(recording: Recording, prediction: Prediction) -> tuple[float, float] | None:
    mouth = _MOUTH & recording.observed
    own = third_difference(prediction.weights[:, mouth], recording.valid)
    truth = third_difference(recording.calibrated()[:, mouth], recording.valid)
    return None if own is None or truth is None else (own, truth)


@dataclass(frozen=True, slots=True)
class Scores:
    """One predictor on one group. None: no clip of the group could judge this.

    r, speech_r:  lip gap against the measured one: Pearson r per clip, mean and standard error over clips
    mouth_r, mouth_mae: calibrated captured weights of the mouth channels, averaged per clip, then over clips
    all_r, all_mae: the same over every observed channel
    lag_ms:       where r is highest on average; positive: the prediction is late
    jitter:       mean |third difference| of the mouth channels, over the truth's
    range_ratio:  5-95 % range of the lip gap, over the truth's
    silence:      mean of max(lip gap, 0) where nobody speaks
    recall, false_rate: share of events at which the lips close: p b m, and vowels k t s d sh
    judged:       how many events of either kind there were
    channel_r, channel_mae: by channel name
    """

    predictor: str
    clips: tuple[ClipScores, ...]
    r: Mean
    speech_r: Mean
    mouth_r: Mean
    mouth_mae: Mean
    all_r: Mean
    all_mae: Mean
    lag_ms: float | None
    jitter: float | None
    range_ratio: float | None
    silence: float | None
    recall: float | None
    false_rate: float | None
    judged: tuple[int, int]
    channel_r: Mapping[str, float | None]
    channel_mae: Mapping[str, float | None]

    @property
    def closure(self) -> float | None:
        """Recall minus false rate: 1 perfect, 0 what any face that never changes gets."""
        return None if self.recall is None or self.false_rate is None else self.recall - self.false_rate

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and names; None where something is unknown."""
        means = ("r", "speech_r", "mouth_r", "mouth_mae", "all_r", "all_mae")
        single = ("lag_ms", "jitter", "range_ratio", "silence", "recall", "false_rate")
        return {
            "predictor": self.predictor,
            **{name: _mean_json(getattr(self, name)) for name in means},
            **{name: _rounded(getattr(self, name)) for name in single},
            "closures_judged": self.judged[0],
            "open_judged": self.judged[1],
            "channels": {
                name: {"r": _rounded(self.channel_r[name]), "mae": _rounded(self.channel_mae[name])}
                for name in self.channel_r
            },
            "clips": {clip.name: {"r": _rounded(clip.r), "speech_r": _rounded(clip.speech_r)} for clip in self.clips},
        }


def gather(predictor: str, clips: Sequence[ClipScores]) -> Scores:
    """The numbers of a group from those of its clips."""
    mae, r = np.array([clip.mae for clip in clips]), np.array([clip.channel_r for clip in clips])
    closed, apart = _events(clip.closed for clip in clips), _events(clip.open for clip in clips)
    total, rows = np.sum([clip.silence for clip in clips], axis=0) if clips else (0, 0)
    return Scores(
        predictor=predictor,
        clips=tuple(clips),
        r=Mean.of([clip.r for clip in clips]),
        speech_r=Mean.of([clip.speech_r for clip in clips]),
        mouth_r=Mean.of([_mean(clip.channel_r[_MOUTH]) for clip in clips]),
        mouth_mae=Mean.of([_mean(clip.mae[_MOUTH]) for clip in clips]),
        all_r=Mean.of([_mean(clip.channel_r) for clip in clips]),
        all_mae=Mean.of([_mean(clip.mae) for clip in clips]),
        lag_ms=best_lag_ms([clip.lags for clip in clips]),
        jitter=_over_truth(clips, lambda clip: clip.jitter),
        range_ratio=_over_truth(clips, lambda clip: clip.ranges),
        silence=ratio(float(total), float(rows)),
        recall=ratio(*closed),
        false_rate=ratio(*apart),
        judged=(closed[1], apart[1]),
        channel_r={name: _mean(r[:, i]) if len(r) else None for i, name in enumerate(ARKIT)},
        channel_mae={name: _mean(mae[:, i]) if len(mae) else None for i, name in enumerate(ARKIT)},
    )


def _events(pairs: Any) -> tuple[int, int]:
    hits, judged = 0, 0
    for hit, count in pairs:
        hits, judged = hits + hit, judged + count
    return hits, judged


def _over_truth(clips: Sequence[ClipScores], of: Callable[[ClipScores], tuple[float, float] | None]) -> float | None:
    """Sum of the prediction's over sum of the truth's, so that a clip in which little moves weighs little."""
    pairs = [pair for clip in clips if (pair := of(clip)) is not None]
    return ratio(sum(own for own, _ in pairs), sum(truth for _, truth in pairs))


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _mean_json(mean: Mean) -> dict[str, float | int | None]:
    return {"mean": _rounded(mean.value), "standard_error": _rounded(mean.error), "clips": mean.count}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
