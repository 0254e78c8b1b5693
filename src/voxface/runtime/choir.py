"""Many voices at once: the steps of a Session for all voices that have as many rows ready, as few large operations.

Session is the truth; what differs here is only that every state is an array with a place for each voice, so that a
hundred voices cost one call of each library instead of a hundred. tests/test_engine.py holds both to 1e-5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from voxface.face.rig import ARKIT, EMOTIONS, HEAD
from voxface.runtime.animator import Animator
from voxface.runtime.ears import Ears
from voxface.runtime.emotion import CALM, open_emotion, settled
from voxface.runtime.feeling import Feeling
from voxface.runtime.idle import IDLE
from voxface.runtime.net import Net, States
from voxface.runtime.polish import Polish
from voxface.runtime.prosody import TICK_HOP, TICK_ROWS
from voxface.runtime.restless import Restless
from voxface.runtime.session import Session
from voxface.stream import Array
from voxface.timebase import ROW_HOP, ROW_RATE_HZ, exact_rate

FACE = len(ARKIT) + len(HEAD) + len(EMOTIONS)
"""Numbers of a face here: weights over ARKIT, head, emotion."""

ENDLESS = np.iinfo(np.int64).max
_SHOWN = len(ARKIT) + len(HEAD)
_QUATERNION = slice(_SHOWN - 4, _SHOWN)
_TOGETHER = 64  # voices in one call of a net: more do not fit into the cache with their states

Style = Callable[[Array], Array]


class Part(NamedTuple):
    """Voices whose next rows are computed together, as many of each.

    totals: (voices,) frames that its sound has, or ENDLESS while that is unknown
    final:  (voices,) bool: these are its last rows; the last is held up to its last frame
    """

    places: Array
    rows: int
    totals: Array
    final: Array


class Choir:
    """Faces of voices at numbered places.

    Args:
        animator: the opened bundle; see `fits`.
        places: how many voices there may be. Memory is used only for those that there have been.
        threads: that call the nets; with more than 1 they do so while everything else is made.
    """

    def __init__(self, animator: Animator, places: int, threads: int = 1) -> None:
        self.animator, emotion = animator, open_emotion()
        specs = [animator.feature, emotion.bundle.feature]
        self._ears, self._restless = Ears(specs[: 1 + (specs[0] != specs[1])], places), Restless(places)
        self._pool = ThreadPoolExecutor(threads, "voxface-net") if threads > 1 else None
        self._net, self._emotion = _States(animator.net, places), _States(emotion, places)
        self._width, self._ahead = animator.bundle.feature.rows, animator.bundle.look_ahead_rows
        self._shown = np.zeros((places, len(EMOTIONS)), np.float32)
        self._row, self._next, self._first = (np.zeros(places, np.int64) for _ in range(3))
        self._rate = np.zeros((places, 2), np.int64)  # frames a second, as a fraction
        self._from, self._last = np.zeros((places, _SHOWN), np.int64), np.zeros((places, FACE), np.float32)
        self._moves, self._feels = np.zeros(places, bool), np.zeros(places, bool)
        self._parts: list[Session | None] = [None] * places
        self._styles: list[Style | None] = [None] * places

    @staticmethod
    def fits(animator: Animator) -> bool:
        """Whether it can run this bundle: log-mel features, and a head that moves by itself."""
        return animator.bundle.feature.kind == "logmel" and HEAD[0] not in animator.bundle.drives

    @property
    def bytes_per_voice(self) -> int:
        """Memory of one voice."""
        parts = (self._shown, self._row, self._next, self._first, self._rate, self._from, self._last)
        states = self._net.bytes_per_voice + self._emotion.bytes_per_voice
        own = sum(int(part[0].nbytes) for part in parts)
        return own + states + self._ears.bytes_per_voice + self._restless.bytes_per_voice

    def close(self) -> None:
        """End its threads."""
        if self._pool:
            self._pool.shutdown()

    def join(self, place: int, parts: Session) -> None:
        """A new voice."""
        self._parts[place], self._styles[place] = parts, _style_of(parts)
        rate = exact_rate(parts.fps)
        self._rate[place] = rate.numerator, rate.denominator
        self._moves[place], self._feels[place] = parts.motion is not None, parts.track is not None
        still = len(self.animator.channels) + len(IDLE)
        sources = {name: len(self.animator.channels) + IDLE.index(name) for name in parts.free}
        sources |= {name: n for n, name in enumerate(self.animator.channels) if name in self.animator.bundle.drives}
        self._from[place] = [sources.get(name, still) for name in ARKIT + HEAD]
        if parts.motion:
            self._restless.start(place, parts.motion)

    def leave(self, place: int) -> None:
        """It is gone."""
        self._parts[place] = self._styles[place] = None

    def start(self, place: int, first: int) -> None:
        """A sound begins, of which frame 0 is frame `first` of the voice's clock. Idle motion goes on."""
        parts = self._parts[place]
        self._ears.start(place)
        self._net.start(place, self.animator.start().net)
        self._emotion.start(place, self._emotion.net.start())
        self._shown[place] = CALM
        self._row[place], self._next[place], self._first[place] = 0, 0, first
        if parts and parts.motion:
            self._restless.again(place, parts.motion)

    def room(self, place: int) -> int:
        """Samples at 16 kHz that `fill` takes."""
        return self._ears.room(place)

    def fill(self, place: int, samples: Array) -> int:
        """Add samples at 16 kHz; returns how many rows are ready."""
        return self._ears.fill(place, samples)

    def begin(self, parts: Sequence[Part]) -> list[Callable[[], list[Array]]]:
        """Begin to compute the next rows of these voices, each of which is in one part only.

        Returns: for each part what ends it, to be called in this order and before the next step of any of its voices;
            it gives for each voice (n, FACE) float32, the frames that are ready.
        """
        heard = [self._ears.take(part.places, part.rows) for part in parts]
        first = [self._row[part.places] for part in parts]
        ends = [self._step(part, begin, rows) for part, begin, (_, rows) in zip(parts, first, heard, strict=True)]
        self._move([
            (part.places, begin, sound) for part, begin, (sound, _) in zip(parts, first, heard, strict=True)
        ])  # fmt: skip
        return ends

    def _step(self, part: Part, first: Array, rows: list[Array]) -> Callable[[], list[Array]]:
        """Begin the nets of a part, whose features are those of rows from row `first` of each voice on."""
        places = part.places
        self._row[places] += part.rows
        given = self._net.later(places, rows[0][..., : self._width], self._pool)
        felt = self._feel(places, rows[-1])

        def end() -> list[Array]:
            shown = settled(felt(), ROW_RATE_HZ, self._shown[places][:, None])
            self._shown[places] = shown[:, -1]
            moved = self._restless.rows(places, first - self._ahead, part.rows)
            faces = np.concatenate([given(), moved, np.zeros_like(moved[..., :1])], axis=2)
            faces = np.take_along_axis(faces, self._from[places][:, None], axis=2)
            known = np.concatenate([self._last[places][:, None], np.concatenate([faces, shown], axis=2)], axis=1)
            self._last[places] = known[:, -1]
            return self._frames(places, known, first - self._ahead, part.totals, part.final)

        return end

    def _move(self, parts: Sequence[tuple[Array, Array, Array]]) -> None:
        """Draw the idle motion that follows from the ticks among these rows, for all parts together.

        Args: parts: places, the first row of each, (voices, samples) what was heard.
        """
        found: list[list[tuple[Array, Array, Array]]] = []
        for places, first, heard in parts:
            windows = sliding_window_view(heard, TICK_HOP, axis=1)[:, ::ROW_HOP]
            found.append([
                (places[some], (first[some] + offset) // TICK_ROWS, windows[some, offset])
                for offset, some in _ticks(first, windows.shape[1], self._moves[places])
            ])  # fmt: skip
        for ticks in zip_longest(*found):
            self._restless.tick(*map(_joined, zip(*filter(None, ticks), strict=True)))

    def _feel(self, places: Array, rows: Array) -> Callable[[], Array]:
        """(voices, rows, 83) -> what gives (voices, rows, 7): what is heard."""
        some = np.flatnonzero(self._feels[places])
        if len(some) == len(places):
            return self._emotion.later(places, rows, self._pool)
        heard = np.broadcast_to(CALM, (*rows.shape[:2], len(EMOTIONS))).copy()
        if not len(some):
            return lambda: heard
        found = self._emotion.later(places[some], rows[some], self._pool)

        def felt() -> Array:
            heard[some] = found()
            return heard

        return felt

    def _frames(self, places: Array, known: Array, first: Array, totals: Array, final: Array) -> list[Array]:
        """Frames from rows, as FramePacer: known[:, 0] is the row before row `first` of each voice's face."""
        rows = first + known.shape[1] - 1
        above, below = self._rate[places].T
        begin = self._next[places]
        end = np.where(rows > 0, 1 + (rows - 1) * above // (ROW_RATE_HZ * below), 0)
        end = np.maximum(np.where(final, totals, np.minimum(end, totals)), begin)
        self._next[places] = end
        counts = end - begin
        owner, bounds = np.repeat(np.arange(len(places)), counts), np.cumsum(counts)
        number = np.arange(len(owner)) + (begin - bounds + counts)[owner]
        left, rest = np.divmod(number * (ROW_RATE_HZ * below[owner]), above[owner])
        share = (rest / above[owner]).astype(np.float32)[:, None]
        last, shift = rows[owner] - 1, 1 - first[owner]
        right, left = np.minimum(left + 1, last) + shift, np.minimum(left, last) + shift
        frames = known[owner, left] * (1 - share) + known[owner, right] * share
        turned = frames[:, _QUATERNION]
        turned /= np.maximum(np.sqrt(np.einsum("ij,ij->i", turned, turned)), 1e-6)[:, None]
        self._want(places, frames, number, bounds - counts, bounds)
        frames = self._styled(places, owner, frames)
        return [frames[low:high].copy() for low, high in zip(bounds - counts, bounds, strict=True)]

    def _want(self, places: Array, frames: Array, number: Array, begin: Array, end: Array) -> None:
        """Put wanted emotions over those that are heard."""
        for place, low, high in zip(places.tolist(), begin.tolist(), end.tolist(), strict=True):
            parts = self._parts[place]
            if parts and parts.show and parts.show.feeling.wanted and high > low:
                times_s = (self._first[place] + number[low:high]) / float(exact_rate(parts.fps))
                heard = frames[low:high, _SHOWN:]
                frames[low:high, _SHOWN:] = parts.show.emotion(heard if parts.track else None, times_s)

    def _styled(self, places: Array, owner: Array, frames: Array) -> Array:
        """Expressions and gains, for all voices of one style together."""
        styles = [self._styles[place] for place in places.tolist()]
        kinds = {id(style): style for style in styles}
        if len(kinds) == 1 and (only := styles[0]):
            shown: Array = only(frames)
            return shown
        whose = np.array([id(style) for style in styles])[owner]
        for key, style in kinds.items():
            mine = whose == key
            frames[mine] = style(frames[mine]) if style else frames[mine]
        return frames


class _States:
    """A net and its states, with a place for each voice."""

    def __init__(self, net: Net, places: int) -> None:
        self.net = net
        self._states = tuple(np.zeros((places, *spec.shape[1:]), spec.dtype) for spec in net.bundle.states)

    @property
    def bytes_per_voice(self) -> int:
        return sum(state[0].nbytes for state in self._states)

    def start(self, place: int, states: States) -> None:
        for kept, state in zip(self._states, states, strict=True):
            kept[place] = state[0]

    def later(self, places: Array, rows: Array, pool: Executor | None) -> Callable[[], Array]:
        """Begin a step of the states in the pool, if there is one.

        Args: rows: (voices, n, width).
        Returns: what waits for its result, or makes it: (voices, n, channels).
        """
        parts = [slice(at, at + _TOGETHER) for at in range(0, len(places), _TOGETHER)]
        run: Any = pool.map if pool else map
        found = run(self._run, [places[part] for part in parts], [rows[part] for part in parts])
        return lambda: _joined(list(found))

    def _run(self, places: Array, rows: Array) -> Array:
        states, found = self.net.step(tuple(kept[places] for kept in self._states), np.ascontiguousarray(rows))
        for kept, state in zip(self._states, states, strict=True):
            kept[places] = state
        outputs: list[Array] = [found[out.name] for out in self.net.bundle.outputs]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _ticks(first: Array, count: int, wanted: Array) -> list[tuple[Array, Array]]:
    """Where among `count` rows from row `first` on each voice has those divisible by TICK_ROWS.

    Returns: for the first, the second, ... of them: (n,) offsets of the rows, (n,) indices of the voices.
    """
    found = []
    offset = -first % TICK_ROWS
    while (some := np.flatnonzero((offset < count) & wanted)).size:
        found.append((offset[some], some))
        offset = offset + TICK_ROWS
    return found


def _style_of(parts: Session) -> Style:
    feeling, polish = parts.show.feeling if parts.show else None, parts.polish
    gains = tuple(sorted(polish.gain.items())), tuple(sorted(polish.offset.items()))
    return _style(feeling and (feeling.strength, feeling.expressions), *gains, polish.intensity, polish.mouth_only)


@lru_cache(maxsize=64)
def _style(
    feeling: tuple[float, str | Path | None] | None,
    gain: tuple[tuple[str, float], ...],
    offset: tuple[tuple[str, float], ...],
    intensity: float,
    mouth_only: bool,
) -> Style:
    """(n, FACE) -> the same with expression, gains and offsets."""
    names = len(ARKIT)
    show = Feeling(strength=feeling[0], expressions=feeling[1]).over(ARKIT) if feeling else None
    polish = Polish(dict(gain), dict(offset), intensity, mouth_only).over(ARKIT + HEAD)

    def styled(frames: Array) -> Array:
        if show:
            frames[:, :names] = show.express(frames[:, :names], frames[:, _SHOWN:])
        frames[:, :_SHOWN] = polish(frames[:, :_SHOWN])
        return frames

    return styled
