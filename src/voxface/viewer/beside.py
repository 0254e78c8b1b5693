"""The sound that a clip names, where it lies beside the clip."""

from __future__ import annotations

import json
from pathlib import Path

_HEAD_BYTES = 1 << 16


def sound_beside(clip: Path) -> Path | None:
    """The file in the clip's folder that has the name under "audio" in its JSON header; None: none named, none there.

    Only the last part of the name counts: a clip does not choose folders. Animation JSON and JSONL say it before
    their frames, so the first bytes are enough.
    """
    with open(clip, "rb") as file:
        text = file.read(_HEAD_BYTES).decode("utf-8", errors="replace")
    at = text.find('"audio":') if text.lstrip("\ufeff \n\t\r").startswith("{") else -1
    if at < 0:
        return None
    try:
        audio, _ = json.JSONDecoder().raw_decode(text[at + len('"audio":') :].lstrip())
    except (ValueError, RecursionError):
        return None
    name = audio.get("name") if isinstance(audio, dict) else None
    sound = clip.parent / Path(name.replace("\\", "/")).name if isinstance(name, str) and name else None
    return sound if sound and _is_file(sound) else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
