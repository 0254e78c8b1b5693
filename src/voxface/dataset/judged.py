"""Every capture that was named for a dataset, judged: what is kept, what is left out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxface.dataset.make import Made
from voxface.dataset.offsets import Group
from voxface.dataset.quality_verdict import KEEP, LEAVE_OUT, Judgement, judge
from voxface.dataset.sync import WORST_MS, Offset
from voxface.errors import DatasetError, VoxfaceError


@dataclass(frozen=True, slots=True)
class Judged:
    """One capture.

    source:    its file
    judgement: verdict and reasons
    made:      its recording; None: it could not be made
    offset:    of its face and sound, of its group; None: not estimated
    error:     why it is not in the dataset; None: it is
    """

    source: Path
    judgement: Judgement
    made: Made | None = None
    offset: Offset | None = None
    error: VoxfaceError | None = None


def refused(source: Path, error: VoxfaceError) -> Judged:
    """A capture that no recording can be made from."""
    reason = error.message.replace(str(source), source.name)  # a page that is passed on should not tell folders
    return Judged(source, Judgement(LEAVE_OUT, (reason,)), error=error)


def judge_all(made: Sequence[Made], offsets: Mapping[Group, Offset], keep: str, correct: bool) -> list[Judged]:
    """Judge recordings, in their order.

    Args:
        offsets: what is known of groups of them. keep: one of quality_verdict.KEEP.
        correct: offsets up to 200 ms will be corrected, so they are no reason to look.
    """
    of_place = {place: (group, offset) for group, offset in offsets.items() for place in group.members}
    result = []
    for place, one in enumerate(made):
        group, offset = of_place.get(place, (None, None))
        far = offset is not None and offset.offset_ms is not None and abs(offset.offset_ms) > WORST_MS
        judgement = judge(one.numbers, offset, corrected=correct and not far)
        error = None
        if far and group and offset:
            error = _left_out(one, f"{offset_text(group, offset)}, over {WORST_MS:.0f} ms", "Its sound must be moved.")
        elif judgement.verdict not in KEEP[keep]:
            error = _left_out(one, "; ".join(judgement.reasons), "To keep it: --keep all.")
        result.append(Judged(one.source, judgement, one, offset, error))
    return result


def offset_text(group: Group, offset: Offset) -> str:
    """A known offset of a group for people."""
    return f"the face of {group.name} is {offset.offset_ms:+.0f} ms late (r {offset.best_r:.2f})"


def _left_out(made: Made, reason: str, hint: str) -> VoxfaceError:
    return DatasetError(f"{made.source} is left out: {reason}.", hint=hint, source=str(made.source))
