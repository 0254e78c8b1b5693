"""The numbers of one predictor on one group of clips (SPEC C5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError
from voxface.evaluation.classes import ClassScores, ClipClass, clip_classes, gather_classes
from voxface.evaluation.closures import Closures, Minima, closures, smallest_gaps
from voxface.evaluation.events import Events, phone_events
from voxface.evaluation.metrics import (
    Mean,
    best_lag,
    best_lag_ms,
    channel_rs,
    clip_r,
    lag_curve,
    opening,
    r_at_lag,
    ratio,
    spread,
    third_difference,
)
from voxface.evaluation.predictor import Prediction
from voxface.face.rig import ARKIT, MOUTH
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

_MOUTH = np.array([name in MOUTH for name in ARKIT])
_JAW = ARKIT.index("jawOpen")


@dataclass(frozen=True, slots=True)
class Aligned:
    """The lip gap of one clip at the lag at which this predictor does best, within +-200 ms.

    The lag is chosen by r over all valid rows; the r in speech is that at the same lag.
    lag_ms: positive: the prediction is late, the mouth leads the sound. None: nothing correlates
    """

    lag_ms: float | None
    r: float | None
    speech_r: float | None


@dataclass(frozen=True, slots=True)
class ClipScores:
    """What one clip adds to the numbers of a group. None: the clip cannot judge this.

    r, speech_r:  of the lip gap, over all valid rows and over those of speech
    lags:         r of the lip gap at lags of -200...+200 ms
    aligned:      r of the lip gap at the best of them
    mae, channel_r: (52,) per channel against the calibrated captured weights; NaN where not observed or not moving
    jitter:       mean |third difference| of the mouth channels: prediction, truth
    ranges:       95th - 5th percentile of the lip gap: prediction, truth
    silence:      sum of max(gap, 0) over valid rows without speech, and how many those are
    closures:     the smallest gap around each p b m, and around vowels k t s d sh
    classes:      by class of phone; empty where the phones are not known
    """

    name: str
    r: float | None
    speech_r: float | None
    lags: tuple[float | None, ...]
    aligned: Aligned
    mae: Array
    channel_r: Array
    jitter: tuple[float, float] | None
    ranges: tuple[float, float] | None
    silence: tuple[float, int]
    closures: Minima
    classes: Mapping[str, ClipClass]

    def to_json(self) -> dict[str, float | None]:
        """The lip gap alone, as plain numbers."""
        there = {"lag_ms": self.aligned.lag_ms, "aligned_r": self.aligned.r, "aligned_speech_r": self.aligned.speech_r}
        return {name: rounded(value) for name, value in {"r": self.r, "speech_r": self.speech_r, **there}.items()}


def score_clip(recording: Recording, prediction: Prediction, events: Events | None = None) -> ClipScores:
    """Compare one prediction with one recording.

    Args:
        events: where the lips must be closed or apart; None: as the phones of the recording say, if it has any.
    Raises: DatasetError: they differ in length.
    """
    if len(prediction) != recording.rows:
        raise DatasetError(
            f"recording {recording.name!r} has {recording.rows} rows, the prediction {len(prediction)}; "
            "a predictor must give one row per 10 ms of sound."
        )
    gap, valid, speech = prediction.gap, recording.valid, speech_rows(recording)
    target, events = recording.rig_gap_target(), events or phone_events(recording.phones)
    mae, channel_r = _channels(recording, prediction)
    lags = tuple(lag_curve(gap, recording.gap, valid))
    return ClipScores(
        name=recording.name,
        r=clip_r(gap[valid], recording.gap[valid]),
        speech_r=clip_r(gap[valid & speech], recording.gap[valid & speech]),
        lags=lags,
        aligned=_aligned(recording, gap, lags, speech),
        mae=mae,
        channel_r=channel_r,
        jitter=_jitter(recording, prediction),
        ranges=(spread(gap[valid]), spread(target[valid])) if valid.any() else None,
        silence=opening(gap, valid & ~speech),
        closures=Minima(smallest_gaps(gap, valid, events.closed), smallest_gaps(gap, valid, events.open)),
        classes=clip_classes(recording, prediction),
    )


def _aligned(recording: Recording, gap: Array, lags: Sequence[float | None], speech: Array) -> Aligned:
    """A predictor that nothing correlates with stays at lag 0."""
    found = best_lag(lags)
    lag = found or 0
    r = lags[lag + len(lags) // 2]
    speech_r = r_at_lag(gap, recording.gap, recording.valid, lag, speech)
    return Aligned(None if found is None else lag * 1000 / ROW_RATE_HZ, r, speech_r)


def speech_rows(recording: Recording) -> Array:
    """(rows,) bool: the 50 ms RMS around the row is within 25 dB of the clip's loudest (SPEC C5)."""
    found: Array = relative_level_db(recording.samples) >= -SPEECH_DB
    return found


def _channels(recording: Recording, prediction: Prediction) -> tuple[Array, Array]:
    truth, own = recording.calibrated()[recording.valid], prediction.weights[recording.valid]
    mae = np.full(len(ARKIT), np.nan)
    if len(truth):
        mae = np.where(recording.observed, np.abs(own - truth).mean(axis=0, dtype=np.float64), np.nan)
    return mae, channel_rs(own, truth, recording.observed)


def _jitter(recording: Recording, prediction: Prediction) -> tuple[float, float] | None:
    mouth = _MOUTH & recording.observed
    own = third_difference(prediction.weights[:, mouth], recording.valid)
    truth = third_difference(recording.calibrated()[:, mouth], recording.valid)
    return None if own is None or truth is None else (own, truth)


@dataclass(frozen=True, slots=True)
class Scores:
    """One predictor on one group. None: no clip of the group could judge this.

    r, speech_r:  lip gap against the measured one: Pearson r per clip, mean and standard error over clips
    aligned_r, aligned_speech_r: the same at the lag that suits this predictor best in each clip
    jaw_r:        of jawOpen alone
    mouth_r, mouth_mae: calibrated captured weights of the mouth channels, averaged per clip, then over clips
    all_r, all_mae: the same over every observed channel
    lag_ms:       where r is highest on average; positive: the prediction is late
    jitter:       mean |third difference| of the mouth channels, over the truth's
    range_ratio:  5-95 % range of the lip gap, over the truth's
    silence:      mean of max(lip gap, 0) where nobody speaks
    closures:     whether the lips close at p b m, and stay apart at vowels k t s d sh
    classes:      by class of phone; empty where the phones are not known
    channel_r, channel_mae: by channel name
    """

    predictor: str
    clips: tuple[ClipScores, ...]
    r: Mean
    speech_r: Mean
    aligned_r: Mean
    aligned_speech_r: Mean
    jaw_r: Mean
    mouth_r: Mean
    mouth_mae: Mean
    all_r: Mean
    all_mae: Mean
    lag_ms: float | None
    jitter: float | None
    range_ratio: float | None
    silence: float | None
    closures: Closures
    classes: Mapping[str, ClassScores]
    channel_r: Mapping[str, float | None]
    channel_mae: Mapping[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, lists and names; None where something is unknown."""
        return {
            **self.numbers(),
            "channels": {
                name: {"r": rounded(self.channel_r[name]), "mae": rounded(self.channel_mae[name])}
                for name in self.channel_r
            },
            "classes": {name: _class_json(one) for name, one in self.classes.items()},
            "clips": {clip.name: clip.to_json() for clip in self.clips},
        }

    def numbers(self) -> dict[str, Any]:
        """The numbers of the group alone, as plain JSON."""
        means = (
            "r", "speech_r", "aligned_r", "aligned_speech_r", "jaw_r", "mouth_r", "mouth_mae", "all_r", "all_mae",
        )  # fmt: skip
        single = ("lag_ms", "jitter", "range_ratio", "silence")
        parts = {"recall": self.closures.recall, "false_rate": self.closures.false_rate, "auc": self.closures.auc}
        return {
            "predictor": self.predictor,
            **{name: mean_json(getattr(self, name)) for name in means},
            **{name: rounded(getattr(self, name)) for name in single},
            **{name: rounded(mean.value) for name, mean in parts.items()},
            **{f"{name}_error": rounded(mean.error) for name, mean in parts.items()},
            "closures_judged": self.closures.recall.count,
            "open_judged": self.closures.false_rate.count,
        }


def gather(predictor: str, clips: Sequence[ClipScores]) -> Scores:
    """The numbers of a group from those of its clips."""
    mae, r = np.array([clip.mae for clip in clips]), np.array([clip.channel_r for clip in clips])
    total, rows = np.sum([clip.silence for clip in clips], axis=0) if clips else (0, 0)
    return Scores(
        predictor=predictor,
        clips=tuple(clips),
        r=Mean.of([clip.r for clip in clips]),
        speech_r=Mean.of([clip.speech_r for clip in clips]),
        aligned_r=Mean.of([clip.aligned.r for clip in clips]),
        aligned_speech_r=Mean.of([clip.aligned.speech_r for clip in clips]),
        jaw_r=Mean.of([_mean(clip.channel_r[[_JAW]]) for clip in clips]),
        mouth_r=Mean.of([_mean(clip.channel_r[_MOUTH]) for clip in clips]),
        mouth_mae=Mean.of([_mean(clip.mae[_MOUTH]) for clip in clips]),
        all_r=Mean.of([_mean(clip.channel_r) for clip in clips]),
        all_mae=Mean.of([_mean(clip.mae) for clip in clips]),
        lag_ms=best_lag_ms([clip.lags for clip in clips]),
        jitter=_over_truth(clips, lambda clip: clip.jitter),
        range_ratio=_over_truth(clips, lambda clip: clip.ranges),
        silence=ratio(float(total), float(rows)),
        closures=closures([clip.closures for clip in clips]),
        classes=gather_classes([clip.classes for clip in clips]),
        channel_r={name: _mean(r[:, i]) if len(r) else None for i, name in enumerate(ARKIT)},
        channel_mae={name: _mean(mae[:, i]) if len(mae) else None for i, name in enumerate(ARKIT)},
    )


def _over_truth(clips: Sequence[ClipScores], of: Callable[[ClipScores], tuple[float, float] | None]) -> float | None:
    """Sum of the prediction's over sum of the truth's, so that a clip in which little moves weighs little."""
    pairs = [pair for clip in clips if (pair := of(clip)) is not None]
    return ratio(sum(own for own, _ in pairs), sum(truth for _, truth in pairs))


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _class_json(one: ClassScores) -> dict[str, Any]:
    means = {"gap_r": one.gap_r, "jaw_r": one.jaw_r, "mean_r": one.mean_r}
    single = {"closed": rounded(one.closed), "opening": rounded(one.opening)}
    return {"phones": one.phones, **{name: mean_json(mean) for name, mean in means.items()}, **single}


def mean_json(mean: Mean) -> dict[str, float | int | None]:
    """A mean as plain JSON."""
    return {"mean": rounded(mean.value), "standard_error": rounded(mean.error), "clips": mean.count}


def rounded(value: float | None) -> float | None:
    """To five decimals."""
    return None if value is None else round(value, 5)
