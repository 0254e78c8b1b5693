"""Speech engines: how each is asked to speak, and what is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from voxface.synth import festival, helper
from voxface.synth.program import Ended
from voxface.synth.voices import Voice
from voxface.synth.wire import Answer, Request

LIMIT_S = 60.0
"""An engine that has not said its texts (half a minute of speech) after this long hangs."""

MOST_FAULTS = 3
"""So many texts in a row at which an engine died: it is the engine, not the text."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine: its name, and what it can do.

    installed: which of its voices are there; ("*",) for any name
    say:       speaks requests with a voice until one kills it: (voice, requests, limit_s) -> (answers, how it ended)
    """

    name: str
    installed: Callable[[], Sequence[str]]
    say: Callable[[str, Sequence[Request], float], tuple[list[Answer], Ended]]


ENGINES: Mapping[str, Engine] = {
    "flite": Engine("flite", partial(helper.installed, helper.FLITE), partial(helper.say, helper.FLITE)),
    "festival": Engine("festival", festival.installed, festival.say),
    "espeak": Engine("espeak", partial(helper.installed, helper.ESPEAK), partial(helper.say, helper.ESPEAK)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """Answers, one per request; None for a text at which the engine died, with a line in `faults` that names it."""

    answers: tuple[Answer | None, ...]
    faults: tuple[str, ...] = field(default=())


def find_voices(wanted: Sequence[Voice]) -> tuple[list[Voice], list[str]]:
    """Which of the voices wanted are installed, and one line per engine for those that are not, with what helps."""
    there = {name: ENGINES[name].installed() for name in dict.fromkeys(voice.engine for voice in wanted)}
    found = [voice for voice in wanted if voice.name in there[voice.engine] or "*" in there[voice.engine]]
    problems = []
    for engine in there:
        missing = [voice for voice in wanted if voice.engine == engine and voice not in found]
        if missing:
            names = ", ".join(voice.name for voice in missing)
            problems.append(f"{engine} lacks {names}: {apt_line(missing)}")
    return found, problems


def apt_line(voices: Sequence[Voice]) -> str:
    """The command that installs these voices on Debian."""
    packages = dict.fromkeys(package for voice in voices for package in voice.package.split())
    return f"apt install {' '.join(packages)}"


def speak(voice: Voice, requests: Sequence[Request], limit_s: float = LIMIT_S) -> Said:
    """Say the requests; a text that kills or hangs the engine is skipped and named, and the engine started again."""
    engine, row = ENGINES[voice.engine], 0
    answers: list[Answer | None] = []
    faults: list[str] = []
    while len(answers) < len(requests) and row < MOST_FAULTS:
        heard, ended = engine.say(voice.name, requests[len(answers) :], limit_s)
        answers += heard
        row = 0 if heard else row
        if len(answers) < len(requests):
            why = ended.problem or "stopped before its time"
            faults.append(f"{voice.speaker} {why} at {_shown(requests[len(answers)])}")
            answers.append(None)
            row += 1
    return Said((*answers, *[None] * (len(requests) - len(answers))), tuple(faults))


def _shown(request: Request) -> str:
    return repr(request.text if len(request.text) <= 60 else request.text[:57] + "...")
