"""Films: what was written is decoded again, and picture and sound are compared on one clock."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("av", reason="films need the extra `render`")
pytest.importorskip("PIL", reason="labels need the extra `render`")

import av

from tests.conftest import SAMPLE
from voxface.audio import movie
from voxface.audio.decode import read_audio
from voxface.audio.movie import KINDS, Sound, png, write_film, write_gif
from voxface.cli.render import parsed_size, render
from voxface.errors import InputWarning, MissingDependencyError, OutputError, UsageError
from voxface.export.formats import write
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT
from voxface.render import video
from voxface.render.labels import label

FPS, RATE = 25.0, 16_000


def pictures_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times in seconds and (n, h, w, 3) RGB of every picture in a file."""
    with av.open(str(path)) as container:
        shown = [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return np.array([time_s for time_s, _ in shown]), np.array([rgb for _, rgb in shown])


def flash(times_s: np.ndarray, at_s: float) -> Iterator[np.ndarray]:
    """Black pictures, white from at_s on."""
    return (np.full((48, 64, 3), 235 if time_s >= at_s - 1e-6 else 20, np.uint8) for time_s in times_s)


def beep(seconds: float, at_s: float, rate_hz: int = RATE) -> np.ndarray:
    """Silence, 440 Hz from at_s on."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (np.where(t >= at_s, 0.5, 0) * np.sin(2 * np.pi * 440 * (t - at_s))).astype(np.float32)


def onset_s(samples: np.ndarray, rate_hz: int) -> float:
    """When it first becomes loud."""
    return float(np.flatnonzero(np.abs(samples) > 0.1)[0]) / rate_hz


def talking(path: Path, at_s: float, seconds: float = 1.2, **more: Any) -> Path:
    """A clip whose jaw falls open at at_s on the audio clock, and stays so."""
    weights = np.zeros((round(seconds * 50), 52), np.float32)
    clip = FaceClip(weights, ARKIT, 50.0, **more)
    weights = weights.copy()
    weights[clip.times_s >= at_s - 1e-6, ARKIT.index("jawOpen")] = 1
    write(FaceClip(weights, ARKIT, 50.0, **more), path)
    return path


def run(source: Path | str, output: Path | str, **options: Any) -> dict[str, Any]:
    """The verb as the program calls it, with --json; its object, the warnings in it."""
    said, complained = io.StringIO(), io.StringIO()
    given = {"size": "64", "json": True} | options
    with redirect_stdout(said), redirect_stderr(complained):
        try:
            render(str(source), str(output), **given)
        except SystemExit as error:
            return json.loads(said.getvalue()) | {"exit": error.code}
    assert not list(Path(output).parent.glob("*.part"))
    answer: dict[str, Any] = json.loads(said.getvalue())
    return answer


@pytest.mark.parametrize("rate_hz", [RATE, 44_100, 12_345])
@pytest.mark.parametrize("suffix", KINDS)
def test_a_flash_and_a_beep_stay_together(tmp_path: Path, suffix: str, rate_hz: int) -> None:
    """What is decoded again flashes and beeps at one time, to a picture and 5 ms, whatever the rate of the sound."""
    path, sound = tmp_path / f"film{suffix}", beep(1.6, 0.6, rate_hz)
    write_film(path, flash(np.arange(40) / FPS, 0.6), FPS, Sound(iter(np.array_split(sound, 7)), rate_hz))
    times, shown = pictures_of(path)
    np.testing.assert_allclose(times, np.arange(40) / FPS, atol=0.0011)
    light = shown.mean(axis=(1, 2, 3))
    assert times[np.argmax(light > 128)] == pytest.approx(0.6, abs=0.0011)
    assert np.abs(light[light > 128] - 235).max() < 4
    heard, at_hz = read_audio(path)
    assert onset_s(heard, at_hz) == pytest.approx(0.6, abs=0.005)
    assert len(heard) / at_hz == pytest.approx(1.6, abs=0.07)


def test_an_mp4_is_what_players_expect(tmp_path: Path) -> None:
    """H.264 in yuv420p with AAC, its index before its data, colours that come back as they went in."""
    path = tmp_path / "film.mp4"
    patch = np.zeros((64, 64, 3), np.uint8) + np.array([200, 120, 90], np.uint8)
    assert write_film(path, [patch] * 5, 30.0, Sound([beep(1, 0)], RATE)) == "libx264"
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, picture.pix_fmt, sound.codec_context.name) == ("h264", "yuv420p", "aac")
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        back = av.video.reformatter.VideoReformatter().reformat(frame, format="rgb24", src_colorspace=1).to_ndarray()
    assert np.abs(back.astype(int) - patch).max() <= 4


@pytest.mark.parametrize("start_s", [0.0, 0.5, -0.4])
def test_the_mouth_opens_when_it_is_heard(tmp_path: Path, start_s: float) -> None:
    """A clip that begins before, at or after second 0 of its sound: in the film the jaw falls with the beep."""
    clip = talking(tmp_path / "x.npz", 0.6, start_s=start_s)
    soundfile.write(tmp_path / "x.wav", beep(1.1, 0.6), RATE)
    out = tmp_path / "film.mp4"
    answer = run(clip, out, audio=str(tmp_path / "x.wav"), fps=25.0, camera="mouth")
    assert (answer["start_s"], answer["size"]) == (0.0, [64, 64])
    times, shown = pictures_of(out)
    moved = np.abs(shown.astype(int) - shown[0]).mean(axis=(1, 2, 3))
    assert times[np.argmax(moved > moved.max() / 2)] == pytest.approx(0.6, abs=0.0011)
    assert onset_s(*read_audio(out)) == pytest.approx(0.6, abs=0.005)


def test_a_part_of_a_film_keeps_its_sound(tmp_path: Path) -> None:
    """--from and --to cut picture and sound at the same place."""
    soundfile.write(tmp_path / "x.wav", beep(1.6, 0.8), RATE)
    out = tmp_path / "part.mp4"
    clip = talking(tmp_path / "x.npz", 0.8)
    answer = run(clip, out, audio=str(tmp_path / "x.wav"), fps=25.0, start=0.6, stop=1.2, camera="mouth")
    assert answer["pictures"] == 15
    times, shown = pictures_of(out)
    moved = np.abs(shown.astype(int) - shown[0]).mean(axis=(1, 2, 3))
    assert times[np.argmax(moved > moved.max() / 2)] == pytest.approx(0.2, abs=0.0011)
    heard, rate_hz = read_audio(out)
    assert onset_s(heard, rate_hz) == pytest.approx(0.2, abs=0.005)
    assert len(heard) / rate_hz == pytest.approx(0.6, abs=0.07)


@pytest.mark.parametrize(("seconds", "said"), [(0.5, "silence follows"), (3.0, "the rest of it is left out")])
def test_sound_of_another_length_is_told(tmp_path: Path, seconds: float, said: str) -> None:
    """The clip decides how long the film is; sound that is shorter or longer is a warning, not an error."""
    soundfile.write(tmp_path / "x.wav", beep(seconds, 0.1), RATE)
    answer = run(talking(tmp_path / "x.npz", 0.8), tmp_path / "x.mp4", audio=str(tmp_path / "x.wav"))
    assert answer["pictures"] == 36
    assert [text for text in answer["warnings"] if "W-SOUND-LENGTH" in text and said in text]
    heard, rate_hz = read_audio(tmp_path / "x.mp4")
    assert len(heard) / rate_hz == pytest.approx(min(seconds, 1.2), abs=0.07)


def test_speech_becomes_a_film_with_its_own_sound(tmp_path: Path) -> None:
    """A sound file is animated first; at 30 pictures a second, as long as the speech."""
    answer = run(SAMPLE, tmp_path / "hello.mp4", stop=1.0)
    assert (answer["pictures"], answer["fps"]) == (30, 30.0)
    heard, rate_hz = read_audio(tmp_path / "hello.mp4")
    wanted, _ = read_audio(SAMPLE)
    assert rate_hz == 16_000
    assert np.corrcoef(heard[:15_000], wanted[:15_000])[0, 1] > 0.95


def test_a_gif_has_the_pictures_of_the_clip(tmp_path: Path) -> None:
    """At most 25 pictures a second, for ever, in 256 colours that are near the true ones; it has no sound."""
    clip = talking(tmp_path / "x.npz", 0.8)
    answer = run(clip, tmp_path / "x.gif", size="80x64")
    assert (answer["pictures"], answer["fps"]) == (30, 25.0)
    times, shown = pictures_of(tmp_path / "x.gif")
    np.testing.assert_allclose(times, np.arange(30) / 25, atol=1e-6)
    assert b"NETSCAPE2.0" in (tmp_path / "x.gif").read_bytes()
    run(clip, tmp_path / "still.png", size="80x64", at=[1.1])
    _, exact = pictures_of(tmp_path / "still.png")
    assert np.abs(shown[-1].astype(int) - exact[0]).mean() < 6
    assert run(clip, tmp_path / "y.gif", audio=str(SAMPLE))["error"]["code"] == "E-USAGE"


def test_pngs_are_exact(tmp_path: Path) -> None:
    """A PNG gives back every byte; several moments make a strip; %03d makes one file per picture."""
    noise = np.random.default_rng(1).integers(0, 256, (31, 17, 3), np.uint8)
    (tmp_path / "noise.png").write_bytes(png(noise))
    np.testing.assert_array_equal(pictures_of(tmp_path / "noise.png")[1][0], noise)
    clip = talking(tmp_path / "x.npz", 0.8)
    answer = run(clip, tmp_path / "strip.png", at=[0.0, 0.79, 1.0])
    strip = pictures_of(tmp_path / "strip.png")[1][0].astype(int)
    assert strip.shape == (64, 3 * 64 + 2 * 4, 3)
    assert answer["size"] == [3 * 64 + 2 * 4, 64]
    assert run(clip, tmp_path / "p_%03d.png", fps=5.0)["pictures"] == 6
    names = sorted(path.name for path in tmp_path.glob("p_*.png"))
    assert names == [f"p_{k:03d}.png" for k in range(6)]
    np.testing.assert_array_equal(pictures_of(tmp_path / names[5])[1][0], strip[:, -64:])


def test_two_faces_stand_side_by_side_with_their_names(tmp_path: Path) -> None:
    """--compare shows INPUT to the left, labelled with the names of the files; each moves as its own clip says."""
    one, other = talking(tmp_path / "captured.npz", 0.4), talking(tmp_path / "predicted.npz", 9.0)
    answer = run(one, tmp_path / "both.png", compare=str(other), size="96", at=[0.0, 1.0], camera="mouth")
    assert answer["size"] == [2 * 192 + 4, 96]
    picture = pictures_of(tmp_path / "both.png")[1][0].astype(int)
    before, after = picture[:, :192], picture[:, 196:]
    assert np.abs(before[:, :96] - after[:, :96]).mean() > 3 * np.abs(before[:, 96:] - after[:, 96:]).mean()
    grey = np.full((96, 96, 3), 128, np.uint8)
    label("captured.npz", (96, 96)).put_on(grey)
    assert (grey[:60] == 128).all()
    assert grey.max() > 200


def test_labels_of_any_text_fit() -> None:
    """Long names, other scripts, line breaks and nothing at all stay inside the picture."""
    for text in ("x" * 500, "口の形\n.csv", "", "\u202e\x1b[31m"):
        picture = np.full((40, 50, 3), 128, np.uint8)
        label(text, (50, 40)).put_on(picture)
        assert picture.shape == (40, 50, 3)


def test_odd_sizes_are_made_even_for_films_only(tmp_path: Path) -> None:
    """Films store colours for pairs of pixels: an odd side grows by one and is told; pictures keep any size."""
    with pytest.warns(InputWarning, match="64x51 becomes 64x52"):
        assert video.fitting((64, 51), ".mp4") == (64, 52)
    clip = talking(tmp_path / "x.npz", 0.8, seconds=0.1)
    assert run(clip, tmp_path / "x.webm", size="33x35")["size"] == [34, 36]
    assert run(clip, tmp_path / "x.gif", size="33x35")["size"] == [33, 35]
    assert (parsed_size("512"), parsed_size("1280x720")) == ((512, 512), (1280, 720))


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"output": "x.avi"}, "E-USAGE", ".mp4, .webm, .gif, .png"),
        ({"output": "x"}, "E-USAGE", "no suffix"),
        ({"size": "5x5x5"}, "E-USAGE", "no size"),
        ({"size": "90000"}, "E-USAGE", "16 to 4096"),
        ({"size": "7"}, "E-USAGE", "7x7 was asked for"),
        ({"output": "%04d_%s.png"}, "E-USAGE", "%s in"),
        ({"output": "x.png", "at": [9.0]}, "E-USAGE", "nothing at 9 s"),
        ({"fps": 0.0}, "E-USAGE", "0.01 to 1000"),
        ({"size": "-3"}, "E-USAGE", "no size"),
        ({"start": 9.0}, "E-USAGE", "nothing is there to see"),
        ({"fps": 0.0001}, "E-USAGE", "0.01 to 1000"),
        ({"at": [1.0]}, "E-USAGE", "one PNG"),
        ({"camera": "moon"}, "E-USAGE", "three-quarter"),
        ({"gl": "maybe"}, "E-USAGE", "auto, on or off"),
        ({"source": "-"}, "E-USAGE", "read twice"),
        ({"source": "missing.npz"}, "E-INPUT", "missing.npz"),
        ({"source": "nan.json"}, "E-CLIP", "nan.json"),
        ({"source": "none.npz"}, "E-CLIP", "0 frames"),
        ({"source": "odd.npz"}, "E-RIG-MISSING", "antenna"),
        ({"head": "x.npz"}, "E-HEAD", "x.npz"),
        ({"output": "sound.mp4", "audio": "sound.mp4"}, "E-USAGE", "is an input"),
        ({"audio": "none.npz"}, "E-AUDIO-FORMAT", "none.npz"),
        ({"output": "x.npz/y.mp4"}, "E-OUTPUT", "cannot write"),
    ],
)
def test_what_cannot_be_rendered_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], code: str, words: str
) -> None:
    """Bad clips, sounds, sizes, moments, places: the code and the words that help, and no file."""
    monkeypatch.chdir(tmp_path)
    talking(Path("x.npz"), 0.8, seconds=0.2)
    write(FaceClip(np.zeros((0, 52), np.float32), ARKIT, 30.0), "none.npz")
    write(FaceClip(np.zeros((3, 1), np.float32), ("antenna",), 30.0), "odd.npz")
    Path("nan.json").write_text(
        '{"format":"voxface-animation","version":1,"fps":30,"names":["jawOpen"],"frames":[[NaN]]}'
    )
    Path("sound.mp4").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    answer = run(**({"source": "x.npz", "output": "x.mp4"} | options))
    assert answer["error"]["code"] == code, answer
    assert words in answer["error"]["message"] + answer["error"]["hint"]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_film_that_breaks_off_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    """Whatever ends the drawing comes out as it is, and there is no file, whole or half."""

    def pictures() -> Iterator[np.ndarray]:
        yield from flash(np.arange(30), 0)
        raise error

    for write_it in (
        lambda path: write_film(path, pictures(), FPS, Sound([beep(1, 0)], RATE)),
        lambda path: write_gif(path, pictures(), FPS, list(flash(np.arange(2), 1))),
    ):
        with pytest.raises(error):
            write_it(tmp_path / "x.mp4")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """Where a film does not fit, the error says so, FFmpeg's own farewell says nothing, and no file is left."""
    program = """
import resource, numpy as np
from voxface.audio.movie import write_film, write_gif
from voxface.errors import VoxfaceError
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
noise = [np.random.default_rng(k).integers(0, 256, (64, 64, 3), np.uint8) for k in range(30)]
for write in (lambda: write_film("x.mp4", noise, 25.0), lambda: write_gif("x.gif", noise, 25.0, noise[:2])):
    try:
        write()
    except VoxfaceError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert [line.startswith("cannot write ") for line in done.stdout.splitlines()] == [True, True], done.stderr
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_a_long_film_and_leaves_nothing(tmp_path: Path) -> None:
    """The program says how long it will take; an interrupt ends it with exit code 130 and no file."""
    write(FaceClip(np.zeros((200_000, 1), np.float32), ("jawOpen",), 30.0), tmp_path / "x.npz")
    command = [sys.executable, "-m", "voxface.cli.main", "render", "x.npz", "-o", "x.mp4", "--size", "32"]
    program = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    assert program.stderr is not None
    line = program.stderr.readline()
    assert b"200000 pictures take about" in line, line
    assert list(tmp_path.glob("*.part"))
    program.send_signal(signal.SIGINT)
    assert program.wait(60) == 130, program.stderr.read()
    program.stderr.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.parametrize(("output", "words"), [("x.gif", "no file is left"), ("%d.png", "made so far stay")])
def test_it_is_told_what_an_interrupt_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str, words: str
) -> None:
    """One file is whole or absent; of a row of pictures those that are there stay."""
    monkeypatch.setattr("voxface.cli.render._ESTIMATE_AFTER_S", 0.0)
    monkeypatch.setattr("voxface.cli.render._LONG_S", 0.0)
    render(str(talking(tmp_path / "x.npz", 0.8, seconds=0.2)), str(tmp_path / output), size="32")
    assert words in capsys.readouterr().err


def test_without_h264_another_codec_is_taken_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PyAV without the best encoder writes with the next one and says so; without any, the error says what to do."""
    kind = KINDS[".mp4"]
    few = movie.Kind(kind.format, {"no_such_codec": {}, "mpeg4": {}}, kind.sound, kind.rates_hz, kind.options)
    monkeypatch.setitem(KINDS, ".mp4", few)
    with pytest.warns(InputWarning, match=r"W-CODEC.*no_such_codec.*mpeg4"):
        assert write_film(tmp_path / "x.mp4", flash(np.arange(5) / FPS, 0.1), FPS) == "mpeg4"
    assert len(pictures_of(tmp_path / "x.mp4")[0]) == 5
    none = movie.Kind(kind.format, {"no_such_codec": {}}, kind.sound, kind.rates_hz, kind.options)
    monkeypatch.setitem(KINDS, ".mp4", none)
    with pytest.raises(MissingDependencyError, match="no encoder no_such_codec"):
        write_film(tmp_path / "y.mp4", flash(np.arange(5) / FPS, 0.1), FPS)
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_what_the_encoder_refuses_is_an_error_of_the_output(tmp_path: Path) -> None:
    """A size that the codec cannot hold is told with the file's name."""
    with pytest.raises(OutputError, match=r"odd\.mp4"):
        write_film(tmp_path / "odd.mp4", [np.zeros((33, 35, 3), np.uint8)] * 3, FPS)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="no size"):
        parsed_size("٣")
