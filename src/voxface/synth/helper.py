"""Engines that are C libraries: each is called in a helper process of its own, over its pipes (wire.py)."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from voxface.synth.program import Ended, run_program
from voxface.synth.wire import Answer, Request, read_answers, write_requests

FLITE = "voxface.synth.flite_worker"
"""Flite: diphone and statistical voices from recordings of people (kal16, awb, rms, slt)."""

ESPEAK = "voxface.synth.espeak_worker"
"""espeak-ng: rules and formants, a hundred timbres, many accents; its labels need mending (labels.py)."""


def installed(worker: str) -> list[str]:
    """The voices that are there, ("*",) for any name; none where the engine is not."""
    ended = run_program((*_command(worker), "list"), limit_s=30)
    return list(json.loads(ended.output)) if not ended.problem else []


def say(worker: str, voice: str, requests: Sequence[Request], limit_s: float) -> tuple[list[Answer], Ended]:
    """Say the requests in a fresh process, so that the same requests give the same samples.

    The noise in flite's voices goes on from sentence to sentence.
    """
    ended = run_program((*_command(worker), voice), write_requests(requests), limit_s=limit_s)
    return list(read_answers(ended.output)), ended


def _command(worker: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", worker)
