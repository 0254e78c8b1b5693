"""espeak-ng's library in a process of its own: `python -m voxface.synth.espeak_worker VOICE`, or `list`.

Only the C API tells when phones are spoken. Source: espeak-ng 1.51, include/espeak-ng/speak_lib.h.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from pathlib import Path
from typing import Any

from voxface.synth.wire import Answer, Label, serve

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: no threads, so the same text gives the same samples
_PHONEMES, _IPA, _DONT_EXIT = 1, 2, 0x8000  # espeakINITIALIZE_...
_PHONEME = 7  # espeakEVENT_PHONEME
_RATE, _USUAL_RATE = 1, 175  # espeakRATE, words a minute
_UTF8 = 1  # espeakCHARS_UTF8
_WITH_MARKS = 2 | ord("_") << 8  # IPA, phones apart
_GLIDE = "ʲ"  # an event of its own, in the text part of its vowel


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Id),
    )  # fmt: skip


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """One voice, such as en-us+f2. Raises: OSError: the library is not installed, or it has no such voice."""

    def __init__(self, name: str | None = None) -> None:
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        self.rate_hz = int(self.library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEMES | _IPA | _DONT_EXIT))
        if self.rate_hz <= 0:
            raise OSError("espeak-ng finds no data")
        self.samples = bytearray()
        self.starts: list[tuple[str, float]] = []
        self.library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.callback = _Callback(self._hear)
        self.library.espeak_SetSynthCallback(self.callback)
        if name is not None:
            self._choose(name)

    def _choose(self, name: str) -> None:
        """A variant that does not exist would be left out without a word, so its file is looked for."""
        folder = ctypes.c_char_p()
        self.library.espeak_Info.restype = ctypes.c_char_p
        self.library.espeak_Info(ctypes.byref(folder))
        variant = name.partition("+")[2]
        there = not variant or Path((folder.value or b"").decode(), "voices", "!v", variant).is_file()
        if not there or self.library.espeak_SetVoiceByName(name.encode()) != 0:
            raise OSError(f"espeak-ng has no voice {name}")

    def _hear(self, wave: int | None, count: int, events: Any) -> int:
        if wave and count > 0:
            self.samples += ctypes.string_at(wave, 2 * count)
        place = 0
        while events[place].type:  # the list ends with an event of type 0
            if events[place].type == _PHONEME:
                name = bytes(events[place].id.string).split(b"\0")[0].decode("utf-8", "replace")
                self.starts.append((name, events[place].sample / self.rate_hz))
            place += 1
        return 0

    def say(self, text: str, stretch: float) -> Answer:
        """Speak; a phone lasts until the next begins."""
        self.samples.clear()
        self.starts.clear()
        self.library.espeak_SetParameter(_RATE, round(_USUAL_RATE / stretch), 0)
        sent = text.encode()
        self.library.espeak_Synth(sent, len(sent) + 1, 0, 1, 0, _UTF8, None, None)
        return Answer(self.rate_hz, bytes(self.samples), tuple(self._labels(sent)))

    def _labels(self, text: bytes) -> list[Label]:
        end_s = len(self.samples) / 2 / self.rate_hz
        ends = [start for _, start in self.starts[1:]] + [end_s]
        phones = zip(self.starts, ends, self._stresses(text), strict=True)
        return [(name, round(start, 5), round(end, 5), stress) for (name, start), end, stress in phones]

    def _stresses(self, text: bytes) -> list[int]:
        """The stress of each event: events have no mark of it, the text as phonemes has one before the vowel.

        All 0 where the two do not have the same number of phones (3 % of the sentences of the Scottish voice).
        """
        rest, parts = ctypes.c_char_p(text), []
        while rest.value:
            parts.append(self.library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _WITH_MARKS).decode())
        marked = [part for part in re.split("[_ ]+", " ".join(parts)) if part]
        spoken = [place for place, (name, _) in enumerate(self.starts) if name not in ("", _GLIDE)]
        result = [0] * len(self.starts)
        if len(marked) == len(spoken):
            for place, mark in zip(spoken, marked, strict=True):
                result[place] = 1 if mark.startswith("ˈ") else 2 if mark.startswith("ˌ") else 0
        return result


if __name__ == "__main__":
    if sys.argv[1] == "list":
        Espeak()
        print(json.dumps(["*"]))
    else:
        serve(Espeak(sys.argv[1]).say)
