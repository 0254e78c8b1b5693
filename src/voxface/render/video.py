"""A film in files: MP4 and WebM with its sound, GIF, one PNG, a strip, a numbered row of PNGs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from voxface.audio.decode import open_audio
from voxface.audio.movie import KINDS, Sound, write_film, write_gif, write_png
from voxface.errors import InputWarning, UsageError
from voxface.render.film import Film
from voxface.render.pictures import sheet
from voxface.stream import Array
from voxface.timebase import clock_text

USUAL_FPS = {".gif": 25.0}
"""Pictures a second at most, unless asked for, by suffix; a GIF counts in hundredths of a second."""
_USUAL_FPS = 30.0
_COLOURS_FROM = 24  # pictures that the colours of a GIF are chosen from
_NOTABLE_S = 0.1  # by which sound and clip may differ without a word
_NUMBER, _NO_NUMBER = re.compile(r"%0?(\d{0,2})d"), re.compile(r"%\d*[a-z]")

Moved = Callable[[int], None]
"""Told how many pictures are done."""


def suffix_of(path: str) -> str:
    """What kind of file a name asks for. Raises: UsageError: none that can be written, or a number that is no %d."""
    suffix = Path(path).suffix.lower()
    if found := _NO_NUMBER.search(_NUMBER.sub("", Path(path).name, count=1)):
        raise UsageError(f"{found[0]} in {path} cannot be filled in.", hint="Say %d or %04d, once.", source=path)
    if suffix not in (*KINDS, ".gif", ".png"):
        what = f"the suffix {suffix!r} of {path}" if suffix else f"{path}, which has no suffix,"
        known = ", ".join((*KINDS, ".gif", ".png"))
        raise UsageError(f"{what} is no kind of film or picture.", hint=f"Known: {known}.", source=path)
    return suffix


def usual_fps(clip_fps: float, suffix: str) -> float:
    """Pictures a second where nobody asks for a number: the clip's own, or less."""
    return min(clip_fps, USUAL_FPS.get(suffix, _USUAL_FPS))


def fitting(size: tuple[int, int], suffix: str) -> tuple[int, int]:
    """A size that such a file can hold: films have even sides, because colours are stored for pairs of pixels."""
    width, height = size
    even = (width + width % 2, height + height % 2)
    if suffix not in KINDS or even == size:
        return size
    text = f"a film has even sides: {width}x{height} becomes {even[0]}x{even[1]}."
    warnings.warn(InputWarning("W-SIZE", text), stacklevel=2)
    return even


def write(film: Film, path: str, sound: str | bytes | None = None, moved: Moved = lambda done: None) -> int:
    """Write a film as the suffix of a name says; every file is whole or absent. A name with %d or %04d gets one PNG per
    picture.

    Args:
        sound: a file, or its bytes, whose second 0 is that of the audio clock, for films; None: a silent film.
    Returns: how many pictures were written.
    Raises: UsageError: unknown suffix. OutputError, LimitError: the place cannot be written. VoxfaceError: the sound
        cannot be read.
    """
    suffix = suffix_of(path)
    if suffix == ".png":
        return _write_numbered(film, path, moved)
    pictures = _counted(film.pictures(), moved)
    if suffix == ".gif":
        few = film.times_s(0, film.count, -(-film.count // _COLOURS_FROM))
        write_gif(path, pictures, film.fps, list(film.pictures(few)))
    elif sound is None:
        write_film(path, pictures, film.fps)
    else:
        with open_audio(sound) as audio:
            _compare_lengths(audio.samples, audio.rate_hz, film, audio.name)
            blocks = _from(audio.blocks(), round(film.start_s * audio.rate_hz))
            write_film(path, pictures, film.fps, Sound(blocks, audio.rate_hz))
    return film.count


def write_still(film: Film, path: str, times_s: Sequence[float]) -> tuple[int, int]:
    """Write one PNG of the faces at given times of the audio clock, several as a strip from left to right.

    Returns: its width and height in pixels.
    Raises: UsageError: a time before the film or after it. OutputError: the place cannot be written.
    """
    outside = [time_s for time_s in times_s if not film.start_s <= time_s <= film.stop_s]
    if outside:
        hint = f"It goes from {film.start_s:g} s to {film.stop_s:g} s."
        raise UsageError(f"{film.names[0]} shows nothing at {outside[0]:g} s.", hint=hint)
    pictures = list(film.pictures(np.asarray(times_s)))
    strip = sheet(pictures, len(pictures))
    write_png(path, strip)
    return strip.shape[1], strip.shape[0]


def is_numbered(path: str) -> bool:
    """Whether a name asks for one file per picture, with %d or %04d."""
    return bool(_NUMBER.search(Path(path).name))


def _write_numbered(film: Film, path: str, moved: Moved) -> int:
    for number, picture in enumerate(_counted(film.pictures(), moved)):
        name = _NUMBER.sub(lambda found: str(number).zfill(int(found[1] or 0)), Path(path).name, count=1)  # noqa: B023
        write_png(Path(path).with_name(name), picture)
    return film.count


def _counted(pictures: Iterable[Array], moved: Moved) -> Iterator[Array]:
    for done, picture in enumerate(pictures, 1):
        yield picture
        moved(done)


def _from(blocks: Iterable[Array], first: int) -> Iterator[Array]:
    """The samples from number `first` on; silence before the sound begins."""
    if first < 0:
        yield np.zeros(-first, np.float32)
    for block in blocks:
        if first < len(block):
            yield block[max(first, 0) :]
        first = max(first - len(block), 0)


def _compare_lengths(samples: int | None, rate_hz: int, film: Film, name: str) -> None:
    """Say it where the sound and the last clip end at different times."""
    end = max(clip.end_s for clip in film.clips)
    if samples is None or abs(samples / rate_hz - end) <= _NOTABLE_S:
        return
    rest = "the rest of it is left out" if samples / rate_hz > end else "silence follows"
    text = f"the sound of {name} ends at {clock_text(samples / rate_hz)} and the clip at {clock_text(end)}; {rest}."
    warnings.warn(InputWarning("W-SOUND-LENGTH", text), stacklevel=3)
