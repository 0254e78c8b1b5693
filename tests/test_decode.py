"""Recordings of every kind become one channel of finite samples; what cannot, says why."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.faults import audio_cases as cases
from voxface.audio.decode import AudioSource, RawFormat, open_audio, read_audio
from voxface.audio.sniff import what_is
from voxface.errors import (
    AudioEmptyError,
    AudioFormatError,
    AudioNonFiniteError,
    AudioTruncatedError,
    InputError,
    InputWarning,
    LimitError,
)

WAYS = {"bytes": lambda data: data, "file": io.BytesIO, "pipe": cases.pipe}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "way" in metafunc.fixturenames:
        metafunc.parametrize("way", WAYS)


@pytest.mark.parametrize("case", cases.NOT_SOUND)
def test_what_is_no_sound_is_named(case: str, way: str) -> None:
    """A1-A3, A17, A25: every wrong file is refused with what it is, from memory as from a pipe."""
    make, says = cases.NOT_SOUND[case]
    with pytest.raises(AudioFormatError, match=says):
        read_audio(WAYS[way](make()))


@pytest.mark.parametrize("case", cases.ODD_BUT_SOUND)
def test_odd_files_are_read_without_a_warning(case: str, way: str) -> None:
    """A6, A8, A10, A11: unusual is not wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        samples, rate = read_audio(WAYS[way](cases.ODD_BUT_SOUND[case]()))
    assert rate == cases.RATE
    assert len(samples)
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()


@pytest.mark.parametrize("case", cases.MENDED)
def test_what_can_be_mended_is_mended_with_one_warning(case: str, way: str) -> None:
    """A4, A5, A12, A13, A16: the sound that is there is used, and one warning says what was done."""
    make, code = cases.MENDED[case]
    with pytest.warns(InputWarning) as caught:
        samples, _ = read_audio(WAYS[way](make()))
    assert [warning.message.code for warning in caught] == [code]
    assert np.isfinite(samples).all()
    original = cases.speech_like(4)[: len(samples)]
    assert len(samples) > 7_000
    assert np.count_nonzero(np.abs(samples - original) > 1e-3) <= 4


@pytest.mark.parametrize("case", cases.EMPTY)
def test_a_recording_without_samples_is_empty(case: str, way: str) -> None:
    """A7: no samples is an error of its own, not a wrong format."""
    with pytest.raises(AudioEmptyError, match="0 samples"):
        read_audio(WAYS[way](cases.EMPTY[case]()))


@pytest.mark.parametrize("name", cases.ENCODINGS)
def test_all_encodings_carry_the_same_sound(name: str, way: str) -> None:
    """A14: every container and encoding gives the original within its own precision, and in time with it."""
    container, encoding, tolerance = cases.ENCODINGS[name]
    samples, rate = read_audio(WAYS[way](cases.encoded(container, encoding)))
    original = cases.speech_like()
    assert rate == cases.RATE
    assert len(samples) >= len(original)
    np.testing.assert_allclose(samples[: len(original)], original, atol=tolerance + 1e-12)


@pytest.mark.parametrize("bit_rate", ["CONSTANT", "VARIABLE"])
def test_an_mp3_without_a_length_is_read_to_its_end(bit_rate: str) -> None:
    """An MP3 whose first frame is short and untagged loses nothing, also behind a large picture."""
    sound = cases.speech_like(20) * np.linspace(0, 1, 320_000, dtype=np.float32)[::-1]
    file = io.BytesIO()
    quiet_start = np.concatenate([np.zeros(16_000, np.float32), sound])
    soundfile.write(file, quiet_start, 16_000, format="MP3", bitrate_mode=bit_rate, compression_level=0.5)
    tagged = file.getvalue()
    bare = tagged[tagged.find(tagged[:2], 4) :]
    picture = b"ID3\x03\0\0" + bytes([0, 4, 0, 0]) + bytes(4 << 14)
    whole, _ = read_audio(tagged)
    samples, _ = read_audio(picture + bare)
    assert open_audio(bare).samples is None
    assert 0 <= len(samples) - len(whole) < 2 * 1152
    shift = int(np.argmax(np.abs(samples) > 0.01)) - int(np.argmax(np.abs(whole) > 0.01))
    assert 0 <= shift < 1152
    np.testing.assert_allclose(samples[shift : shift + 300_000], whole[:300_000], atol=1e-6)


@pytest.mark.parametrize("case", [name for name, (_, code) in cases.MENDED.items() if code == "W-TRUNCATED"])
def test_strict_refuses_a_cut_recording(case: str, way: str) -> None:
    """A4, A5: with strict, a recording shorter than its header says is an error."""
    with pytest.raises(AudioTruncatedError):
        read_audio(WAYS[way](cases.MENDED[case][0]()), strict=True)


def test_a_cut_recording_says_how_much_is_missing() -> None:
    """A4: the warning names the duration that is there and the one that should be."""
    with pytest.warns(InputWarning, match=r"is cut: 0\.62 s of sound, but its header says 1\.00 s"):
        read_audio(cases.MENDED["A4-cut-data"][0]())


@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 22_050, 44_099, 88_200, 192_000, 384_000])
def test_every_rate_is_kept(rate: int) -> None:
    """A18: the decoder gives the rate and all samples of the file."""
    samples, got = read_audio(cases.wav(cases.speech_like(0.1, rate), rate=rate))
    assert (got, len(samples)) == (rate, round(0.1 * rate))


def test_a_limit_of_duration_holds(way: str) -> None:
    """A23: a longer recording is refused, whether its length is known at once or only on the way."""
    bomb = cases.encoded("FLAC", samples=np.zeros(16_000 * 60, np.float32))
    with pytest.raises(LimitError, match="30"):
        read_audio(WAYS[way](bomb), max_duration_s=30)
    with pytest.raises(LimitError):
        read_audio(WAYS[way](cases.wav(data_size=0)[44:]), raw=RawFormat("s16le"), max_duration_s=0.5)
    assert len(read_audio(WAYS[way](bomb), max_duration_s=60)[0]) == 960_000


def test_a_block_is_never_large() -> None:
    """Memory stays constant: blocks of a long recording are bounded, and of many channels too."""
    with open_audio(cases.wav(np.zeros((200_000, 16), np.float32))) as audio:
        assert max(map(len, audio.blocks())) <= 65_536
    with open_audio(cases.encoded("FLAC", samples=cases.speech_like(9))) as audio:
        assert [len(block) for block in audio.blocks(10_000)][:3] == [10_000] * 3


def test_an_audio_source_says_what_it_is(tmp_path: Path) -> None:
    """Name, rate, channels and length are known before the first block; the file is closed afterwards."""
    path = tmp_path / "two.flac"
    path.write_bytes(cases.encoded("FLAC", samples=np.zeros((500, 2), np.float32), rate=22_050))
    with open_audio(path) as audio:
        assert isinstance(audio, AudioSource)
        assert (audio.name, audio.rate_hz, audio.channels, audio.samples) == (str(path), 22_050, 2, 500)
    audio.close()
    given = io.BytesIO(path.read_bytes())
    with open_audio(given) as audio:
        list(audio.blocks())
    assert not given.closed


NAMES = [
    "http://127.0.0.1:9/a.wav",
    "concat:a.wav|b.wav",
    "subfile,,start,0,,:a.wav",
    "pipe:0",
    "file:a.wav",
    "a\0.wav",
]


@pytest.mark.parametrize("name", [*NAMES, "missing.wav", "x" * 5000])
def test_a_name_is_a_path_and_nothing_else(name: str) -> None:
    """A26: what looks like an address or a protocol is a file that is not there."""
    with pytest.raises(InputError, match="cannot open"):
        open_audio(name)


def test_a_file_with_the_name_of_an_address_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A26, A27: a path is taken literally, whatever it looks like."""
    monkeypatch.chdir(tmp_path)
    for name in ("http:", "😀 ä.wav ", "-x.wav", "a\nb.wav", "noise.raw"):
        Path(name).write_bytes(cases.wav())
        assert len(read_audio(Path(name))[0]) == 16_000


@pytest.mark.skipif(os.name == "nt", reason="pipes, devices and permissions as on POSIX")
def test_paths_that_are_no_files_do_not_hang(tmp_path: Path) -> None:
    """A28: a pipe without a writer, a device, a folder and a loop of links are refused at once, with the way out."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match=r"a pipe.*Give -"):
        open_audio(tmp_path / "fifo")
    with pytest.raises(InputError, match=r"a device.*Give -"):
        open_audio("/dev/zero")
    with pytest.raises(InputError, match="a folder"):
        open_audio(tmp_path)
    with pytest.raises(InputError, match="cannot open"):
        open_audio(tmp_path / "loop")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions as on POSIX")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    """A28: no permission is an error that says so."""
    path = tmp_path / "closed.wav"
    path.write_bytes(cases.wav())
    path.chmod(0)
    me = os.geteuid()
    if me == 0:  # root may read everything: be nobody for a moment
        os.seteuid(65534)
    try:
        with pytest.raises(InputError, match="Permission"):
            open_audio(path)
    finally:
        os.seteuid(me)


def test_a_file_removed_while_it_is_read(tmp_path: Path) -> None:
    """A28: the open file is read to its end; one that is cut meanwhile ends early, with a warning."""
    path = tmp_path / "gone.wav"
    path.write_bytes(cases.wav(cases.speech_like(30)))
    with open_audio(path) as audio:
        blocks = audio.blocks(4_096)
        first = next(blocks)
        os.truncate(path, 200_000)
        path.unlink()
        with pytest.warns(InputWarning, match="W-TRUNCATED"):
            rest = list(blocks)
    assert 0 < len(first) + sum(map(len, rest)) < 480_000


class Failing(io.BytesIO):
    """A file whose disk fails after a while."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 50_000:
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_a_failing_disk_is_an_error_and_not_the_end() -> None:
    """A read error in the middle is reported, not taken for the end of the sound."""
    for data in (cases.wav(cases.speech_like(9)), cases.encoded("FLAC", samples=cases.speech_like(30))):
        with pytest.raises(InputError, match="Input/output error"):
            read_audio(Failing(data))


def test_things_that_are_no_source_are_refused() -> None:
    """Text files and other values are wrong calls that say what is needed."""
    with pytest.raises(InputError, match="as text"):
        open_audio(io.StringIO("no"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a path, bytes or an open binary file"):
        open_audio(7)  # type: ignore[arg-type]


def test_a_spool_that_is_no_sound_leaves_nothing_open() -> None:
    """A FLAC from a pipe that breaks in its header is refused and its temporary copy closed (else a warning fails)."""
    with pytest.raises(AudioFormatError):
        read_audio(cases.pipe(b"fLaC" + bytes(100)))


def test_random_changes_never_escape_our_errors() -> None:
    """Whatever is changed in a file, the answer is finite samples or one of our errors."""
    rng = np.random.default_rng(11)
    seeds = [
        cases.wav(),
        cases.encoded("FLAC"),
        cases.encoded("AIFF"),
        cases.encoded("OGG", "VORBIS"),
        cases.streamed_flac(),
    ]
    for round_ in range(120):
        data = bytearray(seeds[round_ % len(seeds)])
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(0, min(len(data), 400))] = rng.integers(0, 256)
        cut = bytes(data[: rng.integers(1, len(data))] if rng.random() < 0.3 else data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            try:
                samples, _ = read_audio(cut if round_ % 2 else cases.pipe(cut), max_duration_s=600)
            except (InputError, AudioFormatError, AudioEmptyError, AudioNonFiniteError, LimitError):
                continue
            assert np.isfinite(samples).all()


def test_sniffing_knows_utf16_and_short_files() -> None:
    """A text in UTF-16 is text, and one byte is no known sound."""
    assert what_is("#EXTM3U\n".encode("utf-16")).name == "an HLS playlist"
    assert not what_is(b"R").sound
    assert what_is(b"\xff\xfb\x90\x00" + bytes(100)).name == "MP3"


def test_two_threads_read_two_files() -> None:
    """Nothing is shared between readers."""
    data = [cases.encoded("FLAC", samples=cases.speech_like(5) * scale) for scale in (1.0, 0.5)]
    got: dict[int, np.ndarray] = {}
    workers = [threading.Thread(target=lambda i=i: got.update({i: read_audio(data[i])[0]})) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_allclose(got[0] * 0.5, got[1], atol=1e-4)


def test_a_ds64_size_counts() -> None:
    """An RF64 file cut after its header is measured by its 64-bit size."""
    data = cases.encoded("RF64")
    assert struct.unpack_from("<I", data, 4)[0] == 0xFFFFFFFF
    with pytest.warns(InputWarning, match=r"says 1\.00 s"):
        read_audio(data[:20_000])
