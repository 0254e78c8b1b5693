"""Faces and sounds from elsewhere: clips with a sound or video beside them, and take folders of the iPhone app."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[av]'")

from tests.sounds import encode, speech_and_noise
from tests.videos import grey, make_video
from voxface.capture.store import Capture
from voxface.dataset.sources import find_sources, load_source, source_digest
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.takes import said_rate
from voxface.errors import DatasetError, InputWarning, MissingDependencyError
from voxface.export.formats import write
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT

JAW = ARKIT.index("jawOpen")
RATE = 48_000


def clip_of(frames: int = 60, fps: float = 30.0, jaw: float = 1.0) -> FaceClip:
    """A jaw that opens and closes, up to `jaw`."""
    weights = np.zeros((frames, len(ARKIT)), np.float32)
    weights[:, JAW] = jaw * np.abs(np.sin(np.arange(frames) / 9))
    return FaceClip(weights, ARKIT, fps)


def film(path: Path, **sound: Any) -> None:
    """2 s of grey pictures at 30 a second, and the sound."""
    make_video(path, np.arange(60) / 30, pictures=[grey(0)] * 60, rate_hz=RATE, **sound)


def take(
    folder: Path, name: str = "Slate_3_iPhone", *, calibrated: bool = True, fps: float = 30.0, jaw: float = 0.9
) -> Path:
    """A take folder as the app writes it: 2 s of face, and a MOV with pictures and sound."""
    folder.mkdir(parents=True)
    for kind, most in (("_cal", jaw), ("_raw", 0.5), ("_neutral", 0.1)) if calibrated else (("", 0.7),):
        write(clip_of(60, 30.0, most), folder / f"{name}{kind}.csv")
    sound = speech_and_noise(2.0, RATE)[None]
    film(folder / f"{name}.mov", sound=sound, sound_codec="aac")
    about = {"slate": "Slate", "take": 3, "subject": "iPhone", "frames": 60, "version": 1, "calibrated": calibrated}
    (folder / "take.json").write_text(json.dumps(about))
    (folder / "video_metadata.json").write_text(json.dumps({"FrameRate": fps, "Quality": "high"}))
    (folder / "frame_log.csv").write_text("V,0,1,60,10:00:00:00.000\n")
    (folder / "thumbnail.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.mark.parametrize(
    ("calibrated", "jaw", "clip"), [(True, 0.9, "Slate_3_iPhone_cal"), (False, 0.7, "Slate_3_iPhone")]
)
def test_a_take_folder_is_one_recording(calibrated: bool, jaw: float, clip: str, tmp_path: Path) -> None:
    """CSV and MOV of a take are one source, the calibrated face where there is one; JSON and logs are none."""
    (source,) = find_sources([take(tmp_path / "take", calibrated=calibrated)])
    assert source.name == f"{clip}.csv"
    capture = load_source(source)
    assert (capture.name, len(capture.track), capture.original_fps) == ("Slate_3_iPhone", 60, 30)
    assert capture.track.weights[:, JAW].max() == pytest.approx(jaw, abs=0.01)
    assert len(capture.samples) == pytest.approx(32_000, abs=1000)
    assert capture.track.observed.all()


def test_a_folder_of_takes_is_all_of_them_and_one_speaker(tmp_path: Path) -> None:
    """`voxface dataset PERSON/` with take folders in it: every take, and the person's folder tells who speaks."""
    for number in (1, 2):
        take(tmp_path / "anna" / f"take{number}", f"Slate_{number}_iPhone", jaw=0.5 + 0.1 * number)
    sources = find_sources([tmp_path / "anna"])
    assert [source.parent.name for source in sources] == ["take1", "take2"]
    assert {SpeakerRule().of(source, source.stem) for source in sources} == {"anna"}
    command = [sys.executable, "-m", "voxface.cli.main", "dataset", "anna", "-o", "set", "--all", "test", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["splits"]["test"]["recordings"] == 2
    assert list(said["speakers"]) == ["anna"]


def test_the_rate_of_a_take_is_its_timecodes_refined_by_its_json(tmp_path: Path) -> None:
    """Timecodes at 30 and a JSON of 29.97 are 29.97; a JSON of 60 for the video does not change them."""
    (near,) = find_sources([take(tmp_path / "near", fps=29.97)])
    (far,) = find_sources([take(tmp_path / "far", fps=60)])
    assert load_source(near).original_fps == 29.97
    assert load_source(far).original_fps == 30


def test_a_short_take_has_the_rate_of_its_json(tmp_path: Path) -> None:
    """Ten rows cannot tell their rate: the JSON's counts, without the warning that a guess gives."""
    folder = take(tmp_path / "short")
    path = folder / "Slate_3_iPhone_cal.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:11]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_source(path).original_fps == 30
    (folder / "video_metadata.json").unlink()
    with pytest.warns(InputWarning, match="W-FPS"):
        assert load_source(path).original_fps == 24


@pytest.mark.parametrize("text", ["", "{", "[]", '{"FrameRate": "60"}', '{"FrameRate": 1e9}', '{"FrameRate": true}',
                                  '{"FrameRate": NaN}', "[" * 100_000, "\0\xff"])  # fmt: skip
def test_a_broken_json_of_a_take_says_nothing(text: str, tmp_path: Path) -> None:
    """What is only a hint never stops a take: a damaged JSON is as good as none."""
    (tmp_path / "video_metadata.json").write_text(text, encoding="latin-1")
    assert said_rate(tmp_path) is None
    (tmp_path / "take.json").write_text('{"frame_rate": 59.94}')
    assert said_rate(tmp_path) == 59.94


def test_a_csv_begins_with_the_first_picture_of_its_video(tmp_path: Path) -> None:
    """Sound that starts 0.4 s after the pictures: the CSV's face is that much earlier on the clock of the samples; JSON
    clips are on that clock already."""
    film(tmp_path / "x.mkv", sound=speech_and_noise(2.0, RATE)[None], sound_start_s=0.4)
    write(clip_of(), tmp_path / "x.csv")
    write(clip_of(), tmp_path / "x.json")
    (tmp_path / "x.capture.json").write_text(json.dumps(foreign_capture(clip_of())))
    for name, late_s in (("x.csv", 0.4), ("x.json", 0.0), ("x.capture.json", 0.0)):
        times = load_source(tmp_path / name).track.times_s
        np.testing.assert_allclose(times, np.arange(60) / 30 - late_s, atol=0.002, err_msg=name)


SOUNDS = {
    "wav": ("wav", "pcm_s16le"), "flac": ("flac", "flac"), "mp3": ("mp3", "libmp3lame"), "ogg": ("ogg", "libopus"),
    "opus": ("ogg", "libopus"), "m4a": ("ipod", "aac"), "aac": ("adts", "aac"), "mka": ("matroska", "aac"),
    "webm": ("webm", "libopus"), "mp4": ("mp4", "aac"), "mov": ("mov", "alac"), "MOV": ("mov", "aac"),
    "WAV": ("wav", "pcm_s16le"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", SOUNDS)
def test_the_sound_beside_a_clip_may_have_any_format(suffix: str, tmp_path: Path) -> None:
    """A clip finds its sound under every suffix that is read, in either case, and hears the same."""
    sound = speech_and_noise(2.0, RATE)
    (tmp_path / f"x.{suffix}").write_bytes(encode(*SOUNDS[suffix], sound))
    write(clip_of(), tmp_path / "x.json")
    (source,) = find_sources([tmp_path])
    heard = load_source(source).samples
    assert len(heard) == pytest.approx(32_000, abs=1000)
    truth = sound[::3]
    assert np.corrcoef(heard[:31_000], truth[:31_000])[0, 1] > 0.8  # truth is not band-limited
    before = source_digest(source)
    (tmp_path / f"x.{suffix}").write_bytes(encode(*SOUNDS[suffix], sound * np.float32(0.5)))
    assert source_digest(source) != before


def test_clips_from_elsewhere_are_captures(tmp_path: Path) -> None:
    """SPEC C2: animation JSON, capture JSON of another program and CSV of one face are the same track."""
    clip = clip_of()
    write(clip, tmp_path / "animation.json")
    write(clip, tmp_path / "table.csv")
    (tmp_path / "foreign.capture.json").write_text(json.dumps(foreign_capture(clip)))
    for stem in ("animation", "table", "foreign"):
        soundfile.write(tmp_path / f"{stem}.flac", speech_and_noise(2.0, 16_000), 16_000)
    found: dict[str, Capture] = {path.name: load_source(path) for path in find_sources([tmp_path])}
    assert sorted(found) == ["animation.json", "foreign.capture.json", "table.csv"]
    for name, capture in found.items():
        np.testing.assert_allclose(capture.track.weights[:, JAW], clip.weights[:, JAW], atol=1e-5, err_msg=name)
        np.testing.assert_allclose(capture.track.times_s, np.arange(60) / 30, atol=1e-5, err_msg=name)
        assert capture.original_fps == 30
        assert capture.session_id == f"session_{capture.sha256[:10]}_extract"
    assert not found["foreign.capture.json"].track.observed[ARKIT.index("tongueOut")]


def foreign_capture(clip: FaceClip) -> dict[str, object]:
    """A capture JSON as another program would write it: MediaPipe's 52 names in its order, a session of its own."""
    names = ["_neutral", *reversed([name for name in ARKIT if name != "tongueOut"])]
    frames = []
    for k, row in enumerate(clip.weights):
        weights = dict(zip(ARKIT, row.tolist(), strict=True)) | {"_neutral": 0.3}
        frames.append({
            "frame_index": k, "timestamp": round(k / 30, 6), "sessionId": "my session",
            "blendshapes": {name: weights[name] for name in names}, "has_face": True,
            "headPosition": {"x": 0, "y": 0, "z": -0.5}, "headRotation": {"w": 1, "x": 0, "y": 0, "z": 0},
        })  # fmt: skip
    about = {"sessionId": "my session", "targetFPS": 30, "originalFPS": 30, "frameInterval": 1, "camera": "mine"}
    return {"sessionInfo": about, "frameCount": len(frames), "frames": frames}


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("key", ["frameInterval", "originalFPS", "targetFPS"])
def test_a_capture_json_with_impossible_rates_is_refused(key: str, value: int, tmp_path: Path) -> None:
    """Rates and intervals of zero or less are a clear error, not a division by zero."""
    content = foreign_capture(clip_of(3))
    content["sessionInfo"] |= {key: value}  # type: ignore[operator]
    (tmp_path / "x.json").write_text(json.dumps(content))
    soundfile.write(tmp_path / "x.wav", speech_and_noise(0.2, 16_000), 16_000)
    with pytest.raises(DatasetError, match=key):
        load_source(tmp_path / "x.json")


def test_what_is_wrong_with_a_pair_is_an_error_of_that_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken or mute sound is the pair's own error; a missing library is everybody's."""
    write(clip_of(), tmp_path / "x.csv")
    sound = tmp_path / "x.mov"
    sound.write_bytes(b"\0\0\0\x14ftypqt  " + bytes(99))
    with pytest.raises(DatasetError, match=r"x\.mov"):
        load_source(tmp_path / "x.csv")
    make_video(sound, np.arange(9) / 30)
    with pytest.raises(DatasetError, match="no sound"):
        load_source(tmp_path / "x.csv")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match="PyAV"):
        load_source(tmp_path / "x.csv")
