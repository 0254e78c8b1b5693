"""One live voice: sound of any rate pushed in, frames pulled out, all on one clock that counts samples and frames."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from voxface.errors import LimitError, UsageError
from voxface.face.axes import lengths
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS, HEAD
from voxface.runtime.events import ease
from voxface.runtime.feeling import Feeling
from voxface.runtime.idle import Idle
from voxface.runtime.polish import Polish
from voxface.runtime.session import Session
from voxface.stream import Array
from voxface.timebase import exact_rate, frame_count, frame_time_s

if TYPE_CHECKING:
    from voxface.runtime.engine import Engine

INTERRUPT_S, EASE_OUT_S = 0.12, 0.2
"""How long a face takes to come to rest after an interrupt, and after the last sound (faults.md §3)."""

MARGIN_S = 0.06
"""Sound may be late by so much before silence stands in for it: what a network or a sound card varies by."""

MOST_WAITING_S = 60.0
"""Sound that may be pushed and not yet shown; a voice of text-to-speech comes many seconds at once."""

_BY_DEFAULT, _AS_HEARD = Idle(), Feeling()
_NO_SOUND = np.zeros(0, np.float32)
_NO_FACES = np.zeros((0, len(ARKIT) + len(HEAD) + len(EMOTIONS)), np.float32)
_TURN = slice(len(ARKIT) + 3, len(ARKIT) + len(HEAD))  # columns of the head's quaternion


@dataclass(eq=False)
class Segment:
    """Sound from a clean state up to its end, an interrupt or an ease; frame k of it is frame `first + k` of the clock.

    ease: so many frames lead from the face before it to its own; 0: none do
    waiting: sound that the engine has not yet taken · heard: samples so far · ended: no more will come
    made: frames that the engine has given back
    """

    first: int
    ease: int = 0
    waiting: deque[Array] = field(default_factory=deque)
    heard: int = 0
    ended: bool = False
    made: int = 0

    def put(self, samples: Array) -> None:
        self.waiting.append(samples)
        self.heard += len(samples)

    def get(self, most: int) -> Array:
        """Up to `most` of the samples that wait."""
        if len(self.waiting) == 1 and len(self.waiting[0]) <= most:
            return self.waiting.popleft()
        blocks, missing = [_NO_SOUND], most
        while self.waiting and missing:
            block = self.waiting.popleft()
            if len(block) > missing:
                self.waiting.appendleft(block[missing:])
            blocks.append(block[:missing])
            missing -= len(blocks[-1])
        return np.concatenate(blocks)


class Job(NamedTuple):
    """What the engine is to do: a segment's next (n,) samples, whether they are its last, whether others wait."""

    segment: Segment
    samples: Array
    last: bool
    more: bool


class LiveSession:
    """One voice of an `Engine`: push sound, pull frames. Every method may be called from any thread; only `finish`
    waits.

    Frame k stands at k / fps seconds of the session's clock, which counts the samples pushed. After `interrupt` the
    clock goes on where the frames that were given end.

    Args:
        engine: who computes.
        rate_hz: of the samples.
        fps: of the frames.
        polish, idle, emotion: as Session; None for idle or emotion: without.
        notify: called whenever frames have become ready or the session is done, from the engine's thread: let it only
            pass the word, as `lambda: loop.call_soon_threadsafe(event.set)`.
        ease_out: after the last sound the face comes to rest within 200 ms more.
        first_frame: number at which the clock begins.
        parts: of another session of this engine with the same rate, fps, polish, idle and emotion, which need not be
            made again; it has no state.
    Raises: LimitError: the engine has as many sessions as it may have. UsageError: its bundle cannot stream.
    """

    def __init__(
        self,
        engine: Engine,
        rate_hz: int,
        fps: float = 60.0,
        *,
        polish: Polish | None = None,
        idle: Idle | None = _BY_DEFAULT,
        emotion: Feeling | None = _AS_HEARD,
        notify: Callable[[], None] | None = None,
        ease_out: bool = True,
        first_frame: int = 0,
        parts: Session | None = None,
    ) -> None:
        self.engine, self.rate_hz, self.fps = engine, rate_hz, fps
        self.parts = parts or Session(engine.animator, rate_hz, fps, polish, idle, emotion)
        self.given = self._next = first_frame
        self._notify, self._ease_out = notify, ease_out
        self._samples = (rate_hz / exact_rate(fps)).as_integer_ratio()  # of a frame
        self._most_waiting = int(MOST_WAITING_S * rate_hz)
        self._lock = threading.Lock()
        self._change = threading.Condition(self._lock)  # the last frames are ready, or never will be
        self._segments, self._ready = deque([Segment(first_frame)]), deque[Array]()
        self._before: Array | None = None  # the last frame made, or after an interrupt the last given
        self._given: Array | None = None
        self._failed: BaseException | None = None
        self._closed = False
        self._lane = engine.admit(self)

    # -- what its user calls ------------------------------------------------------------------------------------------

    @property
    def latency_ms(self) -> float:
        """How long after a sound its face is known, at most, if the engine has time (SPEC C7)."""
        return self.parts.latency_ms + self.engine.deadline_ms

    @property
    def heard(self) -> int:
        """Samples on the clock: where the next pushed sample will stand."""
        with self._lock:
            return self._heard()

    @property
    def room(self) -> int:
        """Samples that may be pushed now."""
        with self._lock:
            return self._room()

    @property
    def ready(self) -> int:
        """Frames that may be pulled now."""
        with self._lock:
            return self._next - self.given

    @property
    def waiting_s(self) -> float:
        """Seconds of sound that were pushed and whose frames are not ready; the latency is among them."""
        with self._lock:
            return max(0.0, self._heard() / self.rate_hz - frame_time_s(self._next, self.fps))

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def done(self) -> bool:
        """Whether it has been ended and all frames have become ready."""
        with self._lock:
            return not self._segments

    def push(self, samples: Array) -> None:
        """Take (n,) float32 samples, any n.

        Raises: LimitError: more than `room`; nothing of it is taken. UsageError: not (n,), or after `end`.
        """
        samples = np.array(samples, np.float32)  # a copy: the caller may use the memory again
        if samples.ndim != 1:
            raise UsageError(f"sound is pushed as (n,) samples; got {samples.shape}.", hint="Mix channels to one.")
        if not math.isfinite(samples.dot(samples)):  # NaN, infinite, or so loud that it does no harm
            samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
        with self._lock:
            self._take(samples)
        self._lane.wake(self)

    def fill(self, clock_s: float) -> int:
        """Say that `clock_s` seconds of the clock have passed: sound that is late by more than MARGIN_S is silence.

        Real sound that comes later stands behind that silence. Returns: samples of silence.
        """
        with self._lock:
            late = round(clock_s * self.rate_hz) - self._heard()
            if late <= MARGIN_S * self.rate_hz or not self._open():
                return 0
            late = min(late, self._room())
            self._take(np.zeros(late, np.float32))
        self._lane.wake(self)
        return late

    def pull(self, until_s: float | None = None) -> FaceClip:
        """The frames that are ready and were not given, maybe none; with `until_s` only those before that second.

        The first has the number `given` had before. Raises: what went wrong in the engine.
        """
        faces = self.pull_faces(until_s)
        return FaceClip(
            faces[:, : len(ARKIT)], ARKIT, self.fps, frame_time_s(self.given - len(faces), self.fps),
            head=faces[:, len(ARKIT) : -len(EMOTIONS)] if self.parts.has_head else None,
            emotion=faces[:, -len(EMOTIONS) :] if self.parts.has_emotion else None,
        )  # fmt: skip

    def pull_faces(self, until_s: float | None = None) -> Array:
        """What `pull` gives, for those who cannot spend the time to make a clip of it.

        Returns: (n, 66) float32: weights over ARKIT, HEAD, EMOTIONS; where the session has no head or no emotion
            (`parts.has_head`, `parts.has_emotion`) these columns mean nothing.
        """
        with self._lock:
            if self._failed:
                raise self._failed
            most = self._next - self.given
            if until_s is not None:
                most = min(most, max(0, frame_count_before(until_s, self.fps) - self.given))
            faces = self._pop(most)
            self.given += most
            if most:
                self._given = faces[-1:]
            return faces

    def interrupt(self) -> int:
        """Forget what was pushed and not yet given. The face comes to rest within INTERRUPT_S, idle motion goes on, and
        sound pushed from now on is heard as by a new session; it begins on the clock where the ease ends (`heard`).

        Returns: the number of the first frame after the interrupt; the next to be given.
        """
        with self._lock:
            if self._closed:
                return self.given
            ended = not self._open()
            frames = max(1, int(INTERRUPT_S * exact_rate(self.fps))) if self._given is not None else 0
            self._ready.clear()
            self._segments.clear()
            self._next, self._before = self.given, self._given
            if frames:
                self._segments.append(self._rest(self.given, frames))
            if not ended:
                self._segments.append(Segment(self.given + frames))
            self._change.notify_all()  # whoever waits in `finish` may have nothing left to wait for
        self._lane.wake(self)
        return self.given

    def end(self) -> None:
        """No more sound will come. `done` says when the last frames are ready."""
        with self._lock:
            if not self._open():
                return
            last = self._segments[-1]
            last.ended = True
            count = frame_count(last.heard, self.rate_hz, self.fps)
            if self._ease_out and count:
                self._segments.append(self._rest(last.first + count, max(1, int(EASE_OUT_S * exact_rate(self.fps)))))
        self._lane.wake(self)

    def finish(self, timeout_s: float | None = None) -> FaceClip:
        """End, wait for the last frames, give them, close. Raises: LimitError: they did not come within `timeout_s`."""
        self.end()
        with self._lock:
            ready = self._change.wait_for(lambda: not self._segments or self._failed or self._closed, timeout_s)
        if not ready:
            raise LimitError(f"the last frames did not come within {timeout_s} s.", hint="Run fewer sessions at once.")
        clip = self.pull()
        self.close()
        return clip

    def close(self) -> None:
        """Leave the engine; what was not pulled is lost."""
        with self._lock:
            self._closed = True
            self._segments.clear()
            self._ready.clear()
            self._next = self.given
            self._change.notify_all()
        self._lane.wake(self)

    # -- what the engine calls ----------------------------------------------------------------------------------------

    def take(self, most_s: float) -> Job | None:
        """The next piece of work, at most so many seconds of sound, or None."""
        with self._lock:
            if self._closed or not self._segments:
                return None
            segment = self._segments[0]
            samples = segment.get(int(most_s * self.rate_hz))
            more = bool(segment.waiting)
            return Job(segment, samples, segment.ended and not more, more)

    def put(self, segment: Segment | None, faces: Array, last: bool) -> bool:
        """(n, FACE) frames of a segment, maybe its last; forgotten if an interrupt came in between.

        Returns: whether another segment is to be taken.
        """
        with self._lock:
            if not self._segments or self._segments[0] is not segment:
                return bool(self._segments)
            count = len(faces)
            if count:
                faces = self._eased(segment, faces)
                segment.made += count
                self._next += count
                self._ready.append(faces)
                self._before = self._before if segment.made < segment.ease else faces[-1:]
            if last:
                self._segments.popleft()
                self._change.notify_all()
            another = last and bool(self._segments)
        if self._notify and (count or last):
            self._notify()
        return another

    def fail(self, error: BaseException) -> None:
        """The engine cannot go on with this session."""
        with self._lock:
            self._failed = error
            self._segments.clear()
            self._change.notify_all()
        if self._notify:
            self._notify()

    # -- inside; the lock is held -------------------------------------------------------------------------------------

    def _open(self) -> bool:
        return bool(self._segments) and not self._segments[-1].ended

    def _heard(self) -> int:
        if not self._segments:
            return self._sample(self._next)
        last = self._segments[-1]
        return self._sample(last.first) + last.heard

    def _room(self) -> int:
        return max(0, self._most_waiting - (self._heard() - self._sample(self.given)))

    def _take(self, samples: Array) -> None:
        if self._failed:
            raise self._failed
        if not self._open():
            raise UsageError("sound was pushed after the end of the session.", hint="Open a new session.")
        if len(samples) > self._room():
            raise LimitError(
                f"{len(samples)} samples were pushed where {self._room()} may wait.",
                hint=f"Pull frames as they become ready; at most {MOST_WAITING_S:g} s of sound may wait to be shown.",
            )
        self._segments[-1].put(samples)

    def _rest(self, first: int, frames: int) -> Segment:
        """Silence for so many frames, in which the face before it comes to rest."""
        segment = Segment(first, ease=frames, ended=True)
        segment.put(np.zeros(int(frames * self.rate_hz / exact_rate(self.fps)), np.float32))
        return segment

    def _eased(self, segment: Segment, frames: Array) -> Array:
        """Frames of the segment, as far as they still come from the face before it."""
        if segment.made >= segment.ease or self._before is None:
            return frames
        number = segment.made + 1 + np.arange(len(frames))
        way = ease(number / segment.ease).astype(np.float32)[:, None]
        mixed: Array = way * frames + (1 - way) * self._before
        mixed[:, _TURN] /= np.maximum(lengths(mixed[:, _TURN]), 1e-6)[:, None]
        return mixed

    def _pop(self, most: int) -> Array:
        """Exactly `most` frames of those that are ready."""
        parts, missing = [], most
        while missing:
            frames = self._ready.popleft()
            parts.append(frames[:missing])
            if len(frames) > missing:
                self._ready.appendleft(frames[missing:])
            missing -= len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate([_NO_FACES, *parts])

    def _sample(self, frame: int) -> int:
        """The sample nearest to where a frame stands."""
        return (2 * frame * self._samples[0] + self._samples[1]) // (2 * self._samples[1])


def frame_count_before(seconds: float, fps: float) -> int:
    """Frames k with k / fps < seconds."""
    return max(0, -int(-seconds * float(exact_rate(fps)) // 1))
