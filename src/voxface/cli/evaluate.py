"""`voxface evaluate`: how well a bundle follows captured faces, beside the baselines that it must beat."""

from __future__ import annotations

import json as json_text
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, SkipMissing, Verbose
from voxface.cli.output import Output, running
from voxface.errors import DatasetError, MissingDependencyError, UsageError

if TYPE_CHECKING:
    from voxface.dataset.dataset import Dataset
    from voxface.evaluation.report import Report


def evaluate(
    dataset: Annotated[
        Path, typer.Option("--dataset", help="Dataset: baselines from its train split, judged on its test split.")
    ],
    bundle: Annotated[str, typer.Option(help="Model: a shipped name or a bundle folder.")] = "default",
    also: Annotated[
        list[str] | None, typer.Option(metavar="NAME=DATASET", help="Judge on all recordings of this dataset, too.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(help="Word times (clip, start_s, end_s, word; tab-separated): judges closures.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for report.md and .json, clips, curves, sheet.png."),
    ] = None,
    robust: Annotated[
        bool, typer.Option("--robust", help="Judge on noisy, narrow, echoing and quiet copies, too: 7 times the time.")
    ] = False,
    baselines_only: Annotated[
        bool, typer.Option("--baselines-only", help="No bundle: the ridge beside the other baselines.")
    ] = False,
    skip_missing: SkipMissing = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Judge a model, as shipped, on captured faces and synthetic speech, beside mean face, log energy and ridges."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.bundle import load_bundle
        from voxface.dataset.dataset import load_dataset
        from voxface.evaluation.evaluate import evaluate as judge
        from voxface.evaluation.events import read_events

        events = read_events(words) if words else None
        model = None if baselines_only else load_bundle(bundle)
        home = load_dataset(dataset, skip_missing=skip_missing)
        others = {name: load_dataset(path, skip_missing=skip_missing) for name, path in _named(also or []).items()}
        train, validate, test = (home.recordings(split) for split in ("train", "validate", "test"))
        groups = {f"{_folder_name(home)} test": test}
        for name, other in others.items():
            _refuse_training_videos(home, name, other)
            groups[name] = [other.read(entry) for entry in other.manifest.entries]
        out.say(f"fitting the baselines on {len(train)} recordings ...")
        _show(out, judge(model, groups, train, validate, events, robust), output)


def _named(pairs: list[str]) -> dict[str, Path]:
    """NAME=DATASET options as a mapping; a bare folder is called as it is called."""
    found: dict[str, Path] = {}
    for pair in pairs:
        name, equals, folder = pair.partition("=")
        name, path = (name, Path(folder)) if equals else (Path(pair).resolve().name, Path(pair))
        if not name or name in found:
            raise UsageError(f"--also {pair!r} needs a name of its own: NAME=DATASET.", source=pair)
        found[name] = path
    return found


def _folder_name(dataset: Dataset) -> str:
    return dataset.folder.resolve().name or "dataset"


def _refuse_training_videos(home: Dataset, name: str, other: Dataset) -> None:
    """Nobody is judged on what the baselines were fitted on."""
    learned = {entry.facts.session_id for split in ("train", "validate") for entry in home.entries(split)}
    shared = [entry.name for entry in other.manifest.entries if entry.facts.session_id in learned]
    if shared:
        raise DatasetError(
            f"{len(shared)} recordings of {name!r} stand in the train or validate split of {home.folder}: {shared[0]}.",
            hint="Judge on other recordings.",
            source=str(other.folder),
        )


def _show(out: Output, report: Report, output: Path | None) -> None:
    from voxface.evaluation.tables import against, details

    text = [f"{report.title}. {report.fitted}", report.short()]
    text += [f"{group.name}, {group.clips} clips\n{details(group)}" for group in report.groups] if out.verbose else []
    text += [against(group) for group in report.groups]
    files = _write(out, report, output) if output else []
    text += ["\n".join(map(str, files))] if files else []
    out.result("\n\n".join(text), **report.to_json(), files=[str(file) for file in files])


def _write(out: Output, report: Report, folder: Path) -> list[Path]:
    """Write report.md, report.json, the clips for `voxface report` and the pictures; give their paths."""
    from voxface.evaluation.kept import FILE, save_kept
    from voxface.files import atomic_write

    files = [folder / "report.md", folder / "report.json", folder / FILE]
    with atomic_write(files[0], "w") as file:
        file.write(report.to_markdown())
    with atomic_write(files[1], "w") as file:
        json_text.dump(report.to_json(), file, indent=1, allow_nan=False)
        file.write("\n")
    save_kept(files[2], report.title, report.groups)
    try:
        files += _draw(report, folder)
    except MissingDependencyError as error:
        out.say(f"no curves drawn: {error}")
    return files


def _draw(report: Report, folder: Path) -> list[Path]:
    """One picture of curves per group, and a sheet of every clip of the small groups of captured faces."""
    from voxface.evaluation.plot import draw_curves
    from voxface.evaluation.sheet import draw_sheet, sheet_groups

    files = []
    for group in report.groups:
        files.append(folder / f"curves_{re.sub(r'[^A-Za-z0-9._-]+', '_', group.name)}.png")
        draw_curves(group, files[-1])
    if shown := sheet_groups(report.groups):
        files.append(folder / "sheet.png")
        draw_sheet(shown, files[-1])
    return files
