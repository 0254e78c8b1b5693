"""What a person can choose about a capture; all of it stands in the header of the capture."""

from __future__ import annotations

from dataclasses import dataclass

from voxface.audio.frame_rate import check_limit
from voxface.capture.trackers import DEFAULT_TRACKER
from voxface.errors import UsageError


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """Every choice that changes the values of a capture.

    fps_limit:   frames per second to look at, at most, with 1 % tolerance
    tracker:     a name of trackers.TRACKERS
    mirrored:    the picture is a mirror image (a selfie camera's): it is flipped before the tracker sees it, so that
                 left is the subject's left
    audio_track: which sound track, counted from 0

    Raises: UsageError: the limit is not above 0, or the track is below 0.
    """

    fps_limit: float = 30.0
    tracker: str = DEFAULT_TRACKER
    mirrored: bool = False
    audio_track: int = 0

    def __post_init__(self) -> None:
        check_limit(self.fps_limit)
        if self.audio_track < 0:
            raise UsageError(f"sound tracks are counted from 0; got {self.audio_track}.")
