"""`voxface report`: a page that is whole, safe and alone, and whose curves are those of the clips."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("safetensors", reason="clips of an evaluation need the library safetensors")

from tests.clips import make
from tests.test_evaluation import recording, sound
from tests.test_quality_report import HOSTILE, Page
from voxface.cli.report import report
from voxface.dataset.recording import Recording
from voxface.errors import OutputError, VoxfaceError
from voxface.evaluation import kept as kept_file
from voxface.evaluation import page_faces
from voxface.evaluation.baselines import loudness_db
from voxface.evaluation.evaluate import compare
from voxface.evaluation.kept import FILE, kept_places, load_kept, save_kept
from voxface.evaluation.page import read_evaluation, write_page
from voxface.evaluation.page_clip import PART_S, shown_clips, shown_window
from voxface.evaluation.page_curves import path, thousandths
from voxface.evaluation.page_faces import moments
from voxface.evaluation.page_likeness import compared
from voxface.evaluation.predictor import Prediction
from voxface.export.formats import write
from voxface.face.clip import FaceClip
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT

JAW = ARKIT.index("jawOpen")
NO_SOUND = np.zeros(0, np.float32)


class Loud:
    """A predictor whose jaw follows the loudness, late by some rows."""

    def __init__(self, name: str, late: int = 0) -> None:
        self.name, self._late = name, late

    def predict(self, samples: np.ndarray) -> Prediction:
        jaw = np.roll(np.clip((loudness_db(samples) + 60) / 80, 0, 1), self._late).astype(np.float32)
        weights = np.zeros((len(jaw), 52), np.float32)
        weights[:, JAW] = jaw
        return Prediction(weights, jaw)


def evaluated(folder: Path, late: int = 0, name: str = "tv", group: str = "wild") -> tuple[Path, list[Recording]]:
    """An evaluation's folder as `voxface evaluate -o` writes it: three clips, of which the last is worst."""
    samples = [sound(seed, 1.0) for seed in range(3)]
    clips = [recording(f"{name}{seed}", samples=one) for seed, one in enumerate(samples)]
    clips[2] = replace(clips[2], gap=0.2 - clips[2].gap)
    found = compare("bundle x", "Fitted on nothing.", [Loud("bundle x", late), Loud("early", -2)], {group: clips})
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(found.to_json(), allow_nan=False))
    save_kept(folder / FILE, found.title, found.groups)
    return folder, clips


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Recording]]:
    return evaluated(tmp_path_factory.mktemp("evaluation") / "after")


def page_at(file: Path) -> Page:
    """The page, after checking that it is alone and that its policy knows its own script and style."""
    text = file.read_text(encoding="utf-8")
    page = Page(text)
    for name in ("src", "href", "xlink:href", "data", "action", "srcset", "style"):
        for _, attributes in page.tags:
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (name, value)
    assert not re.search(r"https?:|@import|<link|<iframe|url\(", text)
    (policy,) = [one["content"] for one in page.all("meta") if one.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        (body,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" in policy
    return page


def gap_of(numbers: str | None) -> np.ndarray:
    """What the page's script reads."""
    assert numbers is not None
    return np.array([float(one) / 1000 if one else np.nan for one in numbers.split(",")])


def test_an_evaluation_keeps_faces_gaps_and_sound(evaluation: tuple[Path, list[Recording]]) -> None:
    """What is read back is what was judged: gaps to the last bit, weights to 1/255, sound to 16 bits."""
    folder, clips = evaluation
    found = {one.name: one for one in load_kept(folder / FILE)}
    assert sorted(found) == ["tv0", "tv1", "tv2"]
    one, truth, judged = found["tv1"], clips[1], Loud("x").predict(clips[1].samples)
    np.testing.assert_array_equal(one.gaps, np.stack([truth.rig_gap_target(), judged.gap]))
    np.testing.assert_allclose(one.captured, truth.calibrated(), atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(one.predicted, judged.weights, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(one.samples, np.clip(truth.samples, -1, 1), atol=1e-4)
    assert one.numbers["r"] == pytest.approx(np.corrcoef(*one.gaps)[0, 1], abs=1e-4)


def test_of_many_clips_the_worst_and_some_of_each_kind_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the room is for the worst, clips that judge nobody first; the best is there too."""
    monkeypatch.setattr(kept_file, "MOST", 6)
    r = [0.9, 0.1, None, *np.linspace(0.2, 0.8, 20).tolist(), 0.95]
    assert kept_places(r) >= {2, 1, 3, len(r) - 1}
    assert len(kept_places(r)) == 6
    assert kept_places([0.5, None]) == {0, 1}


def test_the_page_of_an_evaluation_shows_tables_and_its_worst_clips(
    evaluation: tuple[Path, list[Recording]], tmp_path: Path
) -> None:
    """Baselines stand beside, the worst clip first; curves and sound are those that were judged."""
    folder, clips = evaluation
    write_page(tmp_path / "r.html", [read_evaluation(folder)], most=2, with_faces=False)
    page = page_at(tmp_path / "r.html")
    for word in ("bundle x", "early", "truth", "Fitted on nothing.", "wild: 3 clips", "Where nobody speaks", "jawOpen"):
        assert word in page.text, word
    assert "2 of 3 clips, the worst of the 3 that were kept." in page.text
    assert [row["id"] for row in page.all("article")] == ["clip0", "clip1"]
    assert {link["href"] for link in page.all("a")} == {"#clip0", "#clip1"}
    first = next(one for one in page.all("div") if one.get("class") == "curves")
    assert (first["aria-label"], first["role"], first["tabindex"]) == ("time in tv2", "slider", "0")
    expected = clips[2].rig_gap_target(), Loud("x").predict(clips[2].samples).gap
    for place, gap in enumerate(expected):
        np.testing.assert_allclose(gap_of(first[f"data-gap{place}"]), gap, atol=5.1e-4)
    players = [str(one["src"]) for one in page.all("audio")]
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(players[0].partition(",")[2])))
    assert (len(players), rate) == (2, 16_000)
    np.testing.assert_allclose(heard, np.clip(clips[2].samples, -1, 1)[: len(heard)], atol=1e-4)


def test_two_evaluations_tell_what_got_worse(evaluation: tuple[Path, list[Recording]], tmp_path: Path) -> None:
    """The last is judged against the one before: numbers that fell are marked and come first, clips that fell named."""
    worse, _ = evaluated(tmp_path / "late", late=9)
    before = evaluation[0]
    write_page(tmp_path / "r.html", [read_evaluation(before), read_evaluation(worse)], most=0)
    page = page_at(tmp_path / "r.html")
    assert "Compared with after" in page.text
    assert "Clips that fell most" in page.text
    marks = [cell["class"] for cell in page.all("td") if cell.get("class") in ("worse", "better")]
    assert "worse" in marks
    assert re.search(r"[1-9]\d* of \d+ numbers got worse", page.text)


def test_a_training_run_shows_its_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tables beside a checkpoint become curves, with the best and the last step; what is no table is refused."""
    (tmp_path / "log.csv").write_text("step,loss\n" + "".join(f"{k},{1 / k}\n" for k in range(1, 901)))
    (tmp_path / "validation.csv").write_text("step,held_out_loss,gap_r\n300,0.5,0.7\n600,0.4,0.9\n900,0.3,0.8\n")
    report([str(tmp_path)], tmp_path / "r.html", quiet=True)
    page = page_at(tmp_path / "r.html")
    for word in ("Training:", "best, step 600", "last, step 900", "held_out_loss", "900 steps"):
        assert word in page.text, word
    lines = [str(one["d"]) for one in page.all("path")]
    assert [line.count("L") + 1 for line in lines] == [200, 3, 3]
    assert lines[2].startswith("M333.3 144.0L666.7 6.0")
    (tmp_path / "validation.csv").write_text("a,b\n1,x\n")
    with pytest.raises(SystemExit):
        report([str(tmp_path)], tmp_path / "r.html")
    assert "no table of a training run" in capsys.readouterr().err


def test_clips_from_files_are_compared(tmp_path: Path) -> None:
    """Two files and a sound are enough: the numbers of the page are those of the files, on the first one's clock."""
    captured = make(90, fps=30.0)
    write(captured, tmp_path / "captured.json")
    write(replace(captured, weights=captured.weights * np.float32(0.5)), tmp_path / "predicted.csv", format="csv")
    soundfile.write(tmp_path / "talk.wav", np.sin(np.arange(48_000) / 9) * 0.3, 16_000)
    report(
        [str(tmp_path / "captured.json"), str(tmp_path / "predicted.csv")], tmp_path / "r.html",
        str(tmp_path / "talk.wav"), faces=False, fps=30.0, quiet=True,
    )  # fmt: skip
    page = page_at(tmp_path / "r.html")
    assert "lip-gap r 1.000; best lag +0 ms: 1.000" in page.text
    assert "captured.json and predicted.csv" in page.text
    assert "the second face is late" in page.text
    (curves,) = [one for one in page.all("div") if one.get("class") == "curves"]
    gap = rig_gap(captured.weights, captured.channels)
    np.testing.assert_allclose(gap_of(curves["data-gap0"]), gap, atol=6e-4)
    np.testing.assert_allclose(gap_of(curves["data-gap1"]), gap / 2, atol=2e-3)
    assert (curves["data-from"], curves["data-fps"]) == ("0.000000", "30.000000")
    assert len(page.all("audio")) == 1


def test_faces_stand_at_moments_and_in_a_film(tmp_path: Path) -> None:
    """A face per moment and clip, a film of each face whose pictures are as many as it says, small and in the page."""
    weights = np.zeros((60, 52), np.float32)
    weights[20:26, JAW] = 0.8
    clip = FaceClip(weights, ARKIT, 60.0)
    other = weights.copy()
    other[45:50, JAW] = 0.5
    shown = compared(["a", "b"], [clip, replace(clip, weights=other)], NO_SOUND)
    found = moments(shown)
    assert [moment.why for moment in found if 20 <= round(60 * moment.time_s) < 26] == ["open, 0.80"]
    assert [moment.why for moment in found if 45 <= round(60 * moment.time_s) < 50] == ["off by 0.50"]
    assert [moment.time_s for moment in found] == sorted(moment.time_s for moment in found)
    write_page(tmp_path / "r.html", [], [shown])
    page = page_at(tmp_path / "r.html")
    (film,) = [one for one in page.all("div") if one.get("class") == "films"]
    (strip,) = [one for one in page.all("div") if one.get("class") == "strip"]
    assert (film["data-count"], film["data-columns"], strip["data-count"]) == ("12", "12", str(len(found)))
    words = f"faces at {len(found)} moments: a above, b below"
    assert [one["alt"] for one in page.all("img")] == ["face: a", "face: b", words]
    assert (tmp_path / "r.html").stat().st_size < 300_000
    assert [one.get("class") for one in page.all("button")] == ["play"] + [None] * len(found)


def test_a_million_frames_are_a_page_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four hours, all is drawn thinned, and the twenty seconds large in which the lips move most."""
    jaw = np.zeros((1_000_000, 1), np.float32)
    jaw[700_000:700_600:7] = 0.9
    long = FaceClip(jaw, ("jawOpen",), 60.0)
    shown = shown_clips(["long.npz"], [long], NO_SOUND)
    first_s, last_s = shown_window(shown)
    assert last_s - first_s == pytest.approx(PART_S)
    assert first_s <= 700_000 / 60 < last_s
    write_page(tmp_path / "r.html", [], [shown], with_faces=False)
    assert (tmp_path / "r.html").stat().st_size < 120_000
    page = page_at(tmp_path / "r.html")
    assert "All 4 h 37 min" in page.text
    (curves,) = [one for one in page.all("div") if one.get("class") == "curves"]
    assert len(gap_of(curves["data-gap0"])) == 1200
    monkeypatch.setattr(page_faces, "MOST_FACES", 6)
    assert 'data-count="6"' in page_faces.films(shown.part(first_s, last_s))


def test_without_pyav_the_page_has_curves_and_no_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing library costs the faces, not the page; one line says what to install."""
    monkeypatch.setitem(sys.modules, "av", None)
    write(make(30), tmp_path / "c.json")
    report([str(tmp_path / "c.json")], tmp_path / "r.html")
    said = capsys.readouterr().err
    assert "no faces drawn: drawing faces needs PyAV" in said
    assert "voxface[render]" in said
    page = page_at(tmp_path / "r.html")
    assert (len(page.all("img")), len(page.all("article"))) == (0, 1)


def test_without_safetensors_the_page_has_tables_and_no_clips(
    evaluation: tuple[Path, list[Recording]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A missing library costs the clips of an evaluation, not its tables; page and program say what to install."""
    monkeypatch.setitem(sys.modules, "safetensors", None)
    report([str(evaluation[0])], tmp_path / "r.html", faces=False)
    words = "no clips of after: they need the library safetensors, which is not installed: pip install"
    assert words in capsys.readouterr().err
    page = page_at(tmp_path / "r.html")
    assert words in page.text.replace("No clips", "no clips")
    assert "Every clip, worst first" in page.text
    assert not page.all("article")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """Names of clips, groups, predictors and files cannot become markup, script or template."""
    folder, _ = evaluated(tmp_path / "e", name=HOSTILE, group=HOSTILE)
    values = json.loads((folder / "report.json").read_text())
    values["title"] = values["fitted"] = HOSTILE
    (folder / "report.json").write_text(json.dumps(values))
    clip = shown_clips([HOSTILE], [make(30)], NO_SOUND)
    write_page(tmp_path / "r.html", [read_evaluation(folder)], [clip], with_faces=False)
    page = page_at(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert text.count("<script") == 1
    assert page.text.count(HOSTILE) >= 5
    assert not [one for _, attributes in page.tags for one in attributes if one.startswith("on")]


def test_lines_break_where_nothing_is_known() -> None:
    """NaN breaks a line and is no number for the script; nothing to draw is a path without a line."""
    x = np.arange(5.0)
    assert path(x, np.array([1, 2, np.nan, 4, 5.0])) == "M0.0 1.0L1.0 2.0M3.0 4.0L4.0 5.0"
    assert path(x[:2], np.full(2, np.nan)) == path(x[:0], x[:0]) == "M0 0"
    assert thousandths(np.array([0.1234, np.nan, -0.02])) == "123,,-20"


def test_what_cannot_be_shown_is_said_in_one_line(
    evaluation: tuple[Path, list[Recording]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders and clips that are none, damaged, of another version, without frames; places that cannot be written."""
    folder, _ = evaluation
    values = json.loads((folder / "report.json").read_text())
    for name, changed in {
        "newer": values | {"version": 9},
        "other": {"format": "voxface-dataset", "version": 1},
        "torn": values | {"groups": {"wild": {"clips": 3}}},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(changed))
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "report.json").write_text(json.dumps(values))
    (tmp_path / "cut" / FILE).write_bytes((folder / FILE).read_bytes()[:500])
    write(make(0), tmp_path / "none.json")
    write(FaceClip(np.zeros((3, 1), np.float32), ("antenna",), 30.0), tmp_path / "odd.npz")
    write(make(60, start_s=0.0), tmp_path / "c.json")
    write(make(60, start_s=50.0), tmp_path / "later.json")
    page = tmp_path / "r.html"
    cases: list[tuple[str, str, list[str], dict[str, object]]] = [
        ("E-DATASET", "version 9; this voxface reads 1", ["newer"], {}),
        ("E-DATASET", "not the report of an evaluation", ["other"], {}),
        ("E-DATASET", "damaged", ["torn"], {}),
        ("E-DATASET", "damaged", ["cut"], {}),
        ("E-INPUT", "report.json", ["empty"], {}),
        ("E-CLIP", "0 frames", ["none.json"], {}),
        ("E-RIG-MISSING", "no channel that the head has", ["odd.npz"], {}),
        ("E-CLIP", "the first clip has no frame", ["c.json", "later.json"], {}),
        ("E-INPUT", "cannot read", ["gone.csv"], {}),
        ("E-USAGE", "have their own", ["newer"], {"audio": "x.wav"}),
        ("E-OUTPUT", "cannot write", ["c.json"], {"output": tmp_path / "c.json" / "r.html"}),
    ]
    for code, what, names, options in cases:
        with pytest.raises(SystemExit):
            report(
                [str(tmp_path / name) for name in names], **({"output": page, "faces": False, "quiet": True} | options)
            )
        said = capsys.readouterr().err.strip()
        assert re.fullmatch(rf"error\[{code}\]: .*{what}.*", said), said
    assert not page.exists()


def test_the_place_is_tried_before_anything_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes of drawing are not spent for a page that nobody can write."""
    monkeypatch.setattr("voxface.evaluation.page.card", lambda *one: pytest.fail("drawn"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_page(tmp_path / "file" / "r.html", [], [shown_clips(["c"], [make(3)], NO_SOUND)])


def test_clips_of_an_evaluation_of_another_kind_are_refused(tmp_path: Path) -> None:
    """A file whose arrays do not fit its header is damaged, not a wrong picture."""
    from voxface.tensors import save_tensors

    about = {"group": "g", "name": "n", "closed_s": [], "numbers": {}}
    header = {"format": kept_file.FORMAT, "version": 1, "rig": list(ARKIT), "clips": [about]}
    arrays = {"0.faces": np.zeros((2, 5, 52), np.uint8), "0.gaps": np.zeros((2, 4), np.float32)}
    for extra in ({}, {"0.valid": np.ones(5, np.uint8), "0.sound": np.zeros(40, np.uint8)}):
        save_tensors(tmp_path / "c", arrays | extra, header, "x", "y")
        with pytest.raises(VoxfaceError, match="damaged"):
            load_kept(tmp_path / "c")
    save_tensors(tmp_path / "c", arrays, header | {"version": 2}, "x", "y")
    with pytest.raises(VoxfaceError, match="version 2"):
        load_kept(tmp_path / "c")
