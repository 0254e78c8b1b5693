"""The 52 ARKit targets as controls of the rig. Left ones are built, right ones are their mirror image."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import Vector, bump, step
from voxface.head.lips import BAG, BORDER, HALF_WIDTH, slit
from voxface.head.mouth import TONGUE_Y
from voxface.head.rig import (
    CORNER,
    JAW,
    Field,
    Places,
    front,
    jaw_open,
    left,
    lids,
    mouth_close,
    near_lips,
    towards_line,
    turned,
    upness,
    vector,
)  # fmt: skip
from voxface.head.sculpt import MOUTH_Y
from voxface.stream import Array

AJAR = 0.16  # of its whole turn: how far the jaw opens for a tongue that comes out


def _bump(at: Places, centre: Vector, size: Vector) -> Array:
    return bump(at.points, centre, size)


def both(at: Places, centre: Vector, size: Vector) -> Array:
    """A bump and its mirror image."""
    return bump(np.column_stack([np.abs(at.points[:, 0]), at.points[:, 1:]]), centre, size)


def _sign(at: Places) -> Array:
    return np.tanh(at.points[:, 0] / 0.004)


def _lids_keep(at: Places) -> Array:
    """1 away from the lids, 0 on them: brows and cheeks do not pull the lids' edges."""
    return 1 - at.lid_share


# -- brows ------------------------------------------------------------------------------------------------------------


def brow_down(at: Places) -> Array:
    """The brow comes down, its inner end inwards too."""
    whole = _bump(at, (0.030, 0.0610, 0.080), (0.020, 0.0105, 0.030)) * _lids_keep(at) * left(at.points)
    inner = _bump(at, (0.0135, 0.0590, 0.088), (0.010, 0.0110, 0.025)) * _lids_keep(at) * left(at.points)
    return vector(whole, -0.0008, -0.0058, 0.0012) + vector(inner, -0.0022, -0.0030, 0.0012)


def brow_inner_up(at: Places) -> Array:
    """Worry: the inner ends of both brows rise."""
    here = both(at, (0.0120, 0.0640, 0.088), (0.0125, 0.0130, 0.030)) * _lids_keep(at)
    return vector(here, 0, 0.0088, 0.0002)


def brow_outer_up(at: Places) -> Array:
    """The outer end of the brow rises."""
    here = _bump(at, (0.0420, 0.0640, 0.070), (0.0150, 0.0120, 0.030)) * _lids_keep(at)
    return vector(here, 0, 0.0085, -0.0010)


# -- cheeks and nose --------------------------------------------------------------------------------------------------


def cheek_puff(at: Places) -> Array:
    """Air in both cheeks: they bulge outwards, the lips a little forwards."""
    here = both(at, (0.0430, -0.0280, 0.056), (0.0165, 0.0175, 0.030)) * front(at.points + np.array([0, 0, 0.03]))
    lips = near_lips(at, 0.004, 0.022)
    move = vector(here, 0, 0, 0.0050) + vector(lips, 0, 0, 0.0015)
    move[:, 0] += 0.0092 * here * _sign(at)
    return move


def cheek_squint(at: Places) -> Array:
    """The cheek rises under the eye and takes the lower lid along."""
    here = _bump(at, (0.0370, 0.0080, 0.072), (0.0150, 0.0110, 0.025)) * _lids_keep(at)
    return vector(here, 0.0005, 0.0058, 0.0022) + lids(at, 0, 0.05)


def nose_sneer(at: Places) -> Array:
    """The nose's wing rises, its side wrinkles, the skin over the lip follows."""
    wing = _bump(at, (0.0130, -0.0010, 0.098), (0.0075, 0.0080, 0.016)) * left(at.points)
    side = _bump(at, (0.0130, 0.0170, 0.088), (0.0070, 0.0095, 0.020)) * _lids_keep(at)
    lip = _beside(at) * upness(at) * _bump(at, (0.0130, -0.0320, 0.095), (0.0090, 0.0140, 0.03))
    return (
        vector(wing, 0.0012, 0.0040, -0.0004)
        + vector(side, -0.0006, 0.0024, 0.0012)
        + vector(lip, 0.0003, 0.0022, 0.0004)
    )


# -- mouth ------------------------------------------------------------------------------------------------------------


def _corner(at: Places, wide: float, high: float) -> Array:
    """Field round the left corner of the mouth, on the skin and a little into the mouth."""
    inside = np.interp(at.lip_ring, [0, 1, 2, 3, BAG], [0.0, 0.10, 0.85, 0.95, 1])
    inside = np.where(at.lip_ring < 0, 1.0, inside)
    d = (at.points - CORNER) * [1, 1, 0]
    ahead = np.where((at.lip_ring >= 0) & (at.lip_ring < BAG), 1.0, front(at.points))
    return bump(d, np.zeros(3), (wide, high, 1.0)) * inside * ahead * step(-0.022, -0.002, at.points[:, 0])


def smile(at: Places) -> Array:
    """The corner goes up and out, then back round the teeth; the cheek rises over the fold, the lower lid a little."""
    p = at.points
    corner = _corner(at, 0.0145, 0.0150)
    cheek = _bump(at, (0.0380, -0.0020, 0.067), (0.0150, 0.0135, 0.028)) * _lids_keep(at)
    fold = _fold(at)
    move = (
        vector(corner, 0.0062, 0.0104, 0)
        + vector(corner**2, 0, 0, -0.0046)
        + vector(cheek, 0.0014, 0.0050, 0.0058)
        + fold
    )
    q = np.clip(p[:, 0] / HALF_WIDTH, 0, 1)
    move -= vector(near_lips(at, 0.008, 0.024) * np.sin(np.pi * q) ** 2, 0, 0.0018, 0)  # a bow, not a wedge
    return move + lids(at, 0, 0.028) + towards_line(at) * (0.18 * left(p) * front(p))[:, None]


def _fold(at: Places) -> Array:
    """The line from the nose's wing past the corner of the mouth: a groove with the cheek standing over it."""
    a, b = np.array([0.0175, -0.0060]), np.array([0.0380, -0.0310])
    p = at.points[:, :2]
    along = (b - a) / np.linalg.norm(b - a)
    t = (p - a) @ along / np.linalg.norm(b - a)
    off = (p - a) @ np.array([-along[1], along[0]])  # positive towards the cheek
    ends = step(-0.15, 0.25, t) * step(1.2, 0.75, t) * front(at.points)
    groove = np.exp(-((off / 0.0065) ** 2)) * ends
    hill = np.exp(-(((off - 0.0120) / 0.0085) ** 2)) * ends
    groove, hill = groove * (np.abs(off) < 0.017), hill * (off < 0.034)
    return vector(groove, -0.0001, 0, -0.0003) + vector(hill, 0.0005, 0.0006, 0.0006)


def frown(at: Places) -> Array:
    """The corner goes down, the chin bunches up."""
    chin = both(at, (0.016, -0.0600, 0.085), (0.012, 0.010, 0.03)) * left(at.points)
    return vector(_corner(at, 0.0130, 0.0125), 0.0004, -0.0080, -0.0010) + vector(chin, 0, 0.0008, 0.0008)


def dimple(at: Places) -> Array:
    """The corner is drawn into the cheek."""
    return vector(_corner(at, 0.0110, 0.0110), 0.0042, 0.0014, -0.0050)


def stretch(at: Places) -> Array:
    """The corner goes straight out, the lips get thin."""
    flat = towards_line(at) * (0.18 * left(at.points) * front(at.points))[:, None]
    return vector(_corner(at, 0.0180, 0.0150), 0.0082, -0.0026, -0.0052) + flat


def narrowed(at: Places) -> Array:
    """How far each place is to the left of the middle, as far as it belongs to the mouth: what pursing takes away."""
    x = np.clip(at.points[:, 0], -HALF_WIDTH, HALF_WIDTH)
    found: Array = x * near_lips(at, 0.005, 0.031)
    return found


def levelled(at: Places, lower: float) -> Array:
    """The line between the lips loses its bow, and its corners go `lower` than its middle, metres."""
    x = np.minimum(np.abs(at.points[:, 0]), HALF_WIDTH)
    down = slit(x) - MOUTH_Y + lower * (x / HALF_WIDTH) ** 2
    return vector(-down * near_lips(at, 0.006, 0.028), 0, 1, 0)


def funnel(at: Places) -> Array:
    """Lips forwards and open, as in "sh": rounder, narrower, flared."""
    p = at.points
    lips, wide, up = near_lips(at, 0.008, 0.026), near_lips(at, 0.012, 0.034), upness(at)
    q = np.minimum(np.abs(p[:, 0]) / HALF_WIDTH, 1)
    middle = 1 - q**2
    move = vector(wide, 0, 0, 0.0062) + vector(lips * middle, 0, 0, 0.0048)
    move[:, 0] -= 0.46 * narrowed(at)
    move[:, 1] += lips * (0.55 + 0.45 * middle) * -(up * 0.0032 + (1 - up) * 0.0050) * np.sqrt(np.clip(1 - q**4, 0, 1))
    flare = np.interp(at.lip_ring, [BAG - 1, BAG, BAG + 1, BAG + 2, BORDER, BORDER + 2], [0, 0.8, 1, 0.6, 0.0, 0])
    return move + levelled(at, 0.0030) + vector(np.where(at.lip_ring < BAG - 1, 0, flare) * middle, 0, 0, 0.0022)


def pucker(at: Places) -> Array:
    """Lips forwards and together, as for a kiss."""
    p = at.points
    lips, wide = near_lips(at, 0.009, 0.028), near_lips(at, 0.012, 0.036)
    q = np.minimum(np.abs(p[:, 0]) / HALF_WIDTH, 1)
    move = vector(wide, 0, 0, 0.0058) + vector(lips * (1 - 0.6 * q**2), 0, 0, 0.0062)
    move += levelled(at, 0.0008) + vector(lips, 0, -0.0038, 0)  # the upper lip covers its teeth
    move[:, 0] -= 0.50 * narrowed(at)
    return move - towards_line(at) * (0.16 * (1 - 0.5 * q**2))[:, None]


def mouth_left(at: Places) -> Array:
    """The whole mouth slides to the left."""
    return vector(near_lips(at, 0.010, 0.036), 0.0085, 0, -0.0008) + vector(
        _corner(at, 0.014, 0.014), 0, 0.0015, -0.0022
    )


def lower_down(at: Places) -> Array:
    """The left half of the lower lip bares the teeth."""
    p = at.points
    side = left(p) * (1 - step(0.45, 1.05, np.abs(p[:, 0]) / HALF_WIDTH))
    here = near_lips(at, 0.009, 0.027) * (1 - upness(at)) * side
    return vector(here, 0.0008, -0.0085, -0.0010)


def upper_up(at: Places) -> Array:
    """The left half of the upper lip bares the teeth; the nose's wing follows."""
    p = at.points
    side = left(p) * (1 - step(0.45, 1.05, np.abs(p[:, 0]) / HALF_WIDTH))
    here = near_lips(at, 0.008, 0.022) * upness(at) * side
    wing = _bump(at, (0.0140, -0.0030, 0.098), (0.0070, 0.0080, 0.018))
    return vector(here, 0.0004, 0.0072, -0.0002) + vector(wing, 0.0006, 0.0014, 0)


def press(at: Places) -> Array:
    """The left halves of the lips are pressed together: thinner and further back."""
    half = left(at.points) * front(at.points)
    back = np.interp(at.lip_ring, [BAG - 2, BAG - 1, BAG, BORDER, BORDER + 3], [0.5, 0.8, 1, 0.8, 0])
    back = np.where(at.lip_ring < BAG - 2, 0, back) * half
    tight = vector(_corner(at, 0.010, 0.010), 0.0008, 0.0006, -0.0020)
    return towards_line(at) * (0.42 * half)[:, None] + vector(back, 0, 0, -0.0016) + tight


def _roll(at: Places, which: Array) -> Array:
    """The red turns inwards behind the other lip."""
    back = np.interp(at.lip_ring, [BAG - 1, BAG, BAG + 1, BAG + 2, BORDER, BORDER + 3], [0.5, 1, 1.15, 1.0, 0.62, 0.0])
    back = np.where(at.lip_ring < BAG - 1, 0, back) * which
    q = np.minimum(np.abs(at.points[:, 0]) / HALF_WIDTH, 1)
    return towards_line(at) * (0.72 * which)[:, None] + vector(back * (1 - 0.5 * q**2), 0, 0, -0.0052)


def _beside(at: Places) -> Array:
    """The skin that follows a lip which is rolled in; not where the lips touch."""
    found: Array = near_lips(at, 0.006, 0.021) * ((at.lip_ring < 0) | (at.lip_ring > BAG))
    return found


def roll_lower(at: Places) -> Array:
    """The lower lip turns in over its teeth."""
    return _roll(at, 1 - upness(at)) + vector(_beside(at) * (1 - upness(at)), 0, 0.0008, 0)


def roll_upper(at: Places) -> Array:
    """The upper lip turns in under its teeth."""
    return _roll(at, upness(at)) + vector(_beside(at) * upness(at), 0, -0.0008, 0)


def shrug_lower(at: Places) -> Array:
    """The chin pushes the lower lip up, and that the upper one."""
    p = at.points
    middle = 1 - 0.75 * step(0.2, 1.0, np.abs(p[:, 0]) / HALF_WIDTH)
    lip = near_lips(at, 0.008, 0.024) * middle * (1 - 0.10 * upness(at))
    chin = both(at, (0, -0.0640, 0.088), (0.0140, 0.0110, 0.03))
    return vector(lip, 0, 0.0042, 0.0022) + vector(chin, 0, 0.0030, 0.0012)


def shrug_upper(at: Places) -> Array:
    """The upper lip is pushed up under the nose."""
    middle = 1 - 0.75 * step(0.2, 1.0, np.abs(at.points[:, 0]) / HALF_WIDTH)
    lip = near_lips(at, 0.006, 0.018) * middle
    return vector(lip * (0.55 + 0.45 * upness(at)), 0, 0.0040, 0.0016)


def jaw_left(at: Places) -> Array:
    """The jaw slides to the left."""
    return vector(at.jaw, 0.0085, 0, 0)


def jaw_forward(at: Places) -> Array:
    """The jaw slides forwards, the lower teeth in front of the upper ones."""
    return vector(at.jaw, 0, -0.0008, 0.0075)


def ajar(at: Places) -> Array:
    """The jaw opens by the little that a tongue needs to come out."""
    near = step(0.046, 0.030, np.abs(at.points[:, 0])) * step(0.010, 0.035, at.points[:, 2])
    return turned(at.points, AJAR * JAW * at.jaw * near)


def parted(at: Places) -> Array:
    """The lips make room for the tongue."""
    q = np.minimum(np.abs(at.points[:, 0]) / HALF_WIDTH, 1)
    return ajar(at) + vector(near_lips(at, 0.008, 0.024) * upness(at) * (1 - q**2), 0, 0.0012, 0)


def tongue_out(at: Places) -> Array:
    """The tongue's front comes out between the lips, up over the lower one, and gets slimmer and flatter."""
    points = at.points
    free = step(0.040, 0.070, points[:, 2])
    flat = -0.22 * (points[:, 1] - TONGUE_Y) * free
    lift = 0.0094 * step(0.045, 0.080, points[:, 2] + 0.02 * free)
    droop = 0.0036 * step(0.066, 0.0755, points[:, 2])
    return ajar(at) + np.stack([-0.25 * points[:, 0] * free, lift - droop + flat, 0.043 * free], 1)


LEFT: dict[str, Field] = {
    "browDown": brow_down, "browOuterUp": brow_outer_up, "cheekSquint": cheek_squint, "noseSneer": nose_sneer,
    "mouthSmile": smile, "mouthFrown": frown, "mouthDimple": dimple, "mouthStretch": stretch,
    "mouthLowerDown": lower_down, "mouthUpperUp": upper_up, "mouthPress": press, "mouth": mouth_left, "jaw": jaw_left,
    "eyeBlink": lambda at: lids(at, 0, 0, close=1.0, swell=0.0008),
    "eyeWide": lambda at: lids(at, 0.13, -0.045),
    "eyeSquint": lambda at: lids(at, -0.03, 0.15)
    + vector(_bump(at, (0.034, 0.0150, 0.075), (0.014, 0.008, 0.025)) * _lids_keep(at), 0, 0.0022, 0.0010),
    "eyeLookDown": lambda at: lids(at, -0.27, -0.12),
    "eyeLookUp": lambda at: lids(at, 0.135, 0.07),
    "eyeLookIn": lambda at: lids(at, 0, 0, -0.035),
    "eyeLookOut": lambda at: lids(at, 0, 0, 0.035),
}  # fmt: skip
MIDDLE: dict[str, Field] = {
    "browInnerUp": brow_inner_up, "cheekPuff": cheek_puff, "jawOpen": jaw_open, "jawForward": jaw_forward,
    "mouthClose": mouth_close, "mouthFunnel": funnel, "mouthPucker": pucker, "mouthRollLower": roll_lower,
    "mouthRollUpper": roll_upper, "mouthShrugLower": shrug_lower, "mouthShrugUpper": shrug_upper, "tongueOut": parted,
}  # fmt: skip
EYES: dict[str, tuple[float, float, float]] = {  # degrees down, degrees out, metres back
    "eyeBlink": (0, 0, 0.0024), "eyeLookDown": (32, 0, 0), "eyeLookUp": (-23, 0, 0), "eyeLookIn": (0, -32, 0),
    "eyeLookOut": (0, 36, 0), "eyeSquint": (0, 0, 0.0006),
}  # fmt: skip
