"""Take folders as the Live Link Face app of the iPhone writes them.

    SLATE_1_iPhone.csv or, of a calibrated person, SLATE_1_iPhone_cal.csv, ..._raw.csv and ..._neutral.csv;
    SLATE_1_iPhone.mov with the sound; take.json; video_metadata.json with "FrameRate"; thumbnail.jpg

The rate that the JSON says is that of the video. The CSV may have fewer rows, so its timecodes decide where they can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from voxface.errors import VoxfaceError
from voxface.export.reading import read_json

TAKE = "take.json"
_ABOUT = ("video_metadata.json", TAKE)
_RATE_KEYS = ("framerate", "fps")
_KINDS = ("_cal", "", "_raw")  # the calibrated face first; _neutral is one pose and no take
_MOST_FPS = 1000


def plain_stem(stem: str) -> str:
    """The stem that a take's sound has: that of its CSV without `_cal` or `_raw`."""
    return next((stem.removesuffix(kind) for kind in _KINDS if kind and stem.endswith(kind)), stem)


def best_of_takes(clips: Mapping[Path, Path]) -> list[Path]:
    """Of the clips (each with its sound) of one kind of file and one sound, the calibrated one, else the plain one."""
    best: dict[tuple[Path, str], Path] = {}
    for clip in sorted(clips, key=_rank):
        best.setdefault((clips[clip], clip.suffix.lower()), clip)
    return sorted(best.values())


def _rank(clip: Path) -> tuple[int, Path]:
    stem = clip.stem
    kind = stem.removeprefix(plain_stem(stem))
    return _KINDS.index(kind), clip


def take_folders(folder: Path) -> list[Path]:
    """The take folders directly inside a folder, by their take.json."""
    return sorted(path.parent for path in folder.glob(f"*/{TAKE}"))


def speakers_folder(clip: Path) -> Path:
    """The folder whose name tells who speaks in a clip: its own, or for a take the one that holds the takes."""
    folder = clip.resolve().parent
    return folder.parent if (folder / TAKE).is_file() else folder


def said_rate(folder: Path) -> float | None:
    """Frames per second as the JSON files of a take say, or None: they do not, or cannot be read."""
    for path in (folder / name for name in _ABOUT):
        try:
            about = read_json(path) if path.is_file() else {}
        except VoxfaceError:
            continue  # it is only a hint; the timecodes are still there
        for rate in _rates(about.items()):
            return rate
    return None


def _rates(about: Iterable[tuple[str, Any]]) -> Iterable[float]:
    for key, value in about:
        if key.replace("_", "").lower() in _RATE_KEYS and type(value) in (int, float) and 1 <= value <= _MOST_FPS:
            yield float(value)
