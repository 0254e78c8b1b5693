"""VRChat: parameters of an avatar by OSC over UDP, under the names of face tracking there (Unified Expressions).

Not tried on VRChat itself. An avatar moves only where it has these parameters; VRChat ignores the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from voxface.errors import PacketError, UsageError
from voxface.face.rig import ARKIT
from voxface.live import osc
from voxface.live.frame import LiveFrame
from voxface.live.sums import Sums, by_name, sums
from voxface.live.vmc import MOST_BYTES

PORT = 9000
ROOT = "/avatar/parameters/"

_SAME = (
    "jawOpen", "tongueOut", "mouthUpperUp", "mouthLowerDown", "mouthDimple", "mouthStretch", "mouthPress", "noseSneer",
    "cheekSquint", "eyeSquint", "browOuterUp", "browDown",
)  # fmt: skip
_RENAMED = {
    "MouthClosed": "mouthClose", "LipFunnel": "mouthFunnel", "LipPucker": "mouthPucker", "CheekPuffSuck": "cheekPuff",
    "LipSuckUpper": "mouthRollUpper", "LipSuckLower": "mouthRollLower", "MouthRaiserUpper": "mouthShrugUpper",
    "MouthRaiserLower": "mouthShrugLower", "BrowInnerUp": "browInnerUp", "BrowLowererLeft": "browDownLeft",
    "BrowLowererRight": "browDownRight", "JawZ": "jawForward",
}  # fmt: skip


def _sides(name: str) -> tuple[str, ...]:
    return (name,) if name in ARKIT else (f"{name}Left", f"{name}Right")


_PLAIN: dict[str, dict[str, float]] = {
    **{side[0].upper() + side[1:]: {side: 1.0} for name in _SAME for side in _sides(name)},
    **{theirs: {ours: 1.0} for theirs, ours in _RENAMED.items()},
    **{f"EyeLid{side}": {"1": 0.75, f"eyeBlink{side}": -0.75, f"eyeWide{side}": 0.25} for side in ("Left", "Right")},
}
PARAMETERS: Sums = MappingProxyType(_PLAIN)
"""Within 0 to 1; a lid is closed at 0, rests at 0.75 and is wide at 1."""

SIGNED: Sums = MappingProxyType({
    "JawX": {"jawRight": 1.0, "jawLeft": -1.0},
    "MouthX": {"mouthRight": 1.0, "mouthLeft": -1.0},
    "SmileFrownLeft": {"mouthSmileLeft": 1.0, "mouthFrownLeft": -1.0},
    "SmileFrownRight": {"mouthSmileRight": 1.0, "mouthFrownRight": -1.0},
    "EyeLeftX": {"eyeLookInLeft": 1.0, "eyeLookOutLeft": -1.0},
    "EyeRightX": {"eyeLookOutRight": 1.0, "eyeLookInRight": -1.0},
    "EyeY": {"eyeLookUp": 1.0, "eyeLookDown": -1.0},
})  # fmt: skip
"""Within -1 to 1; X is positive to the subject's right, Y upwards."""


@dataclass(frozen=True, slots=True)
class VrChat:
    """Frames into datagrams of at most 1,200 bytes. prefix: what the avatar's names begin with, such as FT."""

    prefix: str = ""

    def __post_init__(self) -> None:
        if not all(part.isalnum() for part in self.prefix.split("/") if part) or len(self.prefix) > 32:
            raise UsageError(f"the prefix {self.prefix!r} is no name of parameters.", hint="Write prefix=FT.")

    def packets(self, frame: LiveFrame) -> list[bytes]:
        """Every parameter."""
        weights = by_name(frame.rig_weights())
        values = sums(PARAMETERS, weights) | sums(SIGNED, weights, least=-1.0)
        start = ROOT + (f"{self.prefix.strip('/')}/v2/" if self.prefix else "v2/")
        messages = [osc.Message(start + name, (value,)) for name, value in values.items()]
        return osc.bundles([osc.encode(message) for message in messages], MOST_BYTES)

    idle = packets

    def farewell(self) -> list[bytes]:
        """None: the face rests."""
        return []


def decode(data: bytes) -> dict[str, float]:
    """Parameters by name, without what stands before v2/. Raises: PacketError: there is none."""
    found = {
        message.address.partition("v2/")[2]: float(message.arguments[0])
        for message in osc.decode(data)
        if message.address.startswith(ROOT) and len(message.arguments) == 1 and isinstance(message.arguments[0], float)
    }
    if not found:
        raise PacketError(f"no parameter of VRChat in an OSC packet of {len(data)} bytes.")
    return found
