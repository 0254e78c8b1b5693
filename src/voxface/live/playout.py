"""Frames go out when they are due on the audio clock, evenly, to all outputs at once."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from voxface.face.clip import FaceClip
from voxface.live.clock import AudioClock, Lateness
from voxface.live.frame import LiveFrame, frames_of
from voxface.live.sending import Output
from voxface.timebase import frame_time_s

BUFFER_MS = 10.0
"""What frames are held back beyond the declared latency, for the time that the net and the scheduler take."""

MOST_LATE_S = 1.0
"""Who is later than this will not catch up in time; see Feed.catch_up."""

_SLACK_S = 1e-4  # a frame is due from a tenth of a millisecond before its moment: sleeping is no more exact
_NAP_S = 0.05


class Voice(Protocol):
    """What is played: runtime's LiveSession."""

    fps: float
    given: int

    def pull(self, until_s: float | None = None) -> FaceClip: ...


class Playout:
    """Shows the frames of a voice on outputs.

    Frame k is due at second k / fps of the clock plus the delay. A frame that is not ready then goes out as soon as it
    is; of several that are due only the newest does, so a delay is caught up at once and no queue can grow.

    Args:
        delay_s: from a sound to its face.
        news: set by the voice when frames have become ready.

    shown, skipped: frames that went out, and that were overtaken
    last:     the frame that went out last
    lateness: how long after their moments frames were handed to all outputs
    """

    def __init__(
        self, voice: Voice, outputs: list[Output], clock: AudioClock, delay_s: float, news: threading.Event
    ) -> None:
        self.voice, self.outputs, self.clock, self.delay_s, self.news = voice, outputs, clock, delay_s, news
        self.shown = self.skipped = 0
        self.last: LiveFrame | None = None
        self.lateness = Lateness()

    @property
    def deserted(self) -> bool:
        """Whether all receivers there were have left."""
        return bool(self.outputs) and all(output.gone for output in self.outputs)

    def step(self) -> LiveFrame | None:
        """Send the frame that is due, if one is, and keep the outputs alive. Raises: what went wrong in the voice."""
        sent = None
        if self.clock.started:
            first = self.voice.given
            clip = self.voice.pull(self.clock.second(time.monotonic()) - self.delay_s + _SLACK_S)
            if len(clip):
                *overtaken, sent = frames_of(clip, first)
                self.skipped += len(overtaken)
                self._send(sent)
        now_s = time.monotonic()
        for output in self.outputs:
            output.keep_alive(now_s)
        return sent

    @property
    def late_s(self) -> float:
        """How long the next frame has been due; below 0 before that, -inf before the clock starts."""
        return time.monotonic() - self._due_s(self.voice.given)

    def wait(self) -> None:
        """Until the next frame is due, or, when it is late, until the voice has news (`news`)."""
        late_s = self.late_s
        if late_s < 0:
            time.sleep(min(-late_s, _NAP_S))
        else:
            self.news.wait(_NAP_S)
        self.news.clear()

    def close(self) -> None:
        """The last word to every output: the face rests."""
        for output in self.outputs:
            output.rest()
            output.close()

    def _send(self, frame: LiveFrame) -> None:
        for output in self.outputs:
            output.send(frame)
        self.shown, self.last = self.shown + 1, frame
        self.lateness.add(time.monotonic() - self._due_s(frame.seq))

    def _due_s(self, seq: int) -> float:
        return self.clock.moment(frame_time_s(seq, self.voice.fps)) + self.delay_s
