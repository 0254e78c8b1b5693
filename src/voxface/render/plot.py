"""A face as curves over its sound: lanes of channels, phones, mel energies and wave on one clock, faces above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxface.errors import ClipError, UsageError
from voxface.face.clip import FaceClip
from voxface.figure import figure_format, new_figure, save_figure
from voxface.render.lanes import LIP_GAP, Lane, lanes, most_moving
from voxface.render.panels import (
    COLOURS,
    INK,
    RULE,
    SMALL,
    SOFT,
    Strip,
    bare,
    draw_lane,
    draw_mel,
    draw_phones,
    draw_strip,
    draw_wave,
)
from voxface.render.sound import SoundPicture, sound_picture
from voxface.stream import Array

WIDTH_IN = 11.0
_LEFT_IN, _RIGHT_IN, _TOP_IN, _BOTTOM_IN = 1.45, 0.5, 0.1, 0.4
_TITLE_IN, _LANE_IN, _GAP_IN, _PHONES_IN, _MEL_IN, _WAVE_IN = 0.3, 0.3, 0.7, 0.2, 0.95, 0.4
_BETWEEN_IN, _APART_IN = 0.06, 0.16  # lanes of one group; groups
_LINES_IN = 0.22  # from the faces to their moments
MOST_LANES = 60
"""A picture of more lanes than all channels need would be taller than anybody can look at."""


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """What is drawn.

    clips:  one, or two to compare
    labels: what they are called; empty: they are not named
    names:  the curves (lanes.choose, lanes.most_moving)
    span_s: from when to when, on the audio clock (span_of)
    sound:  for mel and wave, or None
    phones: (start_s, end_s, label) each; what has no label stays empty
    strip:  faces above the lanes, or None
    title:  one line; empty: none
    """

    clips: tuple[FaceClip, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    span_s: tuple[float, float]
    sound: SoundPicture | None = None
    phones: tuple[tuple[float, float, str], ...] = ()
    strip: Strip | None = None
    title: str = ""


def draw_clip(clip: FaceClip, samples: Array, rate_hz: int, path: str | Path, title: str = "") -> None:
    """A clip of speech with the lanes that move most, as a picture.

    Args:
        samples: (n,) float32 at rate_hz, from second 0.
    Raises: as draw_plot.
    """
    span_s = span_of([clip])
    sound = sound_picture([samples], rate_hz, *span_s)
    draw_plot(Plot((clip,), (), most_moving([clip]), span_s, sound, title=title), path)


def span_of(
    clips: Sequence[FaceClip], first_s: float | None = None, last_s: float | None = None
) -> tuple[float, float]:
    """From when to when a plot goes: from second 0, or before it where a clip begins there, to the end of the longest;
    a person may ask for less.

    Raises: ClipError: there is no frame to draw. UsageError: nothing lies between these moments.
    """
    clips = [clip for clip in clips if len(clip)]
    if not clips:
        raise ClipError("the clip has 0 frames; there is nothing to draw.")
    start, end = min(0.0, *(clip.start_s for clip in clips)), max(clip.end_s for clip in clips)
    first = start if first_s is None else max(first_s, start)
    last = end if last_s is None else min(last_s, end)
    if not first < last:
        raise UsageError(f"nothing to draw there: the clip goes from {start:.2f} to {end:.2f} s.")
    return first, last


def draw_plot(plot: Plot, path: str | Path, width_in: float = WIDTH_IN) -> None:
    """Write a plot as PNG, SVG or PDF, by the suffix of the path.

    Raises: UsageError: another suffix, or more lanes than MOST_LANES. MissingDependencyError: matplotlib is not
        installed. OutputError, LimitError: the path cannot be written.
    """
    figure_format(path)
    shown = lanes(plot.names)
    if len(shown) > MOST_LANES:
        raise UsageError(f"{len(shown)} lanes do not fit into one picture.", hint="Choose some with --channels.")
    save_figure(_figure(plot, shown, width_in), path)


@dataclass(slots=True)
class _Sheet:
    """A figure that is filled from the top, in inches."""

    figure: Any
    width_in: float
    height_in: float
    at_in: float = _TOP_IN

    def panel(self, height_in: float, gap_in: float) -> Any:
        """The next panel, and a gap below it."""
        low = self.height_in - self.at_in - height_in
        inside = self.width_in - _LEFT_IN - _RIGHT_IN
        box = (_LEFT_IN / self.width_in, low / self.height_in, inside / self.width_in, height_in / self.height_in)
        self.at_in += height_in + gap_in
        return self.figure.add_axes(box)

    def name(self, axes: Any, text: str, **style: Any) -> None:
        """The name of a panel, left of it."""
        style = {"fontsize": SMALL, "color": INK} | style
        axes.text(-0.012, 0.5, text, transform=axes.transAxes, ha="right", va="center", **style)


def _figure(plot: Plot, shown: Sequence[Lane], width_in: float) -> Any:
    strip_in = _strip_height(plot.strip, width_in - _LEFT_IN - _RIGHT_IN)
    sheet = _Sheet(None, width_in, _height(plot, shown, strip_in))
    sheet.figure = new_figure(width_in, sheet.height_in, layout=None)
    if plot.title or plot.labels:
        _draw_title(sheet, plot)
    panels = []
    if plot.strip:
        axes = sheet.panel(strip_in + _LINES_IN, 0.0)
        draw_strip(axes, plot.strip, plot.span_s, _LINES_IN / (strip_in + _LINES_IN), len(plot.clips))
    panels += _draw_lanes(sheet, plot, shown)
    panels += _draw_sound(sheet, plot)
    _draw_clock(sheet, panels, plot)
    return sheet.figure


def _strip_height(strip: Strip | None, inside_in: float) -> float:
    if strip is None:
        return 0.0
    high, wide = map(float, strip.pictures[0].shape[:2])
    return inside_in / len(strip.pictures) * high / wide


def _height(plot: Plot, shown: Sequence[Lane], strip_in: float) -> float:
    """What all panels need."""
    total = _TOP_IN + _BOTTOM_IN + (_TITLE_IN if plot.title or plot.labels else 0)
    total += strip_in + _LINES_IN if plot.strip else 0
    total += sum(_lane_height(lane) for lane in shown) + sum(_gaps(shown))
    total += _PHONES_IN if plot.phones else 0
    return total + (_MEL_IN + _BETWEEN_IN + _WAVE_IN if plot.sound else 0)


def _lane_height(lane: Lane) -> float:
    return _GAP_IN if lane.names == (LIP_GAP,) else _LANE_IN


def _gaps(shown: Sequence[Lane]) -> list[float]:
    """The gap below each lane: wider where a group ends, and below the lip gap with its bars."""
    after = [*(lane.group for lane in shown[1:]), ""]
    return [
        _APART_IN if group != lane.group or lane.names == (LIP_GAP,) else _BETWEEN_IN
        for lane, group in zip(shown, after, strict=True)
    ]


def _draw_title(sheet: _Sheet, plot: Plot) -> None:
    """The title at the left; at the right the clips by name, each in its colour."""
    axes = sheet.panel(_TITLE_IN, 0.0)
    axes.set_axis_off()
    axes.text(0, 0.72, plot.title, fontsize=SMALL + 1.5, color=INK, va="center", transform=axes.transAxes)
    at = 1.0
    for colour, label in reversed(list(zip(COLOURS, plot.labels, strict=False))):
        axes.text(
            at, 0.72, label, fontsize=SMALL + 0.5, color=colour, ha="right", va="center", transform=axes.transAxes,
            weight="bold",
        )  # fmt: skip
        at -= 0.02 + 0.0085 * len(label)


def _draw_lanes(sheet: _Sheet, plot: Plot, shown: Sequence[Lane]) -> list[Any]:
    panels, before = [], ""
    for lane, gap in zip(shown, _gaps(shown), strict=True):
        axes = sheet.panel(_lane_height(lane), gap)
        draw_lane(axes, lane, plot.clips, plot.span_s)
        sheet.name(axes, lane.title)
        if lane.group != before:
            start = -_LEFT_IN / (sheet.width_in - _LEFT_IN - _RIGHT_IN)
            axes.text(start + 0.008, 0.5, lane.group, transform=axes.transAxes, fontsize=SMALL, color=SOFT, va="center")
        before = lane.group
        panels.append(axes)
    return panels


def _draw_sound(sheet: _Sheet, plot: Plot) -> list[Any]:
    panels = []
    if plot.phones:
        axes = sheet.panel(_PHONES_IN, 0.0)
        draw_phones(axes, plot.phones, plot.span_s)
        sheet.name(axes, "phones")
        panels.append(axes)
    if plot.sound:
        for name, height, draw in (("mel", _MEL_IN, draw_mel), ("sound", _WAVE_IN, draw_wave)):
            axes = sheet.panel(height, _BETWEEN_IN if name == "mel" else 0.0)
            draw(axes, plot.sound, plot.span_s)
            sheet.name(axes, name)
            panels.append(axes)
    return panels


def _draw_clock(sheet: _Sheet, panels: Sequence[Any], plot: Plot) -> None:
    """Seconds under the lowest panel; where the faces are from, a thin line behind all."""
    lowest = panels[-1]
    lowest.locator_params(axis="x", nbins=12)
    lowest.tick_params(bottom=True, labelbottom=True, labelsize=SMALL, color=RULE, labelcolor=SOFT, length=3)
    lowest.set_xlabel("seconds", fontsize=SMALL, color=SOFT, labelpad=1)
    if plot.strip:
        box, top = lowest.get_position(), panels[0].get_position().y1
        behind = sheet.figure.add_axes((box.x0, box.y0, box.width, top - box.y0), zorder=-1)
        bare(behind)
        behind.set_xlim(plot.span_s)
        for time_s in plot.strip.times_s:
            behind.axvline(time_s, color=SOFT, linewidth=0.5)
