"""Recordings of people who act emotions, by the file names of the Berlin Database of Emotional Speech.

F. Burkhardt, A. Paeschke, M. Rolfes, W. Sendlmeier, B. Weiss, "A Database of German Emotional Speech", Interspeech
2005.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voxface.audio.decode import read_audio
from voxface.audio.resample import to_16k
from voxface.errors import DatasetError
from voxface.stream import Array

LETTERS = {
    "W": "Angry", "L": "Neutral", "E": "Disgusted", "A": "Fearful", "F": "Happy", "T": "Sad", "N": "Neutral",
}  # fmt: skip
"""What the sixth letter of a name says. L is boredom, which has no expression of its own here. Nobody is surprised."""

_NAME = re.compile(r"(\d\d)[ab]\d\d([WLEAFTN])[a-z]")


@dataclass(frozen=True, slots=True, eq=False)
class Acted:
    """One sentence: name, who speaks, which emotion is meant, (n,) float32 samples at 16 kHz."""

    name: str
    speaker: str
    emotion: str
    samples: Array


def acted(folder: Path) -> Iterator[Acted]:
    """The sentences in a folder, in order of their names; other files are left out.

    Raises: DatasetError: there is none. The errors of audio.decode.read_audio: one cannot be read.
    """
    named = {path: _NAME.fullmatch(path.stem) for path in sorted(folder.glob("*")) if path.is_file()}
    known = {path: found for path, found in named.items() if found}
    if not known:
        raise DatasetError(
            f"{folder} holds no sentence with a name like 03a01Fa.flac.",
            hint="Give the folder of the Berlin Database of Emotional Speech with --sound.",
            source=str(folder),
        )
    for path, found in known.items():
        yield Acted(path.stem, found[1], LETTERS[found[2]], to_16k(*read_audio(path)))
