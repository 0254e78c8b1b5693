"""Clips of an evaluation that are kept for the eye: both faces, lip gaps and sound, in one compact file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxface.audio.decode import read_audio
from voxface.audio.flac import flac
from voxface.errors import DatasetError, VoxfaceError
from voxface.evaluation.group import GroupReport
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.tensors import open_tensors, save_tensors
from voxface.timebase import SAMPLE_RATE_HZ, row_count

FILE = "clips.safetensors"
FORMAT, VERSION = "voxface-evaluation-clips", 1

MOST = 24
"""Clips kept of one group: the worst half of them, and some evenly from the rest to the best."""

MOST_S = 60
"""Of a longer clip, so many seconds from its start are kept."""

_NEEDS = ("evaluations", "capture")
_LEVELS = 255  # a weight is kept in steps of 1/255, which no eye can see


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """One clip, at 100 rows a second.

    group, name: of the clip
    numbers:   of the clip, as they stand in report.json: r, speech_r, lag_ms, ...
    captured, predicted: (rows, 52) float32 in [0, 1], canonical order
    gaps:      (2, rows) float32 lip gap in the rig's units: true, predicted
    valid:     (rows,) bool: rows of the truth that count
    closed_s:  where p b m are known to be
    samples:   (n,) float32 at 16 kHz
    """

    group: str
    name: str
    numbers: dict[str, float | None]
    captured: Array
    predicted: Array
    gaps: Array
    valid: Array
    closed_s: tuple[float, ...]
    samples: Array

    @property
    def rank(self) -> float:
        """r of the lip gap; below every r where the clip judges nobody."""
        r = self.numbers.get("r")
        return -2.0 if r is None else r


def kept_places(r: Sequence[float | None]) -> set[int]:
    """Which clips of a group are kept.

    Args:
        r: of every clip; None comes first, as the worst.
    """
    known = [-2.0 if one is None else one for one in r]
    worst_first = sorted(range(len(r)), key=known.__getitem__)
    worst, rest = worst_first[: MOST // 2], worst_first[MOST // 2 :]
    spread = np.linspace(0, len(rest) - 1, min(MOST - len(worst), len(rest))).round().astype(int)
    return {*worst, *(rest[place] for place in spread)}


def save_kept(path: str | Path, title: str, groups: Iterable[GroupReport]) -> None:
    """Write the clips of these groups whose faces were kept.

    Raises: OutputError, LimitError: the place cannot be written. MissingDependencyError: no safetensors.
    """
    arrays: dict[str, Array] = {}
    clips: list[dict[str, Any]] = []
    for group in groups:
        for curve in group.curves:
            if curve.faces is None:
                continue
            samples = curve.samples[: MOST_S * SAMPLE_RATE_HZ]
            rows, key = row_count(len(samples)), str(len(clips))
            arrays[f"{key}.faces"] = _levels(np.stack(curve.faces)[:, :rows])
            arrays[f"{key}.gaps"] = np.stack([curve.captured, curve.predicted])[:, :rows].astype(np.float32)
            arrays[f"{key}.valid"] = curve.valid[:rows].astype(np.uint8)
            arrays[f"{key}.sound"] = np.frombuffer(flac(samples, SAMPLE_RATE_HZ), np.uint8)
            about = {"group": group.name, "name": curve.name, "closed_s": list(curve.closed_s)}
            clips.append(about | {"numbers": curve.scores.to_json()})
    header = {"format": FORMAT, "version": VERSION, "title": title, "rig": list(ARKIT), "clips": clips}
    save_tensors(path, arrays, header, *_NEEDS)


def load_kept(path: str | Path) -> tuple[Kept, ...]:
    """Read what save_kept wrote.

    Raises: InputError: it cannot be read. DatasetError: it is something else, damaged or of another version.
    """
    try:
        with open_tensors(path, *_NEEDS) as (header, array):
            if header.get("format") != FORMAT:
                raise DatasetError(f"{path} holds no clips of an evaluation.", source=str(path))
            if header.get("version") != VERSION or header["rig"] != list(ARKIT):
                text = f"{path} is of version {header.get('version')}; this voxface reads {VERSION}."
                raise DatasetError(text, hint="Run voxface evaluate again.", source=str(path))
            return tuple(_kept(one, str(key), array) for key, one in enumerate(header["clips"]))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        text = f"{path} is damaged: {error}."
        raise DatasetError(text, hint="Run voxface evaluate again.", source=str(path)) from error


def _kept(about: dict[str, Any], key: str, array: Any) -> Kept:
    """Raises: ValueError: arrays that do not fit."""
    faces, gaps, valid = array(f"{key}.faces"), array(f"{key}.gaps"), array(f"{key}.valid")
    try:
        samples, rate_hz = read_audio(array(f"{key}.sound").tobytes())
    except VoxfaceError as error:
        raise ValueError(str(error)) from error
    rows = row_count(len(samples))
    if faces.shape != (2, rows, len(ARKIT)) or gaps.shape != (2, rows) or valid.shape != (rows,):
        raise ValueError(f"clip {key} has {faces.shape} faces and {gaps.shape} gaps for {rows} rows")
    if rate_hz != SAMPLE_RATE_HZ or not np.isfinite(gaps).all():
        raise ValueError(f"clip {key} has {rate_hz} samples a second, or gaps that are no numbers")
    weights = faces.astype(np.float32) / _LEVELS
    numbers = {str(name): None if value is None else float(value) for name, value in about["numbers"].items()}
    return Kept(
        str(about["group"]), str(about["name"]), numbers, weights[0], weights[1], gaps,
        valid.astype(bool), tuple(float(time) for time in about["closed_s"]), samples,
    )  # fmt: skip


def _levels(weights: Array) -> Array:
    levels: Array = np.round(np.clip(weights, 0, 1) * _LEVELS).astype(np.uint8)
    return levels
