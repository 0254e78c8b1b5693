"""Judge a bundle as it ships, beside the baselines that need no net."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from voxface.bundle import Bundle
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError, UsageError
from voxface.evaluation.baselines import fit_baselines
from voxface.evaluation.events import Events, phone_events
from voxface.evaluation.group import TRUTH, Curve, GroupReport
from voxface.evaluation.kept import kept_places
from voxface.evaluation.predictor import Prediction, Predictor
from voxface.evaluation.report import Report
from voxface.evaluation.resting import resting
from voxface.evaluation.robust import other_voices, robustness
from voxface.evaluation.scores import ClipScores, Scores, gather, score_clip
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.runtime.animator import Animator
from voxface.runtime.polish import Polish
from voxface.runtime.whole_session import WholeSession
from voxface.runtime.window_net import WindowNet
from voxface.stream import Array, run_whole
from voxface.timebase import ROW_RATE_HZ, SAMPLE_RATE_HZ, row_count


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


class WholePredictor:
    """A bundle that hears whole recordings, run by the shipped runtime; its 60 frames a second become rows."""

    def __init__(self, bundle: Bundle) -> None:
        self.name = f"bundle {bundle.name}"
        self._session = WholeSession(WindowNet(bundle), SAMPLE_RATE_HZ, ROW_RATE_HZ, None, None)

    def predict(self, samples: Array) -> Prediction:
        """(n,) samples at 16 kHz -> 1 + n // 160 rows; the last may lie at the very end, which no frame shows."""
        clip = self._session.finish(self._session.step(self._session.start(), samples)[0])
        weights = clip.weights[np.minimum(np.arange(row_count(len(samples))), len(clip) - 1)]
        return Prediction(weights, rig_gap(weights, ARKIT))


def predictor_of(bundle: Bundle) -> Predictor:
    """A bundle as the evaluation sees it. Raises: UsageError: it gives emotions and no face."""
    if not bundle.rig:
        raise UsageError(f"bundle {bundle.name!r} gives emotions and no face: there is nothing to judge here.")
    return WholePredictor(bundle) if bundle.window else BundlePredictor(bundle)


def evaluate(
    bundle: Bundle | None,
    groups: Mapping[str, Sequence[Recording]],
    train: Sequence[Recording],
    validate: Sequence[Recording],
    words: Mapping[str, Events] | None = None,
    robust: bool = False,
) -> Report:
    """Judge a bundle, and always its baselines too.

    Args:
        bundle: as shipped; None judges the ridge against the other baselines (before there is a bundle).
        groups: recordings to be judged on, by the name of the group.
        train: recordings that the baselines are fitted on: the captured ones of those the bundle was trained on.
        validate: captured recordings that choose the ridge's penalty.
        words: closures by recording name (events.read_events); recordings with known phones need none.
        robust: also judge on noisy, narrow, echoing and quiet copies of every group.
    Raises: DatasetError: a group is empty, or the baselines cannot be fitted. UsageError: the bundle gives no face.
    """
    for name, recordings in groups.items():
        if not recordings:
            raise DatasetError(f"group {name!r} has no recordings to judge on.")
    judged: list[Predictor] = [] if bundle is None else [predictor_of(bundle)]
    train, validate = _captured_ones(train), _captured_ones(validate)
    baselines: list[Predictor] = list(fit_baselines(train, validate))
    judged = judged or [baselines.pop(2)]
    minutes = sum(recording.duration_s for recording in train) / 60
    fitted = (
        f"Baselines fitted on {len(train)} captured recordings ({minutes:.1f} min); {len(validate)} chose the ridge."
    )
    return compare(judged[0].name, fitted, [*judged, *baselines], groups, words, train if robust else None)


def _captured_ones(recordings: Sequence[Recording]) -> list[Recording]:
    """Baselines learn real faces: the curves of synthetic speech are for nets."""
    return [recording for recording in recordings if not recording.synthetic]


def compare(
    title: str,
    fitted: str,
    predictors: Sequence[Predictor],
    groups: Mapping[str, Sequence[Recording]],
    words: Mapping[str, Events] | None = None,
    voices: Sequence[Recording] | None = None,
) -> Report:
    """Run every predictor on every group; the first predictor is the one that is judged.

    Args:
        voices: where given, all are also judged on worse speech; these talk in the babble.
    """
    words = words or {}
    found = tuple(_group(name, recordings, predictors, words) for name, recordings in groups.items())
    worse = tuple(
        robustness(name, groups[name], group.rows[:-1], predictors, other_voices(groups, voices, name), words)
        for name, group in zip(groups, found, strict=True)
        if voices is not None
    )
    return Report(title, fitted, found, resting(predictors), worse)


def _group(
    name: str, recordings: Sequence[Recording], predictors: Sequence[Predictor], words: Mapping[str, Events]
) -> GroupReport:
    first = [predictors[0].predict(one.samples) for one in recordings]
    judged = _scores(predictors[0].name, recordings, first, words)
    others = [
        _scores(other.name, recordings, (other.predict(one.samples) for one in recordings), words)
        for other in predictors[1:]
    ]
    truth = _scores(TRUTH, recordings, map(captured, recordings), words)
    kept = kept_places([clip.r for clip in judged.clips])
    curves = enumerate(zip(recordings, judged.clips, first, strict=True))
    return GroupReport(
        name=name,
        clips=len(recordings),
        seconds=sum(recording.duration_s for recording in recordings),
        synthetic=all(recording.synthetic for recording in recordings),
        rows=(judged, *others, truth),
        curves=tuple(
            _curve(one, clip, face, words.get(one.name), place in kept) for place, (one, clip, face) in curves
        ),
    )


def _scores(
    name: str, recordings: Sequence[Recording], faces: Iterable[Prediction], words: Mapping[str, Events]
) -> Scores:
    return gather(
        name, [score_clip(one, face, words.get(one.name)) for one, face in zip(recordings, faces, strict=True)]
    )


def captured(recording: Recording) -> Prediction:
    """The captured face as if it were a prediction."""
    return Prediction(recording.calibrated(), recording.rig_gap_target())


def _curve(recording: Recording, scores: ClipScores, face: Prediction, events: Events | None, keep: bool) -> Curve:
    return Curve(
        scores=scores,
        samples=recording.samples,
        captured=recording.rig_gap_target(),
        valid=recording.valid,
        predicted=face.gap,
        closed_s=(events or phone_events(recording.phones)).closed,
        faces=(recording.calibrated(), face.weights) if keep else None,
    )
