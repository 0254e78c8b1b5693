"""Native libraries that write to file descriptor 2."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Native libraries write harmless warnings straight to file descriptor 2; errors reach us as exceptions."""
    if os.environ.get("VOXFACE_NATIVE_LOG"):
        yield
        return
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
