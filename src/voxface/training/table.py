"""Recordings behind one another as one long table, in files that are mapped and not read: larger than the memory is
allowed.

A table is made anew at every start, at several thousand times real time, in files without a name inside the run's
folder: whatever ends the process, nothing is left behind. Where there is room the system keeps them in memory.
"""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from voxface.articulation.phones import phone_rows
from voxface.audio.features import FeatureSpec
from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError, LimitError, OutputError
from voxface.face.rig import HEAD
from voxface.stream import Array, run_whole
from voxface.timebase import ROW_HOP
from voxface.training.losses import column_scale
from voxface.training.recipes import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """All recordings of a split behind one another.

    features:      (rows, 80 | 83) float32; each recording comes with `context` rows of silence before it, and its
                   look-ahead after it
    targets:       (targets, 60) float32, columns as in losses.COLUMNS
    valid:         (targets,) bool
    observed:      (recordings, 60) bool
    feature_start: (recordings,) where the context of each begins among the features
    target_start:  (recordings + 1,) where each begins among the targets; the last entry is the end
    names:         of the recordings
    speech:        (targets,) bool: somebody speaks (SPEC C5)
    phones:        (targets,) int8 index among articulation.PHONES; -1 where not known
    """

    features: Array
    targets: Array
    valid: Array
    observed: Array
    feature_start: Array
    target_start: Array
    names: tuple[str, ...]
    speech: Array
    phones: Array

    def place(self, number: int) -> slice:
        """Where the targets of a recording are."""
        return slice(int(self.target_start[number]), int(self.target_start[number + 1]))

    def parts(self) -> Iterator[tuple[Array, Array]]:
        """Recording by recording: (rows, 60) targets, and (rows, 60) bool: what counts."""
        for number in range(len(self.names)):
            place = self.place(number)
            yield self.targets[place], self.valid[place, None] & self.observed[number]


class _Column:
    """A column of a table on its way into a file without a name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows = folder, 0
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by the builder)
        self.kind: Any = None
        self.width: tuple[int, ...] = ()

    def add(self, rows: Array) -> None:
        self.kind, self.width = rows.dtype, rows.shape[1:]
        self.file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def mapped(self) -> Array:
        """(rows, ...) read-only: a mapping that might be written would count as memory."""
        self.file.flush()
        return np.memmap(self.file, self.kind, "r", shape=(self.rows, *self.width)).view(np.ndarray)


class TableBuilder:
    """Takes recordings one at a time and keeps none of them; used in a `with`, which closes its files.

    Args:
        recipe: says what the features are, how much silence comes before, how far the net looks ahead.
        folder: where the files lie; it must be there.
    Raises: LimitError: the disk is full. OutputError: the folder cannot be written.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.context = np.tile(silence_row(recipe.feature), (recipe.context_rows, 1))
        self.columns: dict[str, _Column] = {}
        self.names: list[str] = []
        self.observed: list[Array] = []
        self.feature_start, self.target_start = [0], [0]
        self.any_face = False

    def add(self, recording: Recording) -> None:
        """Compute the rows of a recording and put them behind the others."""
        heard = feature_rows(recording.samples, self.recipe.feature, self.recipe.config.look_ahead_rows)
        try:
            self._put("features", self.context)
            self._put("features", heard)
            self._put("targets", target_rows(recording))
            self._put("valid", recording.valid)
            self._put("speech", relative_level_db(recording.samples) >= -SPEECH_DB)
            self._put("phones", known_phones(recording))
        except OSError as error:
            raise _no_room(self.folder, error) from error
        self.names.append(recording.name)
        self.observed.append(np.concatenate([recording.observed, np.ones(len(HEAD) + 1, bool)]))
        self.feature_start.append(self.columns["features"].rows)
        self.target_start.append(self.columns["targets"].rows)
        self.any_face |= bool(recording.valid.any())

    def _put(self, name: str, rows: Array) -> None:
        if name not in self.columns:
            self.columns[name] = _Column(self.folder)
        self.columns[name].add(rows)

    def finish(self) -> Table:
        """The table of all that was added. Raises: DatasetError: no recording has a valid row. LimitError, OutputError:
        the last bytes found no room."""
        if not self.any_face:
            raise DatasetError(
                "there is no face to learn from: no recording of this split has a valid row.",
                hint="Look at the split and the report of the dataset.",
            )
        try:
            mapped = {name: column.mapped() for name, column in self.columns.items()}
        except OSError as error:
            raise _no_room(self.folder, error) from error
        return Table(
            observed=np.stack(self.observed),
            feature_start=np.array(self.feature_start[:-1]),
            target_start=np.array(self.target_start),
            names=tuple(self.names),
            **mapped,
        )

    def __enter__(self) -> TableBuilder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for column in self.columns.values():
            with suppress(OSError):  # a full disk was told of already
                column.file.close()  # a mapping keeps what it needs


def _no_room(folder: Path, error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LimitError(
            f"no space left for the table of features and targets in {folder}.",
            hint="It takes 2 GB for ten hours of recordings: free some space, or choose another folder with -o.",
            source=str(folder),
        )
    return OutputError(
        f"cannot write a table in {folder}: {error.strerror}.",
        hint="Choose another folder with -o.",
        source=str(folder),
    )


def build_table(recordings: Iterable[Recording], recipe: Recipe, folder: Path | None = None) -> Table:
    """The table of recordings, each asked for once and forgotten again.

    Args:
        folder: where its files lie; default: where the system keeps such things.
    Raises: as TableBuilder and its finish.
    """
    with TableBuilder(recipe, folder or Path(tempfile.gettempdir())) as builder:
        for recording in recordings:
            builder.add(recording)
        return builder.finish()


def silence_row(feature: FeatureSpec) -> Array:
    """(80 | 83,) float32: the steady row of digital silence."""
    row: Array = run_whole(feature.extractor(), np.zeros(2 * 16_000, np.float32))[150]
    return row


def feature_rows(samples: Array, feature: FeatureSpec, look_ahead_rows: int) -> Array:
    """(1 + n // 160 + look_ahead_rows, 80 | 83) float32: a recording's rows, with silence for the look-ahead."""
    padded = np.concatenate([samples, np.zeros(look_ahead_rows * ROW_HOP, np.float32)])
    return run_whole(feature.extractor(), padded)


def known_phones(recording: Recording) -> Array:
    """(rows,) int8: the phone of each row among articulation.PHONES, -1 where the recording does not tell."""
    if not recording.phones:
        return np.full(recording.rows, -1, np.int8)
    known: Array = phone_rows(recording.phones, recording.rows).astype(np.int8)
    return known


def target_rows(recording: Recording) -> Array:
    """(rows, 60) float32: calibrated weights, head, the lip gap the rig should show."""
    gap = np.clip(recording.rig_gap_target(), 0, None)[:, None]
    return np.concatenate([recording.calibrated(), recording.head, gap], axis=1)


def table_scale(table: Table, recipe: Recipe) -> Array:
    """(60,) float32: see losses.column_scale."""
    return column_scale(table.parts, recipe.loss)


def whole_rows(table: Table, number: int) -> tuple[Array, slice]:
    """One recording whole: a copy of its (context + rows + look-ahead, features), and where its targets are."""
    ends = np.append(table.feature_start[1:], len(table.features))
    return table.features[table.feature_start[number] : ends[number]].copy(), table.place(number)


class DataHash:
    """SHA-256 over everything that training reads of recordings: the one identity of what a run learns from."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def through(self, recordings: Iterable[Recording]) -> Iterator[Recording]:
        """The recordings, each hashed as it passes."""
        for recording in recordings:
            self._add(recording)
            yield recording

    def _add(self, recording: Recording) -> None:
        self._digest.update(repr((recording.name, recording.speaker, recording.split)).encode())
        self._digest.update(repr((recording.gap_scale, recording.gap_offset, recording.synthetic)).encode())
        self._digest.update(repr([(one.symbol, one.start_s, one.end_s) for one in recording.phones]).encode())
        for name in ("samples", "weights", "head", "gap", "valid", "rest", "observed"):
            self._digest.update(np.ascontiguousarray(getattr(recording, name)).tobytes())

    def hex(self) -> str:
        """64 hex digits, of all that passed so far."""
        return self._digest.hexdigest()
