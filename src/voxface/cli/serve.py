"""`voxface serve`: faces over HTTP and WebSockets."""

from __future__ import annotations

import importlib.util
import json as json_format
import sys
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, one_line, running
from voxface.errors import InputWarning, MissingDependencyError

if TYPE_CHECKING:
    from voxface.neurosync.routes import Talker
    from voxface.server.settings import Settings


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; others than this need --token or --insecure.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 5000,
    bundle: Annotated[
        str, typer.Option(help="Model: a shipped name or a bundle folder, also an imported one.")
    ] = "neurosync-small",
    raw_pcm: Annotated[
        str | None, typer.Option(help="What bytes are that are no known sound: ENCODING:RATE:CHANNELS, s16le:22050:1.")
    ] = None,
    order: Annotated[str, typer.Option(help="Order of the columns: csv, as the original answers, or udp.")] = "csv",
    compat: Annotated[
        bool, typer.Option("--compat", help="The original's end of a clip, and emotions from 0 to 100.")
    ] = False,
    show_emotion: Annotated[
        bool | None,
        typer.Option("--show-emotion/--no-emotion", help="Add expressions; default: with our own bundles only."),
    ] = None,
    token: Annotated[
        str, typer.Option(help="What callers must show; better in VOXFACE_SERVE_TOKEN, which ps does not list.")
    ] = "",
    insecure: Annotated[bool, typer.Option("--insecure", help="Let other machines in without a token.")] = False,
    name: Annotated[
        list[str] | None, typer.Option(help="A name under which callers know this server; may be given again.")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A web site whose pages may open sessions, https://game.example; may be given again."),
    ] = None,
    offer: Annotated[
        list[str] | None,
        typer.Option(help="A bundle folder that sessions and /v1/animate may ask for by its name; may be given again."),
    ] = None,
    sessions: Annotated[int, typer.Option(min=1, max=10_000, help="WebSocket sessions at a time.")] = 64,
    calls: Annotated[
        float, typer.Option(min=0, help="Calls a second of one address, 256 at once; 0: any number.")
    ] = 32.0,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Requests worked on at a time; 0: the cores.")] = 0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for the work on one request.")] = 120.0,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Faces for many callers: sessions that stream at /v1/stream, recordings at POST /v1/animate, and NeuroSync's POST
    /audio_to_blendshapes. Ctrl-C ends it."""
    with running(quiet, verbose, debug, json) as out:
        _check_installed()
        from voxface.server.settings import Settings

        known = Settings(
            host, port, token, insecure, tuple(name or ()), workers, work_s=timeout, sessions=sessions,
            calls_per_s=calls, origins=tuple(site.lower().rstrip("/") for site in origin or ()),
        )  # fmt: skip
        settings = replace(known, bundles=(*known.bundles, *(offer or ())))
        from voxface.server.app import build_app
        from voxface.server.hall import Hall
        from voxface.server.journal import Journal
        from voxface.server.listen import address_of, open_socket, run

        talker = _talker(bundle, raw_pcm, order, compat, show_emotion)
        wire = open_socket(settings.host, settings.port)
        with Journal(lambda line: out.say(one_line(line))) as journal:
            hall = Hall(settings, journal.tell)
            _ready(out, address_of(wire), settings, talker)
            warnings.simplefilter("ignore", InputWarning)  # of what is sent; Python would keep every one of them
            run(build_app(hall, talker), wire, hall)
        out.say("the server has ended.")


def _check_installed() -> None:
    """Raises: MissingDependencyError: the extra is not installed."""
    for library in ("starlette", "uvicorn", "websockets", "python_multipart", "prometheus_client"):
        if importlib.util.find_spec(library) is None:
            hint = "Install it: pip install 'voxface[serve]'."
            raise MissingDependencyError(f"serving needs {library}, which is not installed.", hint=hint)


def _talker(bundle: str, raw_pcm: str | None, order: str, compat: bool, expressions: bool | None) -> Talker:
    """The opened model; it has answered once, so that the first caller does not wait for what is made on first use."""
    import numpy as np

    from voxface.audio.decode import RawFormat
    from voxface.neurosync.extract import extract_audio_features
    from voxface.neurosync.order import order_named
    from voxface.neurosync.process import Wanted, open_bundle, process_audio_features
    from voxface.neurosync.routes import Talker

    raw = RawFormat.parse(raw_pcm) if raw_pcm else None
    talker = Talker(open_bundle(bundle), raw, Wanted(order_named(order), compat, expressions))
    silence = np.zeros(22_050, np.float32)
    features = extract_audio_features(silence, sample_rate=len(silence), feature=talker.face.bundle.feature)
    process_audio_features(features, talker.face)
    return talker


def _ready(out: Output, address: str, settings: Settings, talker: Talker) -> None:
    """The one answer of this verb comes while it runs: printed at once, also with --json."""
    name = talker.face.bundle.name
    out.result(f"voxface serve: {address}/audio_to_blendshapes", address=address, bundle=name)
    if settings.insecure:
        out.say("note: --insecure: whoever reaches this machine can have faces made.")
    out.say(
        f"Up to {settings.sessions} sessions at {address.replace('http', 'ws')}/v1/stream; recordings at /v1/animate."
    )
    out.say(f"NeuroSync's route answers by {name}, {settings.workers} at a time. Ctrl-C ends it.")
    if out.json:
        print(json_format.dumps(out.answer(), ensure_ascii=False))
        out.json, out.quiet = False, True
    sys.stdout.flush()
