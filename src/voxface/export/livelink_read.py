"""Reading Live Link Face CSV: the app's own files, and those of programs that imitate it (formats.md §3, faults.md M8).

Columns are found by name, in any order and spelling; `,`, `;` or tab between them; a decimal comma where `;` separates.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from voxface.errors import InputWarning
from voxface.export.livelink_csv import HEAD_SIGNS
from voxface.export.livelink_timecode import DAY_S, Steps, find_steps, parse_timecode
from voxface.export.reading import lines, open_clip, refuse
from voxface.face.axes import quaternion_from_euler, sign_continuous
from voxface.face.clip import FaceClip
from voxface.face.interpolate import interpolate_values
from voxface.face.rig import ARKIT, EMOTIONS, LIVELINK_ANGLES, canonical_name
from voxface.stream import Array
from voxface.timebase import exact_rate

_BLOCK = 4096  # rows that are parsed before they become one array
_HEAD = LIVELINK_ANGLES[:3]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows of a file as they stand: values (rows, columns), zeros where a row has none, and their timecodes."""

    columns: tuple[str, ...]
    values: Array
    seen: Array
    seconds: Array
    frames: Array

    def pick(self, names: tuple[str, ...]) -> Array:
        """(rows, names): some columns by name, 0 for a column that the file lacks."""
        place = {name: i for i, name in enumerate(self.columns)}
        picked = np.zeros((len(self.values), len(names)))
        for i, name in enumerate(names):
            if name in place:
                picked[:, i] = self.values[:, place[name]]
        return picked


def read_livelink_csv(path: str | Path, *, fps: float | None = None, likely_fps: float | None = None) -> FaceClip:
    """Read a Live Link Face CSV; the clip starts at second 0, whatever the time of day in its first timecode.

    Args:
        fps: rows per second of an unbroken take, such as 29.97; default: inferred from the timecodes. A file too short
            to tell is taken for the slowest common rate that fits, with warning W-FPS.
        likely_fps: rows per second that another file says: counts where the timecodes are too few to tell or agree
            to 1 %, so that 29.97 is told from 30.
    Returns: a clip of the 52 ARKit channels (unobserved where the file lacks the column); head rotation where the file
        has one, at position 0; emotions where it has the 7 columns. Dropped rows are filled in linearly and not seen.
    Raises: InputError: the file cannot be opened. ClipError: anything else is wrong, with the number of the line.
    """
    if fps is not None:
        exact_rate(fps)
    rows = _read(path)
    steps = find_steps(rows.seconds, rows.frames)
    if not 0.01 <= steps.fps <= 1000:
        refuse(path, f"its timecodes make {steps.fps:.3g} frames per second; a clip has 0.01 to 1000.")
    if fps is None and likely_fps and (not steps.sure or abs(likely_fps / steps.fps - 1) < 0.01):
        fps = likely_fps
    if fps is None and not steps.sure:
        text = f"{path} is too short to tell its frame rate; taken as {steps.fps:g}. Say it with fps=."
        warnings.warn(InputWarning("W-FPS", text), stacklevel=3)
    head = rows.pick(_HEAD) * HEAD_SIGNS if set(_HEAD) <= set(rows.columns) else np.zeros((len(rows.values), 3))
    emotion = rows.pick(EMOTIONS)
    emotion = np.clip(emotion / (100 if emotion.max(initial=0) > 1.5 else 1), 0, 1)
    values = np.concatenate([rows.pick(ARKIT), emotion, sign_continuous(quaternion_from_euler(head))], axis=1)
    values, seen = _on_grid(values, rows.seen, steps, path)
    pose = np.concatenate([np.zeros((len(values), 3)), _unit(values[:, 59:])], axis=1)
    return FaceClip(
        weights=values[:, :52],
        channels=ARKIT,
        fps=steps.fps if fps is None else fps,
        head=pose if head.any() else None,
        emotion=values[:, 52:59] if set(EMOTIONS) <= set(rows.columns) else None,
        seen=seen,
        observed=np.isin(ARKIT, rows.columns),
    )


def _unit(quaternions: Array) -> Array:
    length = np.linalg.norm(quaternions, axis=1, keepdims=True)
    result: Array = np.where(length > 0, quaternions / np.where(length > 0, length, 1), [1.0, 0, 0, 0])
    return result


def _on_grid(values: Array, seen: Array, steps: Steps, path: str | Path) -> tuple[Array, Array]:
    """Values and flags on the even grid of the take; a grid point without a row near it was not seen."""
    if steps.even and (seen.all() or not seen.any()):
        return values, seen
    at = np.arange(len(values)) * steps.step if steps.even else steps.positions
    frames = round(float(at[-1]) / steps.step) + 1
    if frames > 10 * len(values) + 1000:
        refuse(path, f"its {len(values)} rows reach over {frames} frames.", "Cut the take where its timecode jumps.")
    to = np.arange(frames) * steps.step
    nearest = np.clip(np.searchsorted((at[1:] + at[:-1]) / 2, to), 0, len(at) - 1)
    near = seen[nearest] & (np.abs(at[nearest] - to) <= 0.75 * steps.step)
    known = seen if seen.any() else np.ones_like(seen)
    return interpolate_values(at[known], values[known], to), near


def _read(path: str | Path) -> _Rows:
    with open_clip(path) as file:
        text = lines(file, path)
        first = next(text, "")
        separator = next((mark for mark in (",", ";", "\t") if mark in first), ",")
        try:
            table = csv.reader(chain([first], text), delimiter=separator)
            return _table(table, _layout(next(table, []), separator == ";", path))
        except csv.Error as error:
            refuse(path, f"not readable as CSV: {error}.")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand in each row of a file, and its name for errors."""

    path: str | Path
    columns: tuple[str, ...]
    at: tuple[int, ...]
    timecode: int
    count: int | None
    decimal_comma: bool

    def numbers(self, row: list[str], where: str) -> list[float] | None:
        """The values of a row, or None where the app lost the face: count 0 or a missing tail."""
        lost = self.count is not None and (len(row) <= self.count or row[self.count].strip() in ("0", ""))
        if lost or len(row) <= max(self.at) or not all(row[i].strip() for i in self.at):
            return None
        try:
            cells = [row[i] for i in self.at]
            if not (text := "".join(cells)).isascii() or "_" in text:  # what Python would take for a number
                raise ValueError("a value with letters of other scripts, or with _")
            numbers = [float(cell.replace(",", ".")) for cell in cells] if self.decimal_comma else [*map(float, cells)]
        except ValueError as error:
            refuse(self.path, f"{where}{str(error)[:80]}.", "Every value must be a number.")
        if not all(map(math.isfinite, numbers)) or max(map(abs, numbers)) > 1e6:
            refuse(self.path, f"{where}a value is NaN, infinite or far too large.")
        return numbers


def _layout(header: list[str], decimal_comma: bool, path: str | Path) -> _Layout:
    """Find the columns by name. A name that stands twice would leave open which column counts, so it is refused."""
    spelling = {name.lower(): name for name in ("Timecode", "BlendshapeCount", *LIVELINK_ANGLES, *EMOTIONS)}
    names = [spelling.get(name.strip().lower(), canonical_name(name.strip())) for name in header]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        refuse(path, f"columns that stand twice: {', '.join(twice)[:200]}.")
    if "Timecode" not in names or not set(names) & set(ARKIT):
        refuse(path, "a Live Link Face CSV has a column Timecode and columns named as ARKit blendshapes.")
    known = {name: i for i, name in enumerate(names) if name in {*ARKIT, *LIVELINK_ANGLES, *EMOTIONS}}
    count = names.index("BlendshapeCount") if "BlendshapeCount" in names else None
    return _Layout(path, tuple(known), tuple(known.values()), names.index("Timecode"), count, decimal_comma)


def _table(table: Iterator[list[str]], layout: _Layout) -> _Rows:
    times: list[tuple[int, float]] = []
    seen: list[bool] = []
    blocks: list[Array] = [np.zeros((0, len(layout.columns)), np.float32)]
    pending: list[list[float]] = []
    for line, row in enumerate(table, start=2):
        if not any(cell.strip() for cell in row):
            continue
        time = _time(row, layout, line)
        numbers = layout.numbers(row, f"line {line}: ")
        if times and time == times[-1]:
            continue  # the app wrote a frame twice
        times.append(time)
        seen.append(numbers is not None)
        pending.append(numbers or [0.0] * len(layout.columns))
        if len(pending) == _BLOCK:
            blocks.append(np.array(pending, np.float32))
            pending = []
    blocks.append(np.array(pending, np.float32).reshape(-1, len(layout.columns)))
    seconds, frames = _rising(times, layout.path)
    return _Rows(layout.columns, np.concatenate(blocks), np.array(seen, bool), seconds, frames)


def _time(row: list[str], layout: _Layout, line: int) -> tuple[int, float]:
    text = row[layout.timecode] if layout.timecode < len(row) else ""
    time = parse_timecode(text)
    if time is None:
        refuse(layout.path, f"line {line}: {text[:40]!r} is no timecode HH:MM:SS:FF.mmm.")
    return time


def _rising(times: list[tuple[int, float]], path: str | Path) -> tuple[Array, Array]:
    """Whole seconds, made to rise across midnight, and frames. Raises: ClipError: a timecode goes back."""
    seconds = np.array([second for second, _ in times], np.int64)
    seconds += DAY_S * np.cumsum(np.diff(seconds, prepend=seconds[:1]) < -DAY_S // 2)
    frames = np.array([frame for _, frame in times], np.float64)
    moves = np.diff(seconds)
    back = np.flatnonzero((moves < 0) | ((moves == 0) & (np.diff(frames) < 0)))
    if len(back):
        refuse(path, f"the timecode goes back at frame {back[0] + 1}.", "Cut the take there.")
    return seconds, frames
