"""Phones from files: TextGrid in all its forms, .lab in all of theirs, Rhubarb; and the verb that animates them."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import SAMPLE
from voxface.articulation.clip import phone_clip
from voxface.articulation.phones import PHONES, Phone
from voxface.articulation.read import read_phones
from voxface.articulation.table import load_table, save_table
from voxface.errors import ClipError, InputError, InputWarning, LimitError, VoxfaceError
from voxface.export.formats import read

SAID = [("", 0.0, 0.2), ("b", 0.2, 0.3), ("AA1", 0.3, 0.5), ("m", 0.5, 0.62), ("iy0", 0.62, 0.8), ("sil", 0.8, 1.0)]
"""What the files of these tests hold, as aligners write it."""

MEANT = ["sil", "b", "aa", "m", "iy", "sil"]

Said = list[tuple[str, float, float]]


def long_tier(name: str, said: Said, number: int = 1) -> str:
    lines = [
        f"    item [{number}]:", '        class = "IntervalTier" ', f'        name = "{name}" ', "        xmin = 0 ",
        f"        xmax = {said[-1][2]} ", f"        intervals: size = {len(said)} ",
    ]  # fmt: skip
    for i, (label, start, end) in enumerate(said, 1):
        quoted = label.replace('"', '""')
        lines += [f"        intervals [{i}]:", f"            xmin = {start} ", f"            xmax = {end} ",
                  f'            text = "{quoted}" ']  # fmt: skip
    return "\n".join(lines)


def long_grid(*tiers: tuple[str, Said]) -> str:
    """A TextGrid as Praat saves it."""
    head = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0 \nxmax = {tiers[0][1][-1][2]} \n'
    body = "\n".join(long_tier(name, said, i) for i, (name, said) in enumerate(tiers, 1))
    return f"{head}tiers? <exists> \nsize = {len(tiers)} \nitem []: \n{body}\n"


def short_grid(*tiers: tuple[str, Said]) -> str:
    """A TextGrid as Praat saves it in its short form."""
    head = f'File type = "ooTextFile"\n"TextGrid"\n\n0\n{tiers[0][1][-1][2]}\n<exists>\n{len(tiers)}\n'
    for name, said in tiers:
        head += f'"IntervalTier"\n"{name}"\n0\n{said[-1][2]}\n{len(said)}\n'
        head += "".join(f'{start}\n{end}\n"{label}"\n' for label, start, end in said)
    return head


def written(folder: Path, text: str, encoding: str = "utf-8", name: str = "x.TextGrid") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def check(phones: tuple[Phone, ...], stressed: bool = True) -> None:
    """The phones are those of SAID."""
    assert [phone.symbol for phone in phones] == MEANT
    np.testing.assert_allclose([(p.start_s, p.end_s) for p in phones], [part[1:] for part in SAID], atol=1e-6)
    assert [phone.stress for phone in phones] == ([0, 0, 1, 0, 0, 0] if stressed else [0, 0, 2, 0, 2, 0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("form", [long_grid, short_grid])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_textgrid_in_every_form(form: object, encoding: str, ends: str, tmp_path: Path) -> None:
    """Long and short form, UTF-8 and UTF-16 with and without byte order mark, both line ends: the same phones."""
    assert callable(form)
    text = form(("words", [("bah me", 0.0, 1.0)]), ("phones", SAID)).replace("\n", ends)
    check(read_phones(written(tmp_path, text, encoding)))


@pytest.mark.parametrize("name", ["phones", "Phone", "PHONEMES", "MAU", "segments", "speaker one - phones", "X_phones"])
def test_the_tier_of_phones_is_found(name: str, tmp_path: Path) -> None:
    """Among others, the tier is taken that is named for phones, as Praat users, MFA and WebMAUS name it."""
    text = long_grid(("words", [("bah me", 0.0, 1.0)]), (name, SAID), ("notes", [("", 0.0, 1.0)]))
    check(read_phones(written(tmp_path, text)))


def test_the_only_interval_tier_is_taken(tmp_path: Path) -> None:
    """One interval tier of any name counts, also beside points, comments and quotes within texts."""
    points = '    item [2]:\n class = "TextTier"\n name = "events"\n xmin = 0\n xmax = 1\n points: size = 1\n'
    points += ' points [1]:\n number = 0.5 ! a "comment" 7\n mark = "a ""click"" 3"\n'
    text = long_grid(("Anna", SAID)).replace("size = 1 \nitem", "size = 2 \nitem") + points
    check(read_phones(written(tmp_path, text)))


def test_tiers_that_cannot_be_told_apart_are_named(tmp_path: Path) -> None:
    """Two tiers that might hold phones, or none: one sentence that names them."""
    for names in (("Anna", "Ben"), ("a - phones", "b - phones")):
        path = written(tmp_path, long_grid(*[(name, SAID) for name in names]))
        with pytest.raises(ClipError, match=f"2 tiers that may hold phones: '{names[0]}', '{names[1]}'"):
            read_phones(path)
    with pytest.raises(ClipError, match="no interval tier"):
        read_phones(written(tmp_path, '"ooTextFile"\n"TextGrid"\n0 1 <exists> 0'))


@pytest.mark.parametrize(
    ("labels", "meant"),
    [
        ("ˈaɪ t͡ʃ ʁ yː ŋ ə", "ay ch kh ue ng ax"),
        ("aI tS R y: N @", "ay ch kh ue ng ax"),
        ("ii uh oo ng @", "iy ah ao ng ax"),
        ("AY1 CH Y UW0 NG AH2", "ay ch y uw ng ah"),
        ("pau hh ax-h l ow dx axr", "sil hh ax l ow d er"),
        ("y s", "y s"),
    ],
)  # fmt: skip
def test_the_way_of_writing_is_told_by_all_labels(labels: str, meant: str, tmp_path: Path) -> None:
    """IPA, SAMPA, mrpa, ARPAbet and festival: the same letter means what it means in the company it keeps."""
    said = [(label, i / 10, (i + 1) / 10) for i, label in enumerate(labels.split())]
    phones = read_phones(written(tmp_path, short_grid(("phones", said))))
    assert [phone.symbol for phone in phones] == meant.split()


def htk(said: Said) -> str:
    return "".join(f"{round(start * 1e7)} {round(end * 1e7)} {label or 'sil'}\n" for label, start, end in said)


def hts(said: Said) -> str:
    return "".join(f"{round(s * 1e7)} {round(e * 1e7)} x^x-{label or 'pau'}+b=c@1_2/A:0\n" for label, s, e in said)


def festival(said: Said) -> str:
    lines = "".join(f"  {end:.6f}  125  {label or 'pau'} ; extra 1\n" for label, _, end in said)
    return f"signal x.wav\nnfields 1\n#\n{lines}"


def seconds(said: Said) -> str:
    return "".join(f"{start}\t{end}\t{label or 'sil'}\n\n" for label, start, end in said)


@pytest.mark.parametrize("form", [htk, hts, festival, seconds])
def test_a_lab_in_every_form(form: object, tmp_path: Path) -> None:
    """HTK (also with context), festival's xlabel and plain seconds are told apart by their content."""
    assert callable(form)
    check(read_phones(written(tmp_path, form(SAID), name="x.lab")))


def test_unmarked_stress_is_middling(tmp_path: Path) -> None:
    """In a file without any stress mark every vowel has secondary stress, in one with marks only the marked ones."""
    bare = [(label.rstrip("01"), start, end) for label, start, end in SAID]
    check(read_phones(written(tmp_path, seconds(bare), name="x.lab")), stressed=False)


def test_rhubarb_shapes(tmp_path: Path) -> None:
    """Every shape lasts to the next; A closes the lips, D opens wide, F puckers, G bites the lip, X rests."""
    rows = "0.00\tX\n0.50\tA\n0.70\tD\n1.00\tF\n1.30\tG\n1.50\tH\n1.60\tB\n1.70\tC\n1.80\tE\n2.00\tX\n2.50\tX\n"
    phones = read_phones(written(tmp_path, rows, name="x.tsv"))
    assert [phone.symbol for phone in phones] == ["sil", "m", "aa", "uw", "f", "l", "s", "eh", "ao", "sil"]
    assert phones[-1].end_s == 2.5
    clip = phone_clip(phones, 100)
    gap = clip.channel("jawOpen") - clip.channel("mouthClose") + clip.channel("mouthLowerDownLeft") / 4
    assert gap[60] < 0.02
    assert gap[85] > 0.3
    assert clip.channel("mouthPucker")[115] > 0.3
    assert clip.channel("mouthRollLower")[140] > 0.1
    assert not clip.weights[240].any()


def test_unknown_labels_are_named_and_counted(tmp_path: Path) -> None:
    """What is no phone is said once, with its count, and becomes schwa; in mouth shapes too."""
    said = [*SAID[:-1], ("zork", 0.8, 0.9), ("zork", 0.9, 1.0), ("blub", 1.0, 1.1)]
    with pytest.warns(InputWarning, match=r"3 labels are no known phone.*'zork' \(2x\), 'blub' \(1x\)") as caught:
        phones = read_phones(written(tmp_path, long_grid(("phones", said))))
    assert len(caught) == 1
    assert [phone.symbol for phone in phones[-3:]] == ["ax"] * 3
    with pytest.warns(InputWarning, match=r"1 labels.*'Q' \(1x\)"):
        read_phones(written(tmp_path, "0\tA\n1\tQ\n2\tX\n", name="x.tsv"))
    many = [(f"zork{'o' * i}", i / 10, (i + 1) / 10) for i in range(20)]
    with pytest.warns(InputWarning, match=r"20 labels.* and 12 more"):
        read_phones(written(tmp_path, short_grid(("phones", [*SAID, *[(n, a + 1, b + 1) for n, a, b in many]]))))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no phones"),
        ("0 1 hello\n1 2 world\n", "none is a phone: 'hello', 'world'"),
        ("0 1 aa\n1 x b\n", "line 2: expected a time; got 'x'"),
        ("0 1 aa\n\n1 b\n", "line 3: expected 'start end name'"),
        ("0 0.5 aa\n0.4 0.9 b\n", "line 2: 'b' starts at 0.4 s, before the end of 'aa' at 0.5 s"),
        ("0 0.5 aa\n0.9 0.6 b\n", "line 2: 'b' ends at 0.6 s, before it starts"),
        ("0 nan aa\n", "line 1: times must be finite"),
        ("x 1\n#\n0.5 125 aa\n0.3 125 b\n", "line 4: 'b' ends at 0.3 s, before it starts"),
        ("0.5\tA\n0.2\tB\n0.7\tX\n", "line 1: 'A' ends at 0.2 s, before it starts"),
        ("0.5\tA\n", "one mouth shape and no end"),
        (long_grid(("phones", SAID))[:-60], "ends after line"),
        (long_grid(("phones", SAID)).replace("xmax = 0.5", "xmax = 0.1"), "line 25: 'AA1' ends at 0.1 s, before it st"),
        (long_grid(("phones", SAID)).replace("size = 6", "size = 7"), "ends after line"),
        (long_grid(("phones", SAID)).replace("size = 6", "size = -6"), "line 14: expected a count; got -6"),
        (long_grid(("phones", SAID)).replace("xmin = 0.3", 'xmin = "a"'), "line 24: expected a number; got 'a'"),
        (long_grid(("phones", SAID)).replace("IntervalTier", "PitchTier"), "expected IntervalTier or TextTier"),
        ('File type = "ooTextFile"\nObject class = "Pitch 1"\n', "is a Praat file, but no TextGrid in text form"),
        ('"Praat chronological TextGrid text file"\n0 1', "is a Praat file, but no TextGrid in text form"),
        ("ooBinaryFile\x08TextGrid\x00", "is a Praat file, but no TextGrid in text form"),
    ],
)  # fmt: skip
def test_damage_is_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    """A file that cannot be read says what is wrong, where there is a line with its number, and its name."""
    path = written(tmp_path, text, name="bad.file")
    with pytest.raises(ClipError) as caught:
        read_phones(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)


def test_what_is_no_file_or_no_text_or_too_long(tmp_path: Path) -> None:
    """A missing file, a folder, bytes that are no UTF-8, and a time beyond hours are said each in its way."""
    for path in (tmp_path / "absent", tmp_path, tmp_path / "zero\0byte"):
        with pytest.raises(InputError):
            read_phones(path)
    (tmp_path / "latin.lab").write_bytes(b"0 1 aa\n1 2 \xe4\n")
    with pytest.raises(ClipError, match="line 2 is not utf-8 text"):
        read_phones(tmp_path / "latin.lab")
    with pytest.raises(LimitError, match="beyond 6 hours"):
        read_phones(written(tmp_path, "0 1e9 aa\n"))
    (tmp_path / "huge.lab").touch()
    os.truncate(tmp_path / "huge.lab", (1 << 26) + 1)
    with pytest.raises(LimitError, match="larger than 64 MiB"):
        read_phones(tmp_path / "huge.lab")


def test_labels_of_no_length_and_rounded_times(tmp_path: Path) -> None:
    """A label of no length is left out, and neighbours may overlap by less than a millisecond, as aligners round."""
    text = "0 0.2004 aa\n0.2 0.2 q\n0.2 0.4 b\n"
    assert [phone.symbol for phone in read_phones(written(tmp_path, text))] == ["aa", "b"]


pieces = st.lists(
    st.sampled_from(['"', '""', '"ooTextFile"', '"TextGrid"', "<exists>", "IntervalTier", '"IntervalTier"', '"phones"',
                     "0", "1", "2", "0.5", "-1", "1e400", "nan", "#", "!", "A", "X", "aa", "\t", "\n", " ", "\0", "ä"]),
    max_size=60,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200) | pieces.map(lambda parts: " ".join(parts).encode()))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Any bytes are phones or an error of ours; what is read can be animated."""
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        try:
            phones = read_phones(path)
        except VoxfaceError:
            return
    assert phones
    assert {phone.symbol for phone in phones} <= set(PHONES)
    if phones[-1].end_s < 60:
        assert np.isfinite(phone_clip(phones, 10, max(phones[-1].end_s, 0)).weights).all()


def test_long_files_are_read_in_linear_time(tmp_path: Path) -> None:
    """An hour of phones (43,000) is read, and quotes without end are refused, for seconds of the processor at most:
    what grows with the square of the length would take minutes."""
    import time

    said = [("aa" if i % 2 else "b", i / 12, (i + 1) / 12) for i in range(43_200)]
    path = written(tmp_path, long_grid(("phones", said)))
    began = time.process_time()
    assert len(read_phones(path)) == len(said)
    with pytest.raises(ClipError):
        read_phones(written(tmp_path, '"ooTextFile" "TextGrid" ' + '"a ""' * 300_000))
    assert time.process_time() - began < 30


def voxface(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voxface.cli.main", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def columns(path: Path) -> dict[str, np.ndarray]:
    rows = list(csv.reader(path.read_text().splitlines()))
    return {name: np.array([float(row[i]) for row in rows[1:]]) for i, name in enumerate(rows[0]) if i > 1}


def test_animate_phones_from_the_command_line(tmp_path: Path) -> None:
    """Phones in, CSV out: lips closed at b and m, open at aa; by its name beside, at the rate that was asked for."""
    written(tmp_path, long_grid(("phones", SAID)), "utf-16", "said.TextGrid")
    done = voxface("animate", "--phones", "said.TextGrid", "--fps", "100", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["output"], summary["frames"], summary["phones"]) == ("said.csv", 100, 6)
    face = columns(tmp_path / "said.csv")
    gap = face["JawOpen"] - face["MouthClose"]
    assert gap[24] < 0.02 < 0.2 < gap[40]
    clip = read(tmp_path / "said.csv", fps=100)
    np.testing.assert_allclose(
        clip.weights, phone_clip(read_phones(tmp_path / "said.TextGrid"), 100).weights, atol=1e-4
    )


def test_audio_says_how_long_the_animation_is(tmp_path: Path) -> None:
    """With the recording, the animation is as long as it, whatever the phones say; gains and intensity act."""
    written(tmp_path, seconds(SAID), name="said.lab")
    (tmp_path / "gains.toml").write_text("[gain]\njawOpen = 0\n")
    sound = voxface("animate", SAMPLE, "-o", "sound.csv", "--json", cwd=tmp_path)
    options = ["--phones", "said.lab", "-o", "x.csv", "--gains", "gains.toml", "--json"]
    done = voxface("animate", SAMPLE, *options, cwd=tmp_path)
    assert json.loads(done.stdout)["frames"] == json.loads(sound.stdout)["frames"]
    assert not columns(tmp_path / "x.csv")["JawOpen"].any()
    assert columns(tmp_path / "x.csv")["MouthStretchLeft"].max() > 0.05


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    """--articulation takes another table; a wrong one is one line with the key, exit code 2."""
    written(tmp_path, seconds(SAID), name="said.lab")
    table = load_table()
    save_table(table.with_targets("jaw", np.zeros_like(table.targets("jaw"))), tmp_path / "still.toml")
    done = voxface("animate", "--phones", "said.lab", "--articulation", "still.toml", "-o", "x.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not columns(tmp_path / "x.csv")["JawOpen"].any()
    (tmp_path / "bad.toml").write_text(
        re.sub(r"rise = [\d.]+", "rise = 200", (tmp_path / "still.toml").read_text(), count=1)
    )
    done = voxface("animate", "--phones", "said.lab", "--articulation", "bad.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "bad.toml: dominance.jaw.rise must be a number from 1 to 100; got 200." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["animate"], "nothing to animate", 2),
        (["animate", "--articulation", "x.toml", "a.wav"], "--articulation shapes phones only", 2),
        (["animate", "--phones", "said.lab", "a.wav", "b.wav"], "one recording or none; got 2", 2),
        (["animate", "--phones", "said.lab", "-o", "said.lab"], "is the input itself", 2),
        (["animate", "--phones", "absent.lab"], "cannot read absent.lab", 3),
        (["animate", "--phones", "said.lab", "--max-duration", "0.5"], "0.5 s are allowed", 6),
    ],
)  # fmt: skip
def test_wrong_calls_are_one_line(arguments: list[str], said: str, code: int, tmp_path: Path) -> None:
    """What cannot be done is said in one line with the exit code of its kind, and nothing is written."""
    written(tmp_path, seconds(SAID), name="said.lab")
    done = voxface(*arguments, cwd=tmp_path)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.returncode == code
    assert [path.name for path in tmp_path.iterdir()] == ["said.lab"]
