"""Phones of real speech from its words: shared out by typical lengths, then moved to where they are heard."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxface.articulation.phones import SILENCE, Phone
from voxface.articulation.words import Word
from voxface.dataset.recording import Recording
from voxface.errors import DatasetError, InputWarning
from voxface.synth.aligner import STATES, Utterance, align
from voxface.synth.cepstra import STEP_S
from voxface.synth.lexicon import Spoken, pronounce

_LENGTHS: Mapping[float, tuple[str, ...]] = {
    0.15: ("aw", "ay", "oy", "ow", "ey", "er", "oe"),
    0.13: ("aa", "ao", "ae", "iy", "uw", "ue"),
    0.10: ("ah", "eh", "ih", "uh", "ix", "s", "sh", "ch", "f"),
    0.08: ("p", "t", "k", "th", "z", "zh", "jh", "kh", "m", "n", "ng", "b"),
    0.06: ("ax", "g", "d", "v", "dh", "hh", "l", "r", "w", "y", "rr"),
}
"""Seconds that phones last in read sentences, roughly, by class: long and moving vowels, other vowels, voiceless
fricatives, stops and nasals, the rest. After D. H. Klatt, "Linguistic uses of segmental duration in English", J.
Acoust. Soc. Am. 59 (1976)."""

_PAUSE_LENGTH_S = 1.0  # of silence, which stands alone in its word: any will do
_LEAST_PAUSE_S = 0.03  # a shorter gap between two words belongs to them
_LENGTH_S = {symbol: seconds for seconds, symbols in _LENGTHS.items() for symbol in symbols}


@dataclass(frozen=True, slots=True)
class Alignment:
    """phones: by recording, silences among them. skipped: why recordings have none."""

    phones: Mapping[str, tuple[Phone, ...]]
    skipped: Mapping[str, str]


def align_recordings(
    recordings: Sequence[Recording],
    words: Mapping[str, Sequence[Word]],
    lexicon: str | Path | None = None,
    listen: bool = True,
) -> Alignment:
    """Phone times of all recordings whose words are known. Word times are trusted: a phone stays in its word.

    A recording that cannot be aligned is skipped, with one InputWarning (W-WORDS) that counts and names them.

    Args:
        words: by name of recording. lexicon: see lexicon.pronounce. listen: False leaves typical lengths.
    Raises: DatasetError: none of the recordings can be aligned. InputError: the lexicon cannot be read.
    """
    spoken = pronounce({word.text for one in recordings for word in words.get(one.name, ())}, lexicon)
    skipped = {one.name: why for one in recordings if (why := _obstacle(one, words.get(one.name, ()), spoken))}
    ready = [one for one in recordings if one.name not in skipped]
    if skipped:
        _report(skipped, len(recordings))
    said = [filled(words[one.name], one.duration_s) for one in ready]
    spread = [spread_phones(one, spoken) for one in said]
    if listen:
        spans = [[(word.start_s, word.end_s) for word in one for _ in _parts(word, spoken)] for one in said]
        spread = align(
            [Utterance(one.samples, p, tuple(s)) for one, p, s in zip(ready, spread, spans, strict=True)]
        )  # fmt: skip
    return Alignment({one.name: phones for one, phones in zip(ready, spread, strict=True)}, skipped)


def _obstacle(recording: Recording, words: Sequence[Word], spoken: Mapping[str, Spoken]) -> str:
    """Why a recording cannot be aligned; empty: it can."""
    if not words:
        return "it has no words"
    unknown = sorted({word.text for word in words if word.text not in spoken})
    if unknown:
        return f"no pronunciation of {', '.join(map(repr, unknown[:5]))}"
    if words[-1].start_s >= recording.duration_s:
        return f"its words end at {words[-1].end_s:g} s, its sound at {recording.duration_s:g} s"
    states = STATES * sum(len(spoken[word.text]) or 1 for word in words)
    return "it is too short for its words" if states * STEP_S > recording.duration_s else ""


def _report(skipped: Mapping[str, str], recordings: int) -> None:
    some = "; ".join(f"{name}: {why}" for name, why in itertools.islice(skipped.items(), 5))
    more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    text = f"{len(skipped)} of {recordings} recordings are not aligned: {some}{more}"
    if len(skipped) == recordings:
        hint = "Give the words of this dataset (--words), and what they sound like (--lexicon)."
        raise DatasetError(f"{text}.", hint=hint)
    warnings.warn(InputWarning("W-WORDS", f"{text}."), stacklevel=3)


def filled(words: Sequence[Word], end_s: float) -> list[Word]:
    """The words of a recording of `end_s` seconds, cut at its end, with pauses where nothing is said for 30 ms."""
    result: list[Word] = []
    at = 0.0
    for word in words:
        if word.start_s - at >= _LEAST_PAUSE_S:
            result.append(Word(SILENCE, at, word.start_s))
        if word.start_s < end_s:
            result.append(Word(word.text, max(word.start_s, 0.0), min(word.end_s, end_s)))
        at = max(at, word.end_s)
    return [*result, Word(SILENCE, at, end_s)] if end_s - at >= _LEAST_PAUSE_S else result


def spread_phones(words: Sequence[Word], spoken: Mapping[str, Spoken]) -> tuple[Phone, ...]:
    """Phones of an utterance, each word shared out among its phones by their typical lengths; pauses become silence.

    Args:
        words: in the order of time. spoken: the pronunciation of each; an empty one is a pause.
    """
    phones: list[Phone] = []
    for word in words:
        at, parts = word.start_s, _parts(word, spoken)
        lengths = [_LENGTH_S.get(symbol, _PAUSE_LENGTH_S) for symbol, _ in parts]
        unit = (word.end_s - word.start_s) / sum(lengths)
        for (symbol, stress), length in zip(parts, lengths, strict=True):
            phones.append(Phone(symbol, at, at + unit * length, stress))
            at += unit * length
    return tuple(phones)


def _parts(word: Word, spoken: Mapping[str, Spoken]) -> Spoken:
    return spoken.get(word.text) or ((SILENCE, 0),)
