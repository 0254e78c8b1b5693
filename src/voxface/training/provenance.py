"""Where a model comes from: what stands in its bundle about data and source code."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import voxface
from voxface.dataset.recording import Recording
from voxface.timebase import clock_text


def about_training(name: str, recordings: Sequence[Recording]) -> dict[str, Any]:
    """`data` in words, `licences` (not known here: the export states them), `commit` and `version` of this source."""
    speakers = len({recording.speaker for recording in recordings})
    length = clock_text(sum(recording.duration_s for recording in recordings))
    text = f"{name}: {length} of speech in {len(recordings)} recordings, {_count(speakers, 'speaker')}"
    return {"data": text, "licences": [], "commit": source_commit(), "version": voxface.__version__}


def source_commit() -> str:
    """The git commit of this source, 40 hex digits; empty where it is installed without its repository."""
    here = Path(__file__).parent
    try:
        asked = ["git", "-C", str(here), "ls-files", "--error-unmatch", Path(__file__).name]
        if subprocess.run(asked, capture_output=True, timeout=10).returncode != 0:
            return ""  # inside somebody else's repository, such as one that holds a virtual environment
        found = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.decode("ascii", "replace").strip()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
