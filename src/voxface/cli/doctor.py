"""`voxface doctor`: is everything in place, and if not, which line mends it."""

from __future__ import annotations

from collections.abc import Sequence

from voxface.cli.checks import Check, all_checks
from voxface.cli.flags import Debug, Json, Quiet, Verbose
from voxface.cli.output import running
from voxface.errors import MissingDependencyError

_MARKS = {"ok": "ok", "note": "!", "missing": "-", "broken": "BROKEN"}


def doctor(quiet: Quiet = False, verbose: Verbose = False, debug: Debug = False, json: Json = False) -> None:
    """Look over the installation: versions, extras, models, and a self-test.

    Exit code 0 when speech can be animated, 4 when not; a missing extra is no fault.
    """
    with running(quiet, verbose, debug, json) as out:
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
