"""`voxface dataset`: captures become a dataset to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, running
from voxface.errors import SomeFailedError, UsageError
from voxface.face.rig import ARKIT
from voxface.timebase import clock_text

if TYPE_CHECKING:
    from voxface.dataset.build import BuildOptions, Built
    from voxface.dataset.manifest import Manifest
    from voxface.dataset.split import SplitRule
    from voxface.dataset.summary import SplitSummary

MOST_SHOWN = 8
MOUTH_SHOWN = ("jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthSmileLeft", "mouthSmileRight")


def dataset(
    captures: Annotated[list[Path], typer.Argument(help="Captures, or folders of them.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the dataset.", show_default=False)],
    speaker: Annotated[str | None, typer.Option(help="Who speaks in all of them.")] = None,
    speaker_from: Annotated[
        str | None,
        typer.Option(help="Who speaks: parent (name of the folder, default), stem (of the file), or TABLE.tsv."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="sha256:900,50 · speaker:8,1 · shares such as sha256:0.9,0.05 · all:test.")
    ] = None,
    test_speaker: Annotated[list[str] | None, typer.Option(help="All of this speaker is test.")] = None,
    validate_speaker: Annotated[list[str] | None, typer.Option(help="All of this speaker is validate.")] = None,
    everything: Annotated[
        str | None, typer.Option("--all", help="Everything into this split: train, validate or test.")
    ] = None,
    shared_speakers: Annotated[
        bool, typer.Option("--shared-speakers", help="A speaker among several may stand in more than one split.")
    ] = False,
    sync: Annotated[
        str, typer.Option(help="Offset of face and sound: report, correct (where it is known), or off.")
    ] = "report",
    keep: Annotated[
        str, typer.Option(help="Which verdicts to keep: good, look (all but what is to be left out), or all.")
    ] = "look",
    report: Annotated[
        Path | None, typer.Option(help="Where to write the page about their quality. Default: report.html in --out.")
    ] = None,
    window: Annotated[int, typer.Option(help="Rows of 10 ms in a window.")] = 24,
    overlap: Annotated[int, typer.Option(help="Rows that a window shares with the next.")] = 12,
    sequences: Annotated[Path | None, typer.Option(help="Also write all windows into this safetensors file.")] = None,
    mel_ceiling_db: Annotated[float, typer.Option(help="Mel energies above this are counted and clipped.")] = 10.0,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Align captures to 100 rows a second, check, split and calibrate them."""
    with running(quiet, verbose, debug, json) as shown:
        from voxface.dataset.build import BuildOptions
        from voxface.dataset.speakers import parse_speaker_rule
        from voxface.dataset.windows import check_window

        check_window(window, overlap)
        options = BuildOptions(
            speakers=parse_speaker_rule(speaker, speaker_from),
            split=_rule(split, everything, test_speaker or [], validate_speaker or [], shared_speakers),
            mel_ceiling_db=mel_ceiling_db,
            sync=sync,
            keep=keep,
        )
        page = report or out / "report.html"
        built = _build(shown, captures, out, options, page)
        _report(shown, built, window, overlap, page)
        if sequences is not None:
            _write_windows(shown, built, sequences, window, overlap, mel_ceiling_db)
        if built.failures:
            raise SomeFailedError(
                f"{len(built.failures)} of the captures could not be used; the dataset holds the others.",
                hint="The lines above say why.",
            )


def _rule(
    text: str | None, everything: str | None, test: list[str], validate: list[str], shared: bool
) -> SplitRule | None:
    """The rule that the options ask for; None: the default. With named speakers alone, all others are train."""
    from voxface.dataset.split import parse_rule

    if text is not None and everything is not None:
        raise UsageError("--split and --all exclude each other.")
    if everything is not None:
        text = f"all:{everything}"
    if text is None and (test or validate):
        text = "all:train"
    return None if text is None else parse_rule(text, test, validate, shared)


def _build(shown: Output, captures: list[Path], out: Path, options: BuildOptions, page: Path) -> Built:
    from voxface.dataset.build import build_dataset
    from voxface.dataset.sources import find_sources

    total = len(find_sources(captures))
    with shown.progress("dataset", total, "recordings") as bar:
        built = build_dataset(captures, out, options, report=page, advance=lambda name: bar.advance())
    for error in built.failures:
        shown.say(f"error[{error.code}]: {error}")
    if built.kept:
        shown.detail(f"{built.kept} recordings were there already and were kept.")
    return built


def _report(shown: Output, built: Built, window: int, overlap: int, page: Path) -> None:
    from voxface.dataset.quality import total
    from voxface.dataset.summary import summarize, to_json

    manifest = built.dataset.manifest
    parts = summarize(built.dataset, window, overlap)
    quality = total(entry.facts.quality for entry in manifest.entries)
    far = ", ".join(f"{name} {count}" for name, count in quality.far_outside.items()) or "none"
    shares = quality.shares
    lines = [
        *_table(parts),
        f"seen in {shares['face']:.1%} of the frames; speech in {shares['speech']:.1%} of the rows",
        f"clipped: {shares['weights_clipped']:.3%} of the weights (far outside: {far}), "
        f"{shares['positions_clipped']:.3%} of the positions; mel cells above the ceiling: {shares['mel_above']:.3%}",
        *_first(_speaker_lines(manifest), "speakers"),
        *_first(_sync_lines(manifest), "estimates of sync"),
        *_quality_lines(built),
        f"report: {page}",
        f"dataset: {built.dataset.folder}",
    ]
    shown.result(
        "\n".join(lines),
        dataset=str(built.dataset.folder),
        splits=to_json(parts),
        speakers={name: known.to_json() for name, known in manifest.speakers.items()},
        quality=quality.to_json() | {"shares": shares},
        sync=dict(manifest.sync),
        report=str(page),
        verdicts=_verdicts(built),
        failed=[{"code": error.code, "message": error.message, "input": error.source} for error in built.failures],
        kept=built.kept,
    )


def _table(parts: dict[str, SplitSummary]) -> list[str]:
    """One line per split that holds something."""
    head = f"{'split':<9}{'recordings':>11}{'speakers':>10}{'length':>14}{'valid rows':>18}{'windows':>9}{'gap r':>15}"
    lines = [head]
    for name, part in parts.items():
        if part.recordings:
            share = part.valid_rows / part.rows if part.rows else 0.0
            rows = f"{part.valid_rows} ({share:.1%})"
            spread = "" if part.gap_r_error is None else f" ± {part.gap_r_error:.3f}"
            r = "-" if part.gap_r is None else f"{part.gap_r:.3f}{spread}"
            length = clock_text(part.minutes * 60)
            lines.append(
                f"{name:<9}{part.recordings:>11}{part.speakers:>10}{length:>14}{rows:>18}{part.windows:>9}{r:>15}"
            )
    return lines


def _first(lines: list[str], what: str) -> list[str]:
    more = len(lines) - MOST_SHOWN
    return lines if more <= 0 else [*lines[:MOST_SHOWN], f"... and {more} more {what} in the manifest"]


def _speaker_lines(manifest: Manifest) -> list[str]:
    """What is known of each speaker's face."""
    lines = []
    for name, known in sorted(manifest.speakers.items()):
        rest = dict(zip(ARKIT, known.rest, strict=True))
        shown = " ".join(f"{channel} {rest[channel]:.3f}" for channel in MOUTH_SHOWN)
        lines.append(
            f"speaker {name}: rest by {known.method} ({known.resting_rows} rows): {shown}; "
            f"rig gap = {known.gap_scale:.3f} x gap {known.gap_offset:+.3f}, r {known.gap_r:.3f}"
        )
    return lines


def _sync_lines(manifest: Manifest) -> list[str]:
    """What is known of the offset of face and sound."""
    lines = []
    for name, found in manifest.sync.items():
        numbers = ""
        if found["best_r"] is not None:
            numbers = f": r {found['best_r']:.3f} at {found['best_ms']:+.0f} ms, {found['zero_r']:.3f} at 0"
        known = f"face {found['offset_ms']:+.0f} ms late" if found["offset_ms"] is not None else found["verdict"]
        lines.append(f"sync of {name}: {known}{numbers} ({found['seconds']:.0f} s of face)")
    return lines


def _verdicts(built: Built) -> dict[str, int]:
    from voxface.dataset.quality_verdict import VERDICTS

    return {name: sum(one.judgement.verdict == name for one in built.judged) for name in VERDICTS}


def _quality_lines(built: Built) -> list[str]:
    """Verdicts, and what was changed about the sound."""
    clipped = [one.made.numbers.samples_clipped for one in built.judged if one.made and not one.error]
    loud = f"; {sum(clipped)} samples beyond full scale clipped, in {sum(map(bool, clipped))} recordings"
    verdicts = ", ".join(f"{count} {name}" for name, count in _verdicts(built).items())
    return [f"captures: {verdicts}{loud if any(clipped) else ''}"]


def _write_windows(shown: Output, built: Built, path: Path, window: int, overlap: int, ceiling_db: float) -> None:
    from voxface.audio.features import FeatureSpec
    from voxface.dataset.sequences import write_sequences

    spec = FeatureSpec(clip_db=(FeatureSpec().clip_db[0], ceiling_db))
    with shown.progress("windows", len(built.dataset.manifest.entries), "recordings") as bar:
        count = write_sequences(built.dataset, path, window, overlap, spec, lambda name: bar.advance())
    shown.result(f"{count} windows: {path}", sequences=str(path), windows=count)
