"""`voxface plot`: a face as curves over its sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, running

if TYPE_CHECKING:
    from voxface.cli.shown import Face
    from voxface.face.clip import FaceClip
    from voxface.render.panels import Strip
    from voxface.render.sound import SoundPicture

PhoneLabels = tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the flags ask for."""

    channels: str | None
    phones: str | None
    first_s: float | None
    last_s: float | None
    faces: int
    cameras: tuple[str, ...]
    width_in: float
    title: str


def plot(
    source: Annotated[
        str, typer.Argument(metavar="INPUT", help="A clip (csv, json, jsonl, npz, capture), or a sound or video.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="Picture: .png, .svg or .pdf.")] = "curves.png",
    audio: Annotated[str | None, typer.Option(help="The sound of a clip: its mel and wave are drawn below.")] = None,
    channels: Annotated[
        str | None,
        typer.Option(help="What to draw: names, wildcards (mouth*), groups (mouth, eyes, head, ...), lipGap, all."),
    ] = None,
    compare: Annotated[str | None, typer.Option(help="A second clip, drawn over the first.")] = None,
    phones: Annotated[str | None, typer.Option(help="Phones above the mel: TextGrid, .lab, Rhubarb's .tsv.")] = None,
    first: Annotated[float | None, typer.Option("--from", help="Begin here (seconds).")] = None,
    last: Annotated[float | None, typer.Option("--to", help="End here (seconds).")] = None,
    faces: Annotated[int, typer.Option(min=0, max=40, help="So many faces above the lanes.")] = 0,
    camera: Annotated[
        str, typer.Option(help="How the faces are seen: front, three-quarter, profile, mouth; several with commas.")
    ] = "front",
    width: Annotated[int, typer.Option(min=500, max=8000, help="Width of the picture in pixels.")] = 1210,
    title: Annotated[str, typer.Option(help="A line above.")] = "",
    fps: Annotated[float | None, typer.Option(help="Frame rate of a CSV; default: by its time codes.")] = None,
    bundle: Annotated[str, typer.Option(help="Model that animates a sound: a shipped name or a folder.")] = "default",
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Draw the channels of a face over its sound: lanes, phones, mel and wave on one clock, faces above."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.cli.shown import check_faces, face_of
        from voxface.figure import PNG_DPI, figure_format

        figure_format(output)
        shown = [face_of(source, audio, bundle, fps)]
        if compare is not None:
            shown.append(face_of(compare, None, bundle, fps))
        check_faces(shown)
        wanted = Wanted(channels, phones, first, last, faces, tuple(camera.split(",")), width / PNG_DPI, title)
        _draw(out, shown, wanted, output)


def _draw(out: Output, shown: list[Face], wanted: Wanted, output: str) -> None:
    from voxface.render.lanes import choose, lanes, most_moving
    from voxface.render.plot import Plot, draw_plot, span_of

    clips = tuple(one.clip for one in shown)
    span_s = span_of(clips, wanted.first_s, wanted.last_s)
    names = choose(wanted.channels.split(","), clips) if wanted.channels else most_moving(clips)
    phones = _phones(wanted.phones)
    sound = _sound(shown[0].sound, span_s)
    drawn = Plot(
        clips=clips,
        labels=tuple(one.name for one in shown) if len(shown) > 1 else (),
        names=names,
        span_s=span_s,
        sound=sound,
        phones=phones,
        strip=_strip(clips, wanted, phones, span_s) if wanted.faces else None,
        title=wanted.title or (shown[0].name if len(shown) == 1 else ""),
    )
    draw_plot(drawn, output, wanted.width_in)
    titles = [lane.title for lane in lanes(names)]
    out.result(output, output=output, lanes=titles, seconds=round(span_s[1] - span_s[0], 3))


def _phones(path: str | None) -> PhoneLabels:
    """Phones of a file; silences without a label."""
    if path is None:
        return ()
    from voxface.articulation.phones import SILENCE
    from voxface.articulation.read import read_phones

    return tuple((one.start_s, one.end_s, "" if one.symbol == SILENCE else one.symbol) for one in read_phones(path))


def _sound(path: str | bytes | None, span_s: tuple[float, float]) -> SoundPicture | None:
    if path is None:
        return None
    from voxface.audio.decode import open_audio
    from voxface.render.sound import sound_picture

    with open_audio(path) as audio:
        return sound_picture(audio.blocks(), audio.rate_hz, *span_s)


def _strip(clips: Sequence[FaceClip], wanted: Wanted, phones: PhoneLabels, span_s: tuple[float, float]) -> Strip:
    from voxface.figure import PNG_DPI
    from voxface.render.strip import face_strip, moments

    times_s = moments(wanted.faces, span_s, phones)
    side = min(int(wanted.width_in * PNG_DPI / len(times_s) * 0.82) + 1, 1024)
    return face_strip(clips, times_s, (side, round(side * 1.2)), phones, wanted.cameras)
