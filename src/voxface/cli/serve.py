"""`voxface serve`: faces over HTTP."""

from __future__ import annotations

import importlib.util
import json as json_format
import sys
import warnings
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
    workers: Annotated[int, typer.Option(min=0, max=64, help="Requests worked on at a time; 0: the cores.")] = 0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for the work on one request.")] = 120.0,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Answer POST /audio_to_blendshapes with faces, as NeuroSync's local server does. Ctrl-C ends it."""
    with running(quiet, verbose, debug, json) as out:
        settings = _settings(host, port, token, insecure, name or [], workers, timeout)
        from voxface.server.app import build_app
        from voxface.server.listen import address_of, open_socket, run

        talker = _talker(bundle, raw_pcm, order, compat, show_emotion)
        wire = open_socket(settings.host, settings.port)
        app = build_app(settings, talker, lambda line: out.say(one_line(line)))
        _ready(out, address_of(wire), settings, talker)
        warnings.simplefilter("ignore", InputWarning)  # of what is sent; Python would keep every one of them
        run(app, wire, settings)
        out.say("the server has ended.")


def _settings(
    host: str, port: int, token: str, insecure: bool, names: list[str], workers: int, timeout: float
) -> Settings:
    """The server's settings. Raises: MissingDependencyError: the extra is not installed. UsageError: not allowed."""
    for library in ("starlette", "uvicorn"):
        if importlib.util.find_spec(library) is None:
            hint = "Install it: pip install 'voxface[serve]'."
            raise MissingDependencyError(f"serving needs {library}, which is not installed.", hint=hint)
    from voxface.server.settings import Settings

    return Settings(host, port, token, insecure, tuple(names), workers, work_s=timeout)


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
    out.say(f"Faces by {name}, {settings.workers} at a time. Ctrl-C ends it.")
    if out.json:
        print(json_format.dumps(out.answer(), ensure_ascii=False))
        out.json, out.quiet = False, True
    sys.stdout.flush()
