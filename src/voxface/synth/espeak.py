"""espeak-ng: rules and formants, a hundred timbres, many accents; its labels need mending (labels.py)."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from voxface.synth.program import Ended, run_program
from voxface.synth.wire import Answer, Request, read_answers, write_requests

_WORKER = (sys.executable, "-P", "-m", "voxface.synth.espeak_worker")


def installed() -> list[str]:
    """("*",) for any voice, nothing where espeak-ng is not."""
    ended = run_program((*_WORKER, "list"), limit_s=30)
    return list(json.loads(ended.output)) if not ended.problem else []


def say(voice: str, requests: Sequence[Request], limit_s: float) -> tuple[list[Answer], Ended]:
    """Say the requests in a fresh process, so that the same requests give the same samples."""
    ended = run_program((*_WORKER, voice), write_requests(requests), limit_s=limit_s)
    return list(read_answers(ended.output)), ended
