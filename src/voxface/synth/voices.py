"""The voices, whose data may be used freely, and which of them speak for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voxface.errors import UsageError


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of an engine.

    engine:   flite, festival or espeak
    name:     as the engine knows it
    package:  of Debian, that brings it
    share:    of a mix of voices; 0: for evaluation, never part of the default
    late_s:   its sound comes this much later than the engine's labels say (measured: tests/test_synth_labels.py)
    language: "en", or "ru", whose texts are of our own
    human:    made from recordings of a person
    """

    engine: str
    name: str
    package: str
    share: float
    late_s: float = 0.0
    language: str = "en"
    human: bool = True

    @property
    def speaker(self) -> str:
        """Its name in a dataset."""
        return f"{self.engine}-{self.name}"


def _espeak(name: str, share: float = 0.03) -> Voice:
    return Voice("espeak", name, "espeak-ng", share, -0.005, human=False)


VOICES: tuple[Voice, ...] = (
    Voice("flite", "kal16", "libflite1", 0.16),
    Voice("flite", "awb", "libflite1", 0.11),
    Voice("flite", "rms", "libflite1", 0.11),
    Voice("flite", "slt", "libflite1", 0.13),
    Voice("festival", "kal_diphone", "festival festvox-kallpc16k", 0.08, 0.005),
    Voice("festival", "cmu_us_slt_arctic_hts", "festival festvox-us-slt-hts", 0.06, 0.005),
    _espeak("en-us+m3"), _espeak("en-us+f2"), _espeak("en-us+klatt2"), _espeak("en-us+linda"),
    _espeak("en-us+Andy"), _espeak("en-us-nyc+m6"), _espeak("en+f4"), _espeak("en+m7"),
    _espeak("en-gb-x-rp+david"), _espeak("en-gb-scotland+belinda"), _espeak("en-029+steph"),
    _espeak("en-gb-x-gbclan+anika"),
    Voice("festival", "ked_diphone", "festival festvox-kdlpc16k", 0.0, 0.005),
    Voice("festival", "msu_ru_nsh_clunits", "festival festvox-ru", 0.0, 0.0, "ru"),
)  # fmt: skip
"""All voices. Those of share 0 are for evaluation: they must be strangers to every net."""

SHORT_NAMES = {"kal": "kal_diphone", "ked": "ked_diphone", "slt_hts": "cmu_us_slt_arctic_hts",
               "msu_ru_nsh": "msu_ru_nsh_clunits"}  # fmt: skip


def choose_voices(text: str | None = None) -> list[Voice]:
    """Voices by name, separated by commas: as listed, with the engine (flite-slt), an engine ("flite"), or "default".

    Any voice of espeak-ng is known: espeak-de+f2.
    Raises: UsageError: a name is none of these.
    """
    chosen: dict[Voice, None] = {}
    for name in (text or "default").split(","):
        chosen.update(dict.fromkeys(_named(name.strip())))
    return list(chosen)


def _named(name: str) -> Sequence[Voice]:
    if name in ("default", "all"):
        return [voice for voice in VOICES if voice.share]
    full = SHORT_NAMES.get(name, name)
    found = [v for v in VOICES if full in (v.name, v.speaker) or (name == v.engine and v.share)]
    if found:
        return found
    if name.startswith("espeak-"):
        return [_espeak(name.removeprefix("espeak-"))]
    raise UsageError(f"there is no voice {name!r}.", hint="voxface synth --list names them all.", source=name)
