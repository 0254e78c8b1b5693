"""The head while speaking: a slow sway, nods where the voice is stressed, the chin up with the pitch; and the brows.

That head and voice move together is well known: H. Yehia, T. Kuratate, E. Vatikiotis-Bateson, "Linking facial
animation, head motion and speech acoustics", J Phonetics 30 (2002); K. Munhall et al., "Visual prosody and speech
intelligibility", Psychological Science 15 (2004): head motion correlates with pitch and loudness, and helps to
understand; C. Busso et al., "Rigid head motion in expressive speech animation", IEEE TASLP 15 (2007); H. Graf et al.,
"Visual prosody", FG 2002: nods come with pitch accents, how strong and in which direction depends on the person.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from voxface.runtime.chance import BLOCK, gather
from voxface.runtime.prosody import TICK_ROWS, TICK_S
from voxface.runtime.spline import noise, through
from voxface.stream import Array

POSE = ("yaw", "pitch", "roll", "x", "y", "z")
"""Degrees and millimetres (SPEC C4): yaw to the subject's left, pitch down, x to the left, y up, z to the camera."""

SLOW_TICKS, SLOW = 48, np.array([3.6, 1.8, 2.4, 1.2, 0.6, 1.2, 0, 0])
QUICK_TICKS, QUICK = 12, np.array([2.0, 1.4, 1.3, 0.4, 0.2, 0.4, 1, 1])
"""Ticks between control points (1.92 s and 0.48 s), and the farthest they reach per column of POSE, while talking.
People who talk freely sway more (standard deviation 1.3 to 4 degrees in four clips that we captured), those who read
less (0.1 to 0.9 in three)."""

SILENT_SHARE, SWAY_S = 0.35, 1.0
"""How much of the sway is left while nobody speaks, and how slowly it comes and goes."""

NOD_DEG, NOD_S, NOD_FORGET_S = 6.0, 0.08, 0.8
"""A nod: the stress, smoothed twice, less its slow mean, times this."""

FURTHEST_DEG = 6.0
"""No angle of the head goes beyond this; on the way there it grows ever slower."""

CHIN_DEG, CHIN_S = 0.8, 0.16
"""Half an octave up lifts the chin so far."""

LEVER_MM_DEG = 75.0 * np.pi / 180
"""The head turns about a point in the neck 75 mm below: so far it moves for a degree of pitch or roll."""

BROW, BROW_FROM, BROW_S = np.array([0.7, 0.45]), 0.15, 0.1
"""How far the inner and the outer brows go up on a high accent, from which tone on, and how smoothly. Most quick brow
movements go with a rise in pitch (71 %: C. Cavé et al., "About the relationship between eyebrow movements and F0
variations", ICSLP 1996), while few rises bring the brows up: chance lets about every second one pass."""

PAST = 3
"""Control points before the first tick."""


class HeadState(NamedTuple):
    """Smoothed talk, stress (once, twice, slowly), tone (once, twice), brows (once, twice); the last three control
    points."""

    talk: float
    stress: tuple[float, float, float]
    tone: tuple[float, float]
    brow: tuple[float, float]
    controls: Array


@dataclass(frozen=True, slots=True)
class HeadMotion:
    """A stage from prosody to the pose of the head and the brows.

    seed: whose chances · head, brows: factors on how far

    Control points stand at every tick and are drawn as a B-spline: smooth, two ticks late. Angles stay within 6
    degrees, positions within 10 mm (at strength 1).
    """

    seed: int
    head: float = 1.0
    brows: float = 1.0

    def start(self) -> HeadState:
        """Everything quiet; the sway was there before the sound."""
        quiet = (0.0, 0.0)
        return HeadState(0.0, (0.0, 0.0, 0.0), quiet, quiet, self._controls(-PAST, np.zeros((PAST, 4))))

    def step(self, state: HeadState, first: int, prosody: Array) -> tuple[HeadState, Array]:
        """Take (ticks, 3) talk, stress and tone (prosody.Emphasis), the first being tick `first`.

        Returns: (new state, (rows, 8): POSE, inner and outer brows).
        """
        state, moves = _smoothed(state, prosody)
        controls = np.concatenate([state.controls, self._controls(first, moves)])
        return state._replace(controls=controls[-PAST:]), through(controls, TICK_ROWS)

    def _controls(self, first: int, moves: Array) -> Array:
        """(ticks, 4) talk, nod, chin, brow -> (ticks, 8) control points: POSE, inner and outer brows."""
        return control_points(sway_of(self.seed, first, len(moves)), moves, self.head, self.brows)


def control_points(sway: Array, moves: Array, head: float | Array, brows: float | Array) -> Array:
    """What sway, voice and strengths make of (n,) moments: each may be of another voice.

    Args:
        sway: (n, 8) of `sway_of`.
        moves: (n, 4) talk, nod, chin, brow.
        head, brows: factors, numbers or (n,).
    Returns: (n, 8): POSE, inner and outer brows.
    """
    large, aside = sway[:, 6], sway[:, 7]
    points: Array = sway * (SILENT_SHARE + (1 - SILENT_SHARE) * moves[:, :1])
    nod = NOD_DEG * moves[:, 1] * (0.7 + 0.5 * large)
    points[:, 1] += nod - CHIN_DEG * moves[:, 2]
    points[:, 2] += 0.5 * nod * aside
    points[:, :3] = FURTHEST_DEG * np.tanh(points[:, :3] / FURTHEST_DEG)
    points[:, 3] -= LEVER_MM_DEG * points[:, 2]
    points[:, 5] += LEVER_MM_DEG * points[:, 1]
    points[:, :6] *= np.reshape(head, (-1, 1))
    passes = np.minimum(np.maximum(0.5 + 2 * large, 0), 1)
    points[:, 6:] = (brows * moves[:, 3] * passes)[:, None] * BROW
    return points


def sway_of(seed: int, first: int, count: int) -> Array:
    """(count, 8) float64: the sway of the head at ticks first ... first + count - 1, first >= -PAST."""
    return gather(lambda block: _sway(seed, block), first + PAST, count)


SPOKEN, NOD, NOD_SLOW, CHIN, BROWS = (
    1 - math.exp(-TICK_S / seconds) for seconds in (SWAY_S, NOD_S, NOD_FORGET_S, CHIN_S, BROW_S)
)


@lru_cache(maxsize=64)
def _sway(seed: int, block: int) -> Array:
    """(BLOCK, 8) ticks: POSE while talking, how large a nod is, how far it goes aside; kept, and read-only."""
    first = block * BLOCK
    quick = QUICK * noise(seed, "sway", first, BLOCK, QUICK_TICKS)
    table: Array = quick + SLOW * noise(seed, "drift", first, BLOCK, SLOW_TICKS)
    table.flags.writeable = False
    return table


def _smoothed(state: HeadState, prosody: Array) -> tuple[HeadState, Array]:
    """Talk, stress, tone and brows through low passes of first order; (ticks, 4): talk, nod, chin, brow."""
    spoken, (once, twice, mean), (up, chin), (lift, brow), _ = state
    moves = []
    for talk, stress, tone in prosody.tolist():
        spoken += (talk - spoken) * SPOKEN
        once += (stress - once) * NOD
        twice += (once - twice) * NOD
        mean += (twice - mean) * NOD_SLOW
        up += (tone - up) * CHIN
        chin += (up - chin) * CHIN
        lift += ((tone - BROW_FROM if tone > BROW_FROM else 0.0) / (1 - BROW_FROM) - lift) * BROWS
        brow += (lift - brow) * BROWS
        moves.append((spoken, twice - mean, chin, brow))
    after = HeadState(spoken, (once, twice, mean), (up, chin), (lift, brow), state.controls)
    return after, np.array(moves).reshape(len(moves), 4)
