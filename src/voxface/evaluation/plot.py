"""Curves for the eye: predicted against true lip gap over the waveform, one panel per clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voxface.errors import OutputError
from voxface.evaluation.group import Curve, GroupReport
from voxface.evaluation.robust import spread_over
from voxface.evaluation.text import lag_text, number_text
from voxface.face.gap import CLOSED_BELOW
from voxface.figure import new_figure, save_figure
from voxface.timebase import ROW_RATE_HZ, SAMPLE_RATE_HZ

CURVES = 5
"""Clips drawn per group: the worst, the best, and what lies evenly between them."""

_WAVE, _CAPTURED, _PREDICTED = "#c8c8c8", "#1a1a1a", "#d1495b"


def draw_curves(group: GroupReport, path: str | Path) -> None:
    """Write five curves of a group as a PNG picture, evenly from the clip with the lowest r to that with the highest.

    Raises: MissingDependencyError: matplotlib is not installed. OutputError: the path cannot be written.
    """
    order = sorted(group.curves, key=lambda curve: -2.0 if curve.scores.r is None else curve.scores.r)
    chosen = spread_over(len(order), CURVES)
    title = f"Lip gap in {group.name}: true and predicted by {group.judged.predictor}"
    draw_panels([("", order[i]) for i in chosen], title, path)


def draw_panels(panels: Sequence[tuple[str, Curve]], title: str, path: str | Path) -> None:
    """Write curves as a PNG picture, one panel each, from top to bottom.

    Args:
        panels: what stands before the name of the clip, and its curve.
    Raises: MissingDependencyError: matplotlib is not installed. OutputError: the path cannot be written.
    """
    if not panels:
        raise OutputError("there are no curves to draw.")
    figure = new_figure(11, 0.6 + 2.1 * len(panels))
    figure.suptitle(title)
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axis, (before, curve) in zip(axes, panels, strict=True):
        _draw(axis, curve)
        axis.set_title(before + _caption(curve), fontsize="small", loc="left")
    axes[0].legend(loc="upper right", fontsize="small", framealpha=0.7)
    axes[-1].set_xlabel("seconds")
    save_figure(figure, path)


def _caption(curve: Curve) -> str:
    found, there = curve.scores, curve.scores.aligned
    here = f"r = {number_text(found.r, 2)}, in speech {number_text(found.speech_r, 2)}"
    best = f"{number_text(there.r, 2)}, {number_text(there.speech_r, 2)}"
    return f"{curve.name}   {here}   at {lag_text(there.lag_ms)} ms: {best}"


def _draw(panel: Any, curve: Curve) -> None:
    seconds = np.arange(len(curve.predicted)) / ROW_RATE_HZ
    captured = np.where(curve.valid, curve.captured, np.nan)
    known = curve.captured[curve.valid]
    top = 1.05 * max(float(curve.predicted.max(initial=0.1)), float(known.max(initial=0.1)))
    wave = panel.twinx()
    every = max(1, len(curve.samples) // 6000)
    wave.plot(
        np.arange(len(curve.samples))[::every] / SAMPLE_RATE_HZ, curve.samples[::every], color=_WAVE, linewidth=0.4
    )
    loudest = 1.1 * float(np.abs(curve.samples).max(initial=1e-3))
    wave.set(ylim=(-loudest, loudest), yticks=[])
    panel.set_zorder(wave.get_zorder() + 1)
    panel.set_frame_on(False)
    panel.plot(seconds, captured, color=_CAPTURED, linewidth=1.4, label="true")
    panel.plot(seconds, curve.predicted, color=_PREDICTED, linewidth=1.4, label="predicted")
    panel.axhline(CLOSED_BELOW, color=_CAPTURED, linewidth=0.5, linestyle=":")
    low = min(0.0, float(known.min(initial=0.0)), float(curve.predicted.min(initial=0.0)))
    if curve.closed_s:
        marks = {"color": _CAPTURED, "marker": "v", "markersize": 4, "linestyle": "", "clip_on": False}
        panel.plot(curve.closed_s, [top] * len(curve.closed_s), label="p b m", **marks)
    panel.set(xlim=(0, max(seconds[-1], 0.01)), ylim=(low, top), ylabel="lip gap")
