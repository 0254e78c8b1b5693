"""Captures become a dataset on disk."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voxface.dataset.align import align
from voxface.dataset.dataset import Dataset
from voxface.dataset.manifest import Entry, Manifest, check_out, save_manifest
from voxface.dataset.quality import MEL_CEILING_DB, check_and_clip
from voxface.dataset.rest import Calibration, calibrate, speaker_rows
from voxface.dataset.sources import find_sources, load_source, source_digest
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.split import Item, SplitRule, default_rule, split
from voxface.dataset.store import Facts, read_arrays, read_facts, recording_file, save_recording
from voxface.errors import DatasetError, InputError, InputWarning, VoxfaceError
from voxface.timebase import row_count


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a build may choose.

    speakers:       who speaks in which capture
    split:          how recordings are dealt out; None: by recording for one speaker, by speaker for several
    mel_ceiling_db: mel cells above are counted in the report
    """

    speakers: SpeakerRule = field(default_factory=SpeakerRule)
    split: SplitRule | None = None
    mel_ceiling_db: float = MEL_CEILING_DB


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave: the dataset, one error per capture that could not be used, how many were done before."""

    dataset: Dataset
    failures: tuple[VoxfaceError, ...]
    kept: int


@dataclass(frozen=True, slots=True)
class _Made:
    source: Path
    speaker: str
    facts: Facts
    kept: bool


def build_dataset(
    captures: Sequence[str | Path],
    out: str | Path,
    options: BuildOptions | None = None,
    *,
    advance: Callable[[str], None] = lambda name: None,
) -> Built:
    """Align captures, check and clip them, split them, calibrate their speakers, and write the dataset into `out`.

    A build that was interrupted goes on where it stopped: a recording whose capture has not changed is kept. The
    dataset is complete when its manifest is there, which comes last.

    Args:
        captures: files of captures, or folders of them.
        advance: told the name of each capture that is done.
    Raises: DatasetError: there are no captures, none can be used, or the split would leak. OutputError: `out` cannot
    be written or holds something else. InputError: a place does not exist.
    """
    options, folder = options or BuildOptions(), Path(out)
    check_out(folder)
    sources = find_sources(captures)
    made: list[_Made] = []
    done: set[str] = set()
    failures: list[VoxfaceError] = []
    for path in sources:
        try:
            made.append(_make(path, folder, options, done))
            done.add(made[-1].facts.file)
        except (DatasetError, InputError) as error:  # of this capture; anything else would hit the next one too
            failures.append(error)
        advance(path.name)
    if not made:
        raise _none(failures)
    manifest = _manifest(folder, made, options)
    save_manifest(folder, manifest)
    return Built(Dataset(folder, manifest), tuple(failures), sum(one.kept for one in made))


def _none(failures: Sequence[VoxfaceError]) -> VoxfaceError:
    if len(failures) == 1:
        return failures[0]
    return DatasetError(f"none of the {len(failures)} captures can be used. The first: {failures[0]}")


def _make(path: Path, folder: Path, options: BuildOptions, done: set[str]) -> _Made:
    """One capture becomes one recording on disk, unless it is there already: from before, or from a twin in `done`."""
    digest = source_digest(path)
    capture = load_source(path)
    speaker = options.speakers.of(path, capture.name)
    place = recording_file(capture.name, capture.sha256)
    known = _known(folder / place)
    same = known and (known.source_sha256, known.mel_ceiling_db) == (digest, options.mel_ceiling_db)
    if known and (same or place in done):
        return _Made(path, speaker, known, True)
    raw = align(capture.track, row_count(len(capture.samples)))
    face, quality = check_and_clip(raw, capture.samples, capture.track.seen, options.mel_ceiling_db)
    x, y, z = (float(part) for part in face.median_m)
    facts = Facts(capture.name, capture.sha256, capture.session_id, digest, options.mel_ceiling_db, (x, y, z), quality)
    save_recording(folder, facts, capture.samples, face, capture.track.observed)
    return _Made(path, speaker, facts, False)


def _known(path: Path) -> Facts | None:
    """The facts of a recording that an earlier build left, or None where it left nothing that can be read."""
    try:
        return read_facts(path) if path.is_file() else None
    except (DatasetError, InputError):
        return None


def _manifest(folder: Path, made: Sequence[_Made], options: BuildOptions) -> Manifest:
    items = [Item(one.facts.name, one.speaker, one.facts.session_id) for one in made]
    rule = options.split or default_rule(items)
    splits = split(items, rule)
    entries, duplicates = _entries(made, splits)
    for source, name in duplicates.items():
        text = f"{source} is the same video as the recording {name!r} and was left out."
        warnings.warn(InputWarning("W-DUPLICATE", text), stacklevel=3)
    speakers = {speaker: _calibration(folder, entries, speaker) for speaker in {e.speaker for e in entries}}
    return Manifest(entries, speakers, rule.text, duplicates, {})


def _entries(made: Sequence[_Made], splits: Sequence[str]) -> tuple[tuple[Entry, ...], dict[str, str]]:
    """One entry per video, under a name of its own; and which captures were left out as the same video once more."""
    firsts: dict[str, tuple[_Made, str]] = {}
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
