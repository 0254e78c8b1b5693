"""A training run for the page: how its loss fell and its validation rose, from the tables beside its checkpoint."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxface.dataset.report_html import Html, join, tag
from voxface.errors import DatasetError, InputError
from voxface.evaluation.page_curves import path
from voxface.evaluation.page_tables import table
from voxface.stream import Array

VALIDATION, LOG = "validation.csv", "log.csv"
_FALLS = ("loss", "held_out_loss")
_RISES = ("gap_r", "gap_r_speech")
_WIDTH, _HEIGHT, _POINTS = 1000, 150, 200
_MOST_BYTES = 1 << 27


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a run wrote down: by column, (rows,) float64 each; NaN where a cell is empty."""

    name: str
    log: Mapping[str, Array]
    validation: Mapping[str, Array]


def is_run(folder: str | Path) -> bool:
    """Whether a folder is that of `voxface train`."""
    return (Path(folder) / VALIDATION).is_file()


def read_run(folder: str | Path) -> Run:
    """Read the tables of a run. Raises: InputError: unreadable. DatasetError: no tables of numbers."""
    place = Path(folder)
    log = _columns(place / LOG) if (place / LOG).is_file() else {}
    return Run(place.resolve().name, log, _columns(place / VALIDATION))


def _columns(file: Path) -> Mapping[str, Array]:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise DatasetError(f"{file} is larger than {_MOST_BYTES >> 20} MiB.", source=str(file))
        rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
        names = [name for name in (rows[0] if rows else {}) if name]
        found = {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}
        if "step" not in found:
            raise ValueError("it has no column 'step'")
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}.", source=str(file)) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DatasetError(f"{file} is no table of a training run: {error}.", source=str(file)) from error
    return found


def run_section(run: Run) -> Html:
    """Both curves, and the best and the last step in numbers."""
    steps = run.validation["step"]
    names = [name for name in run.validation if name != "step"]
    judged = run.validation.get("gap_r", -run.validation.get("held_out_loss", steps))
    best = int(np.nanargmax(judged)) if np.isfinite(judged).any() else len(steps) - 1
    rows = [
        [f"{what}, step {steps[k]:g}", *(f"{run.validation[name][k]:.4g}" for name in names)]
        for what, k in (("best", best), ("last", len(steps) - 1))
    ]
    return join(
        tag("h2", f"Training: {run.name}"),
        table(["validation", *names], rows),
        _curves(run, _FALLS, "loss, logarithmic", log=True),
        _curves(run, _RISES, "lip-gap r on held-out clips", log=False),
    )


def _curves(run: Run, names: tuple[str, ...], what: str, log: bool) -> Html:
    """Columns over steps, in one scale that their lowest and highest value fill; of many steps, means of stretches."""
    tables = (run.log, run.validation)
    columns = [(name, _means(t["step"]), _means(t[name])) for t in tables for name in names if name in t]
    if log:
        columns = [(name, steps, np.log10(np.maximum(values, 1e-12))) for name, steps, values in columns]
    known = np.concatenate([values[np.isfinite(values)] for *_, values in columns] or [np.zeros(0)])
    if not len(known):
        return Html()
    low, high, last = float(known.min()), float(known.max()), max(float(steps[-1]) for _, steps, _ in columns)
    lines = []
    for place, (_, steps, values) in enumerate(columns):
        y = _HEIGHT - 6 - (values - low) / max(high - low, 1e-9) * (_HEIGHT - 12)
        lines.append(tag("path", d=path(steps / max(last, 1) * _WIDTH, y), class_=f"line{place}"))
    edges = [f"{10**edge if log else edge:.3g}" for edge in (low, high)]
    keys = [tag("b", name, class_=f"name{place}") for place, (name, *_) in enumerate(columns)]
    words = tag("p", f"{what}, from {edges[0]} to {edges[1]}; {last:g} steps", class_="note")
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    drawing = tag("svg", *lines, viewBox=box, preserveAspectRatio="none", class_="run", aria_hidden="true")
    return join(words, drawing, tag("p", *keys, class_="key"))


def _means(values: Array) -> Array:
    """Means of at most _POINTS stretches: a loss of single batches is noise."""
    return np.array([part.mean() for part in np.array_split(values, min(_POINTS, len(values)))])
