"""The sound of containers: on time to the sample, hostile ones opening nothing, cut ones said (faults.md A20-A25)."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[av]'")

import voxface
from tests.conftest import SAMPLE
from tests.faults import audio_cases as cases
from tests.sounds import delay, encode, speech_and_noise
from tests.test_faults_audio import run_program
from voxface.audio.decode import open_audio, read_audio
from voxface.audio.tracks import TrackReader
from voxface.errors import (
    AudioFormatError,
    AudioTruncatedError,
    InputError,
    InputWarning,
    MissingDependencyError,
    UsageError,
    VoxfaceError,
)

FRAME_S = 1 / 60

KINDS = {
    "m4a": ("ipod", "aac", 44_100), "m4a-16k": ("ipod", "aac", 16_000), "alac": ("ipod", "alac", 44_100),
    "mp4": ("mp4", "aac", 48_000), "mp4-mp3": ("mp4", "libmp3lame", 44_100), "mp4-opus": ("mp4", "libopus", 48_000),
    "mov": ("mov", "pcm_s16be", 44_099), "mov-mulaw": ("mov", "pcm_mulaw", 8_000),
    "mov-alaw": ("mov", "pcm_alaw", 8_000), "mov-adpcm": ("mov", "adpcm_ima_qt", 22_050),
    "webm": ("webm", "libopus", 48_000), "mka": ("matroska", "aac", 44_100), "mkv-flac": ("matroska", "flac", 48_000),
    "aac": ("adts", "aac", 16_000), "aac-48k": ("adts", "aac", 48_000), "avi": ("avi", "pcm_s16le", 16_000),
    "caf-alac": ("caf", "alac", 44_100), "ogg-opus": ("ogg", "libopus", 48_000), "ogg-flac": ("ogg", "flac", 16_000),
    "mp3": ("mp3", "libmp3lame", 44_100), "mp3-16k": ("mp3", "libmp3lame", 16_000),
}  # fmt: skip
"""Name -> container, encoding, rate."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_container_is_on_time(kind: str) -> None:
    """A14, A19-A22: priming, pre-skip and encoder delay are taken away: within 0.1 ms of the original, nothing lost."""
    container, codec, rate = KINDS[kind]
    original = speech_and_noise(1.5, rate)
    samples, got = read_audio(encode(container, codec, original, rate=rate))
    assert got == rate
    assert abs(delay(original, samples)) <= 1e-4 * rate
    assert len(original) - 1152 <= len(samples) <= len(original) + 2304
    both = min(len(original), len(samples))
    assert np.corrcoef(original[:both], samples[:both])[0, 1] > 0.97


def test_a_transport_stream_is_read() -> None:
    """MPEG-TS says nothing of the encoder's delay: up to one AAC frame late, and no more."""
    original = speech_and_noise(1.0, 48_000)
    samples, _ = read_audio(encode("mpegts", "aac", original))
    assert 0 <= delay(original, samples) <= 1024


def id3_with_picture(size: int) -> bytes:
    """An ID3v2.3 tag that holds a picture of so many bytes."""
    body = b"\0image/jpeg\0\3\0" + np.random.default_rng(0).bytes(size)
    frame = b"APIC" + struct.pack(">IH", len(body), 0) + body
    octets = [len(frame) >> shift & 127 for shift in (21, 14, 7, 0)]
    return b"ID3\3\0\0" + bytes(octets) + frame


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("tag", ["LAME", "none"])
def test_mp3_is_on_time_with_or_without_its_tag(rate: int, tag: str) -> None:
    """A20: behind 20 MB of cover art, with LAME's tag or none at all, a variable-rate MP3 begins where the WAV does."""
    original = speech_and_noise(2.0, rate)
    options = {"id3v2_version": "0", "write_xing": "1" if tag == "LAME" else "0"}
    samples, got = read_audio(
        id3_with_picture(20 << 20) + encode("mp3", "libmp3lame", original, rate=rate, options=options)
    )
    assert got == rate
    assert abs(delay(original, samples)) <= 0.1 * FRAME_S * rate


def test_an_edit_list_is_kept_to() -> None:
    """A21: a trimmed M4A begins where its edit list says, as in every player; the delay is not counted twice."""
    rate = 48_000
    original = speech_and_noise(2.0, rate)
    data = bytearray(encode("ipod", "aac", original, rate=rate))
    at = data.index(b"elst") + 4
    version, count = data[at], struct.unpack_from(">I", data, at + 4)[0]
    assert (version, count) == (0, 1)
    length, start = struct.unpack_from(">Ii", data, at + 8)
    assert start == 1024  # the encoder's delay
    struct.pack_into(">Ii", data, at + 8, length // 2, start + rate // 2)
    samples, _ = read_audio(bytes(data))
    assert abs(delay(original[rate // 2 :], samples)) <= 1e-4 * rate
    assert len(samples) == pytest.approx(rate, abs=2048)


@pytest.mark.parametrize("codec", ["VORBIS", "OPUS"])
def test_chained_ogg_is_read_to_its_end(codec: str) -> None:
    """A22: recordings one after another in a file are one sound; libsndfile alone would stop after the first."""
    parts = [cases.encoded("OGG", codec, cases.speech_like(seconds)) for seconds in (0.5, 1.0, 0.25)]
    whole, rate = read_audio(b"".join(parts))
    assert rate == 16_000
    np.testing.assert_array_equal(whole, np.concatenate([read_audio(part)[0] for part in parts]))
    np.testing.assert_array_equal(read_audio(cases.pipe(b"".join(parts)))[0], whole)


def test_chained_ogg_of_two_rates_is_refused() -> None:
    """A22: a chain that cannot be one sound says so."""
    with pytest.raises(AudioFormatError, match="different rates"):
        read_audio(cases.encoded("OGG", "VORBIS") + cases.encoded("OGG", "VORBIS", rate=22_050))


def test_a_track_can_be_chosen() -> None:
    """The first sound track by default, another by its number; one that is not there is named."""
    one, other = speech_and_noise(0.5, 16_000), cases.speech_like(0.5)
    two = encode("matroska", "pcm_s16le", one, other, rate=16_000)
    np.testing.assert_allclose(read_audio(two)[0], one, atol=1e-4)
    np.testing.assert_allclose(read_audio(two, audio_track=1)[0], other, atol=1e-4)
    with pytest.raises(AudioFormatError, match="has 2 sound tracks, counted from 0; number 2"):
        read_audio(two, audio_track=2)
    for single in (cases.wav(), cases.encoded("FLAC")):
        with pytest.raises(UsageError, match="one sound track"):
            read_audio(single, audio_track=1)


def test_a_container_that_is_cut_says_how_much_is_missing(tmp_path: Path) -> None:
    """A4: an M4A copied halfway gives its sound and one warning with both durations; strict refuses it."""
    sound, front = speech_and_noise(4.0, 16_000), {"movflags": "faststart"}
    whole = encode("ipod", "aac", sound, rate=16_000, options=front, path=tmp_path / "whole.m4a")
    half = whole[: len(whole) * 6 // 10]
    with pytest.warns(InputWarning, match=r"W-TRUNCATED.*says 4\.\d\d s"):
        samples, _ = read_audio(half)
    assert 16_000 < len(samples) < 56_000
    with pytest.raises(AudioTruncatedError):
        read_audio(half, strict=True)
    with open_audio(whole) as audio:
        assert audio.samples == pytest.approx(64_000, abs=2048)


def test_a_length_that_is_only_a_guess_is_no_complaint() -> None:
    """Bare AAC states no length, and a video may be longer than its sound: neither is said to be cut."""
    uneven = np.concatenate([speech_and_noise(1.0, 16_000), np.zeros(48_000, np.float32)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        samples, _ = read_audio(encode("adts", "aac", uneven, rate=16_000))
        assert len(samples) == pytest.approx(64_000, abs=2048)
        two = encode("matroska", "aac", uneven, uneven[:16_000], rate=16_000)
        assert len(read_audio(two, audio_track=1)[0]) == pytest.approx(16_000, abs=2048)


BAD = {
    "A1-only-a-head": (lambda: b"\0\0\0\x20ftypM4A " + bytes(60), "cannot be decoded"),
    "A3-no-moov": (lambda: encode("ipod", "aac", cases.speech_like()).split(b"moov")[0][:-4], "cannot be decoded"),
    "A2-aac-of-noise": (lambda: b"\xff\xf1\x50\x80" + cases.noise_bytes(), "holds no sound"),
    "A25-sdp-as-mp4": (lambda: b"v=0\nftyp=isom\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\n"
                       b"m=audio 9 RTP/AVP 0\n", "cannot be decoded"),
    "A25-dash-as-mp4": (lambda: b"<MPDftyp <MPD profiles=dash:profile:isoff-on-demand:2011>"
                        b"<BaseURL>http://127.0.0.1:9/</BaseURL></MPD>", "cannot be decoded"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("way", ["bytes", "pipe"])
def test_what_cannot_be_decoded_is_a_sound_error(case: str, way: str) -> None:
    """A1-A3, A25: broken containers, and scripts whose first bytes are those of a container, are refused by name."""
    data = BAD[case][0]()
    with pytest.raises(AudioFormatError, match=BAD[case][1]):
        read_audio(data if way == "bytes" else cases.pipe(data))


@pytest.fixture
def trap() -> Iterator[tuple[socket.socket, int]]:
    """A server that nobody should call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server, server.getsockname()[1]


def test_a_script_that_reaches_the_decoder_opens_nothing(trap: tuple[socket.socket, int], tmp_path: Path) -> None:
    """A25: playlists handed to PyAV behind the check of first bytes still open no connection and no other file."""
    server, port = trap
    secret = tmp_path / "secret.m4a"
    secret.write_bytes(encode("ipod", "aac", cases.speech_like()))
    before = secret.stat().st_atime_ns
    url = f"http://127.0.0.1:{port}/secret.ts"
    scripts = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {secret}\n",
        f'<?xml version="1.0"?><MPD profiles="urn:mpeg:dash:profile:isoff-live:2011"><BaseURL>{url}</BaseURL></MPD>',
        f"v=0\nftyp=isom\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
    ]
    for script in scripts:
        path = tmp_path / "list.m4a"
        path.write_text(script)
        with path.open("rb") as file, pytest.raises(AudioFormatError):
            TrackReader(file, str(path), "an MP4, M4A or MOV file")
        with pytest.raises(AudioFormatError):
            read_audio(path)
    with pytest.raises(BlockingIOError):
        server.accept()
    assert secret.stat().st_atime_ns == before


def test_changed_bytes_never_escape_our_errors() -> None:
    """Whatever is changed in a container, the answer is finite samples or one of our errors."""
    rng = np.random.default_rng(5)
    sound = speech_and_noise(0.4, 16_000)
    seeds = [encode(*KINDS[kind][:2], sound, rate=16_000) for kind in ("m4a", "mka", "aac", "avi", "caf-alac")]
    seeds += [cases.encoded("OGG", "VORBIS", sound) * 2]
    refused = 0
    for round_ in range(120):
        data = bytearray(seeds[round_ % len(seeds)])
        for at in rng.integers(0, len(data), rng.integers(1, 12)):
            data[at] = rng.integers(0, 256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            try:
                samples, _ = read_audio(bytes(data), max_duration_s=600)
            except VoxfaceError:
                refused += 1
                continue
        assert np.isfinite(samples).all()
    assert refused < 120


def test_a_failing_disk_is_an_error_and_not_the_end() -> None:
    """A28: a read error in the middle of a container is reported, not taken for its end."""
    from tests.test_decode import Failing

    with pytest.raises(InputError, match="Input/output error"):
        read_audio(Failing(encode("matroska", "pcm_s16le", speech_and_noise(3.0, 16_000), rate=16_000)))


def test_without_pyav_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV is an extra: without it an M4A is E-MISSING (exit code 4) with the line that installs it; WAV needs none."""
    data = encode("ipod", "aac", cases.speech_like())
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'voxface\[av\]'") as caught:
        read_audio(data)
    assert caught.value.exit_code == 4
    assert len(read_audio(cases.wav())[0]) == 16_000


def test_the_face_of_a_video_is_the_face_of_its_sound(tmp_path: Path) -> None:
    """`voxface animate` takes M4A, WebM and a video: the face is that of the WAV; a mute video is named."""
    from tests.videos import make_video

    sound, _ = soundfile.read(SAMPLE, dtype="float32", frames=32_000)
    wide = np.repeat(sound, 3)  # 48 kHz, which Opus wants
    (tmp_path / "a.wav").write_bytes(cases.encoded("WAV", "FLOAT", wide, 48_000))
    (tmp_path / "b.m4a").write_bytes(encode("ipod", "aac", wide))
    (tmp_path / "c.webm").write_bytes(encode("webm", "libopus", wide))
    times = np.arange(20) / 10
    make_video(tmp_path / "d.mp4", times, sound=wide[None], rate_hz=48_000, sound_codec="aac")
    make_video(tmp_path / "mute.mov", times)
    done = run_program(
        "animate", "a.wav", "b.m4a", "c.webm", "d.mp4", "mute.mov", "-o", "out/", "--json", "--no-idle", cwd=tmp_path
    )
    answer = json.loads(done.stdout)
    assert done.returncode == 5
    assert [(one["input"], one["code"]) for one in answer["failed"]] == [("mute.mov", "E-AUDIO-FORMAT")]
    assert "mute.mov holds no sound" in answer["failed"][0]["message"]
    assert "warnings" not in answer
    truth = voxface.read(tmp_path / "out" / "a.csv", fps=60).weights
    for name in "bcd":
        weights = voxface.read(tmp_path / "out" / f"{name}.csv", fps=60).weights
        assert len(truth) <= len(weights) <= len(truth) + 4
        assert np.abs(weights[: len(truth)] - truth).mean() < 0.01, name
    assert not list(tmp_path.glob("out/mute*"))
    assert os.listdir(tmp_path / "out") != []
