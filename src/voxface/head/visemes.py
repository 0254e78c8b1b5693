"""The 15 mouth shapes of Oculus' lip sync as sums of ARKit targets. Our own values, judged on a sheet of pictures."""

from __future__ import annotations

import numpy as np

from voxface.face.rig import ARKIT
from voxface.stream import Array

VISEMES: dict[str, dict[str, float]] = {
    "sil": {},
    "PP": {"mouthPress": 0.55, "mouthRollLower": 0.15, "mouthRollUpper": 0.15, "jawOpen": 0.06, "mouthClose": 0.06},
    "FF": {"mouthRollLower": 0.60, "mouthUpperUp": 0.35, "mouthShrugLower": 0.25, "jawOpen": 0.06},
    "TH": {"jawOpen": 0.20, "tongueOut": 0.50, "mouthUpperUp": 0.10, "mouthLowerDown": 0.15},
    "DD": {"jawOpen": 0.16, "mouthUpperUp": 0.15, "mouthLowerDown": 0.25, "mouthStretch": 0.10},
    "kk": {"jawOpen": 0.24, "mouthUpperUp": 0.12, "mouthLowerDown": 0.15, "mouthStretch": 0.12},
    "CH": {"jawOpen": 0.12, "mouthFunnel": 0.65, "mouthUpperUp": 0.15, "mouthLowerDown": 0.25},
    "SS": {"jawOpen": 0.06, "mouthStretch": 0.30, "mouthSmile": 0.22, "mouthUpperUp": 0.22, "mouthLowerDown": 0.35},
    "nn": {"jawOpen": 0.13, "mouthUpperUp": 0.10, "mouthLowerDown": 0.15, "mouthSmile": 0.10},
    "RR": {"jawOpen": 0.15, "mouthFunnel": 0.40, "mouthPucker": 0.25},
    "aa": {"jawOpen": 0.58, "mouthLowerDown": 0.15, "mouthUpperUp": 0.08},
    "E": {"jawOpen": 0.28, "mouthStretch": 0.25, "mouthSmile": 0.22, "mouthLowerDown": 0.25, "mouthUpperUp": 0.10},
    "I": {"jawOpen": 0.15, "mouthSmile": 0.45, "mouthStretch": 0.20, "mouthLowerDown": 0.25, "mouthUpperUp": 0.12},
    "O": {"jawOpen": 0.38, "mouthFunnel": 0.60, "mouthPucker": 0.20},
    "U": {"jawOpen": 0.14, "mouthPucker": 0.80, "mouthFunnel": 0.25},
}
"""Values by target; one without a side in its name, such as mouthPress, goes for Left and Right."""

VISEME_NAMES = tuple(f"viseme_{name}" for name in VISEMES)


def viseme_weights() -> Array:
    """Weights of the ARKit targets in each viseme, (15, 52)."""
    weights = np.zeros((len(VISEMES), len(ARKIT)))
    for row, values in enumerate(VISEMES.values()):
        for name, value in values.items():
            for target in (name,) if name in ARKIT else (f"{name}Left", f"{name}Right"):
                weights[row, ARKIT.index(target)] = value
    return weights
