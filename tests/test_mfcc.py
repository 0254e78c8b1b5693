"""The features of System B: the numbers of the reference recipe, whole or as a stream, and what they refuse."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tests.neurosync_recipe import recipe
from voxface.audio.features import FEATURES, FeatureSpec
from voxface.audio.mfcc_running import RUNNING_LOOK_AHEAD_MS
from voxface.audio.resample import Resampler
from voxface.errors import AudioTooShortError, BundleSchemaError, VoxfaceError
from voxface.neurosync import extract_audio_features
from voxface.stream import run_whole

SPECS = [FeatureSpec(kind, width) for kind, extractor in FEATURES.items() for width in extractor.widths]
WHOLE = [spec for spec in SPECS if not spec.streamable]
STREAMS = [spec for spec in SPECS if spec.streamable]


def name(spec: FeatureSpec) -> str:
    return f"{spec.kind}-{spec.rows}"


@pytest.fixture(scope="module")
def sound(speech: np.ndarray) -> np.ndarray:
    """1.2 s at 88.2 kHz that begin with silence and are never at full scale."""
    wide = 0.5 * run_whole(Resampler(16_000, 88_200), speech[:20_000])[:105_840]
    wide[:3_000] = 0
    return wide


@pytest.mark.parametrize("spec", WHOLE, ids=name)
@pytest.mark.parametrize("samples", [7_350, 88_199, 88_200, 105_840])
def test_rows_are_those_of_the_reference(spec: FeatureSpec, samples: int, sound: np.ndarray) -> None:
    """Every kind and width agrees with the straightforward recipe to 1e-4 (1e-3 is promised), for any length."""
    pytest.importorskip("librosa", reason="librosa (the reference for MFCC) is not installed")
    rows, expected = spec.whole(sound[:samples]), recipe(spec, sound[:samples])
    assert rows.dtype == np.float32
    assert rows.shape == expected.shape == (-(-(1 + samples // 735) // 2), spec.rows)
    assert np.abs(rows - expected).max() <= 1e-4


@pytest.mark.parametrize("spec", STREAMS, ids=name)
@pytest.mark.parametrize("packet", [1, 735, 3_001])
def test_a_stream_gives_what_the_whole_gives(spec: FeatureSpec, packet: int, sound: np.ndarray) -> None:
    """What says that it streams gives the same rows for packets of any size."""
    used = sound[: 8_000 if packet == 1 else len(sound)]
    np.testing.assert_allclose(run_whole(spec.extractor(), used, packet), spec.whole(used), atol=5e-5)


@pytest.mark.parametrize("spec", WHOLE, ids=name)
def test_what_cannot_stream_says_so(spec: FeatureSpec) -> None:
    """Its stage refuses to start, in one sentence that names it and a hint."""
    with pytest.raises(VoxfaceError, match=f"'{spec.kind}' cannot stream"):
        run_whole(spec.extractor(), np.zeros(88_200, np.float32))


def test_running_rows_wait_no_longer_than_they_say(sound: np.ndarray) -> None:
    """Row i is there 45.8 ms after its centre, and what comes later does not change it."""
    extractor = FeatureSpec("mfcc-running", 78).extractor()
    for row in (0, 1, 20):
        heard = round((row + 0.25) * 1470 + RUNNING_LOOK_AHEAD_MS * 88.2)
        _, rows = extractor.step(extractor.start(), sound[:heard])
        assert len(rows) == row + 1
        assert len(extractor.step(extractor.start(), sound[: heard - 1])[1]) == row
        changed = np.concatenate([sound[:heard], np.full(20_000, 0.9, np.float32)])
        np.testing.assert_allclose(run_whole(extractor, changed)[: row + 1], rows, atol=2e-5)


def test_running_rows_come_near_those_of_the_whole_clip(speech: np.ndarray) -> None:
    """After five seconds, MFCC normalised by what was heard differ from the whole clip's by less than 0.2 of their
    deviation (RMS); in the first half second by more."""
    wide = run_whole(Resampler(16_000, 88_200), speech)
    running, whole = (FeatureSpec(kind, 78).whole(wide)[:, :26] for kind in ("mfcc-running", "mfcc"))
    off = np.sqrt(np.mean((running - whole) ** 2, axis=1))
    assert off[300:].mean() < 0.2 < off[:30].mean()


@pytest.mark.parametrize("spec", WHOLE, ids=name)
def test_loudness_does_not_matter_unless_it_is_asked_to(spec: FeatureSpec, sound: np.ndarray) -> None:
    """A clip at any gain gives the same rows; as it came (normalise=False), one near the floor does not."""
    rows = spec.whole(sound)
    for gain in (1e-20, 1e-3, 30.0, 1e20):
        np.testing.assert_allclose(spec.whole(sound * np.float32(gain)), rows, atol=1e-3)
    assert np.abs(spec.whole(sound * np.float32(1e-4), normalise=False) - rows).max() > 0.1


@pytest.mark.parametrize("spec", SPECS, ids=name)
@pytest.mark.parametrize("level", [0.0, 0.3, 1e-40])
def test_constant_sound_gives_finite_rows(spec: FeatureSpec, level: float) -> None:
    """Silence, a constant and samples too small for float32's arithmetic give numbers, and silence gives zeros."""
    rows = spec.whole(np.full(20_000, level, np.float32))
    assert np.isfinite(rows).all()
    if not spec.streamable and level == 0:
        assert not rows.any()


def test_a_click_in_near_silence_gives_finite_rows() -> None:
    """The loudness rule of the 79 numbers, which looks at most samples and not at the peak, overflows nothing."""
    clip = np.full(20_000, 1e-25, np.float32)
    clip[9_000] = 1
    assert np.isfinite(FeatureSpec("mfcc", 79).whole(clip)).all()


def test_a_constant_resembles_nothing() -> None:
    """What rounding leaves of a constant is not taken for a tone: the autocorrelations are 0."""
    for level in (0.1, 0.3, 0.7):
        rows = FeatureSpec("mfcc", 256).whole(np.full(20_000, level, np.float32), normalise=False)
        assert not rows[:, 69:].any()


@pytest.mark.parametrize("spec", WHOLE, ids=name)
def test_fewer_than_nine_windows_are_refused(spec: FeatureSpec) -> None:
    """7349 samples are too short and the message says both lengths; 7350 give six rows."""
    for samples in (0, 1, 7_349):
        with pytest.raises(AudioTooShortError, match=r"samples at 88.2 kHz\).* need 83.3 ms \(7350 samples\)"):
            spec.whole(np.zeros(samples, np.float32))
    assert len(spec.whole(np.zeros(7_350, np.float32))) == 6


def test_smoothing_is_the_mean_of_neighbours(sound: np.ndarray) -> None:
    """Each row becomes the mean of itself and its neighbours; off by default; a stream refuses it."""
    rows, smooth = FeatureSpec("mfcc", 78).whole(sound), FeatureSpec("mfcc", 78, smooth=True).whole(sound)
    np.testing.assert_allclose(smooth[1:-1], (rows[:-2] + rows[1:-1] + rows[2:]) / 3, atol=1e-5)
    np.testing.assert_allclose(smooth[[0, -1]], [rows[:2].mean(axis=0), rows[-2:].mean(axis=0)], atol=1e-5)
    with pytest.raises(BundleSchemaError, match="smoothed"):
        FeatureSpec("mfcc-running", 78, smooth=True)


@pytest.mark.parametrize("spec", [*SPECS, FeatureSpec("mfcc", 78, smooth=True)], ids=name)
def test_a_spec_survives_its_json(spec: FeatureSpec) -> None:
    """What a bundle says of its feature gives the same feature back; a width that the kind lacks is refused."""
    assert FeatureSpec.from_json(spec.to_json()) == spec
    with pytest.raises(BundleSchemaError, match=f"'{spec.kind}' has"):
        FeatureSpec.from_json(spec.to_json() | {"rows": 77})


def test_long_sound_needs_little_beside_itself() -> None:
    """A minute (21 MB of samples) are worked on in blocks: the most memory in use is below the clip's own."""
    clip = np.tile(np.random.default_rng(0).standard_normal(88_200).astype(np.float32), 60)
    for width in (78, 256):
        tracemalloc.start()
        FeatureSpec("mfcc", width).whole(clip)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 0.9 * clip.nbytes


def test_a_long_recording_is_never_held_at_88_khz() -> None:
    """Four minutes at 16 kHz (15 MB) would be 85 MB at 88.2 kHz; less than that is in use, rows included."""
    sound = np.tile(np.random.default_rng(0).standard_normal(16_000).astype(np.float32), 240)
    tracemalloc.start()
    rows = extract_audio_features(sound, sample_rate=16_000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.shape == (14_401, 78)
    assert most < 4 * 240 * 88_200


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_099, 44_100, 48_000, 96_000])
def test_a_tone_is_the_same_at_88_khz(rate: int) -> None:
    """Tones up to 0.43 of the source's rate keep place, size and shape, to -70 dB."""
    resampler = Resampler(rate, 88_200)
    for hz in (1_000, 0.43 * min(rate, 88_200)):
        tone = np.sin(2 * np.pi * hz * np.arange(rate // 5) / rate).astype(np.float32)
        wide = run_whole(resampler, tone)
        expected = np.sin(2 * np.pi * hz * np.arange(len(wide)) / 88_200)
        assert len(wide) == -(-len(tone) * 88_200 // rate)
        assert np.abs(wide - expected)[1_500:-1_500].max() < 10 ** (-70 / 20)
