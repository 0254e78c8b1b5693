"""`voxface animate --phones`: phones with their times in, face animation out; the sound only says how long it lasts."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from voxface.errors import LimitError, UsageError
from voxface.timebase import clock_text

if TYPE_CHECKING:
    from voxface.cli.animate import Job


def from_phones(
    phones: str, audio: list[str], output: str | None, job: Job, articulation: str | None
) -> dict[str, Any]:
    """Animate a file of phones into one output; give its summary.

    Args:
        phones: a TextGrid, a .lab, or mouth shapes of Rhubarb.
        audio: nothing, or the one recording of these phones; the animation lasts as long.
        articulation: TOML of an articulation table; None is the one that comes with voxface.
    """
    import sys

    from voxface.articulation.clip import phone_clip
    from voxface.articulation.read import read_phones
    from voxface.articulation.table import load_table
    from voxface.cli.animate import plan, polish_of
    from voxface.export.formats import format_for, open_writer
    from voxface.export.writing import ClipHeader

    began = time.perf_counter()
    if len(audio) > 1:
        raise UsageError(f"--phones goes with one recording or none; got {len(audio)}.", hint="Animate them in turn.")
    [(_, target)] = plan([phones], output, job.format)
    polish = polish_of(job)
    format = format_for(target, job.format)
    spoken = read_phones(phones)
    length_s = _length_s(audio[0], job) if audio else max(phone.end_s for phone in spoken)
    if job.max_duration_s is not None and length_s > job.max_duration_s:
        raise LimitError(f"{phones} lasts {clock_text(length_s)}; {clock_text(job.max_duration_s)} are allowed.")
    clip = phone_clip(spoken, job.fps, max(length_s, 0.0), load_table(articulation))
    clip = replace(clip, weights=polish.over(clip.channels)(clip.weights))
    header = ClipHeader.of(clip, audio={"name": audio[0]} if audio else None)
    with open_writer(sys.stdout.buffer if target == "-" else target, format, header) as writer:
        writer.add(clip)
    return {
        "input": phones, "output": target, "frames": len(clip), "fps": job.fps, "duration_s": round(clip.duration_s, 3),
        "seconds": round(time.perf_counter() - began, 3), "phones": len(spoken),
    }  # fmt: skip


def _length_s(name: str, job: Job) -> float:
    """Seconds of a recording."""
    from voxface.cli.animate import sound_of

    with sound_of(name, job) as source:
        return sum(len(block) for block in source.blocks()) / source.rate_hz
