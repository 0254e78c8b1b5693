"""Bad sound through the command line (faults.md section 4): exit code, code string, no traceback, nothing left over.

A process costs half a second, so one run takes many files; the summary says which of them failed, and with what.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import voxface
from tests.conftest import SAMPLE
from tests.faults import audio_cases as cases
from voxface.audio.decode import open_audio, read_audio
from voxface.audio.resample import Resampler
from voxface.face.rig import MOUTH
from voxface.stream import run
from voxface.timebase import frame_count

PROGRAM = [sys.executable, "-m", "voxface.cli.main"]


def run_program(
    *arguments: str | Path, cwd: Path, stdin: bytes = b"", before: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run the program as a user would; whatever happens there is no traceback, no hang and no half-written file."""
    command = [*before, *PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, timeout=120)
    assert b"Traceback" not in done.stderr + done.stdout, done.stderr.decode()
    assert not list(cwd.rglob("*.part"))
    return done


def animate_all(files: dict[str, bytes], folder: Path) -> tuple[int, dict[str, Any]]:
    """Animate files of these contents into folder/out; give the exit code and the summary of `--json`."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    done = run_program("animate", *files, "-o", "out/", "--json", cwd=folder)
    return done.returncode, json.loads(done.stdout)


def check_clip(path: Path, samples: int, rate: int) -> voxface.FaceClip:
    """A written clip is complete: as many frames as the sound lasts, every value finite and a weight."""
    clip = voxface.read(path, fps=60)
    assert len(clip) == frame_count(samples, rate, 60.0)
    assert clip.weights.min() >= 0.0
    assert clip.weights.max() <= 1.0
    assert "nan" not in path.read_text(encoding="utf-8").lower()
    return clip


def test_files_that_are_no_sound_fail_by_name(tmp_path: Path) -> None:
    """A1, A2, A3, A7, A17, A25: each wrong file is refused with its code and what it is; nothing is written."""
    files = {f"{case}.wav": make() for case, (make, _) in cases.NOT_SOUND.items()}
    files |= {f"{case}.wav": make() for case, make in cases.EMPTY.items()}
    code, answer = animate_all(files, tmp_path)
    failed = {entry["input"]: entry for entry in answer["failed"]}
    assert code == 5
    assert set(failed) == set(files)
    for case, (_, says) in cases.NOT_SOUND.items():
        assert failed[f"{case}.wav"]["code"] == "E-AUDIO-FORMAT"
        assert f"{case}.wav" in failed[f"{case}.wav"]["message"]
        assert says in failed[f"{case}.wav"]["message"]
    assert {failed[f"{case}.wav"]["code"] for case in cases.EMPTY} == {"E-AUDIO-EMPTY"}
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(
    ("make", "flags", "exit_code", "code"),
    [
        (cases.NOT_SOUND["A1-zero-bytes"][0], [], 3, "E-AUDIO-FORMAT"),
        (cases.EMPTY["A7-no-samples"], [], 3, "E-AUDIO-EMPTY"),
        (cases.MENDED["A4-cut-data"][0], ["--strict"], 3, "E-AUDIO-TRUNCATED"),
        (lambda: cases.spoiled(dict.fromkeys(range(500), np.nan)), [], 3, "E-AUDIO-NONFINITE"),
        (lambda: cases.wav(cases.speech_like(2.0)), ["--max-duration", "1"], 6, "E-LIMIT"),
    ],
    ids=["A1", "A7", "A4-strict", "A12-too-many", "A23"],
)
def test_one_bad_file_gives_its_own_exit_code(
    make: Any, flags: list[str], exit_code: int, code: str, tmp_path: Path
) -> None:
    """A single input ends with its own error in one line, and no output file."""
    (tmp_path / "bad.wav").write_bytes(make())
    done = run_program("animate", "bad.wav", "-o", "out.csv", *flags, cwd=tmp_path)
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("error")]
    assert done.returncode == exit_code
    assert len(lines) == 1
    assert lines[0].startswith(f"error[{code}]: bad.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.wav"]


def test_odd_and_mended_files_give_complete_clips(tmp_path: Path) -> None:
    """A4-A6, A8, A10-A13, A15, A16: odd files are animated without a word, mended ones with one warning each."""
    odd = {f"{case}.wav": make() for case, make in cases.ODD_BUT_SOUND.items()}
    odd |= {f"A15-{n}-channels.wav": one_of_many(n) for n in (2, 6, 8, 64)}
    mended = {f"{case}.wav": make() for case, (make, _) in cases.MENDED.items()}
    code, answer = animate_all(odd | mended, tmp_path)
    assert code == 0
    assert answer["failed"] == []
    told = {re.match(r"\[(.*?)\] (\S+\.wav)", line).group(2, 1) for line in answer["warnings"]}  # type: ignore[union-attr]
    assert told == {(f"{case}.wav", code) for case, (_, code) in cases.MENDED.items()}
    assert len(answer["warnings"]) == len(mended)
    for name in mended:
        samples, rate = quiet_read(tmp_path / name)
        check_clip(tmp_path / "out" / f"{Path(name).stem}.csv", len(samples), rate)
    for name in odd:
        samples, rate = read_audio(tmp_path / name)
        check_clip(tmp_path / "out" / f"{Path(name).stem}.csv", len(samples), rate)


def one_of_many(channels: int) -> bytes:
    frames = np.zeros((16_000, channels), np.float32)
    frames[:, -1] = cases.speech_like()
    return cases.wav(frames)


def quiet_read(path: Path) -> tuple[np.ndarray, int]:
    """The sound of a file that is known to be mended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_audio(path)


def test_every_encoding_gives_the_same_face(tmp_path: Path) -> None:
    """A14: the same second of speech in 21 containers and encodings moves the face alike, as far as it is the same."""
    sound, rate = soundfile.read(SAMPLE, dtype="float32", frames=24_000)
    files = {f"{name}.bin": cases.encoded(a, b, sound, rate) for name, (a, b, _) in cases.ENCODINGS.items()}
    code, answer = animate_all(files, tmp_path)
    assert code == 0, answer
    truth = check_clip(tmp_path / "out" / "f64.csv", len(sound), rate).weights
    for name, (_, _, tolerance) in cases.ENCODINGS.items():
        clip = voxface.read(tmp_path / "out" / f"{name}.csv", fps=60)
        assert len(clip) >= len(truth)
        change = float(np.abs(clip.weights[: len(truth)] - truth).mean())
        assert change < (0.001 if tolerance < 0.001 else 0.03), name


def test_silence_rests(tmp_path: Path) -> None:
    """A9: ten seconds of digital silence leave every channel of the mouth below 0.02, and nothing flutters."""
    code, _ = animate_all({"silence.wav": cases.wav(np.zeros(160_000, np.float32))}, tmp_path)
    assert code == 0
    mouth = check_clip(tmp_path / "out" / "silence.csv", 160_000, 16_000).to_rig(MOUTH).weights
    assert mouth.max() < 0.02
    assert np.abs(np.diff(mouth, axis=0)).max() < 0.002


def test_speech_of_any_level_moves_the_mouth_alike(tmp_path: Path) -> None:
    """A11: mean change of any mouth channel <= 0.03 for peaks of -30...0 dB, <= 0.08 for -40...+40 dB."""
    sound, _ = soundfile.read(SAMPLE, dtype="float32")
    sound /= np.abs(sound).max()
    levels = (-40, -30, -20, -10, 0, 20, 40)
    files = {f"at{level}.wav": cases.float_wav(sound * np.float32(10 ** (level / 20))) for level in levels}
    code, answer = animate_all(files, tmp_path)
    assert code == 0
    assert "warnings" not in answer
    clips = {level: voxface.read(tmp_path / "out" / f"at{level}.csv", fps=60).to_rig(MOUTH) for level in levels}
    for level in levels:
        change = float(np.abs(clips[level].weights - clips[0].weights).mean(axis=0).max())
        assert change <= (0.03 if -30 <= level <= 0 else 0.08), (level, change)


RATES = (4_000, 8_000, 11_025, 22_050, 44_100, 88_200, 96_000, 192_000, 384_000)


def test_every_rate_is_animated(tmp_path: Path) -> None:
    """A18: every rate gives the frames of its duration, and the timing of the face does not depend on it."""
    sound, _ = soundfile.read(SAMPLE, dtype="float32")
    files = {f"{rate}.wav": cases.wav(at_rate(sound, rate), rate=rate) for rate in RATES}
    code, _ = animate_all(files, tmp_path)
    assert code == 0
    clips = {
        rate: check_clip(tmp_path / "out" / f"{rate}.csv", round(len(sound) * rate / 16_000), rate) for rate in RATES
    }
    jaw = {rate: clip.channel("jawOpen") for rate, clip in clips.items()}
    for rate in RATES[3:]:
        shifted = [
            float(np.corrcoef(jaw[384_000][5:-5], jaw[rate][5 + lag : len(jaw[rate]) - 5 + lag])[0, 1])
            for lag in range(-4, 5)
        ]
        assert int(np.argmax(shifted)) == 4, rate


def at_rate(sound: np.ndarray, rate: int) -> np.ndarray:
    return np.concatenate(list(run(Resampler(16_000, rate), [sound]))) if rate != 16_000 else sound


@pytest.mark.parametrize(("rate", "minutes"), [(8_000, 10), (44_099, 2), (44_100, 10)])
def test_minutes_do_not_drift(rate: int, minutes: int) -> None:
    """A18, A19: a click in the last second of ten minutes is heard within a hundredth of a frame of its time."""
    at_s, length = 60 * minutes - 0.5, 60 * minutes * rate
    frames = np.zeros(length, "<i2")
    click = round(at_s * rate)
    frames[click] = 30_000
    header = cases.riff(cases.chunk(b"fmt ", cases.fmt(rate=rate)), cases.chunk(b"data", b"", 2 * length))
    with open_audio(header + frames.tobytes()) as audio:
        heard, power, moment = 0, 0.0, 0.0
        for block in run(Resampler(audio.rate_hz), audio.blocks()):
            energy = block.astype(np.float64) ** 2
            power += energy.sum()
            moment += float((energy * (heard + np.arange(len(block)))).sum())
            heard += len(block)
    assert heard == 60 * minutes * 16_000
    assert abs(moment / power / 16_000 - click / rate) < 0.01 / 60


def trap() -> tuple[socket.socket, int]:
    """A server that nobody should call."""
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    return server, server.getsockname()[1]


def traced() -> tuple[str, ...]:
    """The command that notes every file and connection that a program opens; empty where it cannot run."""
    tool = shutil.which("strace")
    if tool is None or subprocess.run([tool, "-o", os.devnull, "true"], capture_output=True).returncode:
        return ()
    return (tool, "-f", "-e", "trace=open,openat,socket,connect", "-o", "trace.txt")


def test_no_playlist_opens_another_file_or_a_connection(tmp_path: Path) -> None:
    """A25, A26: scripts with the name of a sound, and names that look like addresses, reach nothing but themselves."""
    server, port = trap()
    (tmp_path / "secret.wav").write_bytes(cases.wav())
    scripts = {
        "hls.wav": f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/secret.ts\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n",
        "concat.wav": f"ffconcat version 1.0\nfile secret.wav\nfile 'http://127.0.0.1:{port}/a'\n",
        "dash.flac": f'<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>',
        "sdp.ogg": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
    }
    if find_spec("av"):  # their first bytes are those of an MP4, so they reach FFmpeg
        url = f"http://127.0.0.1:{port}/"
        scripts |= {
            "sdp-mp4.mp4": f"v=0\nftyp=isom\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
            "dash-mp4.m4a": f"<MPDftyp <MPD profiles=dash:profile:isoff-live:2011><BaseURL>{url}</BaseURL></MPD>",
        }
    for name, text in scripts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "good.wav").write_bytes(cases.wav())
    names = [
        f"http://127.0.0.1:{port}/a.wav",
        "concat:secret.wav|good.wav",
        "subfile,,start,0,end,0,,:secret.wav",
        "pipe:0",
    ]
    before = traced()
    done = run_program("animate", *scripts, *names, "good.wav", "-o", "out/", "--json", cwd=tmp_path, before=before)
    with pytest.raises(BlockingIOError):
        server.accept()
    server.close()
    answer = json.loads(done.stdout)
    codes = {entry["input"]: entry["code"] for entry in answer["failed"]}
    assert done.returncode == 5
    assert codes == dict.fromkeys(scripts, "E-AUDIO-FORMAT") | dict.fromkeys(names, "E-INPUT")
    assert [entry["input"] for entry in answer["files"]] == ["good.wav"]
    if not before:
        pytest.skip("strace cannot run here: only the trap server was checked")
    calls = (tmp_path / "trace.txt").read_text(errors="replace")
    assert '"good.wav"' in calls
    assert not re.search(r'"([^",:]*/)?secret\.wav"', calls)
    assert "AF_INET" not in calls


@pytest.mark.skipif(os.name == "nt", reason="pipes, devices and links as on POSIX")
def test_paths_that_are_no_files_do_not_hang(tmp_path: Path) -> None:
    """A28: a pipe without a writer, /dev/zero, a folder, a loop of links, a missing file: refused at once."""
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    names = ["fifo.wav", "/dev/zero", "folder.wav", "loop.wav", "missing.wav"]
    done = run_program("animate", *names, "-o", "out/", "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert done.returncode == 5
    assert {entry["input"]: entry["code"] for entry in answer["failed"]} == dict.fromkeys(names, "E-INPUT")
    assert not list(tmp_path.glob("out/*"))


def test_standard_input_is_a_file_like_any_other(tmp_path: Path) -> None:
    """A26, A29: `-` takes WAV, FLAC and bare samples from a pipe, and gives what the file gives."""
    sound, rate = soundfile.read(SAMPLE, dtype="int16", frames=16_000)
    truth = voxface.animate(sound.astype(np.float32) / 32768, rate).weights
    ways = {
        "wav": (cases.encoded("WAV", "PCM_16", sound, rate), []),
        "flac": (cases.encoded("FLAC", "PCM_16", sound, rate), []),
        "raw": (sound.astype("<i2").tobytes(), ["--raw", f"s16le:{rate}:1"]),
    }
    for name, (data, flags) in ways.items():
        done = run_program("animate", "-", *flags, "-o", f"{name}.json", cwd=tmp_path, stdin=data)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(voxface.read(tmp_path / f"{name}.json").weights, truth, atol=2e-5)
    done = run_program("animate", "-", "-o", "none.csv", cwd=tmp_path)
    assert done.returncode == 3
    assert b"error[E-AUDIO-FORMAT]: standard input is empty" in done.stderr
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.skipif(os.name == "nt", reason="closed pipes as on POSIX")
def test_a_reader_that_leaves_ends_the_program_quietly(tmp_path: Path) -> None:
    """A30: `voxface animate ... -o - | head -n 1` ends without a word, with code 0 or that of a broken pipe."""
    (tmp_path / "long.wav").write_bytes(cases.wav(cases.speech_like(60.0)))
    command = [*PROGRAM, "animate", "long.wav", "-o", "-", "--quiet"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) in (0, 141, -13)
    assert said == b""
