"""Batches made ahead, in threads, in the order of their steps; a thread that dies or hangs is noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import TracebackType

from voxface.errors import TrainingError
from voxface.training.data import Batch

Make = Callable[[int], Batch]
_Made = Batch | BaseException


class Feed:
    """Gives the batches of the steps from `first` on.

    As the batch of a step depends on nothing but the step, any number of threads gives the same ones. The threads are
    daemons: one that hangs does not keep the process from ending.

    Args:
        make: makes the batch of a step, in any thread.
        threads: at work at once; so many batches are made ahead.
        patience_s: a batch that takes longer is an error.
    """

    def __init__(self, make: Make, first: int, threads: int = 1, patience_s: float = 300.0) -> None:
        self._make, self._patience_s, self._next = make, patience_s, first
        self._wanted: SimpleQueue[int | None] = SimpleQueue()
        self._made: dict[int, SimpleQueue[_Made]] = {}
        self._threads = [threading.Thread(target=self._work, daemon=True, name=f"batches-{i}") for i in range(threads)]
        for step in range(first, first + threads):
            self._want(step)

    def _want(self, step: int) -> None:
        self._made[step] = SimpleQueue()
        self._wanted.put(step)

    def _work(self) -> None:
        while (step := self._wanted.get()) is not None:
            made = self._made[step]
            try:
                made.put(self._make(step))
            except BaseException as error:
                made.put(error)

    def take(self) -> Batch:
        """The batch of the next step.

        Raises: TrainingError: it did not come in time. Whatever making it raised.
        """
        step, self._next = self._next, self._next + 1
        try:
            made = self._made[step].get(timeout=self._patience_s)
        except Empty:
            raise TrainingError(
                f"the batch of step {step + 1} was not made within {self._patience_s:g} s.",
                hint="Is the disk of the run folder or of the dataset gone, or very slow? Then go on with --resume.",
            ) from None
        del self._made[step]
        self._want(step + len(self._threads))
        if isinstance(made, BaseException):
            raise made
        return made

    def __enter__(self) -> Feed:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for _ in self._threads:
            self._wanted.put(None)
