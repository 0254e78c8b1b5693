"""Places that are not on this machine: object stores by fsspec, only where a scheme of the list says so.

Everything else is a path, however it looks. What is fetched goes into files of ours; what is stored appears at once and
whole, as object stores do it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voxface.errors import InputError, MissingDependencyError, OutputError, UsageError

SCHEMES = ("s3", "gs", "az", "memory")
"""Object stores that may be named. http and https are none: nothing is fetched from the web by its address."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BLOCK = 1 << 22


def is_remote(place: str | Path) -> bool:
    """Does this name something in an object store? Raises: UsageError: another scheme, which is refused."""
    found = _SCHEME.match(str(place))
    if found is None:
        return False
    if found[1] not in SCHEMES:
        text = f"{place} is not read: {found[1]}:// is none of {', '.join(f'{name}://' for name in SCHEMES)}."
        raise UsageError(text, hint="Download it first, or name a file.", source=str(place))
    return True


def list_files(place: str, suffixes: tuple[str, ...]) -> list[str]:
    """What is meant by a remote place, sorted: the files that a pattern with * matches, those directly in a folder that
    have one of the suffixes, or else the one file.

    Raises: InputError: there is nothing, or the store cannot be asked. MissingDependencyError: no library for it.
    """
    with _store(place, InputError) as (store, path):
        if "*" in path:
            found = [name for name in store.glob(path) if store.isfile(name)]
        elif place.endswith("/") or store.isdir(path):
            inside = store.ls(path, detail=True)
            names = [entry["name"] for entry in inside if entry["type"] == "file"]
            found = [name for name in names if name.lower().endswith(suffixes)]
        else:
            return [place]
    if not found:
        raise InputError(f"there is no video at {place}.", source=place)
    scheme = place.partition("://")[0]
    return sorted(f"{scheme}://{name.lstrip('/')}" for name in found)


def fetch(place: str, target: Path, moved: Callable[[], None] = lambda: None) -> bool:
    """Copy a remote file into a local one; False if there is none. moved: called after each block.

    Raises: InputError: it cannot be read, or changed meanwhile. MissingDependencyError: no library for the store.
    """
    with _store(place, InputError) as (store, path):
        if not store.exists(path):
            return False
        promised = store.info(path)["size"]
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.open(path, "rb") as source, open(target, "wb") as copy:
            while block := source.read(_BLOCK):
                copy.write(block)
                moved()
    if target.stat().st_size != promised:
        text = f"{place} gave {target.stat().st_size} of its {promised} bytes."
        raise InputError(text, hint="Try again.", source=place)
    return True


def store(file: Path, place: str) -> None:
    """Copy a local file to a remote place, where it appears whole or not at all.

    Raises: OutputError: it cannot be written. MissingDependencyError: no library for the store.
    """
    with _store(place, OutputError) as (there, path):
        there.put_file(str(file), path)
        there.invalidate_cache()
        size = there.info(path)["size"]
    if size != file.stat().st_size:
        raise OutputError(f"{place} took {size} of {file.stat().st_size} bytes.", hint="Try again.", source=place)


def remove(place: str) -> None:
    """Remove a remote file if there is one. Raises: OutputError: it cannot be removed."""
    with _store(place, OutputError) as (there, path):
        if there.exists(path):
            there.rm_file(path)


def journal_folder(output: str) -> Path:
    """Where the journal of a folder of captures is kept: in it, or for a remote one in this user's own folders."""
    if not is_remote(output):
        return Path(output)
    import platformdirs

    name = hashlib.sha256(output.rstrip("/").encode()).hexdigest()[:16]
    return platformdirs.user_state_path("voxface", appauthor=False) / "capture" / name


@contextmanager
def _store(place: str, kind: type[InputError] | type[OutputError]) -> Iterator[tuple[Any, str]]:
    """The file system of a place and the path in it. Its errors become `kind`."""
    try:
        import fsspec

        found = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:
        text = f"{place} needs a library for its object store: {error}."
        raise MissingDependencyError(text, hint="pip install 'voxface[s3]'", source=place) from error
    try:
        yield found
    except (InputError, OutputError):
        raise
    except Exception as error:  # each store's library has errors of its own
        text = f"cannot {'read' if kind is InputError else 'write'} {place}: {_said(error)}."
        raise kind(text, hint="Are name, rights and endpoint of the store right?", source=place) from error


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
