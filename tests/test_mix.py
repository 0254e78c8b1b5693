"""Many channels become one, and samples that are no numbers become silence."""

from __future__ import annotations

import numpy as np
import pytest

from tests.faults import audio_cases as cases
from voxface.audio.decode import read_audio
from voxface.audio.mix import ChannelMixer, Mend
from voxface.errors import AudioNonFiniteError, InputWarning, UsageError
from voxface.stream import run


@pytest.mark.parametrize("channels", [2, 6, 8, 64])
def test_channels_are_mixed_by_their_mean(channels: int) -> None:
    """A15: the mix is the mean; a number picks one channel; speech in one channel alone is kept."""
    frames = np.zeros((16_000, channels), np.float32)
    frames[:, 1] = cases.speech_like()
    data = cases.encoded("WAV", "FLOAT", frames)
    mixed, _ = read_audio(data)
    np.testing.assert_allclose(mixed, frames.mean(axis=1), atol=1e-7)
    np.testing.assert_allclose(read_audio(data, channel="2")[0], frames[:, 1], atol=1e-7)


@pytest.mark.parametrize("channel", ["3", "0", "-1", "left", "", "²"])
def test_a_channel_that_is_not_there_is_a_wrong_call(channel: str) -> None:
    """A channel must be mix or the number of one that exists."""
    with pytest.raises(UsageError):
        read_audio(cases.wav(np.zeros((100, 2), np.float32)), channel=channel)


@pytest.mark.parametrize("block", [1, 160, 4097, 100_000])
def test_the_choice_of_channels_does_not_depend_on_blocks(block: int) -> None:
    """A16: a recording that begins with silence and then cancels gives the same samples however it is cut."""
    sound = np.concatenate([np.zeros(3_000, np.float32), cases.speech_like(0.5)])
    frames = np.stack([sound, -sound], axis=1)
    mixer = ChannelMixer(rate_hz=4_000)
    with pytest.warns(InputWarning, match="W-CHANNELS-CANCEL"):
        parts = list(run(mixer, (frames[at : at + block] for at in range(0, len(frames), block))))
    np.testing.assert_array_equal(np.concatenate(parts), sound)


def test_unrelated_channels_do_not_cancel() -> None:
    """Two different signals, and one signal beside silence, are mixed."""
    rng = np.random.default_rng(2)
    for frames in (rng.standard_normal((8_000, 2)), rng.standard_normal((8_000, 64)) * (np.arange(64) == 5)):
        frames = frames.astype(np.float32)
        mixed = np.concatenate(list(run(ChannelMixer(4_000), [frames])))
        np.testing.assert_allclose(mixed, frames.mean(axis=1), atol=1e-6)


def test_mending_leaves_loud_sound_alone() -> None:
    """A11: float speech 40 dB above full scale keeps its size; denormal samples become 0."""
    loud = (cases.speech_like() * 250)[:, None]
    _, same = Mend().step(Mend().start(), loud)
    np.testing.assert_array_equal(same[np.abs(loud) > 1e-6], loud[np.abs(loud) > 1e-6])
    assert not Mend().step(Mend().start(), np.full((10, 1), 1e-40, np.float32))[1].any()


def test_too_many_broken_samples_are_refused() -> None:
    """A12: above 1 % of NaN the recording is refused, at 1 % it is mended."""
    bad = cases.spoiled(dict.fromkeys(range(161), np.nan))
    with pytest.raises(AudioNonFiniteError, match="161 of 16,000"):
        read_audio(bad)
    with pytest.warns(InputWarning, match="160 of 16,000"):
        read_audio(cases.spoiled(dict.fromkeys(range(160), np.nan)))
