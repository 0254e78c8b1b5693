"""Many live voices on one net."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from voxface.bundle import Bundle
from voxface.errors import LimitError, UsageError
from voxface.runtime.animate import DEFAULT_BUNDLE, open_animator
from voxface.runtime.choir import Choir
from voxface.runtime.lane import Lane

if TYPE_CHECKING:
    from voxface.runtime.live_session import LiveSession


class Engine:
    """Computes the frames of live sessions, many of them in one batch, in a thread of its own.

    Args:
        bundle: one that streams, by name, path or opened; `live` answers soonest.
        threads: that call the net; 2 pay off from about 100 sessions on, if there are cores for them.
        most_sessions: that may be open at once.
        deadline_ms: how long a session may wait for others, with which it is computed together.
    Raises: UsageError: the bundle cannot stream, or drives the head itself. BundleError: it cannot be used.
    """

    def __init__(
        self,
        bundle: str | Path | Bundle = DEFAULT_BUNDLE,
        threads: int = 1,
        most_sessions: int = 1000,
        deadline_ms: float = 5.0,
    ) -> None:
        self.animator = open_animator(bundle, 1)
        self.bundle, self.most_sessions, self.deadline_ms = self.animator.bundle, most_sessions, deadline_ms
        if not Choir.fits(self.animator):
            raise UsageError(f"bundle {self.bundle.name!r} cannot be run live.", hint="Use the bundle live or default.")
        self.lane = Lane(self.animator, most_sessions, threads, deadline_ms)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def sessions(self) -> int:
        """How many are open."""
        return self.lane.sessions

    @property
    def alive(self) -> bool:
        """Whether it can compute; `crashed` says what happened otherwise."""
        return self.lane.alive

    @property
    def crashed(self) -> BaseException | None:
        """What ended its thread, if that was not `close`."""
        return self.lane.crashed

    @property
    def bytes_per_session(self) -> int:
        """Memory of the state of one session."""
        return self.lane.choir.bytes_per_voice

    def close(self) -> None:
        """Stop; sessions that are still open fail."""
        self.lane.close()

    def admit(self, session: LiveSession) -> Lane:
        """The lane that computes a new session.

        Raises: LimitError: as many sessions as it may have are open. UsageError: it is closed.
        """
        if not self.lane.admit(session):
            raise LimitError(
                f"the engine has {self.most_sessions} sessions, as many as it may have.",
                hint="Try again when one has ended.",
            )
        return self.lane
