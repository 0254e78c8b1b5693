"""`voxface plot`: lanes, phones, mel and wave on one clock, in files that a program can read back."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="drawing needs the extra `plot`")

from tests.clips import SESSION, make, track
from tests.conftest import SAMPLE
from voxface.audio.decode import read_audio
from voxface.audio.mel import LogMel
from voxface.cli.plot import plot
from voxface.cli.shown import face_of
from voxface.errors import ClipError, UsageError
from voxface.export.capture_json import write_capture_json
from voxface.export.formats import FORMATS, write
from voxface.face.clip import FaceClip
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT, EMOTIONS
from voxface.figure import FORMATS as PICTURES
from voxface.render.lanes import LIP_GAP, choose, curve, lanes, most_moving, thinned
from voxface.render.panels import mel_colours
from voxface.render.plot import Plot, draw_clip, draw_plot, span_of
from voxface.render.sound import MOST_COLUMNS, sound_picture
from voxface.render.strip import face_strip, moments
from voxface.stream import run_whole

SVG = "{http://www.w3.org/2000/svg}"


def talking(frames: int = 60, **changes: float) -> FaceClip:
    """A face of which only the named channels move, each by its number, at 60 fps."""
    weights = np.zeros((frames, 52), np.float32)
    swing = 0.5 - 0.5 * np.cos(np.arange(frames) / 5)
    for name, size in changes.items():
        weights[:, ARKIT.index(name)] = size * swing
    return FaceClip(weights, ARKIT, 60.0)


def words(path: Path) -> list[str]:
    """The texts of an SVG, in the order in which they are drawn."""
    return ["".join(text.itertext()) for text in ElementTree.parse(path).iter(f"{SVG}text")]


def test_a_plot_names_its_lanes_its_clips_and_its_phones(tmp_path: Path) -> None:
    """Lanes in groups from mouth to head, the two files by name, phones but no silences, the mark of closed lips."""
    write(make(60), tmp_path / "captured.csv")
    write(talking(jawOpen=0.5), tmp_path / "predicted.json")
    (tmp_path / "x.lab").write_text("0.0 0.3 pau\n0.3 0.6 m\n0.6 1.0 aa\n")
    out = tmp_path / "curves.svg"
    plot(
        str(tmp_path / "captured.csv"), str(out), str(SAMPLE), "head,eyeBlink*,jawOpen,lipGap",
        str(tmp_path / "predicted.json"), str(tmp_path / "x.lab"), quiet=True,
    )  # fmt: skip
    found = words(out)
    titles = ["lip gap", "jawOpen", "eyeBlink", "headYaw", "headPitch", "headRoll", "phones", "mel", "sound"]
    assert [text for text in found if text in titles] == titles
    assert [text for text in found if text in ("mouth", "jaw", "eyes", "head")] == ["mouth", "jaw", "eyes", "head"]
    assert {"captured.csv", "predicted.json", "m", "aa", "closed", "seconds"} <= set(found)
    assert not {"pau", "sil"} & set(found)
    before = out.read_bytes()
    draw = Plot((make(60),), ("a.csv",), ("jawOpen",), (0.0, 1.0))
    draw_plot(draw, out)
    first = out.read_bytes()
    draw_plot(draw, out)
    assert first == out.read_bytes() != before, "the same curves give the same bytes"


@pytest.mark.parametrize("kind", [*FORMATS, "capture"])
def test_every_kind_of_clip_file_is_taken(kind: str, tmp_path: Path) -> None:
    """A clip is read from each format, with the curve that was written."""
    path = tmp_path / f"clip{'.json' if kind == 'capture' else FORMATS[kind].suffixes[0]}"
    clip = track(60).to_clip(30.0) if kind == "capture" else make(60, fps=30.0)
    if kind == "capture":
        write_capture_json(path, track(60), SESSION, 30, 30, 1)
    else:
        write(clip, path, format=kind)
    face = face_of(str(path), fps=30.0 if kind == "csv" else None)
    found, expected = curve(face.clip, LIP_GAP), curve(clip, LIP_GAP)
    assert found is not None
    assert expected is not None
    assert face.name == path.name
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_allclose(expected[clip.seen], rig_gap(clip.weights, clip.channels)[clip.seen])


def test_speech_is_animated_and_drawn_with_its_sound_and_faces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sound file needs nothing else: a face from the shipped bundle, its mel, and as many faces as were asked for."""
    plot(str(SAMPLE), str(tmp_path / "p.svg"), channels="jawOpen", last=0.5, faces=3, width=500, json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["lanes"], said["seconds"]) == (["jawOpen"], 0.5)
    text = (tmp_path / "p.svg").read_text()
    assert text.count("<image") == 1 + 3
    assert {"hello.flac", "mel", "sound"} <= set(words(tmp_path / "p.svg"))


def test_png_svg_and_pdf_are_written_by_name(tmp_path: Path) -> None:
    """The suffix decides; a PNG is as wide as was asked for. The picture of the demo is the same drawing."""
    draw_clip(talking(jawOpen=0.4), np.zeros(16_000, np.float32), 16_000, tmp_path / "demo.png", "voxface")
    for suffix in PICTURES:
        plot_of = Plot((talking(jawOpen=0.4),), (), ("jawOpen",), (0.0, 1.0))
        draw_plot(plot_of, tmp_path / f"p{suffix}", 6.0)
    head = (tmp_path / "p.png").read_bytes()[:24]
    assert (head[:4], int.from_bytes(head[16:20])) == (b"\x89PNG", 660)
    assert (tmp_path / "demo.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "p.pdf").read_bytes()[:5] == b"%PDF-"
    assert b"CreationDate" not in (tmp_path / "p.pdf").read_bytes()


def test_channels_are_found_by_name_wildcard_and_group() -> None:
    """Any spelling of a name, wildcards, groups, all; what is asked for twice is drawn once."""
    clips = [make(5)]
    assert choose(["JawOpen", "mouth_pucker"], clips) == ("jawOpen", "mouthPucker")
    assert choose(["jaw", "jaw*"], clips) == ("jawForward", "jawLeft", "jawOpen", "jawRight")
    assert choose(["head"], clips) == ("headYaw", "headPitch", "headRoll")
    assert len(choose(["all"], clips)) == 52 + 1 + 3
    shown = lanes(choose(["eyeBlinkRight", "eyeBlinkLeft", "jawLeft", "jawRight", "browDownLeft"], clips))
    assert [(lane.title, len(lane.names)) for lane in shown] == [
        ("jawLeft", 1), ("jawRight", 1), ("eyeBlink", 2), ("browDownLeft", 1)
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"no channel is called 'jawOpne'. Near it: jawOpen"):
        choose(["jawOpne"], clips)


def test_what_moves_most_is_drawn_unasked() -> None:
    """The lip gap, then of each group what moves, both sides of a pair; what stands still stays away."""
    moving = talking(jawOpen=0.5, mouthSmileLeft=0.3, eyeBlinkRight=0.9, browDownLeft=0.001)
    assert most_moving([moving]) == (
        LIP_GAP, "mouthSmileLeft", "mouthSmileRight", "jawOpen", "eyeBlinkLeft", "eyeBlinkRight"
    )  # fmt: skip
    odd = FaceClip(np.linspace(0, 1, 30, dtype=np.float32)[:, None], ("wink",), 30.0)
    assert most_moving([odd]) == ("wink",), "channels that nobody knows are curves, too"


def test_emotions_are_drawn_as_far_as_they_are_felt(tmp_path: Path) -> None:
    """A clip with emotions has a lane for each that is felt at some time but for Neutral, from 0 to 1, even where it
    never changes; one without them has none."""
    track = np.zeros((60, 7), np.float32)
    track[:, EMOTIONS.index("Happy")], track[:, EMOTIONS.index("Neutral")] = 0.3, 0.69
    track[:, EMOTIONS.index("Sad")] = 0.01
    happy = replace(talking(jawOpen=0.5), emotion=track)
    drawn = most_moving([happy])
    assert [lane.title for lane in lanes(drawn) if lane.group == "emotion"] == ["Happy"]
    assert choose(["emotion"], [happy]) == EMOTIONS
    assert not set(EMOTIONS) & set(most_moving([talking(jawOpen=0.5)]))
    with pytest.raises(UsageError, match="no channel is called 'emotion'"):
        choose(["emotion"], [talking()])
    happy_curve = curve(happy, "Happy")
    assert happy_curve is not None
    np.testing.assert_allclose(happy_curve, 0.3)
    draw_plot(Plot((happy,), (), ("jawOpen", "Happy"), (0.0, 1.0)), tmp_path / "happy.svg")
    assert {"emotion", "Happy", "1"} <= set(words(tmp_path / "happy.svg"))


def test_a_million_frames_become_a_line_that_keeps_its_peaks() -> None:
    """Thinned to what a picture can show: no more points than that, in the order of time, with every peak and hole."""
    values = np.zeros(1_000_000, np.float32)
    values[123_456], values[700_000:710_000] = 1.0, np.nan
    times, thin = thinned(np.arange(1_000_000) / 60, values, 2400)
    assert len(thin) <= 2402
    assert (np.diff(times) >= 0).all()
    assert np.nanmax(thin) == 1.0
    hole = times[np.isnan(thin)]
    assert hole.min() == pytest.approx(700_000 / 60, abs=15)
    assert hole.max() == pytest.approx(710_000 / 60, abs=15)


def test_the_mel_and_wave_are_those_of_the_sound() -> None:
    """Rows are the product's own log-mels; a stretch of the wave spans its samples; a part is cut at its times."""
    samples, rate = read_audio(SAMPLE)
    whole = sound_picture([samples[:7000], samples[7000:]], rate, 0.0, 60.0)
    assert (rate, whole.mel_s, whole.heard_s) == (16_000, pytest.approx(0.03), len(samples) / rate)
    rows = run_whole(LogMel(), samples)
    np.testing.assert_allclose(whole.mel_db[10], rows[30:33].max(axis=0), atol=1e-3)
    size = round(whole.wave_s * rate)
    assert len(whole.wave) <= MOST_COLUMNS
    np.testing.assert_array_equal(whole.wave[100], [min(0, samples[100 * size : 101 * size].min()),
                                                    max(0, samples[100 * size : 101 * size].max())])  # fmt: skip
    part = sound_picture([samples], rate, 1.0, 2.0)
    assert (part.start_s, part.heard_s, part.mel_s, len(part.mel_db)) == (1.0, 1.0, 0.01, 101)
    np.testing.assert_allclose(part.mel_db[50], rows[150], atol=1e-3)
    early = sound_picture([samples], rate, -0.5, 0.5)
    assert (early.start_s, early.heard_s) == (0.0, 0.5)
    assert mel_colours(np.array([-80.0, 20.0])).tolist() == [[247, 248, 250], [21, 44, 74]]


def test_faces_stand_at_even_times_or_at_phones() -> None:
    """The middles of equal parts; with phones, the centres next to these, no phone twice, silences never."""
    assert moments(4, (1.0, 3.0)) == (1.25, 1.75, 2.25, 2.75)
    phones = [(0.0, 0.2, ""), (0.2, 0.4, "m"), (0.4, 0.5, "aa"), (0.5, 0.6, "b"), (0.6, 2.0, "")]
    assert moments(2, (0.0, 2.0), phones) == pytest.approx((0.45, 0.55))
    assert moments(9, (0.0, 2.0), phones) == pytest.approx((0.3, 0.45, 0.55))
    open_jaw = talking(30, jawOpen=1.0)
    strip = face_strip([open_jaw, talking(30)], (0.0, 0.26), (48, 64), phones)
    assert [picture.shape for picture in strip.pictures] == [(131, 48, 3)] * 2
    assert strip.labels == ("", "m")
    shut, opened = strip.pictures[0].astype(int), strip.pictures[1].astype(int)
    assert np.abs(opened - shut)[:64].max() > 20, "the jaw opens"
    assert np.abs(opened - shut)[67:].max() == 0, "the other face rests"
    assert face_strip([open_jaw], (0.1,), (48, 64), cameras=("front", "mouth")).pictures[0].shape == (131, 48, 3)


def test_channels_that_the_head_lacks_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Curves of any name are drawn; that they move no face is one warning."""
    write(FaceClip(np.eye(30, 2, dtype=np.float32), ("jawOpen", "wink"), 30.0), tmp_path / "c.npz")
    plot(str(tmp_path / "c.npz"), str(tmp_path / "c.svg"), channels="all", json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["lanes"] == ["jawOpen", "wink"]
    (told,) = said["warnings"]
    assert re.search(r"W-CHANNELS.*c\.npz has 1 channels that the head lacks, which do not move it: wink", told)


def test_what_cannot_be_drawn_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No frames, an empty span, a name nobody knows, NaN, no such place or kind of picture: one line, with its code."""
    write(make(60), tmp_path / "c.csv")
    write(make(0), tmp_path / "none.json")
    write(FaceClip(np.zeros((3, 1), np.float32), ("antenna",), 30.0), tmp_path / "odd.npz")
    (tmp_path / "nan.jsonl").write_text(
        '{"format": "voxface-frames", "version": 1, "fps": 30, "names": ["jawOpen"]}\n{"weights": [NaN]}\n'
    )
    (tmp_path / "file").touch()
    clip = str(tmp_path / "c.csv")
    cases = [
        ("E-CLIP", "0 frames", {"source": str(tmp_path / "none.json")}),
        ("E-CLIP", "NaN", {"source": str(tmp_path / "nan.jsonl")}),
        ("E-RIG-MISSING", "no channel that the head has", {"source": str(tmp_path / "odd.npz")}),
        ("E-USAGE", "nothing to draw there", {"source": clip, "first": 7.0}),
        ("E-USAGE", "no channel is called 'jawOpn'", {"source": clip, "channels": "jawOpn"}),
        ("E-USAGE", r"\.png, \.svg, \.pdf", {"source": clip, "output": "x.gif"}),
        ("E-OUTPUT", "cannot write", {"source": clip, "output": str(tmp_path / "file" / "x.svg"), "channels": "jaw"}),
        ("E-USAGE", "brings its own sound", {"source": str(SAMPLE), "audio": clip}),
        ("E-INPUT", "cannot", {"source": str(tmp_path / "gone.csv")}),
        ("E-USAGE", "can be read once", {"source": "-"}),
    ]
    for code, what, options in cases:
        with pytest.raises(SystemExit):
            plot(**{"output": str(tmp_path / "x.svg"), "fps": 60.0, **options})
        said = capsys.readouterr().err.strip()
        assert re.fullmatch(rf"error\[{code}\]: .*{what}.*", said), said
    assert not (tmp_path / "x.svg").exists()
    with pytest.raises(ClipError):
        span_of([])
