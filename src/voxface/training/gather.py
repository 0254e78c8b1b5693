"""What a training run learns from, gathered from datasets, folders of sound, and teachers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxface.bundle import load_bundle
from voxface.dataset.dataset import load_dataset
from voxface.dataset.recording import Recording
from voxface.errors import UsageError
from voxface.training.provenance import about_training
from voxface.training.teach import Teachers, sound_recordings


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """recordings to learn from, held_out to validate on, and what a bundle will say of them."""

    recordings: list[Recording]
    held_out: list[Recording]
    about: dict[str, Any]


def gather(
    datasets: Sequence[Path], teachers: Sequence[str] = (), sounds: Sequence[Path] = (), threads: int = 1
) -> Gathered:
    """Read datasets and folders of sound; with teachers, their answers take the place of the faces to learn from.

    What is validated on stays as it was captured.

    Args:
        datasets: folders made by `voxface dataset` or `voxface synth`.
        teachers: bundles, shipped names or paths. sounds: folders of recordings without faces.
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
        about.append(about_training(folder.resolve().name, found))
        recordings += found
    merged = about[0] | {"data": "; ".join(part["data"] for part in about)}
    if teachers:
        asked = Teachers([load_bundle(name) for name in teachers], threads)
        recordings = [asked.taught(recording) for recording in recordings]
        merged |= {"teachers": list(asked.names)}
    return Gathered(recordings, held_out, merged)
