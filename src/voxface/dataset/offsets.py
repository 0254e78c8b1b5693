"""Which recordings of a dataset share an audio/video offset, and what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxface.audio.features import FeatureSpec
from voxface.dataset.store import Facts, read_arrays
from voxface.dataset.sync import LEAST_SECONDS, Offset, SyncRows, estimate_offset
from voxface.stream import run_whole
from voxface.timebase import ROW_RATE_HZ

MOST_SECONDS = 600.0
"""No more of a group is looked at; the estimate is sharp long before."""


@dataclass(frozen=True, slots=True)
class Group:
    """Recordings that were made alike: one that is long enough alone, or the shorter ones of a speaker together.

    name:    for people: `recording NAME` or `speaker NAME`, with the frame time where a speaker has several
    members: places in the list that was grouped
    """

    name: str
    members: tuple[int, ...]


def group_recordings(known: Sequence[tuple[str, Facts]]) -> list[Group]:
    """Group recordings, given as (speaker, facts): shorter than 20 s of face are pooled by speaker and frame rate."""
    pools: dict[tuple[str, float], list[int]] = {}
    groups = []
    for place, (speaker, facts) in enumerate(known):
        if facts.quality.valid_rows >= LEAST_SECONDS * ROW_RATE_HZ:
            groups.append(Group(f"recording {facts.name}", (place,)))
        else:
            pools.setdefault((speaker, round(facts.frame_ms, 1)), []).append(place)
    speakers = [speaker for speaker, _ in pools]
    for (speaker, frame_ms), members in pools.items():
        rate = f" at {frame_ms} ms a frame" if speakers.count(speaker) > 1 else ""
        groups.append(Group(f"speaker {speaker}{rate}", tuple(members)))
    return groups


def group_offset(folder: Path, members: Sequence[Facts]) -> Offset:
    """The offset that the recordings of a group share; reads evenly chosen ones of 10 minutes together.

    Raises: InputError, DatasetError: a recording cannot be read.
    """
    seconds = sum(facts.quality.valid_rows for facts in members) / ROW_RATE_HZ
    if seconds < LEAST_SECONDS:
        return Offset("too short", None, None, None, None, seconds, len(members))
    chosen = members[:: max(1, round(seconds / MOST_SECONDS))]
    most = int(MOST_SECONDS * ROW_RATE_HZ)
    parts = []
    for facts in chosen:
        arrays = read_arrays(folder / facts.file)
        mel = run_whole(FeatureSpec().extractor(), arrays["samples"][: most * 160])
        parts.append(SyncRows(mel[:most], arrays["gap"][:most], arrays["valid"][:most]))
    return estimate_offset(parts, members[0].frame_ms)
