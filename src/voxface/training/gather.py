"""What a training run learns from, gathered from datasets, folders of sound, and teachers.

Recordings of datasets are read when they are asked for and not kept, so a dataset may be larger than the memory. Those
of folders of sound, of the generated rest and of validation are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, overload

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
from voxface.training.provenance import about_training, spoken_text
from voxface.training.rest import rest_recordings
from voxface.training.teach import Teachers, faceless, sound_recordings


@dataclass(frozen=True, slots=True)
class Source:
    """A recording before it is read; `read` gives the same one each time."""

    name: str
    synthetic: bool
    read: Callable[[], Recording]

    @classmethod
    def of(cls, recording: Recording) -> Source:
        """One that is in memory."""
        return cls(recording.name, recording.synthetic, lambda: recording)

    def then(self, change: Callable[[Recording], Recording]) -> Source:
        """The same, changed after it is read."""
        return replace(self, read=lambda: change(self.read()))


class Readings(Sequence[Recording]):
    """Sources as a sequence of recordings, each read anew whenever it is asked for."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, at: int) -> Recording: ...
    @overload
    def __getitem__(self, at: slice) -> Readings: ...
    def __getitem__(self, at: int | slice) -> Recording | Readings:
        return Readings(self.sources[at]) if isinstance(at, slice) else self.sources[at].read()


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """recordings to learn from, held_out to validate on, and what a bundle will say of them."""

    recordings: Sequence[Recording]
    held_out: Sequence[Recording]
    about: dict[str, Any]


def gather(
    datasets: Sequence[Path],
    teachers: Sequence[str] = (),
    sounds: Sequence[Path] = (),
    phones: Path | None = None,
    rest_minutes: float = 0,
    threads: int = 1,
    *,
    skip_missing: bool = False,
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
        skip_missing: leave out recordings of datasets that are lost or changed, with the warning W-SKIPPED.
    Raises: UsageError: sound without teachers. DatasetError, InputError, BundleError: something cannot be read.
    """
    if sounds and not teachers:
        raise UsageError("sound without faces needs a teacher.", hint="Name a bundle with --teacher.")
    sources: list[Source] = []
    held_out: list[Recording] = []
    texts = []
    for folder in datasets:
        data = load_dataset(folder, skip_missing=skip_missing)
        entries = data.entries("train")
        texts.append(spoken_text(folder.resolve().name, entries))
        sources += [Source(one.name, one.facts.synthetic, partial(data.read, one)) for one in entries]
        held_out += data.recordings("validate")
    for folder in sounds:
        found = list(sound_recordings(folder))
        length = clock_text(sum(recording.duration_s for recording in found))
        texts.append(f"{folder.resolve().name}: {length} of speech in {len(found)} recordings without faces")
        sources += map(Source.of, found)
    about = about_training("; ".join(texts))
    if phones is not None:
        sources = with_phones(sources, read_phone_table(phones))
    if teachers:
        asked = Teachers([load_bundle(name) for name in teachers], threads)
        sources = [source.then(asked.taught) for source in sources]
        about |= {"teachers": list(asked.names)}
    if rest_minutes:
        sources += map(Source.of, rest_recordings(rest_minutes))
        about["data"] += f"; {rest_minutes:g} min of generated sound in which nobody speaks"
    return Gathered(Readings(sources), held_out, about)


def with_phones(sources: Sequence[Source], table: Mapping[str, tuple[Phone, ...]]) -> list[Source]:
    """The recordings, those that the table names with their phones, and behind them the same with curves of these.

    Raises: DatasetError: the table names none of them.
    """
    named = {one.name: partial(replace, phones=table[one.name]) for one in sources if one.name in table}
    known = [one.then(named[one.name]) if one.name in named else one for one in sources]
    spoken = [one.then(as_spoken) for one in known if one.name in table and not one.synthetic]
    if not spoken:
        raise DatasetError("the table of phones names none of the recordings.", hint="Align this dataset's recordings.")
    return [*known, *(replace(one, name=f"{one.name}-spoken", synthetic=True) for one in spoken)]


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
