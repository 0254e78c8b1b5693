"""Running speech engines: as programs of their own, with a time limit, so that nothing they do can hurt us."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: what it wrote to stdout, and what went wrong ("" if nothing did)."""

    output: bytes
    problem: str


def run_program(arguments: Sequence[str], given: bytes = b"", *, limit_s: float) -> Ended:
    """Run a program with `given` on its stdin; it is killed after limit_s seconds. What it wrote until then counts.

    It is in a session of its own: Ctrl-C is for us, and must not look like a text that killed the engine.
    """
    environment = os.environ | {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    try:
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Ended(b"", f"cannot be started: {error.strerror}")
    with process:
        try:
            output, complaint = process.communicate(given, timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return Ended(process.communicate()[0], f"hung for {limit_s:g} s and was stopped")
        except BaseException:
            process.kill()
            raise
    return Ended(output, _problem(process.returncode, complaint))


def _problem(code: int, complaint: bytes) -> str:
    if code == 0:
        return ""
    lines = complaint.decode("utf-8", "replace").strip().splitlines()
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{how} ({lines[-1][:200]})" if lines else how
