"""A dataset as it is read: a folder with manifest.json and one file per recording."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from voxface.dataset.manifest import Entry, Manifest, load_manifest
from voxface.dataset.recording import SPLITS, Recording
from voxface.dataset.store import read_facts, read_spoken
from voxface.errors import DatasetError, InputError, InputWarning, UsageError, some_of

MOST_NAMED = 20
"""Recordings that a message names; there may be thousands."""

_HINT = "Build the dataset again: voxface dataset CAPTURES -o FOLDER. Or leave them out: --skip-missing."


@dataclass(frozen=True, slots=True)
class Dataset:
    """Recordings by split. Opening it reads no arrays; recordings are read when they are asked for."""

    folder: Path
    manifest: Manifest

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who speaks, sorted."""
        return tuple(sorted(self.manifest.speakers))

    def entries(self, split: str) -> tuple[Entry, ...]:
        """The entries of a split, sorted by name. Raises: UsageError: there is no such split."""
        if split not in SPLITS:
            raise UsageError(f"there is no split {split!r}; splits are {', '.join(SPLITS)}.")
        return tuple(entry for entry in self.manifest.entries if entry.split == split)

    def recordings(self, split: str) -> list[Recording]:
        """All recordings of a split in memory, sorted by name (an hour takes 0.4 GB and about a second).

        Raises: UsageError: no such split. InputError, DatasetError: a file cannot be read or is damaged.
        """
        return list(self.each(split))

    def each(self, split: str) -> Iterator[Recording]:
        """The recordings of a split, one at a time. Raises: as recordings."""
        for entry in self.entries(split):
            yield self.read(entry)

    def read(self, entry: Entry) -> Recording:
        """The recording of an entry. Raises: InputError, DatasetError: its file cannot be read or is damaged."""
        known = self.manifest.speakers[entry.speaker]
        arrays, phones = read_spoken(self.folder / entry.facts.file)
        return Recording(
            name=entry.name,
            speaker=entry.speaker,
            split=entry.split,
            rest=known.rest,
            gap_scale=known.gap_scale,
            gap_offset=known.gap_offset,
            synthetic=entry.facts.synthetic,
            phones=phones,
            **arrays,
        )


def load_dataset(path: str | Path, *, skip_missing: bool = False) -> Dataset:
    """Open the dataset in a folder, and look at the header of every recording (0.1 ms each).

    Args:
        skip_missing: leave recordings out that are missing or are not those of the manifest, with the warning
            W-SKIPPED, instead of refusing the dataset.
    Raises: InputError: there is none. DatasetError: it is damaged, of a newer version, or recordings of it are missing
        or changed (all of them, with `skip_missing`).
    """
    folder = Path(path)
    manifest = load_manifest(folder)
    strangers = sorted({e.speaker for e in manifest.entries} - set(manifest.speakers))
    if strangers:
        raise DatasetError(f"{folder} lacks the calibration of {', '.join(strangers)}.", source=str(folder))
    lost = {entry.name: fault for entry in manifest.entries if (fault := _fault(folder, entry))}
    if lost:
        manifest = _without(manifest, lost, folder, skip_missing)
    return Dataset(folder, manifest)


def _fault(folder: Path, entry: Entry) -> str | None:
    """What is wrong with the file of an entry."""
    path = folder / entry.facts.file
    if not path.is_file():
        return "missing"
    try:
        return None if read_facts(path) == entry.facts else "changed"
    except (InputError, DatasetError):
        return "damaged"


def _without(manifest: Manifest, lost: Mapping[str, str], folder: Path, skip: bool) -> Manifest:
    named = [f"{name} ({fault})" for name, fault in lost.items()]
    some = some_of(named, MOST_NAMED)
    text = f"{len(lost)} of {len(manifest.entries)} recordings of {folder} are missing or changed: {some}"
    if not skip or len(lost) == len(manifest.entries):
        raise DatasetError(f"{text}.", hint=_HINT, source=str(folder))
    warnings.warn(InputWarning("W-SKIPPED", f"{text}; they are left out."), stacklevel=3)
    return replace(manifest, entries=tuple(entry for entry in manifest.entries if entry.name not in lost))
