"""The channels that articulation drives, and how a table names them: `mouthStretch` is both sides."""

from __future__ import annotations

import numpy as np

from voxface.errors import UsageError
from voxface.face.rig import ARKIT

ARTICULATED: tuple[str, ...] = (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
    "mouthPressRight", "mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "tongueOut",
)  # fmt: skip
"""The channels that `curves` drives, in canonical order; all others rest at 0."""

OBSERVED = np.array([name in ARTICULATED for name in ARKIT])
"""(52,) bool: what the curves of phones say something about."""
OBSERVED.flags.writeable = False


def sides(name: str) -> tuple[str, ...]:
    """The ARKit channels of a name without side: ("jawOpen",), or left and right.

    Raises: UsageError: articulation drives no such channel.
    """
    for names in ((name,), (f"{name}Left", f"{name}Right")):
        if all(channel in ARTICULATED for channel in names) and not name.endswith(("Left", "Right")):
            return names
    known = sorted({channel.removesuffix("Left").removesuffix("Right") for channel in ARTICULATED})
    raise UsageError(f"{name!r} is no channel of articulation.", hint=f"The channels: {', '.join(known)}.")


def places(name: str) -> list[int]:
    """Where the channels of a name without side stand in face.rig.ARKIT."""
    return [ARKIT.index(channel) for channel in sides(name)]
