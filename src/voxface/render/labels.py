"""Words under a picture: the only importer of Pillow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxface.errors import MissingDependencyError
from voxface.stream import Array

_INK, _PAPER = 240.0, 24.0
_OPAQUE = 0.55  # of the paper behind the words


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """ink: (rows, columns) float32 in [0, 1], where letters are; it is laid into the lower left corner."""

    ink: Array

    def put_on(self, picture: Array) -> None:
        """Write it into a picture, (height, width, 3) uint8."""
        rows, columns = self.ink.shape
        place = picture[picture.shape[0] - rows :, :columns]
        paper = place * (1 - _OPAQUE) + _PAPER * _OPAQUE
        place[:] = np.rint(paper + (_INK - paper) * self.ink[..., None])


def label(text: str, size: tuple[int, int]) -> Label:
    """A label for pictures of that size; what does not fit is cut, and control characters are spaces.

    Raises: MissingDependencyError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        hint = "pip install 'voxface[render]'"
        raise MissingDependencyError("labels need Pillow, which is not installed.", hint=hint) from error
    width, height = size
    letters = max(9, min(width, height) // 28)
    font = ImageFont.load_default(letters)
    words = "".join(letter if letter.isprintable() else " " for letter in text)
    wide = min(width, round(font.getlength(words)) + letters)
    paper = Image.new("L", (wide, min(height, round(letters * 1.8))))
    ImageDraw.Draw(paper).text((letters // 2, paper.height // 2), words, fill=255, font=font, anchor="lm")
    return Label(np.asarray(paper, np.float32) / 255)
