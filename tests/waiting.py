"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(what: Callable[[], Any], limit_s: float = 60.0, seen: Callable[[], object] = str) -> Any:
    """Until something is so; its value. Fails if it never is, and then says what is `seen` instead."""
    end = time.monotonic() + limit_s
    while not (found := what()):
        assert time.monotonic() < end, f"it did not come within {limit_s:g} s: {seen()}"
        time.sleep(0.005)
    return found
