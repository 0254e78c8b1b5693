"""The page about the quality of captures: well formed, safe, alone, useful for one or a thousand."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="captures on disk need the library safetensors")

from tests.captured import make_capture, make_track, put
from voxface.capture.store import SUFFIX, Capture
from voxface.dataset import report
from voxface.dataset.build import BuildOptions, build_dataset
from voxface.dataset.judged import Judged
from voxface.dataset.make import Made
from voxface.dataset.quality_numbers import measure
from voxface.dataset.quality_verdict import judge
from voxface.dataset.report import write_report
from voxface.dataset.report_curves import busiest, curves, line
from voxface.dataset.report_html import Html, join, tag
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.split import parse_rule
from voxface.dataset.store import Facts
from voxface.errors import DatasetError

JPEG = base64.b64decode(
    "/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/2Q=="
)
HOSTILE = "<script>alert(1)</script>\"'&amp; onload=x ]]> ${rows} %s {0}"
VOID = {"meta", "input", "img", "br"}


class Page(HTMLParser):
    """What is in a page; fails where elements are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def page_of(tmp_path: Path, *captures: Capture, **options: Any) -> Page:
    """Build a dataset of these captures with a report, and read the report."""
    options.setdefault("split", parse_rule("all:train"))
    options.setdefault("speakers", SpeakerRule("name", "s"))
    out = tmp_path / "set" / "report.html"
    try:
        build_dataset([put(tmp_path / "c", *captures)], out.parent, BuildOptions(**options), report=out)
    except DatasetError:
        assert out.exists()
    return Page(out.read_text(encoding="utf-8"))


def with_pictures(name: str = "clip", **changes: Any) -> Capture:
    return make_capture(name, 4.0, pictures=((0.5, JPEG), (2.25, JPEG)), **changes)


def test_a_recording_is_a_row_with_pictures_curves_numbers_and_reasons(tmp_path: Path) -> None:
    """All that a person judges by is there: pictures with times, both strips, numbers, verdict, the speaker's rest."""
    cut = replace(make_track(np.arange(100) / 25, 0.2 + 0.1 * np.sin(np.arange(100))), shot=np.arange(100) // 50)
    page = page_of(tmp_path, with_pictures("one"), with_pictures("two", track=replace(cut, shot=cut.shot.astype("i4"))))
    rows = page.all("article")
    assert [row["class"] for row in rows] == ["look", "good"], "the worst comes first"
    assert len(page.all("img")) == 4
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert [svg["class"] for svg in page.all("svg")] == ["talk", "whole"] * 2
    assert len([path for path in page.all("path") if path.get("class") == "cut"]) == 1
    for word in ("cuts: 1; is it the same person", "2.2", "lip range", "one speaker", "Pucker", "leave out", "train 2"):
        assert word in page.text, word


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    """No address, no file, no library: the page may be mailed; its own policy forbids the network."""
    page_of(tmp_path, with_pictures())
    text = (tmp_path / "set" / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|<iframe|<script src", text)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """Names of files, speakers and reasons cannot become markup, script or template."""
    capture = with_pictures("plain")
    folder = put(tmp_path / "c", capture)
    path = folder / f"plain{SUFFIX}"
    found = made(path, HOSTILE, capture)
    judgement = replace(found.judgement, reasons=(HOSTILE,), verdict="look")
    write_report(tmp_path / "r.html", [replace(found, judgement=judgement, source=path)], None)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Page(text)
    assert text.count("<script") == 1
    assert page.text.count(HOSTILE) >= 3  # name, speaker, reason
    assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    assert tag("p", "a < b", title='"', class_=None) == '<p title="&quot;">a &lt; b</p>'
    assert join("<", Html("<b>")) == "&lt;<b>"


def made(path: Path, name: str, capture: Capture) -> Judged:
    """A capture as a build judges it, without the build."""
    from voxface.dataset.quality import Quality

    facts = Facts(name, capture.sha256, name, "0" * 64, 10.0, (0, 0, 0), 40.0, 0.0, Quality(seconds=4.0))
    numbers = measure(capture)
    return Judged(path, judge(numbers), Made(path, name, facts, numbers, False))


def test_no_recordings_are_a_page_too(tmp_path: Path) -> None:
    """Nothing to show is said."""
    write_report(tmp_path / "r.html", [], None)
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "There are no recordings." in page.text
    assert "0 good" in page.text


def test_what_cannot_be_used_is_shown_with_its_reason(tmp_path: Path) -> None:
    """No face, no sound, a damaged file, a still picture: each is a row, and the page is there though no dataset is."""
    folder = tmp_path / "c"
    put(folder, with_pictures("blind", track=make_track(np.arange(100) / 25, seen=False)))
    put(folder, with_pictures("mute", samples=np.zeros(0, np.float32)))
    (folder / f"torn{SUFFIX}").write_bytes(b"no capture")
    page = page_of(tmp_path, with_pictures("still", track=make_track(np.arange(100) / 25, 0.3)))
    assert [row["class"] for row in page.all("article")] == ["out"] * 4
    for word in (
        "shows no face",
        "has no sound",
        "is not a capture",
        "a still picture?",
        "None of the captures can be",
    ):
        assert word in page.text, word
    assert len(page.all("svg")) == 4, "strips of the blind and the still one; the mute one has none"
    assert "not in the dataset" in page.text


def test_the_same_captures_give_the_same_page(tmp_path: Path) -> None:
    """Byte for byte, also from a build that finds everything done."""
    captures = [with_pictures("one"), with_pictures("two", seed=3)]
    page_of(tmp_path, *captures)
    first = (tmp_path / "set" / "report.html").read_bytes()
    page_of(tmp_path, *captures)
    assert (tmp_path / "set" / "report.html").read_bytes() == first


def test_a_thousand_recordings_stay_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1000 recordings with pictures of ordinary size make a page below 15 MB, which says what it leaves out."""
    capture = replace(make_capture("c", 3.0), pictures=tuple((k / 2, JPEG + b"\0" * 3300) for k in range(6)))
    put(tmp_path, capture)
    one = made(tmp_path / f"c{SUFFIX}", "c", capture)
    monkeypatch.setattr(report, "read_source", lambda path: capture)
    many = [replace(one, source=Path(f"{k:04}{SUFFIX}")) for k in range(1000)]
    write_report(tmp_path / "r.html", many, None)
    assert (tmp_path / "r.html").stat().st_size < 15_000_000
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count("<article") == 1000
    assert text.count("<img") == 150 * 6 + 850
    assert "All pictures of the 150 worst, one each of the next 1000" in text


# Curves


def test_a_line_follows_its_values_and_breaks_where_nothing_is_known() -> None:
    """The path starts and ends with the values, in steps; NaN breaks it; nothing to draw is a path without a line."""
    assert line(np.array([1, 2, np.nan, 5, 4, 3.0])) == "M0 1l96 1M288 5l96-1 96-1"
    assert line(np.full(4, np.nan)) == line(np.zeros(0)) == line(np.zeros(1)) == "M0 0"
    long = line(np.sin(np.arange(10_000) / 300) * 30)
    numbers = [int(number) for number in re.findall(r"-?\d+", long)]
    assert sum(numbers[0::2]) == 480
    assert sum(numbers[1::2]) == round(30 * np.sin(9999 / 300))
    assert len(numbers) == 400


def test_the_eight_seconds_are_those_with_most_speech() -> None:
    """A long recording shows the part where somebody speaks with a visible mouth."""
    speech = np.zeros(6000, bool)
    speech[1000:1500] = speech[3000:3700] = True
    assert 2900 <= busiest(speech, np.ones(6000, bool)) <= 3000
    hidden = np.ones(6000, bool)
    hidden[2000:5000] = False
    assert 700 <= busiest(speech, hidden) <= 1000
    assert busiest(speech[:700], hidden[:700]) == 0


def test_curves_of_the_shortest_recordings_are_drawn() -> None:
    """One sample, one frame, a face that is never seen: a drawing, not an error."""
    for samples, frames, seen in ((1, 1, True), (160, 2, True), (16_000, 25, False), (16_000, 0, True)):
        capture = make_capture(
            samples=np.full(samples, 0.1, np.float32), track=make_track(np.arange(frames) / 25, seen=seen)
        )
        assert "nan" not in curves(capture)


# In a browser


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCRIPT = """<script>
const shown = () => rows.filter(row => !row.hidden).map(row => row.querySelector("h3").textContent).join(" ");
const log = [shown()];
by.value = 1; by.onchange(); log.push(shown());
document.getElementById("turn").onclick(); log.push(shown());
boxes[0].click(); log.push(shown());
boxes[0].click(); document.querySelector("#why button").click(); log.push(shown());
document.title = log.join(" | ");
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: apt-get install chromium")
def test_a_browser_sorts_and_filters(tmp_path: Path) -> None:
    """The page's own script runs without complaint: order, turned order, verdicts and reasons do what they say."""
    cut = make_track(np.arange(100) / 25, 0.2 + 0.1 * np.sin(np.arange(100)))
    shots = replace(cut, shot=(np.arange(100) // 50).astype(np.int32))
    page_of(tmp_path, with_pictures("b"), with_pictures("a", seed=2), with_pictures("c", track=shots))
    page = tmp_path / "set" / "report.html"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{SCRIPT}</body>"), encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
    command = [str(BROWSER), *options, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    title = re.search("<title>(.*)</title>", done.stdout)
    assert title
    assert title[1] == "c a b | a b c | c b a | c | c"
