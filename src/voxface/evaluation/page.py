"""One HTML page about evaluations and clips, for people: tables, curves, faces, players. No network, no library.

Everything is inside the file. Its policy allows only this very script and style, by their hashes, and data that is in
the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from voxface.audio.flac import flac
from voxface.dataset.report_html import Html, join, tag
from voxface.errors import DatasetError, InputError, MissingDependencyError
from voxface.evaluation import page_tables as tables
from voxface.evaluation import report
from voxface.evaluation.kept import FILE as CLIPS_FILE
from voxface.evaluation.kept import Kept, load_kept
from voxface.evaluation.page_clip import Shown, shown_kept, shown_window, sound_part
from voxface.evaluation.page_curves import part_curves, whole_curve
from voxface.evaluation.page_likeness import LIKENESS_NOTE, channels_apart
from voxface.evaluation.page_runs import Run, run_section
from voxface.files import atomic_write
from voxface.timebase import SAMPLE_RATE_HZ

REPORT_FILE = "report.json"
MOST_CLIPS = 12
"""Clips shown in full unless more are asked for."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `voxface evaluate -o` wrote.

    name:   of the folder
    values: report.json
    kept:   clips to look at; empty where the folder has none
    lacks:  what must be installed to read them; empty where they were read
    """

    name: str
    values: Mapping[str, Any]
    kept: tuple[Kept, ...]
    lacks: str = ""

    @property
    def groups(self) -> Mapping[str, Any]:
        """By name, as report.json has them."""
        groups: Mapping[str, Any] = self.values["groups"]
        return groups


def read_evaluation(folder: str | Path) -> Evaluation:
    """Read an evaluation's folder.

    Raises: InputError: there is no report.json. DatasetError: it is none of ours, damaged or of another version.
    """
    path = Path(folder) / REPORT_FILE
    values = _json(path)
    if values.get("format", report.FORMAT) != report.FORMAT or "groups" not in values:
        raise DatasetError(f"{path} is not the report of an evaluation.", hint=_HINT, source=str(path))
    if values.get("version", report.VERSION) != report.VERSION:  # those before version 1 have none
        text = f"{path} is an evaluation of version {values['version']}; this voxface reads {report.VERSION}."
        raise DatasetError(text, hint="Update voxface, or run voxface evaluate again.", source=str(path))
    found = Evaluation(Path(folder).resolve().name, values, *_kept(Path(folder) / CLIPS_FILE))
    try:
        evaluation_section(found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DatasetError(f"{path} is damaged: {error!r}.", hint=_HINT, source=str(path)) from error
    return found


def _kept(path: Path) -> tuple[tuple[Kept, ...], str]:
    """Its clips, and what must be installed to read them."""
    try:
        return (load_kept(path) if path.exists() else ()), ""
    except MissingDependencyError:
        return (), "they need the library safetensors, which is not installed: pip install 'voxface[render]'."


_HINT = "Give a folder that `voxface evaluate -o FOLDER` wrote."


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", hint=_HINT, source=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON: {error}.", hint=_HINT, source=str(path)) from error
    return value if isinstance(value, dict) else {}


def write_page(
    path: str | Path,
    evaluations: Sequence[Evaluation],
    shown: Sequence[Shown] = (),
    runs: Sequence[Run] = (),
    most: int = MOST_CLIPS,
    with_faces: bool = True,
) -> None:
    """Write the page.

    Args:
        evaluations: the last is judged, those before are what it is compared with; its worst clips are shown.
        shown: clips from files, shown first.
        runs: of training, after the tables.
        most: clips shown in full.
        with_faces: False: curves and players alone, which is quick.
    Raises: OutputError, LimitError: the place cannot be written. MissingDependencyError: faces need
        PyAV.
    """
    with atomic_write(path, "w") as file:  # first: a bad place is told before minutes of drawing
        file.write(_page(evaluations, shown, runs, most, with_faces))


def _page(
    evaluations: Sequence[Evaluation], shown: Sequence[Shown], runs: Sequence[Run], most: int, with_faces: bool
) -> str:
    worst = _worst(evaluations[-1], most - len(shown)) if evaluations else []
    cards = [*shown[:most], *worst]
    anchors = {(one.group, one.name): f"clip{place}" for place, one in enumerate(cards)}
    titles = [str(one.values["title"]) for one in evaluations[-1:]] or [*(shown[0].labels if shown else [runs[0].name])]
    here = Path(__file__).parent
    style, script = ((here / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return Template((here / "page.html").read_text(encoding="utf-8")).substitute(
        policy=_policy(style, script),
        title=join(" and ".join(titles)),
        style=style,
        script=script,
        tables=join(_evaluations(evaluations, anchors), *map(run_section, runs)),
        about_clips=_about_clips(evaluations, shown, cards),
        clips=join(*(card(one, f"clip{place}", with_faces) for place, one in enumerate(cards))),
    )


def _policy(style: str, script: str) -> str:
    """Nothing but what is in this file may be loaded or run."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"
    )


def _worst(evaluation: Evaluation, most: int) -> list[Shown]:
    """The kept clips with the lowest r."""
    label = str(evaluation.values["title"])
    order = sorted(evaluation.kept, key=lambda one: one.rank)
    return [shown_kept(one, label) for one in order[: max(most, 0)]]


def _evaluations(evaluations: Sequence[Evaluation], anchors: Mapping[tuple[str, str], str]) -> Html:
    if not evaluations:
        return Html()
    last = evaluations[-1]
    parts = [
        join(tag("h2", f"Compared with {one.name}"), tables.changes(one.name, one.groups, last.groups))
        for one in evaluations[:-1]
    ]
    return join(evaluation_section(last, anchors), *parts)


def evaluation_section(evaluation: Evaluation, anchors: Mapping[tuple[str, str], str] | None = None) -> Html:
    """Every table of an evaluation, short ones first.

    Args:
        anchors: where clips are shown on this page, by group and name.
    """
    values, groups = evaluation.values, evaluation.groups
    lowest = sorted(groups, key=lambda name: tables.MEASURES[0].of(groups[name]["predictors"][0]) or -2.0)
    return join(
        tag("p", str(values["fitted"]), class_="note"),
        tag("h2", "Numbers, baselines beside"),
        tag("p", "Worst group first. Marked: a baseline is better there.", class_="note"),
        *(tables.group_table(name, groups[name]) for name in lowest),
        *(_folded(f"Worse speech: {name}", tables.robust_table(name, one)) for name, one in values["robust"].items()),
        _folded("Where nobody speaks", tables.rest_table(values["rest"])),
        _folded("Every clip, worst first", tables.clip_table(groups, anchors or {})),
        _folded("Every channel, worst first", tables.channel_table(groups)),
        _folded("What the numbers mean", _notes()),
    )


def _folded(title: str, inside: Html) -> Html:
    return tag("details", tag("summary", title), inside) if inside else Html()


def _notes() -> Html:
    points = report.NOTES.split("\n- ")[1:]
    return tag("ul", *(tag("li", " ".join(point.split())) for point in points))


def _about_clips(evaluations: Sequence[Evaluation], shown: Sequence[Shown], cards: Sequence[Shown]) -> Html:
    """How many of the clips are shown, under a heading where there are tables before."""
    if not evaluations:
        words = f"{len(cards)} of {len(shown)} clips are shown."
        told = tag("p", words, class_="note") if len(cards) < len(shown) else Html()
        means = tag("p", LIKENESS_NOTE) if any(len(one.clips) > 1 for one in cards) else Html()
        return join(told, _folded("What the numbers mean", means))
    last, own = evaluations[-1], len(cards) - min(len(shown), len(cards))
    total = sum(group["clips"] for group in last.groups.values())
    words = f"{own} of {total} clips, the worst of the {len(last.kept)} that were kept."
    if not last.kept:
        words = f"{last.name} has no {CLIPS_FILE}: run voxface evaluate again to see its clips."
        words = f"No clips of {last.name}: {last.lacks}" if last.lacks else words
    return join(tag("h2", "Clips"), tag("p", words, class_="note"))


def card(shown: Shown, anchor: str, with_faces: bool = True) -> Html:
    """One clip: the whole where it is long, faces and player, curves, moments worth a look."""
    first_s, last_s = shown_window(shown)
    part = shown.part(first_s, last_s)
    whole = whole_curve(shown, first_s, last_s) if len(part.times_s) < len(shown.times_s) else Html()
    films, strip = _faces(part) if with_faces else (Html(), Html())
    key = tag("p", *(tag("b", label, class_=f"name{place}") for place, label in enumerate(shown.labels)), class_="key")
    head = tag("header", tag("h3", shown.name), tag("p", " · ".join(filter(None, (shown.group, shown.about)))))
    return tag(
        "article", head, whole,
        tag("div", films, tag("div", player(part), key, tag("output"), class_="say"), class_="show"),
        part_curves(part), strip,
        _folded("Channels, most different first", channels_apart(part)) if len(part.clips) > 1 else Html(),
        id=anchor,
    )  # fmt: skip


def player(part: Shown) -> Html:
    """The sound of a part; where there is none, a button that lets time go by."""
    length_s = len(part.times_s) / part.clips[0].fps
    first = float(part.times_s[0])
    samples = sound_part(part.samples, first, first + length_s)
    if not len(part.samples) or not len(samples):
        return tag("button", "play (silent)", type="button", class_="play")
    body = base64.b64encode(flac(samples, SAMPLE_RATE_HZ)).decode()
    return tag("audio", controls="", preload="metadata", src=f"data:audio/flac;base64,{body}", aria_label=part.name)


def _faces(part: Shown) -> tuple[Html, Html]:
    from voxface.evaluation.page_faces import films, strip

    return films(part), strip(part)
