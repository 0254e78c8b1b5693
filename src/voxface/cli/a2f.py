"""`voxface a2f`: faces in the gRPC shape of Audio2Face-3D."""

from __future__ import annotations

import importlib.util
import json as json_format
import sys
from typing import Annotated

import typer

from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import Output, one_line, running
from voxface.errors import MissingDependencyError


def a2f(
    host: Annotated[str, typer.Option(help="Address to listen at; others than this need --token or --insecure.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 52000,
    bundle: Annotated[str, typer.Option(help="Model: a shipped name or a bundle folder.")] = "default",
    token: Annotated[
        str, typer.Option(help="What callers must show; better in VOXFACE_A2F_TOKEN, which ps does not list.")
    ] = "",
    insecure: Annotated[bool, typer.Option("--insecure", help="Let other machines in without a token.")] = False,
    sessions: Annotated[int, typer.Option(min=1, max=10_000, help="Streams at a time.")] = 64,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Faces for programs that speak to NVIDIA's Audio2Face-3D: gRPC, ProcessAudioStream. Ctrl-C ends it."""
    with running(quiet, verbose, debug, json) as out:
        for library in ("grpc", "google.protobuf"):
            if not _installed(library):
                hint = "Install it: pip install 'voxface[a2f]'."
                raise MissingDependencyError(f"Audio2Face's shape needs {library}, which is not installed.", hint=hint)
        import asyncio

        from voxface.a2f.server import serve
        from voxface.runtime.animate import open_animator
        from voxface.server.settings import Settings

        settings = Settings(host, port, token, insecure, sessions=sessions)
        animator = open_animator(bundle, 1)
        name = animator.bundle.name

        def ready(port: int) -> None:
            _ready(out, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", name, insecure)

        asyncio.run(serve(animator, settings, ready, lambda line: out.say(one_line(line))))
        out.say("the server has ended.")


def _installed(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:  # of a package that is not there itself
        return False


def _ready(out: Output, address: str, bundle: str, insecure: bool) -> None:
    """The one answer of this verb comes while it runs: printed at once, also with --json."""
    out.result(f"voxface a2f: {address}", address=address, bundle=bundle)
    if insecure:
        out.say("note: --insecure: whoever reaches this machine can have faces made.")
    out.say(f"Audio2Face's ProcessAudioStream, answered by {bundle}. Ctrl-C ends it.")
    if out.json:
        print(json_format.dumps(out.answer(), ensure_ascii=False))
        out.json, out.quiet = False, True
    sys.stdout.flush()
