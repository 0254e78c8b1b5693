"""`voxface model`: bundles: make one from a training run, look at one, list the shipped ones."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import running
from voxface.errors import InputError

if TYPE_CHECKING:
    from voxface.bundle import Bundle

app = typer.Typer(help="Models: export a training run, show a bundle, list the shipped ones.", no_args_is_help=True)


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

        found = load_bundle(bundle)
        Net(found)  # raises where the two files disagree
        size = (found.folder / "model.onnx").stat().st_size
        latency = found.latency_ms(16_000)
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
        ("latency", f"{bundle.latency_ms(16_000):.1f} ms at 16 kHz, {10 * bundle.look_ahead_rows} ms of it look-ahead"),
        ("size", f"{size / 1e6:.2f} MB, {len(bundle.states)} states"),
        ("trained on", str(training.get("data", ""))),
        ("licences", "; ".join(map(str, training.get("licences", [])))),
        ("commit", str(training.get("commit", ""))),
        ("sha256", bundle.sha256),
        ("metrics", json_text.dumps(dict(bundle.metrics))),
    ]  # fmt: skip
    return "\n".join(f"{what:<11} {text or '-'}" for what, text in lines)


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
