"""The measures of a head measure what they say: on balls whose numbers are known, and on heads with one fault each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.heads import ball, ball_head, few_poses, part
from voxface.face.rig import ARKIT
from voxface.head.head import Head
from voxface.head.measure import report
from voxface.head.measure.crossings import crossings, pieces, weld
from voxface.head.measure.mirror import mirrored, partner, rest_errors, target_errors
from voxface.head.measure.openings import eyes_seen, landmarks, lip_gap, mouth_seen
from voxface.head.measure.region import reach
from voxface.head.measure.report import Finding
from voxface.head.measure.shape import look, shape


@pytest.fixture(scope="module")
def head() -> Head:
    return ball_head()


def with_skin(head: Head, **changes: object) -> Head:
    return Head((replace(head.part("skin"), **changes), *head.parts[1:]), head.targets)  # type: ignore[arg-type]


def test_rays_meet_what_is_in_front(head: Head) -> None:
    """From the front a ball of 10 cm is a disc of its area, 10 cm high in its middle; eyes stand before it; from behind
    no eye is seen."""
    front, back = (look(shape(head, {}), np.zeros(3), (0.12, 0.12), 0.001, yaw) for yaw in (0, 180))
    alone = look(shape(Head(head.parts[:1], ARKIT), {}), np.zeros(3), (0.12, 0.12), 0.001)
    assert (alone.owner == 0).sum() * 1e-6 == pytest.approx(np.pi * 0.01, rel=0.05)
    assert front.depth.max() == pytest.approx(0.1, abs=0.003)
    assert set(np.unique(front.owner)) >= {0, 1}
    assert 1 not in back.owner
    right = front.owner[:, : front.owner.shape[1] // 2]  # the subject's right is on the left of the picture
    assert (right == 1).sum() == pytest.approx((front.owner == 1).sum() / 2, rel=0.1)


def test_a_turned_view_comes_from_the_subjects_left(head: Head) -> None:
    """At yaw 90 the left eye stands in front; at pitch 90 the hair is on top, and what is behind lies up in the
    picture."""
    posed = shape(head, {})
    left = look(posed, np.zeros(3), (0.12, 0.12), 0.001, 90)
    assert left.depth[left.owner == 1].max() == pytest.approx(0.03 + 0.015, abs=0.002)
    above = look(posed, np.zeros(3), (0.12, 0.12), 0.001, 0, 90)
    assert above.owner[140, 140] == 3
    assert above.depth.max() == pytest.approx(0.13, abs=0.002)
    assert np.nonzero(above.owner == 1)[0].max() < 120


def test_landmarks_are_found_by_rays(head: Head) -> None:
    """Eyes to a millimetre by their part; the mouth's line where jawOpen shows it."""
    at = landmarks(head)
    np.testing.assert_allclose(at.eyes, [(-0.03, 0.035, 0.08), (0.03, 0.035, 0.08)], atol=0.001)
    assert at.radius == pytest.approx(0.015, abs=0.001)
    assert at.mouth[1] == pytest.approx(-0.045 + 0.012, abs=0.004)
    assert 0.005 < at.corner < 0.02


def test_the_lip_gap_is_what_is_open(head: Head) -> None:
    """A mouth that skin covers has no gap; one that stands open has its height, to two steps."""
    at = landmarks(head)
    assert lip_gap(shape(head, {}), at) == 0
    seen = look(shape(head, {"jawOpen": 1}), at.mouth, (0.001, 0.04), 0.0001)
    assert lip_gap(shape(head, {"jawOpen": 1}), at) == pytest.approx((seen.owner != 0).sum(0).max() * 1e-4, abs=2e-4)
    assert mouth_seen(shape(head, {}), at, 0) == 0
    assert mouth_seen(shape(head, {"jawOpen": 1}), at, 0) > 1e-5


def test_eyes_are_seen_in_square_metres(head: Head) -> None:
    """Two free eyeballs show what stands out of the face; a strip of skin across one breaks it in two."""
    at = landmarks(head)
    free = eyes_seen(shape(head, {}), at)
    assert 0 < free.area < 2 * np.pi * 0.015**2
    assert free.broken < 1e-6
    bar = np.array([(0.01, 0.034, 0.1), (0.05, 0.034, 0.1), (0.05, 0.037, 0.1), (0.01, 0.037, 0.1)])
    covered = shape(head, {})
    points = np.concatenate([covered.points, bar])
    more = np.array([(0, 1, 2), (0, 2, 3)]) + len(covered.points)
    barred = replace(
        covered, points=points, triangles=np.concatenate([covered.triangles, more]),
        owner=np.append(covered.owner, [0, 0]),
    )  # fmt: skip
    assert eyes_seen(barred, at).broken > 1e-5


def test_mirror_errors_are_found(head: Head) -> None:
    """A ball mirrors itself to the bit; one vertex 5 µm off is 5 µm; a target without its partner's moves is told."""
    assert max(float(np.max(rest_errors(part))) for part in head.parts) < 1e-9
    assert max(target_errors(head).values()) < 1e-9
    skin = head.part("skin")
    other = mirrored(skin)
    np.testing.assert_array_equal(other[other], np.arange(len(other)))
    moved = skin.positions.copy()
    moved[300] += (5e-6, 0, 0)
    far, bent = rest_errors(with_skin(head, positions=moved).parts[0])
    assert far.max() == pytest.approx(5e-6, rel=0.01)
    assert bent.max() < 1e-9
    moves = skin.moves.copy()
    moves[ARKIT.index("mouthSmileLeft"), 300] = (0, 0.001, 0)
    errors = target_errors(with_skin(head, moves=moves))
    assert [name for name in errors if errors[name] > 1e-9] == ["mouthSmileLeft", "mouthSmileRight"]
    assert errors["mouthSmileLeft"] == pytest.approx(0.001)


def test_partners() -> None:
    """Sides change, what has none is its own partner."""
    assert partner("eyeBlinkLeft") == "eyeBlinkRight"
    assert partner("mouthRight") == "mouthLeft"
    assert partner("jawOpen") == "jawOpen"


def test_a_target_outside_its_region_is_told(head: Head) -> None:
    """A blink that moves the chin, a left smile that moves the right: both with how far; jawOpen stays in its own."""
    at = landmarks(head)
    skin = head.part("skin")
    chin = int(np.abs(skin.positions - (0, -0.08, 0.06)).sum(1).argmin())
    right = int(np.abs(skin.positions - (-0.05, -0.045, 0.075)).sum(1).argmin())
    moves = skin.moves.copy()
    moves[ARKIT.index("eyeBlinkLeft"), chin] = (0, 0.002, 0)
    moves[ARKIT.index("mouthSmileLeft"), right] = (0.003, 0, 0)
    moves[ARKIT.index("mouthSmileRight"), right] = (0.003, 0, 0)
    found = reach(with_skin(head, moves=moves), at)
    assert found["eyeBlinkLeft"].outside == pytest.approx(0.002)
    assert found["mouthSmileLeft"].outside == pytest.approx(0.003)
    assert found["mouthSmileRight"].outside == 0
    assert found["jawOpen"].outside == 0


def test_a_head_of_other_names_is_measured(head: Head) -> None:
    """Targets that nobody knows have no region; one whose partner is missing is as far off as it moves."""
    other = Head(head.parts, tuple(f"blendShape1.jaw_{number}" for number in range(len(ARKIT))))
    assert reach(other, landmarks(head)) == {}
    found = {finding.what: finding for finding in report.measure(other)}
    assert found["ARKit targets missing"].value == len(ARKIT)
    skin = head.part("skin")
    moves = np.zeros_like(skin.moves[:1])
    moves[0, 300] = (0, 0.001, 0)
    alone = Head((replace(skin, moves=moves),), ("mouthSmileLeft",))
    assert target_errors(alone) == {"mouthSmileLeft": pytest.approx(0.001)}


def test_crossings_of_balls() -> None:
    """Balls apart and a ball inside a ball do not cross; balls that overlap do, along the circle where they meet; a
    surface does not cross itself at its own edges."""
    centre = (0.0, 0.0, 0.0)
    for other, radius, crossing in (((0.07, 0, 0), 0.03, False), (centre, 0.01, False), ((0.04, 0, 0), 0.02, True)):
        posed = shape(Head((part("skin", ball(centre, 0.03)), part("mouth", ball(other, radius))), ARKIT), {})
        found = crossings(posed, "skin", "mouth")
        assert bool(len(found.pairs)) is crossing
        assert not len(crossings(posed, "skin", "skin").pairs)
    middle = posed.points[posed.triangles[found.pairs]].mean((0, 1, 2))
    assert middle[0] == pytest.approx((0.04**2 + 0.03**2 - 0.02**2) / 0.08, abs=0.003)
    assert len(found.deeper(0.1).pairs) == 0


def test_crossings_equal_those_of_every_pair() -> None:
    """The grid finds what testing every pair of triangles finds."""
    dice = np.random.default_rng(3)
    points = dice.uniform(-0.02, 0.02, (120, 3)).astype(np.float32)
    one = part("skin", (points, np.arange(120).reshape(40, 3)))
    posed = shape(Head((one,), ARKIT), {})
    found = {tuple(pair) for pair in crossings(posed, "skin", "skin").pairs.tolist()}
    corners = posed.points[posed.triangles]
    slow = {
        (a, b) for a in range(40) for b in range(a) if _cross(corners[a], corners[b]) or _cross(corners[b], corners[a])
    }
    assert found == {(b, a) for a, b in slow}
    assert len(found) > 20


def _cross(one: np.ndarray, two: np.ndarray) -> bool:
    """Does an edge of the first meet the second? By solving for the point where they meet."""
    for corner in range(3):
        start, end = one[corner], one[(corner + 1) % 3]
        u, v, t = np.linalg.solve(np.stack([two[1] - two[0], two[2] - two[0], start - end], 1), start - two[0])
        if u >= 0 and v >= 0 and u + v <= 1 and 0 <= t <= 1:
            return True
    return False


def test_pieces_and_welding() -> None:
    """Two balls are two pieces; points in one place are one."""
    found = part("skin", ball((0, 0, 0), 0.03), ball((0.1, 0, 0), 0.03))
    assert len(np.unique(pieces(found.triangles.astype(int)))) == 2
    assert weld(np.array([(0.0, 0, 0), (1, 0, 0), (2e-7, 0, 0)])).tolist() == [0, 1, 0]


def test_the_report_judges(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head of balls fails where it must (eyes without lids, targets that do nothing, too few vertices told) and
    passes where it can; a head without a mouth is told and not measured further."""
    few_poses(monkeypatch)
    told: list[str] = []
    found = {finding.what: finding for finding in report.measure(head, told.append)}
    assert len(told) == len(found)
    assert not found["targets that move nothing"].good
    assert not found["eyeballs seen: blink 1"].good
    assert found["mirror: places of skin"].good
    assert found["vertices"].detail == "fewer than 5000"
    bare = report.measure(Head(head.parts[:2], head.targets))
    assert not bare[-1].good
    assert bare[-1].what == "landmarks missing"


def test_a_finding_is_a_line() -> None:
    """What is beyond its limit is marked, what is only told has no mark."""
    assert str(Finding("gap", 2, "mm", 1)).startswith("! gap")
    assert str(Finding("gap", 1, "mm", 1)).startswith(". gap")
    assert str(Finding("gap", 9, "mm", None)).startswith("  gap")
