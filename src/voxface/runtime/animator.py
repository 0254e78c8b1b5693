"""Samples in, rows of face out: features, net, and the look-ahead taken away again."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from voxface.audio.features import ROW_WIDTHS, FeatureSpec
from voxface.bundle import Bundle
from voxface.errors import UsageError
from voxface.runtime.net import Net, States
from voxface.stream import Array, run_whole
from voxface.timebase import ROW_HOP

_BLOCK = 200  # rows in one call of the net: 2 s; attention costs the square of it, the other nets do not care


class AnimatorState(NamedTuple):
    """State of the features, states of the net, rows of look-ahead still to be dropped."""

    features: Any
    net: States
    skip: int


class Animator:
    """A stage from (n,) samples at 16 kHz to (rows, channels) face values at 100 Hz.

    n samples give 1 + n // 160 rows; row i shows the face at i / 100 seconds. Its columns are those of the bundle's
    outputs, one behind the other (`channels`). A row is given once the sound up to the bundle's look-ahead and the half
    window of the features behind it has come.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Raises: UsageError: a windowed bundle, or one of emotions only. BundleError: as Net."""
        if bundle.window:
            raise UsageError(
                f"bundle {bundle.name!r} hears a recording as a whole and cannot stream.",
                hint="Animate with it (voxface animate), or give a bundle that streams, such as default or live.",
            )
        if not bundle.rig:
            raise UsageError(
                f"bundle {bundle.name!r} gives emotions and no face.", hint="Give one with a face, such as default."
            )
        self.bundle = bundle
        self.net = Net(bundle, threads)
        self.feature = self._widened(bundle.feature)
        self.features = self.feature.extractor()
        self.channels = tuple(name for out in bundle.outputs for name in out.channels)

    @staticmethod
    def _widened(feature: FeatureSpec) -> FeatureSpec:
        """With loudness, crossings and voice behind the mels: they cost next to nothing where there is a level control,
        which looks at the first and the last anyway."""
        narrow = feature.kind == "logmel" and feature.level is not None
        return replace(feature, rows=ROW_WIDTHS[-1]) if narrow else feature

    def start(self) -> AnimatorState:
        """Before the first sample the net has heard silence."""
        return AnimatorState(self.features.start(), self._warm, self.bundle.look_ahead_rows)

    @cached_property
    def _warm(self) -> States:
        """The net on silence, for longer than it can remember: its states, even behind one another, hold no more."""
        remembered = sum(state.shape[1] for state in self.bundle.states)
        silence = run_whole(self.features, np.zeros((remembered + 1) * ROW_HOP, np.float32))
        return self.net.step(self.net.start(), silence[None, :, : self.bundle.feature.rows])[0]

    def step(self, state: AnimatorState, samples: Array) -> tuple[AnimatorState, Array]:
        """Take (n,) samples; give (new state, (rows, channels) float32)."""
        state, face, _ = self.hear(state, samples)
        return state, face

    def finish(self, state: AnimatorState) -> Array:
        """The last rows: silence follows the sound, for as long as the net looks ahead."""
        return self.hear_end(state)[0]

    def hear(self, state: AnimatorState, samples: Array) -> tuple[AnimatorState, Array, Array]:
        """What `step` gives, and the rows of `feature` that it is made of, for others who need them."""
        features, rows = self.features.step(state.features, samples)
        net, face = self._run(state.net, rows)
        skip = min(state.skip, len(face))
        return AnimatorState(features, net, state.skip - skip), face[skip:], rows

    def hear_end(self, state: AnimatorState) -> tuple[Array, Array]:
        """What `finish` gives, and the rows that it is made of."""
        state, face, rows = self.hear(state, np.zeros(self.bundle.look_ahead_rows * ROW_HOP, np.float32))
        last = self.features.finish(state.features)
        rest = self._run(state.net, last)[1]
        return np.concatenate([face, rest[state.skip :]]), np.concatenate([rows, last])

    def _run(self, states: States, rows: Array) -> tuple[States, Array]:
        parts = []
        for at in range(0, len(rows), _BLOCK):
            states, found = self.net.step(states, rows[None, at : at + _BLOCK, : self.bundle.feature.rows])
            parts.append(np.concatenate([found[out.name][0] for out in self.bundle.outputs], axis=1))
        if len(parts) == 1:
            return states, parts[0]
        return states, np.concatenate(parts) if parts else np.zeros((0, len(self.channels)), np.float32)
