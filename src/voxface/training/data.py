"""Batches cut from tables of recordings.

The batch of step k is a pure function of the recordings, the recipe and k: a run that was stopped goes on with exactly
the crops it would have seen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxface.dataset.recording import Recording
from voxface.errors import DatasetError
from voxface.face.rig import MOUTH
from voxface.stream import Array
from voxface.training.augment import augment
from voxface.training.losses import COLUMNS
from voxface.training.recipes import Recipe
from voxface.training.table import Table, TableBuilder

_MOUTH_COLUMNS = np.array([name in (*MOUTH, "lipGap") for name in COLUMNS])
_STREAM = 0x766F78  # keeps the draws of batches apart from those of any other use of the seed


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

    def share(self, rank: int, size: int) -> Batch:
        """The crops of one of `size` processes: every `size`-th, so that each gets crops of both kinds."""
        mine, captured = slice(rank, None, size), len(range(rank, self.captured, size))
        arrays = (self.rows[mine], self.targets[mine], self.mask[mine], self.phones[mine])
        return Batch(*arrays, captured, self.names[mine])

    def broken(self) -> tuple[str, ...]:
        """Names of the recordings whose crops hold something that is not finite where it counts."""
        counted = np.isfinite(self.targets) | (self.mask == 0)
        fine = np.isfinite(self.rows).all(axis=(1, 2)) & counted.all(axis=(1, 2))
        return tuple(sorted({name for name, good in zip(self.names, fine, strict=True) if not good}))


def build_material(recordings: Iterable[Recording], recipe: Recipe, folder: Path | None = None) -> Material:
    """Tables of the captured and of the synthetic recordings, each recording asked for once.

    Raises: DatasetError: there are none of a kind that the recipe asks for. Others as of TableBuilder.
    """
    wanted = {False: recipe.batch > recipe.synthetic_crops, True: recipe.synthetic_crops > 0}
    with ExitStack() as files:
        builders = {
            synthetic: files.enter_context(TableBuilder(recipe, folder or Path(tempfile.gettempdir())))
            for synthetic in wanted
            if wanted[synthetic]
        }
        for recording in recordings:
            if recording.synthetic in builders:
                builders[recording.synthetic].add(recording)
        if wanted[True] and not builders[True].names:
            raise DatasetError(
                f"the recipe {recipe.name!r} learns from synthetic speech too, and there is none among the recordings.",
                hint="Make some: voxface synth -o FOLDER, and name that folder too.",
            )
        tables = {synthetic: builder.finish() for synthetic, builder in builders.items()}
    return Material(tables.get(False), tables.get(True))


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
    near = np.where(share[:, :, 0] < 0.5, left, right)
    phones = np.where(counted[:, :, 0], table.phones[near].astype(np.int64), -1)
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
