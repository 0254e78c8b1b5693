"""`voxface head check`: what a head promises, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from voxface.errors import HeadError
from voxface.face.rig import ARKIT
from voxface.head.head import PARTS, Head
from voxface.head.measure.crossings import Crossings, crossings, pieces, weld
from voxface.head.measure.mirror import ALIKE, rest_errors, target_errors
from voxface.head.measure.openings import Landmarks, eyes_seen, landmarks, lip_gap, mouth_seen
from voxface.head.measure.region import STILL, reach
from voxface.head.measure.shape import Pose, Shape, look, shape
from voxface.stream import Array

MAX_VERTICES = (5000, 8000)
AGAINST = -0.5  # cosine: normals are smooth, so at a sharp rim a triangle may stand across its own
LIP_GAP = 0.01  # of the head's height
BACKS = 10  # mm² of triangles' backs that may be seen: edges of lids, single pixels
POKE = 0.0005  # metres: triangles that cross less than this are lips and lids that touch


@dataclass(frozen=True, slots=True)
class Finding:
    """One measure.

    what:   was measured, such as "lip gap at rest"
    value:  in `unit`
    limit:  the value must not be above it; None: told, not judged
    detail: the worst places, for people
    """

    what: str
    value: float
    unit: str
    limit: float | None
    detail: str = ""

    @property
    def good(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def __str__(self) -> str:
        mark = " " if self.limit is None else "." if self.good else "!"
        limit = "" if self.limit is None else f"(limit {self.limit:g})"
        return f"{mark} {self.what:<44} {self.value:10.4g} {self.unit:<10} {limit:<16} {self.detail}".rstrip()


def pair(name: str, value: float = 1.0) -> dict[str, float]:
    """Both sides of a target."""
    return {name + "Left": value, name + "Right": value}


COMBINATIONS: dict[str, Pose] = {
    "rest": {},
    "open": {"jawOpen": 1},
    "half open": {"jawOpen": 0.4},
    "closed jaw open": {"jawOpen": 1, "mouthClose": 1},
    "smile": pair("mouthSmile"),
    "open smile": {"jawOpen": 0.4, **pair("mouthSmile")},
    "laugh": {"jawOpen": 0.7, **pair("mouthSmile"), **pair("cheekSquint"), **pair("eyeSquint")},
    "frown": {**pair("mouthFrown"), **pair("browDown"), "mouthShrugLower": 0.5},
    "pucker": {"mouthPucker": 1},
    "oo": {"mouthPucker": 0.7, "mouthFunnel": 0.4, "jawOpen": 0.15},
    "oh": {"mouthFunnel": 0.8, "jawOpen": 0.45},
    "press": {**pair("mouthPress"), "mouthRollLower": 0.4, "mouthRollUpper": 0.4},
    "m b p": {"jawOpen": 0.2, "mouthClose": 0.2, **pair("mouthPress", 0.5)},
    "b of blue": {
        "jawOpen": 0.1,
        "mouthClose": 0.1,
        "mouthFunnel": 0.1,
        "mouthPucker": 0.2,
        **pair("mouthPress", 0.05),
    },
    "f v": {"mouthRollLower": 0.6, **pair("mouthUpperUp", 0.4), "jawOpen": 0.08},
    "ee": {"jawOpen": 0.15, **pair("mouthStretch", 0.6), **pair("mouthSmile", 0.3), **pair("mouthLowerDown", 0.4)},
    "teeth": {"jawOpen": 0.1, **pair("mouthUpperUp", 0.8), **pair("mouthLowerDown", 0.8)},
    "jaw left": {"jawOpen": 0.3, "jawLeft": 1},
    "jaw forward": {"jawOpen": 0.2, "jawForward": 1},
    "mouth right": {"mouthRight": 1},
    "tongue": {"tongueOut": 1, "jawOpen": 0.5},
    "puff": {"cheekPuff": 1},
    "blink": pair("eyeBlink"),
    "half blink": pair("eyeBlink", 0.5),
    "blink and squint": {**pair("eyeBlink"), **pair("eyeSquint"), **pair("cheekSquint")},
    "look down": {**pair("eyeLookDown"), **pair("eyeBlink", 0.3)},
    "surprise": {**pair("eyeWide"), "browInnerUp": 1, **pair("browOuterUp"), "jawOpen": 0.5},
    "anger": {**pair("browDown"), **pair("noseSneer"), **pair("eyeSquint"), **pair("mouthPress", 0.6)},
}
"""Poses that speech and feeling bring about: no surface may go through another in them."""

SURFACES = (("skin", "skin"), ("skin", "mouth"))
"""Parts that must not go through each other. Lids touch eyeballs and are measured as they are seen; brows and teeth are
set into what holds them."""

SHUT = ("rest", "closed jaw open", "smile", "frown", "press", "m b p", "b of blue", "puff", "mouth right")
"""Combinations with the lips together: nothing of the mouth is seen from anywhere."""


def measure(head: Head, tell: Callable[[str], None] = lambda line: None) -> list[Finding]:
    """All measures of a head. `tell` gets each as a line, as soon as it is known."""
    found = []
    for finding in _findings(head):
        tell(str(finding))
        found.append(finding)
    return found


def _findings(head: Head) -> Iterator[Finding]:
    yield from _build(head)
    yield from _symmetry(head)
    try:
        at = landmarks(head)
    except HeadError as error:
        yield Finding("landmarks missing", 1, "", 0, str(error))
        return
    yield from _regions(head, at)
    yield from _lips(head, at)
    yield from _lids(head, at)
    yield from _backs(head)
    yield from _surfaces(head)


def _build(head: Head) -> Iterator[Finding]:
    vertices = sum(len(part.positions) for part in head.parts)
    low, high = MAX_VERTICES
    yield Finding("vertices", vertices, "", high, "" if vertices >= low else f"fewer than {low}")
    yield Finding("parts missing", len(set(PARTS) - {part.name for part in head.parts}), "", 0)
    missing = [name for name in ARKIT if name not in head.targets]
    yield Finding("ARKit targets missing", len(missing), "", 0, " ".join(missing))
    idle = [
        name for row, name in enumerate(head.targets)
        if name != "viseme_sil" and not any(np.abs(part.moves[row]).max() > STILL for part in head.parts)
    ]  # fmt: skip
    yield Finding("targets that move nothing", len(idle), "", 0, " ".join(idle))
    bent = max(float(np.abs(np.linalg.norm(part.normals, axis=1) - 1).max()) for part in head.parts)
    yield Finding("normals: length off 1", bent, "", 1e-3)
    yield from _triangles(shape(head, {}))


def _triangles(rest: Shape) -> Iterator[Finding]:
    corners = rest.points[rest.triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size, normal = np.linalg.norm(across, axis=1), rest.normals[rest.triangles].mean(1)
    thin = size < 1e-9
    yield Finding("triangles without area", int(thin.sum()), "", 0, _by_part(rest, thin))
    against = ~thin & ((across * normal).sum(1) < AGAINST * size * np.linalg.norm(normal, axis=1))
    yield Finding("triangles against their normals", int(against.sum()), "", 0, _by_part(rest, against))
    names = weld(rest.points)[rest.triangles[rest.owner == rest.of("skin")]]
    edges = np.sort(np.concatenate([names[:, [0, 1]], names[:, [1, 2]], names[:, [2, 0]]]), 1)
    counts = np.unique(edges, axis=0, return_counts=True)[1]
    yield Finding("edges of skin with three sides", int((counts > 2).sum()), "", 0)
    yield Finding("open edges of skin", int((counts == 1).sum()), "", None)


def _by_part(shape: Shape, triangles: Array) -> str:
    counts = {name: int(triangles[shape.owner == number].sum()) for number, name in enumerate(shape.names)}
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def _symmetry(head: Head) -> Iterator[Finding]:
    """Hair may be parted: its mirror is told, not judged."""
    for part in head.parts:
        far, bent = rest_errors(part)
        hair = part.name == "hair"
        detail = f"at {_place(part.positions[far.argmax()])}" if far.max() else ""
        yield Finding(
            f"mirror: places of {part.name}", float(far.max()) * 1e6, "µm", None if hair else ALIKE * 1e6, detail
        )
        detail = f"at {_place(part.positions[bent.argmax()])}" if bent.max() else ""
        yield Finding(f"mirror: normals of {part.name}", float(bent.max()), "", None if hair else 1e-3, detail)
    of_targets = target_errors(head)
    target = max(of_targets, key=lambda name: of_targets[name])
    yield Finding("mirror: targets", of_targets[target] * 1e6, "µm", 1, target if of_targets[target] else "")


def _place(point: Array) -> str:
    return f"({', '.join(f'{x * 1e3:.0f}' for x in point)})"


def _regions(head: Head, at: Landmarks) -> Iterator[Finding]:
    found = reach(head, at)
    bad = sorted((name for name in found if found[name].outside > STILL), key=lambda name: -found[name].outside)
    places = [f"{name} {found[name].outside * 1e3:.2f} mm at {_place(found[name].where)}" for name in bad]
    yield Finding("targets that leave their region", len(bad), "", 0, "; ".join(places))


def _lips(head: Head, at: Landmarks) -> Iterator[Finding]:
    yield Finding("height of the head, chin to top", at.height * 1e3, "mm", None)
    wanted = ("rest", "open", "closed jaw open", "press", "b of blue")
    gaps = {name: lip_gap(shape(head, COMBINATIONS[name]), at) for name in wanted}
    for name in ("rest", "closed jaw open", "press", "b of blue"):
        yield Finding(f"lip gap: {name}", gaps[name] / at.height * 100, "% of height", LIP_GAP * 100)
    part = [lip_gap(shape(head, {"jawOpen": x, "mouthClose": x}), at) for x in (0.25, 0.5, 0.75)]
    yield Finding(
        "lip gap: jawOpen = mouthClose = 1/4 1/2 3/4", max(part) / at.height * 100, "% of height", LIP_GAP * 100
    )
    yield Finding("lip gap: open", gaps["open"] / at.height * 100, "% of height", None)
    for name in SHUT:
        views = {
            (yaw, pitch): mouth_seen(shape(head, COMBINATIONS[name]), at, yaw, pitch)
            for yaw, pitch in ((0, 0), (-35, 0), (80, 0), (0, -25), (0, 25))
        }
        worst = max(views, key=lambda view: views[view])
        yield Finding(f"mouth seen: {name}", views[worst] * 1e6, "mm²", 3, f"worst from yaw, pitch {worst}")


def _lids(head: Head, at: Landmarks) -> Iterator[Finding]:
    for closed in (0.0, 0.25, 0.5, 0.75, 1.0):
        posed = shape(head, pair("eyeBlink", closed))
        views = [eyes_seen(posed, at, yaw) for yaw in (0, 30, -30)]
        area = max(view.area for view in views)
        yield Finding(f"eyeballs seen: blink {closed:g}", area * 1e6, "mm²", 0 if closed == 1 else None)
        yield Finding(f"eyeballs through lids: blink {closed:g}", max(view.broken for view in views) * 1e6, "mm²", 0.5)
    for way in ("Up", "Down", "In", "Out"):
        posed = shape(head, {**pair(f"eyeLook{way}"), **pair("eyeBlink", 0.4)})
        broken = max(eyes_seen(posed, at, yaw).broken for yaw in (0, 30, -30))
        yield Finding(f"eyeballs through lids: look {way.lower()}", broken * 1e6, "mm²", 0.5)


def _backs(head: Head) -> Iterator[Finding]:
    """Backs of triangles that are seen: where programs that draw one side show a hole."""
    for name in ("rest", "open", "blink"):
        posed = shape(head, COMBINATIONS[name])
        ways = ((0, 0), (40, 0), (90, 0), (20, 25), (20, -25))
        views = [look(posed, np.zeros(3), (0.13, 0.16), 0.001, *way) for way in ways]
        found = {
            part: max(int((view.behind & (view.owner == posed.of(part))).sum()) for view in views)
            for part in PARTS[:3]
        }  # fmt: skip
        detail = ", ".join(f"{part} {area}" for part, area in found.items())
        yield Finding(f"backs seen: {name}", sum(found.values()), "mm²", BACKS, detail)


def _surfaces(head: Head) -> Iterator[Finding]:
    """Pairs of triangles that cross by more than POKE, at rest and wherever a combination moves one of them.

    Pieces of skin that are set into each other, such as ears into a skull, are told and not judged.
    """
    rest = shape(head, {})
    names = weld(rest.points)
    piece = pieces(names[rest.triangles])
    counts, worst, set_in = dict.fromkeys(SURFACES, 0), dict.fromkeys(SURFACES, ""), 0
    for name, pose in COMBINATIONS.items():
        posed = shape(head, pose)
        moved = (np.abs(posed.points - rest.points).max(1) > 0)[posed.triangles].any(1) | (not pose)
        for parts in SURFACES:
            found = crossings(posed, *parts, names, moved).deeper(POKE)
            same = piece[found.pairs[:, 0]] == piece[found.pairs[:, 1]]
            if parts == ("skin", "skin"):
                set_in, found = max(set_in, int((~same).sum())), Crossings(found.pairs[same], found.depth[same])
            counts[parts] += len(found.pairs)
            if len(found.pairs):
                place = posed.points[posed.triangles[found.pairs[found.depth.argmax()]]].mean((0, 1))
                deep = f"{found.depth.max() * 1e3:.1f} mm at {_place(place)}"
                worst[parts] += f"\n      {name}: {len(found.pairs)} pairs, {deep}"
    for first, second in SURFACES:
        yield Finding(f"{first} through {second}", counts[first, second], "pairs", 0, worst[first, second])
    yield Finding("pieces of skin set into each other", set_in, "pairs", None)
