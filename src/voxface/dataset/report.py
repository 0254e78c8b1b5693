"""One page by which a person can judge a hundred videos: pictures, curves, numbers, a verdict with reasons.

The page is one file without network or library; the same captures give the same bytes.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from voxface.capture.store import SUFFIX, Capture
from voxface.dataset.judged import Judged
from voxface.dataset.manifest import Manifest
from voxface.dataset.quality_numbers import Numbers, measure
from voxface.dataset.quality_verdict import VERDICTS
from voxface.dataset.report_curves import curves, lag_curve
from voxface.dataset.report_html import Html, join, tag
from voxface.dataset.report_tables import (
    SORTED_BY,
    bounds_table,
    css_class,
    number_grid,
    sort_values,
    speaker_table,
    verdict_counts,
)
from voxface.dataset.sources import read_source
from voxface.errors import VoxfaceError
from voxface.files import atomic_write
from voxface.timebase import SAMPLE_RATE_HZ, clock_text

FILE = "report.html"
MOST_WITH_ALL = 400
"""Up to this many recordings show all their pictures; of more, the worst 150 do, and the next 1000 show one."""
MOST_WITH_CURVES = 2000
_WORST, _NEXT = 150, 1000


def write_report(path: str | Path, judged: Sequence[Judged], manifest: Manifest | None) -> None:
    """Write the page about these captures, which are read again one by one.

    Args:
        manifest: of the dataset that they became; None: none of them can be used.
    Raises: OutputError, LimitError: the place cannot be written.
    """
    worst_first = sorted(judged, key=_badness)
    names = {one.source: rank for rank, one in enumerate(sorted(judged, key=lambda one: _names(one)))}
    splits = {entry.facts.file: entry.split for entry in manifest.entries} if manifest else {}
    rows, seconds = [], 0.0
    for rank, one in enumerate(worst_first):
        capture = _capture(one)
        seconds += len(capture.samples) / SAMPLE_RATE_HZ if capture else 0.0
        numbers = one.made.numbers if one.made else measure(capture) if capture and len(capture.samples) else None
        keys = sort_values(one, numbers, rank, names[one.source])
        rows.append(_row(one, capture, numbers, keys, _amount(rank, len(judged)), splits))
    page = Template(Path(__file__).with_name("report.html").read_text(encoding="utf-8")).substitute(
        counts=verdict_counts(judged),
        about=_about(judged, manifest, seconds),
        reasons=_reasons(judged),
        orders=join(*(tag("option", label, value=place) for place, label in enumerate(SORTED_BY))),
        rows=join(*rows) if rows else tag("p", "There are no recordings."),
        speakers=speaker_table(manifest) if manifest else tag("p", "None of the captures can be used."),
        bounds=bounds_table(),
    )
    with atomic_write(path, "w") as file:
        file.write(page)


def _badness(one: Judged) -> tuple[int, int, str, str]:
    """Worst first: what is not in the dataset, then by verdict and number of reasons."""
    return (-VERDICTS.index(one.judgement.verdict), -len(one.judgement.reasons), *_names(one))


def _names(one: Judged) -> tuple[str, str]:
    return (one.source.name, str(one.source))


def _capture(one: Judged) -> Capture | None:
    """None where it cannot be read; the row then says why."""
    try:
        return read_source(one.source)
    except VoxfaceError:
        return None


def _amount(rank: int, of: int) -> tuple[int, bool]:
    """How many pictures a recording shows, and whether its curves."""
    pictures = 6 if of <= MOST_WITH_ALL or rank < _WORST else 1 if rank < _WORST + _NEXT else 0
    return pictures, rank < MOST_WITH_CURVES


def _row(
    one: Judged, capture: Capture | None, numbers: Numbers | None, keys: str, amount: tuple[int, bool],
    splits: Mapping[str, str],
) -> Html:  # fmt: skip
    pictures, drawn = amount
    with_sound = capture is not None and len(capture.samples) > 0
    return tag(
        "article",
        _who(one, numbers, splits),
        tag("div", *_pictures(capture, pictures), class_="pictures"),
        tag("div", curves(capture) if drawn and capture and with_sound else Html(), class_="curves"),
        tag("div", lag_curve(numbers.sound_r_by_lag) if numbers and drawn else Html(), class_="sync"),
        number_grid(one, numbers) if numbers else Html(),
        class_=css_class(one.judgement.verdict) or "good",
        data_k=keys,
    )


def _who(one: Judged, numbers: Numbers | None, splits: Mapping[str, str]) -> Html:
    """Name, speaker, where it went, verdict and reasons."""
    name = one.made.facts.name if one.made else one.source.name.removesuffix(SUFFIX)
    split = splits.get(one.made.facts.file, "same video twice") if one.made and not one.error else "not in the dataset"
    words = [one.made.speaker] if one.made else []
    words += [split, clock_text(numbers.seconds).replace(" ", "\u00a0")] if numbers else [split]
    return tag(
        "header",
        tag("h3", name, title=f"{one.source.parent.name}/{one.source.name}"),
        tag("p", " · ".join(words)),
        tag("em", one.judgement.verdict),
        tag("ul", *(tag("li", reason) for reason in one.judgement.reasons)),
    )


def _pictures(capture: Capture | None, most: int) -> list[Html]:
    shown = capture.pictures if capture and most > 1 else ()
    if capture and most == 1:
        shown = capture.pictures[len(capture.pictures) // 2 :][:1]
    return [
        tag(
            "figure",
            Html(f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(body).decode()}">'),
            tag("figcaption", f"{time_s:.1f}"),
        )
        for time_s, body in shown
    ]


def _about(judged: Sequence[Judged], manifest: Manifest | None, seconds: float) -> Html:
    """What the page is about, in one or two lines."""
    used = Counter(entry.split for entry in manifest.entries) if manifest else Counter()
    words = [f"{len(judged)} captures, {clock_text(seconds)}"]
    words += [f"{len(manifest.speakers)} speakers" if len(manifest.speakers) > 1 else "one speaker"] if manifest else []
    words += [", ".join(f"{split} {count}" for split, count in used.items()) or "nothing in the dataset"]
    left = sum(one.error is not None for one in judged)
    words += [f"{left} left out"] if left else []
    note = ""
    if len(judged) > MOST_WITH_ALL:
        note = (
            f"All pictures of the {_WORST} worst, one each of the next {_NEXT}; curves of the first {MOST_WITH_CURVES}."
        )
    return join(tag("p", " · ".join(words)), tag("p", note) if note else Html())


def _reasons(judged: Sequence[Judged]) -> Html:
    """The reasons by how often they were given, without their numbers; a click shows those recordings."""
    kinds = Counter(kind(reason) for one in judged for reason in one.judgement.reasons)
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))[:12]
    return join(*(tag("button", f"{count} × {text}", type="button", data_find=text) for text, count in ordered))


def kind(reason: str) -> str:
    """A reason without its numbers."""
    return re.split(r":| \(| by \d| up to \d", reason, maxsplit=1)[0]
