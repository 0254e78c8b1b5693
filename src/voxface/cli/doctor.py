"""`voxface doctor`: is everything in place, and if not, which line mends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from voxface.cli.checks import Check, all_checks
from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import running
from voxface.errors import MissingDependencyError

_MARKS = {"ok": "ok", "note": "!", "missing": "-", "broken": "BROKEN"}


def doctor(
    to: Annotated[
        str | None, typer.Option("--to", help="Send a test pattern to an output, such as livelink://127.0.0.1:11111.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="Listen as a receiver would and tell what arrives, how evenly.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long to send or listen.")] = 5.0,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Look over the installation: versions, extras, models, and a self-test; or try a live output.

    Exit code 0 when speech can be animated, 4 when not; a missing extra is no fault. With --to: 3 when most frames are
    lost.
    """
    with running(quiet, verbose, debug, json) as out:
        if to or source:
            from voxface.cli import doctor_network

            doctor_network.check_seconds(seconds)
            if to:
                doctor_network.send_pattern(out, to, seconds)
            if source:
                doctor_network.listen(out, source, seconds)
            return
        checks = list(all_checks())
        broken = [check for check in checks if check.state == "broken"]
        out.result(report(checks), checks=[as_json(check) for check in checks], works=not broken)
        if broken:
            what = "; ".join(f"{check.name}: {check.text}" for check in broken)
            raise MissingDependencyError(f"voxface cannot animate: {what}.", hint=broken[0].hint)


def report(checks: Sequence[Check]) -> str:
    """The checks for people: a line each under the name of its section, the line that mends it below."""
    lines, section = [], ""
    for check in checks:
        if check.section != section:
            section = check.section
            lines.append(section)
        lines.append(f"  {_MARKS[check.state]:<6} {check.name}: {check.text}")
        if check.hint:
            lines.append(f"         {check.hint}")
    return "\n".join(lines)


def as_json(check: Check) -> dict[str, object]:
    """One check for machines."""
    return {
        "section": check.section,
        "name": check.name,
        "state": check.state,
        "text": check.text,
        "hint": check.hint,
        **check.values,
    }
