"""Videos: which frames are kept, when they are, what the sound is, and what cannot hurt us."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")

from tests.videos import grey, make_video, number_of, tone, turn
from voxface.audio import container, video
from voxface.audio.container import Tally, audio_blocks, probe_audio
from voxface.audio.frame_rate import FrameRate, frame_interval, measure_rate
from voxface.audio.video import VideoFrame, probe_video, video_frames
from voxface.errors import InputError, UsageError, VideoFormatError, VoxfaceError


def frames_of(path: Path, fps_limit: float = 30.0, tally: Tally | None = None) -> list[VideoFrame]:
    return list(video_frames(path, probe_video(path), fps_limit, tally or Tally()))


def sound_of(path: Path) -> np.ndarray:
    blocks = list(audio_blocks(path))
    return np.concatenate(blocks) if blocks else np.zeros((0, 1), np.float32)


@pytest.mark.parametrize(
    ("fps", "limit", "interval"),
    [(60, 30, 2), (59.94, 30, 2), (50, 30, 2), (24, 30, 1), (25, 30, 1), (30.2, 30, 1), (31, 30, 2), (120, 30, 4),
     (240, 30, 8), (29.97, 30, 1), (90, 30, 3), (60, 60, 1), (60, 24, 3), (25, 0.5, 50)],
)  # fmt: skip
def test_the_smallest_interval_that_keeps_the_limit(fps: float, limit: float, interval: int) -> None:
    """SPEC A1: the smallest interval >= 1 whose rate is at most the limit, with 1 % tolerance."""
    assert frame_interval(FrameRate(fps, True), limit) == interval


def test_a_variable_rate_has_interval_one() -> None:
    """With a variable rate the index says nothing; a limit that is not above 0 is a usage error."""
    assert frame_interval(FrameRate(57.0, False), 30) == 1
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            frame_interval(FrameRate(25.0, True), wrong)


def test_measured_rates() -> None:
    """Times rounded to milliseconds, and a few dropped frames, are still a constant rate; a jumble is variable."""
    even = np.arange(300) * 1001 / 30_000
    assert measure_rate(np.round(even, 3), 30_000 / 1001) == FrameRate(30_000 / 1001, True)
    dropped = np.delete(even, [50, 51, 120])
    assert measure_rate(dropped, 0).constant
    assert measure_rate(dropped, 0).fps == pytest.approx(29.97, abs=0.01)
    lied = measure_rate(even, 90_000.0)
    assert lied.fps == pytest.approx(29.97, abs=0.01)
    jumble = np.cumsum(np.tile([0.016, 0.05, 0.03], 50))
    assert measure_rate(jumble, 30.0).constant is False
    assert measure_rate(jumble, 30.0).fps == pytest.approx(1 / 0.032, rel=0.01)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
def test_every_second_frame_of_sixty(tmp_path: Path, suffix: str) -> None:
    """60 frames a second under the limit of 30: frames 0, 2, 4 ... come, each with its own picture and true time."""
    codec = {"ts": "mp2", "mp4": "aac"}.get(suffix, "pcm_s16le")
    path = make_video(tmp_path / f"v.{suffix}", np.arange(20) / 60, sound=tone(0.5), sound_codec=codec)
    tally = Tally()
    frames = frames_of(path, tally=tally)
    assert [frame.number for frame in frames] == list(range(0, 20, 2))
    assert [number_of(frame.rgb) for frame in frames] == list(range(0, 20, 2))
    times = np.array([frame.time_s for frame in frames])
    np.testing.assert_allclose(np.diff(times), 1 / 30, atol=0.0011)
    assert tally.decoded == 20


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    """The first channel is red: a tracker that is given BGR sees other skin."""
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    frame = frames_of(make_video(tmp_path / "red.mp4", [0, 0.04], pictures=[red, red]))[0]
    assert frame.rgb.dtype == np.uint8
    assert frame.rgb.mean(axis=(0, 1)) == pytest.approx([255, 0, 0], abs=6)


def test_a_variable_rate_is_picked_by_time(tmp_path: Path) -> None:
    """Variable rate: the first frame at or after each multiple of 1/30 s is taken."""
    times = [0, 0.02, 0.03, 0.08, 0.1, 0.18, 0.19, 0.2, 0.3, 0.31, 0.33, 0.5]
    path = make_video(tmp_path / "v.mkv", times, sound=tone(0.6))
    assert probe_video(path).rate.constant is False
    assert probe_video(path).rate.fps == pytest.approx(11 / 0.5)
    kept = frames_of(path)
    assert [frame.time_s for frame in kept] == pytest.approx([0, 0.08, 0.1, 0.18, 0.2, 0.3, 0.5], abs=0.0011)
    assert [frame.number for frame in kept] == [0, 3, 4, 5, 7, 8, 11]


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "pcm_s16le"), ("mp4", "aac"), ("mkv", "libopus")])
@pytest.mark.parametrize("sound_start_s", [0.0, 0.5])
def test_a_click_is_where_the_picture_is(tmp_path: Path, suffix: str, codec: str, sound_start_s: float) -> None:
    """The picture shown at the click has the click's time on the sample clock, also when the sound starts late."""
    rate_hz = 48_000
    sound = np.zeros((1, rate_hz), np.float32)
    sound[0, 24_000:24_048] = 0.9  # half a second in
    times = np.arange(30) / 25
    path = make_video(
        tmp_path / f"click.{suffix}", times, sound=sound, rate_hz=rate_hz, sound_start_s=sound_start_s,
        sound_codec=codec,
    )  # fmt: skip
    heard_s = int(np.argmax(np.abs(sound_of(path)[:, 0]))) / rate_hz
    at_click = int(np.argmin(np.abs(times - (0.5 + sound_start_s))))
    frame = next(frame for frame in frames_of(path) if frame.number == at_click)
    assert frame.time_s - heard_s == pytest.approx(times[at_click] - (0.5 + sound_start_s), abs=0.004)


def test_without_sound_times_start_at_the_first_frame(tmp_path: Path) -> None:
    """No audio track: second 0 is the first frame, there are no samples."""
    path = make_video(tmp_path / "mute.mkv", 3.0 + np.arange(5) / 25)
    assert probe_video(path).audio_rate_hz is None
    assert probe_audio(path) is None
    assert [frame.time_s for frame in frames_of(path)] == pytest.approx(np.arange(5) / 25)
    assert len(sound_of(path)) == 0


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le", "flac"])
def test_sound_keeps_its_rate_channels_and_size(tmp_path: Path, codec: str) -> None:
    """Blocks have the file's own rate and channels; every sample format arrives with full scale 1."""
    sound = tone(0.3, 44_100, 2) * np.array([[1.0], [0.5]], np.float32)
    path = make_video(tmp_path / "v.mkv", [0, 0.04], sound=sound, rate_hz=44_100, sound_codec=codec)
    info = probe_audio(path)
    assert info is not None
    assert info[0] == 44_100
    heard = sound_of(path)
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, sound.T, atol=0.009 if codec == "pcm_u8" else 1e-4)


def test_a_hole_in_the_sound_becomes_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound that pauses between packets keeps its later samples at their time; an impossible hole is refused."""
    path = make_video(tmp_path / "v.mkv", [0, 0.04], sound=tone(1.0))
    whole, decode = sound_of(path), container.decoded

    def with_hole(opened: Any, stream: Any, tally: Tally) -> Iterator[Any]:
        for k, frame in enumerate(decode(opened, stream, tally)):
            if not 2 <= k < 5:
                yield frame

    monkeypatch.setattr(container, "decoded", with_hole)
    holed = sound_of(path)
    assert len(holed) == len(whole)
    assert np.count_nonzero(holed == whole) < len(whole)
    np.testing.assert_array_equal(holed[8000:], whole[8000:])

    def far_away(opened: Any, stream: Any, tally: Tally) -> Iterator[Any]:
        for k, frame in enumerate(decode(opened, stream, tally)):
            frame.pts += 10**12 * (k > 2)
            yield frame

    monkeypatch.setattr(container, "decoded", far_away)
    with pytest.raises(VideoFormatError, match="hole"):
        sound_of(path)


def test_times_that_jump_back_are_dropped_and_counted(tmp_path: Path) -> None:
    """Two recordings pasted together: frames and sound that go back in time are left out, the rest keeps its time."""
    once = make_video(tmp_path / "once.ts", np.arange(20) / 25, sound=tone(1.0), sound_codec="mp2")
    twice = tmp_path / "twice.ts"
    twice.write_bytes(once.read_bytes() * 2)
    tally = Tally()
    times = [frame.time_s for frame in frames_of(twice, tally=tally)]
    assert times == sorted(set(times))
    assert tally.not_rising == 20
    assert abs(len(sound_of(twice)) - len(sound_of(once))) < 1600


def test_frames_without_a_time_get_one_from_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that gives no presentation times: the frame rate spaces the frames, and it is counted."""
    path = make_video(tmp_path / "v.mp4", np.arange(8) / 25)
    decode = container.decoded

    def timeless(opened: Any, stream: Any, tally: Tally) -> Iterator[Any]:
        for frame in decode(opened, stream, tally):
            frame.pts = None
            yield frame

    monkeypatch.setattr(video, "decoded", timeless)
    tally = Tally()
    assert [frame.time_s for frame in frames_of(path, tally=tally)] == pytest.approx(np.arange(8) / 25)
    assert tally.without_time == 8


@pytest.mark.parametrize(("degrees", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_turned_videos_stand_upright(tmp_path: Path, degrees: int, corner: tuple[int, int]) -> None:
    """A phone held upright writes a lying picture and a note to turn it; the tracker gets it turned."""
    lying = grey(0)
    lying[:24, :32] = 255  # white in the top left corner
    path = make_video(tmp_path / "phone.mp4", [0, 0.04], pictures=[lying, lying])
    turn(path, degrees)
    rgb = frames_of(path)[0].rgb
    assert rgb.shape[:2] == ((64, 48) if degrees != 180 else (48, 64))
    assert rgb.flags.c_contiguous
    corners = {at: int(rgb[at[0] * 5 + (at[0] == 0) * 4, at[1] * 5 + (at[1] == 0) * 4].mean()) for at in _CORNERS}
    assert max(corners, key=lambda at: corners[at]) == corner


_CORNERS = ((0, 0), (0, -1), (-1, 0), (-1, -1))


def test_a_video_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    """The end of the file is missing: the frames before it come, and it is known how much is missing."""
    noise = [np.random.default_rng(k).integers(0, 255, (48, 64, 3)).astype(np.uint8) for k in range(50)]
    options = {"movflags": "faststart"}
    path = make_video(tmp_path / "v.mp4", np.arange(50) / 25, pictures=noise, sound=tone(2.0), sound_codec="aac",
                      options=options)  # fmt: skip
    content = path.read_bytes()
    assert probe_video(path).missing_s == 0
    path.write_bytes(content[: len(content) // 2])
    frames = frames_of(path)
    assert 5 < len(frames) < 50
    assert probe_video(path).missing_s == pytest.approx((50 - len(frames)) / 25, abs=0.05)


def _bad_files(folder: Path) -> dict[str, bytes]:
    whole = make_video(folder / "whole.mp4", np.arange(5) / 25, sound=tone(0.3), sound_codec="aac").read_bytes()
    only_sound = io.BytesIO()
    import soundfile

    soundfile.write(only_sound, tone(0.2)[0], 16_000, format="WAV")
    return {
        "empty": b"",
        "random": np.random.default_rng(3).bytes(4096),
        "text": b"this is no video\n" * 50,
        "png": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "no_moov": whole.split(b"moov")[0][:-4],
        "sound_only": only_sound.getvalue(),
        "cut_in_header": whole[:30],
    }


@pytest.mark.parametrize("kind", ["empty", "random", "text", "png", "no_moov", "sound_only", "cut_in_header"])
def test_what_is_no_video_is_named_and_refused(tmp_path: Path, kind: str) -> None:
    """Broken files give a VideoFormatError with the name of the file, never another exception."""
    path = tmp_path / f"{kind}.mp4"
    path.write_bytes(_bad_files(tmp_path)[kind])
    with pytest.raises(VideoFormatError, match=path.name):
        frames_of(path)


def test_damaged_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    """A hundred videos with random bytes overwritten: frames or one of our errors, nothing else."""
    whole = make_video(tmp_path / "v.mp4", np.arange(6) / 25, sound=tone(0.3), sound_codec="aac").read_bytes()
    rng, path, refused = np.random.default_rng(11), tmp_path / "broken.mp4", 0
    for _ in range(100):
        content = bytearray(whole)
        for at in rng.integers(0, len(content), 12):
            content[at] = rng.integers(0, 256)
        path.write_bytes(content)
        try:
            frames_of(path)
            sound_of(path)
        except VoxfaceError:
            refused += 1
    assert refused < 100


def test_places_that_are_no_files(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes, a missing file, a forbidden name: InputError at once, no hanging."""
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, tmp_path / "missing.mp4", Path("bad\0name.mp4")):
        with pytest.raises(InputError):
            probe_video(path)


@pytest.fixture
def trap() -> Iterator[tuple[int, list[bytes]]]:
    """A port that notes every connection."""
    visits: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    peer, _ = server.accept()
                    visits.append(peer.recv(200))
                    peer.close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], visits
        stop.set()
        thread.join()


@pytest.mark.parametrize("suffix", ["mp4", "m3u8", "wav"])
def test_a_playlist_in_disguise_opens_nothing(tmp_path: Path, trap: tuple[int, list[bytes]], suffix: str) -> None:
    """HLS, DASH and concat lists, by path and by handle: refused; no socket is opened and no other file is read."""
    port, visits = trap
    make_video(tmp_path / "secret.mp4", np.arange(5) / 25, sound=tone(0.2), sound_codec="aac")
    url = f"http://127.0.0.1:{port}/secret.ts"
    lists = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {tmp_path / 'secret.mp4'}\n",
        f'<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>',
    ]
    for text in lists:
        path = tmp_path / f"list.{suffix}"
        path.write_text(text)
        with pytest.raises(VideoFormatError):
            probe_video(path)
        with pytest.raises(VideoFormatError):
            probe_audio(io.BytesIO(text.encode()))
    assert visits == []


def test_a_name_that_looks_like_an_address_is_a_name(tmp_path: Path, trap: tuple[int, list[bytes]]) -> None:
    """`http://`, `concat:`, `subfile,,` are file names that do not exist, never addresses."""
    port, visits = trap
    for name in (f"http://127.0.0.1:{port}/v.mp4", "concat:a.mp4|b.mp4", "subfile,,start,0,end,0,,:a.mp4", "pipe:0"):
        with pytest.raises(InputError):
            probe_video(name)
    assert visits == []
