"""`voxface report`: one HTML page about evaluations and clips, with curves, faces and players."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, running
from voxface.errors import MissingDependencyError, UsageError

if TYPE_CHECKING:
    from voxface.evaluation.page_clip import Shown
    from voxface.stream import Array


def report(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Folders of `voxface evaluate -o`, the judged one last; of training runs; clips, the captured first.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page.")] = Path("report.html"),
    audio: Annotated[str | None, typer.Option(help="The sound of the clips.")] = None,
    clips: Annotated[int, typer.Option(min=0, max=200, help="So many clips are shown in full, worst first.")] = 12,
    faces: Annotated[bool, typer.Option(help="Draw faces, not only curves.")] = True,
    fps: Annotated[float | None, typer.Option(help="Frame rate of a CSV; default: by its time codes.")] = None,
    bundle: Annotated[str, typer.Option(help="Model that animates a sound: a shipped name or a folder.")] = "default",
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Make one HTML page that needs nothing else: tables, curves, faces that speak."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.evaluation.page import read_evaluation, write_page
        from voxface.evaluation.page_runs import is_run, read_run

        folders = [name for name in inputs if Path(name).is_dir()]
        files = [name for name in inputs if not Path(name).is_dir()]
        if audio is not None and not files:
            raise UsageError("--audio is the sound of clips; evaluations have their own.", hint="Leave it out.")
        faces = faces and _can_draw(out)
        evaluations = [read_evaluation(folder) for folder in folders if not is_run(folder)]
        runs = [read_run(folder) for folder in folders if is_run(folder)]
        for one in evaluations:
            if one.lacks:
                out.say(f"no clips of {one.name}: {one.lacks}")
        shown = _shown(files, audio, bundle, fps)
        out.say(f"drawing {output} ...")
        write_page(output, evaluations, shown, runs, clips, faces)
        size = output.stat().st_size
        text = f"{output}: " + (f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB")
        out.result(text, output=str(output), bytes=size, evaluations=len(evaluations), runs=len(runs), clips=len(shown))


def _can_draw(out: Output) -> bool:
    """Whether the library is there that faces need; if not, the page has curves alone, and a line says so."""
    from voxface.audio.container import load_av

    try:
        load_av("drawing faces", "render")
    except MissingDependencyError as error:
        out.say(f"no faces drawn: {error}")
        return False
    return True


def _shown(files: list[str], audio: str | None, bundle: str, fps: float | None) -> list[Shown]:
    """A single clip alone; of several, every one beside the first."""
    import numpy as np

    from voxface.cli.shown import check_faces, face_of, is_clip_file
    from voxface.evaluation.page_likeness import compared

    faces = [face_of(name, audio if is_clip_file(name) else None, bundle, fps) for name in files]
    if not faces:
        return []
    check_faces(faces)
    sound = next((face.sound for face in faces if face.sound), None)
    samples = np.zeros(0, np.float32) if sound is None else _samples(sound)
    first = faces[0]
    pairs = [[first, other] for other in faces[1:]] or [[first]]
    return [compared([face.name for face in pair], [face.clip for face in pair], samples) for pair in pairs]


def _samples(path: str | bytes) -> Array:
    """(n,) float32 at 16 kHz."""
    from voxface.audio.decode import read_audio
    from voxface.audio.resample import to_16k

    return to_16k(*read_audio(path))
