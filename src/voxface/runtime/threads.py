"""How many threads to use; importing this loads nothing."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def offline_threads() -> int:
    """Threads for a whole recording: the usable cores, at most 4."""
    return min(usable_cores(), 4)
