"""What is said: example sentences of WordNet, in an order in which rare sounds come often; some Russian of our own."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from voxface.errors import MissingDependencyError

WORDNET = Path("/usr/share/wordnet")
"""Where Debian's wordnet-base lies."""

HELD_OUT = 16
"""One sentence in this many is kept for validation and test, whatever the seed: no net has learned from it."""

_PARTS = ("adj", "adv", "noun", "verb")
_SENTENCE = re.compile(r"[A-Za-z][A-Za-z' ]{23,88}[A-Za-z]")
_HANDFUL = 8  # of more, the rare sounds would be used up at once

_SOUNDS: Mapping[str, re.Pattern[str]] = {
    phone: re.compile(pattern)
    for phone, pattern in {
        "zh": r"[aeiou]sion|[aeou]sur[ey]|usual|seizure|garage|beige|rouge",
        "oy": r"oi(?!r)|oy",
        "th": r"(?<!\w)th(?!e|is|at|an|ey|ose|us|ough)\w|th(?!\w)|thr",
        "uh": r"ood|ook|(?<=[fpb])ull|ush|ould",
        "ch": r"ch|tch|ture", "jh": r"j|dge|g(?=e|i)", "sh": r"sh|tion|cial", "ng": r"ng", "aw": r"ou(?!gh|ld)|ow",
        "uw": r"oo(?!d|k)|ew|ue", "p": r"p(?!h)", "b": r"b", "m": r"m", "f": r"f|ph", "v": r"v", "w": r"w(?!r)",
        "ao": r"aw|au|all|ought", "ay": r"i\we|igh|y(?!\w)", "ow": r"o\we|oa", "er": r"er|ir|ur", "z": r"z|s(?!\w)",
        "y": r"(?<!\w)y|u\we", "k": r"k|c(?!h|e|i)", "g": r"g(?!e|i|h)", "hh": r"(?<!\w)h", "l": r"l", "r": r"r",
        "iy": r"ee|ea|ie", "ey": r"a\we|ai|ay", "aa": r"ar|ot|op", "ae": r"a(?=[bcdfgmnpt](?!e))",
        "dh": r"the|this|that",
    }.items()
}  # fmt: skip
"""Sounds that the lips show, or that are rare, and spellings that hint at them: good enough to order sentences by."""

RUSSIAN: tuple[str, ...] = (
    "мама варит вкусный суп", "папа читает свежую газету", "большая собака бежит по дороге",
    "мы пойдём гулять после обеда", "я люблю пить горячий чай", "дети играют около школы",
    "вчера весь день шёл дождь", "бабушка живёт в маленькой деревне", "поезд приходит рано утром",
    "в лесу поют весёлые птицы", "мой брат купил новую машину", "закрой пожалуйста окно и дверь",
    "на столе лежит белый хлеб", "рыба плавает в глубокой воде", "зимой мы катаемся на лыжах",
    "учитель объясняет новый урок", "у моря всегда свежий воздух", "кошка спит на тёплом диване",
    "этот фильм был очень смешной", "вечером мы смотрим на звёзды", "он забыл свой зонт дома",
    "помоги мне поднять эту коробку", "впереди виден высокий мост", "фабрика выпускает красивую обувь",
)  # fmt: skip


def sentences(seed: int, *, held_out: bool, folder: Path = WORDNET) -> Iterator[str]:
    """All example sentences, of letters only and 25 to 90 long, ordered by the seed so that rare sounds come early.

    Args:
        held_out: those kept for validation and test, or all others.
    Raises: MissingDependencyError: WordNet is not installed.
    """
    found = [text for text in _examples(folder) if _is_held_out(text) == held_out]
    order = np.random.default_rng([seed, held_out]).permutation(len(found))
    return _balanced([found[place] for place in order])


def russian(seed: int) -> list[str]:
    """The Russian sentences, in an order of the seed."""
    return [RUSSIAN[place] for place in np.random.default_rng(seed).permutation(len(RUSSIAN))]


def _is_held_out(text: str) -> bool:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % HELD_OUT == 0


@lru_cache(maxsize=2)
def _examples(folder: Path) -> tuple[str, ...]:
    """The quoted examples in WordNet's glosses, sorted, each once."""
    found: set[str] = set()
    for part in _PARTS:
        try:
            text = (folder / f"data.{part}").read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise MissingDependencyError(
                f"no sentences to say: {folder / f'data.{part}'} cannot be read ({error.strerror}).",
                hint="apt install wordnet-base", source=str(folder),
            ) from error  # fmt: skip
        for line in text.splitlines():
            gloss = line.partition(" | ")[2]
            found.update(quoted for quoted in re.findall(r'"([^"]+)"', gloss) if _SENTENCE.fullmatch(quoted))
    return tuple(sorted(found))


def _balanced(texts: Sequence[str]) -> Iterator[str]:
    """The same texts; each next one is that of a handful whose sounds were heard least so far, the others wait on."""
    heard: Counter[str] = Counter()
    waiting = deque(texts)
    while waiting:
        handful = [waiting.popleft() for _ in range(min(_HANDFUL, len(waiting)))]
        best = max(handful, key=lambda text: _worth(_sounds(text), heard) / len(text))
        waiting.extend(text for text in handful if text != best)
        heard.update(_sounds(best))
        yield best


@lru_cache(maxsize=50_000)
def _sounds(text: str) -> Mapping[str, int]:
    lower = text.lower()
    counts = {phone: len(pattern.findall(lower)) for phone, pattern in _SOUNDS.items()}
    return {phone: count for phone, count in counts.items() if count}


def _worth(sounds: Mapping[str, int], heard: Counter[str]) -> float:
    return sum(count / (1 + heard[phone]) for phone, count in sounds.items())
