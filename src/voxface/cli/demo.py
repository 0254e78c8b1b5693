"""`voxface demo`: the shipped sample becomes a face, on screen and in files."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, running
from voxface.errors import MissingDependencyError
from voxface.face.clip import FaceClip
from voxface.stream import Array
from voxface.timebase import clock_text

SAMPLE = Path(__file__).parents[1] / "samples" / "hello.flac"
TEXT = "Hello, I am voxface. Please buy five blue moons before the morning."


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("demo"),
    bundle: Annotated[str, typer.Option(help="Model: a shipped name or a bundle folder.")] = "default",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Serve the viewer and print its address, open nothing.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Animate the sample that comes with voxface: curves as CSV, JSON and a picture, and its face in the browser.

    The viewer runs until Ctrl-C; in a pipe or with --json only the files are written.
    """
    with running(quiet, verbose, debug, json) as out:
        from voxface.audio.decode import read_audio
        from voxface.runtime.animate import animate

        began = time.perf_counter()
        clip = animate(SAMPLE, bundle=bundle)
        seconds = time.perf_counter() - began
        samples, rate_hz = read_audio(SAMPLE)
        lasts = clock_text(len(samples) / rate_hz)
        out.say(f'A voice says: "{TEXT}"')
        out.say(f"Its face: {len(clip)} frames for {lasts} of speech, in {seconds:.2f} s with loading the model.\n")
        out.result(_picture(clip, samples, rate_hz))
        paths = _write(out, clip, samples, rate_hz, output, bundle)
        where = "\n".join(f"  {path}" for path in [SAMPLE, *paths])
        out.result(where, sample=str(SAMPLE), files=[str(path) for path in paths], frames=len(clip), fps=clip.fps)
        if not json and (no_browser or sys.stdout.isatty()):
            _look(out, paths[1], browser=not no_browser)


def _picture(clip: FaceClip, samples: Array, rate_hz: int) -> str:
    from voxface.cli.picture import mouth_picture
    from voxface.face.gap import rig_gap

    gap = rig_gap(clip.weights, clip.channels)
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return mouth_picture(samples, rate_hz, gap, clip.fps, encoding) + "\n"


def _write(out: Output, clip: FaceClip, samples: Array, rate_hz: int, folder: Path, bundle: str) -> list[Path]:
    """Write every file; without matplotlib, all but the picture."""
    from voxface.bundle import load_bundle
    from voxface.export.formats import write
    from voxface.render.plot import draw_clip

    opened = load_bundle(bundle)
    audio = {"name": SAMPLE.name, "sample_rate": rate_hz}
    paths = [folder / "hello.csv", folder / "hello.json"]
    for path in paths:
        write(clip, path, audio=audio, model={"name": opened.name, "sha256": opened.sha256})
    curves = folder / "curves.png"
    try:
        draw_clip(clip, samples, rate_hz, curves, f"voxface {opened.name}: {TEXT}")
    except MissingDependencyError as error:
        out.say(f"no picture of the curves: {error}")
        return paths
    return [*paths, curves]


def _look(out: Output, clip: Path, browser: bool) -> None:
    """Show the written clip in the viewer until Ctrl-C."""
    from voxface.viewer.serve import serve
    from voxface.viewer.session import Session

    def ready(address: str) -> None:
        out.result(f"\nlook at it: {address}")
        out.say("Ctrl-C ends it.")
        sys.stdout.flush()

    with Session(text=TEXT) as session:
        session.listen(SAMPLE)
        session.open(clip)
        serve(session, browser=browser, ready=ready, tell=out.say)
