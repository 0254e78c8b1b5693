"""Heads in GLB files: what is written is read back, stands the Khronos validator, and damaged files are refused."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.heads import ball_head, changed, saved
from voxface.errors import HeadError, InputError, VoxfaceError
from voxface.export.glb import MOVE_STEPS, TURN_STEPS, in_steps, pack
from voxface.export.glb_read import read_glb
from voxface.head.head import Head
from voxface.head.shipped import HEAD_FILE, load_head
from voxface.head.store import head_bytes, write_head

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def head() -> Head:
    return ball_head()


@pytest.fixture(scope="module")
def data(head: Head) -> bytes:
    return head_bytes(head)


@pytest.mark.parametrize("compact", [True, False])
def test_what_is_written_is_read_back(compact: bool, head: Head, tmp_path: Path) -> None:
    """Places, normals and triangles to the bit; colours to 1/65535, the neck's weights to 1/255, targets to half a
    step; target names and parts in order. Compact or plain."""
    size = write_head(head, tmp_path / "head.glb", compact)
    found = load_head(tmp_path / "head.glb")
    assert size == (tmp_path / "head.glb").stat().st_size
    assert found.targets == head.targets
    for one, other in zip(head.parts, found.parts, strict=True):
        assert one.name == other.name
        for name, most in {
            "positions": 0, "normals": 0, "triangles": 0, "colours": 1 / 65535, "follow": 0.51 / 255,
            "moves": 0.51 / MOVE_STEPS, "turns": 0.51 / TURN_STEPS,
        }.items():  # fmt: skip
            np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=0, atol=most, err_msg=name)


def test_a_head_that_was_read_writes_the_same_bytes(data: bytes, tmp_path: Path) -> None:
    """Reading and writing again changes nothing, so a shipped head can be compared byte for byte."""
    assert head_bytes(load_head(saved(tmp_path, data))) == data
    assert head_bytes(load_head()) == HEAD_FILE.read_bytes()


def test_compact_and_plain_files_hold_the_same(head: Head, tmp_path: Path) -> None:
    """A program that does not know quantised targets gets the same face from a plain file, to 1e-9 m."""
    for compact in (True, False):
        write_head(head, tmp_path / f"{compact}.glb", compact)
    for one, other in zip(*(load_head(tmp_path / f"{compact}.glb").parts for compact in (True, False)), strict=True):
        np.testing.assert_allclose(one.moves, other.moves, rtol=0, atol=1e-9)
        np.testing.assert_allclose(one.turns, other.turns, rtol=0, atol=1e-7)
    assert b"KHR_mesh_quantization" not in (tmp_path / "False.glb").read_bytes()


@pytest.mark.parametrize(("compact", "bytes_each"), [(True, 8), (False, 14)])
def test_only_what_moves_is_stored(compact: bool, bytes_each: int, head: Head) -> None:
    """A target costs the vertices that it moves: number and move; moves below half a step cost nothing."""
    skin = head.part("skin")
    moved = skin.moves.copy()
    moved[3, 5:15] = 0.01
    moved[4, 5:15] = 0.4 / MOVE_STEPS
    other = Head((replace(skin, moves=moved), *head.parts[1:]), head.targets)
    sizes = [
        len(one) - 20 - struct.unpack_from("<I", one, 12)[0] for one in (head_bytes(h, compact) for h in (head, other))
    ]
    assert sizes[1] - sizes[0] == 10 * bytes_each


def test_a_turn_beyond_its_range_keeps_its_direction() -> None:
    """Where a normal turns by more than quantised numbers hold, its change is made shorter, not bent."""
    np.testing.assert_array_equal(in_steps(np.array([[0, -2, 1], [0, -0.5, 0]]), 100), [[0, -100, 50], [0, -50, 0]])


def test_zeros_have_no_sign(head: Head, data: bytes) -> None:
    """-0 and 0 give the same bytes: processors differ in which of them a sum is."""
    skin = head.part("skin")
    normals, positions = (np.where(array == 0, np.float32(-0.0), array) for array in (skin.normals, skin.positions))
    other = Head((replace(skin, normals=normals, positions=positions), *head.parts[1:]), head.targets)
    assert np.signbit(positions[positions == 0]).any()
    assert head_bytes(other) == data


def test_loaded_heads_are_shared_and_cannot_be_written(tmp_path: Path, data: bytes) -> None:
    """A head is read once, and nobody can change it for the others."""
    path = saved(tmp_path, data)
    one = load_head(path)
    assert load_head(path) is one
    with pytest.raises(ValueError, match="read-only"):
        one.parts[0].moves[0] = 1


@pytest.mark.parametrize("which", ["shipped", "plain"])
def test_the_khronos_validator_finds_nothing(which: str, tmp_path: Path) -> None:
    """0 errors, 0 warnings, 0 hints, 0 infos."""
    node = shutil.which("node")
    if node is None or not (ROOT / "web/node_modules/gltf-validator").is_dir():
        pytest.skip("needs node and `npm ci` in web/ (gltf-validator)")
    path = HEAD_FILE if which == "shipped" else saved(tmp_path, head_bytes(load_head(), compact=False))
    done = subprocess.run([node, ROOT / "tools/validate_glb.mjs", path], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout) == {"errors": 0, "warnings": 0, "hints": 0, "infos": 0, "messages": []}, done.stderr
    assert done.returncode == 0


def test_the_validator_script_fails_on_a_bad_file(data: bytes, tmp_path: Path) -> None:
    """The proof above can fail: a wrong bound of the places is found."""
    node = shutil.which("node")
    if node is None or not (ROOT / "web/node_modules/gltf-validator").is_dir():
        pytest.skip("needs node and `npm ci` in web/ (gltf-validator)")
    bad = changed(data, lambda it: it["accessors"][0].update(min=[9, 9, 9]))
    done = subprocess.run(
        [node, ROOT / "tools/validate_glb.mjs", saved(tmp_path, bad)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["errors"] > 0


@pytest.mark.parametrize("compact", [True, False])
def test_three_js_reads_the_same_face(compact: bool, tmp_path: Path) -> None:
    """Another program's reader gives our parts, joints and target names, and the same moves to 1e-6 m of their sums."""
    node = shutil.which("node")
    if node is None or not (ROOT / "web/node_modules/three").is_dir():
        pytest.skip("needs node and `npm ci` in web/ (three)")
    head = load_head()
    path = saved(tmp_path, head_bytes(head, compact))
    done = subprocess.run([node, ROOT / "tests/three_reads.mjs", path], capture_output=True, text=True, timeout=60)
    meshes = json.loads(done.stdout)
    assert [mesh["material"] for mesh in meshes] == [part.name for part in head.parts], done.stderr
    for mesh, part in zip(meshes, head.parts, strict=True):
        assert mesh["vertices"] == len(part.positions)
        assert mesh["joints"] == ["neck", "head"]
        assert tuple(mesh["moves"]) == head.targets
        np.testing.assert_allclose(list(mesh["moves"].values()), part.moves.sum(1, dtype=np.float64), rtol=0, atol=1e-6)


def _sparse(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(one["sparse"] for one in document["accessors"] if "sparse" in one)
    return found


def _mesh(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["meshes"][0]
    return found


WRONG: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "a file outside": ("keeps its data outside", lambda it: it["buffers"][0].update(uri="../../etc/passwd")),
    "a data URI": ("keeps its data outside", lambda it: it["buffers"][0].update(uri="data:;base64,AAAA")),
    "two buffers": ("keeps its data outside", lambda it: it["buffers"].append({"byteLength": 4})),
    "draco": ("needs KHR_draco", lambda it: it.update(extensionsRequired=["KHR_draco_mesh_compression"])),
    "no names": ("no named morph targets", lambda it: _mesh(it)["extras"].clear()),
    "a name twice": ("no named morph targets", lambda it: _mesh(it)["extras"]["targetNames"].append("jawOpen")),
    "more names than targets": ("53 names for 52", lambda it: _mesh(it)["extras"]["targetNames"].append("more")),
    "no mesh": ("no named morph targets", lambda it: it["meshes"].clear()),
    "no skin": ("has no skin", lambda it: it.pop("skins")),
    "other joints": ("joints neck, head", lambda it: it["nodes"][1].update(name="Hips")),
    "moved nodes": ("moves its nodes", lambda it: it["nodes"][2].update(translation=[0, 1, 0])),
    "other materials": ("skin, eyes, mouth, hair", lambda it: it["materials"][0].update(name="leather")),
    "accessor not there": ("accessors", lambda it: _mesh(it)["primitives"][0].update(indices=10**6)),
    "negative accessor": ("accessors", lambda it: _mesh(it)["primitives"][0].update(indices=-1)),
    "view beyond the end": ("outside the data", lambda it: it["bufferViews"][0].update(byteOffset=10**9)),
    "view longer than the file": ("outside the data", lambda it: it["bufferViews"][0].update(byteLength=10**9)),
    "count beyond the view": ("", lambda it: it["accessors"][0].update(count=10**7)),
    "huge count without data": ("", lambda it: it["accessors"][5].update(count=10**12)),
    "stride of nothing": ("outside the data", lambda it: it["bufferViews"][0].update(byteStride=1)),
    "negative offset": ("outside the data", lambda it: it["accessors"][0].update(byteOffset=-4)),
    "other shape": ("rows of VEC2", lambda it: it["accessors"][0].update(type="VEC2")),
    "unknown numbers": ("does not fit", lambda it: it["accessors"][0].update(componentType=1)),
    "triangles of places": ("not some rows of SCALAR", lambda it: _mesh(it)["primitives"][0].update(indices=0)),
    "sparse count": ("rows are replaced", lambda it: _sparse(it).update(count=10**6)),
    "sparse rows of floats": ("", lambda it: _sparse(it)["indices"].update(componentType=5126)),
    "sparse rows from elsewhere": ("", lambda it: _sparse(it)["indices"].update(bufferView=0)),
    "no attributes": ("does not fit", lambda it: _mesh(it)["primitives"][0].pop("attributes")),
    "lists for objects": ("does not fit", lambda it: it.update(accessors=[[]] * 999)),
    "text for a count": ("does not fit", lambda it: it["accessors"][0].update(count="many")),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_description_is_one_sentence(name: str, data: bytes, tmp_path: Path) -> None:
    """Whatever the description claims: HeadError with the file's name and the reason, never more memory or a crash."""
    reason, change = WRONG[name]
    path = saved(tmp_path, changed(data, change))
    with pytest.raises(HeadError) as caught:
        load_head(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("reason", "cut"),
    [
        ("no GLB", lambda data: b""),
        ("no GLB", lambda data: b"solid cube\n" * 9),
        ("no GLB", lambda data: b'{"asset": {"version": "2.0"}}'),
        ("version 1", lambda data: data[:4] + struct.pack("<I", 1) + data[8:]),
        ("cut off", lambda data: data[: len(data) // 2]),
        ("cut off", lambda data: data + b"more"),
        ("longer than the file", lambda data: data[:12] + struct.pack("<I", 1 << 31) + data[16:]),
        ("no description", lambda data: data[:16] + b"NOPE" + data[20:]),
        ("cannot be read", lambda data: data[:20] + b"[" * 900 + data[920:]),
        ("cannot be read", lambda data: data[:20] + b"\xff" + data[21:]),
        ("outside", lambda data: pack({"meshes": []}, b"")),
    ],
    ids=["empty", "text", "gltf text", "version", "half", "longer", "chunk", "kind", "nested", "bytes", "no data"],
)
def test_damaged_bytes_are_one_sentence(
    reason: str, cut: Callable[[bytes], bytes], data: bytes, tmp_path: Path
) -> None:
    """Bytes that are no GLB, cut, or lie about their lengths are refused with the reason."""
    with pytest.raises(HeadError, match=reason):
        read_glb(saved(tmp_path, cut(data)))


def test_numbers_that_are_none(data: bytes, tmp_path: Path) -> None:
    """NaN among the places is refused."""
    length = struct.unpack_from("<I", data, 12)[0]
    bad = data[: 28 + length] + struct.pack("<f", float("nan")) + data[32 + length :]
    with pytest.raises(HeadError, match="not finite"):
        read_glb(saved(tmp_path, bad))


def test_random_damage_never_crashes(data: bytes, tmp_path: Path) -> None:
    """150 files with random bytes changed: each is read or refused, with nothing but our errors."""
    dice, refused = np.random.default_rng(5), []
    for _ in range(150):
        bad = bytearray(data)
        for place in dice.integers(0, 30_000, dice.integers(1, 6)):
            bad[place] = dice.integers(0, 256)
        try:
            read_glb(saved(tmp_path, bytes(bad)))
        except VoxfaceError as error:
            refused.append(str(tmp_path) in str(error))
    assert len(refused) > 10
    assert all(refused)


def test_no_such_file(tmp_path: Path) -> None:
    """A name that is nothing, or a folder, is InputError."""
    for path in (tmp_path / "none.glb", tmp_path):
        with pytest.raises(InputError):
            load_head(path)
