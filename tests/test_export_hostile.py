"""Files that are damaged or meant to harm: refused with one of our errors, never a crash."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clips import SESSION, as_bytes, make, track
from voxface.errors import (
    ClipError,
    InputError,
    InputWarning,
    LimitError,
    VoxfaceError,
)
from voxface.export.capture_json import read_capture_json, write_capture_json
from voxface.export.formats import FORMATS, read, write
from voxface.export.livelink_read import read_livelink_csv
from voxface.face.rig import ARKIT


def test_npz_is_read_by_numpy_without_pickle(tmp_path: Path) -> None:
    """Research reads it with numpy alone; the same clip gives the same bytes."""
    clip = make(20)
    write(clip, tmp_path / "a.npz", model={"name": "m"})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["weights"], clip.weights)
        assert tuple(found["channels"]) == ARKIT
        assert float(found["fps"]) == 60
        assert json.loads(str(found["about"]))["model"] == {"name": "m"}
    assert as_bytes(clip, "npz") == as_bytes(clip, "npz")


def npy(array: np.ndarray, **options: bool) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def test_hostile_npz_is_refused(tmp_path: Path) -> None:
    """faults.md M5: headers that lie about their size, objects, missing arrays; nothing is unpickled or allocated."""
    weights, one, rate = npy(np.zeros((2, 1), np.float32)), npy(np.array(["a"])), npy(np.array(30.0))
    cases = {
        "claims": {"weights": weights.replace(b"(2, 1)", b"(9, 9)"), "channels": one, "fps": rate},
        "no plain array": {"weights": npy(np.array([print], object), allow_pickle=True)},
        "are missing": {"weights": weights},
        "must be numbers": {"weights": npy(np.array([["x"]])), "channels": one, "fps": rate},
        "one number": {"weights": weights, "channels": one, "fps": npy(np.zeros(3))},
    }
    for said, members in cases.items():
        path = tmp_path / "bad.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(f"{name}.npy", data)
        with pytest.raises(ClipError, match=said):
            read(path)


def test_an_npz_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    """A small file that would unpack to more than a gigabyte is a limit, not a lack of memory."""
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("weights.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(1025):
            member.write(bytes(1 << 20))
    assert path.stat().st_size < 10_000_000
    with pytest.raises(LimitError, match="MiB"):
        read(path)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One small valid file of every kind that `read` knows."""
    clip = replace(make(3, emotion=True), seen=np.array([True, False, True]))
    path = tmp_path_factory.mktemp("seeds") / "a.json"
    write_capture_json(path, track(3), SESSION, 30, 60.0, 2)
    return {name: as_bytes(clip, name) for name in FORMATS} | {"capture": path.read_bytes()}


TOKENS = [
    b"",
    b"\0",
    b"\xff\xfe",
    b'"',
    b"{",
    b"]",
    b",",
    b"\n",
    b";",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"99999999999",
]


@pytest.mark.parametrize("name", [*FORMATS, "capture"])
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_mutated_bytes_never_crash_a_reader(
    name: str, seeds: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    """Whatever is done to the bytes of a file: it is read, or refused with one of our errors."""
    content = bytearray(seeds[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        length = data.draw(st.sampled_from([0, 1, 2, 8, 64]))
        content[at : at + length] = data.draw(st.sampled_from(TOKENS) | st.binary(max_size=4))
    path = tmp_path / "mutated"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        with contextlib.suppress(VoxfaceError):
            assert np.isfinite(read(path).weights).all()


@given(st.binary(max_size=300))
@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_bytes_are_no_clip(tmp_path: Path, content: bytes) -> None:
    """Bytes of no kind are refused, each direct reader included."""
    path = tmp_path / "random"
    path.write_bytes(content)
    readers = [read, read_livelink_csv, read_capture_json, *(f.reader for f in FORMATS.values() if f.reader)]
    for reader in readers:
        with pytest.raises(VoxfaceError):
            reader(path)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    """Missing files, folders, devices and impossible names are input errors; nothing hangs."""
    for path in (tmp_path / "missing", tmp_path, "/dev/zero", "a\0b"):
        with pytest.raises(InputError):
            read(path)
