"""The resampler: right in pitch, place and loudness; the same for any packets; as late as it says."""

from __future__ import annotations

import numpy as np
import pytest

from voxface.audio.resample import Resampler, to_16k
from voxface.audio.resampled import Resampled
from voxface.errors import AudioFormatError
from voxface.stream import run_whole

RATES = [4_000, 8_000, 11_025, 22_050, 44_099, 44_100, 48_000, 88_200, 96_000, 192_000, 384_000]


def tone(rate: int, seconds: float, hz: float = 1000.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_where_it_was(rate: int) -> None:
    """1 kHz at any rate becomes the same 1 kHz at 16 kHz, to -60 dB: nothing is shifted, scaled or bent."""
    out = to_16k(tone(rate, 0.5), rate)
    assert len(out) == -(-round(rate * 0.5) * 16_000 // rate)
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(out)) / 16_000)
    inside = slice(400, -400)
    assert np.abs(out[inside] - expected[inside]).max() < 1e-3 * (1 if rate > 4_000 else 10)


@pytest.mark.parametrize("rate", [8_000, 44_099, 44_100, 48_000])
@pytest.mark.parametrize("packet", [1, 7, 441, 5_000])
def test_packet_size_never_changes_the_samples(rate: int, packet: int) -> None:
    """A stream cut into packets of any size gives the samples of the whole recording."""
    sound = np.random.default_rng(3).standard_normal(2_500 if packet == 1 else 20_000).astype(np.float32)
    resampler = Resampler(rate)
    np.testing.assert_allclose(run_whole(resampler, sound, packet), run_whole(resampler, sound), atol=1e-5)


@pytest.mark.parametrize("rate", RATES)
def test_it_is_no_later_than_it_says(rate: int) -> None:
    """Fed in 10 ms packets, it never holds back more than the declared latency, below 12 ms (SPEC C7)."""
    resampler = Resampler(rate)
    assert resampler.latency_ms <= 12
    state, given = resampler.start(), 0
    packet = rate // 100
    for n in range(1, 60):
        state, out = resampler.step(state, np.zeros(packet, np.float32))
        given += len(out)
        assert 1000 * (n * packet / rate - given / 16_000) <= resampler.latency_ms + 1e-6


def test_what_16_khz_cannot_hold_is_removed() -> None:
    """A tone of 10 kHz does not come back as 6 kHz: it is 70 dB down."""
    out = to_16k(tone(48_000, 0.5, 10_000), 48_000)
    assert np.abs(out[400:-400]).max() < 10 ** (-70 / 20)


def test_it_agrees_with_soxr(speech: np.ndarray) -> None:
    """Speech-like sound down from 48 kHz equals the well-known library's, to -60 dB of its power below 7 kHz."""
    soxr = pytest.importorskip("soxr", reason="soxr (the reference for resampling) is not installed")
    sound = soxr.resample(speech[:32_000], 16_000, 48_000)
    ours, reference = to_16k(sound, 48_000), soxr.resample(sound, 48_000, 16_000)
    error = np.abs(np.fft.rfft((ours - reference)[1000:-1000]))[: int(0.42 * 30_000)]
    assert np.sum(error**2) < 1e-6 * np.sum(np.abs(np.fft.rfft(reference[1000:-1000])) ** 2)


@pytest.mark.parametrize("rate", [0, 3_999, 384_001, 2**32 - 1])
def test_rates_that_no_recording_has_are_refused(rate: int) -> None:
    """A rate outside 4 to 384 kHz is an error that names both."""
    with pytest.raises(AudioFormatError, match=str(rate)):
        Resampler(rate)


@pytest.mark.parametrize("rates", [(16_000, 88_200), (44_099, 88_200), (48_000, 16_000), (16_000, 16_000)])
@pytest.mark.parametrize("held", [True, False])
def test_a_recording_read_in_parts_is_that_of_the_stream(
    rates: tuple[int, int], held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any neighbours, wherever the recording's blocks begin and end, computed before or when they are read."""
    random = np.random.default_rng(4)
    sound = random.standard_normal(30_000).astype(np.float32)
    expected = run_whole(Resampler(*rates), sound)
    if not held:
        monkeypatch.setattr("voxface.audio.resampled._HELD", 0)
    found = Resampled(np.split(sound, np.sort(random.integers(0, len(sound), 20))), *rates)
    assert len(found) == len(expected)
    for first, last in [(0, len(expected)), (0, 1), (len(expected) - 1, len(expected) + 9), (50, 50), (-30, -10)]:
        np.testing.assert_allclose(found[first:last], expected[first:last], atol=1e-5)
    for first in random.integers(0, len(expected), 50).tolist():
        np.testing.assert_allclose(found[first : first + 999], expected[first : first + 999], atol=1e-5)
    assert len(Resampled([], *rates)) == 0
