"""Which emotion a voice sounds like, as a stream beside the face (docs/emotion.md)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from voxface.bundle import Bundle, as_bundle
from voxface.errors import UsageError
from voxface.face.rig import EMOTIONS
from voxface.runtime.net import Net, States
from voxface.stream import Array, run_whole
from voxface.timebase import ROW_HOP, ROW_RATE_HZ

EMOTION_BUNDLE = "emotion"
SHOWS_FROM, SHOWS_WHOLE = 0.5, 0.95
"""An emotion that is heard shows from the first probability on, as far as it is from the second on: a face that wrongly
looks angry is worse than one that looks neutral (docs/emotion.md has what this costs and brings)."""

SETTLE_S = 0.7
"""Time constant with which what shows follows what is heard; nobody's face changes its mind in a syllable."""

_NEUTRAL = EMOTIONS.index("Neutral")
CALM = np.eye(len(EMOTIONS), dtype=np.float32)[[_NEUTRAL]]
"""(1, 7) nobody feels anything."""

_BLOCK = 50  # rows in one call of the net, whose work for a row grows with them


class TrackState(NamedTuple):
    """States of features (where it has its own) and net; (1, 7) what shows; rows of look-ahead still to be dropped."""

    features: Any
    net: States
    shown: Array
    skip: int


class EmotionTrack:
    """A stage from (n,) samples at 16 kHz to (rows, 7) float32 at 100 Hz, in the order of face.rig.EMOTIONS.

    n samples give 1 + n // 160 rows in [0, 1] that sum to 1, each when an Animator of the same look-ahead gives its
    own: row i knows the sound up to the look-ahead after it.

    Args:
        net: an opened bundle that gives "emotion", see `open_emotion`.
        look_ahead_rows: of the bundle beside it.
        as_heard: the net's own probabilities; else what shows of them, see `settled`.
    """

    def __init__(self, net: Net, look_ahead_rows: int = 0, *, as_heard: bool = False) -> None:
        self.net, self.look_ahead_rows, self.as_heard = net, look_ahead_rows, as_heard
        self._features = net.bundle.feature.extractor()

    def start(self) -> TrackState:
        """Nobody has spoken: neutral."""
        return TrackState(self._features.start(), self.net.start(), CALM, self.look_ahead_rows)

    def step(self, state: TrackState, samples: Array) -> tuple[TrackState, Array]:
        """Take (n,) samples; give (new state, (rows, 7) float32)."""
        features, rows = self._features.step(state.features, samples)
        return self.follow(state._replace(features=features), rows)

    def finish(self, state: TrackState) -> Array:
        """The last rows: silence follows the sound."""
        state, first = self.step(state, np.zeros(self.look_ahead_rows * ROW_HOP, np.float32))
        return np.concatenate([first, self.follow(state, self._features.finish(state.features))[1]])

    def whole(self, samples: Array) -> Array:
        """(n,) samples at 16 kHz -> (1 + n // 160, 7)."""
        return run_whole(self, samples)

    def follow(self, state: TrackState, rows: Array) -> tuple[TrackState, Array]:
        """Take (n, width) rows of its feature, from somebody who has them; give (new state, (m, 7) float32)."""
        net, parts = state.net, [state.shown[:0]]
        for at in range(0, len(rows), _BLOCK):
            net, found = self.net.step(net, rows[None, at : at + _BLOCK])
            parts.append(found["emotion"][0])
        heard = np.concatenate(parts)
        shown = heard if self.as_heard else settled(heard, ROW_RATE_HZ, state.shown)
        skip = min(state.skip, len(rows))
        last = shown[-1:] if len(rows) else state.shown
        return TrackState(state.features, net, last, state.skip - skip), shown[skip:]


def open_emotion(bundle: str | Bundle = EMOTION_BUNDLE) -> Net:
    """An opened bundle that gives emotions, kept for the next call in this process; it holds no stream's state.

    Raises: UsageError: the bundle gives no emotions as a stream. VoxfaceError: it cannot be used.
    """
    return _opened(as_bundle(bundle))


@lru_cache(maxsize=2)
def _opened(bundle: Bundle) -> Net:
    if [out.name for out in bundle.outputs] != ["emotion"] or bundle.window:
        raise UsageError(f"bundle {bundle.name!r} gives no emotions of its own.", hint="The shipped one: emotion.")
    return Net(bundle)


def settled(heard: Array, rate_hz: float, before: Array = CALM) -> Array:
    """What shows of what is heard: only what is likely, and slowly.

    Args:
        heard: (..., n, 7) probabilities, `rate_hz` rows a second.
        before: (..., 1, 7) what showed before the first row.
    Returns: (..., n, 7) float32 in [0, 1] that sum to 1.
    """
    likely, shows = _likely(heard), [before]
    for at in range(0, likely.shape[-2], _BLOCK):
        aims = likely[..., at : at + _BLOCK, :]
        share, kept = _following(rate_hz)
        n = aims.shape[-2]
        shows.append(share[:n, :n] @ aims + kept[:n] * shows[-1][..., -1:, :])
    return np.concatenate(shows[1:], axis=-2) if len(shows) > 1 else likely


@lru_cache(maxsize=4)
def _following(rate_hz: float) -> tuple[Array, Array]:
    """(rows, rows) how much row j shows in row i, for a block of rows; (rows, 1) how much the row before it does."""
    keep = np.exp(-1 / (rate_hz * SETTLE_S))
    rows = np.arange(_BLOCK)
    age = rows[:, None] - rows
    share = np.where(age >= 0, (1 - keep) * keep ** np.maximum(age, 0), 0)
    return share.astype(np.float32), (keep ** (rows + 1)[:, None]).astype(np.float32)


def _likely(heard: Array) -> Array:
    """(..., 7) probabilities -> how much of each would show; what does not is Neutral."""
    sure = np.clip((heard - SHOWS_FROM) / (SHOWS_WHOLE - SHOWS_FROM), 0, 1)
    likely = (heard * sure * sure * (3 - 2 * sure)).astype(np.float32)  # a cubic without corners
    likely[..., _NEUTRAL] = 0
    likely[..., _NEUTRAL] = np.maximum(1 - likely.sum(axis=-1), 0)
    return likely
