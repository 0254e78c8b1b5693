"""One capture becomes one recording of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from voxface.capture.store import Capture
from voxface.dataset.align import align
from voxface.dataset.quality import Quality, check_and_clip
from voxface.dataset.quality_numbers import Numbers, measure
from voxface.dataset.sources import load_source, source_digest
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.store import Facts, read_facts, save_recording
from voxface.errors import DatasetError, InputError
from voxface.stream import Array
from voxface.timebase import row_count


@dataclass(frozen=True, slots=True)
class Made:
    """A recording on disk: the capture it comes from, who speaks, its facts, how good the capture is, and whether the
    recording was there before."""

    source: Path
    speaker: str
    facts: Facts
    numbers: Numbers
    kept: bool


def make(
    source: Path,
    folder: Path,
    speakers: SpeakerRule,
    ceiling_db: float,
    offset_ms: float = 0.0,
    numbers: Numbers | None = None,
) -> Made:
    """Align a capture, check and clip it, and write it into a dataset's folder, unless that has been done.

    Args:
        ceiling_db: mel cells above are counted.
        offset_ms: how much later the face is than the sound; it is moved back by that.
        numbers: of the capture, where it was measured before.
    Raises: InputError, DatasetError: the capture cannot be used. OutputError, LimitError: it cannot be written.
    """
    digest = source_digest(source)
    capture = load_source(source)
    speaker = speakers.of(source, capture.name)
    plain = _plain(capture, digest, ceiling_db, offset_ms)
    known = _known(folder, plain)
    numbers = numbers or measure(capture)
    if known:
        return Made(source, speaker, known, numbers, True)
    track = replace(capture.track, times_s=capture.track.times_s - offset_ms / 1000)
    raw = align(track, row_count(len(capture.samples)))
    face, quality = check_and_clip(raw, capture.samples, track.seen, ceiling_db)
    x, y, z = (float(part) for part in face.median_m)
    facts = replace(plain, median_m=(x, y, z), quality=quality)
    save_recording(folder, facts, capture.samples, face, track.observed)
    return Made(source, speaker, facts, numbers, False)


def _plain(capture: Capture, digest: str, ceiling_db: float, offset_ms: float) -> Facts:
    """What is known before the work is done; enough to find the result where it has been done."""
    return Facts(
        name=capture.name,
        sha256=capture.sha256,
        session_id=capture.session_id,
        source_sha256=digest,
        mel_ceiling_db=ceiling_db,
        median_m=(0.0, 0.0, 0.0),
        frame_ms=_frame_ms(capture.track.times_s),
        offset_ms=offset_ms,
        quality=Quality(),
    )


def _frame_ms(times_s: Array) -> float:
    return round(1000 * float(np.median(np.diff(times_s))), 3) if len(times_s) > 1 else 0.0


def _known(folder: Path, plain: Facts) -> Facts | None:
    """The facts of a recording that an earlier build left; None where it left nothing that can be read, or another."""
    path = folder / plain.file
    try:
        facts = read_facts(path) if path.is_file() else None
    except (DatasetError, InputError):
        return None
    return facts if facts and facts.file == plain.file else None
