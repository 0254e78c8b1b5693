"""Captures become a dataset on disk."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voxface.dataset.dataset import Dataset
from voxface.dataset.make import Made, make
from voxface.dataset.manifest import Entry, Manifest, check_out, save_manifest
from voxface.dataset.offsets import Group, group_offset, group_recordings
from voxface.dataset.quality import MEL_CEILING_DB
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
    """

    speakers: SpeakerRule = field(default_factory=SpeakerRule)
    split: SplitRule | None = None
    mel_ceiling_db: float = MEL_CEILING_DB
    sync: str = "report"

    def __post_init__(self) -> None:
        if self.sync not in SYNC:
            raise UsageError(f"sync is one of {', '.join(SYNC)}; got {self.sync!r}.")


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave: the dataset, one error per capture that could not be used, how many were done before."""

    dataset: Dataset
    failures: tuple[VoxfaceError, ...]
    kept: int


def build_dataset(
    captures: Sequence[str | Path],
    out: str | Path,
    options: BuildOptions | None = None,
    *,
    advance: Callable[[str], None] = lambda name: None,
) -> Built:
    """Align captures, check and clip them, split them, calibrate their speakers, and write the dataset into `out`.

    A build that was interrupted goes on where it stopped: a recording whose capture has not changed is kept. The
    manifest comes last; until it is there, the folder holds the dataset that it held before.

    Args:
        captures: files of captures, or folders of them.
        advance: told the name of each capture that is done.
    Raises: DatasetError: there are no captures, none can be used, or the split would leak. OutputError: `out` cannot
    be written or holds something else. InputError: a place does not exist.
    """
    options, folder = options or BuildOptions(), Path(out)
    check_out(folder)
    made: list[Made] = []
    failures: list[VoxfaceError] = []
    for path in find_sources(captures):
        try:
            made.append(make(path, folder, options.speakers, options.mel_ceiling_db))
        except (DatasetError, InputError) as error:  # of this capture; anything else would hit the next one too
            failures.append(error)
        advance(path.name)
    offsets = {} if options.sync == "off" else _offsets(folder, made)
    made = _in_sync(folder, made, offsets, options, failures)
    if not made:
        raise _none(failures)
    manifest = _manifest(folder, made, options, offsets)
    save_manifest(folder, manifest)
    remove_others(folder, {entry.facts.file for entry in manifest.entries})
    return Built(Dataset(folder, manifest), tuple(failures), sum(one.kept for one in made))


def _none(failures: Sequence[VoxfaceError]) -> VoxfaceError:
    if len(failures) == 1:
        return failures[0]
    return DatasetError(f"none of the {len(failures)} captures can be used. The first: {failures[0]}")


def _offsets(folder: Path, made: Sequence[Made]) -> dict[Group, Offset]:
    groups = group_recordings([(one.speaker, one.facts) for one in made])
    return {group: group_offset(folder, [made[place].facts for place in group.members]) for group in groups}


def _in_sync(
    folder: Path, made: list[Made], offsets: Mapping[Group, Offset], options: BuildOptions, failures: list[VoxfaceError]
) -> list[Made]:
    """The recordings that are not known to be too far off, moved into place where that is asked for.

    Those left out are added to `failures`.
    """
    result: dict[int, Made] = dict(enumerate(made))
    for group, offset in offsets.items():
        if offset.offset_ms is None:
            continue
        late = f"the face of {group.name} is {offset.offset_ms:+.0f} ms late (r {offset.best_r:.2f})"
        if abs(offset.offset_ms) > WORST_MS:
            for place in group.members:
                source = str(result.pop(place).source)
                failures.append(DatasetError(f"{source} is left out: {late}, over {WORST_MS:.0f} ms.", source=source))
        elif options.sync == "correct":
            for place in group.members:
                source_path = result[place].source
                result[place] = make(source_path, folder, options.speakers, options.mel_ceiling_db, offset.offset_ms)
        else:
            warnings.warn(InputWarning("W-SYNC", f"{late}; --sync correct moves it."), stacklevel=3)
    return list(result.values())


def _manifest(folder: Path, made: Sequence[Made], options: BuildOptions, offsets: Mapping[Group, Offset]) -> Manifest:
    items = [Item(one.facts.name, one.speaker, one.facts.session_id) for one in made]
    rule = options.split or default_rule(items)
    entries, duplicates = _entries(made, split(items, rule))
    for source, name in duplicates.items():
        text = f"{source} is the same video as the recording {name!r} and was left out."
        warnings.warn(InputWarning("W-DUPLICATE", text), stacklevel=3)
    speakers = {speaker: _calibration(folder, entries, speaker) for speaker in {e.speaker for e in entries}}
    sync = {group.name: offset.to_json() for group, offset in offsets.items()}
    return Manifest(entries, speakers, rule.text, duplicates, sync)


def _entries(made: Sequence[Made], splits: Sequence[str]) -> tuple[tuple[Entry, ...], dict[str, str]]:
    """One entry per video, under a name of its own; and which captures were left out as the same video once more."""
    firsts: dict[str, tuple[Made, str]] = {}
    duplicates = {}
    for one, found in zip(made, splits, strict=True):
        first, _ = firsts.setdefault(one.facts.session_id, (one, found))
        if first is not one:
            duplicates[str(one.source)] = first.facts.name
    shared = {name for name, count in Counter(one.facts.name for one, _ in firsts.values()).items() if count > 1}
    entries = [Entry(_own_name(one.facts, shared), one.speaker, found, one.facts) for one, found in firsts.values()]
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
