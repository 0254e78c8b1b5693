"""The generations of NeuroSync's public checkpoints: facts about files that do not say themselves what they are.

Every few weeks its builds changed features, layers or positions, and nothing in a file names its build. What follows is
read from the public history of the project and described in neurosync.md (N1, N2); nothing here is its code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from voxface.audio.features import FeatureSpec
from voxface.bundle import WindowSpec
from voxface.face.rig import LIVELINK_ANGLES

_LOOKS = ("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp")
ORIGINAL = WindowSpec(
    divide=100,
    divide_emotion=100,
    ease_in_frames=6,
    zeroed=(*(f"{name}{side}" for side in ("Left", "Right") for name in _LOOKS), "tongueOut", *LIVELINK_ANGLES),
)
"""How the newest build runs a model: trained on percent; 0.1 s of ease-in; eyes, tongue and head do not move (N5)."""

ADDED, ADDED_TORCH = "global_pos_encoder.pe", "pos_encoder.pe"


@dataclass(frozen=True, slots=True)
class Generation:
    """One kind of checkpoint.

    about:       when it was made, what sets it apart
    widths:      features of a frame that it may take; 78 is not of the public builds, but of trainings of one's own
    layers:      of encoder and decoder, each
    position:    as models/transformer.py names it; `table`: the end of the name of its table of sinusoids in the file,
                 and how that begins its shape; None: no table
    torch_names: attention and layers are torch's own modules, and named so
    overlap, frames: of its windows · feature: kind of its features in audio/features.py
    """

    about: str
    widths: tuple[int, ...]
    layers: int
    position: str
    table: tuple[str, tuple[int, int]] | None = None
    torch_names: bool = False
    overlap: int = 32
    frames: int = 128
    feature: str = "mfcc"

    def feature_spec(self, width: int) -> FeatureSpec:
        """The features of a checkpoint of this generation that takes `width` numbers a frame."""
        return FeatureSpec(self.feature, width)

    def window(self) -> WindowSpec:
        """How a checkpoint of this generation is run."""
        return replace(ORIGINAL, frames=self.frames, overlap=self.overlap)


GENERATIONS: dict[str, Generation] = {
    "g0-october": Generation(
        "16 October to 1 November 2024: every frame is told that it is the first",
        (79,), 4, "constant", (ADDED_TORCH, (1000, 1)), torch_names=True, overlap=0, frames=256,
    ),
    "g0": Generation(
        "2 November to 31 December 2024: 26 MFCC, their deltas, zero crossings",
        (79,), 4, "sinusoid", (ADDED_TORCH, (1, 1000)), torch_names=True, overlap=12,
    ),
    "g1a": Generation(
        "1 to 29 January 2025: 23 MFCC without the 0th, and their deltas",
        (69,), 4, "sinusoid", (ADDED, (1, 10_000)), overlap=16, feature="mfcc-drop-c0",
    ),
    "g1b": Generation(
        "30 January to 7 February 2025: 23 MFCC with the 0th, and their deltas",
        (69,), 4, "sinusoid", (ADDED, (1, 10_000)), overlap=16,
    ),
    "g2-lag0": Generation(
        "8 to 10 February 2025: 69 and 187 autocorrelations from lag 0 on",
        (256,), 4, "sinusoid", (ADDED, (1, 10_000)), overlap=16, feature="mfcc-lag0",
    ),
    "g2-sinusoid": Generation(
        "10 to 14 February 2025: 69 and 187 autocorrelations from lag 1 on",
        (256, 78), 4, "sinusoid", (ADDED, (1, 10_000)), overlap=16,
    ),
    "g2": Generation("15 to 20 February 2025: positions by rotation", (256, 78), 4, "global_rope", overlap=16),
    "g3": Generation("21 February to 28 March 2025: twice the layers", (256, 78), 8, "global_rope"),
    "g4": Generation("since 29 March 2025: rotation inside the attention only", (256, 78), 8, "attention_rope"),
}  # fmt: skip
"""From the oldest to the newest."""

HEADS = {4: 4, 8: 16}
"""Heads of an attention by the number of layers; the shapes in a file do not tell it."""
