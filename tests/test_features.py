"""Features: they agree with the reference, and a stream gives what the file gives."""

from __future__ import annotations

import numpy as np
import pytest

from voxface.audio.features import FeatureSpec, audio_rows
from voxface.audio.level import LevelSpec
from voxface.audio.mel import LogMel, mel_weights
from voxface.audio.voice import VoiceActivity, window_crossings, window_level_db
from voxface.errors import BundleSchemaError
from voxface.stream import run_whole

SPECS = [FeatureSpec(), FeatureSpec(rows=83), FeatureSpec(rows=83, level=LevelSpec())]


def test_mel_agrees_with_librosa(speech: np.ndarray) -> None:
    """The rows are those of the librosa call in SPEC A2, to 0.01 dB, for any length."""
    librosa = pytest.importorskip("librosa", reason="librosa (the reference for mel) is not installed")
    for n in (16_000, 16_001, 15_999, 600, 100_000):
        power = librosa.feature.melspectrogram(
            y=speech[:n], sr=16000, n_fft=512, win_length=400, hop_length=160, window="hann", center=True,
            pad_mode="constant", power=2.0, n_mels=80, fmin=0, fmax=8000, htk=False, norm="slaney",
        )  # fmt: skip
        reference = 10 * np.log10(np.maximum(power, 1e-8)).T
        ours = run_whole(LogMel(), speech[:n])
        assert ours.shape == reference.shape == (1 + n // 160, 80)
        assert np.abs(ours - reference).max() <= 0.01


@pytest.mark.parametrize("spec", SPECS, ids=["80", "83", "83 levelled"])
@pytest.mark.parametrize("packet", [1, 160, 333, 4096])
def test_packet_size_never_changes_the_rows(spec: FeatureSpec, packet: int, speech: np.ndarray) -> None:
    """A stream cut into packets of any size gives the rows of the whole recording, to 1e-5 of a dB."""
    sound = speech[: 8_000 if packet == 1 else 80_000]
    extractor = spec.extractor()
    whole = extractor.step(extractor.start(), sound)[1]
    cut = run_whole(extractor, sound, packet)
    assert len(cut) == 1 + len(sound) // 160
    np.testing.assert_allclose(cut[: len(whole)], whole, atol=2e-5)


def test_state_is_a_value(speech: np.ndarray) -> None:
    """Two streams that share a state until a moment do not disturb each other afterwards."""
    extractor = FeatureSpec(rows=83, level=LevelSpec()).extractor()
    state, _ = extractor.step(extractor.start(), speech[:5_000])
    _, first = extractor.step(state, speech[5_000:9_000])
    extractor.step(state, np.ones(4_000, np.float32))
    _, again = extractor.step(state, speech[5_000:9_000])
    np.testing.assert_array_equal(first, again)


def test_rows_are_causal_but_for_half_a_window(speech: np.ndarray) -> None:
    """What comes more than 200 samples after a row's centre cannot change the row."""
    changed = speech.copy()
    changed[16_000:] = 0.5
    extractor = FeatureSpec(rows=83, level=LevelSpec()).extractor()
    last = (16_000 - 200) // 160
    before, after = run_whole(extractor, speech), run_whole(extractor, changed)
    np.testing.assert_array_equal(before[: last + 1], after[: last + 1])
    assert np.abs(before[last + 2] - after[last + 2]).max() > 1


def test_loudness_and_crossings_follow_their_definition(speech: np.ndarray) -> None:
    """RMS and zero-crossing rate equal the plain formula on each window of 400 samples."""
    rows = 37
    rms = 10 ** (window_level_db(speech[2000:], rows) / 20)
    zcr = window_crossings(speech[2000:], rows)
    for row in range(rows):
        window = speech[2000 + 160 * row : 2400 + 160 * row]
        assert rms[row] == pytest.approx(np.sqrt(np.mean(window.astype(np.float64) ** 2)), rel=1e-4)
        assert zcr[row] == pytest.approx(np.count_nonzero(np.diff(np.signbit(window))) / 400)


def test_voice_activity_finds_speech_and_holds_it() -> None:
    """Sound 30 dB over the background is voice at once, and stays so for exactly 100 ms after it stopped."""
    level = np.full(300, -60.0)
    level[100:150] = -30.0
    _, activity = VoiceActivity().step(VoiceActivity().start(), level)
    assert activity[:100].max() == 0
    assert activity[100:160].min() == 1
    assert activity[160:].max() < 0.5


def test_level_control_removes_the_gain_of_the_microphone(speech: np.ndarray) -> None:
    """Speech at -30 dB and at +20 dB gives the rows of speech at 0 dB; without the control it does not."""
    levelled = FeatureSpec(rows=83, level=LevelSpec()).extractor()
    plain = FeatureSpec(rows=83).extractor()
    loud = run_whole(levelled, speech)[:, :80] > -40
    for gain_db in (-30, 20):
        scaled = (speech * 10 ** (gain_db / 20)).astype(np.float32)
        moved = np.abs(run_whole(levelled, scaled) - run_whole(levelled, speech))[:, :80]
        assert np.median(moved[loud]) < 3
        assert np.median(np.abs(run_whole(plain, scaled) - run_whole(plain, speech))[:, :80][loud]) > 15


def test_silence_is_the_floor_and_never_infinite() -> None:
    """Digital silence gives -80 dB in every band and no activity."""
    rows = audio_rows(np.zeros(16_000, np.float32))
    assert (rows.mel_db == -80).all()
    assert (rows.rms == 0).all()
    assert (rows.zcr == 0).all()
    assert (rows.vad == 0).all()


def test_a_band_without_bins_is_refused() -> None:
    """Filters that would always be zero are an error, not silence."""
    with pytest.raises(ValueError, match="too many"):
        mel_weights(16_000, 128, 80)


def test_a_feature_survives_its_json() -> None:
    """What stands in bundle.json gives the same spec back; a garbled one is refused."""
    for spec in SPECS:
        assert FeatureSpec.from_json(spec.to_json()) == spec
    with pytest.raises(BundleSchemaError, match="80 or 83"):
        FeatureSpec.from_json(FeatureSpec().to_json() | {"rows": 81})
    with pytest.raises(BundleSchemaError, match="unknown feature kind"):
        FeatureSpec.from_json(FeatureSpec().to_json() | {"kind": "mfcc9"})
