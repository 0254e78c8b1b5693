"""The pictures of docs/emotion.md: the expressions on our head, and the emotion track over two recordings.

    python tools/emotion_pictures.py [RECORDING ...]

Writes docs/images/expressions.png and, with recordings, docs/images/emotion_track.png. Needs the extra `plot`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from voxface.audio.decode import read_audio
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.figure import PNG_DPI, new_figure, save_figure
from voxface.render.lanes import LIP_GAP
from voxface.render.panels import INK, SMALL, Strip
from voxface.render.plot import Plot, draw_plot, span_of
from voxface.render.sound import sound_picture
from voxface.render.strip import faces_at, moments
from voxface.runtime.animate import animate
from voxface.runtime.expressions import Expressions
from voxface.stream import Array

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SAMPLE = ROOT / "src" / "voxface" / "samples" / "hello.flac"
ROWS = ("Neutral", "Happy", "Surprised", "Angry", "Disgusted", "Fearful", "Sad")
SPOKEN = (("open: “five”", 2.74), ("closed: “blue”", 2.888), ("rounded: “moons”", 3.16))
"""Moments of the sample, seconds."""
COLUMNS: tuple[tuple[str, float, str, float | None], ...] = (
    ("30 %", 0.3, "front", None), ("60 %", 0.6, "front", None), ("100 %", 1.0, "front", None),
    ("", 1.0, "three-quarter", None), *((word, 1.0, "front", time_s) for word, time_s in SPOKEN),
    ("", 1.0, "three-quarter", SPOKEN[0][1]),
)  # fmt: skip
"""Of expressions.png: title, strength of the emotion, camera, moment of the sample or None: at rest."""
GROUPS = (("at rest", 0), ("speaking, 100 %", 4))
SIDE = 256  # pixels of a picture before it is cut to the face
CUT = {"front": (40, 48), "three-quarter": (16, 48)}  # pixels left and above
FACE = (176, 196)
"""Width and height of a face in pixels."""
LEFT, TOP, BETWEEN, APART = 92, 52, 3, 12  # pixels: names, titles, between faces, between groups

MOVING = (
    LIP_GAP, "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "browDownLeft", "browDownRight",
)  # fmt: skip
"""What emotion_track.png shows beside the emotions."""
LEAST = 0.1
"""An emotion that is never felt as much has no lane there."""


def expressions_picture(path: Path) -> None:
    """Every emotion at rest in three strengths, and on a talking face."""
    speech = animate(SAMPLE, idle=None, emotion=None).to_rig(ARKIT)
    starts = [LEFT + k * (FACE[0] + BETWEEN) + APART * (k >= GROUPS[1][1]) for k in range(len(COLUMNS))]
    width, height = starts[-1] + FACE[0], TOP + len(ROWS) * (FACE[1] + BETWEEN)
    page = np.full((height, width, 3), 255, np.uint8)
    for start, (_, strength, camera, time_s) in zip(starts, COLUMNS, strict=True):
        for row, picture in enumerate(_column(speech, strength, camera, time_s)):
            top = TOP + row * (FACE[1] + BETWEEN)
            page[top : top + FACE[1], start : start + FACE[0]] = picture
    figure = new_figure(width / PNG_DPI, height / PNG_DPI, layout=None)
    figure.figimage(page)

    def write(text: str, x: float, y: float, **style: Any) -> None:
        figure.text(x / width, 1 - y / height, text, **({"fontsize": SMALL + 1, "color": INK, "va": "center"} | style))

    for start, (title, *_) in zip(starts, COLUMNS, strict=True):
        write(title, start + FACE[0] / 2, 39, ha="center", fontsize=SMALL)
    for title, first in GROUPS:
        write(title, starts[first], 16, weight="bold")
    for row, name in enumerate(ROWS):
        write(name, LEFT - 12, TOP + (row + 0.5) * (FACE[1] + BETWEEN), ha="right")
    save_figure(figure, path)
    _shrink(path)


def _column(speech: FaceClip, strength: float, camera: str, time_s: float | None) -> list[Array]:
    """The faces of one column, one per row."""
    weights = np.zeros((len(ROWS), len(ARKIT)), np.float32)
    if time_s is not None:
        weights[:] = speech.weights[round(time_s * speech.fps)]
    emotion = np.zeros((len(ROWS), len(EMOTIONS)), np.float32)
    emotion[range(len(ROWS)), [EMOTIONS.index(name) for name in ROWS]] = strength
    clip = FaceClip(Expressions.load().apply(weights, ARKIT, emotion), ARKIT, 1.0)
    left, top = CUT[camera]
    drawn = faces_at(clip, range(len(ROWS)), (SIDE, SIDE), camera)
    return [picture[top : top + FACE[1], left : left + FACE[0]] for picture in drawn]


def track_picture(recordings: Sequence[Path], path: Path) -> None:
    """Emotions over recordings, one above the other: faces, what moves, the track, the sound."""
    with TemporaryDirectory() as folder:
        parts = [_track(recording, Path(folder) / f"{recording.stem}.png") for recording in recordings]
    Image.fromarray(np.concatenate(parts)).save(path)
    _shrink(path)


def _track(recording: Path, path: Path) -> Array:
    """The plot of one recording as a picture."""
    clip = animate(recording)
    assert clip.emotion is not None
    samples, rate_hz = read_audio(recording)
    felt = [name for name in EMOTIONS if clip.emotion[:, EMOTIONS.index(name)].max() >= LEAST]
    span_s = span_of([clip])
    times_s = moments(10, span_s)
    left, top = CUT["front"]
    faces = [face[top : top + FACE[1], left : left + FACE[0]] for face in faces_at(clip, times_s, (SIDE, SIDE))]
    sound, strip = sound_picture([samples], rate_hz, *span_s), Strip(times_s, tuple(faces))
    draw_plot(Plot((clip,), (), (*MOVING, *felt), span_s, sound, (), strip, recording.stem), path)
    return np.asarray(Image.open(path).convert("RGB"))


def _shrink(path: Path) -> None:
    """256 colours are enough for a document."""
    Image.open(path).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} KB")


def main() -> None:
    expressions_picture(IMAGES / "expressions.png")
    if recordings := [Path(name) for name in sys.argv[1:]]:
        track_picture(recordings, IMAGES / "emotion_track.png")


if __name__ == "__main__":
    main()
