"""What plot, render and report look at: a clip file, or speech that is animated on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voxface.errors import UsageError
from voxface.face.clip import FaceClip


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face to look at.

    name:  of its file, without folders
    clip:  the face
    sound: the file with its sound, or the bytes of one, or None
    """

    name: str
    clip: FaceClip
    sound: str | bytes | None


def face_of(source: str, audio: str | None = None, bundle: str = "default", fps: float | None = None) -> Face:
    """A clip file as it is, told by its suffix; anything else is speech, which is animated.

    Args:
        source: csv, json (animation or capture), jsonl, npz or a capture's working form, which brings its sound; or a
            sound or video.
        audio: the sound of a clip file.
        bundle: animates speech.
        fps: of animated speech (None: 60), or of a CSV, which does not say its rate (None: by its time codes).
    Raises: UsageError: speech, and a sound of its own. VoxfaceError: the file cannot be read.
    """
    from voxface.capture.clip import capture_clip, is_capture

    if is_capture(source):
        clip, own = capture_clip(source)
        return Face(Path(source).name, clip, audio or own)
    if is_clip_file(source):
        from voxface.export.formats import read

        return Face(Path(source).name, read(source, fps=fps), audio)
    if source == "-":
        hint = "Save the sound to a file first."
        raise UsageError("speech is read twice, for the face and for the sound; - can be read once.", hint=hint)
    if audio is not None:
        hint = "Leave out --audio, or give a clip file: csv, json, jsonl, npz."
        raise UsageError(f"{source} is speech, which brings its own sound.", hint=hint, source=source)
    from voxface.runtime.animate import animate

    return Face(Path(source).name, animate(source, fps=60.0 if fps is None else fps, bundle=bundle), source)


def check_faces(faces: Sequence[Face]) -> None:
    """Whether our head can show them. Raises, warns: as `film.check_clip`."""
    from voxface.head.shipped import load_head
    from voxface.render.film import check_clip

    for face in faces:
        check_clip(face.clip, face.name, load_head())


def is_clip_file(source: str) -> bool:
    """Whether a name is that of a clip file or of a capture."""
    from voxface.capture.clip import is_capture
    from voxface.export.formats import FORMATS

    suffixes = {suffix for one in FORMATS.values() for suffix in one.suffixes}
    return is_capture(source) or Path(source).suffix.lower() in suffixes
