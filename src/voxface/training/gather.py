"""What a training run learns from, gathered from datasets, folders of sound, and teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from voxface.articulation.channels import OBSERVED
from voxface.articulation.curves import curves
from voxface.articulation.phones import Phone
from voxface.bundle import load_bundle
from voxface.dataset.dataset import load_dataset
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError, UsageError
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.synth.phone_table import read_phone_table
from voxface.timebase import clock_text
from voxface.training.provenance import about_training
from voxface.training.rest import rest_recordings
from voxface.training.teach import Teachers, faceless, sound_recordings


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """recordings to learn from, held_out to validate on, and what a bundle will say of them."""

    recordings: list[Recording]
    held_out: list[Recording]
    about: dict[str, Any]


def gather(
    datasets: Sequence[Path],
    teachers: Sequence[str] = (),
    sounds: Sequence[Path] = (),
    phones: Path | None = None,
    rest_minutes: float = 0,
    threads: int = 1,
) -> Gathered:
    """Read datasets and folders of sound; with teachers, their answers take the place of the faces to learn from.

    What is validated on stays as it was captured.

    Args:
        datasets: folders made by `voxface dataset` or `voxface synth`.
        phones: a table of what is said when in recordings (`voxface articulation align`). They are learned from
            twice: as they were captured, and with the curves of their phones, as synthetic speech is.
        teachers: bundles, shipped names or paths. sounds: folders of recordings without faces.
        rest_minutes: so many minutes of hum, tunes and breath are added, over which the mouth rests.
        threads: of the teachers.
    Raises: UsageError: sound without teachers. DatasetError, InputError, BundleError: something cannot be read.
    """
    if sounds and not teachers:
        raise UsageError("sound without faces needs a teacher.", hint="Name a bundle with --teacher.")
    recordings: list[Recording] = []
    held_out: list[Recording] = []
    about = []
    for folder in datasets:
        data = load_dataset(folder)
        found = data.recordings("train")
        about.append(about_training(folder.resolve().name, found))
        recordings += found
        held_out += data.recordings("validate")
    for folder in sounds:
        found = list(sound_recordings(folder))
        seconds = sum(recording.duration_s for recording in found)
        text = f"{folder.resolve().name}: {clock_text(seconds)} of speech in {len(found)} recordings without faces"
        about.append(about_training(folder.resolve().name, found) | {"data": text})
        recordings += found
    merged = about[0] | {"data": "; ".join(part["data"] for part in about)}
    if phones is not None:
        recordings = with_phones(recordings, read_phone_table(phones))
    if teachers:
        asked = Teachers([load_bundle(name) for name in teachers], threads)
        recordings = [asked.taught(recording) for recording in recordings]
        merged |= {"teachers": list(asked.names)}
    if rest_minutes:
        recordings += rest_recordings(rest_minutes)
        merged["data"] += f"; {rest_minutes:g} min of generated sound in which nobody speaks"
    return Gathered(recordings, held_out, merged)


def with_phones(recordings: Sequence[Recording], table: Mapping[str, tuple[Phone, ...]]) -> list[Recording]:
    """The recordings, those that the table names with their phones, and behind them the same with curves of these.

    Raises: DatasetError: the table names none of them.
    """
    known = [replace(one, phones=table[one.name]) if one.name in table else one for one in recordings]
    spoken = [as_spoken(one) for one in known if one.name in table and not one.synthetic]
    if not spoken:
        raise DatasetError("the table of phones names none of the recordings.", hint="Align this dataset's recordings.")
    return [*known, *spoken]


def as_spoken(recording: Recording) -> Recording:
    """A recording with known phones, with their curves instead of its face."""
    weights = curves(recording.phones, recording.rows)
    return replace(
        faceless(f"{recording.name}-spoken", recording.samples),
        speaker=recording.speaker,
        weights=weights,
        gap=rig_gap(weights, ARKIT),
        valid=np.ones(recording.rows, bool),
        observed=OBSERVED,
        phones=recording.phones,
        synthetic=True,
    )
