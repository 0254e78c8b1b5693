"""The tables of an evaluation for the page, from its report.json: baselines beside, worst first, what got worse."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxface.dataset.report_html import Html, join, tag
from voxface.evaluation.text import lag_text, number_text

Numbers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of report.json.

    key:      in a predictor's row
    label:    what people call it
    good:     high, low, near zero or near one
    compared: its name in "worse_than" (group.COMPARED); empty: nobody is compared by it
    """

    key: str
    label: str
    good: str
    compared: str = ""
    places: int = 3

    def of(self, row: Numbers) -> float | None:
        """Its value in a row; None: not known."""
        value = row[self.key]
        value = value["mean"] if isinstance(value, dict) else value
        return None if value is None else float(value)

    def badness(self, value: float) -> float:
        """Higher is worse."""
        if self.good == "one":
            return abs(math.log(value)) if value > 0 else math.inf
        return {"low": value, "zero": abs(value)}.get(self.good, -value)

    def text(self, row: Numbers) -> str:
        """With its standard error where there is one."""
        value, whole = self.of(row), row[self.key]
        if self.key == "lag_ms":
            return lag_text(value)
        error = whole.get("standard_error") if isinstance(whole, dict) else row.get(f"{self.key}_error")
        return number_text(value, self.places) + (f" ± {error:.{self.places}f}" if error is not None else "")


MEASURES = (
    Measure("r", "lip-gap r", "high", "lip-gap r"),
    Measure("speech_r", "r in speech", "high", "lip-gap r in speech"),
    Measure("aligned_r", "r at best lag", "high"),
    Measure("jaw_r", "jawOpen r", "high"),
    Measure("mouth_r", "mouth r", "high", "mouth r"),
    Measure("mouth_mae", "mouth MAE", "low", "mouth MAE", 4),
    Measure("all_r", "all r", "high", "overall r"),
    Measure("all_mae", "all MAE", "low", "overall MAE", 4),
    Measure("recall", "closure recall", "high", "closure recall minus false rate"),
    Measure("false_rate", "false closures", "low"),
    Measure("auc", "closure AUC", "high", "closure AUC"),
    Measure("lag_ms", "lag ms", "zero", "|lag|", 0),
    Measure("jitter", "jitter", "one", "jitter", 2),
    Measure("range_ratio", "range", "one", "range", 2),
    Measure("silence", "opening in silence", "low", "opening in silence"),
)
"""The rows of the tables."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> Html:
    """A table whose first column names its rows; cells may be Html of their own."""
    first = tag("tr", *(tag("th", text, scope="col") for text in head))
    body = [tag("tr", tag("th", row[0], scope="row"), *(_cell(text) for text in row[1:])) for row in rows]
    title = tag("caption", caption) if caption else Html()
    whole = tag("table", title, tag("thead", first), tag("tbody", *body))
    return tag("div", whole, class_="wide", tabindex=0, role="region", aria_label=caption or head[0] or "table")


def _cell(text: str) -> Html:
    return text if isinstance(text, Html) and text.startswith("<td") else tag("td", text)


def group_table(name: str, group: Numbers) -> Html:
    """Every number of a group, a column per predictor, the judged one first; what a baseline does better is marked."""
    rows = group["predictors"]
    lines = []
    for measure in MEASURES:
        if any(measure.of(row) is not None for row in rows):
            cells = [tag("td", measure.text(row)) for row in rows[1:]]
            lines.append([measure.label, _judged_cell(measure, group), *cells])
    kind = ", synthetic speech" if group["synthetic"] else ""
    caption = f"{name}: {group['clips']} clips, {group['seconds']:.0f} s{kind}"
    return join(table(["", *(row["predictor"] for row in rows)], lines, caption), _losses(group))


def _judged_cell(measure: Measure, group: Numbers) -> Html:
    better = [loss["baseline"] for loss in group["worse_than"] if loss["measure"] == measure.compared]
    title = f"better: {', '.join(better)}" if better else None
    return tag("td", measure.text(group["predictors"][0]), class_="worse" if better else "judged", title=title)


def _losses(group: Numbers) -> Html:
    """In which measures which baselines are better than the judged one."""
    found: dict[str, list[str]] = {}
    for loss in group["worse_than"]:
        found.setdefault(loss["measure"], []).append(loss["baseline"])
    if not found:
        return tag("p", "No baseline is better in any measure.", class_="note")
    words = "; ".join(f"{measure} than {', '.join(names)}" for measure, names in found.items())
    return tag("p", f"Worse in {words}.", class_="note")


def changes(name: str, before: Mapping[str, Numbers], after: Mapping[str, Numbers]) -> Html:
    """What differs between two evaluations: every measure of the groups that both have; the clips that fell most."""
    shared = [group for group in after if group in before]
    rows = [row for group in shared for row in _group_changes(group, before[group], after[group])]
    if not rows:
        return tag("p", f"Nothing to compare with {name}: they have no group in common.")
    worse = sum("worse" in str(row[-1]) for row in rows)
    words = tag("p", f"{worse} of {len(rows)} numbers got worse; worst first within each group.")
    head = ["group", "measure", name, "now", "difference"]
    return join(words, table(head, rows), _fallen(shared, before, after))


def _group_changes(group: str, before: Numbers, after: Numbers) -> list[list[str]]:
    old, new = before["predictors"][0], after["predictors"][0]
    found = []
    for measure in MEASURES:
        was, now = measure.of(old), measure.of(new)
        if was is None or now is None:
            continue
        worse = measure.badness(now) - measure.badness(was)
        seen = abs(now - was) >= 0.5 * 10**-measure.places  # less cannot be seen in the numbers shown
        mark = ("worse" if worse > 0 else "better") if seen else None
        sign = tag("td", f"{now - was:+.{measure.places}f} {mark or 'same'}", class_=mark)
        found.append((worse, [group, measure.label, measure.text(old), measure.text(new), sign]))
    return [row for _, row in sorted(found, key=lambda pair: -pair[0])]


def _fallen(shared: Sequence[str], before: Mapping[str, Numbers], after: Mapping[str, Numbers]) -> Html:
    found = []
    for group in shared:
        old, new = before[group]["predictors"][0]["clips"], after[group]["predictors"][0]["clips"]
        pairs = [(name, old[name]["r"], new[name]["r"]) for name in new if name in old]
        found += [(now - was, group, name, was, now) for name, was, now in pairs if was is not None and now is not None]
    fell = [one for one in sorted(found)[:10] if one[0] < 0]
    rows = [[name, group, f"{was:.3f}", f"{now:.3f}", f"{less:+.3f}"] for less, group, name, was, now in fell]
    return table(["clip", "group", "r before", "now", ""], rows, "Clips that fell most") if rows else Html()


def clip_table(groups: Mapping[str, Numbers], anchors: Mapping[tuple[str, str], str]) -> Html:
    """Every clip of the judged predictor, worst first; those shown below are links."""
    judged = {group: value["predictors"][0]["clips"] for group, value in groups.items()}
    found = [(group, name, one) for group, clips in judged.items() for name, one in clips.items()]
    found.sort(key=lambda entry: -2.0 if entry[2]["r"] is None else entry[2]["r"])
    rows = []
    for group, name, one in found:
        anchor = anchors.get((group, name))
        title = tag("a", name, href=f"#{anchor}") if anchor else name
        numbers = [number_text(one[key]) for key in ("r", "speech_r", "aligned_r")]
        rows.append([title, group, *numbers, lag_text(one["lag_ms"])])
    return table(["clip", "group", "r", "in speech", "at best lag", "lag ms"], rows)


def channel_table(groups: Mapping[str, Numbers]) -> Html:
    """Every channel that can be judged somewhere, worst first by its r, averaged over groups."""
    channels: dict[str, list[float]] = {}
    for group in groups.values():
        for name, one in group["predictors"][0]["channels"].items():
            if one["r"] is not None:
                channels.setdefault(name, []).append(one["r"])
    rows = []
    for name in sorted(channels, key=lambda name: sum(channels[name]) / len(channels[name])):
        each = [group["predictors"][0]["channels"][name] for group in groups.values()]
        rows.append([name, *(text for one in each for text in (number_text(one["r"]), number_text(one["mae"], 4)))])
    return table(["channel", *(f"{group} {part}" for group in groups for part in ("r", "MAE"))], rows)


def rest_table(rest: Sequence[Numbers]) -> Html:
    """Mean opening over sounds in which nobody speaks."""
    if not rest:
        return Html()
    sounds = list(rest[0]["sounds"])
    rows = [
        [sound, *(f"{one['sounds'][sound]['opening']:.3f}, {one['sounds'][sound]['jaw_max']:.2f}" for one in rest)]
        for sound in sounds
    ]
    return table(["mean opening, largest jawOpen", *(one["predictor"] for one in rest)], rows)


def robust_table(name: str, worse: Numbers) -> Html:
    """Lip-gap r of every predictor on worse speech."""
    conditions: Mapping[str, Any] = worse["conditions"]
    r: Callable[[Numbers], str] = MEASURES[0].text
    first = next(iter(conditions.values()))
    rows = [[row["predictor"], *(r(rows[i]) for rows in conditions.values())] for i, row in enumerate(first)]
    return table([f"{name}: lip-gap r", *conditions], rows, f"{worse['clips']} of {worse['of']} clips")
