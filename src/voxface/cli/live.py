"""`voxface live`: sound that comes right now, as a face that shows right now, to whoever wants it."""

from __future__ import annotations

import contextlib
import io
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxface.cli.animate import Job, feeling_of, polish_of, sound_of
from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, one_line, running
from voxface.errors import InputError, UsageError
from voxface.timebase import clock_text, exact_rate

if TYPE_CHECKING:
    from voxface.live.feed import Feed, Source
    from voxface.live.playout import Playout
    from voxface.runtime.engine import Engine
    from voxface.runtime.live_session import LiveSession

_MOST_OFFSET_MS = 5000


def live(
    input: Annotated[
        str, typer.Option("--input", "-i", help="mic, a sound file, which is heard in real time, or - for a pipe.")
    ] = "mic",
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", help="An output, as livelink://127.0.0.1:11111 or vmc://127.0.0.1:39539; may be repeated."
        ),
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 60.0,
    bundle: Annotated[str, typer.Option(help="Model: a shipped name or a bundle folder; live answers soonest.")] = (
        "live"
    ),
    device: Annotated[
        str | None, typer.Option(help="Microphone, or with --play the speaker: its number or a part of its name.")
    ] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="List microphones and speakers and stop.")] = (
        False
    ),
    play: Annotated[bool, typer.Option("--play", help="Play the file or pipe, delayed so that it meets the face.")] = (
        False
    ),
    offset_ms: Annotated[
        float, typer.Option(help="Show the face so much later; below 0, with --play: play the sound later.")
    ] = 0.0,
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds of sound.")] = None,
    channel: Annotated[
        str | None, typer.Option(help="mix or a channel's number; default: mix for files, 1 for pipes.")
    ] = None,
    raw: Annotated[
        str | None, typer.Option(help="The pipe or file is bare samples: ENCODING:RATE:CHANNELS, s16le:16000:1.")
    ] = None,
    gains: Annotated[
        str | None, typer.Option(help="TOML with tables [gain] and [offset] per channel, and [idle].")
    ] = None,
    intensity: Annotated[float, typer.Option(help="Factor on all weights.")] = 1.0,
    mouth_only: Annotated[bool, typer.Option("--mouth-only", help="Move jaw and mouth only.")] = False,
    no_idle: Annotated[bool, typer.Option("--no-idle", help="No blinks, gaze, head and brows of their own.")] = False,
    emotion: Annotated[str | None, typer.Option(help="Show this, not what is heard: happy=0.6,sad=0.2.")] = None,
    no_emotion: Annotated[bool, typer.Option("--no-emotion", help="Do not listen for emotions.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Drive faces from a microphone, a file or a pipe, now. Ctrl-C ends it with the mouth at rest."""
    with running(quiet, verbose, debug, json) as out:
        if list_devices:
            _list(out)
            return
        targets = to or []
        _check(out, input, targets, fps, play, offset_ms, duration)
        job = Job(
            fps=fps, bundle=bundle, channel=channel or ("1" if input == "-" else "mix"), raw=raw, gains=gains,
            intensity=intensity, mouth_only=mouth_only, threads=1, no_idle=no_idle, emotion=emotion,
            no_emotion=no_emotion,
        )  # fmt: skip
        stopped = _run(out, input, targets, job, device, play, offset_ms / 1000, duration)
    if stopped:
        raise SystemExit(130)


def _check(
    out: Output, input: str, to: list[str], fps: float, play: bool, offset_ms: float, duration: float | None
) -> None:
    """Raises: UsageError: flags that contradict each other, or numbers out of range."""
    from voxface.live.outputs import parse_target

    exact_rate(fps)
    for url in to:
        parse_target(url)
    if not abs(offset_ms) <= _MOST_OFFSET_MS:
        raise UsageError(f"--offset-ms must be -{_MOST_OFFSET_MS} to {_MOST_OFFSET_MS}; got {offset_ms:g}.")
    if offset_ms < 0 and not play:
        hint = "Delay the sound where it is played, or let --play do it."
        raise UsageError("a face cannot be shown before it is known, which --offset-ms below 0 asks for.", hint=hint)
    if play and input == "mic":
        raise UsageError("--play is for files and pipes: a microphone would hear itself.")
    if duration is not None and not (math.isfinite(duration) and duration > 0):
        raise UsageError(f"--duration must be above 0 seconds; got {duration:g}.")
    if out.json and "jsonl:-" in to:
        raise UsageError("--json and jsonl:- would both write to standard output.", hint="Write frames to jsonl:FILE.")


def _list(out: Output) -> None:
    from voxface.live.devices import devices

    found = devices()
    lines = [
        f"{one.number:>3}  {one_line(one.name)} ({one.api}): {one.inputs} in, {one.outputs} out, {one.rate_hz} Hz"
        + (f"  [default {one.default}]" if one.default else "")
        for one in found
    ]
    out.result("\n".join(lines) or "No sound device was found.", devices=[one._asdict() for one in found])


def _run(
    out: Output, input: str, to: list[str], job: Job, device: str | None, play: bool, offset_s: float,
    duration: float | None,
) -> bool:  # fmt: skip
    """The whole session. Returns: whether it was stopped by Ctrl-C or a SIGTERM."""
    from voxface.cli.live_meter import Meter
    from voxface.live.clock import AudioClock
    from voxface.live.devices import Speaker
    from voxface.live.feed import Feed
    from voxface.live.outputs import open_output
    from voxface.live.playout import BUFFER_MS, Playout
    from voxface.runtime.engine import Engine

    news = threading.Event()
    with contextlib.ExitStack() as last:
        engine = last.enter_context(Engine(job.bundle, most_sessions=2, deadline_ms=0.0))
        source = _source(input, device, job, last)
        last.callback(source.close)
        voice = _voice(engine, source.rate_hz, job, news)
        last.callback(voice.close)
        known_s = (voice.latency_ms + BUFFER_MS) / 1000
        clock = AudioClock()
        playout = Playout(voice, [], clock, known_s + max(0.0, offset_s), news)
        last.callback(playout.close)
        for url in to:
            playout.outputs.append(open_output(url, job.fps))
        speaker = None
        if play:
            speaker = Speaker(source.rate_hz, clock, known_s + max(0.0, -offset_s), device)
            last.callback(speaker.close)
        feed = Feed(voice, clock, speaker, duration)
        _tell(out, source, playout, voice, to, 1000 * offset_s, play)
        meter = Meter(out, playout)
        last.callback(meter.close)
        with _stop_signals() as stop:
            last.callback(source.stop)  # before anything else ends
            source.start(feed)
            _play(source, feed, voice, playout, meter, stop)
            if speaker:  # its last sound may come after the last frame
                stop.wait(max(0.0, clock.moment(feed.taken_s) + speaker.delay_s - time.monotonic()))
        stopped = stop.is_set()
    _summary(out, source, feed, playout, voice, stopped)
    return stopped


def _voice(engine: Engine, rate_hz: int, job: Job, news: threading.Event) -> LiveSession:
    """A session; one before it has heard some silence, so that what is made on first use is there."""
    import numpy as np

    from voxface.runtime.idle import load_idle
    from voxface.runtime.live_session import LiveSession

    idle = None if job.no_idle else load_idle(job.gains)
    polish, feeling = polish_of(job), feeling_of(job)

    def opened() -> LiveSession:
        return LiveSession(engine, rate_hz, job.fps, polish=polish, idle=idle, emotion=feeling, notify=news.set)

    first = opened()
    first.push(np.zeros(rate_hz, np.float32))
    first.finish()
    return opened()


def _source(input: str, device: str | None, job: Job, last: contextlib.ExitStack) -> Source:
    """Where sound comes from. Raises: VoxfaceError: there is none."""
    from voxface.live.devices import Microphone
    from voxface.live.feed import PacedSource, PipedSource

    if input == "mic":
        return Microphone(device)
    if input == "-":
        audio = sound_of(_standard_input(), job)
        return PipedSource("standard input", audio.rate_hz, audio.blocks(audio.rate_hz // 100))
    audio = last.enter_context(sound_of(input, job))
    return PacedSource(audio.name, audio.rate_hz, audio.blocks(audio.rate_hz // 100))


def _standard_input() -> io.FileIO:
    """Standard input without a buffer: its reader may still wait in a thread when the program ends."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        hint = "Pipe sound in, for example: arecord -f S16_LE -r 16000 | voxface live --input - --raw s16le:16000:1"
        raise InputError("standard input is no sound.", hint=hint, source="-")
    from voxface.audio.handle import STANDARD_INPUT

    file = io.FileIO(sys.stdin.fileno(), closefd=False)
    file.name = STANDARD_INPUT  # for messages
    return file


def _play(source: Source, feed: Feed, voice: LiveSession, playout: Playout, meter: Any, stop: threading.Event) -> None:
    """Until the sound is over and shown, or somebody stops it. Raises: what went wrong with sound or net."""
    from voxface.live.playout import MOST_LATE_S

    ahead_s = min(0.05, 1 / voice.fps)
    ended = False
    while not (ended and voice.done and not voice.ready) and not playout.deserted:
        now_s = time.monotonic()
        if stop.is_set() and not ended:
            voice.interrupt()
        if not ended and (stop.is_set() or source.done or feed.full):
            source.stop()
            feed.end()
            ended = True
        elif not ended and source.starving(now_s):
            feed.fill(now_s, ahead_s)
        elif not ended and playout.late_s > MOST_LATE_S and feed.speaker is None:
            feed.catch_up(playout.late_s)
        if playout.step():
            meter.show(feed.level_db)
        playout.wait()
    if source.error:
        raise source.error


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C interrupts as always."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before[0])

    names = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(name, ask) for name in names]
    try:
        yield stop
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


def _tell(
    out: Output, source: Source, playout: Playout, voice: LiveSession, to: list[str], offset_ms: float, play: bool
) -> None:
    from voxface.live.playout import BUFFER_MS

    out.say(one_line(f"{source.name}, {source.rate_hz} Hz → {', '.join(to) or 'no output: give one with --to'}"))
    parts = [f"{voice.latency_ms:.1f} bundle {voice.engine.bundle.name}", f"{BUFFER_MS:g} playout"]
    parts += [f"{source.latency_s * 1000:.0f} device"] if source.latency_s else []
    parts += [f"{offset_ms:g} --offset-ms"] if offset_ms > 0 else []
    total = 1000 * (playout.delay_s + source.latency_s)
    out.say(f"The face shows {total:.1f} ms after its sound ({' + '.join(parts)}).")
    if play:
        sound_ms = voice.latency_ms + BUFFER_MS + max(0.0, -offset_ms)
        out.say(f"The sound is played {sound_ms:.1f} ms after it came.")
    out.say("Ctrl-C ends it.")


def _summary(out: Output, source: Source, feed: Feed, playout: Playout, voice: LiveSession, stopped: bool) -> None:
    late = playout.lateness.summary()
    text = f"{playout.shown} frames for {clock_text(feed.taken_s)} of sound, {playout.skipped} skipped"
    text += f", {source.gaps} gaps in the sound" if source.gaps else ""
    text += f"; out {late['p50']} ms after their moment (p99 {late['p99']}, most {late['most']})" if late else ""
    lines = [text + "."] + [
        one_line(f"{output.name}: {output.sent} sent, {output.dropped} lost") for output in playout.outputs
    ]
    told = "\n".join(lines)
    owned = any(output.name == "jsonl:-" for output in playout.outputs)
    if owned:  # standard output belongs to the frames
        out.say(told)
    out.result(
        "" if owned else told, input=source.name, rate_hz=source.rate_hz, bundle=voice.engine.bundle.name,
        fps=voice.fps, heard_s=round(feed.taken_s, 3), frames=playout.shown, skipped=playout.skipped,
        gaps=source.gaps, delay_ms=round(1000 * playout.delay_s, 1), late_ms=late, stopped=stopped,
        outputs=[{"url": one.name, "sent": one.sent, "dropped": one.dropped} for one in playout.outputs],
    )  # fmt: skip
