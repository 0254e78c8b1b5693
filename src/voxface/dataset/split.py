"""Who learns, who validates, who tests: split by speaker and recording, never by window (SPEC A3)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from voxface.dataset.recording import SPLITS
from voxface.errors import DatasetError, UsageError, some_of

_FORMS = "Forms: sha256:900,50 (recordings), speaker:8,1 (speakers), shares such as sha256:0.9,0.05, or all:test."


@dataclass(frozen=True, slots=True)
class Item:
    """One recording as a split sees it: name (of the video, without suffix), speaker, and what tells videos apart."""

    name: str
    speaker: str
    video: str


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How recordings are dealt out.

    kind:     "sha256" (recordings in the order of the SHA-256 of their names), "speaker" (speakers in the order of the
              SHA-256 of theirs), or "all" (everything into one split)
    train:    how many come first; if it or the next is a fraction, both are shares of all
    validate: how many come next; the rest is test
    only:     the split of "all"
    test_speakers, validate_speakers: these go where they say, before the rule sees the others
    shared_speakers: a speaker among several may stand in more than one split
    """

    kind: str = "sha256"
    train: float = 0.9
    validate: float = 0.05
    only: str = "test"
    test_speakers: tuple[str, ...] = ()
    validate_speakers: tuple[str, ...] = ()
    shared_speakers: bool = False

    @property
    def text(self) -> str:
        """The rule as it is written on the command line."""
        return f"all:{self.only}" if self.kind == "all" else f"{self.kind}:{self.train:g},{self.validate:g}"


def parse_rule(
    text: str, test_speakers: Sequence[str] = (), validate_speakers: Sequence[str] = (), shared_speakers: bool = False
) -> SplitRule:
    """Read `sha256:900,50`, `speaker:8,1`, `all:test`; fractions are shares.

    Raises: UsageError: it is none of these, or a speaker is named for two splits.
    """
    twice = sorted(set(test_speakers) & set(validate_speakers))
    if twice:
        raise UsageError(f"these speakers are asked for in test and in validate: {', '.join(twice)}.")
    kind, _, rest = text.partition(":")
    plain = SplitRule(
        test_speakers=tuple(test_speakers), validate_speakers=tuple(validate_speakers), shared_speakers=shared_speakers
    )
    if kind == "all" and rest in SPLITS:
        return replace(plain, kind="all", only=rest)
    try:
        train, validate = (float(number) for number in rest.split(","))
    except ValueError as error:
        raise UsageError(f"{text!r} is no split rule.", hint=_FORMS, source=text) from error
    counts = train.is_integer() and validate.is_integer()
    if kind not in ("sha256", "speaker") or min(train, validate) < 0 or not (counts or train + validate <= 1):
        raise UsageError(f"{text!r} is no split rule.", hint=_FORMS, source=text)
    return replace(plain, kind=kind, train=train, validate=validate)


def default_rule(items: Sequence[Item]) -> SplitRule:
    """By recording for one speaker (90 % train, 5 % validate), by speaker for several (80 %, 10 %)."""
    speakers = {item.speaker for item in items}
    return SplitRule("speaker", 0.8, 0.1) if len(speakers) > 1 else SplitRule("sha256", 0.9, 0.05)


def split(items: Sequence[Item], rule: SplitRule) -> list[str]:
    """The split of each item, in their order. The order of the items does not matter.

    Raises: DatasetError: the rule asks for more than there is, names an unknown speaker, or would leak: the same video
    in two splits, or a speaker among several in two splits without `shared_speakers`.
    """
    unknown = {*rule.test_speakers, *rule.validate_speakers} - {item.speaker for item in items}
    if unknown:
        raise DatasetError(
            f"no recording is by {', '.join(sorted(unknown))}.",
            hint=f"Speakers: {_some({item.speaker for item in items})}.",
        )
    fixed = dict.fromkeys(rule.test_speakers, "test") | dict.fromkeys(rule.validate_speakers, "validate")
    free = [item for item in items if item.speaker not in fixed]
    dealt = _deal(free, rule)
    found = [fixed.get(item.speaker) or dealt[_key(item, rule)] for item in items]
    check_no_leak(items, found, rule.shared_speakers)
    return found


def _key(item: Item, rule: SplitRule) -> str:
    return item.speaker if rule.kind == "speaker" else item.name


def _deal(items: Sequence[Item], rule: SplitRule) -> dict[str, str]:
    """Names or speakers -> split."""
    names = sorted({_key(item, rule) for item in items}, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if rule.kind == "all":
        return dict.fromkeys(names, rule.only)
    first, second = _bounds(rule, len(names))
    if second > len(names):
        what = "speakers" if rule.kind == "speaker" else "recordings"
        raise DatasetError(
            f"the split {rule.text} needs at least {second} {what}; there are {len(names)}.",
            hint=f"Use shares, such as {rule.kind}:0.9,0.05.",
        )
    return {
        name: "train" if place < first else "validate" if place < second else "test" for place, name in enumerate(names)
    }


def _bounds(rule: SplitRule, of: int) -> tuple[int, int]:
    """Where validate and where test begin among `of` places; shares are rounded together."""
    ends = rule.train, rule.train + rule.validate
    first, second = ends if all(end.is_integer() for end in ends) else (round(end * of) for end in ends)
    return int(first), int(second)


def check_no_leak(items: Sequence[Item], splits: Sequence[str], shared_speakers: bool = False) -> None:
    """Raises: DatasetError: the same video, or one of several speakers, stands in more than one split."""
    by_video: dict[str, set[str]] = {}
    by_speaker: dict[str, set[str]] = {}
    for item, found in zip(items, splits, strict=True):
        by_video.setdefault(item.video, set()).add(found)
        by_speaker.setdefault(item.speaker, set()).add(found)
    videos = {video for video, found in by_video.items() if len(found) > 1}
    if videos:
        names = _some({f"{item.name} ({found})" for item, found in zip(items, splits, strict=True)
                       if item.video in videos})  # fmt: skip
        raise DatasetError(f"the same video would stand in two splits: {names}.", hint="Keep one of its captures.")
    speakers = {speaker for speaker, found in by_speaker.items() if len(found) > 1}
    if len(by_speaker) > 1 and speakers and not shared_speakers:
        raise DatasetError(
            f"{len(speakers)} of {len(by_speaker)} speakers would stand in more than one split: {_some(speakers)}.",
            hint="Split by speaker (--split speaker:0.8,0.1), or say --shared-speakers if that is meant.",
        )


def _some(names: set[str]) -> str:
    return some_of(sorted(names), 6)
