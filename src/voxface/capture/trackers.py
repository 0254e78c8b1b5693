"""The trackers by name; each is imported when it is opened."""

from __future__ import annotations

from collections.abc import Callable

from voxface.capture.tracker import OpenTracker
from voxface.errors import UsageError


def _mediapipe() -> OpenTracker:
    from voxface.capture.mediapipe_tracker import MediapipeTracker

    return MediapipeTracker


def _light() -> OpenTracker:
    from voxface.capture.light.tracker import LightTracker

    return LightTracker


TRACKERS: dict[str, Callable[[], OpenTracker]] = {"light": _light, "mediapipe": _mediapipe}
"""Name -> what imports the tracker and gives its maker."""

DEFAULT_TRACKER = "light"
"""Its values equal MediaPipe's, faster and without its 440 MB, system libraries and usage metrics (docs/capture.md)."""


def open_tracker(name: str) -> OpenTracker:
    """The maker of the tracker of that name. Raises: UsageError: there is none."""
    return TRACKERS[check_tracker(name)]()


def check_tracker(name: str) -> str:
    """The name as it came; nothing is imported. Raises: UsageError: there is no such tracker."""
    if name not in TRACKERS:
        raise UsageError(f"there is no tracker {name!r}.", hint=f"Trackers: {', '.join(TRACKERS)}.")
    return name


def notice(name: str) -> str | None:
    """What a person must be told before that tracker is used for the first time on this account; then None."""
    if name != "mediapipe":
        return None
    from voxface.capture.mediapipe_tracker import usage_notice

    return usage_notice()
