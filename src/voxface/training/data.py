"""Recordings as one long table in memory, and batches cut from it.

The batch of step k is a pure function of the recordings, the recipe and k: a run that was stopped goes on with exactly
the crops it would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxface.audio.features import FeatureSpec
from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError
from voxface.face.rig import HEAD, MOUTH
from voxface.stream import Array, run_whole
from voxface.timebase import ROW_HOP
from voxface.training.augment import augment
from voxface.training.losses import COLUMNS, column_scale
from voxface.training.recipes import Recipe

_MOUTH_COLUMNS = np.array([name in (*MOUTH, "lipGap") for name in COLUMNS])
_STREAM = 0x766F78  # keeps the draws of batches apart from those of any other use of the seed


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
    """

    features: Array
    targets: Array
    valid: Array
    observed: Array
    feature_start: Array
    target_start: Array
    names: tuple[str, ...]
    speech: Array

    def mask(self) -> Array:
        """(targets, 60) bool: what counts."""
        counted: Array = self.valid[:, None] & np.repeat(self.observed, np.diff(self.target_start), axis=0)
        return counted


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops for one step.

    rows:    (batch, context + crop, features) float32
    targets: (batch, crop, 60) float32
    mask:    (batch, crop, 60) float32, 0 or 1
    names:   of the recordings they were cut from
    """

    rows: Array
    targets: Array
    mask: Array
    names: tuple[str, ...]


def silence_row(feature: FeatureSpec) -> Array:
    """(80 | 83,) float32: the steady row of digital silence."""
    row: Array = run_whole(feature.extractor(), np.zeros(2 * 16_000, np.float32))[150]
    return row


def feature_rows(samples: Array, feature: FeatureSpec, look_ahead_rows: int) -> Array:
    """(1 + n // 160 + look_ahead_rows, 80 | 83) float32: a recording's rows, with silence for the look-ahead."""
    padded = np.concatenate([samples, np.zeros(look_ahead_rows * ROW_HOP, np.float32)])
    return run_whole(feature.extractor(), padded)


def build_table(recordings: Sequence[Recording], recipe: Recipe) -> Table:
    """Compute features once and stack everything.

    Raises: DatasetError: there are no recordings, or none has a valid row.
    """
    if not any(recording.valid.any() for recording in recordings):
        raise DatasetError(
            "there is no face to learn from: no recording of this split has a valid row.",
            hint="Look at the split and the report of the dataset.",
        )
    context = np.tile(silence_row(recipe.feature), (recipe.context_rows, 1))
    features, targets = [], []
    for recording in recordings:
        features += [context, feature_rows(recording.samples, recipe.feature, recipe.config.look_ahead_rows)]
        targets.append(target_rows(recording))
    lengths = [len(part) for part in targets]
    widths = [len(a) + len(b) for a, b in zip(features[::2], features[1::2], strict=True)]
    return Table(
        features=np.concatenate(features),
        targets=np.concatenate(targets),
        valid=np.concatenate([recording.valid for recording in recordings]),
        observed=np.stack([np.concatenate([r.observed, np.ones(len(HEAD) + 1, bool)]) for r in recordings]),
        feature_start=np.concatenate([[0], np.cumsum(widths)[:-1]]),
        target_start=np.concatenate([[0], np.cumsum(lengths)]),
        names=tuple(recording.name for recording in recordings),
        speech=np.concatenate([relative_level_db(r.samples) >= -SPEECH_DB for r in recordings]),
    )


def target_rows(recording: Recording) -> Array:
    """(rows, 60) float32: calibrated weights, head, the lip gap the rig should show."""
    gap = np.clip(recording.rig_gap_target(), 0, None)[:, None]
    return np.concatenate([recording.calibrated(), recording.head, gap], axis=1)


def table_scale(table: Table, recipe: Recipe) -> Array:
    """(60,) float32: see losses.column_scale."""
    return column_scale(table.targets, table.mask(), recipe.loss)


def make_batch(table: Table, recipe: Recipe, step: int) -> Batch:
    """The batch of a step: crops at random places, each recording as likely as it is long, then augmented.

    A recording shorter than a crop is taken whole; rows beyond its end do not count.
    """
    random = np.random.default_rng([_STREAM, recipe.seed, step])
    which, at = _places(table, recipe, random)
    first = table.feature_start[which] + at + recipe.config.look_ahead_rows
    index = first[:, None] + np.arange(recipe.context_rows + recipe.crop_rows)
    ends = np.append(table.feature_start[1:], len(table.features))
    rows = table.features[np.minimum(index, ends[which, None] - 1)]
    rows, silent = augment(rows, recipe.augment, recipe.feature, random)
    target_index = (table.target_start[which] + at)[:, None] + np.arange(recipe.crop_rows)
    inside = target_index < table.target_start[which + 1, None]
    target_index = np.minimum(target_index, len(table.targets) - 1)
    targets = table.targets[target_index]
    counted = (table.valid[target_index] & inside)[:, :, None] & table.observed[which, None, :]
    targets[silent] = 0
    counted[silent] = _MOUTH_COLUMNS & table.observed[which[silent], None, :]
    names = tuple(table.names[i] for i in which)
    return Batch(rows, targets, counted.astype(np.float32), names)


def _places(table: Table, recipe: Recipe, random: np.random.Generator) -> tuple[Array, Array]:
    """For each crop of a batch: which recording, and its first target row there."""
    lengths = np.diff(table.target_start)
    starts = np.maximum(lengths - recipe.crop_rows, 0) + 1
    which = np.searchsorted(np.cumsum(lengths), random.integers(0, lengths.sum(), recipe.batch), side="right")
    at = np.floor(random.random(recipe.batch) * starts[which]).astype(int)
    return which, at


def whole_rows(table: Table, number: int) -> tuple[Array, slice]:
    """One recording whole: (context + rows + look-ahead, features), and where its targets are in the table."""
    ends = np.append(table.feature_start[1:], len(table.features))
    features = table.features[table.feature_start[number] : ends[number]]
    return features, slice(int(table.target_start[number]), int(table.target_start[number + 1]))


def data_hash(recordings: Sequence[Recording]) -> str:
    """SHA-256 over everything that training reads of the recordings, 64 hex digits."""
    digest = hashlib.sha256()
    for recording in recordings:
        digest.update(repr((recording.name, recording.speaker, recording.split)).encode())
        digest.update(repr((recording.gap_scale, recording.gap_offset)).encode())
        for name in ("samples", "weights", "head", "gap", "valid", "rest", "observed"):
            digest.update(np.ascontiguousarray(getattr(recording, name)).tobytes())
    return digest.hexdigest()
