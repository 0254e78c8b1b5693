"""`voxface animate`: speech in, face animation out."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, one_line, running
from voxface.errors import SomeFailedError, UsageError, VoxfaceError
from voxface.timebase import clock_text

if TYPE_CHECKING:
    from voxface.audio.decode import AudioSource
    from voxface.runtime.feeling import Feeling
    from voxface.runtime.polish import Polish


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is done to every input; plain values, so that it travels to worker processes."""

    fps: float
    bundle: str
    channel: str
    raw: str | None = None
    strict: bool = False
    max_duration_s: float | None = None
    format: str | None = None
    gains: str | None = None
    intensity: float = 1.0
    mouth_only: bool = False
    threads: int | None = None
    no_idle: bool = False
    idle_seed: int | None = None
    audio_track: int = 0
    emotion: str | None = None
    emotion_mix: float = 0.0
    emotion_strength: float = 1.0
    no_emotion: bool = False
    expressions: str | None = None


def _print_expressions(value: bool) -> None:
    if value:
        from voxface.runtime.expressions import shipped_text

        print(shipped_text(), end="")
        raise typer.Exit


def animate(
    audio: Annotated[
        list[str] | None,
        typer.Argument(metavar="AUDIO", help="Speech: sound files, or videos for their sound; - is standard input."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="File, folder (several inputs) or - for standard output.")
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 60.0,
    format: Annotated[str | None, typer.Option(help="Format of the output; default: by its suffix.")] = None,
    bundle: Annotated[str, typer.Option(help="Model: a shipped name or a bundle folder.")] = "default",
    channel: Annotated[str, typer.Option(help="mix, or the number of the channel to take.")] = "mix",
    audio_track: Annotated[int, typer.Option(min=0, help="Which sound track of a video to take, counted from 0.")] = 0,
    raw: Annotated[
        str | None, typer.Option(help="The input is bare samples: ENCODING:RATE:CHANNELS, s16le:16000:1.")
    ] = None,
    gains: Annotated[
        str | None, typer.Option(help="TOML with tables [gain] and [offset] per channel, and [idle].")
    ] = None,
    intensity: Annotated[float, typer.Option(help="Factor on all weights.")] = 1.0,
    mouth_only: Annotated[bool, typer.Option("--mouth-only", help="Move jaw and mouth only.")] = False,
    no_idle: Annotated[
        bool, typer.Option("--no-idle", help="No blinks, gaze, head and brows but those that the model gives.")
    ] = False,
    idle_seed: Annotated[int | None, typer.Option(help="Other chances for blinks, gaze, head and brows.")] = None,
    emotion: Annotated[
        str | None,
        typer.Option(help="Show this, not what is heard: happy=0.6,sad=0.2, or a track: .csv, .json, .toml."),
    ] = None,
    emotion_mix: Annotated[
        float, typer.Option(help="Where --emotion leaves room, this share of it is for what is heard: 0 to 1.")
    ] = 0.0,
    emotion_strength: Annotated[float, typer.Option(help="Factor on the expressions of emotions, 0 to 2.")] = 1.0,
    no_emotion: Annotated[
        bool, typer.Option("--no-emotion", help="Do not listen for emotions; only --emotion shows.")
    ] = False,
    expressions: Annotated[
        str | None, typer.Option(help="TOML with what emotions do to the face, over the shipped table.")
    ] = None,
    print_expressions: Annotated[
        bool,
        typer.Option(
            "--print-expressions", callback=_print_expressions, is_eager=True, help="Print the shipped table and stop."
        ),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse input that would have to be mended.")] = False,
    max_duration: Annotated[float | None, typer.Option(help="Refuse longer recordings (seconds).")] = None,
    jobs: Annotated[int, typer.Option(help="Inputs worked on at a time.")] = 1,
    threads: Annotated[
        int | None, typer.Option(help="Threads of the net for one input; default: cores, at most 4.")
    ] = None,
    phones: Annotated[
        str | None,
        typer.Option(help="Animate these phones, not the sound: Praat TextGrid, .lab, or Rhubarb's .tsv."),
    ] = None,
    articulation: Annotated[str | None, typer.Option(help="TOML of the articulation that --phones uses.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Animate speech: 52 blendshapes and head pose."""
    with running(quiet, verbose, debug, json) as out:
        job = Job(
            fps=fps, bundle=bundle, channel=channel, audio_track=audio_track, raw=raw, strict=strict,
            max_duration_s=max_duration, format=format, gains=gains, intensity=intensity, mouth_only=mouth_only,
            threads=threads if threads else (1 if jobs > 1 else None), no_idle=no_idle, idle_seed=idle_seed,
            emotion=emotion, emotion_mix=emotion_mix, emotion_strength=emotion_strength, no_emotion=no_emotion,
            expressions=expressions,
        )  # fmt: skip
        if output == "-" and out.json:
            raise UsageError("--json and -o - would both write to standard output.", hint="Give a file with -o.")
        if phones is not None:
            from voxface.cli.animate_phones import from_phones

            if emotion or expressions:
                raise UsageError("--emotion and --expressions go with sound, not with --phones.")

            _report(out, from_phones(phones, audio or [], output, job, articulation))
            return
        if articulation:
            raise UsageError("--articulation shapes phones only.", hint="Give phones with --phones FILE.")
        if not audio:
            raise UsageError("nothing to animate: give speech files, or phones with --phones FILE.")
        pairs = plan(audio, output, format)
        if len(pairs) == 1:
            _report(out, one(*pairs[0], job, out))
            return
        _many(pairs, job, max(1, jobs), out)


def plan(inputs: list[str], output: str | None, format: str | None) -> list[tuple[str, str]]:
    """Which input goes to which output: a file, `-`, or a folder for several inputs; no two to the same place.

    Raises: UsageError: outputs collide, several inputs go to one file, or an output is its own input.
    """
    from voxface.export.formats import format_named

    suffix = format_named(format).suffixes[0] if format else ".csv"
    folder = output is not None and output != "-" and (os.path.isdir(output) or output.endswith("/") or len(inputs) > 1)
    if len(inputs) > 1 and output is not None and (output == "-" or os.path.isfile(output) or Path(output).suffix):
        raise UsageError("several inputs need a folder as output.", hint="Give one with -o FOLDER/.")
    pairs = []
    for name in inputs:
        stem = "stdin" if name == "-" else Path(name).stem
        if output is None or folder:
            pairs.append((name, str(Path(output or ".") / f"{stem}{suffix}")))
        else:
            pairs.append((name, output))
    targets = [target for _, target in pairs if target != "-"]
    if len(set(targets)) < len(targets):
        twice = sorted({target for target in targets if targets.count(target) > 1})
        raise UsageError(
            f"two inputs would both be written to {twice[0]}.", hint="Animate them into different folders."
        )
    for name, target in pairs:
        if "-" not in (name, target) and _same_file(name, target):
            raise UsageError(
                f"the output {target} is the input itself.", hint="Choose another name with -o.", source=name
            )
    return pairs


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them is not there, or cannot be
        return False


def one(source: str, target: str, job: Job, out: Output | None = None) -> dict[str, Any]:
    """Animate one input into one output, in constant memory; give its summary."""
    import sys

    from voxface.export.formats import format_for, open_writer
    from voxface.export.writing import ClipHeader
    from voxface.face.rig import ARKIT
    from voxface.runtime.animate import animate_blocks, open_session
    from voxface.runtime.idle import load_idle
    from voxface.runtime.threads import offline_threads

    began = time.perf_counter()
    polish, feeling = polish_of(job), feeling_of(job)
    idle = None if job.no_idle else load_idle(job.gains, job.idle_seed)
    format = format_for(target, job.format)
    with sound_of(source, job) as audio:
        threads = job.threads or offline_threads()
        session = open_session(job.bundle, audio.rate_hz, job.fps, polish, idle, feeling, threads=threads)
        header = ClipHeader(
            channels=ARKIT, fps=job.fps, start_s=0.0, has_head=session.has_head, has_emotion=session.has_emotion,
            audio={"name": audio.name, "sample_rate": audio.rate_hz},
            model={"name": session.bundle.name, "sha256": session.bundle.sha256},
        )  # fmt: skip
        clips = animate_blocks(audio, session, block=audio.rate_hz // 50 if target == "-" else 1 << 16)
        frames = 0
        first = next(clips)  # an input without sound fails before an output is begun
        with (
            _bar(out, source, audio.samples, audio.rate_hz) as move,
            open_writer(sys.stdout.buffer if target == "-" else target, format, header) as writer,
        ):
            for clip in itertools.chain([first], clips):
                writer.add(clip)
                frames += len(clip)
                move(clip.duration_s)
    seconds = time.perf_counter() - began
    return {
        "input": source, "output": target, "frames": frames, "fps": job.fps, "duration_s": round(frames / job.fps, 3),
        "seconds": round(seconds, 3), "bundle": session.bundle.name,
        "latency_ms": None if session.latency_ms is None else round(session.latency_ms, 1),
    }  # fmt: skip


def polish_of(job: Job) -> Polish:
    """Gains and offsets of the job's table, with what its flags say."""
    from voxface.runtime.polish import Polish, load_polish

    table = load_polish(job.gains) if job.gains else Polish()
    return replace(table, intensity=job.intensity, mouth_only=job.mouth_only)


def feeling_of(job: Job) -> Feeling | None:
    """Which emotion shows, as the job's flags say; None: none."""
    from voxface.runtime.emotion_input import wanted
    from voxface.runtime.feeling import Feeling

    given = wanted(job.emotion) if job.emotion else None
    feeling = Feeling(not job.no_emotion, given, job.emotion_mix, job.emotion_strength, job.expressions)
    return None if job.no_emotion and not given else feeling


def sound_of(source: str | BinaryIO, job: Job) -> AudioSource:
    """The sound of an input, opened as the job's flags say."""
    from voxface.audio.decode import RawFormat, open_audio

    raw = RawFormat.parse(job.raw) if job.raw else None
    return open_audio(
        source, channel=job.channel, audio_track=job.audio_track, raw=raw, strict=job.strict,
        max_duration_s=job.max_duration_s,
    )  # fmt: skip


@contextlib.contextmanager
def _bar(out: Output | None, name: str, samples: int | None, rate_hz: int) -> Iterator[Callable[[float], None]]:
    """A bar in seconds of sound for inputs above a minute."""
    total = samples / rate_hz if samples else None
    if out is None or (total is not None and total < 60):
        yield lambda seconds: None
        return
    with out.progress(Path(name).name, None if total is None else round(total), "s of sound") as bar:
        yield bar.advance


def _many(pairs: list[tuple[str, str]], job: Job, jobs: int, out: Output) -> None:
    """Every input, whatever becomes of the others; then how many failed."""
    done, failed = [], []
    with out.progress("animate", len(pairs), "files") as bar:
        for (source, _), answer in zip(pairs, _answers(pairs, job, jobs), strict=True):
            if isinstance(answer, VoxfaceError):
                failed.append({"input": source, "code": answer.code, "message": str(answer)})
                out.problem(answer)
            else:
                done.append(answer)
                _line(out, answer)
            bar.advance()
    out.result("", files=done, failed=failed)
    if failed:
        names = ", ".join(entry["input"] for entry in failed[:5])
        raise SomeFailedError(f"{len(failed)} of {len(pairs)} inputs failed: {names}.", hint="The others are written.")


def _answers(pairs: list[tuple[str, str]], job: Job, jobs: int) -> Iterator[dict[str, Any] | VoxfaceError]:
    """One summary or error per input, in order."""
    if jobs == 1:
        yield from (attempt(source, target, job) for source, target in pairs)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(min(jobs, len(pairs)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(attempt, *zip(*pairs, strict=True), [job] * len(pairs))


def attempt(source: str, target: str, job: Job) -> dict[str, Any] | VoxfaceError:
    """`one`, with its error as a value."""
    try:
        return one(source, target, job)
    except VoxfaceError as error:
        return error


def _report(out: Output, summary: dict[str, Any]) -> None:
    _line(out, summary)
    out.result("", **summary)


def _line(out: Output, summary: dict[str, Any]) -> None:
    if summary["output"] != "-":
        speed = summary["duration_s"] / max(summary["seconds"], 1e-3)
        out.say(
            f"{one_line(summary['output'])}: {summary['frames']} frames at {summary['fps']:g} fps, "
            f"{clock_text(summary['duration_s'])} of speech in {summary['seconds']:.2f} s ({speed:.0f}× real time)"
            + ("" if summary.get("latency_ms", 0) is not None else f"; bundle {summary['bundle']!r} cannot stream")
        )
