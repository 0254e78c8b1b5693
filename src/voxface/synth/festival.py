"""Festival: diphone, statistical and unit-selection voices, run as the program `festival`."""

from __future__ import annotations

import re
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

from voxface.synth.program import Ended, run_program
from voxface.synth.wire import Answer, Label, Request

_SCRIPT = """
(define (vf_say text stretch stem hts)
  (Parameter.set 'Duration_Stretch stretch)
  (if hts (set! hts_engine_params (append hts (list (list "-r" (/ 1 stretch))))))
  (let ((utt (eval (list 'Utterance 'Text text))) (file nil))
    (utt.synth utt)
    (utt.save.wave utt (string-append stem ".wav") 'riff)
    (set! file (fopen (string-append stem ".lab") "wb"))
    (mapcar
      (lambda (s) (format file "%s %f %f %s\\n" (item.name s) (item.feat s "segment_start") (item.feat s "end")
                    (item.feat s "R:SylStructure.parent.stress")))
      (utt.relation.items utt 'Segment))
    (format file "END\\n")
    (fclose file)))
"""
"""`Utterance` does not evaluate its arguments, hence the eval. The stretch sticks to the session: set it each time; the
HTS voices take their speed from a parameter of their own. Unit selection takes none."""


def installed() -> list[str]:
    """The voices that are there; none where festival is not."""
    ended = run_program(("festival", "-b", "(print (voice.list))"), limit_s=30)
    return [] if ended.problem else re.findall(r"[\w-]+", ended.output.decode("utf-8", "replace"))


def say(voice: str, requests: Sequence[Request], limit_s: float) -> tuple[list[Answer], Ended]:
    """Say the requests in one run of the program. A text without a letter would crash it and has no answer."""
    with tempfile.TemporaryDirectory(prefix="voxface-festival-") as folder:
        stems = [Path(folder, f"{place:04d}") for place in range(len(requests))]
        hts = f"{voice}::hts_engine_params" if voice.endswith("_hts") else "nil"
        calls = [_call(request, stem, hts) for request, stem in zip(requests, stems, strict=True)]
        script = "\n".join([_SCRIPT, f"(voice_{voice})", *calls])
        ended = run_program(("festival", "--pipe"), script.encode(), limit_s=limit_s)
        answers = []
        for request, stem in zip(requests, stems, strict=True):
            answer = _answer(stem) if _speakable(request.text) else Answer(16_000, b"", ())
            if answer is None:
                break
            answers.append(answer)
    return answers, ended


def _speakable(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


def _call(request: Request, stem: Path, hts: str) -> str:
    if not _speakable(request.text):
        return ""
    text = request.text.replace("\\", " ").replace('"', " ").replace("\n", " ")
    return f'(vf_say "{text}" {request.stretch:.4f} "{stem}" {hts})'


def _answer(stem: Path) -> Answer | None:
    """What festival wrote for one text; None where it did not get to its end."""
    try:
        lines = stem.with_suffix(".lab").read_text(encoding="utf-8").splitlines()
        with wave.open(str(stem.with_suffix(".wav")), "rb") as file:
            rate, samples = file.getframerate(), file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error):
        return None
    if not lines or lines[-1] != "END":
        return None
    return Answer(rate, samples, tuple(_label(line) for line in lines[:-1]))


def _label(line: str) -> Label:
    name, start, end, stress = line.split()
    return name, float(start), float(end), int(stress == "1")
