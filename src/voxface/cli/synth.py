"""`voxface synth`: text becomes speech with phone times and the mouth that goes with it."""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, running
from voxface.errors import MissingDependencyError, SomeFailedError, UsageError
from voxface.timebase import clock_text

if TYPE_CHECKING:
    from voxface.synth.build import Built
    from voxface.synth.plan import Script
    from voxface.synth.voices import Voice

MOST_SHOWN = 8


def synth(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the dataset.", show_default=False)] = None,
    minutes: Annotated[
        float, typer.Option(help="About so much speech; at least one recording of every voice.")
    ] = 300.0,
    voices: Annotated[
        str, typer.Option(help="Names separated by commas (--list shows them), an engine, or default.")
    ] = "default",
    seed: Annotated[int, typer.Option(min=0, help="Another number, other texts, rates, levels and pauses.")] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="Recordings made at once; 0: one per core.")] = 0,
    split: Annotated[str, typer.Option(help="last:3 (validate, of every voice) or all:train, all:test.")] = "last:3",
    articulation: Annotated[
        Path | None, typer.Option(help="Another articulation table (TOML).", show_default=False)
    ] = None,
    list_voices: Annotated[
        bool, typer.Option("--list", help="Name the voices and what is installed; do no more.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Let the speech engines of this machine speak, and make a dataset of it.

    A second run goes on where the first was interrupted. The same options give the same bytes.
    """
    with running(quiet, verbose, debug, json) as shown:
        from voxface.articulation.table import load_table
        from voxface.synth.build import build_synthetic
        from voxface.synth.plan import make_plan, parse_split

        if list_voices:
            _list(shown)
            return
        if out is None:
            raise UsageError("voxface synth needs a folder.", hint="Name it with -o FOLDER.")
        if find_spec("safetensors") is None:
            text = "voxface synth needs the library safetensors, which is not installed."
            raise MissingDependencyError(text, hint="pip install 'voxface[synth]'")
        table, rule = load_table(articulation), parse_split(split)
        plan = make_plan(_installed(shown, voices), minutes, seed, rule)
        begun = time.monotonic()
        with shown.progress("synth", len(plan), "recordings") as bar:
            built = build_synthetic(
                plan, out, rule.text, table, jobs=jobs or os.cpu_count() or 1, advance=lambda name: bar.advance()
            )
        _report(shown, plan, built, time.monotonic() - begun)
        if built.missing:
            raise SomeFailedError(
                f"{built.missing} of {len(plan)} recordings could not be spoken; the dataset holds the others.",
                hint="The lines above say why; the same command tries them again.",
            )


def _installed(shown: Output, names: str) -> list[Voice]:
    """The voices asked for that are there. Raises: MissingDependencyError: none is."""
    from voxface.synth.engines import apt_line, find_voices
    from voxface.synth.voices import choose_voices

    wanted = choose_voices(names)
    found, problems = find_voices(wanted)
    if not found:
        text = f"none of the {len(wanted)} voices asked for is installed."
        raise MissingDependencyError(text, hint=apt_line(wanted))
    shown.results["missing"] = problems
    for problem in problems:
        shown.say(problem)
    return found


def _list(shown: Output) -> None:
    from voxface.synth.engines import find_voices
    from voxface.synth.voices import VOICES

    found, problems = find_voices(VOICES)
    lines = [f"{'voice':<38}{'language':<10}{'share':>6}  {'from':<11}"]
    for voice in VOICES:
        share = f"{voice.share:.2f}" if voice.share else "-"
        source = "people" if voice.human else "rules"
        there = "" if voice in found else "  not installed"
        lines.append(f"{voice.speaker:<38}{voice.language:<10}{share:>6}  {source:<11}{there}")
    lines.append("Voices without a share are for evaluation. espeak-ng has more: espeak-NAME, such as espeak-de+f2.")
    shown.result(
        "\n".join([*lines, *problems]),
        voices=[{"name": v.speaker, "language": v.language, "share": v.share, "installed": v in found} for v in VOICES],
    )


def _report(shown: Output, plan: list[Script], built: Built, took_s: float) -> None:
    entries = built.dataset.manifest.entries
    speech_s = sum(entry.facts.quality.seconds for entry in entries)
    for fault in built.faults[: None if shown.verbose else MOST_SHOWN]:
        shown.say(f"skipped: {fault}")
    lines = [f"{len(built.faults)} texts or recordings were skipped"] if built.faults else []
    if built.unknown:
        names = ", ".join(f"{name} {count}" for name, count in built.unknown)
        lines.append(f"unknown phones, taken as a schwa: {names}")
    new = len(entries) - built.kept
    rate = f"; {built.kept} were there before" if built.kept else f", {speech_s / took_s:.0f} x real time"
    lines.append(
        f"{built.dataset.folder}: {len(entries)} recordings of {len(built.dataset.speakers)} voices, "
        f"{clock_text(speech_s)} of speech in {clock_text(took_s)}{rate}"
    )
    shown.result(
        "\n".join(lines), dataset=str(built.dataset.folder), recordings=len(entries), planned=len(plan), made=new,
        kept=built.kept, voices=list(built.dataset.speakers), speech_s=round(speech_s, 1), took_s=round(took_s, 1),
        skipped=list(built.faults), unknown_phones=dict(built.unknown),
    )  # fmt: skip
