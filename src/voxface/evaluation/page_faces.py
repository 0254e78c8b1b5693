"""Faces of a clip for the page: at moments worth a look, and a film that is flipped through as the sound plays."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from voxface.audio.container import jpeg
from voxface.dataset.report_html import Html, tag
from voxface.evaluation.page_clip import Shown
from voxface.face.gap import CLOSED_BELOW
from voxface.head.head import Head
from voxface.render.pictures import sheet
from voxface.render.strip import faces_at
from voxface.stream import Array

SIZE = (144, 160)
"""Width and height of a face in pixels."""

MOST_FACES = 160
"""Of one clip's film strip; a longer part has fewer a second."""

PAPER = "#c6ced8"
"""Behind the faces: neither too bright for a dark page nor too dark for a bright one."""

COLUMNS = 16
FLIPS_HZ = 12.0
_APART_S = 0.12
_LEAST_ERROR = 0.03  # of the lip gap; less is no error worth a look
_COARSE = 4  # of the JPEGs, 2 (fine) to 31


@dataclass(frozen=True, slots=True)
class Moment:
    """When a face is shown, and why."""

    time_s: float
    why: str


def moments(shown: Shown) -> tuple[Moment, ...]:
    """Where the faces differ most, where the lips are closed (or least closed, though they should be), and where they
    are widest open."""
    gap, times, chosen = shown.gaps[0], shown.times_s, list[Moment]()
    if len(shown.clips) > 1:
        _add(chosen, _highest(times, shown.error, _LEAST_ERROR, "off by {:.2f}"), 4)
    marked = _at_marks(shown)
    _add(chosen, marked or _highest(times, -gap, -CLOSED_BELOW, "closed"), 2)
    _add(chosen, _highest(times, gap, CLOSED_BELOW, "open, {:.2f}"), 2)
    return tuple(sorted(chosen, key=lambda moment: moment.time_s))


def _highest(times: Array, measure: Array, least: float, why: str) -> list[Moment]:
    """The moments at which a measure is above `least`, from its highest value down."""
    order = np.argsort(-measure, kind="stable")
    high = order[measure[order] > least]  # not where it is NaN
    return [Moment(float(times[k]), why.format(measure[k])) for k in high.tolist()]


def _at_marks(shown: Shown) -> list[Moment]:
    """The p b m of a clip, those first at which the last face's lips are furthest apart."""
    times, gap = shown.times_s, np.nan_to_num(shown.gaps[-1])
    inside = [mark for mark in shown.marks_s if times[0] <= mark <= times[-1]]
    there = [(float(gap[np.abs(times - mark).argmin()]), mark) for mark in inside]
    return [Moment(mark, f"p b m, {value:.2f}") for value, mark in sorted(there, reverse=True)]


def _add(chosen: list[Moment], found: Sequence[Moment], most: int) -> None:
    """Up to `most` of those that were found, none near one that is there."""
    until = len(chosen) + most
    for moment in found:
        if len(chosen) == until:
            return
        if all(abs(moment.time_s - other.time_s) >= _APART_S for other in chosen):
            chosen.append(moment)


def strip(shown: Shown, head: Head | None = None) -> Html:
    """The faces at the moments: one row per clip, and under each moment a button that goes there."""
    found = moments(shown)
    if not found:
        return Html()
    times = [moment.time_s for moment in found]
    pictures = [picture for clip in shown.clips for picture in faces_at(clip, times, SIZE, head=head, paper=PAPER)]
    buttons = [
        tag("button", f"{one.time_s:.2f} s", Html("<br>"), one.why, type="button", data_seek=f"{one.time_s:.4f}")
        for one in found
    ]
    names = " above, ".join(shown.labels) + (" below" if len(shown.labels) > 1 else "")
    return tag(
        "div", picture_tag(sheet(pictures, len(found), 0), f"faces at {len(found)} moments: {names}"),
        tag("div", *buttons, class_="moments"), class_="strip", data_count=len(found),
    )  # fmt: skip


def films(shown: Shown, head: Head | None = None) -> Html:
    """A film strip per face, in a window of one picture: a script moves the strip as time goes on."""
    clip = shown.clips[0]
    length_s = len(clip) / clip.fps
    rate = min(FLIPS_HZ, MOST_FACES / length_s)
    count = max(1, int(np.ceil(length_s * rate)))
    times = [clip.start_s + k / rate for k in range(count)]
    columns = min(COLUMNS, count)
    faces = []
    for place, (one, label) in enumerate(zip(shown.clips, shown.labels, strict=True)):
        film = picture_tag(sheet(faces_at(one, times, SIZE, head=head, paper=PAPER), columns, 0), f"face: {label}")
        faces.append(tag("figure", tag("div", film), tag("figcaption", label, class_=f"name{place}")))
    return tag("div", *faces, class_="films", data_hz=f"{rate:.6f}", data_count=count, data_columns=columns)


def picture_tag(rgb: Array, words: str) -> Html:
    """A picture inside the page."""
    body = base64.b64encode(jpeg(rgb, rgb.shape[0], _COARSE)).decode()
    return Html(f'<img alt="{escape(words)}" src="data:image/jpeg;base64,{body}">')
