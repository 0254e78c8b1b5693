"""What `voxface capture` writes can be looked at as it is: plot, render, report and view take it with its sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.captured import make_capture, make_track, put
from voxface.audio.decode import read_audio
from voxface.capture.clip import capture_clip, is_capture
from voxface.cli.shown import face_of
from voxface.errors import ClipError
from voxface.viewer.loading import samples_of
from voxface.viewer.session import Session

NAME = "clip.capture.safetensors"


def test_a_capture_is_a_clip_and_a_sound(tmp_path: Path) -> None:
    """The face stands on the grid on which it was captured; the sound is the capture's to 16 bits, exact in time."""
    capture = make_capture(seconds=1.0)
    clip, sound = capture_clip(put(tmp_path, capture) / NAME)
    assert (clip.fps, len(clip), clip.start_s) == (25.0, 25, 0.0)
    np.testing.assert_allclose(clip.weights, capture.track.weights, atol=1e-6)
    samples, rate_hz = read_audio(sound)
    assert rate_hz == 16_000
    np.testing.assert_allclose(samples, capture.samples, atol=1e-4)


def test_verbs_that_show_take_captures(tmp_path: Path) -> None:
    """Told by name; its own sound is used unless another is given. A silent video has a face all the same."""
    path = str(put(tmp_path, make_capture(), make_capture("still", samples=np.zeros(0, np.float32))) / NAME)
    face = face_of(path)
    assert is_capture(path)
    assert face.name == NAME
    assert isinstance(face.sound, bytes)
    assert face_of(path, "other.wav").sound == "other.wav"
    assert face_of(str(tmp_path / "still.capture.safetensors")).sound is None


def test_the_viewer_shows_a_capture_with_its_sound(tmp_path: Path) -> None:
    """A face with the sound of its video; frames without a face are told."""
    times = np.arange(25) / 25
    put(tmp_path, make_capture(seconds=1.0), make_capture("dark", track=make_track(times, 0.2, times < 0.5)))
    with Session() as session:
        loaded = session.open(tmp_path / NAME)
        assert loaded.clip is not None
        assert loaded.sound is not None
        assert loaded.clip.info()["audio"] == loaded.sound.info()
        samples, rate_hz = samples_of(loaded.sound.path)
        np.testing.assert_allclose(samples / 32767, make_capture(seconds=1.0).samples, atol=2e-4)
        assert rate_hz == 16_000
        dark = session.open(tmp_path / "dark.capture.safetensors").clip
        assert dark is not None
        assert "no face was seen in 12 of 25 frames" in " ".join(dark.notes)


def test_a_damaged_capture_is_told(tmp_path: Path) -> None:
    """Bytes that are no capture: one sentence with the name of the file, in a verb and in the viewer."""
    path = tmp_path / NAME
    path.write_bytes(b"not a capture")
    with pytest.raises(ClipError, match=NAME):
        face_of(str(path))
    with Session() as session, pytest.raises(ClipError, match=NAME):
        session.open(path)
