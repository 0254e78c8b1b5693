"""The report of an evaluation: everything that was found about a bundle, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voxface.evaluation import tables
from voxface.evaluation.group import GroupReport
from voxface.evaluation.resting import MOST_OPENING, Resting
from voxface.evaluation.robust import Robustness

FORMAT, VERSION = "voxface-evaluation", 1


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation.

    title:    what was evaluated
    fitted:   what the baselines were fitted on, one sentence
    groups:   one report per group of clips
    rest:     every predictor over sounds in which nobody speaks
    worse:    every group on worse speech; empty where that was not asked for
    """

    title: str
    fitted: str
    groups: tuple[GroupReport, ...]
    rest: tuple[Resting, ...] = ()
    worse: tuple[Robustness, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain numbers, lists and names."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "title": self.title,
            "fitted": self.fitted,
            "headline": self.headline(),
            "groups": {group.name: _group_json(group) for group in self.groups},
            "rest": [one.to_json() for one in self.rest],
            "robust": {one.group: one.to_json() for one in self.worse},
        }

    def headline(self) -> dict[str, dict[str, float | None]]:
        """The few numbers that travel with a bundle (its `metrics`): by group, of the judged one and its baselines."""
        return {group.name: _headline(group) for group in self.groups}

    def to_markdown(self) -> str:
        """The report for people: short first, then margins, what got worse, every number, what the numbers mean."""
        parts = [f"# Evaluation of {self.title}", self.fitted, self.short()]
        parts += ["## Against the baselines", *[tables.against(group) for group in self.groups]]
        for group in self.groups:
            parts += [f"## {group.name}: {group.clips} clips, {group.seconds:.0f} s", tables.details(group)]
            parts += [tables.clip_table(group)] if group.clips <= tables.MOST_CLIPS else []
        parts += ["## Mouth channels of " + self.title, tables.channel_table(self.groups), NOTES]
        return "\n\n".join(parts) + "\n"

    def short(self) -> str:
        """Markdown: the tables that say how good it is."""
        parts = [tables.summary(self.groups), ALIGNED, tables.summary(self.groups, aligned=True)]
        lips = [group for group in self.groups if group.synthetic or group.judged.closures.recall.count]
        parts += [table for group in lips for table in _lips_tables(group)]
        if self.rest:
            parts += [f"Where nobody speaks (the mark for silence and room noise: at most {MOST_OPENING}):"]
            parts += [tables.resting_table(self.rest)]
        for one in self.worse:
            parts += [tables.robust_table(one)]
            parts += [tables.robust_lips_table(one)] if one.group in {group.name for group in lips} else []
        return "\n\n".join(parts)


def _lips_tables(group: GroupReport) -> list[str]:
    return [tables.lips_table(group), *([tables.class_table(group)] if group.judged.classes else [])]


def _headline(group: GroupReport) -> dict[str, float | None]:
    one = group.judged
    numbers = {
        "clips": float(group.clips),
        "gap_r": one.r.value,
        "gap_r_error": one.r.error,
        "gap_r_speech": one.speech_r.value,
        "gap_r_aligned": one.aligned_r.value,
        "gap_r_speech_aligned": one.aligned_speech_r.value,
        "jaw_r": one.jaw_r.value,
        "mean_r": one.all_r.value,
        "closure_recall": one.closures.recall.value,
        "closure_false_rate": one.closures.false_rate.value,
        "closure_auc": one.closures.auc.value,
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
        "synthetic": group.synthetic,
        "predictors": [row.to_json() for row in group.rows],
        "margins": margins,
        "worse_than": [
            {"measure": x.measure, "baseline": x.baseline, "own": x.own, "other": x.other} for x in group.losses()
        ],
    }


ALIGNED = (
    "The same at each clip's best lag within ±200 ms. Face and sound of a video may be out of step, so the best lag is "
    "chosen clip by clip, for every predictor its own, baselines too; that flatters all of them, the worse ones most. "
    "The lag is chosen over all rows; the r in speech is that at the same lag."
)

NOTES = """## What the numbers mean

- Everything is compared on rows at 100 Hz where a face was seen; means ± standard error are over clips.
- gap r: Pearson r of the predicted lip gap (jawOpen − mouthClose + an eighth of the four lip raisers) with the gap
  measured between the lips in the video; speech: only rows whose 50 ms are within 25 dB of the clip's loudest.
  A prediction that stands still has r = 0; a clip whose captured mouth stands still judges nobody.
- mouth, all: r and mean absolute error against the captured weights with the speaker's resting face taken away; r only
  over channels that move in the clip (standard deviation at least 0.005).
- lag: where r is highest between −200 and +200 ms; positive: the prediction is late, or the face of the video early.
- jitter: mean |third difference| of the mouth channels, over that of the captured face (which is drawn in straight
  lines between video frames). range: 5–95 % range of the lip gap over the captured one. 1 is right.
- silence: mean opening where nobody speaks.
- closure recall: lip gap below 0.06 within 20 ms of a p b m; false: the same at vowels and k t s d sh; AUC: the chance
  that the smallest gap within 20 ms of a random p b m is smaller than that of a random one of those. In brackets: how
  many. Pooled over all clips, the error is a jackknife over clips. Where phone times are known, the moment is the
  centre of the phone, and vowels and k t s d sh whose centre is within 50 ms of a p b m are left out: lips may rightly
  be on their way. Where only word times are known, it is the start of a word with p or b, or of one with a vowel, k, t,
  s or d that follows another word.
- Synthetic groups are machine speech whose phone times are exact; their truth are curves made from these phones by the
  same table as the synthetic speech that a net may be trained on, so they tell how well sound becomes phones, and
  nothing about how real these faces are. "all" are then the articulated channels; tongueOut is one of them.
- By class of phone: r over the rows of these phones alone, clips with fewer than 10 of them left out.
- Where nobody speaks: six seconds each, from a fresh start. Music, breath and laughter are artificial, made by
  arithmetic; a face may well open its mouth when it laughs. Log energy is relative to the clip's own loudest moment.
- Worse speech: noise is 10 dB below the RMS of the speech without its pauses; babble are eight other recordings at
  once; telephone is 300–3400 Hz, 8 kHz, mu-law; the small room has a reverberation time of 0.4 s. Which rows are speech
  is told from the clean recording. Of a group longer than ten minutes, clips spread evenly over it are judged.
- The baselines' lip gap is fitted to the measured one, so only its r is a fair mark for them; their r does not change
  with scale or offset.
- truth: the captured face (or the curves) in the same numbers. Its own closures are the ceiling for everybody."""
