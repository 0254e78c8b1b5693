"""The tables of a report."""

from __future__ import annotations

from collections.abc import Sequence

from voxface.evaluation.group import TRUTH, GroupReport
from voxface.evaluation.resting import Resting
from voxface.evaluation.robust import Robustness
from voxface.evaluation.scores import Scores
from voxface.evaluation.sounds import SOUNDS
from voxface.evaluation.text import lag_text, markdown_table, mean_text, number_text, signed_text
from voxface.face.rig import MOUTH

REQUIRED_MARGIN = 0.05
"""A net must beat the ridge by this much in lip-gap r to earn its place."""

MOST_CLIPS = 24
"""A group of more clips is not told clip by clip."""


def summary(groups: Sequence[GroupReport], aligned: bool = False) -> str:
    """Lip-gap r, all rows and speech, one line per predictor, a block of columns per group.

    Args:
        aligned: at the lag at which each predictor does best in each clip, instead of at 0.
    """
    what = "lip-gap r at best lag" if aligned else "lip-gap r"
    head = [what] + [f"{group.name} ({group.clips}) {part}" for group in groups for part in ("all", "speech")]
    names = [row.predictor for row in groups[0].rows if row.predictor != TRUTH] if groups else []
    lines = []
    for i, name in enumerate(names):
        rows = [group.rows[i] for group in groups]
        means = [(row.aligned_r, row.aligned_speech_r) if aligned else (row.r, row.speech_r) for row in rows]
        lines.append([name] + [mean_text(mean) for pair in means for mean in pair])
    return markdown_table(head, lines)


def details(group: GroupReport) -> str:
    """Every number of a group, one line per predictor."""
    head = (
        "", "gap r", "gap r speech", "mouth r", "mouth MAE", "all r", "all MAE", "lag ms", "jitter", "range", "silence",
    )  # fmt: skip
    lines = []
    for row in group.rows:
        means = [mean_text(row.r), mean_text(row.speech_r), mean_text(row.mouth_r), mean_text(row.mouth_mae, 4)]
        means += [mean_text(row.all_r), mean_text(row.all_mae, 4), lag_text(row.lag_ms)]
        lines.append([row.predictor, *means, *map(number_text, (row.jitter, row.range_ratio, row.silence))])
    return markdown_table(head, lines)


def lips_table(group: GroupReport) -> str:
    """Jaw, articulated channels and closures, one line per predictor."""
    judged = group.judged.closures
    head = (
        group.name, "jawOpen r", "mean r of all channels", f"closure recall ({judged.recall.count})",
        f"false closures ({judged.false_rate.count})", "closure AUC",
    )  # fmt: skip
    return markdown_table(head, [[row.predictor, *_lips(row)] for row in group.rows])


def _lips(row: Scores) -> list[str]:
    found = row.closures
    return [mean_text(mean) for mean in (row.jaw_r, row.all_r, found.recall, found.false_rate, found.auc)]


def class_table(group: GroupReport) -> str:
    """The judged predictor by class of phone, beside the truth."""
    head = (
        f"{group.name}, {group.judged.predictor}", "phones", "gap r", "jawOpen r", "mean r", "lips closed", "in truth",
        "mean gap", "in truth",
    )  # fmt: skip
    lines = []
    for name, own in group.judged.classes.items():
        truth = group.rows[-1].classes[name]
        means = [mean_text(mean) for mean in (own.gap_r, own.jaw_r, own.mean_r)]
        single = [number_text(value) for value in (own.closed, truth.closed, own.opening, truth.opening)]
        lines.append([name, str(own.phones or "–"), *means, *single])
    return markdown_table(head, lines)


def clip_table(group: GroupReport) -> str:
    """The judged predictor clip by clip, as recorded and at its best lag."""
    head = (f"{group.name}, {group.judged.predictor}", "r", "speech", "best lag ms", "r there", "speech there")
    lines = []
    for clip in group.judged.clips:
        there = clip.aligned
        numbers = [number_text(clip.r), number_text(clip.speech_r), lag_text(there.lag_ms)]
        lines.append([clip.name, *numbers, number_text(there.r), number_text(there.speech_r)])
    return markdown_table(head, lines)


def channel_table(groups: Sequence[GroupReport]) -> str:
    """r and MAE of the judged predictor for each mouth channel and group."""
    head = ["channel"] + [f"{group.name} {part}" for group in groups for part in ("r", "MAE")]
    lines = []
    for name in MOUTH:
        judged = [group.judged for group in groups]
        pairs = [(number_text(one.channel_r[name]), number_text(one.channel_mae[name], 4)) for one in judged]
        lines.append([name, *(text for pair in pairs for text in pair)])
    return markdown_table(head, lines)


def resting_table(rest: Sequence[Resting]) -> str:
    """Mean opening over each sound in which nobody speaks, one column per predictor, the largest jawOpen behind it."""
    head = ["mean of max(lip gap, 0), largest jawOpen", *(one.predictor for one in rest)]
    lines = []
    for name in SOUNDS:
        openings = [one.openings[name] for one in rest]
        lines.append([name, *(f"{opening.mean:.3f}, {opening.jaw:.2f}" for opening in openings)])
    return markdown_table(head, lines)


def robust_table(worse: Robustness) -> str:
    """Lip-gap r, all rows / speech, one column per condition, one line per predictor."""
    head = [f"{worse.group} ({worse.clips} of {worse.of}): lip-gap r all / speech", *worse.rows]
    judged = next(iter(worse.rows.values()))
    lines = []
    for i, row in enumerate(judged):
        each = [rows[i] for rows in worse.rows.values()]
        lines.append([row.predictor, *(f"{mean_text(one.r)} / {mean_text(one.speech_r)}" for one in each)])
    return markdown_table(head, lines)


def robust_lips_table(worse: Robustness) -> str:
    """What the judged predictor's lips do, one line per condition."""
    judged = next(iter(worse.rows.values()))[0]
    head = (
        f"{worse.group}, {judged.predictor}", "jawOpen r", "mean r of all channels", "closure recall",
        "false closures", "closure AUC", "opening in pauses",
    )  # fmt: skip
    lines = [[name, *_lips(rows[0]), number_text(rows[0].silence)] for name, rows in worse.rows.items()]
    return markdown_table(head, lines)


def against(group: GroupReport) -> str:
    """The margins over every baseline, and in which measures one of them is better."""
    lines = [f"**{group.name}**", ""]
    for row in group.baselines:
        whole, speech = group.margin(row.predictor), group.margin(row.predictor, speech=True)
        lines.append(
            f"- over {row.predictor}: r {signed_text(whole)}, in speech {signed_text(speech)} (paired by clip)"
        )
    lines += ["", f"Asked of a net: {REQUIRED_MARGIN} more r than the ridge. Worse than a baseline:", ""]
    losses = group.losses()
    lines += [f"- {x.measure}: {x.own:.4f}, {x.baseline} {x.other:.4f}" for x in losses] or ["- nothing"]
    return "\n".join(lines)
