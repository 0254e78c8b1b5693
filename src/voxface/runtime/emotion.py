"""Which emotion a voice sounds like, as a stream beside the face (docs/emotion.md)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from voxface.bundle import Bundle, load_bundle
from voxface.errors import UsageError
from voxface.face.rig import EMOTIONS
from voxface.runtime.net import Net, States
from voxface.stream import Array, run_whole
from voxface.timebase import ROW_HOP, ROW_RATE_HZ, ROW_WINDOW

EMOTION_BUNDLE = "emotion"
SHOWS_FROM, SHOWS_WHOLE = 0.3, 0.8
"""An emotion that is heard shows from the first probability on, as far as it is from the second on: a face that wrongly
looks angry is worse than one that looks neutral (docs/emotion.md has what this costs and brings)."""

SETTLE_S = 0.7
"""Time constant with which what shows follows what is heard; nobody's face changes its mind in a syllable."""

_NEUTRAL = EMOTIONS.index("Neutral")
_CALM = np.eye(len(EMOTIONS), dtype=np.float32)[_NEUTRAL]
_BLOCK = 50  # rows in one call of the net, whose work for a row grows with them


class TrackState(NamedTuple):
    """Samples that wait for a whole block; states of features and net; what shows; rows known and not yet given;
    samples heard; rows given."""

    waiting: Array
    features: Any
    net: States
    shown: Array
    known: Array
    heard: int
    given: int


class EmotionTrack:
    """A stage from (n,) samples at 16 kHz to (rows, 7) float32 at 100 Hz, in the order of face.rig.EMOTIONS.

    n samples give 1 + n // 160 rows in [0, 1] that sum to 1; row i knows the sound up to i / 100 seconds and half a
    window more. A row is given when an Animator of the same look-ahead gives it, so that the two run row by row.

    Args:
        net: an opened bundle that gives "emotion", see `open_emotion`.
        look_ahead_rows: of the bundle beside it; so many rows are worked on at a time, which costs less.
        as_heard: the net's own probabilities, row by row; else what shows of them, see `settled`.
    """

    def __init__(self, net: Net, look_ahead_rows: int = 0, *, as_heard: bool = False) -> None:
        self.net, self.look_ahead_rows, self.as_heard = net, look_ahead_rows, as_heard
        self._features = net.bundle.feature.extractor()
        self._packet = max(1, look_ahead_rows * ROW_HOP)  # samples

    def start(self) -> TrackState:
        """Nobody has spoken: neutral."""
        nothing = np.zeros((0, len(EMOTIONS)), np.float32)
        return TrackState(np.zeros(0, np.float32), self._features.start(), self.net.start(), _CALM, nothing, 0, 0)

    def step(self, state: TrackState, samples: Array) -> tuple[TrackState, Array]:
        """Take (n,) samples; give (new state, (rows, 7) float32)."""
        waiting = np.concatenate([state.waiting, samples])
        used = len(waiting) // self._packet * self._packet
        state = state._replace(waiting=waiting[used:], heard=state.heard + len(samples))
        return self._give(self._listen(state, waiting[:used]) if used else state)

    def finish(self, state: TrackState) -> Array:
        """The last rows: silence follows the sound."""
        state = self._listen(state, np.concatenate([state.waiting, np.zeros(ROW_WINDOW // 2, np.float32)]))
        rows = 1 + state.heard // ROW_HOP - state.given
        return state.known[:rows]

    def whole(self, samples: Array) -> Array:
        """(n,) samples at 16 kHz -> (1 + n // 160, 7)."""
        return run_whole(self, samples)

    def _listen(self, state: TrackState, samples: Array) -> TrackState:
        features, rows = self._features.step(state.features, samples)
        net, shown, parts = state.net, state.shown, [state.known]
        for at in range(0, len(rows), _BLOCK):
            net, found = self.net.step(net, rows[None, at : at + _BLOCK])
            heard = found["emotion"][0]
            parts.append(heard if self.as_heard else settled(heard, ROW_RATE_HZ, shown))
            shown = parts[-1][-1]
        return state._replace(features=features, net=net, shown=shown, known=np.concatenate(parts))

    def _give(self, state: TrackState) -> tuple[TrackState, Array]:
        ready = 1 + (state.heard - ROW_WINDOW // 2) // ROW_HOP - self.look_ahead_rows
        due = max(0, ready - state.given)
        return state._replace(known=state.known[due:], given=state.given + due), state.known[:due]


def settled(heard: Array, rate_hz: float, before: Array = _CALM) -> Array:
    """What shows of what is heard: only what is likely, and slowly.

    Args:
        heard: (n, 7) probabilities, `rate_hz` rows a second.
        before: (7,) what showed before the first row.
    Returns: (n, 7) float32 in [0, 1] that sum to 1.
    """
    keep = np.float32(np.exp(-1 / (rate_hz * SETTLE_S)))
    shows, now = np.empty((len(heard), len(EMOTIONS)), np.float32), before
    for row, aim in enumerate(_likely(heard)):
        now = keep * now + (1 - keep) * aim
        shows[row] = now
    return shows


def _likely(heard: Array) -> Array:
    """(n, 7) probabilities -> how much of each would show; what does not is Neutral."""
    sure = np.clip((heard - SHOWS_FROM) / (SHOWS_WHOLE - SHOWS_FROM), 0, 1)
    likely = (heard * sure * sure * (3 - 2 * sure)).astype(np.float32)  # a cubic without corners
    likely[:, _NEUTRAL] = 0
    likely[:, _NEUTRAL] = np.maximum(1 - likely.sum(axis=1), 0)
    return likely


def open_emotion(bundle: str | Bundle = EMOTION_BUNDLE) -> Net:
    """An opened bundle that gives emotions, kept for the next call in this process; it holds no stream's state.

    Raises: UsageError: the bundle gives no emotions as a stream. VoxfaceError: it cannot be used.
    """
    return _opened(bundle)


@lru_cache(maxsize=2)
def _opened(bundle: str | Bundle) -> Net:
    found = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    if [out.name for out in found.outputs] != ["emotion"] or found.window:
        raise UsageError(f"bundle {found.name!r} gives no emotions of its own.", hint="The shipped one: emotion.")
    return Net(found)
