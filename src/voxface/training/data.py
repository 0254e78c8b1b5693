"""Recordings as one long table in memory, and batches cut from it.

The batch of step k is a pure function of the recordings, the recipe and k: a run that was stopped goes on with exactly
the crops it would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxface.articulation.phones import phone_rows
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
    phones:        (targets,) int64 index among articulation.PHONES; -1 where not known
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

    def mask(self) -> Array:
        """(targets, 60) bool: what counts."""
        counted: Array = self.valid[:, None] & np.repeat(self.observed, np.diff(self.target_start), axis=0)
        return counted


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a run learns from: captured faces, and synthetic speech with the curves of its phones; or one of them."""

    captured: Table | None
    synthetic: Table | None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops for one step: those of captured faces first, then those of synthetic speech.

    rows:     (batch, context + crop, features) float32
    targets:  (batch, crop, 60) float32
    mask:     (batch, crop, 60) float32, 0 or 1
    phones:   (batch, crop) int64; -1 where not known
    captured: how many crops are of captured faces
    names:    of the recordings they were cut from
    """

    rows: Array
    targets: Array
    mask: Array
    phones: Array
    captured: int
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
        phones=np.concatenate([known_phones(recording) for recording in recordings]),
    )


def build_material(recordings: Sequence[Recording], recipe: Recipe) -> Material:
    """Tables of the captured and of the synthetic recordings.

    Raises: DatasetError: there are none of a kind that the recipe asks for.
    """
    captured = [recording for recording in recordings if not recording.synthetic]
    synthetic = [recording for recording in recordings if recording.synthetic]
    if recipe.synthetic_crops and not synthetic:
        raise DatasetError(
            f"the recipe {recipe.name!r} learns from synthetic speech too, and there is none among the recordings.",
            hint="Make some: voxface synth -o FOLDER, and name that folder too.",
        )
    wanted = recipe.batch > recipe.synthetic_crops
    return Material(
        build_table(captured, recipe) if wanted else None,
        build_table(synthetic, recipe) if recipe.synthetic_crops else None,
    )


def known_phones(recording: Recording) -> Array:
    """(rows,) int64: the phone of each row among articulation.PHONES, -1 where the recording does not tell."""
    if not recording.phones:
        return np.full(recording.rows, -1, np.int64)
    known: Array = phone_rows(recording.phones, recording.rows)
    return known


def target_rows(recording: Recording) -> Array:
    """(rows, 60) float32: calibrated weights, head, the lip gap the rig should show."""
    gap = np.clip(recording.rig_gap_target(), 0, None)[:, None]
    return np.concatenate([recording.calibrated(), recording.head, gap], axis=1)


def table_scale(table: Table, recipe: Recipe) -> Array:
    """(60,) float32: see losses.column_scale."""
    return column_scale(table.targets, table.mask(), recipe.loss)


def make_batch(material: Material, recipe: Recipe, step: int) -> Batch:
    """The batch of a step: crops at random places, each recording as likely as it is long, then augmented.

    A recording shorter than a crop is taken whole; rows beyond its end do not count.
    """
    random = np.random.default_rng([_STREAM, recipe.seed, step])
    synthetic = recipe.synthetic_crops
    parts = [
        _crops(table, count, recipe, random)
        for table, count in ((material.captured, recipe.batch - synthetic), (material.synthetic, synthetic))
        if table is not None and count
    ]
    rows, targets, mask, phones = (np.concatenate([part[i] for part in parts]) for i in range(4))
    names = tuple(name for part in parts for name in part[4])
    return Batch(rows, targets, mask, phones, recipe.batch - synthetic, names)


def _crops(table: Table, count: int, recipe: Recipe, random: np.random.Generator) -> tuple[Any, ...]:
    """Rows, targets, mask, phones and names of `count` crops of one table.

    Time may run faster or slower in a crop: its row j is read at j * speed, between the rows, and so are its targets.
    """
    which, at = _places(table, count, recipe, random)
    speed = random.uniform(1 - recipe.augment.speed, 1 + recipe.augment.speed, count)
    rows = _heard(table, which, at, speed, recipe)
    elsewhere = _places(table, count, recipe, random)  # drawn in any case: a recipe without babble keeps its crops
    others = _heard(table, *elsewhere, np.ones(count), recipe) if recipe.augment.babble_share else None
    rows, silent = augment(rows, recipe.augment, recipe.feature, random, others)
    place = at[:, None] + np.arange(recipe.crop_rows) * speed[:, None]
    start, end = table.target_start[which, None], table.target_start[which + 1, None]
    left = np.minimum(start + place.astype(np.int64), end - 1)
    right = np.minimum(left + 1, end - 1)
    share = (place - np.floor(place)).astype(np.float32)[:, :, None]
    targets = table.targets[left] * (1 - share) + table.targets[right] * share
    known = table.valid[left] & (table.valid[right] | (share[:, :, 0] == 0))
    counted = (known & (start + place < end))[:, :, None]
    mask = counted & table.observed[which, None, :]
    targets[silent] = 0
    mask[silent] = _MOUTH_COLUMNS & table.observed[which[silent], None, :]
    phones = np.where(counted[:, :, 0], table.phones[np.where(share[:, :, 0] < 0.5, left, right)], -1)
    phones[silent] = 0
    return rows, targets, mask.astype(np.float32), phones, [table.names[i] for i in which]


def _heard(table: Table, which: Array, at: Array, speed: Array, recipe: Recipe) -> Array:
    """(crops, context + crop, features): the rows that the net hears of each crop.

    Its output k of the crop describes target row at + k * speed; the row that it has just heard then lies the
    look-ahead further on.
    """
    steps = np.arange(recipe.context_rows + recipe.crop_rows) - recipe.context_rows + recipe.config.look_ahead_rows
    first = table.feature_start[which, None]
    place = first + recipe.context_rows + at[:, None] + steps * speed[:, None]
    last = np.append(table.feature_start[1:], len(table.features))[which, None] - 1
    place = np.clip(place, first, last)
    left = place.astype(np.int64)
    share = (place - left).astype(np.float32)[:, :, None]
    heard: Array = table.features[left]
    if share.any():
        heard = heard * (1 - share) + table.features[np.minimum(left + 1, last)] * share
    return heard


def _places(table: Table, count: int, recipe: Recipe, random: np.random.Generator) -> tuple[Array, Array]:
    """For each crop: which recording, and its first target row there."""
    lengths = np.diff(table.target_start)
    starts = np.maximum(lengths - recipe.crop_rows, 0) + 1
    which = np.searchsorted(np.cumsum(lengths), random.integers(0, lengths.sum(), count), side="right")
    at = np.floor(random.random(count) * starts[which]).astype(int)
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
        digest.update(repr((recording.gap_scale, recording.gap_offset, recording.synthetic)).encode())
        digest.update(repr([(one.symbol, one.start_s, one.end_s) for one in recording.phones]).encode())
        for name in ("samples", "weights", "head", "gap", "valid", "rest", "observed"):
            digest.update(np.ascontiguousarray(getattr(recording, name)).tobytes())
    return digest.hexdigest()
