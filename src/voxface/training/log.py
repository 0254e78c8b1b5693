"""The log of a run: log.csv with a line per step, validation.csv with a line per validation, TensorBoard if asked for.

No clock times stand in the CSV files: a run that was resumed writes the same bytes as one that was not. A log that
cannot be written never ends a training: its lines wait until there is room again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from voxface.errors import InputWarning, MissingDependencyError, OutputError

TENSORBOARD = "tensorboard"


class TrainingLog:
    """Two CSV files in a run folder, open while training goes on.

    Args:
        folder: of the run; made where missing.
        step: lines after this step, of a run that went on past its last checkpoint, are dropped.
        tensorboard: write the same numbers for TensorBoard too, into a folder beside.
    Raises: OutputError: the folder cannot be written. MissingDependencyError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._steps = Lines(folder / "log.csv", step)
            self._validations = Lines(folder / "validation.csv", step)
        except OSError as error:
            raise OutputError(
                f"cannot write the log in {folder}: {error.strerror}.", hint="Choose another folder with -o."
            ) from error
        self._board = _Board(folder / TENSORBOARD, step) if tensorboard else None

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """One line of log.csv."""
        self._steps.add(step, values)
        if self._board:
            self._board.add("train", step, values)

    def validation(self, step: int, values: Mapping[str, float]) -> None:
        """One line of validation.csv."""
        self._validations.add(step, values)
        if self._board:
            self._board.add("validation", step, values)

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._steps.close()
        self._validations.close()
        if self._board:
            self._board.close()


class Lines:
    """A CSV file that grows by lines. What the disk does not take waits here, and is tried again with the next line.

    Args:
        path: kept up to the lines of `step`.
    Raises: OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, step: int) -> None:
        old = path.read_text(encoding="utf-8").splitlines() if path.exists() and step else []
        kept = old[:1] + [line for line in old[1:] if line.split(",")[0].isdigit() and int(line.split(",")[0]) <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        self.path, self._begun, self._waiting, self._warned = path, bool(kept), b"", False
        self._file = path.open("ab", buffering=0)  # what a write took is known to the byte

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """A line, and before the first one the names of the columns."""
        if not self._begun:
            self._waiting += (",".join(["step", *values]) + "\n").encode()
            self._begun = True
        self._waiting += (",".join([str(step), *(f"{value:.6g}" for value in values.values())]) + "\n").encode()
        self._write()

    def _write(self) -> None:
        try:
            while self._waiting:
                self._waiting = self._waiting[self._file.write(self._waiting) or 0 :]
        except OSError as error:
            if not self._warned:
                _warn(f"{self.path} cannot be written now ({error.strerror}); training goes on.")
            self._warned = True

    def close(self) -> None:
        """Try once more, and let go."""
        self._write()
        if self._waiting:
            _warn(f"{self.path} lacks its last lines: the disk did not take them.")
        self._file.close()


class _Board:
    """The same numbers as TensorBoard shows them; given up at the first error."""

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingDependencyError(
                "logs for TensorBoard need the library tensorboard, which is not installed.",
                hint="pip install tensorboard, or train without --tensorboard.",
            ) from error
        self._writer: Any = SummaryWriter(folder, purge_step=step + 1)

    def add(self, group: str, step: int, values: Mapping[str, float]) -> None:
        if self._writer is None:
            return
        try:
            for name, value in values.items():
                self._writer.add_scalar(f"{group}/{name}", value, step)
        except Exception as error:  # whatever its writing thread met
            self._give_up(error)

    def close(self) -> None:
        try:
            if self._writer is not None:
                self._writer.close()
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._writer = None
        _warn(f"TensorBoard gets no more numbers ({error}); training goes on.")


def _warn(text: str) -> None:
    warnings.warn(InputWarning("W-LOG", text), stacklevel=2)
