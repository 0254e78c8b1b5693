"""The audio JSON of SPEC C2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from voxface.audio.audio_json import write_audio_json
from voxface.audio.features import audio_rows

KEYS = (
    "sample_rate", "mel_frame_rate", "n_frames", "timestamps", "mel_features", "voice_activity", "zero_crossing_rate",
    "rms_energy",
)  # fmt: skip


def test_the_fields_of_the_spec(tmp_path: Path, speech: np.ndarray) -> None:
    """One entry per row, row i at i * 0.01 s, 80 mel values in dB, the others in [0, 1]; sample_rate comes first."""
    write_audio_json(tmp_path / "a.json", speech[:48_000])
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert tuple(found) == KEYS
    assert (found["sample_rate"], found["mel_frame_rate"], found["n_frames"]) == (16_000, 100, 301)
    np.testing.assert_allclose(found["timestamps"], np.arange(301) * 0.01, atol=1e-12)
    rows = audio_rows(speech[:48_000])
    for key, values in (("mel_features", rows.mel_db), ("voice_activity", rows.vad), ("rms_energy", rows.rms),
                        ("zero_crossing_rate", rows.zcr)):  # fmt: skip
        np.testing.assert_allclose(found[key], values, atol=1e-6)
    for key in KEYS[5:]:
        assert 0 <= min(found[key]) <= max(found[key]) <= 1


def test_silence_and_nothing(tmp_path: Path) -> None:
    """Digital silence and no samples at all give finite numbers: the floor of -80 dB; the same bytes each time."""
    for samples in (np.zeros(1600, np.float32), np.zeros(0, np.float32)):
        write_audio_json(tmp_path / "a.json", samples)
        write_audio_json(tmp_path / "b.json", samples)
        found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
        assert found["n_frames"] == len(found["mel_features"]) == 1 + len(samples) // 160
        assert np.array(found["mel_features"]).max() == -80
        assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
