"""The tables of the report: the numbers of a recording, the bounds of the verdict, the speakers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from voxface.dataset.judged import Judged
from voxface.dataset.manifest import Manifest
from voxface.dataset.quality_numbers import Numbers
from voxface.dataset.quality_verdict import APART_R, GOOD, LEAST_R, RULES, VERDICTS, about_sync
from voxface.dataset.report_html import Html, join, tag
from voxface.dataset.sync import LEAST_SECONDS, WORST_MS
from voxface.face.rig import ARKIT
from voxface.timebase import clock_text

SHOWN = (
    ("face", "face_share", "{:.0%}", "frames with a face"),
    ("size", "face_pixels", "{:.0f} px", "height of the face, forehead to chin"),
    ("of picture", "face_height", "{:.0%}", "height of the face in heights of the picture"),
    ("yaw", "yaw_deg", "{:+.0f}°", "median, positive to the subject's left"),
    ("pitch", "pitch_deg", "{:+.0f}°", "median, positive down"),
    ("turned", "turned_share", "{:.0%}", "frames with yaw or pitch beyond 30°"),
    ("jitter", "jitter_deg", "{:.2f}°", "how much the face trembles from frame to frame"),
    ("lip range", "gap_range", "{:.3f}", "5th to 95th percentile of the lip gap, in face heights"),
    ("lip r", "gap_r", "{:.2f}", "lip gap as measured and of the weights: two views of the same lips"),
    ("sound r", "sound_r", "{:.2f}", "lip gap and what the sound says of it, at the best lag"),
    ("speech", "speech_share", "{:.0%}", "time within 25 dB of the loudest"),
    ("level", "level_db", "{:.0f} dB", "of the speech, re full scale"),
    ("floor", "floor_db", "{:.0f} dB", "5th percentile of the level, re the loudest"),
    ("full scale", "full_scale_share", "{:.2%}", "samples at full scale"),
    ("clipped", "samples_clipped", "{:.0f}", "samples beyond full scale, which the dataset clips"),
    ("cuts", "cuts", "{:.0f}", "places where another shot begins"),
    ("faces", "most_faces", "{:.0f}", "most faces in one picture"),
    ("damaged", "broken_share", "{:.1%}", "frames that could not be decoded"),
)
"""Label, number, how it is written, what it means."""

_USUAL = {"samples_clipped": 0, "cuts": 0, "most_faces": 1, "broken_share": 0, "turned_share": 0, "full_scale_share": 0}
"""Not worth a line where they are so."""

SORTED_BY = ("worst first", "name", "length", "face", "face size", "yaw", "lip range", "sound r", "A/V offset", "level")

_CALIBRATED = (
    "jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthSmileLeft", "mouthSmileRight", "mouthPressLeft",
    "mouthPressRight",
)  # fmt: skip
_NOTABLE_REST = 0.05  # at rest a channel should be 0; more is shown in bold


def number_grid(one: Judged, numbers: Numbers) -> Html:
    """All numbers that are known; those beyond a bound are marked."""
    verdicts = {rule.number: rule.verdict(getattr(numbers, rule.number)) for rule in RULES}
    usual = _USUAL | ({"face_height": numbers.face_height} if numbers.face_pixels else {})
    cells = [
        _cell(label, form.format(value), verdicts.get(name, GOOD), title)
        for label, name, form, title in SHOWN
        if (value := getattr(numbers, name)) is not None and value != usual.get(name)
    ]
    sync = about_sync(numbers, one.offset, corrected=bool(one.made and one.made.facts.offset_ms))
    verdict = sync[0][0] if sync else GOOD
    return tag("dl", _cell("A/V", sync_text(one, numbers), verdict, "offset of face and sound"), *cells)


def _cell(label: str, text: str, verdict: str, title: str) -> Html:
    return tag("div", tag("dt", label), tag("dd", text), title=title, class_=css_class(verdict))


def css_class(verdict: str) -> str | None:
    """good needs no mark."""
    return {"look": "look", "leave out": "out"}.get(verdict)


def sync_text(one: Judged, numbers: Numbers) -> str:
    """What is known of the offset: measured, probable, or why not."""
    if one.offset and one.offset.offset_ms is not None:
        pooled = f", {one.offset.recordings} pooled" if one.offset.recordings > 1 else ""
        return f"{one.offset.offset_ms:+.0f} ms{pooled}"
    if numbers.hint_ms is not None:
        return f"≈ {numbers.hint_ms:+.0f} ms"
    if one.offset and one.offset.verdict != "too short":
        return "0" if one.offset.verdict == "no lag is better" else "unknown"
    return "about 0" if numbers.sound_r is not None and numbers.sound_r >= LEAST_R else "unknown"


def sort_values(one: Judged, numbers: Numbers | None, rank: int, name_rank: int) -> str:
    """One number for each of SORTED_BY, separated by spaces; what is not known comes first."""
    if numbers is None:
        return f"{rank} {name_rank}" + " -9" * (len(SORTED_BY) - 2)
    offset = (one.offset and one.offset.offset_ms) or numbers.hint_ms or 0.0
    values = (
        rank, name_rank, numbers.seconds, numbers.face_share, numbers.face_height or 0, abs(numbers.yaw_deg),
        numbers.gap_range, -9 if numbers.sound_r is None else numbers.sound_r, abs(offset), numbers.level_db,
    )  # fmt: skip
    return " ".join(f"{value:g}" for value in values)


def bounds_table() -> Html:
    """The rules of the verdict as they are in the code."""
    head = tag("tr", *(tag("th", text) for text in ("number", "look", "leave out")))
    titles = {name: (label, form, title) for label, name, form, title in SHOWN}
    rows = []
    for rule in RULES:
        label, form, title = titles[rule.number]
        side = "below " if rule.low else "above "
        bounds = [side + form.format(bound) if bound is not None else "–" for bound in (rule.look, rule.leave_out)]
        rows.append(tag("tr", tag("th", label, title=title), *(tag("td", text) for text in bounds)))
    apart = f"below {APART_R} with {LEAST_SECONDS:.0f} s of face"
    rows.append(tag("tr", tag("th", "sound r"), tag("td", f"below {LEAST_R}"), tag("td", apart)))
    rows.append(
        tag("tr", tag("th", "A/V offset"), tag("td", "known or probable"), tag("td", f"over {WORST_MS:.0f} ms"))
    )
    return tag("table", head, *rows)


def speaker_table(manifest: Manifest) -> Html:
    """Who speaks, how long, and the resting face that is taken away from the weights of each person."""
    names = [name.removeprefix("mouth") for name in _CALIBRATED]
    first = ("speaker", "recordings", "length", "split", "rest from", *names, "rig gap =", "r", "A/V offset")
    rows = []
    for name, known in sorted(manifest.speakers.items()):
        own = [entry for entry in manifest.entries if entry.speaker == name]
        rest = dict(zip(ARKIT, known.rest.tolist(), strict=True))
        splits = ", ".join(f"{split} {count}" for split, count in Counter(entry.split for entry in own).items())
        values = [f"{rest[channel]:.3f}" for channel in _CALIBRATED]
        marks = ["notable" if rest[channel] >= _NOTABLE_REST else None for channel in _CALIBRATED]
        method = f"{known.resting_rows} rows" if known.method == "quiet" else "10th percentile"
        sync = manifest.sync.get(f"speaker {name}", {})
        rows.append(
            tag(
                "tr", tag("th", name), tag("td", str(len(own))),
                tag("td", clock_text(sum(entry.facts.quality.seconds for entry in own))), tag("td", splits),
                tag("td", method),
                *(tag("td", value, class_=mark) for value, mark in zip(values, marks, strict=True)),
                tag("td", f"{known.gap_scale:.2f} × gap {known.gap_offset:+.3f}"), tag("td", f"{known.gap_r:.2f}"),
                tag("td", _sync_of(sync)),
            )
        )  # fmt: skip
    return tag("table", tag("tr", *(tag("th", text) for text in first)), *rows)


def _sync_of(sync: dict[str, object]) -> str:
    offset = sync.get("offset_ms")
    return f"{offset:+.0f} ms" if isinstance(offset, float) else str(sync.get("verdict", ""))


def verdict_counts(judged: Sequence[Judged]) -> Html:
    """How many are good, to be looked at, left out: as a bar and in words."""
    counts = Counter(one.judgement.verdict for one in judged)
    bars = [
        tag("i", class_=css_class(name) or "good", style=f"flex:{counts[name]}") for name in VERDICTS if counts[name]
    ]
    words = [tag("b", f"{counts[name]} {name}", class_=css_class(name) or "good") for name in VERDICTS]
    return join(tag("div", *bars, class_="bar"), tag("p", *words, class_="counts"))
