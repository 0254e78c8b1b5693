"""`voxface articulation`: the table behind the articulation: show it, time real speech by phones, fit it to faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import running

app = typer.Typer(help="Articulation: show its table, align real speech, fit it to faces.", no_args_is_help=True)


@app.command()
def align(
    dataset: Annotated[Path, typer.Argument(help="A dataset of real speech.")],
    words: Annotated[Path, typer.Option(help="Word times: tab-separated columns clip, start_s, end_s, word.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Phone times of all recordings, tab-separated.")],
    lexicon: Annotated[Path | None, typer.Option(help="Pronunciations: a word, a tab, its phones in ARPAbet.")] = None,
    listen: Annotated[
        bool, typer.Option("--listen/--no-listen", help="Find them by ear, or by typical lengths.")
    ] = True,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Find the phones of real speech whose words and word times are known."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.articulation.words import read_words
        from voxface.dataset.dataset import load_dataset
        from voxface.dataset.recording import SPLITS
        from voxface.synth.align import align_recordings
        from voxface.synth.phone_table import write_phone_table

        home, said = load_dataset(dataset), read_words(words)
        recordings = [one for split in SPLITS for one in home.each(split)]
        out.say(f"aligning {len(recordings)} recordings ...")
        found = align_recordings(recordings, said, lexicon, listen)
        write_phone_table(found.phones, output)
        count = sum(len(phones) for phones in found.phones.values())
        out.result(
            f"{output}: {count} phones of {len(found.phones)} recordings",
            output=str(output), recordings=len(found.phones), phones=count, skipped=dict(found.skipped),
        )  # fmt: skip


@app.command()
def fit(
    dataset: Annotated[Path, typer.Argument(help="A dataset of captured faces.")],
    phones: Annotated[Path, typer.Option(help="Its phones, as voxface articulation align writes them.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The fitted table, TOML.")],
    table: Annotated[Path | None, typer.Option(help="Table to begin with; default: the hand-written one.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Fit the table to the train split of captured faces, and judge it on the test split beside the old one."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.articulation.table import load_table, save_table
        from voxface.dataset.dataset import load_dataset
        from voxface.synth.fit import HAND_TABLE, fit_table
        from voxface.synth.phone_table import read_phone_table
        from voxface.synth.takes import earlier, oracle, read_takes

        home, spoken, before = load_dataset(dataset), read_phone_table(phones), load_table(table or HAND_TABLE)
        takes, test = (read_takes(home.each(split), spoken) for split in ("train", "test"))
        out.say(f"fitting to {len(takes)} recordings ...")
        fitted = fit_table(takes, before, tell=out.detail)
        save_table(fitted.table, output)
        moved = [earlier(take, fitted.lag_rows) for take in test]
        judged = [oracle(moved, one, name) for name, one in (("before", before), ("fitted", fitted.table))]
        lines = [
            f"{output}: faces {10 * fitted.lag_rows} ms late, {len(fitted.steps)} rates, strengths and times changed"
        ]
        lines += [f"r over {len(moved)} test recordings:", *map(str, judged)]
        out.result(
            "\n".join(lines), output=str(output), lag_ms=10 * fitted.lag_rows, steps=list(fitted.steps),
            test_recordings=len(moved), r={one.table: dict(one.r) for one in judged},
        )  # fmt: skip


@app.command()
def show(
    table: Annotated[Path | None, typer.Argument(help="A table; default: the one that comes with voxface.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Check a table and print it: a row per target, a column per channel, in percent of the full pose."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.articulation.table import load_table

        found = load_table(table)
        values = {group.name: found.targets(group.name) for group in found.groups}
        targets = {
            name: {
                channel: round(float(values[group.name][row, column]), 4)
                for group in found.groups
                for column, channel in enumerate(group.channels)
            }
            for row, name in enumerate(found.target_names)
        }
        out.result(_grid(targets), targets=targets)


def _grid(targets: dict[str, dict[str, float]]) -> str:
    """Targets as a table of whole percents; a point where a channel rests."""
    channels = [name for name in next(iter(targets.values())) if any(row[name] for row in targets.values())]
    short = [name.removeprefix("mouth") for name in channels]
    lines = ["      " + " ".join(f"{name:>10}" for name in short)]
    for name, row in targets.items():
        cells = [f"{100 * row[channel]:.0f}" if row[channel] else "." for channel in channels]
        lines.append(f"{name:<6}" + " ".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)
