"""Many live voices on one net: a thread that computes whatever voices have sound."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from voxface.bundle import Bundle
from voxface.errors import LimitError, UsageError
from voxface.runtime.animate import DEFAULT_BUNDLE, open_animator
from voxface.runtime.live_session import Frames, Job, LiveSession

_PIECE_S = 0.2  # of one voice at a time, so that a burst of sound does not hold up the others


class Engine:
    """Computes the frames of live sessions in a thread of its own.

    Args:
        bundle: one that streams, by name, path or opened; `live` answers soonest.
        threads: of one call of the net.
        most_sessions: that may be open at once.
        deadline_ms: how long a session may wait for others, with which it is computed together.
    Raises: UsageError: the bundle cannot stream. BundleError: it cannot be used.
    """

    def __init__(
        self,
        bundle: str | Path | Bundle = DEFAULT_BUNDLE,
        threads: int = 1,
        most_sessions: int = 1000,
        deadline_ms: float = 5.0,
    ) -> None:
        self.animator = open_animator(bundle, threads)
        self.bundle, self.most_sessions, self.deadline_ms = self.animator.bundle, most_sessions, deadline_ms
        self._sessions: set[LiveSession] = set()
        self._due: dict[LiveSession, None] = {}
        self._change = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="voxface-engine", daemon=True)
        self._thread.start()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def sessions(self) -> int:
        """How many are open."""
        with self._change:
            return len(self._sessions)

    @property
    def alive(self) -> bool:
        """Whether it can compute."""
        return self._thread.is_alive() and not self._stopped

    def close(self) -> None:
        """Stop; sessions that are still open fail."""
        with self._change:
            self._stopped = True
            left = list(self._sessions)
            self._change.notify_all()
        self._thread.join()
        for session in left:
            session.fail(UsageError("the engine of this session was closed."))

    # -- what sessions call -------------------------------------------------------------------------------------------

    def admit(self, session: LiveSession) -> None:
        """Raises: LimitError: as many sessions as it may have are open. UsageError: it is closed."""
        with self._change:
            if self._stopped:
                raise UsageError("the engine is closed.")
            if len(self._sessions) >= self.most_sessions:
                raise LimitError(
                    f"the engine has {self.most_sessions} sessions, as many as it may have.",
                    hint="Try again when one has ended.",
                )
            self._sessions.add(session)

    def dismiss(self, session: LiveSession) -> None:
        with self._change:
            self._sessions.discard(session)
            self._due.pop(session, None)

    def wake(self, session: LiveSession) -> None:
        """It has something to do."""
        with self._change:
            if session in self._sessions:
                self._due[session] = None
                self._change.notify()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._due or self._stopped)
                if self._stopped:
                    return
                due = list(self._due)
                self._due.clear()
            for session in due:
                self._serve(session)

    def _serve(self, session: LiveSession) -> None:
        """One job of a session, and word that there may be another."""
        job = session.take(_PIECE_S)
        if job is None:
            return
        try:
            frames = _step(session, job)
        except Exception as error:  # whatever it is, the other sessions go on
            session.fail(error)
            return
        session.put(job, frames)
        self.wake(session)


def _step(session: LiveSession, job: Job) -> Frames:
    parts = session.parts
    if session.state is None or session.state[0] is not job.segment:
        session.state = (job.segment, parts.start() if session.state is None else parts.again(session.state[1]))
    state, clip = parts.step(session.state[1], job.samples)
    session.state = (job.segment, state)
    frames = Frames(clip.weights, clip.head, clip.emotion)
    if not job.last or not state.heard:
        return frames
    rest = parts.finish(state)
    return Frames.joined([frames, Frames(rest.weights, rest.head, rest.emotion)])
