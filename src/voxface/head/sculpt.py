"""The form of the head as one smooth function: negative inside, about metres of distance near the surface."""

from __future__ import annotations

import numpy as np

from voxface.head.geometry import Vector
from voxface.stream import Array

EYE = np.array([0.0318, 0.035, 0.0668])  # centre of the left eyeball
EYE_RADIUS = 0.0188
LID_RADIUS = 0.0200
MOUTH_Y = -0.0365
LONGEST_CAST, CAREFUL, NEAR_ENOUGH = 44, 0.88, 2e-6  # steps of a ray; share of the free way it goes; metres


NOSE_ROOT, NOSE_TIP = np.array([0.0, 0.0440, 0.0815]), np.array([0.0, 0.0015, 0.1075])
"""Move the tip, and wings and nostrils come with it: down for a longer nose, forward for a larger one."""
NOSTRIL = NOSE_TIP + np.array([0.0062, -0.0098, -0.0050])
CHIN = np.array([0.0, -0.0695, 0.0760])


def distance(points: Array) -> Array:
    """Signed distance, about, of (n, 3) points to the skin without ears, lips and lid openings."""
    p = np.array(points, float)
    p[:, 0] = np.sqrt(p[:, 0] ** 2 + 0.0015**2)  # both halves at once, without a crease in the middle
    head = nose(p, sockets(p, cheeks(p, skull(p))))
    return join(head, sphere(p, EYE + np.array([0, 0, 0.0002]), LID_RADIUS), 0.0060)


def skull(p: Array) -> Array:
    """Head and neck without a face."""
    head = ellipsoid(p, (0, 0.064, -0.006), (0.0745, 0.084, 0.0945))
    head = join(head, ellipsoid(p, (0, 0.002, 0.026), (0.0575, 0.088, 0.0655)), 0.055)  # under the face
    head = join(head, cone(p, (0.0375, -0.029, 0.010), (0.008, -0.068, 0.063), 0.0183, 0.0150), 0.037)  # jaw
    return join(head, cone(p, (0, -0.010, -0.022), (0, -0.190, -0.050), 0.0385, 0.0455), 0.016)  # neck


def cheeks(p: Array, head: Array) -> Array:
    """With chin, cheeks and what covers the teeth."""
    head = join(head, ellipsoid(p, CHIN, (0.0155, 0.0135, 0.0155)), 0.020)
    head = join(head, ellipsoid(p, (0.0390, 0.004, 0.0560), (0.0195, 0.0175, 0.0190)), 0.026)  # cheekbone
    head = join(head, ellipsoid(p, (0.0330, -0.020, 0.0560), (0.0210, 0.0230, 0.0210)), 0.026)  # cheek
    head = join(head, ellipsoid(p, (0, MOUTH_Y + 0.002, 0.0680), (0.0300, 0.0240, 0.0255)), 0.018)  # over teeth
    head = carve(head, cone(p, (0.0205, -0.0100, 0.0900), (0.0350, -0.0330, 0.0835), 0.0030, 0.0030), 0.009)  # fold
    return carve(head, ellipsoid(p, CHIN + np.array([0, 0.0140, 0.0280]), (0.0200, 0.0045, 0.0085)), 0.013)  # dip


def sockets(p: Array, head: Array) -> Array:
    """With brows and the hollows of the eyes."""
    head = join(head, cone(p, (0.012, 0.0590, 0.0825), (0.046, 0.0570, 0.0630), 0.0075, 0.0065), 0.020)
    head = carve(head, ellipsoid(p, (0.0300, 0.0350, 0.0905), (0.0205, 0.0125, 0.0135)), 0.014)
    return join(
        head, ellipsoid(p, (0.0105, 0.0450, 0.0768), (0.0055, 0.0125, 0.0075)), 0.010
    )  # beside the root of the nose


def nose(p: Array, head: Array) -> Array:
    """With a nose: bridge, wings, base, tip, nostrils, and the groove under it."""
    head = join(head, cone(p, NOSE_ROOT, NOSE_TIP + np.array([0, 0.0065, -0.0040]), 0.0070, 0.0082), 0.021)  # bridge
    wing = ellipsoid(p, NOSE_TIP + np.array([0.0108, -0.0040, -0.0090]), (0.0058, 0.0064, 0.0080))
    base = ellipsoid(p, NOSE_TIP + np.array([0, -0.0075, -0.0075]), (0.0036, 0.0040, 0.0085))
    tip = ellipsoid(p, NOSE_TIP, (0.0104, 0.0088, 0.0092))
    head = join(join(join(head, wing, 0.0080), base, 0.007), tip, 0.0100)
    nostril = ellipsoid(p, NOSTRIL, (0.0032, 0.0040, 0.0047))
    philtrum = cone(
        p, NOSE_TIP + np.array([0, -0.0155, -0.0040]), NOSE_TIP + np.array([0, -0.0275, -0.0027]), 0.0032, 0.0036
    )
    return carve(carve(head, nostril, 0.0038), philtrum, 0.0045)


def gradient(points: Array) -> Array:
    """Direction in which the distance grows, (n, 3), by central differences of 0.1 mm."""
    e = 1e-4
    shifts = np.concatenate([points + s * e * np.eye(3)[k] for k in range(3) for s in (1, -1)])
    d = distance(shifts).reshape(3, 2, len(points))
    return ((d[:, 0] - d[:, 1]) / (2 * e)).T


def settle(points: Array, rounds: int = 3) -> Array:
    """Move points onto the skin along the gradient."""
    for _ in range(rounds):
        g = gradient(points)
        move = distance(points)[:, None] * g / np.maximum((g**2).sum(1, keepdims=True), 0.2)
        points = points - np.clip(move, -0.004, 0.004)
    return points


def cast(origin: Array, direction: Array, far: float = 0.2) -> Array:
    """First point of the skin seen from outside along rays that start `far` out and go inwards to the origin."""
    t = np.full(len(direction), far)
    origin = np.broadcast_to(origin, direction.shape)
    moving = np.arange(len(direction))
    for _ in range(LONGEST_CAST):
        gap = distance(origin[moving] + direction[moving] * t[moving, None])
        t[moving] = np.maximum(t[moving] - CAREFUL * gap, 0.0)
        moving = moving[(gap > NEAR_ENOUGH) & (t[moving] > 0)]
        if not len(moving):
            break
    found: Array = origin + direction * t[:, None]
    return found


def sphere(p: Array, centre: Vector, radius: float) -> Array:
    """Distance (n,) to a sphere, metres."""
    return length(p - np.asarray(centre)) - radius


def ellipsoid(p: Array, centre: Vector, radii: Vector) -> Array:
    """About the distance (n,) to an ellipsoid, exact at its surface, metres."""
    q = (p - np.asarray(centre)) / np.asarray(radii)
    k = length(q)
    found: Array = k * (k - 1) / np.maximum(length(q / np.asarray(radii)), 1e-6)
    return found


def cone(p: Array, start: Vector, end: Vector, first: float, last: float) -> Array:
    """A capsule whose radius goes from `first` to `last`."""
    a, b = np.asarray(start), np.asarray(end)
    t = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    found: Array = length(p - a - t[:, None] * (b - a)) - (first + (last - first) * t)
    return found


def length(vectors: Array) -> Array:
    """Lengths (n,) of vectors (n, 3)."""
    found: Array = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return found


def join(a: Array, b: Array, soft: float) -> Array:
    """Union whose seam is filled over `soft` metres (cubic, so that the normals are smooth too)."""
    h = np.maximum(soft - np.abs(a - b), 0) / soft
    found: Array = np.minimum(a, b) - h**3 * soft / 6
    return found


def carve(a: Array, b: Array, soft: float) -> Array:
    """a without b, soft edge."""
    return -join(-a, b, soft)
