"""The log of a run: log.csv with a line per step, validation.csv with a line per validation.

No clock times stand in it: a run that was resumed writes the same bytes as one that was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from voxface.errors import OutputError


class TrainingLog:
    """Two CSV files in a run folder, open while training goes on.

    Args:
        folder: of the run; made where missing.
        step: lines after this step, of a run that went on past its last checkpoint, are dropped.
    Raises: OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._steps = _reopen(folder / "log.csv", step)
            self._validations = _reopen(folder / "validation.csv", step)
        except OSError as error:
            raise OutputError(
                f"cannot write the log in {folder}: {error.strerror}.", hint="Choose another folder with -o."
            ) from error

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """One line of log.csv."""
        _line(self._steps, step, values)

    def validation(self, step: int, values: Mapping[str, float]) -> None:
        """One line of validation.csv; both files are on disk afterwards."""
        _line(self._validations, step, values)
        self._steps.flush()
        self._validations.flush()

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._steps.close()
        self._validations.close()


def _reopen(path: Path, step: int) -> IO[str]:
    """Open to append, with the lines of steps up to `step` kept."""
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() and step else []
    kept = old[:1] + [line for line in old[1:] if line.split(",")[0].isdigit() and int(line.split(",")[0]) <= step]
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return path.open("a", encoding="utf-8")


def _line(file: IO[str], step: int, values: Mapping[str, float]) -> None:
    if not file.tell():
        file.write(",".join(["step", *values]) + "\n")
    file.write(",".join([str(step), *(f"{value:.6g}" for value in values.values())]) + "\n")
