"""Where a model comes from: what stands in its bundle about data and source code."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import voxface
from voxface.dataset.manifest import Entry
from voxface.timebase import clock_text


def about_training(data: str) -> dict[str, Any]:
    """`data` in words, `licences` (not known here: the export states them), `commit` and `version` of this source."""
    return {"data": data, "licences": [], "commit": source_commit(), "version": voxface.__version__}


def spoken_text(name: str, entries: Sequence[Entry]) -> str:
    """A dataset in words: how long, how many recordings, how many speakers."""
    speakers = len({entry.speaker for entry in entries})
    length = clock_text(sum(entry.facts.quality.seconds for entry in entries))
    return f"{name}: {length} of speech in {len(entries)} recordings, {_count(speakers, 'speaker')}"


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
