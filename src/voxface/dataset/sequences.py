"""The windows of a dataset as one file of three arrays, for trainers of other kinds (SPEC A3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from voxface.audio.features import FeatureSpec
from voxface.dataset.dataset import Dataset
from voxface.dataset.recording import CHANNELS, SPLITS
from voxface.dataset.store import read_arrays
from voxface.dataset.windows import OVERLAP_ROWS, WINDOW_ROWS, Windows, check_window, window_starts, windows
from voxface.files import atomic_write
from voxface.stream import Array, run_whole


def write_sequences(
    dataset: Dataset,
    path: str | Path,
    rows: int = WINDOW_ROWS,
    overlap: int = OVERLAP_ROWS,
    spec: FeatureSpec | None = None,
    advance: Callable[[str], None] = lambda name: None,
) -> int:
    """Write all windows of a dataset into one safetensors file, one recording in memory at a time; give their number.

    The file holds audio_sequences (N, rows, 80 | 83) float32, target_sequences (N, rows, 59) float32 as measured, mask
    (N, rows) bool, and for each window: split (0 train, 1 validate, 2 test), recording (place in the header's list)
    and start (its first row). Train, validate and test must be kept apart by `split`: windows of one recording overlap.

    Raises: UsageError: overlap is not below rows. OutputError, LimitError: the place cannot be written.
    """
    check_window(rows, overlap)
    spec = spec or FeatureSpec()
    entries = dataset.manifest.entries
    counts = [len(window_starts(read_arrays(dataset.folder / e.facts.file)["valid"], rows, overlap)) for e in entries]
    total = sum(counts)
    shapes: dict[str, tuple[str, Any, tuple[int, ...]]] = {
        "audio_sequences": ("F32", np.float32, (total, rows, spec.rows)),
        "target_sequences": ("F32", np.float32, (total, rows, len(CHANNELS))),
        "start": ("I64", np.int64, (total,)),
        "recording": ("I32", np.int32, (total,)),
        "mask": ("BOOL", np.bool_, (total, rows)),
        "split": ("U8", np.uint8, (total,)),
    }
    names = [entry.name for entry in entries]
    words = {"recordings": names, "splits": list(SPLITS), "channels": list(CHANNELS), "feature": spec.to_json()}
    with atomic_write(path) as file:
        places = _write_header(file, shapes, {key: json.dumps(value) for key, value in words.items()})
        for number, cut in enumerate(_all_windows(dataset, rows, overlap, spec)):
            many = len(cut)
            parts = {
                "audio_sequences": cut.audio_sequences,
                "target_sequences": cut.target_sequences,
                "mask": cut.mask,
                "start": cut.starts,
                "recording": np.full(many, number),
                "split": np.full(many, SPLITS.index(entries[number].split)),
            }
            _write_parts(file, places, {key: np.asarray(part, shapes[key][1]) for key, part in parts.items()})
            advance(entries[number].name)
    return total


def _all_windows(dataset: Dataset, rows: int, overlap: int, spec: FeatureSpec) -> Iterator[Windows]:
    for entry in dataset.manifest.entries:
        recording = dataset.read(entry)
        yield windows(recording, run_whole(spec.extractor(), recording.samples), rows, overlap)


def _write_header(
    file: IO[Any], shapes: dict[str, tuple[str, Any, tuple[int, ...]]], metadata: dict[str, str]
) -> dict[str, int]:
    """Write the header of a safetensors file and give the place of each array in the file.

    Format: 8 bytes length of the header, little-endian; JSON, filled up with spaces to 8 bytes; the arrays one after
    the other (github.com/huggingface/safetensors, README). Written here because the library wants all in memory.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    starts, at = {}, 0
    for name, (kind, dtype, shape) in shapes.items():
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + size]}
        starts[name], at = at, at + size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    file.truncate(8 + len(text) + at)
    return {name: 8 + len(text) + start for name, start in starts.items()}


def _write_parts(file: IO[Any], places: dict[str, int], parts: dict[str, Array]) -> None:
    """Write the windows of one recording to their places, and move the places on."""
    for name, part in parts.items():
        file.seek(places[name])
        file.write(np.ascontiguousarray(part).tobytes())
        places[name] += part.nbytes
