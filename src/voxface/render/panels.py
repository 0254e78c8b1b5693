"""The panels of a plot. Each function draws one into matplotlib axes whose x is seconds on the audio clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxface.face.clip import FaceClip
from voxface.face.gap import CLOSED_BELOW
from voxface.face.rig import EMOTIONS
from voxface.render.lanes import HEAD_ANGLES, LIP_GAP, Lane, curve, thinned
from voxface.render.sound import SoundPicture
from voxface.stream import Array

INK, SOFT, RULE, FILL = "#2b2f36", "#767e8a", "#dfe2e7", "#eef1f5"
COLOURS = ("#2563a8", "#d1603d")
"""Of the first clip and of the one drawn over it; told apart by people who see no red or no green."""

SMALL, TINY = 8.0, 6.5  # points

_WAVE = "#8d97a5"
_MEL_DB = (-55.0, -40.0, -25.0, -10.0, 5.0)
_MEL_RGB = ((247, 248, 250), (201, 215, 230), (127, 163, 199), (61, 101, 147), (21, 44, 74))
_TOPS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 5.0)
_TOP_DEG = (2.0, 5.0, 10.0, 20.0, 45.0, 90.0, 180.0)
_POINTS = 2400
_LEAST_PHONE = 0.0085  # of the width: a narrower label would run into its neighbours


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Pictures of a face at moments.

    times_s:  (n,) rising, on the audio clock
    pictures: (height, width, 3) uint8 each, all of one size
    labels:   what stands in a corner of each, such as its phone; empty: nothing
    """

    times_s: tuple[float, ...]
    pictures: tuple[Array, ...]
    labels: tuple[str, ...] = ()


def bare(axes: Any) -> None:
    """No frame, no ticks, nothing behind."""
    axes.set(yticks=[], facecolor="none")
    axes.tick_params(bottom=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_lane(axes: Any, lane: Lane, clips: Sequence[FaceClip], span_s: tuple[float, float]) -> None:
    """The curves of one lane: the left side as a line, the right one dashed, the area under a single one filled; the
    value of the upper edge is written behind it."""
    bare(axes)
    parts = [
        (clip_place, side, *_visible(clip, name, span_s))
        for clip_place, clip in enumerate(clips)
        for side, name in enumerate(lane.names)
    ]
    low, high = _limits(lane, [values for *_, values in parts])
    axes.set(xlim=span_s, ylim=(low - 0.04 * (high - low), high + 0.04 * (high - low)))
    axes.axhline(0, color=RULE, linewidth=0.7, zorder=0)
    for place, side, times, values in parts:
        if side == 0 and len(clips) == 1:
            axes.fill_between(times, 0, values, color=COLOURS[place], alpha=0.13, linewidth=0)
        style = {"linestyle": (0, (3, 1.4))} if side else {}
        axes.plot(times, values, color=COLOURS[place], linewidth=1.1, solid_joinstyle="round", **style)
    unit = "°" if lane.names[0] in HEAD_ANGLES else ""
    edge = {"transform": axes.transAxes, "fontsize": TINY, "color": SOFT}
    axes.text(1.006, 0.98, f"{high:g}{unit}", va="top", **edge)
    if low < 0 and unit:
        axes.text(1.006, 0.02, f"{low:g}{unit}".replace("-", "\u2212"), va="bottom", **edge)
    if lane.names == (LIP_GAP,):
        _mark_closed(axes, parts)


def _visible(clip: FaceClip, name: str, span_s: tuple[float, float]) -> tuple[Array, Array]:
    """Times and values of a curve within the span, and a frame beyond it at each end."""
    values, times = curve(clip, name), clip.times_s
    if values is None or not len(values):
        return np.zeros(0), np.zeros(0)
    step = 1.0 / clip.fps
    shown = (times >= span_s[0] - step) & (times <= span_s[1] + step)
    return thinned(times[shown], values[shown], _POINTS)


def _limits(lane: Lane, curves: Sequence[Array]) -> tuple[float, float]:
    """Round limits that hold every value: from 0 up, or as far down as up for angles; 0 to 1 for emotions."""
    known = np.concatenate([values[np.isfinite(values)] for values in curves] or [np.zeros(0)])
    most, least = float(known.max(initial=0.0)), float(known.min(initial=0.0))
    if lane.names[0] in HEAD_ANGLES:
        top = next((top for top in _TOP_DEG if top >= max(most, -least)), 180.0)
        return -top, top
    if lane.names[0] in EMOTIONS:
        return 0.0, 1.0
    top = next((top for top in _TOPS if top >= most), most)
    return (least if least < -0.02 else 0.0), top


def _mark_closed(axes: Any, parts: Sequence[tuple[int, int, Array, Array]]) -> None:
    """A line at the gap below which lips count as closed, and a bar below where they are."""
    axes.axhline(CLOSED_BELOW, color=INK, linewidth=0.6, linestyle=(0, (1, 2)))
    beside = axes.get_yaxis_transform()
    axes.text(1.006, CLOSED_BELOW, "closed", transform=beside, fontsize=TINY, color=SOFT, va="center")
    for place, _, times, values in parts:
        inside, level = times.clip(*axes.get_xlim()), -0.02 - 0.07 * place
        axes.fill_between(
            inside, level - 0.05, level, where=values < CLOSED_BELOW, transform=axes.get_xaxis_transform(),
            color=COLOURS[place], linewidth=0, clip_on=False,
        )  # fmt: skip


def draw_phones(axes: Any, phones: Sequence[tuple[float, float, str]], span_s: tuple[float, float]) -> None:
    """Labels at the centres of the phones, thin lines between them; a phone too narrow for its label has none."""
    bare(axes)
    axes.set(xlim=span_s, ylim=(0, 1))
    for start_s, end_s, label in phones:
        if start_s >= span_s[1] or end_s <= span_s[0]:
            continue
        start_s, end_s = max(start_s, span_s[0]), min(end_s, span_s[1])
        axes.axvline(start_s, color=RULE, linewidth=0.7)
        axes.axvline(end_s, color=RULE, linewidth=0.7)
        if end_s - start_s > _LEAST_PHONE * len(label) * (span_s[1] - span_s[0]):
            axes.text(
                (start_s + end_s) / 2, 0.5, label, fontsize=SMALL, color=INK, ha="center", va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5 if label else 0},
            )  # fmt: skip


def draw_mel(axes: Any, sound: SoundPicture, span_s: tuple[float, float]) -> None:
    """Mel energies from 0 to 8 kHz, quiet ones pale."""
    bare(axes)
    if len(sound.mel_db):
        first = sound.start_s - sound.mel_s / 2
        axes.imshow(
            mel_colours(sound.mel_db.T), origin="lower", aspect="auto", interpolation="bilinear",
            extent=(first, first + len(sound.mel_db) * sound.mel_s, 0, 1),
        )  # fmt: skip
    axes.set(xlim=span_s, ylim=(0, 1))
    for place, label in ((1.0, "8 kHz"), (0.0, "0")):
        axes.text(
            1.006, place, label, transform=axes.transAxes, fontsize=TINY, color=SOFT, va="top" if place else "bottom"
        )


def mel_colours(mel_db: Array) -> Array:
    """Energies of any shape -> (..., 3) uint8: pale where it is quiet, dark blue where it is loud."""
    parts = [np.interp(mel_db, _MEL_DB, levels) for levels in zip(*_MEL_RGB, strict=True)]
    return np.stack(parts, axis=-1).astype(np.uint8)


def draw_wave(axes: Any, sound: SoundPicture, span_s: tuple[float, float]) -> None:
    """The outline of the sound, as loud as its loudest moment."""
    bare(axes)
    times = sound.start_s + np.arange(len(sound.wave)) * sound.wave_s
    axes.fill_between(times, sound.wave[:, 0], sound.wave[:, 1], color=_WAVE, linewidth=0.3)
    loudest = max(float(np.abs(sound.wave).max(initial=0.0)), 1e-3)
    axes.set(xlim=span_s, ylim=(-loudest, loudest))


def draw_strip(axes: Any, strip: Strip, span_s: tuple[float, float], foot: float, clips: int = 1) -> None:
    """Faces side by side, each with a line from its foot to its moment on the clock.

    Args:
        foot: share of the height, at the bottom, that the lines take.
        clips: whose faces stand one above the other; of several, each row is marked with its colour.
    """
    bare(axes)
    width = 1 / len(strip.pictures)
    for place, (time_s, picture) in enumerate(zip(strip.times_s, strip.pictures, strict=True)):
        left = (place + 0.02) * width
        axes.imshow(picture, extent=(left, left + 0.96 * width, foot, 1), aspect="auto", interpolation="antialiased")
        if strip.labels:
            axes.text(
                left + 0.08 * width, 0.96, strip.labels[place], fontsize=SMALL, color=INK, va="top",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.8},
            )  # fmt: skip
        moment = (time_s - span_s[0]) / (span_s[1] - span_s[0])
        axes.plot(((place + 0.5) * width, moment), (foot, 0), color=SOFT, linewidth=0.7, clip_on=False)
    for place, colour in enumerate(COLOURS[:clips] if clips > 1 else ()):
        ends = (1 - (1 - foot) * (place + part) / clips for part in (0.04, 0.96))
        axes.plot((-0.006, -0.006), tuple(ends), color=colour, linewidth=3, clip_on=False, solid_capstyle="butt")
    axes.set(xlim=(0, 1), ylim=(0, 1))
