"""`voxface render`: a face on our head, as a film, GIF or picture."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, one_line, running
from voxface.errors import UsageError
from voxface.timebase import clock_text

if TYPE_CHECKING:
    from voxface.cli.shown import Face
    from voxface.head.head import Head
    from voxface.render.film import Film

_ESTIMATE_AFTER_S, _LONG_S = 1.0, 60.0


def render(
    source: Annotated[
        str, typer.Argument(metavar="INPUT", help="A clip (csv, json, jsonl, npz, capture), or speech to animate.")
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", help="face.mp4, .webm, .gif, .png; face_%04d.png: one file per picture.")
    ],
    audio: Annotated[str | None, typer.Option(help="Sound for a clip; speech brings its own.")] = None,
    compare: Annotated[str | None, typer.Option(help="A second clip or speech, shown to the right of INPUT.")] = None,
    head: Annotated[str | None, typer.Option(help="Another head in our layout (.glb).")] = None,
    bundle: Annotated[str, typer.Option(help="Model for speech: a shipped name or a bundle folder.")] = "default",
    camera: Annotated[str, typer.Option(help="front, three-quarter, profile or mouth.")] = "front",
    light: Annotated[str, typer.Option(help="studio, soft or dark.")] = "studio",
    background: Annotated[str | None, typer.Option(help="A plain colour, #rrggbb.")] = None,
    size: Annotated[str, typer.Option(help="Pixels of one face: 512, or 1280x720.")] = "512",
    fps: Annotated[
        float | None, typer.Option(help="Pictures per second; default: the clip's, at most 30 (GIF: 25).")
    ] = None,
    start: Annotated[float | None, typer.Option("--from", help="Where to begin (seconds).")] = None,
    stop: Annotated[float | None, typer.Option("--to", help="Where to end (seconds).")] = None,
    at: Annotated[
        list[float] | None, typer.Option(help="Second of a PNG; several make a strip. Default: the beginning.")
    ] = None,
    head_motion: Annotated[bool, typer.Option(help="Turn the head as the clip says.")] = True,
    gl: Annotated[str, typer.Option(help="OpenGL: on, off (slower, by numpy) or auto.")] = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Show a face: a film with its sound, a GIF or pictures."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.audio.movie import encoders
        from voxface.cli.shown import face_of
        from voxface.head.shipped import load_head
        from voxface.render.scene import view_named
        from voxface.render.video import fitting, is_numbered, suffix_of, write_still

        suffix = suffix_of(output)
        encoders()  # before speech is animated for nothing
        _keep_inputs(output, [name for name in (source, audio, compare) if name])
        if at and (suffix != ".png" or is_numbered(output)):
            raise UsageError("--at chooses the moment of one PNG.", hint="Use --from and --to.", source=output)
        view = view_named(camera, light, parsed_size(size), background)
        view = replace(view, size=fitting(view.size, suffix))
        began = time.perf_counter()
        shown = [face_of(source, audio, bundle)] + ([face_of(compare, None, bundle)] if compare else [])
        film = _film(load_head(head), shown, suffix, fps, start, stop, view=view, head_motion=head_motion, gl=gl)
        if suffix == ".png" and not is_numbered(output):
            times_s = at or [film.start_s]
            count, size_px = len(times_s), write_still(film, output, times_s)
        else:
            count, size_px = _film_file(out, film, output, _sound(shown, suffix, audio)), film.size
        _report(out, film, output, count, size_px, time.perf_counter() - began)


def _keep_inputs(output: str, inputs: list[str]) -> None:
    for name in inputs:
        if os.path.exists(output) and os.path.exists(name) and os.path.samefile(output, name):
            raise UsageError(f"the output {output} is an input.", hint="Choose another name with -o.", source=name)


def parsed_size(text: str) -> tuple[int, int]:
    """ "512" or "1280x720" as (width, height). Raises: UsageError: it is neither."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and len(side) < 7 for side in sides):
        raise UsageError(f"{text!r} is no size.", hint="Give pixels, such as 512 or 1280x720.")
    return int(sides[0]), int(sides[-1])


def _film(
    head: Head,
    shown: list[Face],
    suffix: str,
    fps: float | None,
    start_s: float | None,
    stop_s: float | None,
    **how: Any,
) -> Film:
    """The film of one face, or of two with their names below."""
    from voxface.render.film import Film, span_s
    from voxface.render.video import usual_fps

    clips = [face.clip for face in shown]
    first_s, end_s = span_s(clips, any(face.sound for face in shown))
    return Film(
        head, clips, [face.name for face in shown], usual_fps(clips[0].fps, suffix) if fps is None else fps,
        first_s if start_s is None else start_s, end_s if stop_s is None else stop_s,
        labels=[face.name for face in shown] if len(shown) > 1 else [], **how,
    )  # fmt: skip


def _sound(shown: list[Face], suffix: str, audio: str | None) -> str | bytes | None:
    """The sound of the first face that has one."""
    from voxface.audio.movie import KINDS

    if audio and suffix not in KINDS:
        raise UsageError(f"a {suffix} has no sound.", hint=f"Leave out --audio, or write {' or '.join(KINDS)}.")
    return next((face.sound for face in shown if face.sound), None)


def _film_file(out: Output, film: Film, output: str, sound: str | bytes | None) -> int:
    from voxface.render.video import is_numbered, write

    stays = "and the pictures made so far stay" if is_numbered(output) else "and no file is left"
    with _moving(out, film.count, stays) as moved:
        return write(film, output, sound, moved)


@contextmanager
def _moving(out: Output, count: int, stays: str) -> Iterator[Callable[[int], None]]:
    """A bar of pictures; and one line where it will take long, since nobody may be watching the bar.

    stays: what is left on the disk if it is interrupted.
    """
    began, told = 0.0, False
    with out.progress("render", count, "pictures") as bar:

        def moved(done: int) -> None:
            nonlocal began, told
            bar.advance()
            now = time.perf_counter()
            began = now if done == 1 else began  # what came before, such as opening OpenGL, comes once
            if not told and now - began > _ESTIMATE_AFTER_S:
                told, left = True, (now - began) / (done - 1) * (count - done)
                if left > _LONG_S:
                    out.say(f"{count} pictures take about {clock_text(left)}; Ctrl-C ends it {stays}.")

        yield moved


def _report(out: Output, film: Film, output: str, count: int, size: tuple[int, int], seconds: float) -> None:
    """size: of the file's pictures, pixels."""
    from voxface.render.pictures import painter

    drawn_by = painter(film.head, film.view, film.gl).name
    what = f"{size[0]}x{size[1]}"
    if count > 1:
        what = f"{count} pictures of {what}" if size == film.size else f"a strip of {count}, {what}"
    out.say(f"{one_line(output)}: {what} in {seconds:.1f} s, by {drawn_by}")
    out.result(
        "", output=output, pictures=count, fps=film.fps, size=list(size),
        start_s=film.start_s, seconds=round(seconds, 3), renderer=drawn_by,
    )  # fmt: skip
