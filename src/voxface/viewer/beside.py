"""The sound that a clip names, which should lie beside the clip."""

from __future__ import annotations

import json
from pathlib import Path

_HEAD_BYTES = 1 << 16


def named_sound(clip: Path) -> Path | None:
    """Where the file must lie that is named under "audio" in the clip's JSON header, or None where none is named.

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
    return clip.parent / Path(name.replace("\\", "/")).name if isinstance(name, str) and name else None


def is_file(path: Path) -> bool:
    """Whether it is there; a name that no file can have is not."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
