"""A dataset in numbers: recordings, minutes, valid rows and windows per split, and how well the lip gaps agree."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voxface.dataset.dataset import Dataset
from voxface.dataset.quality import total
from voxface.dataset.recording import SPLITS, Recording
from voxface.dataset.windows import OVERLAP_ROWS, WINDOW_ROWS, window_starts
from voxface.face.compare import pearson
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT

_LEAST_ROWS = 10  # valid rows without which a recording says nothing about the lip gap


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """One split in numbers.

    gap_r:       mean over recordings of Pearson r between measured and calibrated rig lip gap, valid rows; None: none
    gap_r_error: its standard error; None below two recordings
    """

    recordings: int
    speakers: int
    minutes: float
    rows: int
    valid_rows: int
    windows: int
    gap_r: float | None
    gap_r_error: float | None


def summarize(dataset: Dataset, rows: int = WINDOW_ROWS, overlap: int = OVERLAP_ROWS) -> dict[str, SplitSummary]:
    """The numbers of each split, for windows of `rows` rows that overlap by `overlap`. Reads every recording once.

    Raises: InputError, DatasetError: a recording cannot be read.
    """
    return {name: _one(dataset, name, rows, overlap) for name in SPLITS}


def _one(dataset: Dataset, name: str, rows: int, overlap: int) -> SplitSummary:
    entries = dataset.entries(name)
    counts = total(entry.facts.quality for entry in entries)
    kept, agreement = 0, []
    for recording in dataset.each(name):
        kept += len(window_starts(recording.valid, rows, overlap))
        if recording.valid.sum() >= _LEAST_ROWS:
            agreement.append(gap_agreement(recording))
    error = float(np.std(agreement, ddof=1) / np.sqrt(len(agreement))) if len(agreement) > 1 else None
    return SplitSummary(
        recordings=len(entries),
        speakers=len({entry.speaker for entry in entries}),
        minutes=counts.seconds / 60,
        rows=counts.rows,
        valid_rows=counts.valid_rows,
        windows=kept,
        gap_r=float(np.mean(agreement)) if agreement else None,
        gap_r_error=error,
    )


def gap_agreement(recording: Recording) -> float:
    """Pearson r between the measured lip gap and the lip gap of the calibrated rig, over valid rows."""
    valid = recording.valid
    return pearson(recording.rig_gap_target()[valid], rig_gap(recording.calibrated()[valid], ARKIT))


def to_json(summary: dict[str, SplitSummary]) -> dict[str, Any]:
    """For `--json`."""
    return {name: asdict(part) for name, part in summary.items()}
