"""How words are said: our own table for the words of GRID, an installed dictionary or flite's rules for all others."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

from voxface.articulation.phones import SILENCE, VOWELS, canonical_phone
from voxface.errors import InputError

Spoken = tuple[tuple[str, int], ...]
"""A pronunciation: phones of articulation.PHONES, each with its stress (0 none, 1 primary, 2 secondary)."""

PAUSES = frozenset({SILENCE, "sp", ""})
"""Words that are silence."""

FESTIVAL_DICTIONARY = Path("/usr/share/festival/dicts/cmu/cmudict-0.4.out")
"""CMUdict as the Debian package festlex-cmu installs it; read only when a word asks for it, nothing of it is kept."""

_SECONDARY = 2  # for sources that mark no stress: between what may be stressed and what may not
_PROGRAM_LIMIT_S = 10


def pronounce(words: Iterable[str], lexicon: str | Path | None = None) -> dict[str, Spoken]:
    """The pronunciation of each word that one is found for; the others are left out.

    Looked up in this order: `lexicon`, our words of GRID, the dictionary of festival, the program flite. A pause is an
    empty pronunciation.

    Args:
        lexicon: text with a word, a tab and its phones per line, see grid_lexicon.tsv.
    Raises: InputError: the lexicon cannot be read, or a line of it is no pronunciation.
    """
    wanted = {word.strip().lower() for word in words}
    found: dict[str, Spoken] = dict.fromkeys(wanted & PAUSES, ())
    for source in (_own(lexicon), grid_lexicon()):
        found = {word: source[word] for word in wanted if word in source} | found
    found |= _from_festival(wanted - set(found))
    for word in sorted(wanted - set(found)):
        spoken = _from_flite(word)
        if spoken:
            found[word] = spoken
    return found


def grid_lexicon() -> dict[str, Spoken]:
    """Our own pronunciations of the 51 words of GRID."""
    return _parsed(files("voxface.synth").joinpath("grid_lexicon.tsv").read_text(encoding="utf-8"), "grid_lexicon.tsv")


def _own(path: str | Path | None) -> Mapping[str, Spoken]:
    if path is None:
        return {}
    try:
        return _parsed(Path(path).read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the lexicon {path}: {error}.", source=str(path)) from error


def _parsed(text: str, path: str | Path) -> dict[str, Spoken]:
    found: dict[str, Spoken] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            word, _, phones = line.partition("\t")
            spoken = spoken_as(phones.split())
            if not spoken:
                hint = "Write a word, a tab, and its phones in ARPAbet: please<TAB>p l iy1 z."
                raise InputError(
                    f"{path}: line {number} is no pronunciation: {line[:60]!r}.", hint=hint, source=str(path)
                )
            found[word.strip().lower()] = spoken
    return found


def spoken_as(labels: Iterable[str]) -> Spoken:
    """ARPAbet labels with or without stress digits, as phones; empty where one of them is unknown."""
    spoken = []
    for label in labels:
        symbol = canonical_phone(label, "arpabet")
        if symbol is None:
            return ()
        marked = int(label[-1]) if label[-1] in "012" else _SECONDARY
        spoken.append((symbol, marked if symbol in VOWELS and symbol != "ax" else 0))
    return tuple(spoken)


def _from_festival(words: set[str]) -> dict[str, Spoken]:
    """Words of festival's dictionary: ("please" nil (((p l iy z) 1))), syllables and their stress."""
    if not words or not FESTIVAL_DICTIONARY.is_file():
        return {}
    found: dict[str, Spoken] = {}
    with open(FESTIVAL_DICTIONARY, encoding="latin-1") as file:
        for line in file:
            entry = re.match(r'\("([^"]+)" \S+ \((.*)\)\)', line)
            if entry and entry[1] in words and entry[1] not in found:
                spoken = spoken_as(_stressed(entry[2]))
                if spoken:
                    found[entry[1]] = spoken
    return found


def _stressed(syllables: str) -> list[str]:
    """ "((p l iy z) 1)" as ["p1", "l1", ...]: the stress of the syllable behind every phone."""
    return [
        f"{phone}{stress}" for phones, stress in re.findall(r"\(\(([^()]+)\) ([012])\)", syllables)
        for phone in phones.split()
    ]  # fmt: skip


def _from_flite(word: str) -> Spoken:
    """What the program flite makes of a word; it marks no stress."""
    program = shutil.which("flite")
    if program is None or not word.isprintable():
        return ()
    command = [program, "-ps", "-t", word, "-o", "none"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PROGRAM_LIMIT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(phone for phone in spoken_as(answer.split()) if phone[0] != SILENCE)
