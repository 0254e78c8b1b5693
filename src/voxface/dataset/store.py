"""One recording on disk: a safetensors file that tells all about itself, so that a build can go on where it stopped."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxface.articulation.phones import Phone
from voxface.dataset.align import FaceRows
from voxface.dataset.quality import Quality
from voxface.errors import ClipError, DatasetError
from voxface.stream import Array
from voxface.tensors import open_tensors, save_tensors

FOLDER = "recordings"
_KIND, _VERSION = "voxface-recording", 1
_STEP = np.float32(32767)  # of 16-bit samples, as captures have them
_HINT = "Build the dataset again: voxface dataset CAPTURES -o FOLDER."
_KINDS = {
    "audio": np.int16, "weights": np.float32, "head": np.float32, "gap": np.float32, "width": np.float32,
    "valid": np.bool_, "observed": np.bool_,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a recording besides its arrays.

    name:           stem of the video
    sha256:         of the video
    session_id:     of the capture (SPEC C2)
    source_sha256:  of the capture that the recording was made from
    mel_ceiling_db: what the count of clipped mel cells refers to
    median_m:       the head position that was subtracted, metres
    frame_ms:       milliseconds between the video's frames that were looked at (their median); 0 for a single frame
    offset_ms:      how much later the face was than the sound; it has been moved back by that
    quality:        counts of what was found
    synthetic:      the speech is a machine's, and the face is that of its phones
    """

    name: str
    sha256: str
    session_id: str
    source_sha256: str
    mel_ceiling_db: float
    median_m: tuple[float, float, float]
    frame_ms: float
    offset_ms: float
    quality: Quality
    synthetic: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 must be 64 hex digits; got {self.sha256[:80]!r}")

    @property
    def file(self) -> str:
        """Its place inside the dataset's folder: the stem, and a hash of what the recording was made from.

        Another capture of the video is another file, so that a build never touches the files of the dataset before.
        """
        made_from = f"{self.sha256} {self.source_sha256} {self.mel_ceiling_db:g} {self.offset_ms:g}"
        digest = hashlib.sha256(made_from.encode()).hexdigest()[:10]
        return f"{FOLDER}/{re.sub(r'[^A-Za-z0-9._-]', '_', self.name)[:80]}-{digest}.safetensors"

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file and in the manifest."""
        return {
            "name": self.name, "sha256": self.sha256, "session_id": self.session_id,
            "source_sha256": self.source_sha256, "mel_ceiling_db": self.mel_ceiling_db,
            "median_m": list(self.median_m), "frame_ms": self.frame_ms, "offset_ms": self.offset_ms,
            "quality": self.quality.to_json(), "synthetic": self.synthetic,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Facts:
        """Read what to_json wrote. Raises: KeyError, TypeError, ValueError: it is not that."""
        x, y, z = (float(part) for part in value["median_m"])
        return cls(
            name=str(value["name"]),
            sha256=str(value["sha256"]),
            session_id=str(value["session_id"]),
            source_sha256=str(value["source_sha256"]),
            mel_ceiling_db=float(value["mel_ceiling_db"]),
            median_m=(x, y, z),
            frame_ms=float(value["frame_ms"]),
            offset_ms=float(value["offset_ms"]),
            quality=Quality.from_json(value["quality"]),
            synthetic=bool(value.get("synthetic", False)),
        )


def save_recording(
    folder: Path, facts: Facts, samples: Array, face: FaceRows, observed: Array, phones: Sequence[Phone] = ()
) -> None:
    """Write a recording into a dataset's folder, at once or not at all; the same input gives the same bytes.

    Raises: OutputError, LimitError: the place cannot be written.
    """
    tensors = {
        "audio": np.round(np.clip(samples, -1, 1) * _STEP).astype(np.int16),
        "weights": face.weights, "head": face.head, "gap": face.gap, "width": face.width, "valid": face.valid,
        "observed": observed,
    }  # fmt: skip
    header = {"kind": _KIND, "version": _VERSION, **facts.to_json(), "phones": [_phone_json(one) for one in phones]}
    arrays: dict[str, Array] = {name: np.ascontiguousarray(tensors[name], kind) for name, kind in _KINDS.items()}
    save_tensors(folder / facts.file, arrays, header, needed_by="datasets", extra="train")


def remove_others(folder: Path, kept: Collection[str]) -> None:
    """Remove the recordings of a dataset's folder that are not among `kept`: left by builds before."""
    for path in (folder / FOLDER).glob("*-*.safetensors"):
        if f"{FOLDER}/{path.name}" not in kept and re.search(r"-[0-9a-f]{10}\.safetensors$", path.name):
            path.unlink(missing_ok=True)


def read_facts(path: Path) -> Facts:
    """What a recording's file says of itself. Raises: as read_arrays."""
    return _read(path, ())[0]


def _phone_json(phone: Phone) -> list[Any]:
    return [phone.symbol, round(phone.start_s, 4), round(phone.end_s, 4), phone.stress]


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of a recording: samples float32, weights, head, gap, width, valid, observed.

    Raises: InputError: the file cannot be read. DatasetError: it is damaged, no recording, or of another version.
    """
    return read_spoken(path)[0]


def read_spoken(path: Path) -> tuple[dict[str, Array], tuple[Phone, ...]]:
    """The same, and what is spoken when, empty where that is not known. Raises: as read_arrays."""
    _, tensors, phones = _read(path, tuple(_KINDS))
    wrong = [name for name, kind in _KINDS.items() if tensors[name].dtype != kind]
    if wrong:
        raise DatasetError(f"{path} is damaged: {', '.join(wrong)} of the wrong kind.", hint=_HINT, source=str(path))
    audio = tensors.pop("audio")
    return {"samples": audio.astype(np.float32) / _STEP, **tensors}, phones


def _read(path: Path, names: tuple[str, ...]) -> tuple[Facts, dict[str, Array], tuple[Phone, ...]]:
    try:
        with open_tensors(path, needed_by="datasets", extra="train") as (header, tensor):
            if not isinstance(header, dict) or (header.get("kind"), header.get("version")) != (_KIND, _VERSION):
                raise ValueError(f"not a recording of version {_VERSION}")
            phones = tuple(Phone(str(s), float(a), float(b), int(c)) for s, a, b, c in header.get("phones", []))
            return Facts.from_json(header), {name: tensor(name) for name in names}, phones
    except (ValueError, KeyError, TypeError, RecursionError, ClipError) as error:
        raise DatasetError(f"{path} is damaged: {error}.", hint=_HINT, source=str(path)) from error
