"""Phones of real speech: pronunciations, word times, typical lengths, and forced alignment."""

from __future__ import annotations

import re
import shutil
import subprocess
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.captured import make_recording
from voxface.articulation.phones import CLOSURES, PHONES, SILENCE, VOWELS, Phone, canonical_phone
from voxface.articulation.words import Word, read_words
from voxface.errors import DatasetError, InputError, InputWarning
from voxface.stream import Array
from voxface.synth.align import align_recordings, filled, spread_phones
from voxface.synth.aligner import Utterance, align
from voxface.synth.lexicon import FESTIVAL_DICTIONARY, grid_lexicon, pronounce
from voxface.synth.phone_table import read_phone_table, write_phone_table

SAID = """bin lay place set blue green red white at by in with a b c d e f g h i j k l m n o p q r s t u v x y z
zero one two three four five six seven eight nine again now please soon"""
GRID = SAID.split()


def words_file(path: Path, lines: str) -> Path:
    path.write_text("clip\tstart_s\tend_s\tword\n" + lines, encoding="utf-8")
    return path


def test_the_lexicon_knows_all_words_of_grid() -> None:
    """All 51 words have phones of ours, one vowel stressed but in weak "at"; bilabial words begin with a closure."""
    spoken = pronounce(GRID)
    assert len(GRID) == 51 == len(grid_lexicon())
    for word in GRID:
        assert all(symbol in PHONES for symbol, _ in spoken[word])
        assert sum(stress == 1 for _, stress in spoken[word]) == (word != "at")
        assert all(symbol in VOWELS for symbol, stress in spoken[word] if stress)
        assert (spoken[word][0][0] in CLOSURES) == (word in {"bin", "blue", "place", "please", "by", "b", "p"})
    assert [symbol for symbol, _ in spoken["four"]] == ["f", "ao"]  # British: no r


def test_other_words_come_from_an_installed_dictionary() -> None:
    """A word that GRID lacks is looked up in festival's dictionary, syllable stress included."""
    if not FESTIVAL_DICTIONARY.is_file():
        pytest.skip("festival's dictionary is not installed: apt-get install festlex-cmu")
    spoken = pronounce(["Abandon", "sil"])
    assert spoken == {
        "sil": (),
        "abandon": (("ax", 0), ("b", 0), ("ae", 1), ("n", 0), ("d", 0), ("ax", 0), ("n", 0)),
    }


def test_a_lexicon_of_ones_own_comes_first(tmp_path: Path) -> None:
    """Its pronunciations replace ours; a line that is none is named."""
    own = tmp_path / "own.tsv"
    own.write_text("# mine\nplease\tb aa1\n", encoding="utf-8")
    assert pronounce(["please"], own) == {"please": (("b", 0), ("aa", 1))}
    own.write_text("please\tb aa1\nnow\txyz\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2 is no pronunciation"):
        pronounce(["please"], own)


@pytest.mark.parametrize(
    ("lines", "named"),
    [("a\t0.5\t0.1\tbin\n", "line 2"), ("a\t0\t1\tbin\na\tx\t1\tbin\n", "line 3"), ("a\t0\n", "line 2")],
)
def test_wrong_word_times_are_named(tmp_path: Path, lines: str, named: str) -> None:
    """Times that do not rise, or are no numbers, are refused with their line."""
    with pytest.raises(InputError, match=named):
        read_words(words_file(tmp_path / "words.tsv", lines))


def test_words_are_read_in_order(tmp_path: Path) -> None:
    """Words come by recording, sorted by time, in small letters; one that lasts no time is left out."""
    found = read_words(
        words_file(tmp_path / "w.tsv", "a\t0.4\t0.6\tNow\na\t0.1\t0.4\tbin\nb\t0\t0\tsp\nb\t0\t1\tsil\n")
    )
    assert found == {"a": (Word("bin", 0.1, 0.4), Word("now", 0.4, 0.6)), "b": (Word("sil", 0, 1),)}


def test_typical_lengths_fill_every_word() -> None:
    """Phones follow each other without gaps from the start of their word to its end; vowels get more than stops."""
    words = filled([Word("place", 0.3, 0.6), Word("now", 0.61, 0.9)], 1.5)
    phones = spread_phones(words, pronounce(["place", "now", "sil"]))
    assert [p.symbol for p in phones] == ["sil", "p", "l", "ey", "s", "n", "aw", "sil"]
    assert [p.start_s for p in phones] == pytest.approx([0, 0.3, *[p.end_s for p in phones[1:4]], 0.61, *[
        p.end_s for p in phones[5:7]]])  # fmt: skip
    assert phones[4].end_s == pytest.approx(0.6)
    assert phones[-1].end_s == pytest.approx(1.5)
    assert phones[3].end_s - phones[3].start_s > 1.5 * (phones[1].end_s - phones[1].start_s)


def test_recordings_without_words_are_counted() -> None:
    """One that has no words, or a word nobody can say, is skipped by name with its reason; the others are aligned."""
    recordings = [make_recording(name=name) for name in ("good", "silent", "odd")]
    words = {"good": (Word("bin", 0.2, 0.6),), "odd": (Word("---", 0.2, 0.6),)}
    with pytest.warns(InputWarning, match=r"2 of 3 recordings are not aligned: silent: it has no words; odd: no pron"):
        found = align_recordings(recordings, words)
    assert set(found.phones) == {"good"}
    assert set(found.skipped) == {"silent", "odd"}
    with pytest.raises(DatasetError, match="1 of 1 recordings are not aligned"):
        align_recordings(recordings[1:2], words)


def test_a_phone_table_comes_back(tmp_path: Path) -> None:
    """What is written is read again to a millisecond; a line that is no phone is named."""
    phones = {"b": (Phone("sil", 0, 0.25), Phone("aa", 0.25, 0.4, 1)), "a": (Phone("m", 0.1, 0.2),)}
    path = tmp_path / "phones.tsv"
    write_phone_table(phones, path)
    assert read_phone_table(path) == phones
    assert path.read_text().splitlines()[1] == "a\t0.100\t0.200\tm\t0"
    path.write_text(path.read_text() + "c\t0\t1\tqq\t0\n")
    with pytest.raises(InputError, match="line 5"):
        read_phone_table(path)
    path.write_text("clip\tphone\n")
    with pytest.raises(InputError, match="no column 'recording'"):
        read_phone_table(path)


def said_by_flite(text: str, folder: Path) -> tuple[Array, list[Phone]]:
    """A sentence of the diphone voice kal16 and flite's own phone times, cut at the end of the sound."""
    program, sound = shutil.which("flite"), folder / "said.wav"
    if program is None:
        pytest.skip("forced alignment is NOT tested: flite is not installed (apt-get install flite)")
    command = [program, "-voice", "kal16", "-t", text, "-psdur", "-o", str(sound)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    with wave.open(str(sound)) as file:
        assert file.getframerate() == 16_000
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    ends = [(name, min(float(end), len(samples) / 16_000)) for name, end in re.findall(r"(\S+):([\d.]+)", listed)]
    starts = [0.0, *(end for _, end in ends)]
    phones = [
        Phone(canonical_phone(name, "arpabet") or SILENCE, start, end)
        for (name, end), start in zip(ends, starts, strict=False)
        if end > start
    ]
    return samples, phones


def in_words(phones: list[Phone]) -> list[list[Phone]]:
    """Silences alone, all else four by four."""
    words: list[list[Phone]] = []
    for phone in phones:
        alone = not words or SILENCE in (phone.symbol, words[-1][-1].symbol) or len(words[-1]) == 4
        words.append([phone]) if alone else words[-1].append(phone)
    return words


def test_forced_alignment_finds_the_phones_of_speech(tmp_path: Path) -> None:
    """Given sentences and when each four phones are said, the boundaries between lie within 25 ms in the median of
    where the synthesiser has put them, and nearer than typical lengths put them; the same again on a second run."""
    order = np.random.default_rng(3)
    texts = [" ".join(order.choice([word for word in GRID if len(word) > 1], 7)) for _ in range(20)]
    utterances, truths = [], []
    for text in texts:
        samples, phones = said_by_flite(text, tmp_path)
        words = in_words(phones)
        spans = [(word[0].start_s, word[-1].end_s) for word in words for _ in word]
        guess = []
        for word in words:
            spoken = {"word": tuple((phone.symbol, 0) for phone in word)}
            guess += spread_phones([Word("word", word[0].start_s, word[-1].end_s)], spoken)
        utterances.append(Utterance(samples, tuple(guess), tuple(spans)))
        truths.append(phones)

    def errors(found: list[tuple[Phone, ...]]) -> Array:
        inside = [
            abs(a.end_s - b.end_s)
            for phones, truth, one in zip(found, truths, utterances, strict=True)
            for a, b, (_, end_s) in zip(phones, truth, one.spans, strict=True)
            if b.end_s < end_s - 1e-6
        ]
        return np.array(inside)

    heard = align(utterances)
    assert all(a.end_s == b.start_s for phones in heard for a, b in pairwise(phones))
    guessed = errors([one.phones for one in utterances])
    assert len(guessed) > 200
    assert np.median(errors(heard)) < 0.025
    assert np.mean(errors(heard)) < 0.8 * np.mean(guessed)
    assert align(utterances) == heard
