"""Curves for the eye: predicted against captured lip gap over the waveform, one panel per clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voxface.errors import OutputError
from voxface.evaluation.report import Curve, GroupReport
from voxface.face.gap import CLOSED_BELOW
from voxface.figure import new_figure, save_png
from voxface.timebase import ROW_RATE_HZ, SAMPLE_RATE_HZ

_WAVE, _CAPTURED, _PREDICTED = "#c8c8c8", "#1a1a1a", "#d1495b"


def draw_curves(group: GroupReport, path: str | Path) -> None:
    """Write the curves of a group as a PNG picture, from the clip with the lowest r to that with the highest.

    Raises: MissingDependencyError: matplotlib is not installed. OutputError: the path cannot be written.
    """
    if not group.curves:
        raise OutputError(f"group {group.name!r} has no curves to draw.")
    figure = new_figure(11, 0.6 + 2.1 * len(group.curves))
    figure.suptitle(f"Lip gap in {group.name}: captured and predicted by {group.judged.predictor}")
    panels = figure.subplots(len(group.curves), 1, squeeze=False)[:, 0]
    for panel, curve in zip(panels, group.curves, strict=True):
        _draw(panel, curve)
    panels[0].legend(loc="upper right", fontsize="small", framealpha=0.7)
    panels[-1].set_xlabel("seconds")
    save_png(figure, path)


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
    panel.plot(seconds, captured, color=_CAPTURED, linewidth=1.4, label="captured")
    panel.plot(seconds, curve.predicted, color=_PREDICTED, linewidth=1.4, label="predicted")
    panel.axhline(CLOSED_BELOW, color=_CAPTURED, linewidth=0.5, linestyle=":")
    low = min(0.0, float(known.min(initial=0.0)), float(curve.predicted.min(initial=0.0)))
    panel.set(xlim=(0, max(seconds[-1], 0.01)), ylim=(low, top), ylabel="lip gap")
    panel.set_title(f"{curve.name}   r = {'–' if curve.r is None else f'{curve.r:.2f}'}", fontsize="small", loc="left")
