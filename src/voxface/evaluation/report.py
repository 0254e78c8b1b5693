"""The report of an evaluation: the bundle beside its baselines on every group, and where it loses to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voxface.evaluation.metrics import Mean
from voxface.evaluation.scores import Scores
from voxface.face.rig import MOUTH
from voxface.stream import Array

CAPTURED = "captured face"
"""The row of the truth itself: what the metrics say about the capture that everything is compared with."""

REQUIRED_MARGIN = 0.05
"""A net must beat the ridge by this much in lip-gap r to earn its place."""

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
    ("closure recall minus false rate", lambda s: s.closure, "high"),
)
"""What is compared with the baselines: name, number, and whether high, low or near one is good."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One clip for the eye. All (rows,) at 100 Hz but samples (n,) at 16 kHz; gaps in the rig's units.

    captured is the measured gap on the rig's scale and counts only where `valid`; r is that of the bundle.
    """

    name: str
    r: float | None
    samples: Array
    captured: Array
    valid: Array
    predicted: Array


@dataclass(frozen=True, slots=True)
class Loss:
    """Where the judged predictor is worse than a baseline."""

    measure: str
    baseline: str
    own: float
    other: float


@dataclass(frozen=True, slots=True)
class GroupReport:
    """All predictors on one group of clips; the first is the one that is judged, the last the captured face."""

    name: str
    clips: int
    seconds: float
    rows: tuple[Scores, ...]
    curves: tuple[Curve, ...] = ()

    @property
    def judged(self) -> Scores:
        """The bundle, where there is one."""
        return self.rows[0]

    @property
    def baselines(self) -> tuple[Scores, ...]:
        """What the judged predictor must beat."""
        return tuple(row for row in self.rows[1:] if row.predictor != CAPTURED)

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


def _pair(own: Any, other: Any, speech: bool) -> tuple[float | None, float | None]:
    return (own.speech_r, other.speech_r) if speech else (own.r, other.r)


def _badness(value: float, good: str) -> float:
    if good == "one":
        return abs(math.log(value)) if value > 0 else math.inf
    return value if good == "low" else -value


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation.

    title:    what was evaluated
    fitted:   what the baselines were fitted on, one sentence
    groups:   one report per group of clips
    """

    title: str
    fitted: str
    groups: tuple[GroupReport, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain numbers, lists and names."""
        return {
            "title": self.title,
            "fitted": self.fitted,
            "headline": self.headline(),
            "groups": {group.name: _group_json(group) for group in self.groups},
        }

    def headline(self) -> dict[str, dict[str, float | None]]:
        """The few numbers that travel with a bundle (its `metrics`): by group, of the judged one and its baselines."""
        return {group.name: _headline(group) for group in self.groups}

    def to_markdown(self) -> str:
        """The report for people: summary, margins, what got worse, every number, what the numbers mean."""
        parts = [f"# Evaluation of {self.title}", self.fitted, summary(self.groups)]
        parts += ["## Against the baselines", *[against(group) for group in self.groups]]
        parts += [
            f"## {group.name}: {group.clips} clips, {group.seconds:.0f} s\n\n{details(group)}" for group in self.groups
        ]
        parts += ["## Mouth channels of " + self.title, channel_table(self.groups), NOTES]
        return "\n\n".join(parts) + "\n"


def summary(groups: Sequence[GroupReport]) -> str:
    """Markdown: lip-gap r, all rows and speech, one line per predictor, a block of columns per group."""
    head = ["lip-gap r"] + [f"{group.name} ({group.clips}) {part}" for group in groups for part in ("all", "speech")]
    names = [row.predictor for row in groups[0].rows if row.predictor != CAPTURED] if groups else []
    lines = []
    for i, name in enumerate(names):
        means = [mean for group in groups for mean in (group.rows[i].r, group.rows[i].speech_r)]
        lines.append([name] + [mean_text(mean) for mean in means])
    return markdown_table(head, lines)


def details(group: GroupReport) -> str:
    """Markdown: every number of a group, one line per predictor."""
    head = (
        "", "gap r", "gap r speech", "mouth r", "mouth MAE", "all r", "all MAE", "lag ms", "jitter", "range",
        "silence", f"closure recall ({group.judged.judged[0]})", f"false ({group.judged.judged[1]})",
    )  # fmt: skip
    lines = []
    for row in group.rows:
        means = [mean_text(row.r), mean_text(row.speech_r), mean_text(row.mouth_r), mean_text(row.mouth_mae, 4)]
        means += [mean_text(row.all_r), mean_text(row.all_mae, 4)]
        lag = "–" if row.lag_ms is None else f"{row.lag_ms:+.0f}"
        single = [row.jitter, row.range_ratio, row.silence, row.recall, row.false_rate]
        lines.append([row.predictor, *means, lag, *map(number_text, single)])
    return markdown_table(head, lines)


def channel_table(groups: Sequence[GroupReport]) -> str:
    """Markdown: r and MAE of the judged predictor for each mouth channel and group."""
    head = ["channel"] + [f"{group.name} {part}" for group in groups for part in ("r", "MAE")]
    lines = []
    for name in MOUTH:
        judged = [group.judged for group in groups]
        pairs = [(number_text(one.channel_r[name]), number_text(one.channel_mae[name], 4)) for one in judged]
        lines.append([name, *(text for pair in pairs for text in pair)])
    return markdown_table(head, lines)


def against(group: GroupReport) -> str:
    """Markdown: the margins over every baseline, and in which measures one of them is better."""
    lines = [f"**{group.name}**", ""]
    for row in group.baselines:
        whole, speech = group.margin(row.predictor), group.margin(row.predictor, speech=True)
        lines.append(f"- over {row.predictor}: r {_signed(whole)}, in speech {_signed(speech)} (paired by clip)")
    lines += ["", f"Asked of a net: {REQUIRED_MARGIN} more r than the ridge. Worse than a baseline:", ""]
    losses = group.losses()
    lines += [f"- {x.measure}: {x.own:.4f}, {x.baseline} {x.other:.4f}" for x in losses] or ["- nothing"]
    return "\n".join(lines)


def _signed(mean: Mean) -> str:
    if mean.value is None:
        return "–"
    return f"{mean.value:+.3f}" + ("" if mean.error is None else f" ± {mean.error:.3f}")


def _headline(group: GroupReport) -> dict[str, float | None]:
    one = group.judged
    numbers = {
        "clips": float(group.clips),
        "gap_r": one.r.value,
        "gap_r_error": one.r.error,
        "gap_r_speech": one.speech_r.value,
        "closure_recall": one.recall,
        "closure_false_rate": one.false_rate,
        "silence_opening": one.silence,
    }
    for row in group.baselines:
        numbers[f"{row.predictor} gap_r"] = row.r.value
        numbers[f"{row.predictor} gap_r_speech"] = row.speech_r.value
    return {name: None if value is None else round(value, 4) for name, value in numbers.items()}


def _group_json(group: GroupReport) -> dict[str, Any]:
    margins = {}
    for row in group.baselines:
        whole, speech = group.margin(row.predictor), group.margin(row.predictor, speech=True)
        margins[row.predictor] = {"r": whole.value, "r_error": whole.error, "speech_r": speech.value}
    return {
        "clips": group.clips,
        "seconds": round(group.seconds, 2),
        "predictors": [row.to_json() for row in group.rows],
        "margins": margins,
        "worse_than": [
            {"measure": x.measure, "baseline": x.baseline, "own": x.own, "other": x.other} for x in group.losses()
        ],
    }


def mean_text(mean: Mean, places: int = 3) -> str:
    """`0.812 ± 0.010`; without the error where one clip gives none."""
    if mean.value is None:
        return "–"
    return f"{mean.value:.{places}f}" + ("" if mean.error is None else f" ± {mean.error:.{places}f}")


def number_text(value: float | None, places: int = 3) -> str:
    """A number, or a dash for what is not known."""
    return "–" if value is None else f"{value:.{places}f}"


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as plain text."""
    widths = [max(len(row[i]) for row in (head, *lines)) for i in range(len(head))]
    rows = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *lines)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


NOTES = """## What the numbers mean

- Everything is compared on rows at 100 Hz where a face was seen; means ± standard error are over clips.
- gap r: Pearson r of the predicted lip gap (jawOpen − mouthClose + an eighth of the four lip raisers) with the gap
  measured between the lips in the video; speech: only rows whose 50 ms are within 25 dB of the clip's loudest.
  A prediction that stands still has r = 0; a clip whose captured mouth stands still judges nobody.
- mouth, all: r and mean absolute error against the captured weights with the speaker's resting face taken away; r only
  over channels that move in the clip (standard deviation at least 0.005).
- lag: where r is highest between −200 and +200 ms; positive: the prediction is late.
- jitter: mean |third difference| of the mouth channels, over that of the captured face (which is drawn in straight
  lines between video frames). range: 5–95 % range of the lip gap over the captured one. 1 is right.
- silence: mean opening where nobody speaks. closure recall: lip gap below 0.06 within 20 ms of the start of a word with
  p or b; false: the same at words that start with a vowel, k, t, s or d and follow another word. In brackets: how many.
- The baselines' lip gap is fitted to the measured one, so only its r is a fair mark for them; their r does not change
  with scale or offset.
- captured face: the capture itself in the same numbers. Its own closures are the ceiling for everybody."""
