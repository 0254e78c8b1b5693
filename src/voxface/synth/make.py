"""Scripts become recordings of a dataset: spoken, joined with pauses, with the curves of their phones."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from voxface.articulation.channels import OBSERVED
from voxface.articulation.curves import curves
from voxface.articulation.phones import PHONES, Phone
from voxface.articulation.table import Table
from voxface.dataset.align import FaceRows
from voxface.dataset.quality import MEL_CEILING_DB, Quality, check_and_clip
from voxface.dataset.store import FOLDER, Facts, read_facts, read_spoken, save_recording
from voxface.errors import DatasetError, InputError
from voxface.face.axes import still_head
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.synth.engines import LIMIT_S, speak
from voxface.synth.labels import Speech, mended
from voxface.synth.plan import Script, Sentence
from voxface.synth.wire import Request
from voxface.timebase import SAMPLE_RATE_HZ, row_count

EDGE_S = 0.3
"""Silence before the first and after the last sentence."""

_BEFORE_S, _AFTER_S = 0.03, 0.08  # of an engine's sound kept around its first and last phone: breath, echo
_PEAK = 0.95
_STEP = np.float32(32767)  # of stored samples


@dataclass(frozen=True, slots=True)
class Articulation:
    """What turns phones into curves: a table, and a digest of what it gives, so that a changed one is noticed."""

    table: Table
    digest: str

    @classmethod
    def of(cls, table: Table) -> Articulation:
        """The digest is that of all phones said in a row: it also sees a change of the code."""
        row = tuple(Phone(name, 0.1 * place, 0.1 * place + 0.1) for place, name in enumerate(PHONES))
        face = curves(row, 10 * len(row), table)
        return cls(table, hashlib.sha256(repr(table).encode() + face.tobytes()).hexdigest())


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a script: its facts on disk (None: nothing could be said), what went wrong, unknown phones."""

    script: Script
    facts: Facts | None
    kept: bool = False
    faults: tuple[str, ...] = ()
    unknown: tuple[tuple[str, int], ...] = ()


def make(script: Script, folder: Path, articulation: Articulation, limit_s: float = LIMIT_S) -> Made:
    """Speak a script and write it into a dataset's folder, unless that has been done.

    With another articulation only the curves are made anew. Raises: OutputError, LimitError: no place to write.
    """
    plain, table = _plain(script, articulation.digest), articulation.table
    found = _found(script, plain, folder)
    if found == plain.file:
        return Made(script, read_facts(folder / plain.file), kept=True)
    if found:
        arrays, phones = read_spoken(folder / found)
        return Made(script, _save(folder, plain, arrays["samples"], phones, table))
    said = speak(script.voice, [Request(one.text, one.stretch) for one in script.sentences], limit_s)
    speeches = [mended(answer, script.voice) if answer else None for answer in said.answers]
    faults = list(said.faults)
    pairs = list(zip(script.sentences, speeches, strict=True))
    silent = [s for s, speech in pairs if speech and not speech.phones]
    faults += [f"{script.voice.speaker} has nothing to say for {one.text!r}" for one in silent]
    spoken = [(s, speech) for s, speech in pairs if speech and speech.phones]
    if not spoken:
        return Made(script, None, faults=(*faults, f"{script.name}: nothing could be said; left out"))
    unknown = sum((speech.unknown for _, speech in spoken), Counter[str]())
    facts = _save(folder, plain, *join(spoken), table)
    return Made(script, facts, faults=tuple(faults), unknown=tuple(sorted(unknown.items())))


def join(spoken: Sequence[tuple[Sentence, Speech]]) -> tuple[Array, tuple[Phone, ...]]:
    """Sentences one after the other: (n,) float32 samples as they will be stored, and the phones in them.

    Every sentence is cut to its phones, brought to its level and followed by its pause; the pauses are digital silence.
    """
    blocks, phones = [np.zeros(round(EDGE_S * SAMPLE_RATE_HZ), np.float32)], []
    at = len(blocks[0])
    for place, (sentence, speech) in enumerate(spoken):
        first = max(0, round((speech.phones[0].start_s - _BEFORE_S) * SAMPLE_RATE_HZ))
        last = round((speech.phones[-1].end_s + _AFTER_S) * SAMPLE_RATE_HZ)
        sound = _levelled(speech.samples[first:last], sentence.level_db)
        phones += [_moved(phone, (at - first) / SAMPLE_RATE_HZ) for phone in speech.phones]
        pause_s = sentence.pause_s if place + 1 < len(spoken) else EDGE_S
        blocks += [sound, np.zeros(round(pause_s * SAMPLE_RATE_HZ), np.float32)]
        at += len(sound) + len(blocks[-1])
    return np.round(np.concatenate(blocks) * _STEP) / _STEP, tuple(phones)


def _levelled(samples: Array, level_db: float) -> Array:
    """Samples with this RMS, in dB of full scale, or less where they would clip; ends faded over 5 ms."""
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    peak = float(np.abs(samples).max(initial=0))
    gain = min(10 ** (level_db / 20) / rms, _PEAK / peak) if rms else 1.0
    ramp = np.minimum(np.arange(len(samples)) / (0.005 * SAMPLE_RATE_HZ), 1)
    return (samples * gain * ramp * ramp[::-1]).astype(np.float32)


def _moved(phone: Phone, by_s: float) -> Phone:
    """Rounded as it is stored, so that curves made from the file are the same."""
    return replace(phone, start_s=round(phone.start_s + by_s, 4), end_s=round(phone.end_s + by_s, 4))


def _save(folder: Path, plain: Facts, samples: Array, phones: tuple[Phone, ...], table: Table) -> Facts:
    rows = row_count(len(samples))
    weights = curves(phones, rows, table)
    still, seen = np.zeros(rows, np.float32), np.ones(rows, bool)
    face = FaceRows(weights, still_head(rows), rig_gap(weights, ARKIT), still, seen, np.zeros(3))
    face, quality = check_and_clip(face, samples, seen)
    facts = replace(plain, quality=quality)
    save_recording(folder, facts, samples, face, OBSERVED, phones)
    return facts


def _plain(script: Script, articulation_digest: str) -> Facts:
    """What is known before the work is done; enough to find the result where it has been done."""
    digest = hashlib.sha256(f"{script.sha256} {articulation_digest}".encode()).hexdigest()
    return Facts(
        name=script.name, sha256=script.sha256, session_id=f"synth_{script.sha256[:10]}", source_sha256=digest,
        mel_ceiling_db=MEL_CEILING_DB, median_m=(0.0, 0.0, 0.0), frame_ms=10.0, offset_ms=0.0, quality=Quality(),
        synthetic=True,
    )  # fmt: skip


def _found(script: Script, plain: Facts, folder: Path) -> str:
    """The file of this script in the folder: of the same table if there is one, else of another, else ""."""
    candidates = sorted((folder / FOLDER).glob(f"{Path(plain.file).name.rpartition('-')[0]}-*.safetensors"))
    names = sorted((f"{FOLDER}/{path.name}" for path in candidates), key=lambda name: name != plain.file)
    return next((name for name in names if _digest(folder / name) == script.sha256), "")


def _digest(path: Path) -> str:
    try:
        return read_facts(path).sha256
    except (DatasetError, InputError):
        return ""
