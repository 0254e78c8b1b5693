"""The plan of a synthetic dataset: who says what, how fast, how loud, with which pauses; all follows from a seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle

import numpy as np

from voxface.dataset.recording import SPLITS
from voxface.errors import UsageError
from voxface.synth.text import russian, sentences
from voxface.synth.voices import Voice

RECORDING_S = 30.0
"""About as long is one recording."""

_CHARACTERS_PER_S = 17.0  # of the voices on average; only the lengths of the recordings hang on it
_STRETCH = (0.85, 1.2)
_PAUSE_S = (0.2, 1.2)
_SPEECH_DB = (-27.0, -17.0)  # RMS of a recording's speech, of full scale
_SWAY_DB = 1.5  # how far single sentences are from that
_VERSION = 1  # of how plans become recordings: another number, other files


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: its text, how much slower than usual it is said, the RMS of its sound, the silence behind it."""

    text: str
    stretch: float
    level_db: float
    pause_s: float


@dataclass(frozen=True, slots=True)
class Script:
    """One recording to be made: name (unique), voice, split, and what is said."""

    name: str
    voice: Voice
    split: str
    sentences: tuple[Sentence, ...]

    @property
    def sha256(self) -> str:
        """Of all that its sound hangs on: another script, another digest."""
        voice = asdict(self.voice) | {"share": 0}  # how much others say does not change the sound
        said = {"version": _VERSION, "voice": voice, "sentences": [asdict(s) for s in self.sentences]}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SplitRule:
    """`last:3`: the last 3 recordings of every voice validate; `all:test`: everything into this split."""

    kind: str = "last"
    last: int = 3
    only: str = "train"

    @property
    def text(self) -> str:
        """As on the command line."""
        return f"last:{self.last}" if self.kind == "last" else f"all:{self.only}"

    def of(self, place: int, count: int) -> str:
        """The split of recording `place` of a voice's `count`; a voice with few keeps at least half to learn from."""
        if self.kind == "all":
            return self.only
        return "validate" if place >= count - min(self.last, count // 2) else "train"


def parse_split(text: str) -> SplitRule:
    """Read `last:3` or `all:test`. Raises: UsageError: it is neither."""
    kind, _, rest = text.partition(":")
    if kind == "all" and rest in SPLITS:
        return SplitRule("all", only=rest)
    if kind == "last" and rest.isdecimal():
        return SplitRule("last", last=int(rest))
    forms = f"Forms: last:3 (validate, of every voice), all:NAME ({', '.join(SPLITS)})."
    raise UsageError(f"{text!r} is no split of synthetic speech.", hint=forms, source=text)


def make_plan(voices: Sequence[Voice], minutes: float, seed: int, rule: SplitRule) -> list[Script]:
    """Scripts for about so many minutes, divided among the voices by their shares; at least one for each.

    Sentences that validate or test are never learned from. A longer plan of the same voices and seed is another one.
    Raises: UsageError: minutes out of range. MissingDependencyError: WordNet is not installed.
    """
    if not 0 < minutes <= 100_000:
        raise UsageError(f"minutes must be above 0 and at most 100000; got {minutes:g}.")
    texts = _Texts(seed)
    plan = []
    for voice, count in zip(voices, _counts(voices, minutes), strict=True):
        for place in range(count):
            split = rule.of(place, count)
            chance = np.random.default_rng([seed, *voice.speaker.encode(), place])
            said = _script(texts.of(voice, split), chance)
            plan.append(Script(f"{voice.speaker}-{place:04d}", voice, split, said))
    return plan


def _counts(voices: Sequence[Voice], minutes: float) -> list[int]:
    """Recordings per voice: by share; where none of them has one, evenly."""
    shares = np.array([voice.share for voice in voices])
    shares = shares / shares.sum() if shares.sum() else np.full(len(voices), 1 / len(voices))
    return [max(1, round(float(share) * minutes * 60 / RECORDING_S)) for share in shares]


class _Texts:
    """Endless texts by language and use; each is said once before any is said again."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.streams: dict[tuple[str, bool], Iterator[str]] = {}

    def of(self, voice: Voice, split: str) -> Iterator[str]:
        key = (voice.language, split != "train")
        if key not in self.streams:
            own = voice.language == "ru"
            self.streams[key] = cycle(russian(self.seed) if own else sentences(self.seed, held_out=key[1]))
        return self.streams[key]


def _script(texts: Iterator[str], chance: np.random.Generator) -> tuple[Sentence, ...]:
    said: list[Sentence] = []
    length_s, level_db = 0.6, chance.uniform(*_SPEECH_DB)
    while length_s < RECORDING_S:
        text, stretch, pause_s = next(texts), chance.uniform(*_STRETCH), chance.uniform(*_PAUSE_S)
        sway_db = chance.uniform(-_SWAY_DB, _SWAY_DB)
        said.append(Sentence(text, round(stretch, 3), round(level_db + sway_db, 2), round(pause_s, 3)))
        length_s += len(text) / _CHARACTERS_PER_S * stretch + pause_s
    return tuple(said)
