"""How alike two clips from files are, in the numbers of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from voxface.dataset.report_html import Html
from voxface.evaluation.metrics import best_lag, clip_r, lag_curve
from voxface.evaluation.page_clip import Shown, shown_clips
from voxface.evaluation.page_tables import table
from voxface.evaluation.text import lag_text, number_text
from voxface.face.clip import FaceClip
from voxface.face.gap import CLOSED_BELOW
from voxface.stream import Array

_MAX_LAG_S = 0.2

LIKENESS_NOTE = (
    "The lip gap is jawOpen − mouthClose + an eighth of mouthLowerDown and mouthUpperUp on both sides: 0 is shut "
    f"(below {CLOSED_BELOW} counts as closed), about 1 wide open; r tells how alike two gaps move (1: as one, 0: not "
    "at all); best lag is the shift at which r is highest (+: the second face is late, −: it is early); apart is the "
    "mean distance of the two gaps."
)
"""The numbers of `likeness` for whoever sees them first."""


def compared(names: Sequence[str], clips: Sequence[FaceClip], samples: Array) -> Shown:
    """One clip, or two side by side, from files.

    Args:
        names: of the files, the captured one first.
        samples: (n,) float32 at 16 kHz from second 0; empty: silent.
    Raises: as shown_clips.
    """
    shown = shown_clips(names, clips, samples)
    return replace(shown, about=likeness(shown))


def likeness(shown: Shown) -> str:
    """One line about the lip gaps of two clips, over the frames where both faces were seen; empty for a single clip."""
    if len(shown.clips) < 2:
        return ""
    truth, other = np.nan_to_num(shown.gaps)
    known: Array = np.asarray(np.isfinite(shown.gaps).all(axis=0))
    fps = shown.clips[0].fps
    lags = lag_curve(other, truth, known, round(_MAX_LAG_S * fps))
    lag = best_lag(lags)
    there = None if lag is None else lags[lag + len(lags) // 2]
    apart = float(np.abs(truth - other)[known].mean()) if known.any() else None
    r, lag_ms = clip_r(other[known], truth[known]), None if lag is None else 1000 * lag / fps
    at_lag = f"best lag {lag_text(lag_ms)} ms: {number_text(there)}"
    return f"lip-gap r {number_text(r)}; {at_lag}; apart by {number_text(apart)} on average"


def channels_apart(shown: Shown) -> Html:
    """The channels that both clips have and know, most different first."""
    truth, other = shown.clips
    seen = truth.seen & other.seen
    rows = []
    for name in truth.channels:
        if name not in other.channels or not (_known(truth, name) and _known(other, name)):
            continue
        one, two = truth.channel(name)[seen], other.channel(name)[seen]
        if len(one):
            rows.append((float(np.abs(one - two).mean()), name, _r(two, one), float(one.max()), float(two.max())))
    rows.sort(reverse=True, key=lambda row: row[0])
    cells = [[name, f"{mae:.4f}", r, f"{most:.2f}", f"{own:.2f}"] for mae, name, r, most, own in rows]
    return table(["channel", "mean difference", "r", f"highest, {shown.labels[0]}", shown.labels[1]], cells)


def _known(clip: FaceClip, name: str) -> bool:
    return bool(clip.observed[clip.channels.index(name)])


def _r(prediction: Array, truth: Array) -> str:
    return number_text(clip_r(prediction, truth))
