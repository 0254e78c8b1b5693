"""The numbers of every predictor on speech that is worse than it was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxface.dataset.recording import Recording
from voxface.evaluation.degrade import Condition, conditions
from voxface.evaluation.events import Events
from voxface.evaluation.predictor import Predictor
from voxface.evaluation.scores import Scores, gather, score_clip
from voxface.stream import Array

CLEAN = "clean"

MOST_SECONDS = 600.0
"""Of a longer group, clips spread evenly over it are judged, about this long together."""

_VOICES = 10  # of each other group, for the babble


@dataclass(frozen=True, slots=True)
class Robustness:
    """One group of clips under every condition: by its name ("clean" first), all predictors, the judged one first.

    clips, of: how many clips this rests on, and how many the group has
    """

    group: str
    clips: int
    of: int
    rows: Mapping[str, tuple[Scores, ...]]

    def to_json(self) -> dict[str, Any]:
        """How many clips; by condition, a list of the numbers of each predictor."""
        rows = {name: [row.numbers() for row in rows] for name, rows in self.rows.items()}
        return {"clips": self.clips, "of": self.of, "conditions": rows}


def robustness(
    group: str,
    recordings: Sequence[Recording],
    clean: Sequence[Scores],
    predictors: Sequence[Predictor],
    voices: Sequence[Array],
    words: Mapping[str, Events],
) -> Robustness:
    """Judge all predictors on a group under every condition; of a long group, on clips spread evenly over it.

    Args:
        clean: what they scored on the group as it was recorded.
        voices: sound of other people, for the babble.
        words: closures by recording name, where they are known.
    """
    chosen = within(recordings, MOST_SECONDS)
    some = [recordings[i] for i in chosen]
    rows = {CLEAN: tuple(gather(one.predictor, [one.clips[i] for i in chosen]) for one in clean)}
    for condition in conditions(voices):
        rows[condition.name] = judge_under(some, predictors, condition, words)
    return Robustness(group, len(some), len(recordings), rows)


def judge_under(
    recordings: Sequence[Recording], predictors: Sequence[Predictor], condition: Condition, words: Mapping[str, Events]
) -> tuple[Scores, ...]:
    """The numbers of each predictor on recordings under one condition."""
    heard = [condition.apply(one.samples, one.name) for one in recordings]
    return tuple(
        gather(
            predictor.name,
            [
                score_clip(one, predictor.predict(sound), words.get(one.name))
                for one, sound in zip(recordings, heard, strict=True)
            ],
        )
        for predictor in predictors
    )


def within(recordings: Sequence[Recording], seconds: float) -> list[int]:
    """As many recordings, evenly spread, as last no longer than that together; at least one."""
    total = sum(one.duration_s for one in recordings)
    return spread_over(len(recordings), max(1, int(len(recordings) * min(1.0, seconds / max(total, 1e-9)))))


def spread_over(count: int, wanted: int) -> list[int]:
    """`wanted` numbers, at most `count`, evenly spread over 0 ... count - 1."""
    found: list[int] = np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int)).tolist()
    return found


def other_voices(groups: Mapping[str, Sequence[Recording]], train: Sequence[Recording], group: str) -> list[Array]:
    """Sound of a few recordings of every other group and of the training; of the group itself where it is alone."""
    others = [recordings for name, recordings in groups.items() if name != group]
    if not train and not others:
        others = [groups[group]]
    return [one.samples for some in (*others, train) for one in _few(some)]


def _few(recordings: Sequence[Recording]) -> list[Recording]:
    return [recordings[i] for i in spread_over(len(recordings), _VOICES)]
