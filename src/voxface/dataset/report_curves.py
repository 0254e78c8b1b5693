"""The curves of a recording in the report: small inline SVG, a few kilobytes each."""

from __future__ import annotations

import numpy as np

from voxface.capture.store import Capture
from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.dataset.quality_numbers import TURNED_DEG
from voxface.dataset.quick_sync import LAGS_MS, QuickSync, lip_rows
from voxface.dataset.report_html import Html, join, tag
from voxface.face.axes import euler_angles
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ, row_count

WIDTH, HIGH, LOW = 480, 60, 36  # units of the drawing: both strips' width, the height of each
_PIECE_S = 8.0  # of sound and lips that are drawn large enough to see a tenth of a second
_LEAST_DB = -50.0
_LEAST_GAP = 0.03  # face heights; lips that open less are not drawn larger
_MOST_DEG = 45.0
_POINTS = 200


def curves(capture: Capture) -> Html:
    """Two strips: eight seconds of lip gap beside the level of the sound; head, cuts and mask over the whole length."""
    rows = row_count(len(capture.samples))
    level, (gap, valid) = relative_level_db(capture.samples), lip_rows(capture.track, rows)
    first = busiest(level > -SPEECH_DB, valid)
    last = min(rows, first + int(_PIECE_S * ROW_RATE_HZ))
    return join(
        _talk(level[first:last], gap[first:last], valid[first:last], first / ROW_RATE_HZ),
        _whole(capture, level, valid, first, last),
    )


def busiest(speech: Array, valid: Array) -> int:
    """The row where the eight seconds begin that hold most speech of a visible mouth; 0 for shorter recordings."""
    length = int(_PIECE_S * ROW_RATE_HZ)
    if len(speech) <= length:
        return 0
    sums = np.concatenate([[0], np.cumsum(speech & valid)])
    starts = np.arange(0, len(speech) - length + 1, ROW_RATE_HZ // 2)
    return int(starts[np.argmax(sums[starts + length] - sums[starts])])


def _talk(level: Array, gap: Array, valid: Array, start_s: float) -> Html:
    """Level as a filled shape, lip gap as a line over it; the line is broken where no face was seen."""
    widest = max(1.1 * float(np.percentile(gap[valid], 99)) if valid.any() else 0.0, _LEAST_GAP)
    lips = np.where(valid, HIGH - 4 - np.clip(gap / widest, 0, 1) * (HIGH - 8), np.nan)
    sound = HIGH - (np.clip(level, _LEAST_DB, 0) / -_LEAST_DB + 1) * (HIGH - 4)
    return tag(
        "svg",
        _ticks(len(level) / ROW_RATE_HZ, HIGH),
        tag("path", d=f"{line(np.concatenate([[HIGH], sound, [HIGH]]))}z", class_="sound"),
        tag("path", d=line(lips), class_="lips"),
        tag("text", f"{start_s:.1f} s", x=3, y=11),
        viewBox=f"0 0 {WIDTH} {HIGH}", class_="talk",
    )  # fmt: skip


def _whole(capture: Capture, level: Array, valid: Array, first: int, last: int) -> Html:
    """Yaw and pitch between -45 and 45 degrees, cuts, where no face was seen, and where the piece above is from."""
    track, rows = capture.track, len(level)
    middle, scale = LOW / 2, LOW / 2 / _MOST_DEG
    turn = np.degrees(euler_angles(track.head[:, 3:].astype(np.float64)))[:, :2]
    angle = np.where(track.seen[:, None], middle - np.clip(turn, -_MOST_DEG, _MOST_DEG) * scale, np.nan)
    if len(track):
        at = np.searchsorted(track.times_s, np.linspace(0, rows / ROW_RATE_HZ, _POINTS))
        angle = angle[np.minimum(at, len(track) - 1)]
    x = WIDTH / rows
    cuts = track.times_s[1:][np.diff(track.shot) > 0] * ROW_RATE_HZ * x
    bounds = "".join(f"M0 {middle + side * TURNED_DEG * scale:.0f}h{WIDTH}" for side in (-1, 1))
    return tag(
        "svg",
        tag("path", d=bounds, class_="guide"),
        tag("path", d=line(angle[:, 1]), class_="pitch"),
        tag("path", d=line(angle[:, 0]), class_="yaw"),
        tag("path", d="".join(f"M{cut:.0f} 0v{LOW}" for cut in cuts), class_="cut") if len(cuts) else Html(),
        tag("path", d=_runs(~valid, x), class_="unseen") if not valid.all() else Html(),
        tag("path", d=f"M{first * x:.0f} 1h{max((last - first) * x, 1):.0f}", class_="piece"),
        tag("text", f"{rows / ROW_RATE_HZ:.1f} s", x=WIDTH - 3, y=12, class_="end"),
        viewBox=f"0 0 {WIDTH} {LOW}", class_="whole",
    )  # fmt: skip


def lag_curve(r: tuple[float, ...]) -> Html:
    """r of sound and lips over the lag, -400 to 400 ms; a line at 0 and a dot at the best."""
    if not r:
        return Html()
    width, height = 160, 96
    x = (LAGS_MS - LAGS_MS[0]) / (LAGS_MS[-1] - LAGS_MS[0]) * width
    y = height - 24 - (np.clip(r, -0.2, 1) + 0.2) / 1.2 * (height - 30)
    best = int(np.flatnonzero(QuickSync(r).best_ms == LAGS_MS)[0])
    return tag(
        "svg",
        tag("path", d=f"M{width // 2} 0V{height}", class_="guide"),
        tag("path", d="M" + " ".join(f"{a:.0f} {b:.0f}" for a, b in zip(x, y, strict=True)), class_="lag"),
        tag("circle", cx=round(float(x[best])), cy=round(float(y[best])), r=4, class_="best"),
        tag("text", f"{LAGS_MS[best]:+d} ms", x=width // 2, y=height - 3, class_="middle"),
        viewBox=f"0 0 {width} {height}", class_="lags",
    )  # fmt: skip


def line(y: Array) -> str:
    """(n,) heights -> the path of a line over the whole width, at most 200 points, in steps; NaN breaks it."""
    if not len(y):
        return "M0 0"
    at = np.unique(np.round(np.linspace(0, len(y) - 1, min(len(y), _POINTS))).astype(int))
    x, height, known = np.round(at * (WIDTH / max(len(y) - 1, 1))), np.round(y[at]), ~np.isnan(y[at])
    path = []
    for first, last in _stretches(known):
        steps = np.diff(np.stack([x[first:last], height[first:last]], axis=1), axis=0).astype(int).tolist()
        if steps:  # a point alone draws nothing
            path.append(f"M{x[first]:.0f} {height[first]:.0f}l" + " ".join(f"{dx} {dy}" for dx, dy in steps))
    return "".join(path).replace(" -", "-") or "M0 0"


def _runs(here: Array, x: float) -> str:
    """The stretches where something is so, as a path of horizontal bars at the bottom."""
    bars = np.round(_stretches(here) * x).astype(int)
    merged = sorted({(first, max(last - first, 1)) for first, last in bars.tolist()})
    return "".join(f"M{first} {LOW - 3}h{length}" for first, length in merged)


def _stretches(here: Array) -> Array:
    """(stretches, 2): first place and end of every run of True."""
    return np.flatnonzero(np.diff(np.concatenate([[0], here.astype(np.int8), [0]]))).reshape(-1, 2)


def _ticks(seconds: float, height: int) -> Html:
    """A thin line at every whole second."""
    at = [WIDTH * second / seconds for second in range(1, int(np.ceil(seconds)))]
    return tag("path", d="".join(f"M{x:.0f} 0v{height}" for x in at) or "M0 0", class_="tick")
