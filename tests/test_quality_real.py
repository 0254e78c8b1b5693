"""Quality of real captures: the report finds what is known to be wrong with real videos (faults.md V6, V7, V8)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")
pytest.importorskip("safetensors", reason="safetensors is not installed: pip install 'voxface[capture]'")

from tests.videos import make_video
from voxface.audio.decode import read_audio
from voxface.audio.resample import to_16k
from voxface.capture import face_model
from voxface.capture.capture import capture_video
from voxface.capture.face_model import FaceModel, find_face_model
from voxface.capture.store import Capture, save_capture
from voxface.dataset.build import BuildOptions, build_dataset
from voxface.dataset.quality_numbers import FACE_AT_1_M, measure
from voxface.dataset.quality_verdict import GOOD, LEAVE_OUT, LOOK, judge
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.split import parse_rule
from voxface.errors import InputWarning, MissingDependencyError


@pytest.fixture(scope="module")
def captures(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Capture]:
    """Two addresses whose mouths are ahead of the sound, a plain clip, and a still picture with speech."""
    model = find_face_model(shared / face_model.FILE_NAME)
    found = {name: capture(shared / place / f"{name}.mp4", model)
             for place, name in (("wild_dev", "tv_a"), ("wild_dev", "tv_b"), ("grid_dev", "pwij3p"))}  # fmt: skip
    sound = to_16k(*read_audio(shared / "speech" / "jfk.flac"))[: 2 * 16_000]
    path = tmp_path_factory.mktemp("still") / "still.mp4"
    face = picture(shared / "grid_dev" / "pwij3p.mp4")
    make_video(path, np.arange(50) / 25, pictures=[face] * 50, sound=sound[None], sound_codec="aac")
    return found | {"still": capture(path, model)}


def capture(path: Path, model: FaceModel) -> Capture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        try:
            return capture_video(path, face_model=model)
        except MissingDependencyError as error:
            pytest.skip(str(error))


def picture(path: Path) -> np.ndarray:
    from voxface.audio.container import Tally
    from voxface.audio.video import probe_video, video_frames

    return next(iter(video_frames(path, probe_video(path), 30, Tally()))).rgb


@pytest.mark.parametrize("name", ["tv_a", "tv_b"])
def test_a_mouth_ahead_of_the_sound_is_found(captures: dict[str, Capture], name: str) -> None:
    """Eight seconds of an address whose mouth is 40 to 160 ms ahead: to be looked at, and said to be a guess."""
    numbers = measure(captures[name])
    assert numbers.hint_ms is not None
    assert -160 <= numbers.hint_ms <= -40
    found = judge(numbers)
    assert found.verdict == LOOK
    assert "ahead of the sound" in found.reasons[0]
    assert "too short to be sure" in found.reasons[0]


def test_a_plain_clip_is_good(captures: dict[str, Capture]) -> None:
    """A clip of the corpus: nothing to complain of, a face of the size that the picture shows."""
    numbers = measure(captures["pwij3p"])
    assert judge(numbers).verdict == GOOD
    assert numbers.face_pixels == pytest.approx(127, abs=10)
    assert numbers.face_height == pytest.approx(FACE_AT_1_M / -np.median(captures["pwij3p"].track.head[:, 2]), abs=1e-3)


def test_a_still_picture_with_speech_is_left_out(captures: dict[str, Capture]) -> None:
    """V7: the radio with a portrait is a face in every frame, and no recording of a mouth."""
    numbers = measure(captures["still"])
    assert numbers.face_share == 1
    found = judge(numbers)
    assert found.verdict == LEAVE_OUT
    assert "a still picture?" in found.reasons[0]


def test_captures_carry_pictures_of_the_face(captures: dict[str, Capture]) -> None:
    """Up to six JPEG files of at most 6 kB over the length of the video, which the tracker's box is cut from."""
    from voxface.capture.pictures import HEIGHT, MOST_BYTES

    for found in captures.values():
        times = [time_s for time_s, _ in found.pictures]
        assert 4 <= len(times) <= 6
        assert times == sorted(times)
        assert times[-1] - times[0] > 0.6 * found.track.times_s[-1]
        for _, body in found.pictures:
            assert len(body) <= MOST_BYTES
            assert picture_height(body) == HEIGHT


def picture_height(jpeg: bytes) -> int:
    """The number of lines that the start-of-frame marker states."""
    at = jpeg.index(b"\xff\xc0")
    return int.from_bytes(jpeg[at + 5 : at + 7], "big")


def test_the_report_of_real_captures(captures: dict[str, Capture], tmp_path: Path) -> None:
    """Built with its page: the still one is left out and named, the addresses are kept and marked."""
    for name, found in captures.items():
        save_capture(tmp_path / "c" / f"{name}.capture.safetensors", found)
    options = BuildOptions(SpeakerRule("stem"), parse_rule("all:test"))
    built = build_dataset([tmp_path / "c"], tmp_path / "set", options, report=tmp_path / "r.html")
    assert sorted(entry.name for entry in built.dataset.manifest.entries) == ["pwij3p", "tv_a", "tv_b"]
    (reason,) = built.dataset.manifest.left_out.values()
    assert "still" in reason
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count("<img ") == sum(len(found.pictures) for found in captures.values())
    assert text.count('class="lags"') >= 2
