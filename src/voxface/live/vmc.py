"""VMC, the protocol of VSeeFace, Warudo, VNyan and other hosts of VRM avatars: OSC over UDP (formats.md §5).

A frame says that we are well and the time, then the head bone, the 52 channels of Perfect Sync, and that they apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from voxface.errors import PacketError, UsageError
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.live import osc
from voxface.live.frame import LiveFrame
from voxface.live.sums import Sums, by_name, sums
from voxface.stream import Array

MOST_BYTES = 1200
"""Of a datagram, so that none is split on its way."""

VOWELS: Sums = MappingProxyType({
    "A": {"jawOpen": 1.6, "mouthFunnel": -0.9, "mouthPucker": -0.9, "mouthStretch": -1.0, "mouthSmile": -1.0},
    "I": {"mouthSmile": 1.2, "mouthStretch": 0.9, "mouthDimple": 0.6, "jawOpen": -1.2, "mouthFunnel": -0.8},
    "U": {"mouthPucker": 1.2, "mouthFunnel": -0.2, "jawOpen": -0.4},
    "E": {"mouthStretch": 1.0, "mouthSmile": 0.3, "jawOpen": 0.45, "mouthFunnel": -1.6, "mouthPucker": -1.0},
    "O": {"mouthFunnel": 1.2, "mouthPucker": -0.3},
})  # fmt: skip
"""VRM's five mouths, for avatars that have no others. Our own values: each vowel among our head's visemes
(head/visemes.py) gives its own letter the largest share. What lips, teeth and tongue do for P, F and TH is lost."""

EMOTION_PRESETS: Sums = MappingProxyType({
    "Joy": {"Happy": 1.0},
    "Angry": {"Angry": 1.0, "Disgusted": 0.5},
    "Sorrow": {"Sad": 1.0, "Fearful": 0.5},
    "Fun": {},
})  # fmt: skip
"""VRM's expressions from emotions; nothing we hear is called fun, so it stays at 0."""

VRM1 = MappingProxyType({
    "A": "aa", "I": "ih", "U": "ou", "E": "ee", "O": "oh", "Blink": "blink", "Blink_L": "blinkLeft",
    "Blink_R": "blinkRight", "Joy": "happy", "Angry": "angry", "Sorrow": "sad", "Fun": "relaxed",
})  # fmt: skip
"""What VRM 1.0 calls the presets of VRM 0."""


def presets(frame: LiveFrame) -> dict[str, float]:
    """The presets of VRM 0 within 0 to 1; the five mouths together at most 1; without emotion in the frame, without the
    four expressions."""
    weights = by_name(frame.weights)
    mouths = sums(VOWELS, weights)
    most = max(1.0, sum(mouths.values()))
    both = min(weights["eyeBlinkLeft"], weights["eyeBlinkRight"])
    blinks = {"Blink": both, "Blink_L": weights["eyeBlinkLeft"] - both, "Blink_R": weights["eyeBlinkRight"] - both}
    feelings = {}
    if frame.emotion is not None:
        feelings = sums(EMOTION_PRESETS, dict(zip(EMOTIONS, frame.emotion.tolist(), strict=True)))
    return {name: value / most for name, value in mouths.items()} | blinks | feelings


def head_bone(head: Array) -> tuple[float, ...]:
    """(7,) x, y, z, w, i, j, k in our axes -> x, y, z, i, j, k, w in Unity's.

    Ours are right-handed: +X to the subject's left, +Y up, +Z where the face looks (SPEC C4). In Unity an avatar looks
    to +Z as well, with +X to its right. So X is mirrored: x changes its sign, and so do the turns about Y and Z.
    """
    x, y, z, w, i, j, k = head.tolist()
    return -x, y, z, i, -j, -k, w


@dataclass(frozen=True, slots=True)
class Vmc:
    """Frames into datagrams of at most 1,200 bytes; Apply is in the last.

    case:    how the 52 channels are spelled: JawOpen (pascal), as most avatars with Perfect Sync have them, or jawOpen
    preset:  also send mouths, blinks and, where a frame has emotion, expressions, for avatars without Perfect Sync
    version: spell those as VRM 0 does (A, Joy), or VRM 1.0 (aa, happy)
    """

    case: Literal["pascal", "camel"] = "pascal"
    preset: bool = False
    version: Literal[0, 1] = 0

    def __post_init__(self) -> None:
        if self.case not in ("pascal", "camel") or self.version not in (0, 1):
            hint = "Write case=pascal or case=camel, version=0 or version=1."
            raise UsageError(f"VMC has no case={self.case}, version={self.version}.", hint=hint)

    def packets(self, frame: LiveFrame) -> list[bytes]:
        """A whole frame: who joins late knows all of the face."""
        head = [osc.Message("/VMC/Ext/Bone/Pos", ("Head", *head_bone(frame.head)))] if frame.head is not None else []
        blends = [osc.Message("/VMC/Ext/Blend/Val", (name, value)) for name, value in self._values(frame).items()]
        ends = [osc.Message("/VMC/Ext/OK", (1,)), osc.Message("/VMC/Ext/T", (float(frame.time_s),))]
        messages = [*ends, *head, *blends, osc.Message("/VMC/Ext/Blend/Apply")]
        return osc.bundles([osc.encode(message) for message in messages], MOST_BYTES)

    idle = packets

    def farewell(self) -> list[bytes]:
        """We are gone."""
        return [osc.encode(osc.Message("/VMC/Ext/OK", (0,)))]

    def _values(self, frame: LiveFrame) -> dict[str, float]:
        channels = zip(ARKIT, frame.rig_weights().tolist(), strict=True)
        values = {name[0].upper() + name[1:] if self.case == "pascal" else name: value for name, value in channels}
        found = presets(frame) if self.preset else {}
        return values | {VRM1[name] if self.version else name: value for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class Received:
    """What one datagram of VMC said, as far as a face is concerned.

    blends: names and weights in their order
    apply:  the weights so far are to be shown
    head:   x, y, z, i, j, k, w in Unity's axes, or None
    ok:     whether the sender is well, or None
    time_s: the sender's time, or None
    """

    blends: dict[str, float]
    apply: bool = False
    head: tuple[float, ...] | None = None
    ok: bool | None = None
    time_s: float | None = None

    def __str__(self) -> str:
        loudest = sorted(self.blends.items(), key=lambda item: -abs(item[1]))[:3]
        said = "".join(f", {name} {value:.2f}" for name, value in loudest)
        return f"{len(self.blends)} weights{said}" + ", then Apply" * self.apply


def decode(data: bytes) -> Received:
    """Read a datagram as the protocol asks: unknown addresses, and arguments too few or of wrong types, are ignored.

    Raises: PacketError: it is no OSC, or no message in it is of VMC.
    """
    messages = [one for one in osc.decode(data) if one.address.startswith("/VMC/")]
    if not messages:
        raise PacketError(f"no message of VMC in an OSC packet of {len(data)} bytes.")
    blends: dict[str, float] = {}
    head: tuple[float, ...] | None = None
    said: dict[str, float] = {}
    for address, arguments in messages:
        match arguments:
            case (str(name), float(value), *_) if address == "/VMC/Ext/Blend/Val":
                blends[name] = value
            case ("Head", *numbers) if address == "/VMC/Ext/Bone/Pos" and len(numbers) >= 7:
                head = tuple(one for one in numbers[:7] if isinstance(one, float)) or None
            case (int(value) | float(value), *_) if address in ("/VMC/Ext/OK", "/VMC/Ext/T"):
                said[address[-2:]] = value
    ok = said.get("OK")
    applied = any(one.address == "/VMC/Ext/Blend/Apply" for one in messages)
    whole = head if head is not None and len(head) == 7 else None
    return Received(blends, applied, whole, None if ok is None else bool(ok), said.get("/T"))
