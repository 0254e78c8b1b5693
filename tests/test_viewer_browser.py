"""The viewer in a real browser: one walk through the page (web/tests/click-through.mjs), judged promise by promise."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser import WEB, chromium
from tests.conftest import SAMPLE
from tests.viewers import ended, viewing
from voxface.export.formats import write
from voxface.face.clip import FaceClip
from voxface.face.gap import rig_gap
from voxface.head.shipped import HEAD_FILE
from voxface.runtime.animate import animate
from voxface.runtime.polish import load_polish


class Found(dict[str, Any]):
    """What each step of the walk found; a step that did not come to its end fails who asks for it."""

    def __getitem__(self, name: str) -> Any:
        step = super().__getitem__(name)
        if isinstance(step, dict) and "failed" in step:
            pytest.fail(f"{name}: {step['failed']}")
        return step


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def found(folder: Path) -> Found:
    """What the walk found: `voxface view` on speech and a clip of half its strength, in headless Chromium."""
    browser = chromium("the viewer is not tried in a browser")
    clip = animate(SAMPLE)
    drops = _files(clip, folder)
    gap = rig_gap(clip.weights, clip.channels)
    mouth = {"open": int(gap.argmax()) / clip.fps, "shut": int(gap.argmin()) / clip.fps}
    with viewing(SAMPLE, "half.csv", "--no-browser", "--port", "0", cwd=folder) as (process, port):
        plan = {"url": f"http://127.0.0.1:{port}/", "chromium": browser, "mouth": mouth, "drops": drops}
        plan["video"] = str(folder / "recorded.webm")
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        done = subprocess.run(
            ["node", WEB / "tests" / "click-through.mjs", folder / "plan.json"], capture_output=True, timeout=300
        )
        assert done.returncode == 0, done.stderr.decode()
        assert ended(process, signal.SIGINT)[0] == 0
    return Found(json.loads(done.stdout))


def _files(clip: FaceClip, folder: Path) -> list[str]:
    """Files to compare with and to drop, good ones first; gives the names of those to drop."""
    half = clip.resample(30)
    write(replace(half, weights=half.weights / 2), folder / "half.csv")
    write(FaceClip(np.ones((4, 2), np.float32), ("jawOpen", "wings"), 30.0), folder / "odd.json")
    write(replace(clip, weights=clip.weights[:0], head=None, seen=clip.seen[:0], emotion=None), folder / "none.json")
    shutil.copy(SAMPLE, folder / "again.flac")
    (folder / "other.glb").write_bytes(HEAD_FILE.read_bytes().replace(b'"tongueOut"', b'"tongueFar"'))
    nan = (folder / "odd.json").read_bytes().replace(b'"frames": [\n[', b'"frames": [\n[NaN,', 1)
    texts = {
        "gains.toml": b"[gain]\njawOpen = 1.5\n", "noise.wav": b"hello there", "nan.json": nan,
        "broken.glb": b"glTF" + bytes(40), "bad.toml": b"[gain]\nwings = 1.5\n",
    }  # fmt: skip
    for name, data in texts.items():
        (folder / name).write_bytes(data)
    return [str(folder / name) for name in ("odd.json", "none.json", "half.csv", "again.flac", "other.glb", *texts)]


def apart(one: list[float], other: list[float]) -> float:
    """How far two mean colours are apart, of 255."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def test_nothing_is_asked_of_others_and_nobody_complains(found: Found) -> None:
    """The whole walk asks only our own server, and the console stays empty of errors."""
    assert found["requestsElsewhere"] == []
    assert found["consoleErrors"] == []
    assert found["firstPictureMs"] > 0


def test_play_moves_face_and_clock_with_the_sound(found: Found) -> None:
    """Play and the space bar: time follows the sound within 0.1 s, the face changes, a pause stands still."""
    play = found["play"]
    assert play["apart"] < 0.1
    assert play["stopped"] > 0.5
    assert play["still"]
    assert play["shown"].startswith("0:0")
    assert play["before"] != play["after"]


def test_frames_that_do_not_come_cost_no_time(found: Found) -> None:
    """O10: while no frame is drawn, as in a hidden tab, the sound goes on; the next frame is where the sound is."""
    hidden = found["hidden"]
    assert hidden["unseen"] < 0.15
    assert hidden["heard"] > 0.2
    assert abs(hidden["shown"] - hidden["heard"]) < 0.15


def test_nothing_runs_while_nothing_moves(found: Found) -> None:
    """A page that stands still asks for no frame: a laptop stays cool."""
    assert found["idle"] == {"frames": 0}


def test_the_mouth_is_open_and_shut_in_pixels(found: Found) -> None:
    """At the frame of the widest lip gap teeth and the dark behind them are seen; at that of the least they are not."""
    wide, shut = found["mouth"]["open"], found["mouth"]["shut"]
    assert wide["grey"] > 0.015 * wide["pixels"]
    assert wide["grey"] > 4 * shut["grey"]


def test_scrub_zoom_step_and_loop(found: Found) -> None:
    """A click in the middle of the wave goes there; arrows step by a frame; + zooms; a loop turns around at its end."""
    scrub, loop = found["scrub"], found["loop"]
    length = scrub["whole"]["toS"]
    assert scrub["middle"] == pytest.approx(length / 2, abs=0.02)
    assert scrub["next"] - scrub["middle"] == pytest.approx(1 / 60, abs=1e-4)
    assert scrub["back"] == pytest.approx(scrub["middle"], abs=1e-4)
    assert scrub["zoomed"]["toS"] - scrub["zoomed"]["fromS"] == pytest.approx(length / 2, rel=0.01)
    assert loop["range"] == pytest.approx([1.0, 1.3])
    assert loop["turned"]
    assert loop["latest"] <= 1.3
    assert loop["off"] is None


def test_lanes_are_searched(found: Found) -> None:
    """Typing "smile" leaves its two lanes of all; Escape brings them back."""
    assert found["search"]["count"].startswith("2 of ")
    assert found["search"]["all"] == found["search"]["count"].removeprefix("2 of ")


def test_two_clips_are_compared(found: Found) -> None:
    """Two files begin side by side under their names; Compare turns it off and keeps B at hand."""
    compare = found["compare"]
    assert compare["both"] == ["hello.flac", "half.csv"]
    assert (compare["one"], compare["pressed"]) == ([], "false")
    assert compare["b"]


def test_sliders_move_the_face_and_give_the_toml(found: Found, folder: Path) -> None:
    """A slider changes the picture, Reset takes it back, and the file is one that `voxface animate --gains` reads."""
    gains = found["gains"]
    assert apart(gains["before"], gains["after"]) > 0.3
    assert apart(gains["before"], gains["reset"]) < 0.05
    (folder / "tuned.toml").write_text(gains["toml"], encoding="utf-8")
    polish = load_polish(folder / "tuned.toml")
    assert (polish.gain, polish.offset) == ({"jawOpen": 3.0}, {})


def test_cameras_and_themes(found: Found) -> None:
    """Each camera shows another picture, a turn by hand leaves them all; page and backdrop are dark or light."""
    means = [found["cameras"][name]["mean"] for name in ("front", "three-quarter", "profile")]
    assert [found["cameras"][name]["view"] for name in ("front", "profile")] == ["front", "profile"]
    assert min(apart(means[0], means[1]), apart(means[1], means[2])) > 0.2
    assert found["orbit"] == "front"
    dark, light = found["theme"]["dark"], found["theme"]["light"]
    assert max(dark["corner"]) < 80
    assert min(light["corner"]) > 180
    assert dark["page"] != light["page"]


def test_the_keyboard_is_listed(found: Found) -> None:
    """? shows every key, Escape closes the list."""
    assert {"Space", "←", "→", "[", "]", "L", "1", "4", "C", "D", "R", "?"} <= set(found["help"]["keys"])
    assert found["help"]["closed"]


def test_a_recording_is_a_film_with_sound(found: Found, folder: Path) -> None:
    """R records and R again gives a WebM, named as the clip: pictures of the canvas and the sound, decoded here."""
    assert found["record"]["name"] == "hello.webm"
    av = pytest.importorskip("av", reason="PyAV is not installed: recordings are not decoded")
    with av.open(str(folder / "recorded.webm")) as film:
        kinds = {stream.type: stream.codec_context.name for stream in film.streams}
        assert kinds == {"video": "vp9", "audio": "opus"}
        picture = next(film.decode(video=0)).to_ndarray(format="gray")
    assert picture.std() > 10


def test_files_that_are_dropped(found: Found) -> None:
    """A clip becomes B and A stays; a sound is animated and becomes A and B stays; a head is shown; gains move the
    sliders."""
    after = found["drops"]["after"]
    assert found["drops"]["overlay"]
    assert (after["odd.json"]["a"], after["odd.json"]["b"]) == ("hello.flac", "odd.json")
    assert "not ARKit's and move nothing: wings." in after["odd.json"]["rows"][0]
    assert after["none.json"]["rows"] == ["none.json has 0 frames: there is nothing to play."]
    assert (after["half.csv"]["b"], after["half.csv"]["comparing"]) == ("half.csv (2)", True)
    assert (after["again.flac"]["a"], after["again.flac"]["b"]) == ("again.flac", "half.csv (2)")
    assert after["other.glb"]["rows"] == [
        "other.glb is shown; V brings back voxface's own head. "
        "It lacks 1 of the 52 channels, which stay still: tongueOut."
    ]
    assert found["drops"]["gains"]["gain"] == {"jawOpen": 1.5}


def test_bad_files_give_a_banner_and_change_nothing(found: Found) -> None:
    """Text as sound, NaN, a broken head, gains of unknown channels: one sentence each, what was shown stays."""
    after = found["drops"]["after"]
    for name, says in {
        "noise.wav": "noise.wav is no sound file", "nan.json": "nan.json: not valid JSON", "broken.glb": "broken.glb: ",
        "bad.toml": "bad.toml: Line 2: wings is no ARKit channel",
    }.items():  # fmt: skip
        (row,) = after[name]["rows"]
        assert says in row
        assert after[name]["a"] == "again.flac"
    assert found["serverGone"] == [
        "The voxface server does not answer; it may have been stopped. Start `voxface view` again."
    ]


def test_a_phone_has_all_of_it(found: Found) -> None:
    """At 390 pixels nothing scrolls sideways, the face is as wide as the page, and Play is in sight."""
    assert found["phone"]["page"] <= 390
    assert found["phone"]["stage"] >= 380
    assert found["phone"]["play"] <= 844


def test_a_lost_context_comes_back(found: Found) -> None:
    """O10: the graphics card takes the picture away: a banner; it gives it back: the banner goes, the same picture."""
    assert [row for row in found["lost"]["said"] if "graphics card" in row]
    assert not [row for row in found["lost"]["left"] if "graphics card" in row]
    assert apart(found["lost"]["before"], found["lost"]["after"]) < 0.5


def test_no_webgl_and_no_sound_before_a_touch_are_said(found: Found) -> None:
    """O10: without WebGL 2 and with sound blocked the page says both and goes on; Play takes the second away."""
    assert [row.split(":")[0] for row in found["blocked"]["said"]] == [
        "This browser shows no 3-D picture", "The browser plays no sound before you have touched the page",
    ]  # fmt: skip
    assert len(found["blocked"]["after"]) == 1


def test_a_reload_goes_on_where_it_was(found: Found) -> None:
    """The address keeps time and clips."""
    assert found["place"] == {"seconds": pytest.approx(1.25, abs=1e-3), "a": "again.flac"}
