"""Options that every verb has, and the ones that several share."""

from __future__ import annotations

from typing import Annotated

import typer

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
SkipMissing = Annotated[
    bool, typer.Option("--skip-missing", help="Leave out recordings of a dataset that are missing or changed.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines instead of text.")]
