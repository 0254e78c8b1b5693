"""Flite's library in a process of its own: `python -m voxface.synth.flite_worker VOICE`, or `list`.

The program `flite` prints no stress, so its C library is called; a crash of it ends this process only.
Source: flite 2.2, include/flite.h and cst_wave.h (the layout of cst_voice and cst_wave).
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

from voxface.synth.wire import Answer, Label, serve

NAMES = ("kal16", "awb", "rms", "slt")
_MOST_LABELS = 100_000


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p), ("rate", ctypes.c_int), ("count", ctypes.c_int), ("channels", ctypes.c_int),
        ("samples", ctypes.c_void_p),
    )  # fmt: skip


def _library(name: str) -> Any:
    return ctypes.CDLL(f"lib{name}.so.1", mode=ctypes.RTLD_GLOBAL)


class Flite:
    """One voice. Raises: OSError: the library is not installed."""

    def __init__(self, name: str) -> None:
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float
        self.library = _library("flite")
        for part in ("flite_cmulex", "flite_usenglish"):
            _library(part)
        self._declare("flite_synth_text", pointer, text, pointer)
        self._declare("utt_wave", ctypes.POINTER(_Wave), pointer)
        self._declare("utt_relation", pointer, pointer, text)
        self._declare("relation_head", pointer, pointer)
        self._declare("item_next", pointer, pointer)
        self._declare("flite_ffeature_string", text, pointer, text)
        self._declare("flite_ffeature_float", number, pointer, text)
        self._declare("feat_set_float", None, pointer, text, number)
        self._declare("delete_utterance", None, pointer)
        register = getattr(_library(f"flite_cmu_us_{name}"), f"register_cmu_us_{name}")
        register.restype, register.argtypes = pointer, (text,)
        self.library.flite_init()
        self.voice = register(None)
        self.features = ctypes.cast(self.voice, ctypes.POINTER(_Voice)).contents.features

    def _declare(self, name: str, result: Any, *arguments: Any) -> None:
        function = getattr(self.library, name)
        function.restype, function.argtypes = result, arguments

    def say(self, text: str, stretch: float) -> Answer:
        """Speak; the stretch is set every time, because it sticks to the voice."""
        self.library.feat_set_float(self.features, b"duration_stretch", stretch)
        utterance = self.library.flite_synth_text(text.encode(), self.voice)
        if not utterance:
            return Answer(16_000, b"", ())
        wave = self.library.utt_wave(utterance).contents
        samples = ctypes.string_at(wave.samples, 2 * wave.count)
        answer = Answer(int(wave.rate), samples, tuple(self._labels(utterance)))
        self.library.delete_utterance(utterance)
        return answer

    def _labels(self, utterance: int) -> list[Label]:
        library, start_s = self.library, 0.0
        labels: list[Label] = []
        item = library.relation_head(library.utt_relation(utterance, b"Segment"))
        while item and len(labels) < _MOST_LABELS:
            name = library.flite_ffeature_string(item, b"name").decode("ascii", "replace")
            end_s = library.flite_ffeature_float(item, b"end")
            stress = library.flite_ffeature_string(item, b"R:SylStructure.parent.stress")
            labels.append((name, round(start_s, 5), round(end_s, 5), int(stress == b"1")))
            start_s, item = end_s, library.item_next(item)
        return labels


def installed() -> list[str]:
    """The voices whose libraries load."""
    found = []
    for name in NAMES:
        try:
            Flite(name)
        except (OSError, AttributeError):
            continue
        found.append(name)
    return found


if __name__ == "__main__":
    if sys.argv[1] == "list":
        print(json.dumps(installed()))
    else:
        serve(Flite(sys.argv[1]).say)
