"""Arrays in safetensors files with a JSON header of ours, no pickle: the working form of captures and datasets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voxface.errors import InputError, MissingDependencyError
from voxface.files import atomic_write
from voxface.stream import Array

_KEY = "voxface"


def save_tensors(
    path: str | Path, tensors: Mapping[str, Array], header: Mapping[str, Any], needed_by: str, extra: str
) -> None:
    """Write arrays and a header at once or not at all; the same input gives the same bytes.

    Args:
        needed_by, extra: what asks for it, and which extra of ours brings it: said where the library is missing.
    Raises: OutputError, LimitError: the place cannot be written. MissingDependencyError: no safetensors.
    """
    body = _library(needed_by, extra).numpy.save(
        dict(tensors), {_KEY: json.dumps(header, sort_keys=True, allow_nan=False)}
    )
    with atomic_write(path) as file:
        file.write(body)


@contextmanager
def open_tensors(path: str | Path, needed_by: str, extra: str) -> Iterator[tuple[Any, Callable[[str], Array]]]:
    """Open a file: its header as parsed, and a function that reads an array by name.

    Raises: InputError: the file cannot be read. ValueError: it is no safetensors file, its header is no JSON, or an
        array is missing; RecursionError: its header is nested too deeply. MissingDependencyError: no safetensors.
    """
    library = _library(needed_by, extra)
    try:
        with library.safe_open(str(path), framework="np") as file:
            yield json.loads((file.metadata() or {}).get(_KEY, "{}")), file.get_tensor
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}.", source=str(path)) from error
    except library.SafetensorError as error:
        raise ValueError(str(error)) from error


def _library(needed_by: str, extra: str) -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        text = f"{needed_by} need the library safetensors, which is not installed."
        raise MissingDependencyError(text, hint=f"pip install 'voxface[{extra}]'") from error
    return safetensors
