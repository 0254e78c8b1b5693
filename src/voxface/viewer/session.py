"""What one viewer shows: many threads may look at it, one at a time may add to it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from voxface.audio.sniff import HEAD_BYTES, what_is
from voxface.capture.clip import is_capture
from voxface.errors import VoxfaceError
from voxface.export.reading import open_clip
from voxface.face.clip import FaceClip
from voxface.viewer import loading
from voxface.viewer.beside import is_file, named_sound
from voxface.viewer.live import LiveFeed
from voxface.viewer.shown import Showing, Shown, Sound, audio_peaks

MOST_CLIPS = 8
"""The page can go back to the newest of them; older ones that it does not show are dropped, with their sounds."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of one file; a sound that was animated is both."""

    clip: Shown | None = None
    sound: Sound | None = None


class Session:
    """Clips and sounds by id, and a folder for what was sent; use it in a `with` statement.

    What is shown is one value, `showing`, replaced as a whole; the lock is held by who loads a file.

    Args:
        fps: of animated sounds. bundle: that animates them. gains: TOML of the sliders' start, and of [idle], or None.
        text: what is said, shown under the face, or None.
        live: what the page shows in place of clips, or None; closed by who opened it.
    Raises: VoxfaceError: the gains cannot be read.
    """

    def __init__(
        self,
        *,
        fps: float = 60.0,
        bundle: str = "default",
        gains: str | None = None,
        text: str | None = None,
        live: LiveFeed | None = None,
    ) -> None:
        self.fps, self.bundle, self.gains, self.text, self.live = fps, bundle, gains, text, live
        self.sliders = _sliders(gains)
        self.showing = Showing()
        self.heard_s: float | None = None
        self._loading = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="voxface-view-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._folder.cleanup()

    def open(self, path: str | Path, name: str | None = None) -> Loaded:
        """Show a file, told apart by its content: a sound or video is animated, everything else must be a clip. The
        sound that a clip names is taken where it lies beside it, unless there is one already; a note tells where it
        does not.

        Raises: VoxfaceError: the file is neither, or damaged.
        """
        path = Path(path)
        if _is_sound(path):
            return self.animate(path, name)
        loaded = self.read(path, name)
        sound = None if self.showing.common else named_sound(path)
        if sound and is_file(sound):
            self.listen(sound)
        elif sound and sound.name not in {known.name for known in self.showing.sounds}:
            self._note(f"{path.name} names the sound {sound.name}, which is not beside it: give it with --audio.")
        return loaded

    def animate(self, path: Path, name: str | None = None, keep: str = "") -> Loaded:
        """Animate a sound or video; the clip `keep` stays, however old. Raises: VoxfaceError."""
        name = name or path.name
        with self._adding(path, name), self._new_wav() as wav:
            clip, notes = loading.animate_sound(
                path, name, wav, bundle=self.bundle, fps=self.fps, gains=self.gains, heard=self._hear
            )
            sound = self._sound(wav, name)
            return Loaded(self._show(clip, notes, name, keep, sound), sound)

    def read(self, path: Path, name: str | None = None, keep: str = "") -> Loaded:
        """Read a clip, or a capture with its sound; the clip `keep` stays, however old. Raises: VoxfaceError."""
        name = name or path.name
        if is_capture(name):
            return self._capture(path, name, keep)
        with self._adding(path, name):
            return Loaded(self._show(*loading.read_clip(path, name), name, keep))

    def listen(self, path: str | Path, name: str | None = None) -> Loaded:
        """Take a sound, or the sound of a video, for the clips that have none. Raises: VoxfaceError."""
        path = Path(path)
        name = name or path.name
        with self._adding(path, name), self._new_wav() as wav:
            notes = loading.copy_sound(path, name, wav)
            sound = self._sound(wav, name)
            now = self.showing
            self._change(replace(now, common=sound, notes=(*now.notes, *notes), made=now.made + 1))
            return Loaded(sound=sound)

    def clip(self, id: str) -> Shown | None:
        """A clip by its id, or None where there is none any more."""
        return next((clip for clip in self.showing.clips if clip.id == id), None)

    def sound(self, id: str) -> Sound | None:
        """A sound by its id, or None where there is none any more."""
        return next((sound for sound in self.showing.sounds if sound.id == id), None)

    def info(self) -> dict[str, Any]:
        """All that the page asks for first, for JSON."""
        from voxface import __version__

        showing = self.showing
        return {
            "version": __version__, "clips": [clip.info() for clip in showing.clips],
            "audio": showing.common.info() if showing.common else None,
            "text": self.text, "notes": list(showing.notes), "gains": self.sliders,
            "live": self.live.info() if self.live else None,
        }  # fmt: skip

    def _capture(self, path: Path, name: str, keep: str) -> Loaded:
        with self._adding(path, name), self._new_wav() as wav:
            clip, notes, heard = loading.read_capture(path, name, wav)
            sound = self._sound(wav, name) if heard else None
            return Loaded(self._show(clip, notes, name, keep, sound), sound)

    def _hear(self, seconds: float) -> None:
        self.heard_s = seconds

    @contextmanager
    def _new_wav(self) -> Iterator[Path]:
        """A file for a sound; it goes where the sound fails."""
        handle, path = tempfile.mkstemp(".wav", dir=self.folder)
        os.close(handle)
        try:
            yield Path(path)
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise

    @contextmanager
    def _adding(self, path: Path, name: str) -> Iterator[None]:
        """One at a time; an error calls a file that was sent as its owner does."""
        try:
            with self._loading:
                self.heard_s = 0.0
                yield
        except VoxfaceError as error:
            if path.parent == self.folder:
                error.message = error.message.replace(str(path), name)
            raise
        finally:
            self.heard_s = None

    def _show(self, clip: FaceClip, notes: list[str], name: str, keep: str, sound: Sound | None = None) -> Shown:
        now = self.showing
        label, count = name, 1
        while label in {other.label for other in now.clips}:
            label = f"{name} ({(count := count + 1)})"
        shown = Shown(f"c{now.made + 1}", name, label, clip, tuple(notes), sound)
        old = [other for other in now.clips if other.id != keep][: max(len(now.clips) + 1 - MOST_CLIPS, 0)]
        kept = tuple(other for other in now.clips if other not in old)
        self._change(replace(now, clips=(*kept, shown), made=now.made + 1))
        return shown

    def _sound(self, wav: Path, name: str) -> Sound:
        samples, rate_hz = loading.samples_of(wav)
        peaks = audio_peaks(samples, rate_hz)
        return Sound(f"s{self.showing.made + 1}", name, wav, rate_hz, len(samples), peaks)

    def _note(self, text: str) -> None:
        with self._loading:
            self._change(replace(self.showing, notes=(*self.showing.notes, text)))

    def _change(self, after: Showing) -> None:
        """Show this from now on, and remove the files of sounds that nothing needs any more."""
        before, self.showing = self.showing, after
        for path in {sound.path for sound in before.sounds} - {sound.path for sound in after.sounds}:
            path.unlink(missing_ok=True)


def _sliders(gains: str | None) -> dict[str, dict[str, float]]:
    from voxface.runtime.polish import Polish, load_polish

    table = load_polish(gains) if gains else Polish()
    return {"gain": dict(table.gain), "offset": dict(table.offset)}


def _is_sound(path: Path) -> bool:
    """Sound, or a format that may hold sound: its reader says best why it is not read."""
    with open_clip(path) as file:
        kind = what_is(file.read(HEAD_BYTES))
    return kind.sound or kind.track or kind.media
