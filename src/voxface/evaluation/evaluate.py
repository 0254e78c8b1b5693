"""Judge a bundle as it ships, beside the baselines that need no net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from voxface.bundle import Bundle
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError
from voxface.evaluation.baselines import fit_baselines
from voxface.evaluation.events import Events
from voxface.evaluation.predictor import Prediction, Predictor
from voxface.evaluation.report import CAPTURED, Curve, GroupReport, Report
from voxface.evaluation.scores import Scores, gather, score_clip
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.runtime.animator import Animator
from voxface.runtime.polish import Polish
from voxface.stream import Array, run_whole

CURVES = 5
"""Clips drawn per group: the worst, the best, and what lies evenly between them."""


class BundlePredictor:
    """A bundle run by the shipped runtime, with the runtime's own defaults."""

    def __init__(self, bundle: Bundle) -> None:
        self.name = f"bundle {bundle.name}"
        self._animator = Animator(bundle)
        self._polish = Polish().over(self._animator.channels)
        self._columns = {name: i for i, name in enumerate(self._animator.channels)}

    def predict(self, samples: Array) -> Prediction:
        """(n,) samples at 16 kHz -> 1 + n // 160 rows; a channel that the bundle lacks stays 0."""
        rows = self._polish(run_whole(self._animator, samples))
        weights = np.zeros((len(rows), len(ARKIT)), np.float32)
        for i, name in enumerate(ARKIT):
            if name in self._columns:
                weights[:, i] = rows[:, self._columns[name]]
        return Prediction(weights, rig_gap(weights, ARKIT))


def evaluate(
    bundle: Bundle | None,
    groups: Mapping[str, Sequence[Recording]],
    train: Sequence[Recording],
    validate: Sequence[Recording],
    words: Mapping[str, Events] | None = None,
) -> Report:
    """Judge a bundle, and always its baselines too.

    Args:
        bundle: as shipped; None judges the ridge against the other baselines (before there is a bundle).
        groups: recordings to be judged on, by the name of the group.
        train: recordings that the baselines are fitted on: those the bundle was trained on.
        validate: recordings that choose the ridge's penalty.
        words: closures by recording name (events.read_events); without them closures are not judged.
    Raises: DatasetError: a group is empty, or the baselines cannot be fitted.
    """
    for name, recordings in groups.items():
        if not recordings:
            raise DatasetError(f"group {name!r} has no recordings to judge on.")
    baselines: list[Predictor] = list(fit_baselines(train, validate))
    judged = [BundlePredictor(bundle)] if bundle is not None else [baselines.pop(2)]
    seconds = sum(recording.duration_s for recording in train)
    fitted = f"Baselines fitted on {len(train)} recordings ({seconds / 60:.1f} min); {len(validate)} chose the ridge."
    return compare(judged[0].name, fitted, [*judged, *baselines], groups, words)


def compare(
    title: str,
    fitted: str,
    predictors: Sequence[Predictor],
    groups: Mapping[str, Sequence[Recording]],
    words: Mapping[str, Events] | None = None,
) -> Report:
    """Run every predictor on every group; the first predictor is the one that is judged."""
    found = tuple(_group(name, recordings, predictors, words or {}) for name, recordings in groups.items())
    return Report(title, fitted, found)


def _group(
    name: str, recordings: Sequence[Recording], predictors: Sequence[Predictor], words: Mapping[str, Events]
) -> GroupReport:
    rows = [_scores(predictor, recordings, words) for predictor in predictors]
    truth = [score_clip(one, captured(one), words.get(one.name)) for one in recordings]
    return GroupReport(
        name=name,
        clips=len(recordings),
        seconds=sum(recording.duration_s for recording in recordings),
        rows=(*rows, gather(CAPTURED, truth)),
        curves=_curves(predictors[0], recordings, rows[0]),
    )


def _scores(predictor: Predictor, recordings: Sequence[Recording], words: Mapping[str, Events]) -> Scores:
    clips = [score_clip(one, predictor.predict(one.samples), words.get(one.name)) for one in recordings]
    return gather(predictor.name, clips)


def captured(recording: Recording) -> Prediction:
    """The captured face as if it were a prediction."""
    return Prediction(recording.calibrated(), recording.rig_gap_target())


def _curves(predictor: Predictor, recordings: Sequence[Recording], scores: Scores) -> tuple[Curve, ...]:
    """Clips from the lowest to the highest r, evenly chosen: no picking of pretty ones."""
    r = [clip.r if clip.r is not None else -2.0 for clip in scores.clips]
    order = np.argsort(r, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(CURVES, len(order))).round().astype(int))]
    return tuple(
        Curve(
            name=recordings[i].name,
            r=scores.clips[i].r,
            samples=recordings[i].samples,
            captured=recordings[i].rig_gap_target(),
            valid=recordings[i].valid,
            predicted=predictor.predict(recordings[i].samples).gap,
        )
        for i in chosen
    )
