"""`voxface view`: a face in the browser."""

from __future__ import annotations

import json as json_format
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, running
from voxface.errors import UsageError

if TYPE_CHECKING:
    from voxface.viewer.live import LiveFeed
    from voxface.viewer.session import Session


def view(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="Sound or video to animate, or clips; two are compared. None: drop them."),
    ] = None,
    audio: Annotated[
        str | None, typer.Option(help="The sound of the clips; by default the one that they name.")
    ] = None,
    bundle: Annotated[str, typer.Option(help="Model for sounds: a shipped name or a bundle folder.")] = "default",
    gains: Annotated[
        str | None, typer.Option(help="TOML with [gain] and [offset], where the sliders begin, and [idle].")
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames per second of animated sounds.")] = 60.0,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; default: the first free one from 8777 on; 0: any.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than this let other machines in.")
    ] = "127.0.0.1",
    live: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="Show what arrives there now: Live Link packets over UDP."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Look at faces in the browser: play, compare two, turn gains, record; or, with --live, at frames that come from
    elsewhere now, such as those of `voxface live --to livelink://127.0.0.1:11111`. Ctrl-C ends it."""
    with running(quiet, verbose, debug, json) as out:
        from voxface.viewer.serve import serve
        from voxface.viewer.session import Session

        if len(files or []) > 2:
            raise UsageError(f"two faces can be compared; got {len(files or [])} files.", hint="Give one or two.")
        if live and (files or audio):
            raise UsageError("--live shows what arrives, and no files.", hint="Leave out the files, or --live.")
        with (
            _feed(live) as feed,
            Session(fps=fps, bundle=bundle, gains=gains, live=feed) as session,
        ):
            _open(session, files or [], audio, out)
            serve(
                session, host=host, port=port, browser=not no_browser, tell=out.say,
                ready=lambda address: _ready(out, address, host, feed),
            )  # fmt: skip


def _open(session: Session, files: list[str], audio: str | None, out: Output) -> None:
    if audio:
        session.listen(audio)
    for file in files:
        session.open(file)
    showing = session.showing
    for note in [*showing.notes, *(note for clip in showing.clips for note in clip.notes)]:
        out.say(f"note: {note}")


def _feed(where: str | None) -> AbstractContextManager[LiveFeed | None]:
    from voxface.viewer.live import LiveFeed

    return LiveFeed(where) if where else nullcontext()


def _ready(out: Output, address: str, host: str, feed: LiveFeed | None) -> None:
    """The one answer of this verb comes while it runs: printed at once, also with --json."""
    out.result(f"voxface view: {address}", address=address, **({"live": feed.where} if feed else {}))
    if feed:
        out.say(f"It shows what arrives at {feed.where}, such as from: voxface live --to livelink://{feed.where}")
    if host not in ("127.0.0.1", "localhost", "::1"):
        out.say(f"note: --host {host}: whoever reaches this machine can look, and send sounds to animate.")
    out.say("Ctrl-C ends it.")
    if out.json:
        print(json_format.dumps(out.answer(), ensure_ascii=False))
        out.json, out.quiet = False, True
    sys.stdout.flush()
