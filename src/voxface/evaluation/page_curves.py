"""The curves of a clip as inline SVG that a script can read: lip gaps over the sound, the error, where p b m are."""

from __future__ import annotations

import numpy as np

from voxface.dataset.report_html import Html, join, tag
from voxface.evaluation.page_clip import Shown, sound_part
from voxface.face.gap import CLOSED_BELOW
from voxface.render.lanes import thinned
from voxface.stream import Array
from voxface.timebase import SAMPLE_RATE_HZ, clock_text

WIDTH, HIGH, LOW = 1000, 150, 40  # units of the drawings: their width, and the heights of the part and of the whole
_BOTTOM, _TOP = HIGH - 14, 12
_LEAST_GAP = 0.15  # lips that open less are not drawn larger
_POINTS = 1500
_STRETCHES = 500  # of the sound


def part_curves(shown: Shown) -> Html:
    """The lip gaps of a part of a clip, frame by frame.

    The numbers stand in data attributes: when the first frame is, frames a second, and of each face one number per
    frame, in thousandths; where a gap is unknown there is no number.
    """
    low, high = _limits(shown.gaps)
    times, fps = shown.times_s, shown.clips[0].fps
    first, length_s = float(times[0]), len(times) / fps
    y = [_BOTTOM - (gap - low) / (high - low) * (_BOTTOM - _TOP) for gap in shown.gaps]
    x = (times - first) / length_s * WIDTH
    closed = _BOTTOM - (CLOSED_BELOW - low) / (high - low) * (_BOTTOM - _TOP)
    inside = [(mark - first) / length_s * WIDTH for mark in shown.marks_s if 0 <= mark - first < length_s]
    marks = "".join(f"M{mark - 3:.1f} 1h6l-3 6z" for mark in inside)
    drawing = tag(
        "svg",
        tag("path", d=_ticks(first, length_s), class_="tick"),
        tag("path", d=_sound(sound_part(shown.samples, first, first + length_s), length_s), class_="sound"),
        tag("path", d=_between(x, y[0], y[1]), class_="apart") if len(y) > 1 else Html(),
        tag("path", d=f"M0 {closed:.1f}h{WIDTH}", class_="closed"),
        *(tag("path", d=path(x, one), class_=f"line{place}") for place, one in enumerate(y)),
        tag("path", d=marks, class_="marks") if marks else Html(),
        tag("path", d=f"M0 0v{HIGH}", class_="cursor"),
        viewBox=f"0 0 {WIDTH} {HIGH}", preserveAspectRatio="none", aria_hidden="true",
    )  # fmt: skip
    edges = [(_TOP - 2, "lip gap"), (closed - 4, f"closed below {CLOSED_BELOW}")]
    words = [tag("text", text, x=4, y=f"{y / HIGH:.1%}") for y, text in edges]
    numbers = {f"data_gap{place}": thousandths(gap) for place, gap in enumerate(shown.gaps)}
    return tag(
        "div", drawing, tag("svg", *words, class_="words", aria_hidden="true"),
        tag("div", *_clock(first, length_s), class_="clock"),
        class_="curves", tabindex=0, role="slider", aria_label=f"time in {shown.name}",
        aria_valuemin=f"{first:.2f}", aria_valuemax=f"{first + length_s:.2f}", aria_valuenow=f"{first:.2f}",
        data_from=f"{first:.6f}", data_fps=f"{fps:.6f}", **numbers,
    )  # fmt: skip


def whole_curve(shown: Shown, first_s: float, last_s: float) -> Html:
    """All of a long clip, thinned: the largest distance of the lips, or the gap of a single face; a bar where the part
    is from."""
    times = shown.times_s
    values = shown.error if len(shown.clips) > 1 else shown.gaps[0]
    some, thin = thinned(times, values, _POINTS)
    length_s = float(times[-1] - times[0]) + 1 / shown.clips[0].fps
    x = (some - times[0]) / length_s * WIDTH
    top = max(float(np.nanmax(values)) if np.isfinite(values).any() else 0.0, _LEAST_GAP)
    bar = (first_s - float(times[0])) / length_s * WIDTH, max((last_s - first_s) / length_s * WIDTH, 2)
    what = "how far the lip gaps are apart" if len(shown.clips) > 1 else "lip gap"
    drawing = tag(
        "svg",
        tag("path", d=path(x, LOW - 4 - np.maximum(thin, 0) / top * (LOW - 8)), class_=f"line{len(shown.clips) - 1}"),
        tag("path", d=f"M{bar[0]:.1f} {LOW - 2}h{bar[1]:.1f}", class_="piece"),
        viewBox=f"0 0 {WIDTH} {LOW}", preserveAspectRatio="none", class_="whole", aria_hidden="true",
    )  # fmt: skip
    part = f"{clock_text(last_s - first_s)} from {clock_text(first_s)} on"
    words = f"All {clock_text(length_s)}: {what}. Below, large: {part} (the bar)."
    return join(tag("p", words, class_="note"), drawing)


def path(x: Array, y: Array) -> str:
    """Points as the path of a line; NaN breaks it."""
    known = np.isfinite(y)
    parts: list[str] = []
    for place, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        if known[place]:
            parts.append(f"{'L' if place and known[place - 1] else 'M'}{a:.1f} {b:.1f}")
    return "".join(parts) or "M0 0"


def thousandths(gap: Array) -> str:
    """Numbers for a script: whole thousandths with a comma after each but the last, nothing for NaN."""
    return ",".join("" if value != value else str(round(1000 * value)) for value in gap.tolist())


def _limits(gaps: Array) -> tuple[float, float]:
    known = gaps[np.isfinite(gaps)]
    return min(float(known.min(initial=0.0)), 0.0), max(float(known.max(initial=0.0)) * 1.02, _LEAST_GAP)


def _between(x: Array, one: Array, other: Array) -> str:
    """The area between two lines, in pieces where both are known."""
    known = np.isfinite(one) & np.isfinite(other)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]]))).reshape(-1, 2)
    pieces = []
    for first, last in edges.tolist():
        here = slice(first, last)
        pieces.append(path(x[here], one[here]) + "L" + path(x[here][::-1], other[here][::-1])[1:] + "z")
    return "".join(pieces) or "M0 0"


def _sound(samples: Array, length_s: float) -> str:
    """The outline of the sound, quiet behind the lines."""
    size = max(1, round(length_s * SAMPLE_RATE_HZ / _STRETCHES))
    stretches = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    if not len(stretches):
        return "M0 0"
    high, low = stretches.max(axis=1), stretches.min(axis=1)
    scale = HIGH * 0.42 / max(float(np.abs(samples).max()), 1e-3)
    x = (np.arange(len(stretches)) + 0.5) * size / (length_s * SAMPLE_RATE_HZ) * WIDTH
    return _between(x, HIGH / 2 - high * scale, HIGH / 2 - low * scale)


def _step(length_s: float) -> float:
    return next(step for step in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if length_s / step <= 12 or step == 5.0)


def _moments(first: float, length_s: float) -> list[tuple[float, float]]:
    """(seconds, place in units) of the ticks."""
    step = _step(length_s)
    count = int(np.floor((first + length_s) / step - 1e-9))
    start = int(np.ceil(first / step - 1e-9))
    return [(k * step, (k * step - first) / length_s * WIDTH) for k in range(start, count + 1)]


def _ticks(first: float, length_s: float) -> str:
    return "".join(f"M{x:.1f} 0v{HIGH}" for _, x in _moments(first, length_s)) or "M0 0"


def _clock(first: float, length_s: float) -> list[Html]:
    """Seconds under the drawing, as an SVG of its own whose text is not stretched."""
    moments = [(second, x / WIDTH) for second, x in _moments(first, length_s) if x < 0.985 * WIDTH]
    texts = [tag("text", f"{second:g}", x=f"{share:.2%}", y=11) for second, share in moments]
    return [tag("svg", *texts, aria_hidden="true")]
