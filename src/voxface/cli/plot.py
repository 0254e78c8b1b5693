"""One clip as a picture: the waveform, the jaw and the lip gap on one clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voxface.face.clip import FaceClip
from voxface.face.gap import CLOSED_BELOW, rig_gap
from voxface.figure import new_figure, save_png
from voxface.stream import Array

_WAVE, _LINE, _CLOSED = "#7a7a7a", "#d1495b", "#1a1a1a"
_MOST_POINTS = 8_000


def draw_clip(clip: FaceClip, samples: Array, rate_hz: int, path: str | Path, title: str = "") -> None:
    """Write a PNG picture with three panels: waveform, jawOpen, lip gap.

    Raises: MissingDependencyError: matplotlib is not installed. OutputError: the path cannot be written.
        RigMismatchError: the clip lacks channels of the lip gap.
    """
    gap = rig_gap(clip.weights, clip.channels)
    figure = new_figure(11, 5.5)
    wave, jaw, lips = figure.subplots(3, 1, sharex=True)
    _draw_wave(wave, samples, rate_hz)
    _draw_channel(jaw, clip.times_s, clip.channel("jawOpen"), "jawOpen")
    _draw_channel(lips, clip.times_s, gap, "lip gap")
    lips.axhline(CLOSED_BELOW, color=_CLOSED, linewidth=0.8, linestyle=":")
    lips.text(
        0.003, CLOSED_BELOW, "closed below", transform=lips.get_yaxis_transform(), fontsize="x-small", va="bottom"
    )
    lips.set(xlabel="seconds", xlim=(0, max(len(samples) / rate_hz, 1e-3)))
    figure.suptitle(title)
    save_png(figure, path)


def _draw_wave(panel: Any, samples: Array, rate_hz: int) -> None:
    """Lowest and highest sample of every short stretch, so that long recordings stay small."""
    stretch = max(1, len(samples) // _MOST_POINTS)
    whole = samples[: len(samples) // stretch * stretch].reshape(-1, stretch)
    seconds = np.arange(len(whole)) * stretch / rate_hz
    panel.fill_between(seconds, whole.min(axis=1), whole.max(axis=1), color=_WAVE, linewidth=0.4)
    panel.set(ylabel="sound")
    panel.margins(x=0)


def _draw_channel(panel: Any, seconds: Array, values: Array, label: str) -> None:
    panel.plot(seconds, values, color=_LINE, linewidth=1.4)
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.1))
    panel.set(ylabel=label, ylim=(min(low, 0.0) - 0.02, high * 1.08))
    panel.grid(axis="y", linewidth=0.3)
