"""Named sets of channels. Channels are always mapped by name; left is the subject's left."""

from __future__ import annotations

from collections.abc import Sequence

from voxface.errors import RigMismatchError

ARKIT: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The 52 ARKit blendshapes in canonical order: alphabetical, which is MediaPipe's order without `_neutral`, then
`tongueOut` (formats.md §1)."""

HEAD: tuple[str, ...] = ("headX", "headY", "headZ", "headW", "headI", "headJ", "headK")
"""Head pose: position x, y, z in metres, then the unit quaternion w, i, j, k (SPEC C4)."""

EMOTIONS: tuple[str, ...] = ("Angry", "Disgusted", "Fearful", "Happy", "Neutral", "Sad", "Surprised")

MOUTH: tuple[str, ...] = tuple(name for name in ARKIT if name.startswith(("jaw", "mouth", "cheekPuff", "tongue")))
"""The channels that speech moves."""

_EYE = ("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide")
LIVELINK_CSV: tuple[str, ...] = (
    *(f"{name}Left" for name in _EYE),
    *(f"{name}Right" for name in _EYE),
    "jawForward", "jawRight", "jawLeft", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft", "mouthSmileLeft", "mouthSmileRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft",
    "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The 52 names in the order of Live Link Face's CSV. The app's network packet has another order: jaw and mouth left
before right."""

LIVELINK_ANGLES: tuple[str, ...] = tuple(
    f"{part}{turn}" for part in ("head", "leftEye", "rightEye") for turn in ("Yaw", "Pitch", "Roll")
)
"""What follows them in the CSV, in radians."""

LIVELINK_61: tuple[str, ...] = LIVELINK_CSV + LIVELINK_ANGLES

_SWAPPED = {"jawLeft": "jawRight", "jawRight": "jawLeft", "mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}
LIVELINK_UDP: tuple[str, ...] = tuple(_SWAPPED.get(name, name) for name in LIVELINK_61)
"""The same 61 in the order of Live Link's network packet and of Unreal's enumeration: as in the CSV, but jaw and mouth
left stand before right (formats.md §1)."""

_CANONICAL = {name.lower(): name for name in ARKIT}


def canonical_name(name: str) -> str:
    """The canonical spelling of a channel: `JawOpen`, `jaw_open`, `mouthUpperUp_R` become ARKit's own.

    A name that is no ARKit channel comes back unchanged.
    """
    key = name.strip()
    if key.endswith(("_L", "_R")):
        key = key[:-2] + ("Left" if key.endswith("L") else "Right")
    return _CANONICAL.get(key.replace("_", "").lower(), name)


def columns(channels: Sequence[str], wanted: Sequence[str], needed_by: str) -> list[int]:
    """Where each wanted channel stands among `channels`.

    Raises: RigMismatchError: names every channel that is missing.
    """
    place = {name: i for i, name in enumerate(channels)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise RigMismatchError(
            f"{needed_by} needs {len(missing)} channels that this clip lacks: {', '.join(missing)}.",
            hint="Convert the clip first: clip.to_rig(voxface.ARKIT).",
        )
    return [place[name] for name in wanted]
