"""Which curves of a face are drawn, under which names, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

import numpy as np

from voxface.errors import RigMismatchError, UsageError
from voxface.face.axes import euler_angles
from voxface.face.clip import FaceClip
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT, EMOTIONS, canonical_name
from voxface.stream import Array

LIP_GAP = "lipGap"
"""The one curve that is computed: how far the lips are apart (face.gap)."""

HEAD_ANGLES = ("headYaw", "headPitch", "headRoll")
"""The turn of the head in degrees (face.axes)."""

GROUPS = ("mouth", "jaw", "eyes", "brows", "cheeks", "head", "emotion", "other")
"""Groups of curves, from top to bottom."""

_STARTS = {"jaw": "jaw", "eye": "eyes", "brow": "brows", "cheekSquint": "cheeks", "nose": "cheeks", "head": "head"}
_MOST = {"mouth": 5, "jaw": 1, "eyes": 2, "brows": 1, "cheeks": 1, "head": 2, "emotion": 3, "other": 2}
_LEAST_MOVE = {"head": 1.0, "emotion": 0.15}  # degrees, strength; what moves less is only shown if it is asked for
_SIDES = ("Left", "Right")


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane: a curve, or the two of a left and right pair.

    title: as it is written beside the lane
    group: one of GROUPS
    names: its curves; of a pair, left first
    """

    title: str
    group: str
    names: tuple[str, ...]


def curve_names(clip: FaceClip) -> tuple[str, ...]:
    """The curves that a clip has: lip gap if its channels give one, channels, the turn of its head, its emotions."""
    names = [*clip.channels]
    if _has_gap(clip):
        names.insert(0, LIP_GAP)
    return (*names, *HEAD_ANGLES * (clip.head is not None), *EMOTIONS * (clip.emotion is not None))


def curve(clip: FaceClip, name: str) -> Array | None:
    """(frames,) of a curve by name, degrees for the head, NaN where no face was seen; None: the clip has no such."""
    if name == LIP_GAP and _has_gap(clip):
        values = rig_gap(clip.weights, clip.channels)
    elif name in HEAD_ANGLES and clip.head is not None:
        values = np.degrees(euler_angles(clip.head[:, 3:])[:, HEAD_ANGLES.index(name)])
    elif name in EMOTIONS and clip.emotion is not None:
        values = clip.emotion[:, EMOTIONS.index(name)]
    elif name in clip.channels:
        values = clip.channel(name)
    else:
        return None
    seen: Array = np.where(clip.seen, values, np.nan)
    return seen


def group_of(name: str) -> str:
    """The group of a curve."""
    if name in EMOTIONS:
        return "emotion"
    if name == LIP_GAP or name.startswith(("mouth", "tongue", "cheekPuff")):
        return "mouth"
    return next((group for start, group in _STARTS.items() if name.startswith(start)), "other")


def lanes(names: Sequence[str]) -> tuple[Lane, ...]:
    """Curves as lanes, group by group in the order in which they were named; left and right share a lane."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_pair_name(name), []).append(name)
    ordered = sorted(found, key=lambda title: GROUPS.index(group_of(title)))  # sorting is stable
    return tuple(Lane(_title(title, found[title]), group_of(title), tuple(sorted(found[title]))) for title in ordered)


def choose(wanted: Sequence[str], clips: Sequence[FaceClip]) -> tuple[str, ...]:
    """The curves that a person asks for.

    Args:
        wanted: names of channels in any spelling, wildcards as mouth*, groups of GROUPS, lipGap, all.
    Raises: UsageError: one of them names no curve of these clips.
    """
    known = _known_curves(clips)
    chosen: dict[str, None] = {}
    for one in wanted:
        matching = _matching(one.strip(), known)
        if not matching:
            raise UsageError(f"no channel is called {one.strip()!r}.", hint=_hint(one.strip(), known))
        chosen |= dict.fromkeys(matching)
    return tuple(chosen)


def most_moving(clips: Sequence[FaceClip]) -> tuple[str, ...]:
    """The curves that say most: the lip gap, then in every group those that move most, and their other side."""
    known = _known_curves(clips)
    moves = {name: max(_move(clip, name) for clip in clips) for name in known}
    chosen = [LIP_GAP] if LIP_GAP in known else []
    for group in GROUPS:
        own = [name for name in known if group_of(name) == group and name != LIP_GAP]
        pairs: dict[str, float] = {}
        for name in own:
            pairs[_pair_name(name)] = max(pairs.get(_pair_name(name), 0.0), moves[name])
        moving = [pair for pair, move in pairs.items() if move >= _LEAST_MOVE.get(group, 0.02)]
        shown = sorted(moving, key=lambda pair: -pairs[pair])[: _MOST[group]]
        chosen += [name for pair in shown for name in own if _pair_name(name) == pair]
    return tuple(chosen)


def thinned(times: Array, values: Array, most: int) -> tuple[Array, Array]:
    """A (n,) curve with at most `most` points: lowest and highest of every stretch, so that no peak is lost.

    A stretch in which any value is unknown (NaN) is unknown.
    """
    if len(values) <= most:
        return times, values
    stretch = -(-len(values) // (most // 2))
    whole = np.pad(values.astype(np.float64), (0, -len(values) % stretch), mode="edge").reshape(-1, stretch)
    low, high = whole.argmin(axis=1), whole.argmax(axis=1)  # of NaN, the first one
    at = np.sort(np.stack([low, high], axis=1), axis=1) + np.arange(len(whole))[:, None] * stretch
    at = np.minimum(at.ravel(), len(values) - 1)
    return times[at], values[at]


def _known_curves(clips: Sequence[FaceClip]) -> tuple[str, ...]:
    """The curves that any of the clips has."""
    return tuple(dict.fromkeys(name for clip in clips for name in curve_names(clip)))


def _title(pair: str, names: Sequence[str]) -> str:
    if names[0] == LIP_GAP:
        return "lip gap"
    return pair if len(names) > 1 else names[0]


def _has_gap(clip: FaceClip) -> bool:
    try:
        rig_gap(clip.weights[:0], clip.channels)
    except RigMismatchError:
        return False
    return True


def _pair_name(name: str) -> str:
    """eyeBlink of eyeBlinkLeft; the mouth or jaw that moves to a side has no pair."""
    base = next((name.removesuffix(side) for side in _SIDES if name.endswith(side)), name)
    return name if base in ("mouth", "jaw") else base


def _move(clip: FaceClip, name: str) -> float:
    """5th to 95th percentile, or the whole range where only a few frames move, as in a blink, weighed by a third; of an
    emotion, which says much even where it stays, its peak, but nothing of Neutral, which is what they leave."""
    values = curve(clip, name) if name != "Neutral" else None
    known = values[np.isfinite(values)] if values is not None else np.zeros(0)
    if not len(known):
        return 0.0
    if name in EMOTIONS:
        return float(known.max())
    low, high = np.percentile(known, [5, 95])
    return max(float(high - low), float(known.max() - known.min()) / 3)


def _matching(wanted: str, known: Sequence[str]) -> list[str]:
    if wanted.lower() == "all":
        return list(known)
    if wanted.lower() in GROUPS:
        return [name for name in known if group_of(name) == wanted.lower()]
    if canonical_name(wanted) in known:
        return [canonical_name(wanted)]
    return [name for name in known if fnmatchcase(name.lower(), wanted.lower())]


def _hint(wanted: str, known: Sequence[str]) -> str:
    names = {name.lower(): name for name in (*GROUPS, *known)}
    near = [names[name] for name in get_close_matches(wanted.lower(), names, 3, 0.5)]
    if not near and canonical_name(wanted) in ARKIT:
        return "This clip lacks that channel."
    start = f"Near it: {', '.join(near)}. " if near else ""
    return f"{start}Groups: {', '.join(GROUPS[:-1])}, all; or wildcards as mouth*."
