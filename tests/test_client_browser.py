"""The module for browsers in headless Chromium, against `voxface serve` in its own process, driven by real speech."""

from __future__ import annotations

import gzip
import json
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import voxface
from tests.browser import WEB, chromium
from tests.conftest import SAMPLE
from tests.served import served, serving
from tests.viewers import ask
from voxface.audio.decode import read_audio
from voxface.face.clip import FaceClip
from voxface.server.pages import FOLDER

JAW = voxface.ARKIT.index("jawOpen")
DELAY_S = 0.6  # more than a busy machine needs: what is shown then depends on the clock alone
WATCHED_S = 2.2  # of the recording


@pytest.fixture(scope="module")
def clip() -> FaceClip:
    return voxface.animate(SAMPLE, bundle="live")


@pytest.fixture(scope="module")
def found(clip: FaceClip, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page showed: a recording, an interrupt, a microphone, and a server that dies."""
    browser = chromium("the module for browsers is not tried")
    folder = tmp_path_factory.mktemp("client")
    loudest_s = float(clip.weights[: int(WATCHED_S * clip.fps), JAW].argmax() / clip.fps)
    with served() as (process, port):
        plan = {
            "url": f"http://127.0.0.1:{port}/", "chromium": browser, "sound": str(SAMPLE), "stop": process.pid,
            "microphone": str(_wav(folder / "speech.wav")), "seconds": WATCHED_S, "picture_s": loudest_s,
            "delay_s": DELAY_S, "picture": str(folder / "page.png"),
        }  # fmt: skip
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        done = subprocess.run(
            ["node", WEB / "tests" / "client.mjs", folder / "plan.json"], capture_output=True, timeout=120
        )
    assert done.returncode == 0, done.stderr.decode()
    result: dict[str, Any] = json.loads(done.stdout)
    assert "failed" not in result, f"{result['failed']}\n{result['page']}"
    return result


def _wav(path: Path) -> Path:
    """The sample as Chromium's make-believe microphone wants it."""
    samples, rate_hz = read_audio(SAMPLE)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def test_the_mouth_moves_with_the_sound(found: dict[str, Any], clip: FaceClip) -> None:
    """By the audio clock the jaw follows what `voxface animate` gives for the recording; a shift of 60 ms fits less."""
    speech = found["speech"]
    now, jaw = np.array(speech["seen"]).T
    heard_s = now - DELAY_S - speech["begun"]
    here = (heard_s > 0) & (heard_s < WATCHED_S)
    assert here.sum() > 15

    def alike(shift_s: float) -> float:
        expected = np.interp(heard_s[here] + shift_s, np.arange(len(clip)) / clip.fps, clip.weights[:, JAW])
        return float(np.corrcoef(jaw[here], expected)[0, 1])

    assert alike(0) > 0.98
    assert alike(0) > max(alike(-0.06), alike(0.06)) + 0.02


def test_all_channels_have_names_and_the_latency_is_told(found: dict[str, Any]) -> None:
    """The 52 in their order; from sound to face takes some time, and the page says what was declared."""
    assert tuple(found["names"]) == voxface.ARKIT
    latency = found["speech"]["latency"]
    assert 0 < latency["measured"] < 2
    assert latency["delay"] == DELAY_S
    assert "declared" in found["said"]


def test_an_interrupt_brings_the_mouth_to_rest(found: dict[str, Any]) -> None:
    """The mouth was open; 150 ms of the audio clock behind the server's answer it is shut, and
    it stays so, also when sound that was on its way at the interrupt would be due."""
    stop = found["interrupt"]
    now, jaw = np.array(stop["seen"]).T
    assert jaw[0] > 0.03
    after = jaw[now > stop["answered"] + 0.15]
    assert len(after) > 2
    assert after.max() < 0.03


def test_a_microphone_moves_it_too_and_a_dead_server_leaves_it_at_rest(found: dict[str, Any]) -> None:
    """getUserMedia's stream opens the mouth, also after a broken connection; when the server is killed the face goes to
    rest and the page is told."""
    assert found["microphone"]
    assert found["again"]
    assert found["gone"] >= 0.5  # seconds until it tries again


def test_the_page_asks_nobody_else_and_complains_only_of_the_dead_server(found: dict[str, Any]) -> None:
    """Its policy allows its own files and server; nothing on the console but connections that the kill refused."""
    assert found["elsewhere"] == []
    assert [text for text in found["complaints"] if "WebSocket connection" not in text] == []


def test_the_module_is_small_and_served_as_it_ships() -> None:
    """Without a token, by exact name, with the type that browsers demand; below 5 kB packed as the web packs it."""
    with serving(token="secret") as port:
        script = ask(port, "/client/voxface.js")
        assert (script.status, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert script.body == (FOLDER / "voxface.js").read_bytes()
        assert len(gzip.compress(script.body)) < 5_000
        assert ask(port, "/client/").status == 200
        for wrong in ("/client/../app.py", "/client/%2e%2e/app.py", "/client/voxface", "/client/voxface.js/"):
            assert ask(port, wrong).status in (401, 404)
