"""A plan becomes a dataset on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxface.articulation.table import Table, load_table
from voxface.dataset.dataset import Dataset
from voxface.dataset.manifest import FILE, Entry, Manifest, check_out, load_manifest, save_manifest
from voxface.dataset.rest import Calibration
from voxface.dataset.store import FOLDER, Facts, remove_others
from voxface.errors import MissingDependencyError, OutputError
from voxface.face.rig import ARKIT
from voxface.synth.make import Articulation, Made, make
from voxface.synth.plan import Script


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave.

    dataset: on disk
    faults:  a line per text or recording that was left out
    unknown: phones nobody knows, with their engine, and how often they came
    kept:    recordings that were there before
    missing: recordings of which nothing could be said
    """

    dataset: Dataset
    faults: tuple[str, ...]
    unknown: tuple[tuple[str, int], ...]
    kept: int
    missing: int


def build_synthetic(
    plan: Sequence[Script],
    out: str | Path,
    split_rule: str,
    table: Table | None = None,
    *,
    jobs: int = 1,
    advance: Callable[[str], None] = lambda name: None,
) -> Built:
    """Speak a plan into a dataset's folder. A run that was interrupted goes on where it stopped.

    The manifest comes last. The engines are programs of their own, so threads are enough to keep `jobs` cores busy.
    Raises: MissingDependencyError: nothing could be said. OutputError, LimitError: `out` cannot
    be written, or holds something else.
    """
    folder = Path(out)
    _check_out(folder)
    made = _make_all(plan, folder, Articulation.of(table or load_table()), jobs, advance)
    entries = [_entry(one.script, one.facts) for one in made if one.facts]
    faults = tuple(fault for one in made for fault in one.faults)
    if not entries:
        raise MissingDependencyError(f"none of the {len(plan)} recordings could be spoken. The first: {faults[0]}")
    speakers = {entry.speaker: _calibration(entries, entry.speaker) for entry in entries}
    manifest = Manifest(tuple(sorted(entries, key=lambda entry: entry.name)), speakers, split_rule, {}, {})
    save_manifest(folder, manifest)
    remove_others(folder, {entry.facts.file for entry in entries})
    _sweep(folder)
    unknown: Counter[str] = Counter()
    for one in made:
        unknown.update({f"{one.script.voice.engine} {name}": count for name, count in one.unknown})
    kept = sum(one.kept for one in made)
    return Built(Dataset(folder, manifest), faults, tuple(sorted(unknown.items())), kept, len(made) - len(entries))


def _make_all(
    plan: Sequence[Script], folder: Path, articulation: Articulation, jobs: int, advance: Callable[[str], None]
) -> list[Made]:
    """All scripts, in their order. What is under way when an error or Ctrl-C comes is finished, the rest not begun.

    A voice that could say nothing of a whole recording is not asked again.
    """
    broken: set[str] = set()

    def one(script: Script) -> Made:
        if script.voice.speaker in broken:
            return Made(script, None, faults=(f"{script.name}: left out, its voice cannot speak",))
        made = make(script, folder, articulation)
        if made.facts is None:
            broken.add(script.voice.speaker)
        return made

    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(one, script) for script in plan]
        try:
            for done in as_completed(waiting):
                advance(done.result().script.name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [done.result() for done in waiting]


def _check_out(folder: Path) -> None:
    """Raises: OutputError: the folder holds something else, or recordings of real faces, which must not be lost."""
    check_out(folder)
    real = (folder / FILE).exists() and not all(entry.facts.synthetic for entry in load_manifest(folder).entries)
    if real:
        text = f"{folder} holds a dataset of real faces; synthetic speech would take its place."
        raise OutputError(text, hint="Choose another folder with -o.", source=str(folder))


def _sweep(folder: Path) -> None:
    """Remove what a run that was killed had begun to write."""
    for path in (folder / FOLDER).glob(".*.part"):
        path.unlink(missing_ok=True)


def _entry(script: Script, facts: Facts) -> Entry:
    return Entry(script.name, script.voice.speaker, script.split, facts)


def _calibration(entries: Sequence[Entry], speaker: str) -> Calibration:
    """Synthetic faces rest at 0 and their gap is the rig's own."""
    rows = sum(entry.facts.quality.rows for entry in entries if entry.speaker == speaker)
    return Calibration(np.zeros(len(ARKIT), np.float32), "quiet", rows, rows, 1.0, 0.0, 1.0)
