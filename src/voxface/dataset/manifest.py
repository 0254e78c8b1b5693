"""The manifest of a dataset: which recordings, whose, in which split, and what is known of each speaker's face."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxface.dataset.recording import SPLITS
from voxface.dataset.rest import Calibration
from voxface.dataset.store import Facts
from voxface.errors import DatasetError, InputError, OutputError
from voxface.files import atomic_write

FILE = "manifest.json"
_FORMAT, _VERSION = "voxface-dataset", 1
_HINT = "Build a dataset first: voxface dataset CAPTURES -o FOLDER."


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording: its name (unique in the dataset), speaker, split, and the facts of its file.

    judged: verdict, reasons and numbers (quality_verdict, quality_numbers), for people; may be empty
    """

    name: str
    speaker: str
    split: str
    facts: Facts
    judged: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"recording {self.name!r} is in the unknown split {self.split!r}")

    def to_json(self) -> dict[str, Any]:
        """As it stands in manifest.json; what is not known is not there."""
        plain = {"name": self.name, "speaker": self.speaker, "split": self.split, "facts": self.facts.to_json()}
        return plain | ({"judged": dict(self.judged)} if self.judged else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        """Read what to_json wrote. Raises: KeyError, TypeError, ValueError: it is not that."""
        facts, judged = Facts.from_json(value["facts"]), dict(value.get("judged", {}))
        return cls(str(value["name"]), str(value["speaker"]), str(value["split"]), facts, judged)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A dataset in words.

    entries:    one per recording, sorted by name
    speakers:   name -> calibration
    split_rule: as it was written on the command line
    duplicates: name of a capture left out -> name of the recording with the same video
    sync:       speaker or recording -> what is known of its audio/video offset (dataset.sync), may be empty
    left_out:   a capture that was named -> why it is not in the dataset
    """

    entries: tuple[Entry, ...]
    speakers: Mapping[str, Calibration]
    split_rule: str
    duplicates: Mapping[str, str]
    sync: Mapping[str, Any]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it stands in manifest.json."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "split_rule": self.split_rule,
            "speakers": {name: known.to_json() for name, known in sorted(self.speakers.items())},
            "duplicates": dict(self.duplicates),
            "sync": dict(self.sync),
            **({"left_out": dict(self.left_out)} if self.left_out else {}),
            "recordings": [entry.to_json() for entry in self.entries],
        }

    @classmethod
    def from_json(cls, value: Any) -> Manifest:
        """Read what to_json wrote. Raises: KeyError, TypeError, ValueError: it is not that."""
        return cls(
            entries=tuple(Entry.from_json(entry) for entry in value["recordings"]),
            speakers={str(name): Calibration.from_json(known) for name, known in value["speakers"].items()},
            split_rule=str(value["split_rule"]),
            duplicates=dict(value["duplicates"]),
            sync=dict(value["sync"]),
            left_out=dict(value.get("left_out", {})),
        )


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json; a dataset is complete when it is there.

    Raises: OutputError, LimitError: the place cannot be written.
    """
    with atomic_write(folder / FILE, "w") as file:
        json.dump(manifest.to_json(), file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def check_out(folder: Path) -> None:
    """Raises: OutputError: the folder's manifest.json is of something else, and a dataset must not overwrite it."""
    if not (folder / FILE).exists():
        return
    try:
        ours = _read(folder / FILE).get("format") == _FORMAT
    except DatasetError:
        ours = False
    if not ours:
        text = f"{folder} holds a {FILE} that is not of a dataset."
        raise OutputError(text, hint="Choose another folder with -o.", source=str(folder))


def load_manifest(folder: Path) -> Manifest:
    """Read manifest.json of a dataset's folder.

    Raises: InputError: it cannot be read. DatasetError: it is no dataset, damaged, or of a newer version.
    """
    path = folder / FILE
    source = str(path)
    value = _read(path)
    if value.get("format") != _FORMAT:
        raise DatasetError(f"{path} is not the manifest of a dataset.", hint=_HINT, source=source)
    if value.get("version") != _VERSION:
        text = f"{path} is a dataset of version {value.get('version')}; this voxface reads {_VERSION}."
        raise DatasetError(text, hint="Update voxface, or build the dataset again.", source=source)
    try:
        return Manifest.from_json(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{path} is damaged: {error!r}.", hint=_HINT, source=source) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", hint=_HINT, source=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}.", hint=_HINT, source=str(path)) from error
    if not isinstance(value, dict):
        raise DatasetError(f"{path} is not the manifest of a dataset.", hint=_HINT, source=str(path))
    return value
