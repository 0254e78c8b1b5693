"""Good, to be looked at, or to be left out? One table of rules, so that anybody can see and change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voxface.dataset.quality_numbers import Numbers
from voxface.dataset.sync import LEAST_SECONDS, WORST_MS, Offset
from voxface.errors import UsageError

GOOD, LOOK, LEAVE_OUT = VERDICTS = ("good", "look", "leave out")
"""Best first."""

KEEP: Mapping[str, tuple[str, ...]] = {"good": (GOOD,), "look": (GOOD, LOOK), "all": VERDICTS}
"""What `--keep` may say, and the verdicts that it keeps."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A bound on one number; beyond it a recording is to be looked at, or left out.

    number:    field of Numbers; a number that is not known breaks no rule
    low:       the number should be above the bounds; else below
    look, leave_out: the bounds; None: there is none
    text:      the reason, with the number as {}
    """

    number: str
    low: bool
    look: float | None
    leave_out: float | None
    text: str

    def verdict(self, value: float | None) -> str:
        """What this rule alone says."""
        for bound, verdict in ((self.leave_out, LEAVE_OUT), (self.look, LOOK)):
            if value is not None and bound is not None and (value < bound if self.low else value > bound):
                return verdict
        return GOOD


RULES = (
    Rule("face_share", True, 0.8, 0.1, "few frames with a face: {:.0%}"),
    Rule("face_pixels", True, 45, 20, "small face: {:.0f} pixels"),
    Rule("turned_share", False, 0.2, 0.8, "turned away: {:.0%} of the frames beyond 30°"),
    Rule("gap_range", True, 0.02, 0.005, "the lips hardly move: {:.3f} face heights; a still picture?"),
    Rule("gap_r", True, 0.6, None, "lips and weights disagree (r {:.2f}); is the mouth covered?"),
    Rule("jitter_deg", False, 1.0, None, "the face trembles: {:.1f}° from frame to frame"),
    Rule("speech_share", True, 0.2, 0.01, "little speech: {:.0%} of the time"),
    Rule("level_db", True, -45, None, "quiet speech: {:.0f} dB"),
    Rule("floor_db", False, -15, None, "never quiet: {:.0f} dB; music or noise under the speech?"),
    Rule("full_scale_share", False, 0.005, None, "too loud: {:.1%} of the samples at full scale"),
    Rule("cuts", False, 0, None, "cuts: {:.0f}; is it the same person throughout?"),
    Rule("most_faces", False, 1, None, "several faces: up to {:.0f}"),
    Rule("broken_share", False, 0.01, None, "damaged frames: {:.1%}"),
)
"""Where the bounds come from: docs/capture.md, section Quality."""

LEAST_R, APART_R = 0.3, 0.15
"""A sound that tells less about the lips at any lag is doubtful; with 20 s of face or more, less than the second
belongs to another face."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and why, worst reason first; good has none."""

    verdict: str
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        return {"verdict": self.verdict, "reasons": list(self.reasons)}


def judge(numbers: Numbers, offset: Offset | None = None, corrected: bool = False) -> Judgement:
    """Judge a recording by its numbers, and by what is known of the offset of its face and sound.

    Args:
        offset: of the recording or of the group that it was pooled with (dataset.offsets); None: not estimated.
        corrected: the face is moved back by it.
    """
    found = about_sync(numbers, offset, corrected)
    found += [(rule.verdict(value), rule.text.format(value)) for rule, value in _values(numbers)]
    worst_first = sorted((one for one in found if one[0] != GOOD), key=lambda one: -VERDICTS.index(one[0]))
    return Judgement(worst_first[0][0] if worst_first else GOOD, tuple(reason for _, reason in worst_first))


def _values(numbers: Numbers) -> list[tuple[Rule, Any]]:
    return [(rule, value) for rule in RULES if (value := getattr(numbers, rule.number)) is not None]


def about_sync(numbers: Numbers, offset: Offset | None, corrected: bool) -> list[tuple[str, str]]:
    """What sound and lips say together; the hint of a few seconds counts only where no more is known."""
    long_enough = numbers.face_seconds >= LEAST_SECONDS
    if numbers.sound_r is not None and numbers.sound_r < LEAST_R:
        verdict = LEAVE_OUT if long_enough and numbers.sound_r < APART_R else LOOK
        return [(verdict, f"the sound tells little about the lips: r {numbers.sound_r:.2f}; dubbed, or music?")]
    if offset and offset.offset_ms is not None:
        if corrected:
            return []
        verdict = LEAVE_OUT if abs(offset.offset_ms) > WORST_MS else LOOK
        return [(verdict, f"face {late_text(offset.offset_ms)} (r {offset.best_r:.2f}, {offset.zero_r:.2f} as it is)")]
    if numbers.hint_ms is not None and not (long_enough and offset and offset.verdict == "no lag is better"):
        text = f"face probably {late_text(numbers.hint_ms)} (r {numbers.sound_r:.2f}, {numbers.zero_r:.2f} as it is)"
        return [(LOOK, text if long_enough else f"{text}; too short to be sure")]
    return []


def late_text(offset_ms: float) -> str:
    """An offset for people: `ahead of the sound by 80 ms`."""
    return f"{'behind' if offset_ms > 0 else 'ahead of'} the sound by {abs(offset_ms):.0f} ms"


def check_keep(keep: str) -> str:
    """The word itself. Raises: UsageError: it is none of KEEP."""
    if keep not in KEEP:
        raise UsageError(f"keep is one of {', '.join(KEEP)}; got {keep!r}.")
    return keep
