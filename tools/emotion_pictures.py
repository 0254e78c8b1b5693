"""The pictures of docs/emotion.md: the expressions on our head, and the emotion track over two recordings.

    python tools/emotion_pictures.py [JOY.flac ANGER.flac]

Writes docs/images/expressions.png and, with two recordings, docs/images/emotion_track.png. Needs the extra `plot`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.figure import PNG_DPI, new_figure, save_figure
from voxface.render.panels import INK, SMALL
from voxface.render.strip import faces_at
from voxface.runtime.animate import animate
from voxface.runtime.expressions import Expressions
from voxface.stream import Array

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SAMPLE = ROOT / "src" / "voxface" / "samples" / "hello.flac"
ROWS = ("Neutral", "Happy", "Surprised", "Angry", "Disgusted", "Fearful", "Sad")
SPOKEN = (("open: “five”", 2.74), ("closed: “blue”", 2.888), ("rounded: “moons”", 3.16))
"""Moments of the sample, seconds."""
COLUMNS = (
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


def expressions_picture(path: Path) -> None:
    """Every emotion at rest in three strengths, and on a talking face."""
    speech = animate(SAMPLE, idle=None).to_rig(ARKIT)
    starts = [LEFT + k * (FACE[0] + BETWEEN) + APART * (k >= GROUPS[1][1]) for k in range(len(COLUMNS))]
    width, height = starts[-1] + FACE[0], TOP + len(ROWS) * (FACE[1] + BETWEEN)
    page = np.full((height, width, 3), 255, np.uint8)
    for start, (_, *look) in zip(starts, COLUMNS, strict=True):
        for row, picture in enumerate(_column(speech, *look)):
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


def _shrink(path: Path) -> None:
    """256 colours are enough for a document."""
    Image.open(path).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} KB")


def main() -> None:
    expressions_picture(IMAGES / "expressions.png")


if __name__ == "__main__":
    main()
