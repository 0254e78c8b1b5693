"""Synthetic speech: plan, speech, pauses, curves; and engines that are missing, die or have nothing to say.

The engines are the real ones of this machine; a test whose engine is not installed is skipped by name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from voxface.articulation.curves import curves
from voxface.articulation.phones import Phone
from voxface.articulation.table import load_table
from voxface.dataset.dataset import load_dataset
from voxface.dataset.recording import Recording
from voxface.errors import MissingDependencyError, OutputError, UsageError
from voxface.face.rig import ARKIT
from voxface.synth import make
from voxface.synth.build import Built, build_synthetic
from voxface.synth.engines import find_voices, speak
from voxface.synth.labels import Speech
from voxface.synth.make import EDGE_S, OBSERVED, join
from voxface.synth.plan import Script, Sentence, make_plan, parse_split
from voxface.synth.text import WORDNET, sentences
from voxface.synth.voices import choose_voices
from voxface.synth.wire import Answer, Request, read_answers

TRAIN = parse_split("all:train")
NO_WORDNET = not (WORDNET / "data.noun").is_file()
needs_text = pytest.mark.skipif(NO_WORDNET, reason="no WordNet: apt install wordnet-base")


def need(names: str) -> None:
    """Skip, loudly, where a voice is not installed."""
    missing = find_voices(choose_voices(names))[1]
    if missing:
        pytest.skip("; ".join(missing))


def build(folder: Path, names: str, minutes: float = 0.5, jobs: int = 1) -> Built:
    plan = make_plan(choose_voices(names), minutes, 3, TRAIN)
    return build_synthetic(plan, folder, TRAIN.text, jobs=jobs)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Recording]]:
    """A dataset of two voices: the folder and its recordings."""
    need("kal16,espeak-en-us+m3")
    if NO_WORDNET:
        pytest.skip("no WordNet: apt install wordnet-base")
    folder = tmp_path_factory.mktemp("synth") / "spoken"
    build(folder, "kal16,espeak-en-us+m3")
    return folder, load_dataset(folder).recordings("train")


def test_a_recording_is_speech_with_the_curves_of_its_phones(spoken: tuple[Path, list[Recording]]) -> None:
    """What is stored is an ordinary recording whose face is, to the bit, that of the phones stored beside it."""
    for recording in spoken[1]:
        assert recording.synthetic
        assert 20 < recording.duration_s < 45
        np.testing.assert_array_equal(recording.weights, curves(recording.phones, recording.rows))
        np.testing.assert_array_equal(recording.observed, OBSERVED)
        assert recording.valid.all()
        assert not recording.rest.any()
        np.testing.assert_allclose(recording.rig_gap_target(), recording.gap)


def test_phones_lie_in_the_sound_in_order(spoken: tuple[Path, list[Recording]]) -> None:
    """Phones never overlap, never lie in the silent ends, and it is loud where they are and silent between them."""
    for recording in spoken[1]:
        times = [(phone.start_s, phone.end_s) for phone in recording.phones]
        assert all(end <= start + 1e-4 for (_, end), (start, _) in pairwise(times))
        assert times[0][0] >= EDGE_S - 0.01
        assert times[-1][1] <= recording.duration_s - EDGE_S + 0.01
        inside = np.zeros(len(recording.samples), bool)
        for start, end in times:
            inside[round(start * 16_000) : round(end * 16_000)] = True
        power = np.square(recording.samples)
        assert power[inside].mean() > 100 * power[~inside].mean()


def test_sound_is_peak_safe_at_varied_levels_with_pauses_of_pure_silence(spoken: tuple[Path, list[Recording]]) -> None:
    """No sample reaches full scale; between sentences lie 0.2 to 1.2 s of digital silence; both ends have 0.3 s."""
    for recording in spoken[1]:
        assert np.abs(recording.samples).max() <= 0.951
        silent = np.flatnonzero(np.diff(np.concatenate([[1], recording.samples != 0, [1]]).astype(int)))
        runs = np.diff(silent)[::2] / 16_000
        pauses = runs[runs > 0.15]
        assert len(pauses) >= 5
        assert pauses.max() < 1.3
        assert min(pauses[0], pauses[-1]) >= EDGE_S - 0.005


def test_the_same_command_gives_the_same_bytes(spoken: tuple[Path, list[Recording]], tmp_path: Path) -> None:
    """Also with several jobs at once: every recording is spoken by an engine that begins afresh."""
    build(tmp_path / "again", "kal16,espeak-en-us+m3", jobs=2)
    assert bytes_of(tmp_path / "again") == bytes_of(spoken[0])


def test_statistical_voices_are_deterministic_too(tmp_path: Path) -> None:
    """Their noise goes on from sentence to sentence, yet two runs are the same."""
    need("slt")
    requests = [Request("The moon is full of cheese", 1.1), Request("A boy is on the boat", 0.9)]
    assert speak(choose_voices("slt")[0], requests) == speak(choose_voices("slt")[0], requests)


def test_a_changed_table_changes_curves_and_no_sound(
    spoken: tuple[Path, list[Recording]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another articulation table the speech is kept, and the result is that of a fresh build."""
    table = load_table()
    jaw = table.targets("jaw")
    other = table.with_targets("jaw", jaw * 0.5)
    plan = make_plan(choose_voices("kal16"), 0.5, 3, TRAIN)
    first = build_synthetic(plan, tmp_path / "kept", TRAIN.text)
    with monkeypatch.context() as silenced:
        silenced.setattr(make, "speak", None)  # whoever speaks now fails
        build_synthetic(plan, tmp_path / "kept", TRAIN.text, other)
    build_synthetic(plan, tmp_path / "fresh", TRAIN.text, other)
    assert bytes_of(tmp_path / "kept") == bytes_of(tmp_path / "fresh")
    before = spoken[1][-1] if spoken[1][-1].speaker == "flite-kal16" else None
    assert first.kept == 0
    assert before is not None
    after = load_dataset(tmp_path / "kept").recordings("train")[0]
    np.testing.assert_array_equal(after.samples, before.samples)
    open_before, open_after = (one.weights[:, ARKIT.index("jawOpen")].max() for one in (before, after))
    assert open_after < 0.7 * open_before


@needs_text
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_goes_on_and_ends_in_the_same_bytes(how: signal.Signals, tmp_path: Path) -> None:
    """kill -9, or Ctrl-C (which all programs of a terminal feel), after the first recordings: the same command keeps
    them, and nothing half-written stays."""
    need("kal16")
    command = [sys.executable, "-m", "voxface.cli.main", "synth", "--voices", "kal16", "--minutes", "5", "--jobs", "1"]
    quiet, out = subprocess.DEVNULL, tmp_path / "stopped"
    stopped = subprocess.Popen([*command, "-o", str(out)], start_new_session=True, stderr=quiet)
    deadline = time.monotonic() + 60
    while not list(out.glob("recordings/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(stopped.pid, how)
    assert stopped.wait(60) == (-9 if how == signal.SIGKILL else 130)
    assert not (out / "manifest.json").exists()
    done = len(list(out.glob("recordings/*.safetensors")))
    plan = make_plan(choose_voices("kal16"), 5, 0, parse_split("last:3"))
    assert 1 <= done < len(plan)
    assert build_synthetic(plan, out, "last:3").kept == done
    build_synthetic(plan, tmp_path / "fresh", "last:3")
    assert bytes_of(out) == bytes_of(tmp_path / "fresh")


def test_phones_move_with_their_sentences_to_the_sample() -> None:
    """Two sentences with a click at every phone's start: in the joined sound the clicks are where the phones say."""
    samples = np.full(16_000, 0.01, np.float32)
    starts = (0.2, 0.35, 0.61)
    samples[[round(start * 16_000) for start in starts]] = 1
    phones = tuple(Phone("aa", start, start + 0.1) for start in starts)
    speech = Speech(samples, phones, Counter())
    sound, moved = join([(Sentence("one", 1.0, -30.0, 0.4), speech), (Sentence("two", 1.0, -20.0, 0.7), speech)])
    assert np.flatnonzero(np.abs(sound) > 0.2).tolist() == [round(phone.start_s * 16_000) for phone in moved]
    assert moved[3].start_s - moved[2].end_s == pytest.approx(0.08 + 0.4 + 0.03, abs=1e-4)


def test_a_dataset_of_real_faces_is_never_overwritten(spoken: tuple[Path, list[Recording]], tmp_path: Path) -> None:
    """A folder whose recordings are not synthetic is refused, and nothing in it changes."""
    shutil.copytree(spoken[0], tmp_path / "real")
    manifest = tmp_path / "real" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"synthetic": true', '"synthetic": false'))
    before = bytes_of(tmp_path / "real")
    with pytest.raises(OutputError, match="real faces"):
        build(tmp_path / "real", "kal16")
    assert bytes_of(tmp_path / "real") == before


# What is said


@needs_text
def test_sentences_are_letters_only_and_none_is_learned_and_tested() -> None:
    """25 to 90 letters, each once; those held out are never among the others, whatever the seed."""
    learned, tested = list(sentences(0, held_out=False)), list(sentences(0, held_out=True))
    assert all(re.fullmatch(r"[A-Za-z' ]{25,90}", text) for text in learned + tested)
    assert len(set(learned)) == len(learned) > 20_000 > 10 * len(tested) > 10_000
    assert not set(learned) & set(tested)
    assert set(sentences(1, held_out=True)) == set(tested)


@needs_text
def test_the_order_of_sentences_is_the_seeds() -> None:
    """The same seed gives the same order, another one another."""
    first, again, other = (list(islice(sentences(seed, held_out=False), 50)) for seed in (0, 0, 1))
    assert first == again != other


@needs_text
def test_rare_sounds_come_early() -> None:
    """Among the first thousand sentences rare sounds are at least half as frequent again as among all."""
    texts = list(sentences(0, held_out=False))
    for rare in ("easur", "oy|oin", "th ", "ook"):
        share = [sum(len(re.findall(rare, text)) for text in part) / len(part) for part in (texts[:1000], texts)]
        assert share[0] > 1.5 * share[1], rare


@needs_text
def test_the_default_plan_is_two_thirds_people_and_spares_the_voices_of_the_tests() -> None:
    """ked and msu_ru_nsh are strangers to every net; about 2/3 of the speech comes from recorded people."""
    plan = make_plan(choose_voices(), 300, 0, parse_split("last:3"))
    assert not {"festival-ked_diphone", "festival-msu_ru_nsh_clunits"} & {script.voice.speaker for script in plan}
    assert 0.6 < sum(script.voice.human for script in plan) / len(plan) < 0.72
    assert len({script.name for script in plan}) == len(plan)
    learned = {s.text for script in plan if script.split == "train" for s in script.sentences}
    tested = {s.text for script in plan if script.split == "validate" for s in script.sentences}
    assert tested
    assert not learned & tested


def test_splits_of_few_recordings_keep_some_to_learn_from() -> None:
    """last:3 of two recordings is one; all:test is all; anything else is refused with the forms."""
    rule = parse_split("last:3")
    assert [rule.of(place, 8) for place in range(8)] == ["train"] * 5 + ["validate"] * 3
    assert [rule.of(place, 2) for place in range(2)] == ["train", "validate"]
    assert [rule.of(0, 1), parse_split("all:test").of(0, 1)] == ["train", "test"]
    for wrong in ("all:nothing", "last", "last:x", "sha256:9,1"):
        with pytest.raises(UsageError, match="last:3"):
            parse_split(wrong)


def test_without_wordnet_one_line_says_what_to_install(tmp_path: Path) -> None:
    """No sentences, no dataset: the hint is the apt command."""
    with pytest.raises(MissingDependencyError, match="apt install wordnet-base"):
        sentences(0, held_out=False, folder=tmp_path)


# Engines that are missing, die, hang, or have nothing to say


@pytest.mark.parametrize("voice", ["kal16", "kal", "espeak-en-us+m3"])
def test_a_text_that_cannot_be_said_is_skipped_and_named(voice: str, tmp_path: Path) -> None:
    """No text, only signs: they are named and left out; odd signs do no harm; the others are said."""
    need(voice)
    texts = ["The moon is full", "", "?!", '"(quit)\\ "A boy', "A boy \n is \0 here"]
    said = tuple(Sentence(text, 1.0, -20.0, 0.5) for text in texts)
    script = Script("odd", choose_voices(voice)[0], "train", said)
    built = build_synthetic([script], tmp_path, "all:train")
    assert [fault.partition(" for ")[2] for fault in built.faults] == ["''", "'?!'"]
    recording = load_dataset(tmp_path).recordings("train")[0]
    starts = [phone.start_s for phone in recording.phones]
    assert sum(later - sooner > 0.5 for sooner, later in pairwise(starts)) == 2


@needs_text
def test_a_voice_that_says_nothing_is_left_out_and_not_asked_again(tmp_path: Path) -> None:
    """Its recordings are counted as missing and named; the other voices are made."""
    need("kal16,espeak-en-us+m3")
    dumb = replace(choose_voices("espeak-en-us+m3")[0], name="en-us+there_is_no_such_voice")
    plan = make_plan([dumb, *choose_voices("kal16")], 2, 0, TRAIN)
    built = build_synthetic(plan, tmp_path, TRAIN.text)
    count = sum(script.voice == dumb for script in plan)
    assert count > 0
    assert built.missing == count
    assert {entry.speaker for entry in built.dataset.manifest.entries} == {"flite-kal16"}
    assert "there_is_no_such_voice" in built.faults[0]


@pytest.mark.parametrize("voice", ["awb", "slt_hts", "espeak-en-us+m3"])
def test_an_engine_that_takes_too_long_is_stopped_and_named(voice: str) -> None:
    """A real engine under a limit that it cannot keep: three tries, then it is given up."""
    need(voice)
    said = speak(choose_voices(voice)[0], [Request("The moon is full of cheese " * 20)] * 6, limit_s=0.02)
    assert said.answers == (None,) * 6
    assert len(said.faults) == 3
    assert all("hung for 0.02 s" in fault for fault in said.faults)


FAULTY = """#!{python}
import os, re, signal, sys, time, wave
if "-b" in sys.argv:
    print("(kal_diphone)")
    raise SystemExit
for text, stem in re.findall(r'\\(vf_say "(.*?)" \\S+ "(.*?)"', sys.stdin.read()):
    if "dies" in text:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hangs" in text:
        time.sleep(60)
    with wave.open(stem + ".wav", "wb") as file:
        file.setnchannels(1); file.setsampwidth(2); file.setframerate(16000)
        file.writeframes(b"\\1\\2" * 8000)
    with open(stem + ".lab", "w") as file:
        file.write("pau 0 0.1 0\\nm 0.1 0.2 0\\nxyzzy 0.2 0.3 0\\naa 0.3 0.4 1\\nEND\\n")
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `festival` first on PATH that dies and hangs on command: the fault cannot be had from the real one."""
    program = tmp_path / "bin" / "festival"
    program.parent.mkdir()
    program.write_text(FAULTY.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_an_engine_that_dies_in_the_middle_is_started_again(faulty: None) -> None:
    """The texts that killed or hung it are skipped and named, all others are said."""
    texts = ["one", "this one dies", "two", "three", "this hangs", "this dies too", "four"]
    said = speak(choose_voices("kal")[0], [Request(text) for text in texts], limit_s=2.0)
    assert [answer is not None for answer in said.answers] == [True, False, True, True, False, False, True]
    assert "killed by signal 11 at 'this one dies'" in said.faults[0]
    assert "hung for 2 s and was stopped at 'this hangs'" in said.faults[1]
    assert len(said.faults) == 3


@needs_text
def test_unknown_phones_are_counted_and_the_run_goes_on(faulty: None, tmp_path: Path) -> None:
    """A phone outside the table becomes a schwa and is named with its count."""
    built = build(tmp_path / "out", "kal")
    phones = load_dataset(tmp_path / "out").recordings("train")[0].phones
    assert {phone.symbol for phone in phones} == {"m", "ax", "aa"}
    assert built.unknown == (("festival xyzzy", sum(phone.symbol == "ax" for phone in phones)),)


def test_a_helper_that_dies_leaves_its_whole_answers() -> None:
    """Output cut anywhere gives the answers that came whole, and no more."""
    heads = [
        json.dumps({"rate": 16_000, "samples": 3, "labels": [["aa", 0.0, 0.1, 1]]}).encode() + b"\n",
        json.dumps({"rate": 8_000, "samples": 0, "labels": []}).encode() + b"\n",
    ]
    output = heads[0] + b"ABCDEF" + heads[1]
    first, second = Answer(16_000, b"ABCDEF", (("aa", 0.0, 0.1, 1),)), Answer(8_000, b"", ())
    for cut in range(len(output) + 1):
        whole = [first] * (cut >= len(heads[0]) + 6) + [second] * (cut == len(output))
        assert list(read_answers(output[:cut])) == whole


# The command


def run(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PATH": path} if path else {})
    command = [sys.executable, "-m", "voxface.cli.main", "synth", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_no_engine_at_all_ends_with_the_apt_command() -> None:
    """Exit code 4 and one line."""
    ended = run("-o", "/nowhere/out", "--voices", "kal,ked", path="/nowhere")
    assert ended.returncode == 4
    assert ended.stderr.count("\n") == 1
    assert "apt install festival festvox-kallpc16k festvox-kdlpc16k" in ended.stderr


@needs_text
def test_a_missing_engine_is_one_line_and_the_others_speak(tmp_path: Path) -> None:
    """Without festival, kal16 still speaks, and the line says what to install."""
    need("kal16")
    ended = run("-o", str(tmp_path / "out"), "--voices", "kal,kal16", "--minutes", "0.1", path="/nowhere")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == "festival lacks kal_diphone: apt install festival festvox-kallpc16k\n"
    assert "1 recordings of 1 voices" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--voices", "kal"], "-o FOLDER"),
        (["-o", "x", "--voices", "nobody"], "no voice 'nobody'"),
        (["-o", "x", "--minutes", "0"], "minutes must be above 0"),
        (["-o", "x", "--split", "speaker:3"], "last:3"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_said(arguments: list[str], said: str, tmp_path: Path) -> None:
    """Exit code 2, one line, nothing written."""
    if "--minutes" in arguments:
        need("kal16")  # without any voice, that is what is said first
    ended = run(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert not Path("x").exists()
