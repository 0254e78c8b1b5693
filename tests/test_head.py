"""The shipped head: it keeps every promise that `voxface head check` measures, and its code makes it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SAMPLE
from tests.heads import ball_head, few_poses
from voxface.articulation.read import read_phones
from voxface.cli import head as verbs
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.head.head import PARTS, posed
from voxface.head.measure.openings import landmarks, lip_gap
from voxface.head.measure.report import COMBINATIONS, Finding, measure
from voxface.head.measure.shape import shape
from voxface.head.shipped import HEAD_FILE, load_head
from voxface.head.store import write_head
from voxface.head.visemes import viseme_weights
from voxface.runtime.animate import animate

SOUNDS = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")
MAX_BYTES = 1_500_000


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    """Every measure of the shipped head."""
    return measure(load_head())


def test_the_shipped_head_keeps_every_limit(findings: list[Finding]) -> None:
    """Mirror, regions, lips, lids, crossings, backs: nothing is beyond its limit."""
    assert [str(finding) for finding in findings if not finding.good] == []
    assert len(findings) > 40


def test_what_is_measured_is_there(findings: list[Finding]) -> None:
    """Zeros above mean closed, not absent: the open mouth opens by 4 to 16 % of the head's height, open eyes are seen
    and less so the further they close."""
    value = {finding.what: finding.value for finding in findings}
    assert 4 < value["lip gap: open"] < 16
    areas = [value[f"eyeballs seen: blink {closed:g}"] for closed in (0, 0.25, 0.5, 0.75, 1)]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > 200
    assert 5000 <= value["vertices"] <= 8000


def test_the_head_shuts_its_lips_where_the_clip_does() -> None:
    """The shipped sample on the shipped head: at every p, b and m whose lip gap in the clip is a closure (below 0.06,
    SPEC C5) at most half a millimetre stays open; at the open vowels at least 5 mm open."""
    head, clip = load_head(), animate(SAMPLE)
    at, closure = landmarks(head), rig_gap(clip.weights, clip.channels)
    shut, spoken = [], []
    for phone in read_phones(SAMPLE.with_suffix(".lab")):
        frames = slice(round(phone.start_s * clip.fps), round(phone.end_s * clip.fps) + 1)
        if phone.symbol in ("p", "b", "m", "ay", "iy"):
            poses = [dict(zip(clip.channels, row, strict=True)) for row in clip.weights[frames].tolist()]
            gaps = [lip_gap(shape(head, pose), at) for pose in poses]
            if phone.symbol in ("ay", "iy"):
                spoken.append(max(gaps))
            elif closure[frames].min() < 0.06:
                shut.append(min(gaps))
    assert (len(shut), len(spoken)) == (6, 4)  # the b of "before" is 25 ms long: the model does not close it
    assert max(shut) < 0.0005
    assert min(spoken) > 0.005


def test_names_parts_and_size() -> None:
    """52 ARKit names in canonical order, then the 15 visemes; four parts; at most 1.5 MB."""
    head = load_head()
    assert head.targets == (*ARKIT, *(f"viseme_{sound}" for sound in SOUNDS))
    assert tuple(part.name for part in head.parts) == PARTS
    assert HEAD_FILE.stat().st_size <= MAX_BYTES


def test_visemes_are_sums_of_arkit_targets() -> None:
    """Every viseme is the sum of ARKit targets that its table says, to the steps of storing; silence is the rest."""
    head, table = load_head(), viseme_weights()
    assert table.shape == (len(SOUNDS), len(ARKIT))
    assert (table.min(), table.max() <= 1) == (0, True)
    assert not table[0].any()
    for part in head.parts:
        basis, sums = np.split(part.moves.reshape(len(head.targets), -1), [len(ARKIT)])
        np.testing.assert_allclose(table @ basis, sums, rtol=0, atol=1e-4)


def test_every_pose_is_finite_with_unit_normals() -> None:
    """All combinations, and all targets at once: finite places, normals of length 1."""
    head = load_head()
    for pose in (*COMBINATIONS.values(), dict.fromkeys(ARKIT, 1.0)):
        weights = head.weights(tuple(pose), np.array(list(pose.values()), np.float32))
        for part in head.parts:
            positions, normals = posed(part, weights)
            assert np.isfinite(positions).all()
            np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)


def test_the_code_makes_the_shipped_head(tmp_path: Path) -> None:
    """`voxface head build` makes the head that is shipped: the same triangles and names, places to 10 µm, colours to
    1/128, normals to a degree. (To the byte on one kind of processor; sines differ in their last bit between kinds.)"""
    verbs.build(output=tmp_path / "head.glb", quiet=True)
    built, shipped = load_head(tmp_path / "head.glb"), load_head()
    assert built.targets == shipped.targets
    for one, other in zip(built.parts, shipped.parts, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.triangles, other.triangles)
        for name, most in {
            "positions": 1e-5,
            "moves": 4e-5,
            "colours": 1 / 128,
            "normals": 0.02,
            "turns": 0.03,
            "follow": 0.01,
        }.items():
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0, atol=most, err_msg=name)


def test_check_ends_with_three_where_a_limit_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head of balls fails with exit code 3, one line that names the measures, and the measures before it."""
    few_poses(monkeypatch)
    write_head(ball_head(), tmp_path / "balls.glb")
    with pytest.raises(SystemExit) as end:
        verbs.check(tmp_path / "balls.glb")
    told = capsys.readouterr()
    assert end.value.code == 3
    assert "error[E-HEAD]" in told.err
    assert "eyeballs seen: blink 1" in told.err
    assert told.out.count("\n") > 20


def test_the_sheet_shows_every_pose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`voxface head sheet` draws rest and all targets with their names; --json tells how many."""
    pytest.importorskip("av", reason="PNG needs the extra `render`")
    pytest.importorskip("PIL", reason="labels need the extra `render`")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    verbs.sheet(tmp_path / "poses.png", size=64, columns=10, json=True)
    told = json.loads(sys.stdout.getvalue())  # type: ignore[attr-defined]
    assert (tmp_path / "poses.png").read_bytes().startswith(b"\x89PNG")
    assert (told["poses"], told["width"], told["height"]) == (68, 10 * 68 - 4, 7 * 68 - 4)


@pytest.mark.parametrize("library", ["av", "PIL"])
def test_the_sheet_asks_for_its_extra_before_it_draws(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what to install, and nothing else is said."""
    for name in (library, "moderngl"):  # moderngl: drawing would warn of it
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit) as end:
        verbs.sheet(tmp_path / "poses.png", size=65)
    assert end.value.code == 4
    said = capsys.readouterr().err.strip()
    assert said.startswith("error[E-MISSING]")
    assert "voxface[render]" in said
    assert "\n" not in said
