"""Captures become a dataset on disk."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from voxface.dataset.dataset import Dataset
from voxface.dataset.judged import Judged, judge_all, offset_text, refused
from voxface.dataset.make import Made, make
from voxface.dataset.manifest import Entry, Manifest, check_out, save_manifest
from voxface.dataset.offsets import Group, group_offset, group_recordings
from voxface.dataset.quality import MEL_CEILING_DB
from voxface.dataset.quality_verdict import check_keep
from voxface.dataset.report import write_report
from voxface.dataset.rest import Calibration, calibrate, speaker_rows
from voxface.dataset.sources import find_sources
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.split import Item, SplitRule, default_rule, split
from voxface.dataset.store import Facts, read_arrays, remove_others
from voxface.dataset.sync import WORST_MS, Offset
from voxface.errors import DatasetError, InputError, InputWarning, UsageError, VoxfaceError

SYNC = ("report", "correct", "off")


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a build may choose.

    speakers:       who speaks in which capture
    split:          how recordings are dealt out; None: by recording for one speaker, by speaker for several
    mel_ceiling_db: mel cells above are counted in the report
    sync:           "report": estimate the offset of face and sound, leave out what is beyond 200 ms; "correct": also
                    move faces back by theirs where it is known; "off"
    keep:           "look": leave out what is judged so (quality_verdict.RULES); "good": also what is to be looked at;
                    "all": nothing but what cannot be used
    """

    speakers: SpeakerRule = field(default_factory=SpeakerRule)
    split: SplitRule | None = None
    mel_ceiling_db: float = MEL_CEILING_DB
    sync: str = "report"
    keep: str = "look"

    def __post_init__(self) -> None:
        if self.sync not in SYNC:
            raise UsageError(f"sync is one of {', '.join(SYNC)}; got {self.sync!r}.")
        check_keep(self.keep)


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave: the dataset, every capture with its verdict, and how many were done before."""

    dataset: Dataset
    judged: tuple[Judged, ...]
    kept: int

    @property
    def failures(self) -> tuple[VoxfaceError, ...]:
        """One error per capture that is not in the dataset."""
        return tuple(one.error for one in self.judged if one.error)


def build_dataset(
    captures: Sequence[str | Path],
    out: str | Path,
    options: BuildOptions | None = None,
    *,
    report: str | Path | None = None,
    advance: Callable[[str], None] = lambda name: None,
) -> Built:
    """Align captures, check, clip, judge and split them, calibrate their speakers, and write the dataset into `out`.

    A build that was interrupted goes on where it stopped: a recording whose capture has not changed is kept. The
    manifest comes last; until it is there, the folder holds the dataset that it held before.

    Args:
        captures: files of captures, or folders of them.
        report: where to write a page about the quality of all of them, also when none can be used; None: nowhere.
        advance: told the name of each capture that is done.
    Raises: DatasetError: there are no captures, none can be used, or the split would leak. OutputError: `out` cannot
    be written or holds something else. InputError: a place does not exist.
    """
    options, folder = options or BuildOptions(), Path(out)
    check_out(folder)
    sources = find_sources(captures)
    made, judged = _make_all(sources, folder, options, advance)
    offsets = {} if options.sync == "off" else _offsets(folder, made)
    judged += judge_all(made, offsets, options.keep, options.sync == "correct")
    order = {path: place for place, path in enumerate(sources)}
    judged = sorted((_in_place(one, folder, options) for one in judged), key=lambda one: order[one.source])
    kept = [one.made for one in judged if one.made and not one.error]
    manifest = _manifest(folder, kept, options, judged, offsets) if kept else None
    if report is not None:
        write_report(report, judged, manifest)
    if manifest is None:
        raise _none([one.error for one in judged if one.error])
    save_manifest(folder, manifest)
    remove_others(folder, {entry.facts.file for entry in manifest.entries})
    return Built(Dataset(folder, manifest), tuple(judged), sum(one.kept for one in kept))


def _none(failures: Sequence[VoxfaceError]) -> VoxfaceError:
    if len(failures) == 1:
        return failures[0]
    return DatasetError(f"none of the {len(failures)} captures can be used. The first: {failures[0]}")


def _make_all(
    sources: Sequence[Path], folder: Path, options: BuildOptions, advance: Callable[[str], None]
) -> tuple[list[Made], list[Judged]]:
    """The recordings on disk, and the captures that none could be made from."""
    made: list[Made] = []
    unusable: list[Judged] = []
    for path in sources:
        try:
            made.append(make(path, folder, options.speakers, options.mel_ceiling_db))
        except (DatasetError, InputError) as error:  # of this capture; anything else would hit the next one too
            unusable.append(refused(path, error))
        advance(path.name)
    return made, unusable


def _offsets(folder: Path, made: Sequence[Made]) -> dict[Group, Offset]:
    groups = group_recordings([(one.speaker, one.facts) for one in made])
    return {group: group_offset(folder, [made[place].facts for place in group.members]) for group in groups}


def _in_place(one: Judged, folder: Path, options: BuildOptions) -> Judged:
    """The face moved back by its offset, where that is asked for, known, and the recording is kept."""
    if options.sync != "correct" or not one.made or one.error or not one.offset or one.offset.offset_ms is None:
        return one
    moved = make(one.source, folder, options.speakers, options.mel_ceiling_db, one.offset.offset_ms, one.made.numbers)
    return replace(one, made=moved)


def _manifest(
    folder: Path,
    made: Sequence[Made],
    options: BuildOptions,
    judged: Sequence[Judged],
    offsets: Mapping[Group, Offset],
) -> Manifest:
    items = [Item(one.facts.name, one.speaker, one.facts.session_id) for one in made]
    rule = options.split or default_rule(items)
    entries, duplicates = _entries(made, split(items, rule), judged)
    _warn(duplicates, offsets, options.sync)
    speakers = {speaker: _calibration(folder, entries, speaker) for speaker in {e.speaker for e in entries}}
    sync = {group.name: offset.to_json() for group, offset in offsets.items()}
    left_out = {str(one.source): one.error.message for one in judged if one.error}
    return Manifest(entries, speakers, rule.text, duplicates, sync, left_out)


def _warn(duplicates: Mapping[str, str], offsets: Mapping[Group, Offset], sync: str) -> None:
    for source, name in duplicates.items():
        text = f"{source} is the same video as the recording {name!r} and was left out."
        warnings.warn(InputWarning("W-DUPLICATE", text), stacklevel=4)
    for group, offset in offsets.items():
        if sync == "report" and offset.offset_ms is not None and abs(offset.offset_ms) <= WORST_MS:
            text = f"{offset_text(group, offset)}; --sync correct moves it."
            warnings.warn(InputWarning("W-SYNC", text), stacklevel=4)


def _entries(
    made: Sequence[Made], splits: Sequence[str], judged: Sequence[Judged]
) -> tuple[tuple[Entry, ...], dict[str, str]]:
    """One entry per video, under a name of its own; and which captures were left out as the same video once more."""
    firsts: dict[str, tuple[Made, str]] = {}
    duplicates = {}
    for one, found in zip(made, splits, strict=True):
        first, _ = firsts.setdefault(one.facts.session_id, (one, found))
        if first is not one:
            duplicates[str(one.source)] = first.facts.name
    shared = {name for name, count in Counter(one.facts.name for one, _ in firsts.values()).items() if count > 1}
    words = {one.source: one.judgement.to_json() for one in judged}
    entries = [
        Entry(
            _own_name(one.facts, shared), one.speaker, found, one.facts,
            words[one.source] | {"numbers": one.numbers.to_json()},
        )
        for one, found in firsts.values()
    ]  # fmt: skip
    return tuple(sorted(entries, key=lambda entry: entry.name)), duplicates


def _own_name(facts: Facts, shared: set[str]) -> str:
    """The name of the video; where several videos have it, with the first digits of the hash."""
    return f"{facts.name}-{facts.sha256[:10]}" if facts.name in shared else facts.name


def _calibration(folder: Path, entries: Sequence[Entry], speaker: str) -> Calibration:
    """The calibration of a speaker: from what may be learned from, else from all there is.

    A speaker who is only tested needs a calibration too, because it defines what is compared; one who is learned from
    must not be known from the recordings of the test.
    """
    own = [entry for entry in entries if entry.speaker == speaker]
    learned = [entry for entry in own if entry.split == "train"] or own
    parts = []
    for entry in learned:
        arrays = read_arrays(folder / entry.facts.file)
        parts.append(speaker_rows(arrays["weights"], arrays["gap"], arrays["valid"], arrays["samples"]))
    return calibrate(parts)
