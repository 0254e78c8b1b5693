"""Shards: captures packed into tar files with a manifest, read back one by one (faults.md M6)."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="safetensors is not installed: pip install 'voxface[capture]'")

from tests.captured import make_capture, put
from voxface.capture import shards
from voxface.capture.shards import digest_of, on_disk, pack, packed_captures, read_shards
from voxface.capture.store import SUFFIX, load_capture
from voxface.dataset.build import BuildOptions, build_dataset
from voxface.dataset.sources import find_sources
from voxface.dataset.split import parse_rule
from voxface.errors import ClipError, InputError
from voxface.files import sha256_hex

SECONDS = 0.2


def some(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    return put(folder, *(make_capture(name, SECONDS, seed) for seed, name in enumerate(names)))


def content(folder: Path) -> dict[str, str]:
    """Name -> SHA-256 of all files in a folder and those inside."""
    return {str(path.relative_to(folder)): sha256_hex(path) for path in folder.rglob("*") if path.is_file()}


def test_round_trip(tmp_path: Path) -> None:
    """Each capture comes back byte for byte; the manifest says how many frames and how much of a face it holds; the
    archive is one that every tar can read."""
    loose = some(tmp_path / "loose", "a", "b", "ünïcode " + "x" * 120)
    packed = pack(loose, tmp_path / "packed")
    assert [shard.captures[0].frames for shard in packed] == [5]
    assert [capture.seen_share for capture in packed[0].captures] == [1, 1, 1]
    for path in packed_captures(tmp_path / "packed"):
        assert not path.exists()
        with on_disk(path) as file:
            assert file.read_bytes() == (loose / path.name).read_bytes()
        assert not file.exists()
        assert digest_of(path) == sha256_hex(loose / path.name)
    with tarfile.open(tmp_path / "packed" / packed[0].name) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    assert content(tmp_path / "out") == content(loose)
    assert sha256_hex(tmp_path / "packed" / packed[0].name) == packed[0].sha256


def test_the_same_captures_give_the_same_bytes(tmp_path: Path) -> None:
    """However the captures came about: packed at once or one after the other, whatever their times and rights."""
    names = [f"clip{k}" for k in range(9)]
    at_once = some(tmp_path / "loose", *names)
    pack(at_once, tmp_path / "one", size=3)
    for name in names:
        path = at_once / f"{name}{SUFFIX}"
        os.utime(path, (1, 1))
        path.chmod(0o600)
        (tmp_path / "few").mkdir(exist_ok=True)
        path.rename(tmp_path / "few" / path.name)
        pack(tmp_path / "few", tmp_path / "two", size=3)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert len(content(tmp_path / "one")) == 5  # 9 captures, 3 in each on average: 4 shards and the manifest


def test_only_what_changed_is_packed_again(tmp_path: Path) -> None:
    """A changed and a new capture rewrite their own shards only; nothing else is touched, nothing old is left."""
    loose, packed = some(tmp_path / "loose", *(f"clip{k}" for k in range(12))), tmp_path / "packed"
    before = pack(loose, packed, size=2)
    times = {path.name: path.stat().st_mtime_ns for path in packed.iterdir()}
    put(loose, make_capture("clip5", SECONDS, seed=99))
    after = pack(loose, packed, size=2)
    new = {shard.name for shard in after} - {shard.name for shard in before}
    assert len(new) == 1
    assert {capture.name for shard in after for capture in shard.captures} == {p.name for p in loose.iterdir()}
    assert {path.name for path in packed.iterdir()} == {shard.name for shard in after} | {shards.FILE}
    assert all((packed / shard.name).stat().st_mtime_ns == times[shard.name] for shard in after if shard in before)
    known = content(packed)
    pack(loose, packed, size=2)
    assert content(packed) == known
    assert {shard.name for shard in read_shards(packed)} == {shard.name for shard in after}


def test_packed_captures_outlive_the_loose_ones(tmp_path: Path) -> None:
    """Loose files may be removed once they are packed; packing more keeps what was there, out of the old shards."""
    loose = some(tmp_path / "all", "a", "b", "c")
    bytes_of = {path.name: path.read_bytes() for path in loose.iterdir()}
    pack(loose, loose, size=1)
    for name in bytes_of:
        (loose / name).unlink()
    some(loose, "d")
    pack(loose, loose, size=2)
    (loose / f"d{SUFFIX}").unlink()
    found = find_sources([loose])
    assert [path.name[0] for path in found] == ["a", "b", "c", "d"]
    for path in found[:3]:
        with on_disk(path) as file:
            assert file.read_bytes() == bytes_of[path.name]


KILLED = """
import os, sys
from pathlib import Path
from voxface.capture import shards
real, left = os.replace, [int(sys.argv[3])]
def replace(source, target):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), 9)
    real(source, target)
os.replace = replace
shards.pack(Path(sys.argv[1]), Path(sys.argv[2]), size=2)
"""


def test_an_interrupted_packing_goes_on(tmp_path: Path) -> None:
    """Killed before any of its renames: what was packed before stays readable, and a rerun gives the bytes of an
    undisturbed run without writing the finished shards again."""
    loose = some(tmp_path / "loose", *(f"clip{k}" for k in range(6)))
    pack(loose, tmp_path / "calm", size=2)
    calm = content(tmp_path / "calm")
    for at in range(len(calm)):
        packed = tmp_path / f"killed{at}"
        done = subprocess.run([sys.executable, "-c", KILLED, loose, packed, str(at)], check=False, timeout=60)
        assert done.returncode == -9
        assert not (packed / shards.FILE).exists()
        finished = {path: path.stat().st_mtime_ns for path in packed.glob("captures-*.tar")}
        assert len(finished) == at
        pack(loose, packed, size=2)
        assert {name: digest for name, digest in content(packed).items() if not name.endswith(".part")} == calm
        assert all(path.stat().st_mtime_ns == time for path, time in finished.items())


def test_a_dataset_from_shards_is_that_of_the_captures(tmp_path: Path) -> None:
    """`voxface dataset` takes a folder of shards: same recordings, same speaker, same bytes as from loose captures."""
    for place in ("loose", "packed"):
        (tmp_path / place).mkdir()
    loose = put(tmp_path / "loose" / "ann", *(make_capture(name, 2.0, seed) for seed, name in enumerate("ab")))
    pack(loose, tmp_path / "packed" / "ann", size=1)
    options = BuildOptions(split=parse_rule("all:train"))
    for place in ("loose", "packed"):
        built = build_dataset([tmp_path / place / "ann"], tmp_path / f"{place}-set", options)
        assert not built.failures
    assert content(tmp_path / "loose-set") == content(tmp_path / "packed-set")
    assert "ann" in (tmp_path / "packed-set" / "manifest.json").read_text()


def hostile(folder: Path, **changes: Any) -> Path:
    """Shards of two captures whose manifest was changed: keys of the first capture, or of the first shard."""
    pack(some(folder / "loose", "a", "b"), folder / "packed")
    path = folder / "packed" / shards.FILE
    value = json.loads(path.read_text())
    shard = value["shards"][0]
    for key, new in changes.items():
        where, _, name = key.partition("_")
        {"file": value, "shard": shard, "capture": shard["captures"][0]}[where][name] = new
    path.write_text(json.dumps(value))
    return path.parent


@pytest.mark.parametrize(
    "changes",
    [
        {"capture_name": f"../../evil{SUFFIX}"},
        {"capture_name": f"/etc/evil{SUFFIX}"},
        {"capture_name": f"..\\evil{SUFFIX}"},
        {"capture_name": ".."},
        {"capture_name": f"b{SUFFIX}"},
        {"capture_name": 7},
        {"capture_offset": -512},
        {"capture_offset": 1 << 40},
        {"capture_bytes": 1e300},
        {"capture_bytes": 1 << 62},
        {"capture_sha256": "0"},
        {"capture_more": 1},
        {"shard_name": "../captures-0123456789abcdef.tar"},
        {"shard_name": "/dev/zero"},
        {"shard_captures": 5},
        {"file_version": 2},
        {"file_format": "voxface-dataset"},
        {"file_shards": None},
    ],
    ids=str,
)
def test_a_hostile_manifest_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    """M6: names that climb, absolute and doubled names, ranges outside of the shard, other kinds: one error."""
    folder = hostile(tmp_path, **changes)
    with pytest.raises(ClipError, match=r"shards\.json"):
        packed_captures(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"shards": []}', "null"], ids=lambda text: text[:9])
def test_a_manifest_that_is_none(tmp_path: Path, text: str) -> None:
    """Something else under the manifest's name is refused with its path."""
    (tmp_path / shards.FILE).write_text(text)
    with pytest.raises(ClipError, match=r"shards\.json"):
        packed_captures(tmp_path)


def test_an_archive_can_only_give_captures(tmp_path: Path) -> None:
    """M6: members that climb, links and devices lie in a shard unread; where they replaced a capture, its SHA-256
    tells. No file comes of it."""
    folder = hostile(tmp_path)
    shard = read_shards(folder)[0]
    target = folder / shard.name
    good = target.read_bytes()
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w") as tar:
        for name, kind in [("../evil", tarfile.REGTYPE), ("/evil", tarfile.REGTYPE), ("dev", tarfile.CHRTYPE)]:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            tar.addfile(entry)
        link = tarfile.TarInfo(shard.captures[0].name)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    before = set(tmp_path.rglob("*"))
    target.write_bytes(good[:-1024] + evil.getvalue())  # the ranges still hold what they should
    for path in packed_captures(folder):
        with on_disk(path) as file:
            assert load_capture(file).seen_share == 1
    for body in (evil.getvalue(), good[: shard.captures[0].offset + 10], np.random.default_rng(1).bytes(len(good))):
        target.write_bytes(body)
        with pytest.raises(ClipError, match="SHA-256"), on_disk(packed_captures(folder)[0]):
            pass
    target.unlink()
    with pytest.raises(InputError, match="cannot read"), on_disk(packed_captures(folder)[0]):
        pass
    assert set(tmp_path.rglob("*")) == before - {target}


def test_what_cannot_be_packed(tmp_path: Path) -> None:
    """No captures, a damaged one, a name with a line break, a capture that is nowhere: an error each, no shard."""
    with pytest.raises(InputError, match="no capture"):
        pack(tmp_path, tmp_path / "packed")
    loose = some(tmp_path / "loose", "a")
    (loose / f"b{SUFFIX}").write_bytes(b"junk")
    with pytest.raises(ClipError, match="not a capture"):
        pack(loose, tmp_path / "packed")
    (loose / f"b{SUFFIX}").rename(loose / f"line\nbreak{SUFFIX}")
    with pytest.raises(ClipError, match="cannot be packed"):
        pack(loose, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()
    with pytest.raises(InputError, match="neither loose nor packed"), on_disk(tmp_path / f"x{SUFFIX}"):
        pass
