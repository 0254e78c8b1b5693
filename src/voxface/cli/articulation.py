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
        from voxface.dataset.dataset import load_dataset
        from voxface.dataset.recording import SPLITS
        from voxface.synth.align import align_recordings
        from voxface.synth.phone_table import write_phone_table
        from voxface.synth.words import read_words

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
