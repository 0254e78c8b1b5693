"""The program `voxface`: its verbs, their defaults from environment and file, and how it ends."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import typer

from voxface import __version__
from voxface.cli.output import Output, quiet_pipe, report
from voxface.errors import UsageError, VoxfaceError

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: its matrices here are too small for a second thread

app = typer.Typer(
    name="voxface",
    help="Speech in, face animation out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:
    if value:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def add_verbs() -> None:
    """Give the program its verbs, in the order of its help."""
    from voxface.cli import (
        a2f,
        animate,
        articulation,
        capture,
        dataset,
        demo,
        doctor,
        evaluate,
        head,
        live,
        model,
        plot,
        render,
        report,
        serve,
        synth,
        train,
        view,
    )

    verbs = (
        animate.animate, capture.capture, dataset.dataset, train.train, evaluate.evaluate, demo.demo, doctor.doctor,
        synth.synth, plot.plot, render.render, report.report, view.view, live.live, serve.serve, a2f.a2f,
    )  # fmt: skip
    for verb in verbs:
        app.command()(verb)
    app.add_typer(model.app, name="model")
    app.add_typer(articulation.app, name="articulation")
    app.add_typer(head.app, name="head")


def defaults() -> dict[str, Any]:
    """Defaults of the verbs from the file named by VOXFACE_CONFIG, else `voxface.toml` here: a table per verb.

    Precedence: flag > environment > this file > built-in.
    """
    named = os.environ.get("VOXFACE_CONFIG")
    path = Path(named or "voxface.toml")
    if not named and not path.is_file():
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"cannot read the settings in {path}: {error}.", source=str(path)) from error
    known = {verb.callback.__name__ for verb in app.registered_commands if verb.callback}
    known |= {str(group.name) for group in app.registered_groups}
    for name, table in tables.items():
        if name not in known or not isinstance(table, dict):
            names = ", ".join(sorted(known))
            raise UsageError(f"{path} has {name!r}, which is no table of a verb.", hint=f"Verbs: {names}.")
    return {verb: {key.replace("-", "_"): value for key, value in t.items()} for verb, t in tables.items()}


def main() -> None:
    """Entry point of the program."""
    add_verbs()
    try:
        app(prog_name="voxface", auto_envvar_prefix="VOXFACE", default_map=defaults())
    except VoxfaceError as error:
        sys.exit(report(error, Output(debug="--debug" in sys.argv, json="--json" in sys.argv)))
    except BrokenPipeError:
        quiet_pipe()
        sys.exit(0)


if __name__ == "__main__":
    main()
