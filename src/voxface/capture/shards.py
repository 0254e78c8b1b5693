"""Many captures in few files: plain tar archives and one manifest, for stores where small files are slow.

A shard is named after its content, so none is ever overwritten: what an interrupted packing left is found again, and
readers keep to the old manifest until the new one replaces it. Which shard a capture goes to depends on its name alone
(and on how many there are), so one more capture rewrites one shard. The same captures give the same bytes.

Reading takes ranges of bytes that the manifest names, checked by SHA-256; archives are never unpacked, so nothing in
one can write a file (faults.md M6). For people, `tar xf` works.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from voxface.capture.store import SUFFIX, load_capture
from voxface.errors import ClipError, InputError
from voxface.files import atomic_write, sha256_hex

FILE = "shards.json"
SIZE = 256
"""Captures in a shard, about: at most this many on average."""

_FORMAT, _VERSION = "voxface-shards", 1
_SHARD_NAME = re.compile(r"captures-[0-9a-f]{16}\.tar")
_CAPTURE_NAME = re.compile(r"[^/\\\0]+" + re.escape(SUFFIX))
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Packed:
    """One capture in a shard.

    name: of its file. sha256, bytes: of its file. offset: of its first byte in the shard.
    frames: looked at. seen_share: of them with a face, 0...1.
    """

    name: str
    sha256: str
    bytes: int
    offset: int
    frames: int
    seen_share: float

    def __post_init__(self) -> None:
        if not _CAPTURE_NAME.fullmatch(self.name) or not _DIGEST.fullmatch(self.sha256):
            raise ValueError(f"{self.name!r} is not the name of a capture with its SHA-256")
        if not all(isinstance(size, int) and size >= 0 for size in (self.bytes, self.offset, self.frames)):
            raise ValueError(f"the sizes of {self.name!r} are not whole numbers of 0 or more")


@dataclass(frozen=True, slots=True)
class Shard:
    """One archive: its file name, SHA-256, size, and the captures in it, sorted by name."""

    name: str
    sha256: str
    bytes: int
    captures: tuple[Packed, ...]

    def __post_init__(self) -> None:
        if not _SHARD_NAME.fullmatch(self.name) or not _DIGEST.fullmatch(self.sha256):
            raise ValueError(f"{self.name!r} is not the name of a shard with its SHA-256")
        if any(capture.offset + capture.bytes > self.bytes for capture in self.captures):
            raise ValueError(f"{self.name} ends before its captures do")


def pack(captures: str | Path, folder: str | Path, size: int = SIZE) -> tuple[Shard, ...]:
    """Pack the captures in a folder into shards in `folder`, adding to what is packed there already.

    Shards that hold what they should are kept. A capture that is packed but no longer lies loose stays packed.

    Args:
        captures: a folder of captures. folder: of the shards; may be the same.
        size: captures in a shard, on average at most.
    Returns: all shards, as they stand in the manifest.
    Raises: InputError, ClipError: there is no capture, or one or an old shard cannot be read. OutputError, LimitError:
        the folder cannot be written.
    """
    place = Path(folder)
    old = read_shards(place) if (place / FILE).exists() else ()
    known = {shard.name: shard for shard in old}
    shards = []
    for group in _groups(_sources(Path(captures), place, old), size):
        content = [(path, digest_of(path)) for path in group]
        name = _shard_name(content)
        shards.append(_placed(place / name, content, known.get(name)))
    _save(place, sorted(shards, key=lambda shard: shard.name))
    for path in place.glob("captures-*.tar"):
        if _SHARD_NAME.fullmatch(path.name) and path.name not in {shard.name for shard in shards}:
            path.unlink()
    return read_shards(place)


def _sources(captures: Path, place: Path, old: Sequence[Shard]) -> dict[str, Path]:
    """Name -> where the capture is; one that lies loose comes before a packed one of the same name."""
    loose = sorted(captures.glob(f"*{SUFFIX}"))
    for path in loose:
        if not _CAPTURE_NAME.fullmatch(path.name) or not path.name.isprintable():
            raise ClipError(f"{path} cannot be packed under that name.", hint="Rename it.", source=str(path))
    packed = {capture.name: place / capture.name for shard in old for capture in shard.captures}
    found = packed | {path.name: path for path in loose}
    if not found:
        hint = "Make some: voxface capture VIDEO... -o FOLDER."
        raise InputError(f"there is no capture (*{SUFFIX}) in {captures}.", hint=hint, source=str(captures))
    return found


def _groups(sources: Mapping[str, Path], size: int) -> list[list[Path]]:
    """Captures that go together: those whose names' hashes begin with the same bits, sorted by name."""
    bits = max(0, (len(sources) - 1) // size).bit_length()
    groups = defaultdict(list)
    for name in sorted(sources):
        first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        groups[first >> (64 - bits)].append(sources[name])
    return [groups[key] for key in sorted(groups)]


def _shard_name(content: list[tuple[Path, str]]) -> str:
    table = "".join(f"{digest} {path.name}\n" for path, digest in content)
    return f"captures-{hashlib.sha256(table.encode()).hexdigest()[:16]}.tar"


def _placed(path: Path, content: list[tuple[Path, str]], known: Shard | None) -> Shard:
    """A shard that stands where it should: kept, left there by an interrupted packing, or written now."""
    there = path.is_file()
    if known and there and path.stat().st_size == known.bytes:
        return known
    facts = [_facts(source) for source, _ in content]  # before anything is written: what is no capture stops here
    if known or not there:
        with atomic_write(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for source, _ in content:
                _add(tar, source)
    with tarfile.open(path) as tar:
        packed = tuple(
            Packed(source.name, digest, entry.size, entry.offset_data, *fact)
            for (source, digest), entry, fact in zip(content, tar, facts, strict=True)
        )
    return Shard(path.name, sha256_hex(path), path.stat().st_size, packed)


def _facts(source: Path) -> tuple[int, float]:
    """Frames of a capture, and the share of them with a face."""
    with on_disk(source) as loose:
        capture = load_capture(loose)
    return len(capture.track), round(capture.seen_share, 6)


def _add(tar: tarfile.TarFile, source: Path) -> None:
    """Add a capture without its times, owner and rights: they would make other bytes of the same captures."""
    with on_disk(source) as loose, open(loose, "rb") as body:
        entry = tarfile.TarInfo(source.name)
        entry.size = loose.stat().st_size
        tar.addfile(entry, body)


def _save(folder: Path, shards: list[Shard]) -> None:
    value = {"format": _FORMAT, "version": _VERSION, "shards": [asdict(shard) for shard in shards]}
    with atomic_write(folder / FILE, "w") as file:
        json.dump(value, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def read_shards(folder: str | Path) -> tuple[Shard, ...]:
    """The shards that the manifest in a folder names.

    Raises: InputError: the manifest cannot be read. ClipError: it is not one, damaged, of a newer version, or names a
        capture twice.
    """
    return _manifest(Path(folder))[0]


def _manifest(folder: Path) -> tuple[tuple[Shard, ...], dict[str, tuple[Shard, Packed]]]:
    path = folder / FILE
    try:
        known = path.stat()
        return _parsed(path, (known.st_mtime_ns, known.st_size, known.st_ino))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", source=str(path)) from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        hint = "Pack the captures again."
        raise ClipError(f"{path} is not a manifest of shards: {error}.", hint=hint, source=str(path)) from error


@lru_cache(maxsize=4)
def _parsed(path: Path, version: tuple[int, ...]) -> tuple[tuple[Shard, ...], dict[str, tuple[Shard, Packed]]]:
    """The shards, and where to find each capture. `version` of the file on disk: a changed one is read again."""
    value = json.loads(path.read_text(encoding="utf-8"))
    if value["format"] != _FORMAT or value["version"] != _VERSION:
        raise ValueError(f"{value['format']!r} of version {value['version']}, this voxface reads {_VERSION}")
    shards = tuple(_shard(shard) for shard in value["shards"])
    found = {capture.name: (shard, capture) for shard in shards for capture in shard.captures}
    if len(found) < sum(len(shard.captures) for shard in shards):
        raise ValueError("a capture stands in it twice")
    return shards, found


def _shard(value: Mapping[str, Any]) -> Shard:
    return Shard(**{**value, "captures": tuple(Packed(**capture) for capture in value["captures"])})


def packed_captures(folder: str | Path) -> list[Path]:
    """Paths of the packed captures as if they lay loose in the folder, sorted; `on_disk` makes files of them.

    Raises: as read_shards.
    """
    return sorted(Path(folder) / capture.name for shard in read_shards(folder) for capture in shard.captures)


def digest_of(path: Path) -> str:
    """SHA-256 of a capture, loose or packed. Raises: InputError: there is none. ClipError: as read_shards."""
    return sha256_hex(path) if path.exists() else _find(path)[1].sha256


@contextmanager
def on_disk(path: Path) -> Iterator[Path]:
    """The file of a capture: itself if it lies loose, else a copy out of its shard that goes away afterwards.

    Raises: InputError: there is none. ClipError: the shard is not what the manifest says.
    """
    if path.exists():
        yield path
        return
    shard, packed = _find(path)
    with tempfile.TemporaryDirectory(prefix="voxface-") as folder:
        copy = Path(folder) / f"copy{SUFFIX}"
        _copy_out(path.parent / shard.name, packed, copy)
        yield copy


def _find(path: Path) -> tuple[Shard, Packed]:
    if (path.parent / FILE).exists():
        found = _manifest(path.parent)[1]
        if path.name in found:
            return found[path.name]
    raise InputError(f"there is no capture {path}, neither loose nor packed.", source=str(path))


def _copy_out(shard: Path, packed: Packed, target: Path) -> None:
    """Copy a range of a shard into a file, and make sure that it is what was packed."""
    digest = hashlib.sha256()
    try:
        with open(shard, "rb") as file, open(target, "wb") as copy:
            file.seek(packed.offset)
            for block in _blocks(file, packed.bytes):
                digest.update(block)
                copy.write(block)
    except OSError as error:
        raise InputError(f"cannot read {packed.name} in {shard}: {error.strerror}.", source=str(shard)) from error
    if digest.hexdigest() != packed.sha256:
        text = f"{packed.name} in {shard} is damaged: its SHA-256 is not that of the manifest."
        raise ClipError(text, hint="Pack the captures again.", source=str(shard))


def _blocks(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        size -= len(block)
        yield block
