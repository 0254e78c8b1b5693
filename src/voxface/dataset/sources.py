"""Where recordings come from: captures in their working form, loose or in shards, or a clip file with its sound."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from voxface.capture import shards
from voxface.capture.store import SUFFIX, Capture, list_captures, load_capture
from voxface.dataset.pairs import CLIPS, load_pair, sound_beside
from voxface.dataset.takes import best_of_takes, take_folders
from voxface.errors import AudioEmptyError, AudioFormatError, AudioNonFiniteError, ClipError, DatasetError
from voxface.files import sha256_hex

_HINT = "Capture videos first: voxface capture VIDEO... -o FOLDER."


def find_sources(places: Sequence[str | Path]) -> list[Path]:
    """Files of captures among files and folders, each once, in order of their names.

    Raises: DatasetError: there is none. InputError: a place does not exist. ClipError: a manifest of shards is damaged.
    """
    if not places:
        raise DatasetError("a dataset needs captures; none were named.", hint=_HINT)
    found: dict[Path, None] = {}
    for place in map(Path, places):
        found |= dict.fromkeys(_inside(place) if place.is_dir() else list_captures(place))
    return sorted(found, key=lambda path: (path.name, str(path)))


def _inside(folder: Path) -> list[Path]:
    """The captures directly in a folder, loose and in shards, or else the clip files that have sound beside them.

    A folder of take folders counts as all of them.
    """
    packed = shards.packed_captures(folder) if (folder / shards.FILE).exists() else []
    if packed or any(folder.glob(f"*{SUFFIX}")):
        return [*packed, *folder.glob(f"*{SUFFIX}")]
    pairs = [pair for place in (folder, *take_folders(folder)) for pair in _pairs(place)]
    if not pairs:
        text = f"there is no capture (*{SUFFIX}) in {folder}, and no clip ({', '.join(CLIPS)}) with its sound."
        raise DatasetError(text, hint=_HINT, source=str(folder))
    return pairs


def _pairs(folder: Path) -> list[Path]:
    sounds = {path: sound_beside(path) for path in folder.iterdir() if path.suffix.lower() in CLIPS}
    return best_of_takes({path: sound for path, sound in sounds.items() if sound})


def load_source(path: Path) -> Capture:
    """Read a capture that can be learned from.

    Raises: as read_source. DatasetError also: it has no sound, or shows no face.
    """
    capture = read_source(path)
    if not len(capture.samples):
        raise DatasetError(
            f"{path} has no sound, so there is nothing to learn from.",
            hint="Capture a video that has a sound track.",
            source=str(path),
        )
    if not capture.track.seen.any():
        raise DatasetError(f"{path} shows no face in any frame.", hint="Leave it out.", source=str(path))
    return capture


def read_source(path: Path) -> Capture:
    """Read a capture, whatever is in it.

    Raises: InputError: the file cannot be read. DatasetError: it is no capture, damaged, or of a newer version.
    """
    try:
        return load_pair(path) if path.suffix.lower() in CLIPS else _load_capture(path)
    except (ClipError, AudioFormatError, AudioEmptyError, AudioNonFiniteError) as error:
        raise DatasetError(error.message, hint=error.hint, source=str(path)) from error


def _load_capture(path: Path) -> Capture:
    with shards.on_disk(path) as file:
        return load_capture(file)


def source_digest(path: Path) -> str:
    """SHA-256 of everything that a source is read from: a recording made from the same bytes is kept.

    Raises: InputError: a file cannot be read.
    """
    sound = sound_beside(path) if path.suffix.lower() in CLIPS else None
    if sound is None:
        return shards.digest_of(path)
    return hashlib.sha256((sha256_hex(path) + sha256_hex(sound)).encode()).hexdigest()
