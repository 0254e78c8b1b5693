"""Which address gives what. A request that changes nothing is a pure function of what is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from voxface.viewer.answers import TYPES, Answer, of_file, of_json, problem
from voxface.viewer.page import page_files
from voxface.viewer.session import Loaded, Session

MOST_SOUND_BYTES, MOST_CLIP_BYTES = 512 << 20, 64 << 20

POSTS: dict[str, int] = {"/api/animate": MOST_SOUND_BYTES, "/api/clip": MOST_CLIP_BYTES}
"""Where files are sent to, and how many bytes each takes."""


def look(session: Session, address: str, wanted: str | None) -> Answer:
    """The answer to GET of an address (without its query); `wanted`: the header Range, or None."""
    if path := page_files().get(address):
        return Answer(200, TYPES.get(path.suffix, TYPES[".bin"]), path.read_bytes())
    if address == "/api/session":
        return of_json(session.info())
    if address == "/api/progress":
        return of_json({"heard_s": session.heard_s})
    if address in POSTS:
        return problem(405, f"{address} takes files by POST.", Allow="POST")
    kind, _, file = address.removeprefix("/api/").partition("/")
    id, _, suffix = file.partition(".")
    if kind == "clips" and suffix == "bin" and (clip := session.clip(id)):
        return Answer(200, TYPES[".bin"], clip.data())
    if kind == "audio" and suffix in ("wav", "peaks") and (sound := session.sound(id)):
        return of_file(sound.path, wanted) if suffix == "wav" else Answer(200, TYPES[".bin"], sound.peaks)
    return problem(404, f"there is nothing at {address[:80]} (any more).")


def take(session: Session, address: str, file: Path, name: str, keep: str) -> Answer:
    """The answer to a file that was sent to an address of POSTS.

    Args:
        keep: id of a clip that the page goes on showing, so it stays, however old; "" for none.
    Raises: VoxfaceError: the file cannot be shown.
    """
    reader: Callable[[Path, str, str], Loaded] = session.animate if address == "/api/animate" else session.read
    loaded = reader(file, name, keep)
    said: dict[str, Any] = {"clip": loaded.clip.info() if loaded.clip else None}
    return of_json(said | ({"audio": loaded.sound.info()} if loaded.sound else {}))
