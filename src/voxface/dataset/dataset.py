"""A dataset as it is read: a folder with manifest.json and one file per recording."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voxface.dataset.manifest import Entry, Manifest, load_manifest
from voxface.dataset.recording import SPLITS, Recording
from voxface.dataset.store import read_spoken
from voxface.errors import DatasetError, UsageError


@dataclass(frozen=True, slots=True)
class Dataset:
    """Recordings by split. Opening it reads the manifest alone; recordings are read when they are asked for."""

    folder: Path
    manifest: Manifest

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who speaks, sorted."""
        return tuple(sorted(self.manifest.speakers))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the manifest, which holds the hashes of all videos and captures: another dataset, another value.

        A training that goes on compares it.
        """
        return hashlib.sha256(json.dumps(self.manifest.to_json(), sort_keys=True).encode()).hexdigest()

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


def load_dataset(path: str | Path) -> Dataset:
    """Open the dataset in a folder.

    Raises: InputError: there is none. DatasetError: it is damaged, of a newer version, or files of it are missing.
    """
    folder = Path(path)
    manifest = load_manifest(folder)
    missing = [e.facts.file for e in manifest.entries if not (folder / e.facts.file).is_file()]
    if missing:
        some = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise DatasetError(
            f"{len(missing)} of {len(manifest.entries)} recordings of {folder} are missing: {some}.",
            hint="Build the dataset again: voxface dataset CAPTURES -o FOLDER.",
            source=str(folder),
        )
    strangers = sorted({e.speaker for e in manifest.entries} - set(manifest.speakers))
    if strangers:
        raise DatasetError(f"{folder} lacks the calibration of {', '.join(strangers)}.", source=str(folder))
    return Dataset(folder, manifest)
