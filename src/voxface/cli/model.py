"""`voxface model`: bundles: make one from a training run, look at one, list the shipped ones."""

from __future__ import annotations

import json as json_text
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import running
from voxface.errors import InputError

if TYPE_CHECKING:
    from voxface.bundle import Bundle

app = typer.Typer(help="Models: export a training run, import, show a bundle, list the shipped.", no_args_is_help=True)
importing = typer.Typer(help="Make bundles of models of others.", no_args_is_help=True)
app.add_typer(importing, name="import")


@app.command()
def export(
    run: Annotated[
        list[Path], typer.Argument(help="Folder of a training run, or its checkpoint; several: their mean.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the bundle, NAME.voxface.")],
    name: Annotated[str | None, typer.Option(help="Name in the bundle; default: the folder's.")] = None,
    data: Annotated[str | None, typer.Option(help="What it was trained on, in words.")] = None,
    licence: Annotated[list[str] | None, typer.Option(help="Licence of the data; may stand several times.")] = None,
    evaluation: Annotated[Path | None, typer.Option(help="Report of voxface evaluate (JSON) to keep in it.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Make a bundle of a training run, and check that it says what the trained net says."""
    from voxface.cli.train import training_installed

    with running(quiet, verbose, debug, json) as out, training_installed():
        from voxface.training.export import export_bundle

        about: dict[str, Any] = {} if data is None else {"data": data}
        if licence:
            about["licences"] = list(licence)
        metrics = read_report(evaluation) if evaluation else None
        bundle, difference = export_bundle(run, output, name=name, metrics=metrics, about=about)
        size = (bundle.folder / "model.onnx").stat().st_size
        text = f"{bundle.folder}: {size / 1e6:.1f} MB, differs from the trained net by at most {difference:.1e}"
        out.result(text, bundle=str(bundle.folder), bytes=size, difference=difference, sha256=bundle.sha256)


class Precision(StrEnum):
    """Numbers in which a bundle's model computes."""

    fp32 = "fp32"
    int8 = "int8"


@importing.command()
def neurosync(
    checkpoint: Annotated[Path, typer.Argument(help="A state dict (.pth), or a checkpoint of its trainer.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the bundle, NAME.voxface.")],
    generation: Annotated[
        str, typer.Option(help="auto, or g0-october, g0, g1a, g1b, g2-lag0, g2-sinusoid, g2, g3, g4.")
    ] = "auto",
    position: Annotated[
        str | None, typer.Option(help="attention_rope, global_rope, sinusoid, constant; default: the generation's.")
    ] = None,
    heads: Annotated[int | None, typer.Option(min=1, help="Of each attention; default: by the layers.")] = None,
    precision: Annotated[
        Precision, typer.Option(help="int8: a quarter of the size, faster, less exact.")
    ] = Precision.fp32,
    without_emotions: Annotated[
        bool, typer.Option("--without-emotions", help="Accept a model of 61 outputs; its emotions are 0.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name in the bundle; default: the folder's.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Make a bundle of a NeuroSync checkpoint that you have; the file is read, never run."""
    from voxface.cli.train import training_installed

    with running(quiet, verbose, debug, json) as out, training_installed():
        from voxface.training.neurosync_import import import_neurosync

        bundle, difference = import_neurosync(
            checkpoint, output, generation=generation, position=position, heads=heads, precision=precision.value,
            without_emotions=without_emotions, name=name,
        )  # fmt: skip
        size, about = (bundle.folder / "model.onnx").stat().st_size, bundle.training["imported"]
        text = (
            f"{bundle.folder}: {about['generation']}, {size / 1e6:.1f} MB {precision.value}, differs from the "
            f"checkpoint by at most {difference:.1e} on noise"
        )
        out.result(text, bundle=str(bundle.folder), bytes=size, difference=difference, imported=about)


@app.command()
def show(
    bundle: Annotated[str, typer.Argument(help="A shipped name or a bundle folder.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Open a bundle, check that model and description agree, and say what it is."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.bundle import load_bundle
        from voxface.runtime.net import Net
        from voxface.runtime.window_net import WindowNet

        found = load_bundle(bundle)
        (WindowNet if found.window else Net)(found)  # raises where the two files disagree
        size = (found.folder / "model.onnx").stat().st_size
        latency = None if found.window else found.latency_ms(16_000)
        out.result(card(found, size), **found.to_json(), bytes=size, latency_ms=latency)


@app.command(name="list")
def list_shipped(quiet: Quiet = False, verbose: Verbose = False, debug: Debug = False, json: Json = False) -> None:
    """List the bundles that come with voxface."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.bundle import load_bundle, shipped_bundles

        found = [load_bundle(name) for name in shipped_bundles()]
        lines = [f"{b.name}: {b.training.get('data', '')}" for b in found]
        if not found:
            out.say("no bundle comes with this installation.")
        out.result("\n".join(lines), bundles=[b.name for b in found])


def card(bundle: Bundle, size: int) -> str:
    """A bundle in words, one fact a line."""
    training = bundle.training
    feature, level = bundle.feature, bundle.feature.level
    outputs = ", ".join(f"{out.name} ({out.unit})" for out in bundle.outputs)
    lines = [
        ("name", bundle.name),
        ("folder", str(bundle.folder)),
        ("drives", f"{len(bundle.drives)} channels; outputs {outputs}"),
        ("takes", f"{feature.kind}, {feature.rows} numbers a row, {bundle.rate_hz} rows a second, "
                  f"level control {'off' if level is None else f'to {level.target_db:g} dB'}"),
        ("latency", _latency(bundle)),
        ("size", f"{size / 1e6:.2f} MB, {len(bundle.states)} states"),
        ("trained on", str(training.get("data", ""))),
        ("licences", "; ".join(map(str, training.get("licences", [])))),
        ("commit", str(training.get("commit", ""))),
        ("sha256", bundle.sha256),
        ("metrics", json_text.dumps(dict(bundle.metrics))),
    ]  # fmt: skip
    return "\n".join(f"{what:<11} {text or '-'}" for what, text in lines)


def _latency(bundle: Bundle) -> str:
    if bundle.window:
        return f"cannot stream: works on whole clips, in windows of {bundle.window.frames} frames"
    return f"{bundle.latency_ms(16_000):.1f} ms at 16 kHz, {10 * bundle.look_ahead_rows} ms of it look-ahead"


def read_report(path: Path) -> dict[str, Any]:
    """The headline numbers in the JSON of an evaluation. Raises: InputError: it cannot be read or is no report."""
    try:
        value = json_text.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read the report {path}: {error}.", source=str(path)) from error
    headline = value.get("headline") if isinstance(value, dict) else None
    if not isinstance(headline, dict):
        raise InputError(f"{path} is no report of an evaluation: it has no 'headline'.", source=str(path))
    return headline
