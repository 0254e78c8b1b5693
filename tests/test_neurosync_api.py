"""The family's two functions: any sound to features, features to 68 numbers a frame, in order and in units."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import voxface
from tests.conftest import SAMPLE
from tests.neurosync_recipe import recipe
from tests.sounds import speech_and_noise
from tests.test_windows import original
from voxface.audio.features import FeatureSpec
from voxface.audio.resample import Resampler
from voxface.bundle import WindowSpec, load_bundle
from voxface.errors import BundleError, InputWarning, UsageError, VoxfaceError
from voxface.face.rig import ARKIT, EMOTIONS, LIVELINK_61
from voxface.neurosync import extract_audio_features, process_audio_features
from voxface.neurosync.generations import ORIGINAL
from voxface.neurosync.numbers import frames_json
from voxface.neurosync.order import CSV_68, UDP_68
from voxface.neurosync.process import open_bundle
from voxface.runtime.animate import open_animator
from voxface.runtime.feeling import Feeling
from voxface.runtime.whole_session import WholeSession
from voxface.runtime.window_net import WindowNet, Windows
from voxface.stream import Array, run_whole

SMALL = "neurosync-small"
HUNDRED = np.zeros((100, 78), np.float32)


def wav(samples: Array, rate: int, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def tone(seconds: float, rate: int = 22_050) -> Array:
    return (0.3 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def constant(window: WindowSpec, **values: float) -> Windows:
    """A net that always gives the same face: channels and emotions by name, in the units of its window."""
    row = np.array([values.get(name, 0.0) for name in CSV_68], np.float32)
    return Windows(lambda rows: np.broadcast_to(row, (*rows.shape[:2], 68)).copy(), 78, window)


# -- features ---------------------------------------------------------------------------------------------------------


def test_a_file_its_bytes_and_its_samples_have_the_same_features() -> None:
    """How a sound is handed in does not matter."""
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    by_path = extract_audio_features(SAMPLE)
    assert by_path.shape == (-(-(1 + len(samples) * 88_200 // rate // 735) // 2), 78)
    for other in (
        extract_audio_features(str(SAMPLE)),
        extract_audio_features(SAMPLE.read_bytes()),
        extract_audio_features(io.BytesIO(SAMPLE.read_bytes())),
        extract_audio_features(samples, sample_rate=rate),
        extract_audio_features(samples / 32768, sample_rate=rate, width=78),
    ):
        np.testing.assert_array_equal(other, by_path)


@pytest.mark.parametrize("width", [78, 79, 69, 256])
def test_every_width_of_the_family(width: int) -> None:
    """All generations' features come by their width, the same number of frames each."""
    assert extract_audio_features(tone(0.5), sample_rate=22_050, width=width).shape == (31, width)


def test_bare_samples_are_the_originals_guess() -> None:
    """Bytes that are no sound file are 16-bit samples where the caller says so, and keep their loudness."""
    loud = np.round(32768 * tone(0.4)).astype("<i2")
    bare = extract_audio_features(loud.tobytes(), raw_pcm="s16le:22050:1")
    fine = run_whole(Resampler(22_050, 88_200), loud.astype(np.float32) / 32768)
    np.testing.assert_array_equal(bare, FeatureSpec("mfcc", 78).whole(fine, normalise=False))
    np.testing.assert_array_equal(bare, extract_audio_features(loud.tobytes(), sample_rate=22_050))


def test_a_sound_file_is_read_as_one_whatever_raw_pcm_says() -> None:
    """The guess is for what is no sound file only."""
    sound = wav(tone(0.4), 22_050)
    np.testing.assert_array_equal(
        extract_audio_features(sound, raw_pcm="s16le:8000:2"), extract_audio_features(sound, sample_rate=22_050)
    )


def test_some_samples_that_are_no_numbers_are_mended() -> None:
    """A few NaN become 0, with a warning; features stay finite."""
    samples = tone(0.4)
    samples[:3] = np.nan
    with pytest.warns(InputWarning, match="NaN"):
        assert np.isfinite(extract_audio_features(wav(samples, 22_050, "FLOAT"))).all()


@pytest.mark.parametrize("width", [78, 256])
def test_the_originals_resampler_makes_nearly_the_same_features(width: int) -> None:
    """Sound brought to 88.2 kHz by soxr, as the original does, has features within 0.02 of ours, 0.0002 on average."""
    import soxr

    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    theirs = extract_audio_features(soxr.resample(samples, rate, 88_200, "HQ"), sample_rate=88_200, width=width)
    apart = np.abs(extract_audio_features(SAMPLE, width=width) - theirs)
    assert apart.max() < 0.02
    assert apart.mean() < 2e-4


BAD_SOUNDS: dict[str, tuple[Callable[[], object], str]] = {
    "empty": (lambda: extract_audio_features(b""), "0 bytes"),
    "no samples": (lambda: extract_audio_features(wav(tone(0), 22_050)), "0 samples"),
    "an empty array": (lambda: extract_audio_features(np.zeros(0), sample_rate=16_000), "0 samples"),
    "8 frames": (lambda: extract_audio_features(np.zeros(7349), sample_rate=88_200), "83.3 ms"),
    "unknown bytes": (lambda: extract_audio_features(bytes(999)), "--raw-pcm s16le:22050:1"),
    "odd bytes": (lambda: extract_audio_features(bytes(999), raw_pcm="s16le:22050:1"), "no whole number"),
    "NaN": (lambda: extract_audio_features(wav(tone(0.4) * np.nan, 22_050, "FLOAT")), "are NaN"),
    "a pickle": (lambda: extract_audio_features(b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix"), "no known sound"),
    "a zip": (lambda: extract_audio_features(b"PK\x03\x04" + bytes(99)), "ZIP archive"),
    "a web page": (lambda: extract_audio_features(b"<!doctype html><title>x</title>"), "a web page"),
    "a web page as bare samples": (lambda: extract_audio_features(b"<html></html>", raw_pcm="s16le"), "a web page"),
    "no file": (lambda: extract_audio_features("missing.wav"), "missing.wav"),
    "a list": (lambda: extract_audio_features([0.5] * 9999, sample_rate=8000), "from list"),  # type: ignore[arg-type]
    "no whole rate": (lambda: extract_audio_features(tone(0.4), sample_rate=16e3), "whole"),  # type: ignore[arg-type]
    "no rate": (lambda: extract_audio_features(tone(0.4)), "sample_rate=16000"),
    "another rate": (lambda: extract_audio_features(wav(tone(0.4), 22_050), sample_rate=8000), "22050 samples"),
    "no such width": (lambda: extract_audio_features(SAMPLE, width=80), "one of 78"),
    "no such raw": (lambda: extract_audio_features(bytes(999), raw_pcm="s99"), "s99"),
    "too long": (lambda: extract_audio_features(SAMPLE, max_duration_s=1), "1.0 s are allowed"),
}


@pytest.mark.parametrize("case", BAD_SOUNDS)
def test_what_is_no_sound_is_one_sentence(case: str) -> None:
    """Every wrong sound is one of our errors, which says what is wrong and what to do."""
    call, says = BAD_SOUNDS[case]
    with pytest.raises(VoxfaceError) as caught:
        call()
    assert says in str(caught.value)


# -- frames -----------------------------------------------------------------------------------------------------------


def test_our_own_model_gives_a_face_from_bytes() -> None:
    """Bytes in, 68 finite numbers a frame out: weights and emotions 0 to 1, columns 52 to 61 zero."""
    features = extract_audio_features(SAMPLE.read_bytes())
    frames = process_audio_features(features)
    assert frames.shape == (len(features), 68)
    assert frames.dtype == np.float32
    assert frames.min() >= 0
    assert frames.max() <= 1
    assert not frames[:, 51:61].any()
    assert frames[:, CSV_68.index("jawOpen")].std() > 0.01
    np.testing.assert_array_equal(process_audio_features(features, load_bundle(SMALL), "cpu"), frames)


def test_the_two_orders_differ_by_name_in_jaw_and_mouth() -> None:
    """udp puts left before right in jaw and mouth, and moves nothing else."""
    face = constant(WindowSpec(), jawLeft=0.1, jawRight=0.2, mouthLeft=0.3, mouthRight=0.4, jawOpen=0.5)
    csv = process_audio_features(HUNDRED, face, expressions=False)[0]
    udp = process_audio_features(HUNDRED, face, expressions=False, order="udp")[0]
    for name, value in (("jawLeft", 0.1), ("jawRight", 0.2), ("mouthLeft", 0.3), ("mouthRight", 0.4), ("jawOpen", 0.5)):
        assert csv[CSV_68.index(name)] == udp[UDP_68.index(name)] == np.float32(value)
    assert [UDP_68[i] for i in (14, 15, 16, 21, 22)] == ["jawForward", "jawLeft", "jawRight", "mouthLeft", "mouthRight"]
    assert np.flatnonzero(csv != udp).tolist() == [15, 16, 21, 22]


def test_columns_of_tongue_head_and_eyes_are_given_on_request() -> None:
    """52 to 61 are 0, or what the model says."""
    face = constant(WindowSpec(), tongueOut=0.25, headYaw=-0.5)
    assert not process_audio_features(HUNDRED, face)[:, 51:61].any()
    asked = process_audio_features(HUNDRED, face, all_columns=True)
    assert (asked[:, LIVELINK_61.index("headYaw")] == -0.5).all()
    assert (asked[:, 51] == 0.25).all()
    theirs = constant(ORIGINAL, headYaw=-50, eyeBlinkLeft=40)  # a model of others, whose window zeroes both
    places = [LIVELINK_61.index(name) for name in ("headYaw", "eyeBlinkLeft")]
    assert not process_audio_features(HUNDRED, theirs)[:, places].any()
    asked = process_audio_features(HUNDRED, theirs, all_columns=True)
    np.testing.assert_allclose(asked[50, places], [-0.5, 0.4])


def test_a_bundle_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    """A name stands for what lies there now: by the same name another description of the net gives another face."""
    folder = shutil.copytree(load_bundle(SMALL).folder, tmp_path / "mine.voxface")
    assert open_bundle(folder) is open_bundle(str(folder))
    features = extract_audio_features(SAMPLE)
    before = process_audio_features(features, folder, expressions=False)
    said = json.loads((folder / "bundle.json").read_text()) | {"window": {"zeroed": ["jawOpen"]}}
    (folder / "bundle.json").write_text(json.dumps(said))
    after = process_audio_features(features, folder, expressions=False)
    jaw = CSV_68.index("jawOpen")
    assert before[:, jaw].any()
    assert not after[:, jaw].any()


def test_a_model_that_gives_nan_is_refused() -> None:
    """No frame that is not a number leaves the house."""
    with pytest.raises(BundleError, match="gives NaN"):
        process_audio_features(HUNDRED, constant(WindowSpec(), jawOpen=np.nan))


def test_models_of_others_keep_their_numbers() -> None:
    """An imported model's values are divided by 100 and else left as they are; compat leaves emotions 0 to 100."""
    face = constant(ORIGINAL, jawOpen=104, Happy=101, Neutral=-1)
    plain, compat = process_audio_features(HUNDRED, face), process_audio_features(HUNDRED, face, compat=True)
    happy, neutral = CSV_68.index("Happy"), CSV_68.index("Neutral")
    np.testing.assert_allclose(plain[50, [CSV_68.index("jawOpen"), happy, neutral]], [1.04, 1.01, -0.01], rtol=1e-6)
    np.testing.assert_allclose(compat[50, [happy, neutral]], [101, -1], rtol=1e-6)
    assert not plain[0].any()  # its ease-in


def test_expressions_show_with_our_model_and_not_with_others() -> None:
    """Happiness raises the corners of the mouth by default with ours only, and on request with any."""
    smile = CSV_68.index("mouthSmileLeft")
    ours, theirs = constant(WindowSpec(), Happy=1, jawOpen=0.4), constant(ORIGINAL, Happy=100, jawOpen=40)
    assert process_audio_features(HUNDRED, ours)[50, smile] > 0.2
    assert process_audio_features(HUNDRED, ours, expressions=False)[50, smile] == 0
    assert process_audio_features(HUNDRED, theirs)[50, smile] == 0
    asked = [process_audio_features(HUNDRED, theirs, expressions=True, compat=compat)[50, smile] for compat in (0, 1)]
    assert asked[0] == asked[1] > 0.2


@pytest.mark.usefixtures("one_thread")
def test_a_torch_module_is_run_as_the_original_runs_it() -> None:
    """A module of the family gives what its net says, in percent; 61 outputs have no emotions, 60 are refused."""
    import torch

    features = np.random.default_rng(0).standard_normal((100, 256)).astype(np.float32)
    for outputs in (68, 61):
        net = torch.nn.Linear(256, outputs)
        frames = process_audio_features(features, net, "cpu")
        expected = net(torch.from_numpy(features)).detach().numpy() / 100
        jaw = CSV_68.index("jawOpen")
        np.testing.assert_allclose(frames[6:, jaw], expected[6:, jaw], atol=1e-6)
        assert frames.shape == (100, 68)
        assert frames[:, 61:].any() == (outputs == 68)
        np.testing.assert_allclose(process_audio_features(features, net.double()), frames, atol=1e-6)
    for module, device, says in (
        (torch.nn.Linear(256, 60), None, r"gives \(2, 128, 60\) values"),
        (torch.nn.Linear(78, 68), None, "cannot take"),
        (torch.nn.Flatten(0, 1), None, r"gives \(256, 256\) values"),
        (torch.nn.Linear(256, 68), "abacus", "cannot run on 'abacus'"),
    ):
        with pytest.raises(UsageError, match=says):
            process_audio_features(np.concatenate([features, features]), module, device)


@pytest.mark.usefixtures("one_thread")
def test_with_compat_bytes_become_the_originals_numbers() -> None:
    """From a WAV to the frames, each step as it is known of the original, slowly: the same numbers to 1e-4."""
    from voxface.models.transformer import Transformer, TransformerConfig, on_arrays

    sound = speech_and_noise(2.4, 88_200)
    net = Transformer(TransformerConfig(256, hidden=32, heads=4, layers=1, feedforward=32))
    expected = original(recipe(FeatureSpec("mfcc", 256), sound).astype(np.float32), on_arrays(net), ORIGINAL)
    expected[:, :61] /= 100
    expected[:6] *= np.linspace(0, 1, 6)[:, None]
    expected[:, [*range(5), *range(7, 12), *range(51, 61)]] = 0  # blinks and gaze, tongue, head and eyes
    found = process_audio_features(extract_audio_features(wav(sound, 88_200, "FLOAT"), width=256), net, compat=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)


BAD_FEATURES: dict[str, tuple[Callable[[], object], str]] = {
    "0 frames": (lambda: process_audio_features(np.zeros((0, 78), np.float32)), "0 frames"),
    "another width": (lambda: process_audio_features(np.zeros((9, 256), np.float32)), "(frames, 78)"),
    "one row": (lambda: process_audio_features(np.zeros(78, np.float32)), "(frames, 78)"),
    "NaN": (lambda: process_audio_features(HUNDRED * np.nan), "finite"),
    "text": (lambda: process_audio_features("features"), "(frames, 78)"),  # type: ignore[arg-type]
    "a streaming bundle": (lambda: process_audio_features(HUNDRED, "default"), "streams"),
    "no such bundle": (lambda: process_audio_features(HUNDRED, "missing"), "missing"),
    "no model": (lambda: process_audio_features(HUNDRED, 5), "got int"),  # type: ignore[arg-type]
    "a bundle on a GPU": (lambda: process_audio_features(HUNDRED, SMALL, "cuda"), "on the CPU"),
    "no such order": (lambda: process_audio_features(HUNDRED, order="xyz"), "csv or udp"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", BAD_FEATURES)
def test_wrong_features_and_models_are_one_sentence(case: str) -> None:
    """Every wrong argument is one of our errors, which says what is wrong."""
    call, says = BAD_FEATURES[case]
    with pytest.raises(VoxfaceError) as caught:
        call()
    assert says in str(caught.value)


@pytest.mark.parametrize("low", [0.0, -50.0])
def test_frames_as_json_are_their_numbers(low: float) -> None:
    """What is written is JSON with 6 decimals, whatever the range of the values."""
    frames = (low + 9.98 * np.random.default_rng(3).random((4200, 8))).astype(np.float32)
    frames[0, :3] = low, low + 9.98, 0
    np.testing.assert_allclose(json.loads(frames_json(frames)), frames, atol=5.1e-7)


# -- a windowed bundle wherever speech is animated --------------------------------------------------------------------


@pytest.mark.parametrize("fps", [60, 25])
def test_a_windowed_bundle_animates_like_any_other(fps: int) -> None:
    """A clip over ARKit's channels at any rate, as long as the sound, with emotions and idle motion."""
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    clip = voxface.animate(samples, rate, fps=fps, bundle=SMALL)
    assert len(clip) == -(-len(samples) * fps // rate)
    assert clip.channels == ARKIT
    assert clip.emotion is not None
    assert clip.emotion.shape == (len(clip), len(EMOTIONS))
    assert clip.head is not None
    assert clip.channel("jawOpen").std() > 0.01
    assert clip.channel("eyeBlinkLeft").max() > 0.5
    still = voxface.animate(samples, rate, fps=fps, bundle=SMALL, idle=None)
    assert still.head is None
    np.testing.assert_array_equal(still.channel("jawOpen"), clip.channel("jawOpen"))


def test_the_emotions_of_a_clip_sum_to_1_whatever_the_model_says() -> None:
    """Models of others give seven numbers that need not sum to 1; a clip's emotions do."""
    net = WindowNet(load_bundle(SMALL))
    net.forward = constant(WindowSpec(), Happy=1, Angry=1).forward
    session = WholeSession(net, 88_200, 60, None, None, Feeling())
    clip = session.finish(session.step(session.start(), np.ones(88_200, np.float32))[0])
    np.testing.assert_allclose(clip.emotion.sum(axis=1), 1, atol=1e-6)  # type: ignore[union-attr]


@pytest.mark.parametrize("samples", [1, 16, 1323])
def test_a_windowed_bundle_takes_the_shortest_sound(samples: int) -> None:
    """Even one sample has a frame: silence follows it."""
    clip = voxface.animate(np.full(samples, 0.1, np.float32), 16_000, bundle=SMALL)
    assert len(clip) == -(-samples * 60 // 16_000)


def test_where_a_stream_is_needed_a_windowed_bundle_is_refused() -> None:
    """One sentence says that it cannot stream, and what can."""
    with pytest.raises(UsageError, match="cannot stream"):
        open_animator(SMALL, 1)


def test_the_program_says_that_it_cannot_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """voxface animate writes the clip with its emotions, and says what kind of bundle this is."""
    from voxface.cli.animate import animate

    animate([str(SAMPLE)], str(tmp_path / "clip.json"), bundle=SMALL)
    assert "cannot stream" in capsys.readouterr().err
    assert voxface.read(tmp_path / "clip.json").emotion is not None
