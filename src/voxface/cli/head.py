"""`voxface head`: our head: made, measured, shown in all its poses."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import running
from voxface.errors import HeadError

app = typer.Typer(help="Our head: make it, measure one, show all poses.", no_args_is_help=True)

HeadFile = Annotated[Path | None, typer.Argument(help="A head as GLB; default: the one that comes with voxface.")]


@app.command()
def build(
    output: Annotated[Path, typer.Option("-o", "--output", help="The head, GLB.")],
    plain: Annotated[
        bool, typer.Option("--plain", help="Without KHR_mesh_quantization, for old programs; twice as large.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Make the head from nothing but its code; the same bytes as the one that comes with voxface."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.head.build import build_head
        from voxface.head.store import write_head

        head = build_head()
        size = write_head(head, output, compact=not plain)
        vertices = sum(len(part.positions) for part in head.parts)
        text = f"{output}: {vertices} vertices, {len(head.targets)} targets, {size / 1e6:.2f} MB"
        out.result(text, output=str(output), vertices=vertices, targets=len(head.targets), bytes=size)


@app.command()
def check(
    file: HeadFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Measure a head: mirror, regions, lips, lids, surfaces that cross. "!" marks what is beyond its limit."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.head.measure.report import measure
        from voxface.head.shipped import load_head

        findings = measure(load_head(file), lambda line: out.result(line))
        bad = [finding.what for finding in findings if not finding.good]
        out.result("", findings=[asdict(finding) | {"good": finding.good} for finding in findings])
        if bad:
            hint = "docs/head.md says how each is measured."
            raise HeadError(
                f"{len(bad)} of {len(findings)} measures are beyond their limits: {', '.join(bad)}.", hint=hint
            )


@app.command()
def sheet(
    output: Annotated[Path, typer.Option("-o", "--output", help="The picture, PNG.")],
    file: HeadFile = None,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Of one face, pixels.")] = 240,
    columns: Annotated[int, typer.Option(min=1, max=64, help="Faces in a row.")] = 9,
    camera: Annotated[str, typer.Option(help="front, three-quarter, profile or mouth.")] = "front",
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Draw the head at rest and every target at 1 on one sheet."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.audio.movie import encoders, write_png
        from voxface.head.shipped import load_head
        from voxface.render.poses import pose_sheet

        encoders()  # before anything is drawn for nothing
        head = load_head(file)
        picture = pose_sheet(head, size=size, columns=columns, camera=camera)
        write_png(output, picture)
        height, width, _ = picture.shape
        text = f"{output}: {1 + len(head.targets)} poses, {width} x {height} pixels"
        out.result(text, output=str(output), poses=1 + len(head.targets), width=width, height=height)
