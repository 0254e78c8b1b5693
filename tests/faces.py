"""Real faces for tests: the first pictures of a video, and two of them in one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voxface.audio.container import Tally
from voxface.audio.video import probe_video, video_frames


def pictures_of(path: Path, count: int = 10**6) -> list[np.ndarray]:
    """The first pictures of a video, at up to 30 a second."""
    frames = video_frames(path, probe_video(path), 30, Tally())
    return [frame.rgb for frame, _ in zip(frames, range(count), strict=False)]


def beside(small: np.ndarray | None, large: np.ndarray | None) -> np.ndarray:
    """(432, 720) picture: a small face on the left, one half as large again on the right; None leaves it empty."""
    whole = np.full((432, 720, 3), 90, np.uint8)
    if small is not None:
        whole[72:360, :288] = small
    if large is not None:
        grown = np.arange(432) * 2 // 3
        whole[:, 288:] = large[grown][:, grown]
    return whole
