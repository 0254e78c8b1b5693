"""Signals that ask a training to stop politely."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stop_requested() -> Iterator[list[int]]:
    """A list that holds the signal once SIGINT or SIGTERM came; the second one interrupts at once.

    Only the main thread of a process may listen to signals; elsewhere the list stays empty.
    """
    came: list[int] = []
    before: dict[int, Any] = {}
    numbers: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)

    def note(number: int, frame: Any) -> None:
        came.append(number)
        for one in numbers:
            signal.signal(one, signal.default_int_handler)

    try:
        for number in numbers:
            before[number] = signal.signal(number, note)
    except ValueError:
        before.clear()
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
